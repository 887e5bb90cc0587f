/* header: the first two to five bytes of a packet.
 *
 * First on the way of a message: peer bytes -> header -> decoder. Nothing is buffered on the word
 * of a client before this has read and judged how much is to come. */
#include "protocols/mqtt/header.h"

/* What the low nibble must be, per type: flags & mask == value. PUBLISH uses all four bits. */
static const struct {
    uint8_t mask, value;
} flag_rules[16] = {
    [MQTT_CONNECT] = {15, 0},     [MQTT_CONNACK] = {15, 0},    [MQTT_PUBLISH] = {0, 0},
    [MQTT_PUBACK] = {15, 0},      [MQTT_PUBREC] = {15, 0},     [MQTT_PUBREL] = {15, 2},
    [MQTT_PUBCOMP] = {15, 0},     [MQTT_SUBSCRIBE] = {15, 2},  [MQTT_SUBACK] = {15, 0},
    [MQTT_UNSUBSCRIBE] = {15, 2}, [MQTT_UNSUBACK] = {15, 0},   [MQTT_PINGREQ] = {15, 0},
    [MQTT_PINGRESP] = {15, 0},    [MQTT_DISCONNECT] = {15, 0}, [MQTT_AUTH] = {15, 0},
};

/* In 3.1 (section 2.1) those bits are DUP, QoS and RETAIN, "not used" by most packets; only where
 * QoS is used has it to be 1. CONNECT is held to zero: it comes before the version is known. */
static uint8_t flags_mask(unsigned type, enum mqtt_version version)
{
    if (version != MQTT_3_1 || type == MQTT_CONNECT)
        return flag_rules[type].mask;
    return flag_rules[type].value ? 6 : 0;
}

static enum mqtt_header_state bad(struct mqtt_fault *fault, size_t offset, const char *clause,
                                  const char *what)
{
    mqtt_fail(fault, MQTT_MALFORMED_PACKET, offset, clause, what);
    return MQTT_HEADER_BAD;
}

enum mqtt_header_state mqtt_decode_header(struct slice bytes, enum mqtt_version version,
                                          struct mqtt_header *header, struct mqtt_fault *fault)
{
    if (bytes.len == 0)
        return MQTT_HEADER_MORE;
    unsigned type = bytes.at[0] >> 4, flags = bytes.at[0] & 15;
    if (type == 0 || (type == MQTT_AUTH && version != MQTT_5))
        return bad(fault, 0, "5.0 section 2.1.2", "reserved packet type");
    if ((flags & flags_mask(type, version)) != flag_rules[type].value)
        return bad(fault, 0, "MQTT-2.1.3-1", "reserved flag bits");

    uint32_t remaining = 0;
    for (unsigned i = 1; i <= 4; i++) {
        if (i == bytes.len)
            return MQTT_HEADER_MORE;
        uint8_t byte = bytes.at[i];
        remaining |= (uint32_t)(byte & 0x7F) << 7 * (i - 1);
        if (byte & 0x80)
            continue;
        if (byte == 0 && i > 1)
            return bad(fault, i, "MQTT-1.5.5-1", "remaining length not in its shortest form");
        *header = (struct mqtt_header){(uint8_t)type, (uint8_t)flags, (uint8_t)(i + 1), remaining};
        return MQTT_HEADER_KNOWN;
    }
    return bad(fault, 4, "5.0 section 1.5.5", "remaining length of more than four bytes");
}

bool mqtt_read_varint(struct cursor *c, uint32_t *value)
{
    uint32_t sum = 0;
    for (unsigned shift = 0; shift < 28; shift += 7) {
        uint8_t byte = cursor_u8(c);
        sum |= (uint32_t)(byte & 0x7F) << shift;
        if (c->failed || (byte == 0 && shift > 0))
            break; /* cut short, or not in its shortest form */
        if (!(byte & 0x80)) {
            *value = sum;
            return true;
        }
    }
    c->failed = true;
    return false;
}

void mqtt_write_varint(struct writer *w, uint32_t value)
{
    size_t size = mqtt_varint_size(value);
    uint8_t *to = writer_claim(w, size);
    if (!to)
        return;
    for (size_t i = 0; i + 1 < size; i++, value >>= 7)
        to[i] = (uint8_t)(0x80 | (value & 0x7F));
    to[size - 1] = (uint8_t)value;
}
