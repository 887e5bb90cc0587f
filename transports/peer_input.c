/* peer_input: from the socket to the protocol. The first step of every message.
 *
 * All peers share one input buffer. What a protocol leaves of it, an incomplete packet, is kept in
 * the peer's own buffer and put in front of the next bytes, so that packets are parsed where they
 * have arrived. A packet that is large, or that comes in crumbs, is collected in the peer's buffer
 * instead: each byte is copied once, and memory grows only with what has really arrived, whatever
 * length a packet claims. Invariant: between turns `in` has memory exactly while an incomplete
 * packet waits, or the peer is held. */
#include "transports/datagram_state.h"

#include "broker/stats.h"
#include "transports/socket.h"
#include <errno.h>
#include <stdlib.h>

enum {
    READS_MAX = 4,                 /* in a row of one peer that has much to say */
    LEFT_MAX = (256 << 20) + 4096, /* of one incomplete packet; protocols have smaller limits */
    CRUMB_LEFT = 1024,             /* less is cheap to copy, however often */
};

/* Gives bytes to the protocol; returns how many are done with, or -1 when the peer is closing. */
static ssize_t offer(struct peer *peer, struct slice bytes)
{
    ssize_t done = peer_protocol(peer)->receive(peer, peer_state(peer), bytes);
    if (done < 0)
        peer_close(peer, "%s error", peer_protocol(peer)->name);
    return peer->flags & PEER_CLOSING ? -1 : done;
}

/* Keeps what is left of the shared buffer. `fresh` bytes of it came with the last read. */
static void keep_left(struct peer *peer, struct slice left, size_t fresh)
{
    if (left.len == 0 || peer_stream(peer)->in.cap > 4 * left.len + CRUMB_LEFT)
        buffer_clear(&peer_stream(peer)->in);
    peer_stream(peer)->in.len = 0;
    if (buffer_append(&peer_stream(peer)->in, left) != 0)
        peer_close(peer, "out of memory");
    else if (left.len > CRUMB_LEFT && fresh < left.len / 4)
        peer->flags |= PEER_DRIBBLES;
}

/* `fresh` bytes have arrived in `at`, behind `kept` bytes of room for what was left before. */
static void feed_in_place(struct peer *peer, uint8_t *at, size_t kept, size_t fresh)
{
    if (kept)
        memcpy(at, peer_stream(peer)->in.at, kept);
    struct slice all = {at, kept + fresh};
    ssize_t done = offer(peer, all);
    if (done >= 0)
        keep_left(peer, slice_from(all, (size_t)done), fresh);
}

/* Gives all that is collected to the protocol; `fresh` bytes of it are new. */
static void offer_collected(struct peer *peer, size_t fresh)
{
    ssize_t done = offer(peer, buffer_slice(&peer_stream(peer)->in));
    if (done <= 0)
        return;
    peer->flags &= ~PEER_DRIBBLES;
    struct buffer old = peer_stream(peer)->in;
    peer_stream(peer)->in = (struct buffer){0};
    keep_left(peer, slice_from(buffer_slice(&old), (size_t)done), fresh);
    buffer_clear(&old);
}

static void feed_collected(struct peer *peer, struct slice fresh)
{
    if (peer_stream(peer)->in.len + fresh.len > LEFT_MAX ||
        buffer_append(&peer_stream(peer)->in, fresh) != 0) {
        peer_close(peer, peer_stream(peer)->in.len + fresh.len > LEFT_MAX ? "packet without end"
                                                                          : "out of memory");
        return;
    }
    if (!(peer->flags & PEER_HELD))
        offer_collected(peer, fresh.len);
}

void peer_input_again(struct peer *peer)
{
    if (peer->flags & PEER_CLOSING)
        return;
    if (peer_stream(peer)->in.len)
        offer_collected(peer, peer_stream(peer)->in.len);
    if (!(peer->flags & PEER_CLOSING))
        peer_life_watch(peer);
}

void peer_again(struct peer *peer)
{
    struct loop *loop = peer_loop(peer);
    if (peer->flags & PEER_DATAGRAM) {
        datagram_input_again(peer);
        return;
    }
    if (peer->flags & (PEER_CLOSING | PEER_AGAIN))
        return;
    if (loop->again_count == loop->again_room) {
        size_t room = loop->again_room ? 2 * loop->again_room : 16;
        struct peer **again = realloc(loop->again, room * sizeof(struct peer *));
        if (!again) {
            peer_close(peer, "out of memory");
            return;
        }
        loop->again = again;
        loop->again_room = room;
    }
    loop->again[loop->again_count++] = peer;
    peer->flags |= PEER_AGAIN;
    peer_life_watch(peer);
}

void peer_input_forget(struct peer *peer)
{
    struct loop *loop = peer_loop(peer);
    size_t i = 0;
    while (loop->again[i] != peer)
        i++;
    loop->again[i] = NULL;
    peer->flags &= ~(unsigned)PEER_AGAIN;
}

void peer_input_serve(struct loop *loop)
{
    size_t count = loop->again_count; /* who is put off once more comes behind these */
    for (size_t i = 0; i < count; i++) {
        struct peer *peer = loop->again[i];
        if (!peer)
            continue;
        peer_input_forget(peer);
        peer_input_again(peer);
        loop_leave(loop);
    }
    loop->again_count -= count;
    if (loop->again_count)
        memmove(loop->again, loop->again + count, loop->again_count * sizeof(struct peer *));
}

static bool collects(const struct peer *peer)
{
    return peer_stream(peer)->in.len > LOOP_FRONT_MAX || peer->flags & (PEER_DRIBBLES | PEER_HELD);
}

/* Where fresh bytes are to be put in a buffer of LOOP_INPUT_SIZE. */
static size_t room_in_front(const struct peer *peer)
{
    return collects(peer) ? 0 : peer_stream(peer)->in.len;
}

/* `fresh` bytes stand in `buffer` at room_in_front. */
static void feed(struct peer *peer, uint8_t *buffer, size_t fresh)
{
    if (collects(peer))
        feed_collected(peer, slice_of(buffer, fresh));
    else
        feed_in_place(peer, buffer, peer_stream(peer)->in.len, fresh);
}

/* Through the layer; plain bytes go into a buffer of their own. */
static void feed_layer(struct peer *peer, struct slice wire)
{
    struct loop *loop = peer_loop(peer);
    const struct layer *layer = peer_layer(peer);
    enum layer_result result;
    do {
        struct writer plain = writer_of(loop->plain + room_in_front(peer), LOOP_READ_MAX);
        result = layer->receive(peer, peer_layer_state(peer), &wire, &plain);
        if (writer_len(&plain) > 0)
            peer->flags |= PEER_HEARD;
        if (writer_len(&plain) > 0 && !(peer->flags & PEER_CLOSING))
            feed(peer, loop->plain, writer_len(&plain));
    } while (result == LAYER_MORE && !(peer->flags & PEER_CLOSING));
    if (result == LAYER_FAILED)
        peer_close(peer, "%s failed", layer->name);
    else if (result == LAYER_END)
        peer_close(peer, "peer closed the connection");
    if (peer_stream(peer)->out.len > 0)
        peer_output_due(peer); /* the layer may be ready for it now */
    /* The last words of a handshake get no answer, and the first packet may wait behind them. */
    if (!(peer->flags & PEER_HEARD) && peer->port && peer_backlog(peer) == 0)
        socket_acknowledge(peer_fd(peer));
}

/* One receive. Returns what recv does, with -errno for -1. */
static ssize_t receive(struct peer *peer, uint8_t *at)
{
    struct listener *listener = peer_home(peer);
    ssize_t got;
    do {
        got = recv(peer_fd(peer), at, LOOP_READ_MAX, 0);
        listener->loop->counts.receives++;
    } while (got < 0 && errno == EINTR);
    if (got < 0)
        return -errno;
    listener->stats->bytes_received += (uint64_t)got;
    return got;
}

/* Whether what has arrived may be taken in now; if not, the kernel keeps it and asks again in the
 * next turn. */
static bool is_ready(struct peer *peer)
{
    const struct layer *layer = peer_layer(peer);
    return !layer || !layer->ready || layer->ready(peer, peer_layer_state(peer));
}

/* Receives once and gives it to the protocol. Returns as receive does. */
static ssize_t take_in(struct peer *peer)
{
    struct loop *loop = peer_loop(peer);
    bool layered = peer_layer(peer) != NULL;
    uint8_t *at = loop->input + (layered ? 0 : room_in_front(peer));
    ssize_t got = receive(peer, at);
    if (got > 0 && layered)
        feed_layer(peer, slice_of(at, (size_t)got));
    else if (got > 0)
        feed(peer, loop->input, (size_t)got);
    return got;
}

/* An ended peer: only its FIN is of interest. */
static void discard(struct peer *peer)
{
    for (int n = 0; n < READS_MAX; n++) {
        ssize_t got = receive(peer, peer_loop(peer)->input);
        if (got == -EAGAIN)
            return;
        if (got <= 0) {
            peer->flags |= got == 0 ? PEER_EOF : PEER_BROKEN;
            if (peer->flags & (PEER_SHUT | PEER_BROKEN) || peer_backlog(peer) == 0)
                peer_life_drop(peer);
            else
                peer_life_watch(peer);
            return;
        }
    }
}

void peer_input_read(struct peer *peer)
{
    if (peer->flags & PEER_ENDED) {
        discard(peer);
        return;
    }
    struct loop *loop = peer_loop(peer);
    for (int n = 0; n < READS_MAX && !(peer->flags & (PEER_CLOSING | PEER_PAUSED | PEER_HELD)) &&
                    is_ready(peer);
         n++) {
        ssize_t got = take_in(peer);
        if (got == 0 || (got < 0 && got != -EAGAIN))
            peer_life_lost(peer, (int)-got);
        if (peer->flags & PEER_FULL || peer_hold(peer))
            peer_output_brake(peer);
        if (got < LOOP_READ_MAX)
            break;
        loop_leave(loop); /* flush what this has caused before there is more of it */
    }
}

void peer_input_drain(struct peer *peer)
{
    if (peer->flags & PEER_AGAIN)
        return; /* what has arrived comes first; this comes again */
    peer->flags |= PEER_BROKEN;
    if (peer->flags & PEER_ENDED) {
        peer_life_drop(peer);
        return;
    }
    int error = 0;
    socklen_t length = sizeof(error);
    ssize_t got = 1;
    while (got > 0 && !(peer->flags & PEER_CLOSING))
        got = take_in(peer);
    getsockopt(peer_fd(peer), SOL_SOCKET, SO_ERROR, &error, &length);
    if (got < 0 && got != -EAGAIN)
        error = (int)-got;
    peer_life_lost(peer, error ? error : ECONNRESET);
}
