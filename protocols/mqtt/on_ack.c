/* on_ack: PUBACK, PUBREC, PUBREL and PUBCOMP, both ways.
 *
 * A client that answers for an id which nobody waits for is not closed for it when nothing hangs on
 * the answer: libraries acknowledge on the new connection what they received on the old one, and
 * then again what was sent again. */
#include "protocols/mqtt/packets.h"
#include "protocols/mqtt/refuse.h"

/* What it has to wait for. A refusal of a message claims nothing, so it only keeps its place among
 * the answers [MQTT-4.6.0-2]; every other answer stands for what the core has taken, and for what
 * it has forgotten: an id that is free again must not come back after a crash. */
static uint64_t promise_of(const struct mqtt_connection *c, enum mqtt_type type,
                           enum mqtt_reason reason)
{
    bool receipt = type == MQTT_PUBACK || type == MQTT_PUBREC;
    return receipt && reason >= MQTT_UNSPECIFIED_ERROR ? 0
                                                       : broker_promise_for(c->broker, c->session);
}

void mqtt_acknowledge(struct mqtt_connection *c, enum mqtt_type type, uint16_t packet_id,
                      enum mqtt_reason reason, const char *why)
{
    enum mqtt_version version = (enum mqtt_version)c->version;
    uint64_t promise = promise_of(c, type, reason);
    if (!why) { /* the common case: two or three bytes of body */
        size_t size = mqtt_ack_size(version, reason, NULL);
        uint8_t *to = mqtt_room_after(c, size, promise);
        if (!to)
            return;
        struct writer w = writer_of(to, size);
        mqtt_encode_ack(&w, version, type, packet_id, reason, NULL);
        return;
    }
    struct mqtt_properties properties = mqtt_reason_string(c, why);
    size_t size = mqtt_ack_size(version, reason, &properties);
    if (!mqtt_fits(c, size)) { /* [MQTT-3.4.2-2], [MQTT-3.5.2-2] */
        properties.present = 0;
        size = mqtt_ack_size(version, reason, &properties);
    }
    uint8_t *to = mqtt_room_after(c, size, promise);
    if (!to)
        return;
    struct writer w = writer_of(to, size);
    mqtt_encode_ack(&w, version, type, packet_id, reason, &properties);
}

static void note_unknown(const struct mqtt_connection *c, enum mqtt_type type, uint16_t packet_id)
{
    peer_log(c->peer, LOG_DEBUG, "%s for packet identifier %u, which nothing waits for",
             mqtt_type_name(type), (unsigned)packet_id);
}

/* The client has our QoS 2 message, or refuses it. */
static void on_pubrec(struct mqtt_connection *c, const struct mqtt_ack *ack)
{
    bool refused = ack->reason >= MQTT_UNSPECIFIED_ERROR;
    if (session_acknowledged(c->session, ack->packet_id, refused ? ACK_PUBREC_REFUSED : ACK_PUBREC))
        return; /* the core has asked for the PUBREL */
    note_unknown(c, MQTT_PUBREC, ack->packet_id);
    if (!refused) /* lets the client finish; 3.x has no word for "not found" */
        mqtt_acknowledge(c, MQTT_PUBREL, ack->packet_id,
                         c->version == MQTT_5 ? MQTT_PACKET_IDENTIFIER_NOT_FOUND : MQTT_SUCCESS,
                         NULL);
}

/* The client releases the id of its QoS 2 message [MQTT-4.3.3-11]. */
static void on_pubrel(struct mqtt_connection *c, const struct mqtt_ack *ack)
{
    bool known = session_forget(c->session, ack->packet_id);
    if (!known)
        note_unknown(c, MQTT_PUBREL, ack->packet_id);
    mqtt_acknowledge(
        c, MQTT_PUBCOMP, ack->packet_id,
        known || c->version != MQTT_5 ? MQTT_SUCCESS : MQTT_PACKET_IDENTIFIER_NOT_FOUND, NULL);
}

bool mqtt_on_ack(struct mqtt_connection *c, const struct mqtt_header *header, struct slice packet,
                 struct mqtt_fault *fault)
{
    struct mqtt_property_limits limits = mqtt_property_limits(mqtt_options_of(c));
    struct mqtt_ack ack;
    if (!mqtt_decode_ack(header, packet, (enum mqtt_version)c->version, &limits, &ack, fault))
        return false;
    enum mqtt_type type = (enum mqtt_type)header->type;
    if (type == MQTT_PUBREL)
        on_pubrel(c, &ack);
    else if (type == MQTT_PUBREC)
        on_pubrec(c, &ack);
    else if (!session_acknowledged(c->session, ack.packet_id,
                                   type == MQTT_PUBACK ? ACK_PUBACK : ACK_PUBCOMP))
        note_unknown(c, type, ack.packet_id);
    return true;
}
