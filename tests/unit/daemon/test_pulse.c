/* Tests daemon/pulse.c: time passes by turning the wheel by hand. */
#include "daemon/pulse.h"

#include "broker/broker.h"
#include "config/option.h"
#include "transports/loop.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { DAY_MS = 86400000 };

struct calls {
    unsigned said, inspected;
};

static void on_say(void *owner)
{
    ((struct calls *)owner)->said++;
}

static void on_inspect(void *owner)
{
    ((struct calls *)owner)->inspected++;
}

static const struct pulse_hooks hooks = {.say = on_say, .inspect = on_inspect};
static const struct loop_hooks nothing;
static const struct notify nobody = {.fd = -1};

static void what_wears_out_is_looked_at_every_day(void **unused)
{
    (void)unused;
    struct calls calls = {0};
    struct pulse pulse;
    uint64_t never = OPTION_UNLIMITED;
    struct loop *loop = loop_new(&nothing, NULL);
    uint64_t begin_ms = loop_now_ms(loop);
    pulse_start(&pulse, loop, NULL, &nobody, &never, &hooks, &calls);
    assert_int_equal(calls.inspected, 0);
    timers_advance(loop_wheel(loop), begin_ms + DAY_MS - 1);
    assert_int_equal(calls.inspected, 0);
    timers_advance(loop_wheel(loop), begin_ms + DAY_MS);
    assert_int_equal(calls.inspected, 1);
    assert_true(timer_is_set(&pulse.day)); /* and so on */
    assert_int_equal(calls.said, 0);
    pulse_stop(&pulse);
    assert_false(timer_is_set(&pulse.day));
    loop_free(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_wears_out_is_looked_at_every_day),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
