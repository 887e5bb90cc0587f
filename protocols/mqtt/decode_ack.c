/* decode_ack: PUBACK, PUBREC, PUBREL, PUBCOMP, DISCONNECT, AUTH and PINGREQ.
 *
 * The small packets. In 5.0 they end in a reason code and properties, both of which may be left out
 * from the end; in 3.x they are a packet identifier or nothing. */
#include "protocols/mqtt/decode.h"
#include "protocols/mqtt/read.h"

/* The clause that ties a packet to its table of reason codes. */
static const char *reason_clause(unsigned type)
{
    switch (type) {
    case MQTT_PUBACK:
        return "MQTT-3.4.2-1";
    case MQTT_PUBREC:
        return "MQTT-3.5.2-1";
    case MQTT_PUBREL:
        return "MQTT-3.6.2-1";
    case MQTT_PUBCOMP:
        return "MQTT-3.7.2-1";
    case MQTT_DISCONNECT:
        return "MQTT-3.14.2-1";
    default:
        return "MQTT-3.15.2-1";
    }
}

/* Reason code and properties, either of which may be missing; then the end. */
static bool read_reason(struct cursor *c, enum mqtt_type type,
                        const struct mqtt_property_limits *limits, uint8_t *reason,
                        struct mqtt_properties *properties, struct mqtt_fault *fault)
{
    size_t offset = cursor_offset(c);
    if (cursor_left(c) > 0)
        *reason = cursor_u8(c);
    if (!mqtt_client_may_say(type, *reason))
        return mqtt_fail(fault, MQTT_PROTOCOL_ERROR, offset, reason_clause(type),
                         "reason code that this packet has not");
    if (cursor_left(c) > 0 && !mqtt_decode_properties(c, type, limits, properties, fault))
        return false;
    return mqtt_read_end(c, fault);
}

bool mqtt_decode_ack(const struct mqtt_header *header, struct slice packet,
                     enum mqtt_version version, const struct mqtt_property_limits *limits,
                     struct mqtt_ack *out, struct mqtt_fault *fault)
{
    struct cursor c = mqtt_body(header, packet);
    *out = (struct mqtt_ack){0};
    if (!mqtt_read_packet_id(&c, &out->packet_id, fault))
        return false;
    if (version != MQTT_5)
        return mqtt_read_end(&c, fault);
    return read_reason(&c, header->type, limits, &out->reason, &out->properties, fault);
}

bool mqtt_decode_disconnect(const struct mqtt_header *header, struct slice packet,
                            enum mqtt_version version, const struct mqtt_property_limits *limits,
                            struct mqtt_disconnect *out, struct mqtt_fault *fault)
{
    struct cursor c = mqtt_body(header, packet);
    *out = (struct mqtt_disconnect){0};
    if (version != MQTT_5)
        return mqtt_read_end(&c, fault);
    return read_reason(&c, MQTT_DISCONNECT, limits, &out->reason, &out->properties, fault);
}

bool mqtt_decode_auth(const struct mqtt_header *header, struct slice packet,
                      const struct mqtt_property_limits *limits, struct mqtt_auth *out,
                      struct mqtt_fault *fault)
{
    struct cursor c = mqtt_body(header, packet);
    *out = (struct mqtt_auth){0};
    if (!read_reason(&c, MQTT_AUTH, limits, &out->reason, &out->properties, fault))
        return false;
    return mqtt_has(&out->properties, MQTT_AUTHENTICATION_METHOD) ||
           mqtt_fail(fault, MQTT_PROTOCOL_ERROR, cursor_offset(&c), "5.0 section 3.15.2.2.2",
                     "AUTH without an authentication method");
}

bool mqtt_decode_pingreq(const struct mqtt_header *header, struct slice packet,
                         struct mqtt_fault *fault)
{
    struct cursor c = mqtt_body(header, packet);
    return mqtt_read_end(&c, fault);
}
