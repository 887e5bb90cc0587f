/* Tests transports/loop.c: what a turn is. */
#include "tests/unit/transports/stage.h"

static void test_a_turn_begins_once_before_anything_else(void **unused)
{
    (void)unused;
    int a = client_open(), b = client_open();
    uint8_t *frame = frame_new(ORDER_ECHO, 10);
    assert_int_equal(send(a, frame, 14, 0), 14);
    assert_int_equal(send(b, frame, 14, 0), 14);
    usleep(1000);
    loop_step(stage.loop, false); /* lets the turn of the step before end */
    unsigned turns = stage.turns;
    until(stage.packets == 2);
    assert_true(stage.turns - turns <= 2);
    assert_int_equal(loop_counts(stage.loop).turns, stage.turns);
    free(frame);
    close(a);
    close(b);
}

static void test_time_stands_still_within_a_turn_and_then_goes_on(void **unused)
{
    (void)unused;
    stage_pass(5);
    loop_enter(stage.loop);
    uint64_t before_ms = loop_now_ms(stage.loop);
    usleep(20000);
    loop_enter(stage.loop);
    assert_int_equal(loop_now_ms(stage.loop), before_ms);
    stage_pass(5);
    assert_true(loop_now_ms(stage.loop) >= before_ms + 20);
    assert_true(loop_wall_ms(stage.loop) > INT64_C(1600000000000));
}

static void test_work_is_asked_for_again_without_sleep_while_there_is_more(void **unused)
{
    (void)unused;
    stage.work_left = 1000;
    uint64_t begin = uv_hrtime();
    for (int i = 0; i < 1002 && stage.work_left > 0; i++)
        loop_step(stage.loop, i > 0); /* would wait for ever if it slept */
    assert_int_equal(stage.work_left, 0);
    assert_true(uv_hrtime() - begin < UINT64_C(2000000000));
    loop_step(stage.loop, false);
    assert_false(uv_is_active((uv_handle_t *)&stage.loop->idle));
}

static struct timer timers[3];
static uint64_t fired_ms[3];

static void note(struct timer *timer)
{
    fired_ms[timer - timers] = loop_now_ms(stage.loop);
}

static void test_timers_fire_in_time_and_the_loop_sleeps_until_then(void **unused)
{
    (void)unused;
    stage_pass(2);
    uint64_t begin_ms = loop_now_ms(stage.loop), turns = loop_counts(stage.loop).turns;
    static const unsigned after_ms[3] = {150, 40, 90};
    memset(fired_ms, 0, sizeof(fired_ms));
    for (int i = 0; i < 3; i++) {
        timer_init(&timers[i], note);
        timer_set(loop_wheel(stage.loop), &timers[i], begin_ms + after_ms[i]);
    }
    while (fired_ms[0] == 0)
        loop_step(stage.loop, true);
    for (int i = 0; i < 3; i++) {
        assert_true(fired_ms[i] + 1 >= begin_ms + after_ms[i]);
        assert_true(fired_ms[i] <= begin_ms + after_ms[i] + 100);
    }
    assert_true(loop_counts(stage.loop).turns - turns < 30);
}

static void stop(struct timer *timer)
{
    (void)timer;
    loop_stop(stage.loop);
}

static void test_run_ends_with_stop(void **unused)
{
    (void)unused;
    timer_init(&timers[0], stop);
    timer_set(loop_wheel(stage.loop), &timers[0], loop_now_ms(stage.loop) + 30);
    loop_run(stage.loop);
    timer_set(loop_wheel(stage.loop), &timers[0], loop_now_ms(stage.loop));
    loop_run(stage.loop);
}

static void dawdle(struct timer *timer)
{
    (void)timer;
    usleep(30000);
}

static void test_the_lag_is_the_longest_turn_and_sleep_is_none(void **unused)
{
    (void)unused;
    loop_step(stage.loop, false);
    loop_lag_take(stage.loop);
    timer_init(&timers[0], dawdle);
    timer_set(loop_wheel(stage.loop), &timers[0], loop_now_ms(stage.loop) + 60);
    uint64_t begin = uv_hrtime();
    while (timer_is_set(&timers[0]))
        loop_step(stage.loop, true);
    loop_step(stage.loop, false);
    assert_true(uv_hrtime() - begin >= UINT64_C(85000000));
    struct loop_lag lag = loop_lag(stage.loop);
    assert_true(lag.turns > 0);
    assert_true(lag.max_us >= 29000);
    assert_true(lag.max_us < 80000);
    assert_int_equal(lag.max_us, loop_lag_us(stage.loop));
    assert_int_equal(lag.p999_us, lag.max_us);
    assert_int_equal(loop_lag_take(stage.loop).max_us, lag.max_us);
    assert_int_equal(loop_lag_us(stage.loop), 0);
}

static void on_foreign(uv_timer_t *timer)
{
    loop_enter(stage.loop);
    peer_send(stage.peers[0], SLICE("hello"));
    loop_leave(stage.loop);
    uv_close((uv_handle_t *)timer, NULL);
}

static void test_a_handle_of_somebody_else_may_send(void **unused)
{
    (void)unused;
    int fd = client_open();
    uv_timer_t foreign;
    uv_timer_init(loop_uv(stage.loop), &foreign);
    uv_timer_start(&foreign, on_foreign, 1, 0);
    char said[5];
    client_receive(fd, said, 5);
    assert_memory_equal(said, "hello", 5);
    close(fd);
}

static void test_a_loop_without_hooks_runs(void **unused)
{
    (void)unused;
    static const struct loop_hooks none;
    struct loop *loop = loop_new(&none, NULL);
    loop_step(loop, false);
    loop_step(loop, false);
    loop_free(loop);
    loop_free(NULL);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, stage_setup, stage_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_a_turn_begins_once_before_anything_else),
        TEST(test_time_stands_still_within_a_turn_and_then_goes_on),
        TEST(test_work_is_asked_for_again_without_sleep_while_there_is_more),
        TEST(test_timers_fire_in_time_and_the_loop_sleeps_until_then),
        TEST(test_run_ends_with_stop),
        TEST(test_the_lag_is_the_longest_turn_and_sleep_is_none),
        TEST(test_a_handle_of_somebody_else_may_send),
        TEST(test_a_loop_without_hooks_runs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
