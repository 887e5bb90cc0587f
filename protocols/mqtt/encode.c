/* encode: CONNACK, acknowledgements, SUBACK, UNSUBACK, DISCONNECT, AUTH, PINGRESP.
 *
 * The way out for everything but PUBLISH (encode_publish.c). Every packet is laid out by one
 * function that knows its body size; the size functions and the encoders share it and cannot
 * disagree. */
#include "protocols/mqtt/encode.h"

static void write_header(struct writer *w, enum mqtt_type type, size_t remaining)
{
    unsigned flags = type == MQTT_PUBREL ? 2 : 0; /* [MQTT-3.6.1-1] */
    writer_u8(w, (uint8_t)((unsigned)type << 4 | flags));
    mqtt_write_varint(w, (uint32_t)remaining);
}

static size_t packet_size(size_t remaining)
{
    return 1 + mqtt_varint_size((uint32_t)remaining) + remaining;
}

/* Length and block; none at all before 5.0. */
static size_t block_size(enum mqtt_version version, const struct mqtt_properties *properties)
{
    if (version != MQTT_5)
        return 0;
    size_t size = properties ? mqtt_properties_size(properties) : 0;
    return mqtt_varint_size((uint32_t)size) + size;
}

static void write_block(struct writer *w, enum mqtt_version version,
                        const struct mqtt_properties *properties)
{
    if (version != MQTT_5)
        return;
    if (properties)
        mqtt_encode_properties(w, properties);
    else
        writer_u8(w, 0); /* [MQTT-2.2.2-1] */
}

static bool has_block(const struct mqtt_properties *properties)
{
    return properties && mqtt_properties_size(properties) > 0;
}

static size_t connack_body(enum mqtt_version version, const struct mqtt_properties *properties)
{
    return 2 + block_size(version, properties);
}

size_t mqtt_connack_size(enum mqtt_version version, const struct mqtt_properties *properties)
{
    return packet_size(connack_body(version, properties));
}

void mqtt_encode_connack(struct writer *w, enum mqtt_version version, bool session_present,
                         enum mqtt_reason reason, const struct mqtt_properties *properties)
{
    bool present = session_present && reason == MQTT_SUCCESS && version != MQTT_3_1;
    int code = version == MQTT_5 ? (int)reason : mqtt_return_code(reason);
    write_header(w, MQTT_CONNACK, connack_body(version, properties));
    writer_u8(w, present); /* [MQTT-3.2.2-1, MQTT-3.2.2-6] */
    writer_u8(w, (uint8_t)(code >= 0 ? code : MQTT_REFUSED_SERVER_UNAVAILABLE));
    write_block(w, version, properties);
}

/* Reason code and properties at the end of a packet, left out from the end where they say nothing.
 */
static size_t reason_size(enum mqtt_version version, enum mqtt_reason reason,
                          const struct mqtt_properties *properties)
{
    if (version != MQTT_5)
        return 0;
    if (has_block(properties))
        return 1 + block_size(version, properties);
    return reason != MQTT_SUCCESS;
}

static void write_reason(struct writer *w, enum mqtt_version version, enum mqtt_reason reason,
                         const struct mqtt_properties *properties)
{
    if (reason_size(version, reason, properties) == 0)
        return;
    writer_u8(w, (uint8_t)reason);
    if (has_block(properties))
        write_block(w, version, properties);
}

size_t mqtt_ack_size(enum mqtt_version version, enum mqtt_reason reason,
                     const struct mqtt_properties *properties)
{
    return packet_size(2 + reason_size(version, reason, properties));
}

void mqtt_encode_ack(struct writer *w, enum mqtt_version version, enum mqtt_type type,
                     uint16_t packet_id, enum mqtt_reason reason,
                     const struct mqtt_properties *properties)
{
    write_header(w, type, 2 + reason_size(version, reason, properties));
    writer_u16(w, packet_id);
    write_reason(w, version, reason, properties);
}

/* SUBACK and UNSUBACK: packet id, properties and `count` reasons. */
static size_t answers_body(enum mqtt_version version, size_t count,
                           const struct mqtt_properties *properties)
{
    return 2 + block_size(version, properties) + count;
}

/* All but the reasons. */
static void write_answers(struct writer *w, enum mqtt_version version, enum mqtt_type type,
                          uint16_t packet_id, size_t count,
                          const struct mqtt_properties *properties)
{
    write_header(w, type, answers_body(version, count, properties));
    writer_u16(w, packet_id);
    write_block(w, version, properties);
}

size_t mqtt_suback_size(enum mqtt_version version, size_t count,
                        const struct mqtt_properties *properties)
{
    return packet_size(answers_body(version, count, properties));
}

void mqtt_encode_suback(struct writer *w, enum mqtt_version version, uint16_t packet_id,
                        const uint8_t *reasons, size_t count,
                        const struct mqtt_properties *properties)
{
    write_answers(w, version, MQTT_SUBACK, packet_id, count, properties);
    for (size_t i = 0; i < count; i++) { /* [MQTT-3.9.3-1] */
        bool refused = reasons[i] >= MQTT_SUBACK_FAILURE;
        writer_u8(w, refused && version != MQTT_5 ? MQTT_SUBACK_FAILURE : reasons[i]);
    }
}

/* Before 5.0 UNSUBACK has none. */
static size_t unsuback_reasons(enum mqtt_version version, size_t count)
{
    return version == MQTT_5 ? count : 0;
}

size_t mqtt_unsuback_size(enum mqtt_version version, size_t count,
                          const struct mqtt_properties *properties)
{
    return packet_size(answers_body(version, unsuback_reasons(version, count), properties));
}

void mqtt_encode_unsuback(struct writer *w, enum mqtt_version version, uint16_t packet_id,
                          const uint8_t *reasons, size_t count,
                          const struct mqtt_properties *properties)
{
    size_t said = unsuback_reasons(version, count);
    write_answers(w, version, MQTT_UNSUBACK, packet_id, said, properties);
    writer_bytes(w, slice_of(reasons, said)); /* [MQTT-3.11.3-1] */
}

void mqtt_encode_pingresp(struct writer *w)
{
    write_header(w, MQTT_PINGRESP, 0);
}

size_t mqtt_disconnect_size(enum mqtt_reason reason, const struct mqtt_properties *properties)
{
    return packet_size(reason_size(MQTT_5, reason, properties));
}

void mqtt_encode_disconnect(struct writer *w, enum mqtt_reason reason,
                            const struct mqtt_properties *properties)
{
    write_header(w, MQTT_DISCONNECT, reason_size(MQTT_5, reason, properties));
    write_reason(w, MQTT_5, reason, properties);
}

/* AUTH has no form with a reason code and no property length: both or neither. */
static size_t auth_body(enum mqtt_reason reason, const struct mqtt_properties *properties)
{
    if (reason == MQTT_SUCCESS && !has_block(properties))
        return 0;
    return 1 + block_size(MQTT_5, properties);
}

size_t mqtt_auth_size(enum mqtt_reason reason, const struct mqtt_properties *properties)
{
    return packet_size(auth_body(reason, properties));
}

void mqtt_encode_auth(struct writer *w, enum mqtt_reason reason,
                      const struct mqtt_properties *properties)
{
    size_t body = auth_body(reason, properties);
    write_header(w, MQTT_AUTH, body);
    if (body == 0)
        return;
    writer_u8(w, (uint8_t)reason);
    write_block(w, MQTT_5, properties);
}
