/* Tests base/buffer.c; memory can be made to run out. */
#include "base/buffer.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static bool out_of_memory;
void *__real_realloc(void *at, size_t size);
void *__wrap_realloc(void *at, size_t size);

void *__wrap_realloc(void *at, size_t size)
{
    return out_of_memory ? NULL : __real_realloc(at, size);
}

static void what_is_appended_comes_out_in_order(void **state)
{
    (void)state;
    struct buffer b = {0};
    assert_int_equal(buffer_append(&b, SLICE_EMPTY), 0);
    assert_null(b.at);
    assert_int_equal(buffer_append(&b, SLICE("one ")), 0);
    assert_int_equal(buffer_append(&b, SLICE("two ")), 0);
    assert_true(slice_equal(buffer_slice(&b), SLICE("one two ")));
    buffer_consume(&b, 4);
    assert_int_equal(buffer_append(&b, SLICE("three")), 0);
    assert_true(slice_equal(buffer_slice(&b), SLICE("two three")));
    buffer_clear(&b);
    assert_null(b.at);
    assert_int_equal(b.len + b.cap, 0);
}

static void a_long_stream_keeps_every_byte(void **state)
{
    (void)state;
    struct buffer b = {0};
    uint32_t put = 0, got = 0, seed = 1;
    while (got < 500000) {
        seed = seed * 1664525 + 1013904223;
        size_t n = seed >> 22; /* up to 1023 */
        uint8_t *to = buffer_room(&b, n);
        assert_non_null(to);
        for (size_t i = 0; i < n; i++)
            to[i] = (uint8_t)(put++ * 31);
        b.len += (uint32_t)n;
        seed = seed * 1664525 + 1013904223;
        n = seed >> 22;
        if (n > b.len)
            n = b.len;
        for (size_t i = 0; i < n; i++)
            assert_int_equal(b.at[i], (uint8_t)(got++ * 31));
        buffer_consume(&b, n);
        assert_int_equal(b.len, put - got);
    }
    buffer_clear(&b);
}

static void growth_doubles(void **state)
{
    (void)state;
    struct buffer b = {0};
    unsigned growths = 0;
    for (uint32_t i = 0; i < 100000; i++) {
        uint32_t before = b.cap;
        assert_int_equal(buffer_append(&b, SLICE("x")), 0);
        growths += b.cap != before;
        assert_true(b.cap >= b.len && (before == 0 || b.cap == before || b.cap == 2 * before));
    }
    assert_in_range(growths, 2, 17);
    buffer_clear(&b);
}

static void consuming_more_than_there_is_empties_it(void **state)
{
    (void)state;
    struct buffer b = {0};
    buffer_consume(&b, 3);
    assert_int_equal(b.len, 0);
    assert_int_equal(buffer_append(&b, SLICE("abc")), 0);
    buffer_consume(&b, 0);
    assert_int_equal(b.len, 3);
    buffer_consume(&b, 4000);
    assert_int_equal(b.len, 0);
    assert_int_equal(buffer_append(&b, SLICE("d")), 0);
    assert_true(slice_equal(buffer_slice(&b), SLICE("d")));
    buffer_clear(&b);
}

static void without_memory_nothing_changes(void **state)
{
    (void)state;
    struct buffer b = {0};
    out_of_memory = true;
    assert_int_equal(buffer_append(&b, SLICE("x")), -ENOMEM);
    assert_null(b.at);
    out_of_memory = false;
    assert_int_equal(buffer_append(&b, SLICE("kept")), 0);
    struct buffer before = b;
    out_of_memory = true;
    assert_null(buffer_room(&b, 1000));
    out_of_memory = false;
    assert_memory_equal(&b, &before, sizeof(b));
    assert_true(slice_equal(buffer_slice(&b), SLICE("kept")));
    assert_null(buffer_room(&b, UINT32_MAX));
    assert_null(buffer_room(&b, SIZE_MAX));
    buffer_clear(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_appended_comes_out_in_order),
        cmocka_unit_test(a_long_stream_keeps_every_byte),
        cmocka_unit_test(growth_doubles),
        cmocka_unit_test(consuming_more_than_there_is_empties_it),
        cmocka_unit_test(without_memory_nothing_changes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
