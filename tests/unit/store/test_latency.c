/* The distribution of durations. */
#include "store/latency.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void without_durations_all_is_zero(void **state)
{
    struct latency latency = {0};
    (void)state;
    assert_int_equal(latency_percentile(&latency, 990), 0);
}

static void a_percentile_is_at_most_an_eighth_too_high(void **state)
{
    (void)state;
    for (uint64_t us = 0; us < 5000000; us += 1 + us / 7) {
        struct latency latency = {0};
        latency_add(&latency, us);
        uint64_t said = latency_percentile(&latency, 500);
        assert_in_range(said, us, us + us / 8 + 1);
    }
}

static void percentiles_are_in_order(void **state)
{
    struct latency latency = {0};
    (void)state;
    for (uint64_t us = 1; us <= 1000; us++)
        latency_add(&latency, us);
    assert_in_range(latency_percentile(&latency, 500), 500, 563);
    assert_in_range(latency_percentile(&latency, 990), 990, 1115);
    latency_add(&latency, UINT64_MAX);
    assert_true(latency_percentile(&latency, 1000) > 1000000000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_durations_all_is_zero),
        cmocka_unit_test(a_percentile_is_at_most_an_eighth_too_high),
        cmocka_unit_test(percentiles_are_in_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
