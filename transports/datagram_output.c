/* datagram_output: from what was appended to the socket, for peers on datagrams. The last step of
 * every message on datagrams; everybody's datagrams of a turn leave in batches.
 *
 * Invariants: `plain` is used on stacks with a layer only, and each of its entries has a peer, or
 * is dropped; the promises in `held` need not rise, but nothing leaves before what stands in front
 * of it; backlog is the sum of what a peer has in all queues, queued their number. A peer that has
 * gone (PEER_GONE) is memory that the last of them frees. */
#include "transports/datagram_state.h"

#include "broker/stats.h"
#include <errno.h>
#include <stdlib.h>

/* Of one port. A store that is stuck makes this much wait, and no more. */
enum { HELD_MAX = 8 << 20 };

/* ---- what may be sent to whom ---- */

static bool is_proven(const struct peer *peer)
{
    return peer->flags & PEER_VERIFIED || port_layer(peer_port(peer));
}

uint64_t datagram_output_allowed_ms(const struct peer *peer)
{
    const struct datagram *datagram = peer_datagram(peer);
    if (is_proven(peer))
        return 0;
    if (datagram->followed)
        return UINT64_MAX;
    return datagram->unanswered ? datagram->heard_ms : datagram->heard_ms + UNPROVEN_PAUSE_MS;
}

size_t datagram_output_allowance(const struct peer *peer)
{
    if (is_proven(peer))
        return SIZE_MAX;
    bool may = datagram_output_allowed_ms(peer) <= peer_loop(peer)->now_ms;
    return may ? peer_datagram(peer)->credit : 0;
}

/* Takes a datagram from what an unproven peer may be sent; false when that is too little. */
static bool charge(struct peer *peer, size_t len)
{
    struct datagram *datagram = peer_datagram(peer);
    if (is_proven(peer))
        return true;
    if (len > datagram_output_allowance(peer))
        return false;
    datagram->unanswered = false;
    datagram->followed = peer_loop(peer)->now_ms - datagram->heard_ms >= UNPROVEN_PAUSE_MS;
    datagram->credit -= (uint32_t)len;
    return true;
}

size_t datagram_output_most(const struct peer *peer)
{
    const struct listener *listener = peer_home(peer);
    const struct datagram_layer *layer = listener->stack->datagram_layer;
    if (!layer)
        return listener->settings.datagram_size;
    return layer->room(peer, peer_layer_state(peer), DATAGRAM_MAX);
}

/* ---- appending ---- */

/* Whether so much waits already that more of it would be too much. What one turn says to however
 * many is no reason, as long as the kernel takes it at the end of the turn. */
static bool is_crowded(const struct port *port, const struct datagram_queue *queue)
{
    if (queue == &port->held)
        return queue->bytes.len + queue->count * sizeof(struct queued) > HELD_MAX;
    return port->blocked &&
           port->plain.bytes.len + port->out.bytes.len > port->listener->settings.out_buffer;
}

/* Counts a datagram that will not be sent; true when it is to be dropped. */
static bool is_dropped(struct peer *peer, const struct datagram_queue *queue, size_t len)
{
    struct port *port = peer_port(peer);
    if (len > DATAGRAM_MAX)
        port->counts.send_failed++;
    else if (is_crowded(port, queue))
        port->counts.crowded++;
    else if (peer_datagram(peer)->backlog > port->listener->settings.out_buffer &&
             queue == &port->held)
        port->counts.crowded++;
    else if (!charge(peer, len))
        port->counts.unproven++;
    else
        return false;
    return true;
}

static void own(struct queued *entry, struct peer *peer)
{
    struct datagram *datagram = peer_datagram(peer);
    /* Whoever is not known will not be there when it leaves. */
    if (!(peer->flags & PEER_KNOWN) && !port_layer(peer_port(peer)))
        return;
    entry->peer = peer;
    datagram->queued++;
    datagram->backlog += entry->departure.len;
    if (datagram->backlog > peer_home(peer)->settings.out_buffer)
        peer->flags |= PEER_FULL;
}

uint8_t *datagram_output_reserve(struct peer *peer, size_t len, uint64_t promise)
{
    struct datagram *datagram = peer_datagram(peer);
    struct port *port = peer_port(peer);
    struct loop *loop = peer_loop(peer);
    uint64_t wait = promise > datagram->barrier ? promise : datagram->barrier;
    bool held = wait > loop->kept;
    struct datagram_queue *queue = held               ? &port->held
                                   : port_layer(port) ? &port->plain
                                                      : &port->out;
    bool dropped = is_dropped(peer, queue, len);
    struct queued *entry;
    uint8_t *at = datagram_queue_push(queue, &loop->chunks, len, &entry);
    if (!at) {
        peer_close(peer, "out of memory");
        return NULL;
    }
    loop->appended += len;
    entry->dropped = dropped;
    entry->promise = wait;
    if (dropped)
        return at;
    entry->departure.to = datagram->at;
    entry->departure.from = datagram->local;
    own(entry, peer);
    if (held)
        datagram->held += entry->peer != NULL;
    if (held && datagram->awaited < wait)
        datagram->awaited = wait;
    return at;
}

void datagram_output_barrier(struct peer *peer, uint64_t promise)
{
    struct datagram *datagram = peer_datagram(peer);
    if (datagram->barrier < promise)
        datagram->barrier = promise;
}

void datagram_output_emit(struct port *port, struct peer *peer, const struct endpoint *to,
                          const struct local *from, struct slice wire)
{
    struct loop *loop = port->listener->loop;
    struct queued *entry;
    if (is_crowded(port, &port->out)) {
        port->counts.crowded++;
        return;
    }
    uint8_t *at = datagram_queue_push(&port->out, &loop->chunks, wire.len, &entry);
    if (!at) {
        port->counts.send_failed++;
        return;
    }
    if (wire.len)
        memcpy(at, wire.at, wire.len);
    loop->appended += wire.len;
    entry->departure.to = *to;
    entry->departure.from = *from;
    if (peer)
        own(entry, peer);
}

/* ---- before the layer ---- */

static void disown(struct queued *entry)
{
    struct peer *peer = entry->peer;
    if (!peer)
        return;
    peer_datagram(peer)->backlog -= entry->departure.len;
    peer_datagram(peer)->queued--;
    entry->peer = NULL;
    if (peer->flags & PEER_GONE) {
        datagram_output_bury(peer);
        return;
    }
    if (peer->flags & PEER_FULL && !list_linked(&peer->turn))
        list_append(&peer_loop(peer)->dirty, &peer->turn);
}

static void encode_one(struct port *port, struct peer *peer, struct slice plain)
{
    const struct datagram_layer *layer = port_layer(port);
    if (peer->flags & PEER_BROKEN)
        return;
    int error = layer->send(peer, peer_layer_state(peer), plain);
    if (error == -EAGAIN) {
        port->counts.unready++;
    } else if (error) {
        peer_close(peer, "%s failed", layer->name);
        peer->flags |= PEER_BROKEN;
    }
}

void datagram_output_encode(struct port *port)
{
    struct chunk_store *chunks = &port->listener->loop->chunks;
    while (port->plain.count) {
        struct queued *entry = datagram_queue_at(&port->plain, 0);
        struct slice plain = slice_of(entry->departure.at, entry->departure.len);
        struct peer *peer = entry->peer;
        bool useless = entry->dropped || peer->flags & PEER_GONE;
        disown(entry);
        if (!useless)
            encode_one(port, peer, plain);
        datagram_queue_pop(&port->plain, chunks);
    }
}

/* ---- sending ---- */

static int collect(const struct datagram_queue *queue, const struct departure **batch)
{
    int count = 0;
    for (uint32_t i = 0; i < queue->count && count < DATAGRAM_BATCH; i++) {
        const struct queued *entry = datagram_queue_at(queue, i);
        if (!entry->dropped)
            batch[count++] = &entry->departure;
    }
    return count;
}

/* Takes so many datagrams off, and those among them that were never to be sent. */
static void take_off(struct port *port, int count)
{
    struct listener *listener = port->listener;
    while (port->out.count) {
        struct queued *entry = datagram_queue_at(&port->out, 0);
        if (!entry->dropped && count-- == 0)
            return;
        if (!entry->dropped)
            listener->stats->bytes_sent += entry->departure.len;
        disown(entry);
        datagram_queue_pop(&port->out, &listener->loop->chunks);
    }
}

/* The kernel refuses the first datagram of the queue. Returns whether it is worth to go on. */
static bool refused(struct port *port, int error)
{
    static const struct local unknown;
    if (error == EINTR)
        return true;
    if (error == EAGAIN) {
        port->blocked = true;
        return false;
    }
    take_off(port, 0);
    struct departure *first = &datagram_queue_at(&port->out, 0)->departure;
    if (error == EINVAL && memcmp(&first->from, &unknown, sizeof(unknown)) != 0) {
        first->from = unknown; /* an address that is not ours any more: any other will do */
        return true;
    }
    port->counts.send_failed++;
    datagram_queue_at(&port->out, 0)->dropped = true;
    return true;
}

void datagram_output_flush(struct port *port)
{
    struct listener *listener = port->listener;
    const struct departure *batch[DATAGRAM_BATCH];
    bool more = true;
    datagram_output_encode(port);
    port->blocked = false;
    while (more && port->out.count) {
        int count = collect(&port->out, batch);
        int sent = count ? datagram_socket_send(&listener->socket, batch, count) : 0;
        listener->loop->counts.sends += count > 0;
        if (sent < 0) {
            more = refused(port, -sent);
            continue;
        }
        port->counts.sent += (uint64_t)sent;
        take_off(port, sent);
    }
    port_watch(port);
}

bool datagram_output_pending(const struct port *port)
{
    return port->plain.count || (port->out.count && !port->blocked);
}

void datagram_output_flush_all(struct loop *loop)
{
    list_each(link, &loop->ports)
    {
        struct port *port = list_item(link, struct port, siblings);
        if (datagram_output_pending(port))
            datagram_output_flush(port);
    }
}

bool datagram_output_pending_any(const struct loop *loop)
{
    list_each(link, &loop->ports)
    {
        if (datagram_output_pending(list_item(link, struct port, siblings)))
            return true;
    }
    return false;
}

/* ---- promises ---- */

/* The first that is held may leave; what was to go through the layer of a peer that has gone
 * cannot. */
static void release_first(struct port *port)
{
    struct loop *loop = port->listener->loop;
    struct queued first = *datagram_queue_at(&port->held, 0), *entry;
    struct peer *peer = first.peer && !(first.peer->flags & PEER_GONE) ? first.peer : NULL;
    struct datagram_queue *queue = port_layer(port) ? &port->plain : &port->out;
    uint8_t *at = NULL;
    first.dropped |= port_layer(port) && !peer;
    if (!first.dropped)
        at = datagram_queue_push(queue, &loop->chunks, first.departure.len, &entry);
    if (at) {
        memcpy(at, first.departure.at, first.departure.len);
        first.departure.at = at;
        *entry = first;
    } else {
        port->counts.send_failed += !first.dropped;
        disown(&first);
    }
    datagram_queue_pop(&port->held, &loop->chunks);
    if (peer && --peer_datagram(peer)->held == 0 && peer->flags & PEER_UNSEALED)
        datagram_peer_release(peer);
}

void datagram_output_keep(struct loop *loop, uint64_t promise)
{
    list_each(link, &loop->ports)
    {
        struct port *port = list_item(link, struct port, siblings);
        while (port->held.count && datagram_queue_at(&port->held, 0)->promise <= promise)
            release_first(port);
    }
}

/* ---- the end of a peer ---- */

void datagram_output_bury(struct peer *peer)
{
    peer->flags |= PEER_GONE;
    if (peer_datagram(peer)->queued == 0)
        free(peer_datagram(peer));
}

static void empty(struct datagram_queue *queue, struct chunk_store *chunks)
{
    for (uint32_t i = 0; i < queue->count; i++)
        disown(datagram_queue_at(queue, i));
    datagram_queue_clear(queue, chunks);
}

void datagram_output_clear(struct port *port)
{
    struct chunk_store *chunks = &port->listener->loop->chunks;
    empty(&port->plain, chunks);
    empty(&port->held, chunks);
    empty(&port->out, chunks);
}

void datagram_output_weigh(struct peer *peer)
{
    if (!(peer->flags & PEER_FULL) ||
        peer_datagram(peer)->backlog > peer_home(peer)->settings.out_buffer / 2 ||
        peer->flags & PEER_CLOSING)
        return;
    peer->flags &= ~(unsigned)PEER_FULL;
    if (peer_protocol(peer)->drained)
        peer_protocol(peer)->drained(peer, peer_state(peer));
}
