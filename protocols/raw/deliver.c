/* deliver: from the core to a device: one MSG. The last room on the way of a message.
 *
 *   session -> sink.deliver -> raw_encode -> peer_reserve
 *
 * A MSG carries an id when it is to be acknowledged, and also as long as the device has not proven
 * that it is where its datagrams come from, unless there is no room for it: the id is unguessable
 * and its ACK is the proof. Until then it gets no more than the transport allows (peer_allowance):
 * one datagram for each of its own, and one more after a second of its silence. What is beyond
 * waits for that second, or until it is heard again: what is QoS 1 or retained in the core, and of
 * the rest the newest, unless somebody else can have it. */
#include "protocols/raw/connection.h"

static struct raw_connection *connection_of(struct sink *sink)
{
    return (struct raw_connection *)((char *)sink - offsetof(struct raw_connection, sink));
}

uint64_t raw_wire_id(const struct raw_connection *c, uint16_t packet_id)
{
    return (uint64_t)c->nonce << 16 | packet_id;
}

static struct raw_line msg_of(const struct raw_connection *c, struct slice topic,
                              struct slice payload, uint16_t packet_id)
{
    struct raw_line msg = {
        .verb = RAW_MSG,
        .topic = topic,
        .payload = payload,
        .has_id = packet_id || !peer_is_verified(c->peer),
        .id = raw_wire_id(c, packet_id),
    };
    if (packet_id == 0 && raw_size(&msg) > peer_allowance(c->peer))
        msg.has_id = false; /* better without a proof than not at all */
    return msg;
}

bool raw_send_msg(struct raw_connection *c, struct slice topic, struct slice payload,
                  uint16_t packet_id)
{
    struct raw_line msg = msg_of(c, topic, payload, packet_id);
    size_t size = raw_size(&msg);
    if (!peer_is_verified(c->peer) && (c->answering || size > peer_allowance(c->peer)))
        return false;
    uint8_t *to = peer_reserve(c->peer, size);
    if (!to)
        return false;
    struct writer w = writer_of(to, size);
    raw_encode(&w, &msg);
    broker_stats(c->broker)->messages_sent++;
    return true;
}

static enum sink_answer deliver(struct sink *sink, const struct delivery *d)
{
    struct raw_connection *c = connection_of(sink);
    struct slice payload = message_payload(d->message);
    struct raw_line msg = msg_of(c, d->topic, payload, d->packet_id);
    bool is_live = d->qos == 0 && !d->retain;
    if (!c->session || c->leaving || peer_is_full(c->peer)) /* not even that it leaves */
        return SINK_FULL;
    if (raw_size(&msg) > peer_datagram_most(c->peer))
        return SINK_TOO_LARGE;
    if (d->qos && !raw_keep(c, d))
        return SINK_FULL;
    if (raw_send_msg(c, d->topic, payload, d->packet_id)) {
        c->pinged = false;
        if (is_live)
            raw_outdate_newest(c);
        raw_set_deadline(c);
        return SINK_TAKEN;
    }
    if (d->qos)
        raw_forget(c, d->packet_id);
    bool kept = is_live && !d->shared && !peer_is_verified(c->peer) && raw_keep_newest(c, d);
    c->held_back |= !kept;
    if (!kept && c->pinged)
        raw_pong(c);
    raw_set_deadline(c);
    return kept ? SINK_TAKEN : SINK_FULL;
}

/* Nothing is ever granted more than QoS 1. */
static void release(struct sink *sink, uint16_t packet_id)
{
    (void)sink;
    (void)packet_id;
}

static void expel(struct sink *sink, enum expel_reason reason)
{
    static const char *const reasons[] = {
        [EXPEL_TAKEN_OVER] = "taken over by another peer",
        [EXPEL_DENIED] = "its right to be here has ended",
        [EXPEL_CURTAILED] = "a subscription is no longer permitted",
    };
    struct raw_connection *c = connection_of(sink);
    raw_say_goodbye(c);
    raw_close(c, reasons[reason]);
    raw_dispossess(c, reasons[reason]);
}

static bool entitled(struct sink *sink)
{
    const struct raw_connection *c = connection_of(sink);
    bool anonymous = session_identity(c->session)->anonymous;
    return (!anonymous || peer_listener(c->peer)->anonymous) && peer_is_entitled(c->peer);
}

const struct sink_verbs raw_sink_verbs = {
    .deliver = deliver, .release = release, .expel = expel, .entitled = entitled};
