/* datagram_layered: datagrams on their way through a layer, and what layers may ask
 * (datagram_layer.h). Between datagram_input and the protocol. */
#include "transports/datagram_state.h"

#include <errno.h>

/* ---- in ---- */

static void answer(struct port *port, const struct arrival *arrival, const struct writer *written)
{
    struct slice wire = slice_of(written->start, writer_len(written));
    /* Nobody's address is a reason to send more than it has sent. */
    if (written->overflow || wire.len == 0 || wire.len > arrival->bytes.len) {
        port->counts.unproven++;
        return;
    }
    datagram_output_emit(port, NULL, &arrival->from, &arrival->to, wire);
}

/* A peer that was at an address goes, since whoever is there now has proven to be somebody new. */
static void replace(struct port *port, const struct arrival *arrival)
{
    struct datagram *former = map_find(&port->table, endpoint_slice(&arrival->from));
    if (!former)
        return;
    former->peer.flags |= PEER_BROKEN;
    datagram_peer_kill(&former->peer, "its address began anew");
}

/* The layer's state of who is at an address; NULL when there is nobody, or nobody for long. */
static const void *state_at(const struct port *port, const struct endpoint *at)
{
    const struct datagram *datagram = map_find(&port->table, endpoint_slice(at));
    return datagram && !(datagram->peer.flags & PEER_CLOSING) ? peer_layer_state(&datagram->peer)
                                                              : NULL;
}

void datagram_layered_greet(struct port *port, const struct arrival *arrival)
{
    struct loop *loop = port->listener->loop;
    const void *former = state_at(port, &arrival->from);
    struct writer written = writer_of(loop->greeting, LOOP_GREETING_SIZE);
    struct peer *moved = NULL, *fresh;
    switch (port_layer(port)->greet(port->listener->shared, &arrival->from, former, arrival->bytes,
                                    loop->now_ms, &written, &moved)) {
    case GREET_IGNORE:
        port->counts.ignored++;
        break;
    case GREET_ANSWER:
        answer(port, arrival, &written);
        break;
    case GREET_ADMIT:
        replace(port, arrival);
        fresh = datagram_peer_admit(port, arrival);
        if (fresh)
            datagram_layered_receive(fresh, arrival);
        break;
    case GREET_MOVED:
        if (!(moved->flags & PEER_CLOSING))
            datagram_layered_receive(moved, arrival);
        break;
    }
}

void datagram_candidate(struct peer *peer)
{
    struct datagram_layered *layered = datagram_layered(peer);
    const struct arrival *arrival = layered->arriving;
    if (!arrival)
        return;
    if (!endpoint_equal(&layered->candidate, &arrival->from)) {
        layered->candidate = arrival->from;
        layered->candidate_credit = 0;
    }
    layered->candidate_local = arrival->to;
    size_t credit = layered->candidate_credit + AMPLIFICATION * arrival->bytes.len;
    layered->candidate_credit = credit < CREDIT_MAX ? (uint32_t)credit : CREDIT_MAX;
}

/* One plain datagram for the protocol. */
static void deliver(struct peer *peer, struct slice plain)
{
    struct loop *loop = peer_loop(peer);
    datagram_peer_settle(peer); /* what comes out of the layer ends a handshake */
    if (peer->flags & PEER_CLOSING || plain.len == 0)
        return;
    ssize_t done = -1;
    if (!loop->put_off_peer) { /* else it came with one that is put off: there is room for one */
        done = peer_protocol(peer)->receive(peer, peer_state(peer), plain);
        if (done < 0)
            peer_close(peer, "%s error", peer_protocol(peer)->name);
    }
    if (loop->inbox_again && done == 0)
        datagram_input_put_off(peer, plain);
    else if (done < 0)
        peer_port(peer)->counts.unready++;
}

void datagram_layered_receive(struct peer *peer, const struct arrival *arrival)
{
    const struct datagram_layer *layer = port_layer(peer_port(peer));
    struct loop *loop = peer_loop(peer);
    struct slice wire = arrival->bytes;
    enum datagram_result result;
    if (peer->flags & PEER_CLOSING)
        return;
    /* Whatever else comes with its connection id can be from anybody: the layer says what it is. */
    if (endpoint_equal(&arrival->from, &peer_datagram(peer)->at))
        datagram_input_heard(peer, arrival);
    else
        datagram_layered(peer)->arriving = arrival;
    do {
        struct writer plain = writer_of(loop->plain, LOOP_READ_MAX);
        result = layer->receive(peer, peer_layer_state(peer), &arrival->from, &wire, &plain);
        if (result == DATAGRAM_PLAIN)
            deliver(peer, slice_of(plain.start, writer_len(&plain)));
        wire = SLICE_EMPTY;
    } while (result == DATAGRAM_PLAIN && !(peer->flags & PEER_CLOSING));
    datagram_layered(peer)->arriving = NULL;
    if (result == DATAGRAM_FAILED)
        peer_close(peer, "%s failed", layer->name);
    else if (result == DATAGRAM_END)
        peer_close(peer, "peer closed the connection");
}

/* ---- what layers ask ---- */

void *datagram_shared(const struct peer *peer)
{
    return peer_home(peer)->shared;
}

void datagram_emit(struct peer *peer, struct slice wire)
{
    const struct datagram *datagram = peer_datagram(peer);
    datagram_output_emit(peer_port(peer), peer, &datagram->at, &datagram->local, wire);
}

void datagram_emit_to(struct peer *peer, const struct endpoint *to, struct slice wire)
{
    struct datagram_layered *layered = datagram_layered(peer);
    struct port *port = peer_port(peer);
    if (endpoint_equal(to, &peer_datagram(peer)->at)) {
        datagram_emit(peer, wire);
        return;
    }
    if (!endpoint_equal(to, &layered->candidate) || wire.len > layered->candidate_credit) {
        port->counts.unproven++;
        return;
    }
    layered->candidate_credit -= (uint32_t)wire.len;
    datagram_output_emit(port, peer, to, &layered->candidate_local, wire);
}

void datagram_alarm(struct peer *peer, uint64_t due_ms)
{
    struct timers *wheel = &peer_loop(peer)->wheel;
    struct timer *alarm = &datagram_layered(peer)->alarm;
    if (due_ms == 0 || peer->flags & PEER_ENDED)
        timer_cancel(wheel, alarm);
    else
        timer_set(wheel, alarm, due_ms);
}
