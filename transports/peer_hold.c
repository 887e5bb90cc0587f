/* peer_hold: see peer_hold.h. */
#include "transports/peer_hold.h"

#include "transports/datagram_state.h"
#include <stdlib.h>

/* Acknowledgements that may wait: some 16,000. Whoever has more outstanding waits to be read. */
enum { HELD_MAX = 64 << 10 };

/* The peer's hold, made when there is none; NULL when out of memory, the peer being closed then. */
static struct hold *hold_of(struct peer *peer)
{
    if (peer_hold(peer))
        return peer_hold(peer);
    struct hold *hold = calloc(1, sizeof(*hold));
    if (!hold) {
        peer_close(peer, "out of memory");
        return NULL;
    }
    hold->peer = peer;
    list_init(&hold->siblings);
    list_append(&peer_loop(peer)->holding, &hold->siblings);
    peer_stream(peer)->poll.data = hold;
    return hold;
}

void hold_drop(struct peer *peer)
{
    struct hold *hold = peer_hold(peer);
    struct chunk_store *chunks = &peer_loop(peer)->chunks;
    if (!hold)
        return;
    for (unsigned i = 0; i < hold->count; i++)
        outgoing_clear(&hold->held[i].bytes, chunks);
    outgoing_clear(&hold->behind, chunks);
    list_remove(&hold->siblings);
    free(hold);
    peer_stream(peer)->poll.data = NULL;
    peer->flags &= ~(unsigned)PEER_BARRED;
}

/* ---- appending ---- */

static uint8_t *reserve(struct peer *peer, struct outgoing *queue, size_t len)
{
    uint8_t *at = outgoing_reserve(queue, &peer_loop(peer)->chunks, len);
    if (!at)
        peer_close(peer, "out of memory");
    return at;
}

/* Makes room for more promises. */
static void merge_pairs(struct hold *hold)
{
    for (unsigned i = 0; i < HOLD_PROMISES / 2; i++) {
        struct held merged = hold->held[2 * i];
        outgoing_join(&merged.bytes, &hold->held[2 * i + 1].bytes);
        merged.promise = hold->held[2 * i + 1].promise;
        hold->held[i] = merged;
    }
    hold->count = HOLD_PROMISES / 2;
    memset(hold->held + hold->count, 0, sizeof(hold->held) / 2);
}

/* Where that which waits for `promise` is to be put: behind all that waits already. */
static struct outgoing *queue_for(struct hold *hold, uint64_t promise)
{
    struct held *last = hold->count ? &hold->held[hold->count - 1] : NULL;
    if (promise < hold->barrier)
        promise = hold->barrier;
    if (last && promise <= last->promise)
        return &last->bytes;
    if (hold->count == HOLD_PROMISES)
        merge_pairs(hold);
    last = &hold->held[hold->count++];
    last->promise = promise;
    return &last->bytes;
}

uint8_t *hold_reserve(struct peer *peer, size_t len, uint64_t promise)
{
    struct hold *hold = hold_of(peer);
    return hold ? reserve(peer, queue_for(hold, promise), len) : NULL;
}

uint8_t *hold_reserve_behind(struct peer *peer, size_t len)
{
    uint8_t *at = reserve(peer, &peer_hold(peer)->behind, len);
    if (at)
        peer_output_due(peer); /* the peer may be full now */
    return at;
}

void hold_share_behind(struct peer *peer, struct slice bytes, struct message *owner)
{
    if (outgoing_share(&peer_hold(peer)->behind, &peer_loop(peer)->chunks, bytes, owner) != 0)
        peer_close(peer, "out of memory");
    else
        peer_output_due(peer);
}

void peer_barrier(struct peer *peer, uint64_t promise)
{
    if (promise <= peer_loop(peer)->kept || peer->flags & PEER_CLOSING)
        return;
    if (peer->flags & PEER_DATAGRAM) {
        datagram_output_barrier(peer, promise);
        return;
    }
    struct hold *hold = hold_of(peer);
    if (!hold)
        return;
    if (hold->barrier < promise)
        hold->barrier = promise;
    peer->flags |= PEER_BARRED;
}

/* ---- how much ---- */

static size_t acknowledgements(const struct hold *hold)
{
    size_t sum = 0;
    for (unsigned i = 0; i < hold->count; i++)
        sum += hold->held[i].bytes.len;
    return sum;
}

size_t hold_behind(const struct hold *hold)
{
    return hold ? hold->behind.len : 0;
}

size_t hold_len(const struct hold *hold)
{
    return hold ? acknowledgements(hold) + hold->behind.len : 0;
}

bool hold_is_long(const struct hold *hold)
{
    return hold && acknowledgements(hold) > HELD_MAX;
}

bool hold_is_short(const struct hold *hold)
{
    return !hold || acknowledgements(hold) <= HELD_MAX / 2;
}

/* ---- letting go ---- */

static void release(struct peer *peer, struct outgoing *held)
{
    if (held->len == 0)
        return;
    peer_loop(peer)->appended += held->len;
    outgoing_join(&peer_stream(peer)->out, held);
    peer_output_due(peer);
}

/* What of one peer may leave now, in order. */
static void release_kept(struct hold *hold, uint64_t kept)
{
    struct peer *peer = hold->peer;
    unsigned done = 0;
    while (done < hold->count && hold->held[done].promise <= kept)
        release(peer, &hold->held[done++].bytes);
    hold->count -= done;
    for (unsigned i = 0; i < hold->count; i++)
        hold->held[i] = hold->held[i + done];
    for (unsigned i = hold->count; i < hold->count + done; i++)
        hold->held[i] = (struct held){0};
    if (hold->barrier && hold->barrier <= kept) {
        hold->barrier = 0;
        peer->flags &= ~(unsigned)PEER_BARRED;
        release(peer, &hold->behind);
    }
    if (hold->count || hold->barrier)
        return;
    hold_drop(peer);
    peer_life_unheld(peer);
}

void loop_keep(struct loop *loop, uint64_t promise)
{
    loop->kept = promise;
    list_each(link, &loop->holding)
    {
        release_kept(list_item(link, struct hold, siblings), promise);
    }
    datagram_output_keep(loop, promise);
}
