/* datagram_input: from the socket to the protocol, for peers on datagrams. The first step of every
 * message on datagrams.
 *
 * All ports share one inbox. A batch is handed on whole, unless peer_again asks for another turn:
 * then the rest waits in the inbox, nobody receives, and the next turn begins with it. Invariant:
 * loop.inbox_next < inbox_count only between such turns, and inbox_port is not NULL then. */
#include "transports/datagram_state.h"

#include "broker/stats.h"
#include <errno.h>

enum {
    BATCHES_MAX = 8,       /* of one port in a turn */
    READ_FOR_NS = 2000000, /* no further batch of it after so long */
};

void datagram_input_heard(struct peer *peer, const struct arrival *arrival)
{
    struct datagram *datagram = peer_datagram(peer);
    datagram->heard_ms = peer_loop(peer)->now_ms;
    datagram->local = arrival->to;
    if (peer->flags & PEER_VERIFIED)
        return;
    size_t credit = datagram->credit + AMPLIFICATION * arrival->bytes.len;
    datagram->credit = credit < CREDIT_MAX ? (uint32_t)credit : CREDIT_MAX;
    datagram->unanswered = true;
    datagram->followed = false;
}

/* Gives one datagram to the protocol. Returns false when it is to be offered again. */
static bool offer(struct peer *peer, struct slice bytes)
{
    struct loop *loop = peer_loop(peer);
    ssize_t done = peer_protocol(peer)->receive(peer, peer_state(peer), bytes);
    if (done < 0)
        peer_close(peer, "%s error", peer_protocol(peer)->name);
    return !(loop->inbox_again && done == 0 && !(peer->flags & PEER_CLOSING));
}

static bool receive_plain(struct port *port, const struct arrival *arrival)
{
    struct datagram *datagram = map_find(&port->table, endpoint_slice(&arrival->from));
    struct peer *peer = datagram ? &datagram->peer : NULL;
    if (peer && peer->flags & PEER_CLOSING)
        return true; /* it has said its last word */
    if (peer) {
        datagram_input_heard(peer, arrival);
        return offer(peer, arrival->bytes);
    }
    peer = datagram_peer_meet(port, arrival);
    if (!peer) {
        port->counts.refused++;
        return true;
    }
    bool done = peer->flags & PEER_CLOSING || offer(peer, arrival->bytes);
    datagram_peer_part(peer);
    return done;
}

static void receive_layered(struct port *port, const struct arrival *arrival)
{
    const struct datagram_layer *layer = port_layer(port);
    struct datagram *datagram = map_find(&port->table, endpoint_slice(&arrival->from));
    struct peer *peer = datagram ? &datagram->peer : NULL;
    if (!peer || peer->flags & PEER_CLOSING ||
        (layer->begins && layer->begins(peer, peer_layer_state(peer), arrival->bytes)))
        datagram_layered_greet(port, arrival);
    else
        datagram_layered_receive(peer, arrival);
}

/* Hands on the i-th of the inbox. Returns false when it is to be offered again. */
static bool hand_on(struct port *port, int i)
{
    struct arrival arrival;
    uint32_t missed = port->missed;
    bool known = inbox_read(port->listener->loop->inbox, i, &arrival, &missed);
    port->counts.received++;
    port->counts.missed += missed - port->missed; /* modulo 2^32, as the kernel counts */
    port->missed = missed;
    port->listener->stats->bytes_received += arrival.bytes.len;
    if (!known || arrival.truncated || arrival.bytes.len == 0) {
        port->counts.useless++;
        return true;
    }
    if (port_layer(port)) {
        receive_layered(port, &arrival);
        return true;
    }
    bool done = receive_plain(port, &arrival);
    if (!done) { /* as if it had not come yet */
        port->counts.received--;
        port->listener->stats->bytes_received -= arrival.bytes.len;
    }
    return done;
}

/* Hands on what the inbox holds, until the end or until somebody asks for another turn. */
static void empty_inbox(struct port *port)
{
    struct loop *loop = port->listener->loop;
    while (loop->inbox_next < loop->inbox_count && !loop->inbox_again) {
        int i = loop->inbox_next++;
        if (!hand_on(port, i))
            loop->inbox_next = i;
    }
    loop_leave(loop); /* flush what this has caused before there is more of it */
}

void datagram_input_read(struct port *port)
{
    struct loop *loop = port->listener->loop;
    uint64_t begin = uv_hrtime();
    for (int n = 0; n < BATCHES_MAX && !datagram_input_waits(loop); n++) {
        int got = inbox_fill(loop->inbox, port->listener->socket.fd);
        loop->counts.receives++;
        if (got < 0 && got != -EAGAIN && got != -EINTR)
            port->counts.useless++; /* an error of the past, which the kernel has told now */
        if (got <= 0)
            return;
        loop->inbox_port = port;
        loop->inbox_next = 0;
        loop->inbox_count = got;
        empty_inbox(port);
        if (got < DATAGRAM_BATCH || uv_hrtime() - begin > READ_FOR_NS)
            return;
    }
}

/* ---- another turn ---- */

bool datagram_input_waits(const struct loop *loop)
{
    return loop->inbox_again || loop->inbox_next < loop->inbox_count;
}

void datagram_input_again(struct peer *peer)
{
    peer_loop(peer)->inbox_again = true;
}

void datagram_input_put_off(struct peer *peer, struct slice plain)
{
    struct loop *loop = peer_loop(peer);
    if (buffer_append(&loop->put_off, plain) == 0)
        loop->put_off_peer = peer;
    else
        peer_close(peer, "out of memory");
}

void datagram_input_serve(struct loop *loop)
{
    struct port *port = loop->inbox_port;
    struct peer *peer = loop->put_off_peer;
    if (!datagram_input_waits(loop))
        return;
    loop->inbox_again = false;
    loop->put_off_peer = NULL;
    if (peer && !offer(peer, buffer_slice(&loop->put_off)))
        loop->put_off_peer = peer;
    if (!loop->put_off_peer)
        buffer_clear(&loop->put_off);
    if (port)
        empty_inbox(port);
    else
        loop_leave(loop);
}

void datagram_input_forget(struct peer *peer)
{
    struct loop *loop = peer_loop(peer);
    if (loop->put_off_peer != peer)
        return;
    loop->put_off_peer = NULL;
    buffer_clear(&loop->put_off);
}

void datagram_input_forget_port(struct port *port)
{
    struct loop *loop = port->listener->loop;
    if (loop->inbox_port != port)
        return;
    loop->inbox_port = NULL;
    loop->inbox_next = loop->inbox_count = 0;
}
