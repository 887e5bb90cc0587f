/* loop: see loop.h. Around the way of a message: everything happens in a callback from here.
 *
 * libuv runs timers, then idle, then prepare, then it sleeps and runs the callbacks of sockets,
 * then check. So a turn begins in whatever callback comes first after the sleep (loop_enter, at the
 * latest in check), and ends in prepare. Invariants: outside a turn began_ns is 0, `ending` is
 * empty, and `dirty` is empty unless `idle` is active. */
#include "transports/loop_state.h"

#include "transports/datagram_state.h"
#include "transports/proof.h"
#include "transports/watches.h"
#include <stdlib.h>
#include <time.h>

enum { TRIM_AFTER_MS = 1000 };

static int64_t wall_clock_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void begin_turn(struct loop *loop)
{
    loop->began_ns = uv_hrtime();
    loop->now_ms = loop->began_ns / 1000000;
    loop->wall_ms = wall_clock_ms();
    loop->counts.turns++;
    if (loop->hooks->turn)
        loop->hooks->turn(loop->owner, loop->now_ms, loop->wall_ms);
}

void loop_enter(struct loop *loop)
{
    if (loop->began_ns == 0)
        begin_turn(loop);
}

void loop_leave(struct loop *loop)
{
    if (loop->leaving)
        return;
    loop->leaving = true;
    peer_life_settle(loop);
    if (loop->appended > LOOP_APPENDED_MAX) {
        loop->counts.early_flushes++;
        peer_output_flush_dirty(loop);
    }
    loop->leaving = false;
}

static void on_check(uv_check_t *check)
{
    loop_enter(check->data);
}

/* After a look at the sockets, and in the same turn. */
static void on_idle(uv_idle_t *idle)
{
    loop_enter(idle->data);
    peer_input_serve(idle->data);
    datagram_input_serve(idle->data);
}

static void on_alarm(uv_timer_t *alarm)
{
    struct loop *loop = alarm->data;
    loop->armed_ms = TIMERS_NEVER;
    loop_enter(loop);
    /* The turn may have begun before the alarm was due. */
    uint64_t now_ms = uv_now(&loop->uv);
    timers_advance(&loop->wheel, now_ms > loop->now_ms ? now_ms : loop->now_ms);
    loop_leave(loop);
}

static void on_trim(struct timer *timer)
{
    struct loop *loop = timer_owner(timer, struct loop, trim);
    chunk_trim(&loop->chunks);
}

/* Sets the one uv_timer to the wheel's next timer. A turn may have been long: libuv's idea of now
 * is older than ours, and its timers count from its own. */
static void arm(struct loop *loop)
{
    if (loop->chunks.bytes_kept && !timer_is_set(&loop->trim))
        timer_set(&loop->wheel, &loop->trim, loop->now_ms + TRIM_AFTER_MS);
    uint64_t next = timers_next(&loop->wheel);
    if (next == loop->armed_ms)
        return;
    loop->armed_ms = next;
    if (next == TIMERS_NEVER) {
        uv_timer_stop(&loop->alarm);
        return;
    }
    uint64_t from = uv_now(&loop->uv);
    uv_timer_start(&loop->alarm, on_alarm, next > from ? next - from : 0, 0);
}

static void on_prepare(uv_prepare_t *prepare)
{
    struct loop *loop = prepare->data;
    loop_enter(loop);
    bool more = loop->hooks->work && loop->hooks->work(loop->owner);
    loop->leaving = true;
    peer_life_settle(loop);
    peer_output_flush_dirty(loop);
    loop->leaving = false;
    if (more || !list_empty(&loop->dirty) || loop->again_count || datagram_input_waits(loop) ||
        datagram_output_pending_any(loop))
        uv_idle_start(&loop->idle, on_idle);
    else
        uv_idle_stop(&loop->idle);
    arm(loop);
    lag_add(&loop->lag, (uv_hrtime() - loop->began_ns) / 1000);
    loop->began_ns = 0;
}

static int start_handles(struct loop *loop)
{
    uv_prepare_init(&loop->uv, &loop->prepare);
    uv_check_init(&loop->uv, &loop->check);
    uv_idle_init(&loop->uv, &loop->idle);
    uv_timer_init(&loop->uv, &loop->alarm);
    loop->prepare.data = loop->check.data = loop->idle.data = loop->alarm.data = loop;
    int error = uv_prepare_start(&loop->prepare, on_prepare);
    return error ? error : uv_check_start(&loop->check, on_check);
}

struct loop *loop_new(const struct loop_hooks *hooks, void *owner)
{
    struct loop *loop = calloc(1, sizeof(*loop));
    if (!loop)
        return NULL;
    loop->input = malloc(LOOP_INPUT_SIZE);
    if (!loop->input || !watches_begin() || uv_loop_init(&loop->uv) != 0) {
        free(loop->input);
        free(loop);
        return NULL;
    }
    loop->hooks = hooks;
    loop->owner = owner;
    loop->armed_ms = TIMERS_NEVER;
    list_init(&loop->dirty);
    list_init(&loop->holding);
    list_init(&loop->ports);
    list_init(&loop->ending);
    loop->now_ms = uv_hrtime() / 1000000;
    loop->wall_ms = wall_clock_ms();
    timers_init(&loop->wheel, loop->now_ms);
    timer_init(&loop->trim, on_trim);
    start_handles(loop); /* cannot fail: neither call has a reason to */
    return loop;
}

void loop_free(struct loop *loop)
{
    if (!loop)
        return;
    uv_close((uv_handle_t *)&loop->prepare, NULL);
    uv_close((uv_handle_t *)&loop->check, NULL);
    uv_close((uv_handle_t *)&loop->idle, NULL);
    uv_close((uv_handle_t *)&loop->alarm, NULL);
    uv_run(&loop->uv, UV_RUN_DEFAULT);
    timer_cancel(&loop->wheel, &loop->trim);
    chunk_store_clear(&loop->chunks);
    proofs_free(loop->proofs);
    uv_loop_close(&loop->uv);
    free(loop->input);
    free(loop->plain);
    free(loop->gather);
    free(loop->again);
    inbox_free(loop->inbox);
    buffer_clear(&loop->put_off);
    free(loop->greeting);
    free(loop);
}

int loop_run(struct loop *loop)
{
    return uv_run(&loop->uv, UV_RUN_DEFAULT);
}

void loop_stop(struct loop *loop)
{
    uv_stop(&loop->uv);
}

void loop_step(struct loop *loop, bool wait)
{
    uv_run(&loop->uv, wait ? UV_RUN_ONCE : UV_RUN_NOWAIT);
}

uv_loop_t *loop_uv(struct loop *loop)
{
    return &loop->uv;
}

struct timers *loop_wheel(struct loop *loop)
{
    return &loop->wheel;
}

uint64_t loop_now_ms(const struct loop *loop)
{
    return loop->now_ms;
}

int64_t loop_wall_ms(const struct loop *loop)
{
    return loop->wall_ms;
}

struct loop_lag loop_lag(const struct loop *loop)
{
    return (struct loop_lag){
        .turns = loop->lag.turns,
        .max_us = loop->lag.max_us,
        .p999_us = lag_quantile(&loop->lag, 999),
    };
}

struct loop_lag loop_lag_take(struct loop *loop)
{
    struct loop_lag taken = loop_lag(loop);
    memset(&loop->lag, 0, sizeof(loop->lag));
    return taken;
}

uint64_t loop_lag_us(const struct loop *loop)
{
    return loop->lag.max_us;
}

struct loop_counts loop_counts(const struct loop *loop)
{
    struct loop_counts counts = loop->counts;
    counts.send_buffers = loop->chunks.bytes_used + loop->chunks.bytes_kept;
    return counts;
}
