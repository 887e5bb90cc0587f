/* Tests base/map.c against an array; memory can be made to run out. */
#include "base/hash.h"
#include "base/map.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static bool out_of_memory;
void *__real_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size);

void *__wrap_calloc(size_t count, size_t size)
{
    return out_of_memory ? NULL : __real_calloc(count, size);
}

struct thing {
    char name[12];
    bool in_map, seen;
};

static struct slice thing_name(const void *item)
{
    return slice_of_str(((const struct thing *)item)->name);
}

enum { THINGS = 3000 };
static struct thing things[THINGS];

static int start(void **state)
{
    (void)state;
    hash_start(42);
    memset(things, 0, sizeof(things));
    for (int i = 0; i < THINGS; i++)
        snprintf(things[i].name, sizeof(things[i].name), "thing-%d", i);
    return 0;
}

static void check_walk(const struct map *m)
{
    for (int i = 0; i < THINGS; i++)
        things[i].seen = false;
    size_t position = 0, walked = 0;
    for (struct thing *t; (t = map_next(m, &position)) != NULL; walked++) {
        assert_true(t->in_map && !t->seen);
        t->seen = true;
    }
    assert_int_equal(walked, m->count);
    assert_null(map_next(m, &position));
}

static void an_empty_map_finds_nothing_and_holds_no_memory(void **state)
{
    (void)state;
    struct map m;
    map_init(&m, thing_name);
    size_t position = 0;
    assert_null(map_find(&m, SLICE("thing-1")));
    assert_null(map_take(&m, SLICE("thing-1")));
    assert_null(map_next(&m, &position));
    assert_null(m.slots);
    map_clear(&m);
}

/* Waves of growing and shrinking, each key equally likely; the array knows what is true. */
static void a_long_life_agrees_with_an_array(void **state)
{
    (void)state;
    struct map m;
    map_init(&m, thing_name);
    uint32_t seed = 5;
    size_t count = 0;
    for (int op = 0; op < 200000; op++) {
        seed = seed * 1664525 + 1013904223;
        struct thing *t = &things[(seed >> 8) % THINGS];
        unsigned chance = (seed >> 4) % 16;
        bool growing = op / 20000 % 2 == 0;
        struct slice key = thing_name(t);
        assert_ptr_equal(map_find(&m, key), t->in_map ? t : NULL);
        if (!t->in_map && chance < (growing ? 12 : 2)) {
            assert_int_equal(map_put(&m, t), 0);
            t->in_map = true;
            count++;
        } else if (chance >= (growing ? 14 : 4)) {
            assert_ptr_equal(map_take(&m, key), t->in_map ? t : NULL);
            count -= t->in_map;
            t->in_map = false;
        }
        assert_int_equal(m.count, count);
        assert_true(m.count * 4 <= m.capacity * 3);
        assert_true(m.capacity <= 8 || m.count * 8 >= m.capacity);
        if (op % 5000 == 0)
            check_walk(&m);
    }
    for (int i = 0; i < THINGS; i++)
        assert_ptr_equal(map_take(&m, thing_name(&things[i])),
                         things[i].in_map ? &things[i] : NULL);
    assert_int_equal(m.count, 0);
    map_clear(&m);
    assert_null(m.slots);
}

/* Few slots and many rounds: every way in which runs of items cross the end of the table. */
static void taking_never_hides_another_item(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 2000; seed++) {
        hash_start(seed);
        struct map m;
        map_init(&m, thing_name);
        for (int i = 0; i < 12; i++)
            assert_int_equal(map_put(&m, &things[i]), 0);
        assert_int_equal(m.capacity, 16);
        for (int taken = 0; taken < 12; taken++) {
            int which = (int)((taken * 5 + seed) % 12);
            assert_ptr_equal(map_take(&m, thing_name(&things[which])), &things[which]);
            for (int later = taken + 1; later < 12; later++) {
                struct thing *t = &things[(later * 5 + seed) % 12];
                assert_ptr_equal(map_find(&m, thing_name(t)), t);
            }
        }
        map_clear(&m);
    }
}

static void it_grows_at_three_quarters_and_shrinks_at_an_eighth(void **state)
{
    (void)state;
    struct map m;
    map_init(&m, thing_name);
    for (int i = 0; i < 96; i++)
        assert_int_equal(map_put(&m, &things[i]), 0);
    assert_int_equal(m.capacity, 128);
    assert_int_equal(map_put(&m, &things[96]), 0);
    assert_int_equal(m.capacity, 256);
    for (int i = 96; i >= 32; i--)
        assert_ptr_equal(map_take(&m, thing_name(&things[i])), &things[i]);
    assert_int_equal(m.capacity, 256);
    assert_ptr_equal(map_take(&m, thing_name(&things[31])), &things[31]);
    assert_int_equal(m.capacity, 128);
    map_clear(&m);
}

static void without_memory_nothing_changes(void **state)
{
    (void)state;
    struct map m;
    map_init(&m, thing_name);
    out_of_memory = true;
    assert_int_equal(map_put(&m, &things[0]), -ENOMEM);
    out_of_memory = false;
    assert_int_equal(m.count, 0);
    for (int i = 0; i < 48; i++) /* 64 slots are 3/4 full */
        assert_int_equal(map_put(&m, &things[i]), 0);
    out_of_memory = true;
    assert_int_equal(map_put(&m, &things[48]), -ENOMEM);
    assert_int_equal(m.count, 48);
    assert_null(map_find(&m, thing_name(&things[48])));
    for (int i = 0; i < 48; i++) /* and a table that cannot shrink works on */
        assert_ptr_equal(map_take(&m, thing_name(&things[i])), &things[i]);
    assert_int_equal(m.capacity, 64);
    out_of_memory = false;
    map_clear(&m);
}

static void keys_may_hold_any_bytes(void **state)
{
    (void)state;
    struct map m;
    map_init(&m, thing_name);
    struct thing none = {.name = ""}, one = {.name = "a"};
    assert_int_equal(map_put(&m, &none), 0);
    assert_int_equal(map_put(&m, &one), 0);
    assert_ptr_equal(map_find(&m, SLICE_EMPTY), &none);
    assert_null(map_find(&m, SLICE("a\0")));
    assert_ptr_equal(map_find(&m, SLICE("a")), &one);
    map_clear(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(an_empty_map_finds_nothing_and_holds_no_memory, start),
        cmocka_unit_test_setup(a_long_life_agrees_with_an_array, start),
        cmocka_unit_test_setup(taking_never_hides_another_item, start),
        cmocka_unit_test_setup(it_grows_at_three_quarters_and_shrinks_at_an_eighth, start),
        cmocka_unit_test_setup(without_memory_nothing_changes, start),
        cmocka_unit_test_setup(keys_may_hold_any_bytes, start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
