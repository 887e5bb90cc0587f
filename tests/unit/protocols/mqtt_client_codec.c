/* mqtt_client_codec: the client's side of MQTT for tests; see the header. */
#include "mqtt_client_codec.h"

#include <stdlib.h>

enum { BODY_MAX = 1 << 20 };

/* Bodies are written first and measured afterwards. */
static uint8_t body_bytes[BODY_MAX];

static struct writer body_start(void)
{
    return writer_of(body_bytes, sizeof(body_bytes));
}

static void body_end(struct writer *w, uint8_t first, const struct writer *body)
{
    if (body->overflow)
        abort(); /* a test with a packet above BODY_MAX writes it by itself */
    client_packet(w, first, slice_of(body->start, writer_len(body)));
}

void client_packet(struct writer *w, uint8_t first, struct slice body)
{
    writer_u8(w, first);
    client_varint(w, (uint32_t)body.len);
    writer_bytes(w, body);
}

void client_string(struct writer *w, struct slice s)
{
    writer_u16(w, (uint16_t)s.len);
    writer_bytes(w, s);
}

void client_varint(struct writer *w, uint32_t value)
{
    do {
        uint8_t digit = value % 128;
        value /= 128;
        writer_u8(w, value > 0 ? digit + 128 : digit);
    } while (value > 0);
}

void client_u8(struct writer *w, enum mqtt_property id, uint8_t value)
{
    writer_u8(w, (uint8_t)id);
    writer_u8(w, value);
}

void client_u16(struct writer *w, enum mqtt_property id, uint16_t value)
{
    writer_u8(w, (uint8_t)id);
    writer_u16(w, value);
}

void client_u32(struct writer *w, enum mqtt_property id, uint32_t value)
{
    writer_u8(w, (uint8_t)id);
    writer_u32(w, value);
}

void client_number(struct writer *w, enum mqtt_property id, uint32_t value)
{
    writer_u8(w, (uint8_t)id);
    client_varint(w, value);
}

void client_text(struct writer *w, enum mqtt_property id, struct slice value)
{
    writer_u8(w, (uint8_t)id);
    client_string(w, value);
}

void client_pair(struct writer *w, struct slice name, struct slice value)
{
    client_text(w, MQTT_USER_PROPERTY, name);
    client_string(w, value);
}

void client_any_property(struct writer *w, enum mqtt_property id)
{
    switch (id) {
    case MQTT_PAYLOAD_FORMAT_INDICATOR:
    case MQTT_REQUEST_PROBLEM_INFORMATION:
    case MQTT_REQUEST_RESPONSE_INFORMATION:
    case MQTT_MAXIMUM_QOS:
    case MQTT_RETAIN_AVAILABLE:
    case MQTT_WILDCARD_SUBSCRIPTION_AVAILABLE:
    case MQTT_SUBSCRIPTION_IDENTIFIER_AVAILABLE:
    case MQTT_SHARED_SUBSCRIPTION_AVAILABLE:
        client_u8(w, id, 0);
        break;
    case MQTT_SERVER_KEEP_ALIVE:
    case MQTT_TOPIC_ALIAS_MAXIMUM:
        client_u16(w, id, 0);
        break;
    case MQTT_RECEIVE_MAXIMUM:
    case MQTT_TOPIC_ALIAS:
        client_u16(w, id, 1);
        break;
    case MQTT_MESSAGE_EXPIRY_INTERVAL:
    case MQTT_SESSION_EXPIRY_INTERVAL:
    case MQTT_WILL_DELAY_INTERVAL:
        client_u32(w, id, 0);
        break;
    case MQTT_MAXIMUM_PACKET_SIZE:
        client_u32(w, id, 1);
        break;
    case MQTT_SUBSCRIPTION_IDENTIFIER:
        client_number(w, id, 1);
        break;
    case MQTT_USER_PROPERTY:
        client_pair(w, SLICE_EMPTY, SLICE_EMPTY);
        break;
    case MQTT_RESPONSE_TOPIC:
        client_text(w, id, SLICE("r"));
        break;
    default:
        client_text(w, id, SLICE_EMPTY);
        break;
    }
}

static void block(struct writer *w, enum mqtt_version version, struct slice properties)
{
    if (version != MQTT_5)
        return;
    client_varint(w, (uint32_t)properties.len);
    writer_bytes(w, properties);
}

void client_connect(struct writer *w, const struct client_connect *packet)
{
    struct writer body = body_start();
    client_string(&body, packet->version == MQTT_3_1 ? SLICE("MQIsdp") : SLICE("MQTT"));
    writer_u8(&body, (uint8_t)packet->version);
    writer_u8(&body, (uint8_t)(packet->clean_start << 1 | packet->has_will << 2 |
                               packet->will_qos << 3 | packet->will_retain << 5 |
                               packet->has_password << 6 | packet->has_username << 7));
    writer_u16(&body, packet->keep_alive_s);
    block(&body, packet->version, packet->properties);
    client_string(&body, packet->client_id);
    if (packet->has_will) {
        block(&body, packet->version, packet->will_properties);
        client_string(&body, packet->will_topic);
        client_string(&body, packet->will_payload);
    }
    if (packet->has_username)
        client_string(&body, packet->username);
    if (packet->has_password)
        client_string(&body, packet->password);
    body_end(w, 0x10, &body);
}

void client_publish(struct writer *w, const struct client_publish *packet)
{
    struct writer body = body_start();
    client_string(&body, packet->topic);
    if (packet->qos > 0)
        writer_u16(&body, packet->packet_id);
    block(&body, packet->version, packet->properties);
    writer_bytes(&body, packet->payload);
    body_end(w, (uint8_t)(0x30 | packet->dup << 3 | packet->qos << 1 | packet->retain), &body);
}

void client_ack(struct writer *w, enum mqtt_version version, enum mqtt_type type,
                uint16_t packet_id, uint8_t reason, struct slice properties)
{
    struct writer body = body_start();
    writer_u16(&body, packet_id);
    if (version == MQTT_5 && (reason != 0 || properties.len > 0)) {
        writer_u8(&body, reason);
        if (properties.len > 0)
            block(&body, version, properties);
    }
    body_end(w, type == MQTT_PUBREL ? 0x62 : (uint8_t)((unsigned)type << 4), &body);
}

void client_subscribe(struct writer *w, enum mqtt_version version, uint16_t packet_id,
                      struct slice properties, const struct client_filter *filters, size_t count)
{
    struct writer body = body_start();
    writer_u16(&body, packet_id);
    block(&body, version, properties);
    for (size_t i = 0; i < count; i++) {
        client_string(&body, filters[i].filter);
        writer_u8(&body, filters[i].options);
    }
    body_end(w, 0x82, &body);
}

void client_unsubscribe(struct writer *w, enum mqtt_version version, uint16_t packet_id,
                        struct slice properties, const struct slice *filters, size_t count)
{
    struct writer body = body_start();
    writer_u16(&body, packet_id);
    block(&body, version, properties);
    for (size_t i = 0; i < count; i++)
        client_string(&body, filters[i]);
    body_end(w, 0xA2, &body);
}

void client_pingreq(struct writer *w)
{
    client_packet(w, 0xC0, SLICE_EMPTY);
}

void client_disconnect(struct writer *w, enum mqtt_version version, uint8_t reason,
                       struct slice properties)
{
    struct writer body = body_start();
    if (version == MQTT_5 && (reason != 0 || properties.len > 0)) {
        writer_u8(&body, reason);
        if (properties.len > 0)
            block(&body, version, properties);
    }
    body_end(w, 0xE0, &body);
}

void client_auth(struct writer *w, uint8_t reason, struct slice properties)
{
    struct writer body = body_start();
    writer_u8(&body, reason);
    block(&body, MQTT_5, properties);
    body_end(w, 0xF0, &body);
}
