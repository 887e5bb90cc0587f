/* deliver: from the core to a client. The last room on the way of a message.
 *
 *   session -> sink.deliver -> how is the topic called -> [REGISTER, pending.c] -> PUBLISH
 *
 * A message goes into one datagram or not at all (MQTT-SN 1.2 has no fragments). No call into the
 * core from here. */
#include "protocols/mqtt_sn/encode.h"
#include "protocols/mqtt_sn/packets.h"
#include "protocols/mqtt_sn/traffic.h"

static struct sn_connection *connection_of(struct sink *sink)
{
    return (struct sn_connection *)((char *)sink - offsetof(struct sn_connection, sink));
}

/* Whether a message of that type fits into one datagram to the client. */
static bool fits(const struct sn_connection *c, enum sn_type type, size_t text_len)
{
    struct sn_packet packet = {.type = (uint8_t)type, .text = slice_of(NULL, text_len)};
    size_t size = sn_size(&packet);
    if (c->wrapped)
        size += SN_WRAP + c->node_len;
    return sn_size(&packet) != 0 && size <= peer_datagram_most(c->gate->peer);
}

static uint8_t flags_of(const struct delivery *d, enum sn_id_type type)
{
    return (uint8_t)(d->qos << SN_QOS_SHIFT | (d->dup ? SN_DUP : 0) | (d->retain ? SN_RETAIN : 0) |
                     type);
}

/* Keeps it until the client has answered REGISTER. */
static enum sink_answer keep(struct sn_connection *c, const struct delivery *d,
                             struct sn_parcel *parcel, const struct sn_topic *row)
{
    if (!row || !fits(c, SN_REGISTER, row->len))
        return SINK_TOO_LARGE; /* its topic can never be told */
    parcel->register_id = row->id;
    parcel->message = message_hold(d->message);
    if (parcel->message && sn_wait_for_regack(c, parcel))
        return SINK_TAKEN;
    message_unref(parcel->message);
    return SINK_FULL;
}

static enum sink_answer deliver(struct sink *sink, const struct delivery *d)
{
    struct sn_connection *c = connection_of(sink);
    struct peer *peer = c->gate->peer;
    struct sn_named named;
    if (c->state == SN_ASLEEP)
        return SINK_ASLEEP;
    if (!sn_is_listening(c) || peer_is_closing(peer) || peer_is_full(peer))
        return SINK_FULL;
    if (!fits(c, SN_PUBLISH, d->message->payload_len) || !sn_number_of(c, d->topic, &named))
        return SINK_TOO_LARGE;
    struct sn_parcel parcel = {
        .message = d->message,
        .topic_id = named.id,
        .msg_id = d->packet_id,
        .flags = flags_of(d, named.type),
    };
    if (peer_is_verified(peer) && (!named.topic || named.topic->known))
        return sn_dispatch(c, &parcel) ? SINK_TAKEN : SINK_FULL;
    return keep(c, d, &parcel, named.topic ? named.topic : sn_row_of(c, d->topic));
}

/* PUBREC has come, or a new connection goes on where the last one ended. */
static void release(struct sink *sink, uint16_t packet_id)
{
    sn_release(connection_of(sink), packet_id);
}

static void expel(struct sink *sink, enum expel_reason reason)
{
    static const char *const why[] = {
        [EXPEL_TAKEN_OVER] = "taken over by another connection",
        [EXPEL_DENIED] = "its right to be here has ended",
        [EXPEL_CURTAILED] = "a subscription is no longer permitted",
    };
    struct sn_connection *c = connection_of(sink);
    struct sn_packet packet = {.type = SN_DISCONNECT, .empty = true};
    sn_tell(c, &packet); /* it may connect again (section 5.4.21) */
    sn_connection_dispossess(c, why[reason]);
}

static bool entitled(struct sink *sink)
{
    const struct sn_connection *c = connection_of(sink);
    bool anonymous = session_identity(c->session)->anonymous;
    return (!anonymous || peer_listener(c->gate->peer)->anonymous) &&
           peer_is_entitled(c->gate->peer);
}

const struct sink_verbs sn_sink_verbs = {
    .deliver = deliver, .release = release, .expel = expel, .entitled = entitled};
