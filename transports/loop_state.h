/* loop_state: the inside of a loop, for the files of this folder only. */
#ifndef SIOTD_TRANSPORTS_LOOP_STATE_H
#define SIOTD_TRANSPORTS_LOOP_STATE_H

#include "base/buffer.h"
#include "transports/chunk.h"
#include "transports/lag.h"
#include "transports/loop.h"

enum {
    /* One receive takes at most this: a quarter of a peer's default out_buffer, so that what one
     * burst causes elsewhere is flushed before it overflows somebody who does read. */
    LOOP_READ_MAX = 64 << 10,
    /* What is left of an incomplete packet goes in front of the next bytes, so that it can be
     * parsed in place, if it is no larger than this. */
    LOOP_FRONT_MAX = 64 << 10,
    LOOP_INPUT_SIZE = LOOP_FRONT_MAX + LOOP_READ_MAX,
    /* Appended by everybody together since the last flush; more is flushed before the turn is over.
     */
    LOOP_APPENDED_MAX = 256 << 10,
    /* Small pieces of output are put together up to this before a layer encodes them: the largest
     * TLS record. */
    LOOP_GATHER_MAX = 16 << 10,
    /* Peers kept open to hear the end of their last words; more are closed at once. */
    LOOP_LINGERING_MAX = 1024,
    /* What a datagram layer may say to somebody it does not know. */
    LOOP_GREETING_SIZE = 4096,
};

struct proofs;

struct loop {
    uv_loop_t uv;
    uv_prepare_t prepare; /* the end of a turn */
    uv_check_t check;     /* at the latest, the beginning of one */
    uv_idle_t idle;       /* active: do not sleep */
    uv_timer_t alarm;     /* for the wheel's next timer */
    const struct loop_hooks *hooks;
    void *owner;

    struct timers wheel;
    uint64_t now_ms;
    int64_t wall_ms;
    uint64_t began_ns; /* of the turn; 0 between turns */
    uint64_t armed_ms; /* what `alarm` is set to; TIMERS_NEVER when it is not */
    bool leaving;      /* inside loop_leave or the end of the turn */

    struct list dirty;   /* peers (turn) with something to flush */
    struct list holding; /* holds (siblings): what waits for promises */
    uint64_t kept;       /* the highest promise that is kept */
    struct list ending;  /* peers (turn) marked closing whose protocol does not know it yet */
    struct peer **again; /* owned; those put off to the next turn, NULL for one that has ended */
    size_t again_count, again_room;
    size_t appended;  /* bytes since the last flush of all */
    size_t lingering; /* peers */

    struct chunk_store chunks;
    struct timer trim; /* set while chunks keeps memory */

    /* The shared input, filled anew by every receive; `plain` is where a layer decodes to, NULL
     * until the first listener with one opens; so is `gather`, where output is put together for
     * one.
     */
    uint8_t *input, *plain, *gather;

    struct list ports; /* of listeners on datagrams (siblings) */
    /* One batch of datagrams, which all ports share; NULL until the first port opens. */
    struct inbox *inbox;
    struct port *inbox_port; /* whose batch it is; NULL when it is over, or the port has gone */
    int inbox_next, inbox_count;
    bool inbox_again;          /* the rest is for the next turn */
    struct peer *put_off_peer; /* what came out of its layer is in put_off, for the next turn */
    struct buffer put_off;
    uint8_t *greeting; /* LOOP_GREETING_SIZE; NULL until the first port with a layer opens */

    struct proofs *proofs; /* owned; NULL until the first password is to be verified */

    struct lag lag;
    struct loop_counts counts;
};

#endif
