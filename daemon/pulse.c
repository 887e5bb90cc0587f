/* pulse: see pulse.h. Stands beside the way of a message.
 *
 * The watchdog is fed four times per period, and only when no turn of the loop took longer than
 * half a period since the last time, and no work of the store's thread takes longer than that: one
 * long turn costs one meal, a loop that is slow for good starves. */
#include "daemon/pulse.h"

#include "broker/broker.h"
#include "config/option.h"
#include "transports/loop.h"

#include <malloc.h>

enum { DAY_MS = 86400000 };

static uint64_t larger(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/* Both want the longest turn since they last looked, the loop keeps only one. */
static void collect_lag(struct pulse *pulse)
{
    struct loop_lag lag = loop_lag_take(pulse->loop);
    uint64_t lag_us = lag.max_us;
    pulse->sys_lag_p999_us = larger(pulse->sys_lag_p999_us, lag.p999_us);
    pulse->sys_lag_us = larger(pulse->sys_lag_us, lag_us);
    pulse->watchdog_lag_us = larger(pulse->watchdog_lag_us, lag_us);
}

static void set_sys(struct pulse *pulse)
{
    uint64_t interval_ms = *pulse->sys_interval_ms;
    if (interval_ms == OPTION_UNLIMITED)
        timer_cancel(loop_wheel(pulse->loop), &pulse->sys);
    else
        timer_set(loop_wheel(pulse->loop), &pulse->sys, loop_now_ms(pulse->loop) + interval_ms);
}

static void measure_heap(struct stats *stats)
{
    struct mallinfo2 heap = mallinfo2();
    stats->heap_current = heap.uordblks + heap.hblkhd;
    stats->heap_maximum = larger(stats->heap_maximum, stats->heap_current);
}

static void publish_sys(struct pulse *pulse)
{
    uint64_t now_ms = loop_now_ms(pulse->loop);
    struct stats *stats = broker_stats(pulse->broker);
    collect_lag(pulse);
    stats->loop_lag_max_us = pulse->sys_lag_us;
    stats->loop_lag_p999_us = pulse->sys_lag_p999_us;
    measure_heap(stats);
    pulse->sys_lag_us = pulse->sys_lag_p999_us = 0;
    broker_publish_sys(pulse->broker, now_ms - pulse->sys_last_ms);
    pulse->hooks->say(pulse->owner);
    pulse->sys_last_ms = now_ms;
}

static void sys_due(struct timer *timer)
{
    struct pulse *pulse = timer_owner(timer, struct pulse, sys);
    publish_sys(pulse);
    set_sys(pulse);
}

static void feed_watchdog(struct pulse *pulse)
{
    uint64_t period_us = pulse->notify->watchdog_us;
    collect_lag(pulse);
    if (pulse->watchdog_lag_us < period_us / 2 && pulse->hooks->alive(pulse->owner, period_us / 2))
        notify_alive(pulse->notify);
    pulse->watchdog_lag_us = 0;
    timer_set(loop_wheel(pulse->loop), &pulse->watchdog,
              loop_now_ms(pulse->loop) + larger(period_us / 4000, 1));
}

static void watchdog_due(struct timer *timer)
{
    feed_watchdog(timer_owner(timer, struct pulse, watchdog));
}

static void day_due(struct timer *timer)
{
    struct pulse *pulse = timer_owner(timer, struct pulse, day);
    pulse->hooks->inspect(pulse->owner);
    timer_set(loop_wheel(pulse->loop), timer, loop_now_ms(pulse->loop) + DAY_MS);
}

void pulse_start(struct pulse *pulse, struct loop *loop, struct broker *broker,
                 const struct notify *notify, const uint64_t *sys_interval_ms,
                 const struct pulse_hooks *hooks, void *owner)
{
    *pulse = (struct pulse){.loop = loop,
                            .broker = broker,
                            .notify = notify,
                            .sys_interval_ms = sys_interval_ms,
                            .hooks = hooks,
                            .owner = owner,
                            .sys_last_ms = loop_now_ms(loop)};
    timer_init(&pulse->sys, sys_due);
    timer_init(&pulse->watchdog, watchdog_due);
    timer_init(&pulse->day, day_due);
    timer_set(loop_wheel(loop), &pulse->day, loop_now_ms(loop) + DAY_MS);
    if (*sys_interval_ms != OPTION_UNLIMITED)
        publish_sys(pulse);
    set_sys(pulse);
    if (notify->watchdog_us)
        feed_watchdog(pulse);
}

void pulse_changed(struct pulse *pulse)
{
    set_sys(pulse);
}

void pulse_stop(struct pulse *pulse)
{
    if (!pulse->loop)
        return;
    timer_cancel(loop_wheel(pulse->loop), &pulse->sys);
    timer_cancel(loop_wheel(pulse->loop), &pulse->watchdog);
    timer_cancel(loop_wheel(pulse->loop), &pulse->day);
    pulse->loop = NULL;
}
