/* peer_output: from what was appended to the socket. The last step of every message.
 *
 * Invariants: a peer stands in loop.dirty when it has something to send that the kernel has not
 * refused yet; a peer that the kernel has refused is BLOCKED and waits for writable instead. No
 * protocol callback runs while a peer's queue is being sent; drained comes after. */
#include "transports/datagram_state.h"

#include "broker/auth.h"
#include "broker/stats.h"
#include <errno.h>

enum {
    VECTORS = 128,         /* per system call */
    SENDS_MAX = 8,         /* per peer and flush, while the kernel takes everything */
    FLUSHES_MAX = 4,       /* of all dirty peers, while drained appends more */
    WIRE_AHEAD = 64 << 10, /* a layer encodes no further ahead of the socket than this */
};

static struct stats *stats_of(struct peer *peer)
{
    return peer_home(peer)->stats;
}

void peer_output_due(struct peer *peer)
{
    bool wanted = !(peer->flags & PEER_BLOCKED);
    if (!(peer->flags & PEER_FULL) && peer_is_full(peer)) {
        peer->flags |= PEER_FULL;
        wanted = true; /* even when it is blocked: for weigh */
    }
    if (wanted && !list_linked(&peer->turn))
        list_append(&peer_loop(peer)->dirty, &peer->turn);
}

void peer_output_brake(struct peer *peer)
{
    const uint64_t limit = peer_home(peer)->settings.out_buffer;
    size_t backlog = peer_backlog(peer);
    bool strained = backlog / 2 > limit || hold_is_long(peer_hold(peer));
    if (strained && !(peer->flags & PEER_ENDED))
        peer->flags |= PEER_PAUSED;
    else if (backlog <= limit && hold_is_short(peer_hold(peer)))
        peer->flags &= ~PEER_PAUSED;
    peer_life_watch(peer);
}

/* Sending has failed. A reset also takes away what we have sent, but what the peer has sent before
 * still waits in the socket, and an acknowledgement may be in it: so the peer is read until it is
 * dry (peer_input_drain). */
static void broken(struct peer *peer, int error)
{
    if (peer->flags & PEER_ENDED) {
        peer->flags |= PEER_BROKEN;
        return;
    }
    /* The timer is for a socket that can be sent nothing and yet never becomes readable. */
    if ((error != EPIPE && error != ECONNRESET) || !peer_life_strain(peer))
        peer_life_lost(peer, error);
    peer->flags |= PEER_BROKEN;
}

static ssize_t send_vectors(int fd, struct iovec *vectors, int count)
{
    if (count == 1)
        return send(fd, vectors[0].iov_base, vectors[0].iov_len, MSG_NOSIGNAL);
    struct msghdr message = {.msg_iov = vectors, .msg_iovlen = (size_t)count};
    return sendmsg(fd, &message, MSG_NOSIGNAL);
}

/* One system call. Returns whether it is worth to go on. */
static bool send_some(struct peer *peer, struct outgoing *queue)
{
    struct loop *loop = peer_loop(peer);
    struct iovec vectors[VECTORS];
    size_t wanted;
    int count = outgoing_vectors(queue, vectors, VECTORS, &wanted);
    loop->counts.sends++;
    ssize_t sent = send_vectors(peer_fd(peer), vectors, count);
    if (sent < 0) {
        if (errno == EINTR)
            return true;
        if (errno == EAGAIN || errno == ENOBUFS || errno == ENOMEM)
            peer->flags |= PEER_BLOCKED;
        else
            broken(peer, errno);
        return false;
    }
    stats_of(peer)->bytes_sent += (uint64_t)sent;
    outgoing_consume(queue, &loop->chunks, (size_t)sent);
    if ((size_t)sent < wanted)
        peer->flags |= PEER_BLOCKED;
    return (size_t)sent == wanted;
}

static void send_queue(struct peer *peer, struct outgoing *queue)
{
    for (int n = 0; n < SENDS_MAX && queue->len > 0; n++)
        if (!send_some(peer, queue))
            return;
}

/* The next plain bytes: the first stretch, or when that is a small one, as many of them as make one
 * record. */
static struct slice next_plain(struct peer *peer)
{
    struct iovec vectors[VECTORS];
    uint8_t *to = peer_loop(peer)->gather;
    size_t len, used = 0;
    struct slice front = outgoing_front(&peer_stream(peer)->out);
    if (front.len >= LOOP_GATHER_MAX || front.len == peer_stream(peer)->out.len)
        return front;
    int count = outgoing_vectors(&peer_stream(peer)->out, vectors, VECTORS, &len);
    for (int i = 0; i < count && used < LOOP_GATHER_MAX; i++) {
        size_t room = LOOP_GATHER_MAX - used;
        size_t part = vectors[i].iov_len < room ? vectors[i].iov_len : room;
        memcpy(to + used, vectors[i].iov_base, part);
        used += part;
    }
    return slice_of(to, used);
}

/* Lets the layer turn plain bytes into wire bytes, until there is `ahead` of those. */
static void encode(struct peer *peer, size_t ahead)
{
    const struct layer *layer = peer_layer(peer);
    struct layered *layered = peer_layered(peer);
    while (peer_stream(peer)->out.len > 0 && peer_wire(peer)->len < ahead && layered->open) {
        ssize_t done = layer->send(peer, peer_layer_state(peer), next_plain(peer));
        if (done < 0) {
            peer_close(peer, "%s failed", layer->name);
            layered->open = false;
        }
        if (done <= 0)
            return;
        outgoing_consume(&peer_stream(peer)->out, &peer_loop(peer)->chunks, (size_t)done);
    }
}

static void send_layered(struct peer *peer)
{
    for (int n = 0; n < SENDS_MAX; n++) {
        encode(peer, WIRE_AHEAD);
        if (peer_wire(peer)->len == 0 || !send_some(peer, peer_wire(peer)))
            return;
    }
}

void layer_emit(struct peer *peer, struct slice wire)
{
    struct loop *loop = peer_loop(peer);
    if (wire.len == 0)
        return;
    uint8_t *to = outgoing_reserve(peer_wire(peer), &loop->chunks, wire.len);
    if (!to) {
        peer_close(peer, "out of memory");
        return;
    }
    memcpy(to, wire.at, wire.len);
    loop->appended += wire.len;
    peer_output_due(peer);
}

void layer_identify(struct peer *peer, struct identity *identity)
{
    peer_layered(peer)->identity = identity_ref(identity);
}

void peer_output_seal(struct peer *peer)
{
    const struct layer *layer = peer_layer(peer);
    struct layered *layered = peer_layered(peer);
    bool orderly = layered->open && !(peer->flags & PEER_BROKEN);
    if (orderly)
        encode(peer, SIZE_MAX);
    outgoing_clear(&peer_stream(peer)->out,
                   &peer_loop(peer)->chunks); /* what the layer was not ready for */
    layer->close(peer, peer_layer_state(peer), orderly);
    layered->open = false;
}

/* After a flush: watches over a full peer, and tells the protocol when there is room again. A peer
 * is not to blame for what waits for a promise. */
static void weigh(struct peer *peer, bool progress)
{
    const uint64_t limit = peer_home(peer)->settings.out_buffer;
    size_t unsent = peer_unsent(peer);
    if (!(peer->flags & PEER_FULL))
        return;
    if (unsent > limit / 2) {
        struct strain *strain = peer_life_strain(peer);
        if (!strain)
            peer_close(peer, "out of memory");
        else if (progress)
            strain->progress_ms = peer_loop(peer)->now_ms;
        return;
    }
    peer_life_relax(peer);
    if (unsent + hold_behind(peer_hold(peer)) > limit / 2)
        return;
    peer->flags &= ~PEER_FULL;
    if (peer_protocol(peer)->drained)
        peer_protocol(peer)->drained(peer, peer_state(peer));
}

void peer_output_flush(struct peer *peer)
{
    size_t before = peer_unsent(peer);
    peer->flags &= ~PEER_BLOCKED;
    if (before > 0 && !(peer->flags & PEER_BROKEN)) {
        if (peer_layer(peer))
            send_layered(peer);
        else
            send_queue(peer, &peer_stream(peer)->out);
    }
    if (peer->flags & PEER_ENDED)
        peer_life_flushed(peer);
    else if (!(peer->flags & (PEER_CLOSING | PEER_BROKEN)))
        weigh(peer, peer_unsent(peer) < before);
    if (peer->flags & PEER_GONE)
        return;
    size_t left = peer_layer(peer) ? peer_wire(peer)->len : peer_stream(peer)->out.len;
    if (left > 0 && !(peer->flags & (PEER_BROKEN | PEER_BLOCKED)))
        peer_output_due(peer);
    peer_output_brake(peer);
}

static bool is_pending(const struct loop *loop)
{
    return !list_empty(&loop->dirty) || datagram_output_pending_any(loop);
}

static void flush_one(struct peer *peer)
{
    if (peer->flags & PEER_DATAGRAM)
        datagram_output_weigh(peer);
    else
        peer_output_flush(peer);
}

void peer_output_flush_dirty(struct loop *loop)
{
    struct list batch, *first;
    list_init(&batch);
    for (int n = 0; n < FLUSHES_MAX && is_pending(loop); n++) {
        loop->appended = 0;
        list_append(&loop->dirty, &batch); /* before the head: behind all */
        list_remove(&loop->dirty);
        while ((first = list_first(&batch))) {
            list_remove(first);
            flush_one(list_item(first, struct peer, turn));
        }
        datagram_output_flush_all(loop);
        peer_life_settle(loop);
    }
}
