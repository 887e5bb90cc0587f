/* timers: a hierarchical timing wheel.
 *
 * Setting, moving and cancelling cost the same for one timer and for a million. The wheel has no
 * clock and no thread: whoever owns it says what time it is (loop.c in the daemon, the test in a
 * test), in milliseconds of a clock that never goes back. */
#ifndef SIOTD_BASE_TIMERS_H
#define SIOTD_BASE_TIMERS_H

#include "base/list.h"
#include <stdint.h>

#define TIMERS_NEVER UINT64_MAX

/* Embedded in whoever waits; find the owner with list_item-like arithmetic (timer_owner). */
struct timer {
    struct list link;
    uint64_t due_ms;
    void (*fired)(struct timer *timer); /* the timer is no longer set when this runs; it may set it
                                           again, and may set, cancel or free any other */
};

#define timer_owner(timer, type, member) ((type *)((char *)(timer)-offsetof(type, member)))

enum { TIMERS_LEVELS = 6, TIMERS_SLOTS = 64 };

struct timers {
    uint64_t now_ms;                  /* how far the wheel has turned */
    size_t count;                     /* timers set */
    uint64_t occupied[TIMERS_LEVELS]; /* one bit per slot that may hold a timer */
    struct list slots[TIMERS_LEVELS][TIMERS_SLOTS];
};

/* An empty wheel that stands at now_ms; later times are of the same clock. */
void timers_init(struct timers *wheel, uint64_t now_ms);

/* A timer that is not set. */
void timer_init(struct timer *timer, void (*fired)(struct timer *timer));

/* Sets or moves a timer. A time that has passed fires at the next advance, never inside this call.
 */
void timer_set(struct timers *wheel, struct timer *timer, uint64_t due_ms);

/* Cancels; harmless when not set. */
void timer_cancel(struct timers *wheel, struct timer *timer);

static inline bool timer_is_set(const struct timer *timer)
{
    return list_linked(&timer->link);
}

/* Turns the wheel to now_ms (never back) and fires all that are due, each once, in order of the
 * millisecond and, within one, of setting; a time that had passed when it was set counts as the
 * time of setting. Must not be called by a timer that fires. Returns how many fired. */
size_t timers_advance(struct timers *wheel, uint64_t now_ms);

/* A lower bound for the next due time, near enough to sleep until: never later than the first
 * timer; TIMERS_NEVER without one. */
uint64_t timers_next(const struct timers *wheel);

#endif
