/* pulse: what the daemon does at regular times: the $SYS tree, a look once a day at what wears out,
 * and a sign of life for the watchdog.
 *
 * All run from the loop's own wheel: a loop that stands still, or crawls, does neither. The sign of
 * life is given only while the store's thread gets on, too. */
#ifndef SIOTD_DAEMON_PULSE_H
#define SIOTD_DAEMON_PULSE_H

#include "base/timers.h"
#include "daemon/notify.h"

struct broker;
struct loop;

/* What is due at these times elsewhere. */
struct pulse_hooks {
    void (*say)(void *owner);     /* the rest of the $SYS tree, in the same turn */
    void (*inspect)(void *owner); /* once a day; the first time after a day */
    /* Whether what works beside the loop has got on within that time, microseconds. */
    bool (*alive)(void *owner, uint64_t patience_us);
};

struct pulse {
    struct loop *loop;
    struct broker *broker;
    const struct notify *notify;
    const uint64_t *sys_interval_ms; /* the running setting; OPTION_UNLIMITED: never */
    const struct pulse_hooks *hooks;
    void *owner;
    struct timer sys, watchdog, day;
    uint64_t sys_last_ms;                 /* when $SYS was published last */
    uint64_t sys_lag_p999_us;             /* the worst of the stretches between two looks */
    uint64_t sys_lag_us, watchdog_lag_us; /* longest turn since each of them last looked */
};

/* Publishes $SYS for the first time and starts all. All arguments but `pulse` are borrowed until
 * pulse_stop. */
void pulse_start(struct pulse *pulse, struct loop *loop, struct broker *broker,
                 const struct notify *notify, const uint64_t *sys_interval_ms,
                 const struct pulse_hooks *hooks, void *owner);

/* The setting has changed: the next $SYS comes one new interval from now. */
void pulse_changed(struct pulse *pulse);

/* Cancels all; harmless when never started. */
void pulse_stop(struct pulse *pulse);

#endif
