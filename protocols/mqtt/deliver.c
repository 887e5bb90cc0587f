/* deliver: from the core to a client's peer. The last room on the way of a message.
 *
 *   session -> sink.deliver -> frame of the walk, or encode -> peer_reserve
 *
 * A message that goes to many with nothing that differs is encoded once per version and copied
 * after that (struct frames). A large payload is not copied at all: only what stands before it is
 * written, the rest is sent by reference. No system call, no closing, no call into the core. */
#include "protocols/mqtt/aliases.h"
#include "protocols/mqtt/packets.h"
#include "protocols/mqtt/refuse.h"

enum {
    SHARED_PAYLOAD = 2048, /* from here on a reference costs less than a copy */
    ALIAS_TOPIC = 8,       /* shorter topics gain nothing from an alias */
};

static struct mqtt_connection *connection_of(struct sink *sink)
{
    return (struct mqtt_connection *)((char *)sink - offsetof(struct mqtt_connection, sink));
}

/* ---- frames ---- */

/* Where the encoded form of this delivery is shared, or NULL when it has something of its own. */
static struct slice *shared_frame(const struct mqtt_connection *c, const struct delivery *d)
{
    if (!d->frames || d->qos || d->identifier_count || c->alias_out_max ||
        d->message->payload_len >= SHARED_PAYLOAD)
        return NULL;
    return &d->frames->variant[(c->version == MQTT_5 ? 2 : 0) + d->retain];
}

static enum sink_answer copy_frame(struct mqtt_connection *c, struct slice frame)
{
    if (!mqtt_fits(c, frame.len))
        return SINK_TOO_LARGE;
    uint8_t *to = mqtt_room(c, frame.len);
    if (!to)
        return SINK_FULL;
    memcpy(to, frame.at, frame.len);
    return SINK_TAKEN;
}

/* ---- encoding ---- */

static void fill_v5(const struct mqtt_connection *c, const struct delivery *d,
                    struct mqtt_publish_head *head)
{
    const struct message *m = d->message;
    head->forwardable = message_properties(m);
    head->subscription_identifiers = d->identifiers; /* [MQTT-3.3.4-3] */
    head->subscription_identifier_count = d->identifier_count;
    if (m->expires_ms) { /* [MQTT-3.3.2-6] */
        head->has_message_expiry = true;
        head->message_expiry_s = message_seconds_left(m, broker_wall_ms(c->broker));
    }
}

/* Bytes up to the payload; 0 for a packet that is longer than MQTT can say or than the client
 * takes [MQTT-3.1.2-24]. */
static size_t head_size_of(const struct mqtt_connection *c, const struct mqtt_publish_head *head)
{
    size_t size = mqtt_publish_head_size((enum mqtt_version)c->version, head);
    return size && mqtt_fits(c, size + head->payload_len) ? size : 0;
}

/* Shortens the topic for a client that keeps aliases. Returns whether the client is told a new one:
 * not where just that would make the packet too large for it. */
static bool use_alias(const struct mqtt_connection *c, struct mqtt_publish_head *head)
{
    if (head->topic.len <= ALIAS_TOPIC)
        return false;
    head->topic_alias = mqtt_aliases_known(c->aliases_out, head->topic);
    if (head->topic_alias) {
        head->topic = SLICE_EMPTY;
        return false;
    }
    head->topic_alias = mqtt_aliases_next(c->aliases_out, c->alias_out_max);
    if (head->topic_alias && head_size_of(c, head) == 0)
        head->topic_alias = 0;
    return head->topic_alias != 0;
}

/* Writes head and payload. Returns where they begin, or NULL when out of memory. */
static uint8_t *write_whole(struct mqtt_connection *c, const struct mqtt_publish_head *head,
                            size_t head_size, struct slice payload)
{
    uint8_t *to = mqtt_room(c, head_size + payload.len);
    if (!to)
        return NULL;
    struct writer w = writer_of(to, head_size + payload.len);
    mqtt_encode_publish_head(&w, (enum mqtt_version)c->version, head);
    writer_bytes(&w, payload);
    return to;
}

/* Writes the head and sends the payload by reference. */
static bool write_shared(struct mqtt_connection *c, const struct mqtt_publish_head *head,
                         size_t head_size, struct message *message)
{
    struct message *held = message_hold(message);
    uint8_t *to = held ? mqtt_room(c, head_size) : NULL;
    if (to) {
        struct writer w = writer_of(to, head_size);
        mqtt_encode_publish_head(&w, (enum mqtt_version)c->version, head);
        peer_send_shared(c->peer, message_payload(held), held);
    }
    message_unref(held);
    return to != NULL;
}

static enum sink_answer encode(struct mqtt_connection *c, const struct delivery *d,
                               struct slice *frame)
{
    struct message *m = d->message;
    struct mqtt_publish_head head = {
        .topic = d->topic,
        .packet_id = d->packet_id,
        .qos = d->qos,
        .dup = d->dup,
        .retain = d->retain,
        .payload_len = m->payload_len,
    };
    bool new_alias = false;
    if (c->version == MQTT_5) {
        fill_v5(c, d, &head);
        new_alias = c->alias_out_max && use_alias(c, &head);
    }
    size_t head_size = head_size_of(c, &head);
    if (head_size == 0)
        return SINK_TOO_LARGE; /* [MQTT-3.1.2-25] */
    if (m->payload_len >= SHARED_PAYLOAD) {
        if (!write_shared(c, &head, head_size, m))
            return SINK_FULL;
    } else {
        uint8_t *at = write_whole(c, &head, head_size, message_payload(m));
        if (!at)
            return SINK_FULL;
        if (frame)
            *frame = slice_of(at, head_size + m->payload_len);
    }
    if (new_alias)
        mqtt_aliases_told(&c->aliases_out, c->alias_out_max, d->topic);
    return SINK_TAKEN;
}

/* ---- the verbs ---- */

static enum sink_answer deliver(struct sink *sink, const struct delivery *d)
{
    struct mqtt_connection *c = connection_of(sink);
    /* Nothing follows a DISCONNECT [MQTT-3.14.4-1]. */
    if (!mqtt_is_client(c) || c->explained || peer_is_full(c->peer))
        return SINK_FULL;
    struct slice *frame = shared_frame(c, d);
    if (frame && frame->len)
        return copy_frame(c, *frame);
    return encode(c, d, frame);
}

static void release(struct sink *sink, uint16_t packet_id)
{
    mqtt_acknowledge(connection_of(sink), MQTT_PUBREL, packet_id, MQTT_SUCCESS, NULL);
}

static void expel(struct sink *sink, enum expel_reason reason)
{
    static const struct {
        uint8_t reason;
        const char *why;
    } rows[] = {
        [EXPEL_TAKEN_OVER] = {MQTT_SESSION_TAKEN_OVER, "taken over by another connection"},
        [EXPEL_DENIED] = {MQTT_NOT_AUTHORIZED, "its right to be here has ended"},
        [EXPEL_CURTAILED] = {MQTT_NOT_AUTHORIZED, "a subscription is no longer permitted"},
    };
    struct mqtt_connection *c = connection_of(sink);
    mqtt_say_goodbye(c, (enum mqtt_reason)rows[reason].reason, NULL); /* [MQTT-3.1.4-3] */
    mqtt_close(c, "closed: %s", rows[reason].why);
    mqtt_connection_dispossess(c, rows[reason].why);
}

static bool entitled(struct sink *sink)
{
    const struct mqtt_connection *c = connection_of(sink);
    bool anonymous = session_identity(c->session)->anonymous;
    return (!anonymous || peer_listener(c->peer)->anonymous) && peer_is_entitled(c->peer);
}

const struct sink_verbs mqtt_sink_verbs = {
    .deliver = deliver, .release = release, .expel = expel, .entitled = entitled};
