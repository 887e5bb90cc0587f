/* Tests that libuv's table of descriptors grows also when there is no memory, once, and that nobody
 * is let in before it could grow again. */
#include "transports/watches.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>
#include <uv.h>

#include <cmocka.h>

enum { POLLS = 4000 };

static bool starved;

void *__real_malloc(size_t size);
void *__real_realloc(void *old, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_realloc(void *old, size_t size);

void *__wrap_malloc(size_t size)
{
    return starved ? NULL : __real_malloc(size);
}

void *__wrap_realloc(void *old, size_t size)
{
    return starved ? NULL : __real_realloc(old, size);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    (void)poll;
    (void)status;
    (void)events;
}

struct crowd {
    uv_loop_t loop;
    uv_poll_t polls[POLLS];
    int count, ends[2];
};

static int begin(void **state)
{
    static struct crowd crowd;
    starved = false;
    crowd.count = 0;
    assert_true(watches_begin());
    assert_int_equal(uv_loop_init(&crowd.loop), 0);
    assert_int_equal(pipe(crowd.ends), 0);
    *state = &crowd;
    return 0;
}

static int end(void **state)
{
    struct crowd *crowd = *state;
    starved = false;
    for (int i = 0; i < crowd->count; i++) {
        int fd;
        assert_int_equal(uv_fileno((uv_handle_t *)&crowd->polls[i], &fd), 0);
        uv_close((uv_handle_t *)&crowd->polls[i], NULL);
        close(fd);
    }
    uv_run(&crowd->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&crowd->loop), 0);
    close(crowd->ends[0]);
    close(crowd->ends[1]);
    return 0;
}

/* One more descriptor is watched, as peers are; false when there is none to be had. */
static bool watch(struct crowd *crowd)
{
    int fd = crowd->count < POLLS ? dup(crowd->ends[0]) : -1;
    if (fd < 0)
        return false;
    uv_poll_t *poll = &crowd->polls[crowd->count++];
    assert_int_equal(uv_poll_init(&crowd->loop, poll, fd), 0);
    assert_int_equal(uv_poll_start(poll, UV_READABLE, on_poll), 0);
    return true;
}

static void test_with_memory_there_is_always_room(void **state)
{
    struct crowd *crowd = *state;
    for (int i = 0; i < 900; i++) {
        assert_true(watches_have_room());
        assert_true(watch(crowd));
    }
}

static void test_without_memory_the_table_grows_once_and_then_nobody_is_let_in(void **state)
{
    struct crowd *crowd = *state;
    assert_true(watch(crowd));
    starved = true;
    while (watches_have_room())
        assert_true(watch(crowd)); /* libuv would end the process */
    assert_in_range(crowd->count, 2, POLLS - 1);
    assert_false(watches_have_room());
    starved = false;
    assert_true(watches_have_room());
    for (int i = 0; i < 600; i++) {
        assert_true(watches_have_room());
        assert_true(watch(crowd));
    }
}

static void test_beginning_twice_changes_nothing(void **state)
{
    struct crowd *crowd = *state;
    assert_true(watch(crowd));
    assert_true(watches_begin());
    assert_true(watches_have_room());
    assert_true(watch(crowd));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_with_memory_there_is_always_room, begin, end),
        cmocka_unit_test_setup_teardown(
            test_without_memory_the_table_grows_once_and_then_nobody_is_let_in, begin, end),
        cmocka_unit_test_setup_teardown(test_beginning_twice_changes_nothing, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
