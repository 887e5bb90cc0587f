/* loop: the one event loop, and what a turn of it is.
 *
 * A turn begins with the first event after the loop has slept and ends just before it sleeps again.
 * Its time is taken once, at the beginning, and told to the daemon (hooks.turn). In between,
 * sockets are read, protocols decide, and everything that is to be sent is only appended to peers.
 * At the end, and nowhere else, comes the leftover work (hooks.work), one flush per peer that has
 * something to say, and the alarm for the next timer. All functions are for the loop's thread only.
 */
#ifndef SIOTD_TRANSPORTS_LOOP_H
#define SIOTD_TRANSPORTS_LOOP_H

#include "base/timers.h"
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

struct loop;

/* What the owner of the loop has to say about a turn. Either may be NULL. */
struct loop_hooks {
    /* A turn begins: the monotonic time in ms (never goes back, the wheel's clock) and the wall
     * clock in ms since 1970. Runs before any other callback of the turn. */
    void (*turn)(void *owner, uint64_t mono_ms, int64_t wall_ms);
    /* The turn ends: do a bounded piece of what waits (retained replay). Returns whether there is
     * more: the loop then does not sleep and asks again in the next turn. */
    bool (*work)(void *owner);
};

/* A loop that does not run yet, or NULL when out of memory or file descriptors. `hooks` is
 * borrowed. */
struct loop *loop_new(const struct loop_hooks *hooks, void *owner);

/* Frees the loop and lets go of its memory. All listeners must have been closed (listener_close),
 * and all handles of the caller's own on loop_uv given to uv_close; their close callbacks run in
 * here. */
void loop_free(struct loop *loop);

/* Runs until loop_stop. Returns 0, or 1 when stopped (which is the usual end) as uv_run does. */
int loop_run(struct loop *loop);

/* Ends loop_run after the current turn; may be called from any callback. */
void loop_stop(struct loop *loop);

/* One round of the loop: waits for an event when `wait`, else only looks. For tests and for the
 * last moments of a stop. */
void loop_step(struct loop *loop, bool wait);

/* The libuv loop, for handles of the caller's own (signals, watchdog). A callback of such a handle
 * that touches the broker or a peer first calls loop_enter, and loop_leave at its end. */
uv_loop_t *loop_uv(struct loop *loop);

/* Begins a turn if none is under way. Cheap. */
void loop_enter(struct loop *loop);

/* A callback is over: peers that were closed in it learn so, and an overlong backlog is flushed
 * early. */
void loop_leave(struct loop *loop);

/* The core's promises up to this one are kept (broker_promise_kept): what peers hold back for them
 * may leave, in the order in which it was appended, with the next flush. In a turn, outside of any
 * walk over peers. */
void loop_keep(struct loop *loop, uint64_t promise);

/* The timing wheel. Its timers fire inside a turn, without loop_enter. Borrowed; lives as long as
 * the loop. */
struct timers *loop_wheel(struct loop *loop);

/* The current turn's times; between turns those of the last one. */
uint64_t loop_now_ms(const struct loop *loop);
int64_t loop_wall_ms(const struct loop *loop);

/* How long turns took, from their first callback to the moment of sleep: how late an event may be
 * seen. */
struct loop_lag {
    uint64_t turns;
    uint64_t max_us;
    uint64_t p999_us; /* 99.9 % of the turns took at most this, within an eighth */
};

/* The lag since the last loop_lag_take. */
struct loop_lag loop_lag(const struct loop *loop);
/* The same, and starts to count anew. */
struct loop_lag loop_lag_take(struct loop *loop);
/* The longest turn since the last loop_lag_take, microseconds. */
uint64_t loop_lag_us(const struct loop *loop);

/* What the loop has done since it was made; for tests, metrics and benchmarks. */
struct loop_counts {
    uint64_t turns;
    uint64_t accepts, receives, sends; /* system calls */
    uint64_t early_flushes;            /* because too much was appended within one turn */
    uint64_t send_buffers;             /* bytes of output memory in use or kept for reuse, now */
};
struct loop_counts loop_counts(const struct loop *loop);

#endif
