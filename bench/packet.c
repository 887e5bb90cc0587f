/* The client's half of MQTT 3.1.1 and 5.0. Pure: bytes in, numbers out. */
#include "bench/packet.h"

#include <errno.h>

enum {
    SESSION_EXPIRY = 0x11,
    SESSION_EXPIRY_LEN = 5,
    SUBSCRIBE_FLAGS = 0x82,
    CLEAN_START = 0x02,
    REFUSED = 0x80
};

ssize_t packet_cut(struct slice from, struct packet *packet)
{
    size_t len = 0;

    for (size_t i = 1; i < from.len; i++) {
        len |= (size_t)(from.at[i] & 0x7f) << (7 * (i - 1));
        if (from.at[i] < 0x80) {
            if (from.len - i - 1 < len)
                return 0;
            packet->first = from.at[0];
            packet->body = slice_of(from.at + i + 1, len);
            return (ssize_t)(i + 1 + len);
        }
        if (i == 4)
            return -EPROTO;
    }
    return 0;
}

static size_t read_varint(struct cursor *c)
{
    size_t value = 0;

    for (int shift = 0; shift < 28; shift += 7) {
        uint8_t byte = cursor_u8(c);
        value |= (size_t)(byte & 0x7f) << shift;
        if (byte < 0x80)
            return value;
    }
    c->failed = true;
    return 0;
}

/* One CONNACK property; what is of no interest is stepped over. */
static void read_connack_property(struct cursor *c, struct packet_connack *connack)
{
    switch (cursor_u8(c)) {
    case 0x21:
        connack->receive_maximum = cursor_u16(c);
        break;
    case 0x24:
        connack->maximum_qos = cursor_u8(c);
        break;
    case 0x13:
        connack->server_keep_alive_s = cursor_u16(c);
        break;
    case 0x25: /* retain available, wildcard, subscription id, shared subscription available */
    case 0x28:
    case 0x29:
    case 0x2a:
        cursor_u8(c);
        break;
    case 0x22: /* topic alias maximum */
        cursor_u16(c);
        break;
    case 0x11: /* session expiry, maximum packet size */
    case 0x27:
        cursor_u32(c);
        break;
    case 0x26: /* user property: a pair of strings */
        cursor_take(c, cursor_u16(c));
        cursor_take(c, cursor_u16(c));
        break;
    case 0x12: /* assigned id, reason, response information, server reference, authentication */
    case 0x1f:
    case 0x1a:
    case 0x1c:
    case 0x15:
    case 0x16:
        cursor_take(c, cursor_u16(c));
        break;
    default:
        c->failed = true;
    }
}

int packet_read_connack(struct slice body, uint8_t version, struct packet_connack *connack)
{
    struct cursor c = cursor_of(body);

    *connack = (struct packet_connack){.maximum_qos = 2, .receive_maximum = 65535};
    connack->present = cursor_u8(&c) & 1;
    connack->reason = cursor_u8(&c);
    if (version == PACKET_MQTT_5 && cursor_left(&c)) {
        struct cursor properties = cursor_of(cursor_take(&c, read_varint(&c)));
        while (!properties.failed && cursor_left(&properties))
            read_connack_property(&properties, connack);
        c.failed |= properties.failed;
    }
    return c.failed ? -EPROTO : 0;
}

int packet_read_publish(const struct packet *packet, uint8_t version,
                        struct packet_publish *publish)
{
    struct cursor c = cursor_of(packet->body);

    publish->qos = packet->first >> 1 & 3;
    publish->topic = cursor_take(&c, cursor_u16(&c));
    publish->id = publish->qos ? cursor_u16(&c) : 0;
    if (version == PACKET_MQTT_5)
        cursor_take(&c, read_varint(&c));
    publish->payload = cursor_rest(&c);
    /* [MQTT-3.3.1-4] QoS 3 is none; [MQTT-2.2.1-3] an id is not zero. */
    if (c.failed || publish->qos == 3 || (publish->qos && !publish->id))
        return -EPROTO;
    return 0;
}

int packet_read_ack(struct slice body, uint16_t *id, uint8_t *reason)
{
    struct cursor c = cursor_of(body);

    *id = cursor_u16(&c);
    *reason = cursor_left(&c) ? cursor_u8(&c) : 0;
    return c.failed || !*id ? -EPROTO : 0;
}

int packet_read_suback(struct slice body, uint8_t version, uint32_t *codes)
{
    struct cursor c = cursor_of(body);
    int refused = 0;

    cursor_u16(&c);
    if (version == PACKET_MQTT_5)
        cursor_take(&c, read_varint(&c));
    for (*codes = 0; cursor_left(&c); ++*codes)
        refused += cursor_u8(&c) >= REFUSED;
    return c.failed ? -EPROTO : refused;
}

static size_t varint_len(size_t value)
{
    return value < 128 ? 1 : value < 16384 ? 2 : value < 2097152 ? 3 : 4;
}

static void write_varint(struct writer *w, size_t value)
{
    for (; value >= 128; value >>= 7)
        writer_u8(w, (uint8_t)(value | 0x80));
    writer_u8(w, (uint8_t)value);
}

static void write_text(struct writer *w, struct slice text)
{
    writer_u16(w, (uint16_t)text.len);
    writer_bytes(w, text);
}

void packet_write_connect(struct writer *w, uint8_t version, struct slice client_id,
                          uint16_t keep_alive_s, bool kept)
{
    bool five = version == PACKET_MQTT_5;
    size_t properties = five && kept ? SESSION_EXPIRY_LEN : 0;

    writer_u8(w, PACKET_CONNECT << 4);
    write_varint(w, 10 + five + properties + 2 + client_id.len);
    write_text(w, SLICE("MQTT"));
    writer_u8(w, version);
    writer_u8(w, kept ? 0 : CLEAN_START);
    writer_u16(w, keep_alive_s);
    if (five)
        writer_u8(w, (uint8_t)properties);
    if (properties) {
        writer_u8(w, SESSION_EXPIRY);
        writer_u32(w, UINT32_MAX); /* never [MQTT-3.1.2.11.2] */
    }
    write_text(w, client_id);
}

void packet_write_subscribe(struct writer *w, uint8_t version, uint16_t id, size_t filters_len)
{
    bool five = version == PACKET_MQTT_5;

    writer_u8(w, SUBSCRIBE_FLAGS);
    write_varint(w, 2 + five + filters_len);
    writer_u16(w, id);
    if (five)
        writer_u8(w, 0);
}

void packet_write_filter(struct writer *w, struct slice filter, uint8_t qos)
{
    write_text(w, filter);
    writer_u8(w, qos);
}

void packet_write_disconnect(struct writer *w)
{
    writer_u8(w, PACKET_DISCONNECT << 4);
    writer_u8(w, 0);
}

static size_t publish_body_len(uint8_t version, uint8_t qos, size_t topic_len, size_t payload_len)
{
    return 2 + topic_len + (qos ? 2 : 0) + (version == PACKET_MQTT_5) + payload_len;
}

size_t packet_publish_len(uint8_t version, uint8_t qos, size_t topic_len, size_t payload_len)
{
    size_t body_len = publish_body_len(version, qos, topic_len, payload_len);

    return 1 + varint_len(body_len) + body_len;
}

struct packet_mould packet_write_publish(struct writer *w, uint8_t version, uint8_t qos,
                                         bool retain, struct slice topic, size_t payload_len)
{
    struct packet_mould mould = {.frame_len =
                                     packet_publish_len(version, qos, topic.len, payload_len)};
    uint8_t *start = w->at;

    writer_u8(w, (uint8_t)(PACKET_PUBLISH << 4 | qos << 1 | retain));
    write_varint(w, publish_body_len(version, qos, topic.len, payload_len));
    mould.topic_at = (size_t)(w->at - start) + 2;
    write_text(w, topic);
    if (qos) {
        mould.id_at = (size_t)(w->at - start);
        writer_u16(w, 0);
    }
    if (version == PACKET_MQTT_5)
        writer_u8(w, 0);
    mould.payload_at = (size_t)(w->at - start);
    uint8_t *payload = writer_claim(w, payload_len);
    if (payload && payload_len)
        memset(payload, 0, payload_len);
    return mould;
}
