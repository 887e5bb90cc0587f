/* Tests daemon/pulse.c: time passes by turning the wheel by hand. */
#include "daemon/pulse.h"

#include "broker/broker.h"
#include "config/option.h"
#include "transports/loop.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

enum { DAY_MS = 86400000 };

struct calls {
    unsigned said, inspected;
    bool stuck;
    uint64_t patience_us;
};

static void on_say(void *owner)
{
    ((struct calls *)owner)->said++;
}

static void on_inspect(void *owner)
{
    ((struct calls *)owner)->inspected++;
}

static bool on_alive(void *owner, uint64_t patience_us)
{
    ((struct calls *)owner)->patience_us = patience_us;
    return !((struct calls *)owner)->stuck;
}

static const struct pulse_hooks hooks = {.say = on_say, .inspect = on_inspect, .alive = on_alive};
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

static unsigned signs(int manager)
{
    char message[64];
    unsigned count = 0;
    while (recv(manager, message, sizeof(message), MSG_DONTWAIT) > 0)
        count++;
    return count;
}

static void no_sign_of_life_while_the_store_is_stuck(void **unused)
{
    (void)unused;
    struct calls calls = {0};
    struct pulse pulse;
    uint64_t never = OPTION_UNLIMITED;
    struct notify notify = {.to_length = sizeof(sa_family_t), .watchdog_us = 4000000};
    notify.to.sun_family = AF_UNIX;
    int manager = socket(AF_UNIX, SOCK_DGRAM, 0);
    bind(manager, (struct sockaddr *)&notify.to, notify.to_length); /* a name of the kernel's */
    notify.to_length = sizeof(notify.to);
    getsockname(manager, (struct sockaddr *)&notify.to, &notify.to_length);
    notify.fd = socket(AF_UNIX, SOCK_DGRAM, 0);
    struct loop *loop = loop_new(&nothing, NULL);
    uint64_t begin_ms = loop_now_ms(loop);
    pulse_start(&pulse, loop, NULL, &notify, &never, &hooks, &calls);
    assert_int_equal(signs(manager), 1);
    calls.stuck = true;
    timers_advance(loop_wheel(loop), begin_ms + 1000);
    assert_int_equal(signs(manager), 0);
    assert_int_equal(calls.patience_us, 2000000);
    calls.stuck = false;
    pulse_stop(&pulse);
    pulse_start(&pulse, loop, NULL, &notify, &never, &hooks, &calls);
    assert_int_equal(signs(manager), 1);
    pulse_stop(&pulse);
    loop_free(loop);
    close(manager);
    close(notify.fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_wears_out_is_looked_at_every_day),
        cmocka_unit_test(no_sign_of_life_while_the_store_is_stuck),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
