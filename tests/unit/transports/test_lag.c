/* Tests transports/lag.c: the histogram of turns. */
#include "transports/lag.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct lag lag;

static int setup(void **unused)
{
    (void)unused;
    memset(&lag, 0, sizeof(lag));
    return 0;
}

static void test_without_turns_there_is_no_lag(void **unused)
{
    (void)unused;
    assert_int_equal(lag_quantile(&lag, 999), 0);
    assert_int_equal(lag_quantile(&lag, 0), 0);
}

static void test_each_time_is_its_own_quantile_within_an_eighth(void **unused)
{
    (void)unused;
    for (uint64_t us = 0; us < UINT64_C(30000000); us += 1 + us / 50) {
        setup(NULL);
        lag_add(&lag, us);
        lag_add(&lag, us * 4 + 100); /* so that the maximum does not answer */
        uint64_t half = lag_quantile(&lag, 500);
        assert_true(half >= us);
        assert_true(half <= us + us / 8);
    }
}

static void test_a_quantile_leaves_the_rest_above_it(void **unused)
{
    (void)unused;
    for (int i = 0; i < 9990; i++)
        lag_add(&lag, 100);
    for (int i = 0; i < 10; i++)
        lag_add(&lag, 50000);
    assert_true(lag_quantile(&lag, 999) <= 112);
    lag_add(&lag, 50000);
    assert_int_equal(lag_quantile(&lag, 999), 50000);
    assert_int_equal(lag.max_us, 50000);
    assert_int_equal(lag.turns, 10001);
}

static void test_endless_turns_count_as_the_longest(void **unused)
{
    (void)unused;
    lag_add(&lag, UINT64_MAX);
    lag_add(&lag, UINT64_C(1) << 40);
    assert_true(lag_quantile(&lag, 1000) == UINT64_MAX);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup(f, setup)
    const struct CMUnitTest tests[] = {
        TEST(test_without_turns_there_is_no_lag),
        TEST(test_each_time_is_its_own_quantile_within_an_eighth),
        TEST(test_a_quantile_leaves_the_rest_above_it),
        TEST(test_endless_turns_count_as_the_longest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
