/* decode_publish: the packet that everything is about.
 *
 * On the way of every message: mqtt_receive -> here -> mqtt_on_publish -> broker_publish. Each
 * check is one comparison; a PUBLISH without properties touches each byte of its topic once and
 * none of its payload. */
#include "protocols/mqtt/decode.h"
#include "protocols/mqtt/read.h"

enum { FLAG_RETAIN = 1, FLAG_DUP = 8 };

static bool read_topic(struct cursor *c, struct slice *topic, struct mqtt_fault *fault)
{
    size_t offset = cursor_offset(c);
    if (!mqtt_read_binary(c, topic, "cut short in the topic", fault))
        return false;
    switch (mqtt_check_topic(*topic)) {
    case MQTT_TOPIC_GOOD:
        return true;
    case MQTT_TOPIC_WILDCARD:
        return mqtt_fail(fault, MQTT_TOPIC_NAME_INVALID, offset, "MQTT-3.3.2-2",
                         "wildcard in the topic");
    case MQTT_TOPIC_ILL_FORMED:
        break;
    }
    return mqtt_fail(fault, MQTT_MALFORMED_PACKET, offset, "MQTT-3.3.2-1",
                     "ill-formed UTF-8 in the topic");
}

static bool check_flags(const struct mqtt_publish *out, enum mqtt_version version,
                        struct mqtt_fault *fault)
{
    if (out->qos == 3)
        return mqtt_fail(fault, MQTT_MALFORMED_PACKET, 0, "MQTT-3.3.1-4", "QoS 3");
    if (out->dup && out->qos == 0 && version != MQTT_3_1)
        return mqtt_fail(fault, MQTT_MALFORMED_PACKET, 0, "MQTT-3.3.1-2", "DUP with QoS 0");
    return true;
}

bool mqtt_decode_publish(const struct mqtt_header *header, struct slice packet,
                         enum mqtt_version version, const struct mqtt_property_limits *limits,
                         struct mqtt_publish *out, struct mqtt_fault *fault)
{
    struct cursor c = mqtt_body(header, packet);
    out->qos = header->flags >> 1 & 3;
    out->dup = header->flags & FLAG_DUP;
    out->retain = header->flags & FLAG_RETAIN;
    if (!check_flags(out, version, fault))
        return false;
    if (out->qos == 0)
        out->dup = false; /* 3.1 lets a client set it */
    size_t topic_offset = cursor_offset(&c);
    if (!read_topic(&c, &out->topic, fault))
        return false;
    out->packet_id = 0;
    if (out->qos > 0 && !mqtt_read_packet_id(&c, &out->packet_id, fault))
        return false;

    if (version == MQTT_5) {
        size_t offset = cursor_offset(&c);
        if (!mqtt_decode_properties(&c, MQTT_PUBLISH, limits, &out->properties, fault))
            return false;
        if (mqtt_has(&out->properties, MQTT_SUBSCRIPTION_IDENTIFIER))
            return mqtt_fail(fault, MQTT_PROTOCOL_ERROR, offset, "MQTT-3.3.4-6",
                             "Subscription Identifier from a client");
    } else {
        mqtt_properties_clear(&out->properties);
    }
    if (out->topic.len == 0 && !mqtt_has(&out->properties, MQTT_TOPIC_ALIAS))
        return mqtt_fail(fault, MQTT_PROTOCOL_ERROR, topic_offset, "MQTT-4.7.3-1",
                         "no topic and no topic alias");
    out->payload = cursor_rest(&c);
    return true;
}
