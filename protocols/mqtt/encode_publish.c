/* encode_publish: the head of a PUBLISH on its way to a subscriber.
 *
 * Last step of the way of a message before peer_send, once per subscriber where the head differs.
 * Room is claimed once; after that it is plain stores. */
#include "protocols/mqtt/encode.h"

static size_t properties_size(const struct mqtt_publish_head *head)
{
    size_t size = head->forwardable.len;
    size += head->topic_alias ? 3 : 0;
    size += head->has_message_expiry ? 5 : 0;
    for (size_t i = 0; i < head->subscription_identifier_count; i++)
        size += 1 + mqtt_varint_size(head->subscription_identifiers[i]);
    return size;
}

/* Bytes behind the fixed header and before the payload; *properties are those of the block. */
static inline size_t body_size(enum mqtt_version version, const struct mqtt_publish_head *head,
                               size_t *properties)
{
    size_t size = 2 + head->topic.len + (head->qos ? 2u : 0u);
    *properties = 0;
    if (version == MQTT_5) {
        *properties = properties_size(head);
        size += mqtt_varint_size((uint32_t)*properties) + *properties;
    }
    return size;
}

size_t mqtt_publish_head_size(enum mqtt_version version, const struct mqtt_publish_head *head)
{
    size_t properties, size = body_size(version, head, &properties);
    size_t remaining = size + head->payload_len;
    if (remaining > MQTT_VARINT_MAX)
        return 0;
    return 1 + mqtt_varint_size((uint32_t)remaining) + size;
}

static inline uint8_t *put_u16(uint8_t *to, uint16_t v)
{
    to[0] = (uint8_t)(v >> 8);
    to[1] = (uint8_t)v;
    return to + 2;
}

static inline uint8_t *put_u32(uint8_t *to, uint32_t v)
{
    return put_u16(put_u16(to, (uint16_t)(v >> 16)), (uint16_t)v);
}

static inline uint8_t *put_varint(uint8_t *to, uint32_t v)
{
    for (; v > 0x7F; v >>= 7)
        *to++ = (uint8_t)(0x80 | (v & 0x7F));
    *to++ = (uint8_t)v;
    return to;
}

static inline uint8_t *put_bytes(uint8_t *to, struct slice s)
{
    if (s.len)
        memcpy(to, s.at, s.len);
    return to + s.len;
}

static uint8_t *put_properties(uint8_t *to, const struct mqtt_publish_head *head, size_t size)
{
    to = put_varint(to, (uint32_t)size);
    if (head->topic_alias) {
        *to++ = MQTT_TOPIC_ALIAS;
        to = put_u16(to, head->topic_alias);
    }
    if (head->has_message_expiry) {
        *to++ = MQTT_MESSAGE_EXPIRY_INTERVAL;
        to = put_u32(to, head->message_expiry_s);
    }
    for (size_t i = 0; i < head->subscription_identifier_count; i++) {
        *to++ = MQTT_SUBSCRIPTION_IDENTIFIER;
        to = put_varint(to, head->subscription_identifiers[i]);
    }
    return put_bytes(to, head->forwardable);
}

void mqtt_encode_publish_head(struct writer *w, enum mqtt_version version,
                              const struct mqtt_publish_head *head)
{
    size_t properties, size = body_size(version, head, &properties);
    uint32_t remaining = (uint32_t)(size + head->payload_len);
    uint8_t *to = writer_claim(w, 1 + mqtt_varint_size(remaining) + size);
    if (!to)
        return;
    unsigned dup = head->dup && head->qos; /* [MQTT-3.3.1-2] */
    *to++ = (uint8_t)(MQTT_PUBLISH << 4 | dup << 3 | (unsigned)head->qos << 1 | head->retain);
    to = put_varint(to, remaining);
    to = put_u16(to, (uint16_t)head->topic.len);
    to = put_bytes(to, head->topic);
    if (head->qos)
        to = put_u16(to, head->packet_id); /* [MQTT-2.2.1-2] */
    if (version == MQTT_5)
        put_properties(to, head, properties);
}
