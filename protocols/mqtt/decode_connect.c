/* decode_connect: the first packet of a connection, in three dialects.
 *
 * Strangers speak here: everything is checked before anything is believed. The order of reading is
 * the order of the bytes; out->version is set the moment it is known, so that a refusal can be said
 * in the client's own version. Clauses are those of 5.0 except where a rule exists in 3.1.1 only.
 */
#include "protocols/mqtt/decode.h"
#include "protocols/mqtt/read.h"

enum {
    FLAG_RESERVED = 0x01,
    FLAG_CLEAN_START = 0x02,
    FLAG_WILL = 0x04,
    FLAG_WILL_QOS = 0x18,
    FLAG_WILL_RETAIN = 0x20,
    FLAG_PASSWORD = 0x40,
    FLAG_USERNAME = 0x80,
};

/* Bit 7 of the level is set by other brokers' bridges before they fall back to the plain level. */
#define LEVEL_BRIDGE 0x80u

static bool unsupported(struct mqtt_connect *out, size_t offset, struct mqtt_fault *fault)
{
    out->version = (out->level & ~LEVEL_BRIDGE) >= MQTT_5 ? MQTT_5 : MQTT_3_1_1;
    return mqtt_fail(fault, MQTT_UNSUPPORTED_PROTOCOL_VERSION, offset, "MQTT-3.1.2-2",
                     "protocol level that is not offered");
}

/* Protocol name and level [MQTT-3.1.2-1, MQTT-3.1.2-2]. */
static bool read_version(struct cursor *c, struct mqtt_connect *out, struct mqtt_fault *fault)
{
    struct slice name;
    size_t offset = cursor_offset(c);
    if (!mqtt_read_binary(c, &name, "cut short in the protocol name", fault))
        return false;
    bool mqtt = slice_equal(name, SLICE("MQTT")), isdp = slice_equal(name, SLICE("MQIsdp"));
    if (!mqtt && !isdp)
        return mqtt_fail(fault, MQTT_UNSUPPORTED_PROTOCOL_VERSION, offset, "MQTT-3.1.2-1",
                         "protocol name that is not MQTT's");
    offset = cursor_offset(c);
    out->level = cursor_u8(c);
    if (c->failed)
        return mqtt_cut_short(c, "cut short before the protocol level", fault);
    if (isdp ? out->level != MQTT_3_1 : out->level != MQTT_3_1_1 && out->level != MQTT_5)
        return unsupported(out, offset, fault);
    out->version = out->level;
    return true;
}

/* Will QoS and Will Retain without a will; 3.1 does not forbid them. */
static bool check_will_flags(uint8_t flags, uint8_t version, size_t offset,
                             struct mqtt_fault *fault)
{
    if ((flags & FLAG_WILL_QOS) == FLAG_WILL_QOS)
        return mqtt_fail(fault, MQTT_MALFORMED_PACKET, offset, "MQTT-3.1.2-12", "will QoS 3");
    if (flags & FLAG_WILL || version == MQTT_3_1)
        return true;
    if (flags & FLAG_WILL_QOS)
        return mqtt_fail(fault, MQTT_MALFORMED_PACKET, offset, "MQTT-3.1.2-11",
                         "will QoS without a will");
    if (flags & FLAG_WILL_RETAIN)
        return mqtt_fail(fault, MQTT_MALFORMED_PACKET, offset, "MQTT-3.1.2-13",
                         "will retain without a will");
    return true;
}

static bool read_flags(struct cursor *c, struct mqtt_connect *out, struct mqtt_fault *fault)
{
    size_t offset = cursor_offset(c);
    uint8_t flags = cursor_u8(c);
    out->keep_alive_s = cursor_u16(c);
    if (c->failed)
        return mqtt_cut_short(c, "cut short in flags and keep alive", fault);
    if (flags & FLAG_RESERVED && out->version != MQTT_3_1)
        return mqtt_fail(fault, MQTT_MALFORMED_PACKET, offset, "MQTT-3.1.2-3",
                         "reserved connect flag");
    if (!check_will_flags(flags, out->version, offset, fault))
        return false;
    out->clean_start = flags & FLAG_CLEAN_START;
    out->has_will = flags & FLAG_WILL;
    out->will_qos = out->has_will ? (flags & FLAG_WILL_QOS) >> 3 : 0;
    out->will_retain = out->has_will && flags & FLAG_WILL_RETAIN;
    out->has_username = flags & FLAG_USERNAME;
    out->has_password = flags & FLAG_PASSWORD;
    if (out->has_password && !out->has_username && out->version != MQTT_5)
        return mqtt_fail(fault, MQTT_MALFORMED_PACKET, offset, "3.1.1 MQTT-3.1.2-22",
                         "password without user name");
    return true;
}

static bool read_client_id(struct cursor *c, struct mqtt_connect *out, struct mqtt_fault *fault)
{
    size_t offset = cursor_offset(c);
    if (!mqtt_read_text(c, &out->client_id, "cut short in the client identifier", fault))
        return false;
    if (out->client_id.len == 0 && out->version == MQTT_3_1)
        return mqtt_fail(fault, MQTT_CLIENT_IDENTIFIER_NOT_VALID, offset, "3.1 section 3.1",
                         "no client identifier");
    if (out->client_id.len == 0 && out->version == MQTT_3_1_1 && !out->clean_start)
        return mqtt_fail(fault, MQTT_CLIENT_IDENTIFIER_NOT_VALID, offset, "3.1.1 MQTT-3.1.3-8",
                         "no client identifier for a session that is to be kept");
    return true;
}

static bool read_will(struct cursor *c, const struct mqtt_property_limits *limits,
                      struct mqtt_connect *out, struct mqtt_fault *fault)
{
    if (out->version == MQTT_5 &&
        !mqtt_decode_properties(c, MQTT_WILL, limits, &out->will_properties, fault))
        return false;
    size_t offset = cursor_offset(c);
    if (!mqtt_read_binary(c, &out->will_topic, "cut short in the will topic", fault))
        return false;
    switch (mqtt_check_topic(out->will_topic)) {
    case MQTT_TOPIC_ILL_FORMED:
        return mqtt_fail(fault, MQTT_MALFORMED_PACKET, offset, "MQTT-3.1.3-11",
                         "ill-formed UTF-8 in the will topic");
    case MQTT_TOPIC_WILDCARD:
        return mqtt_fail(fault, MQTT_TOPIC_NAME_INVALID, offset, "MQTT-4.7.0-1",
                         "wildcard in the will topic");
    case MQTT_TOPIC_GOOD:
        break;
    }
    if (out->will_topic.len == 0)
        return mqtt_fail(fault, MQTT_TOPIC_NAME_INVALID, offset, "MQTT-4.7.3-1",
                         "empty will topic");
    return mqtt_read_binary(c, &out->will_payload, "cut short in the will payload", fault);
}

/* In 3.1 the length of the packet wins over the flags: a user name or password that is announced
 * and not there is simply not there (3.1 section 3.1). */
static bool is_missing(const struct cursor *c, const struct mqtt_connect *out)
{
    return out->version == MQTT_3_1 && cursor_left(c) == 0;
}

static bool read_credentials(struct cursor *c, struct mqtt_connect *out, struct mqtt_fault *fault)
{
    if (out->has_username && is_missing(c, out))
        out->has_username = out->has_password = false;
    if (out->has_username &&
        !mqtt_read_text(c, &out->username, "cut short in the user name", fault))
        return false;
    if (out->has_password && is_missing(c, out))
        out->has_password = false;
    return !out->has_password ||
           mqtt_read_binary(c, &out->password, "cut short in the password", fault);
}

bool mqtt_decode_connect(const struct mqtt_header *header, struct slice packet,
                         const struct mqtt_property_limits *limits, struct mqtt_connect *out,
                         struct mqtt_fault *fault)
{
    struct cursor c = mqtt_body(header, packet);
    *out = (struct mqtt_connect){0};
    if (!read_version(&c, out, fault) || !read_flags(&c, out, fault))
        return false;
    if (out->version == MQTT_5 &&
        !mqtt_decode_properties(&c, MQTT_CONNECT, limits, &out->properties, fault))
        return false;
    return read_client_id(&c, out, fault) &&
           (!out->has_will || read_will(&c, limits, out, fault)) &&
           read_credentials(&c, out, fault) && mqtt_read_end(&c, fault);
}
