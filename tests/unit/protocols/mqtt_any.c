/* mqtt_any: what holds for every packet; see the header. */
#include "mqtt_any.h"

#include "base/utf8.h"
#include "protocols/mqtt/encode.h"

#include <stdio.h>
#include <stdlib.h>

static const struct mqtt_property_limits limits = {64, 8192};

#define MUST(condition)                                                                            \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #condition);         \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

static void check_inside(struct slice s, struct slice outer)
{
    if (s.len > 0)
        MUST(s.at >= outer.at && s.at + s.len <= outer.at + outer.len);
}

static void check_text(struct slice s, struct slice outer)
{
    check_inside(s, outer);
    MUST(s.len <= 65535 && utf8_well_formed(s));
}

static void check_topic(struct slice s, struct slice outer)
{
    check_text(s, outer);
    for (size_t i = 0; i < s.len; i++)
        MUST(s.at[i] != '+' && s.at[i] != '#' && s.at[i] != 0);
}

/* The user properties of two blocks, pair by pair. */
static void check_same_pairs(struct slice a, struct slice b, unsigned expected)
{
    struct slice name_a, name_b, value_a, value_b;
    unsigned count = 0;
    while (mqtt_next_user_property(&a, &name_a, &value_a)) {
        MUST(mqtt_next_user_property(&b, &name_b, &value_b));
        MUST(slice_equal(name_a, name_b) && slice_equal(value_a, value_b));
        count++;
    }
    MUST(!mqtt_next_user_property(&b, &name_b, &value_b));
    MUST(count == expected);
}

/* All but user properties and repeated subscription identifiers survives encoding and decoding. */
static void check_round_trip(const struct mqtt_properties *p, unsigned place)
{
    size_t block = mqtt_properties_size(p), size = mqtt_varint_size((uint32_t)block) + block;
    uint8_t *bytes = malloc(size);
    MUST(bytes);
    struct writer w = writer_of(bytes, size);
    mqtt_encode_properties(&w, p);
    MUST(!w.overflow && writer_len(&w) == size);

    struct cursor c = cursor_of(slice_of(bytes, size));
    struct mqtt_properties again;
    struct mqtt_fault fault;
    MUST(mqtt_decode_properties(&c, place, &limits, &again, &fault) && cursor_left(&c) == 0);
    uint64_t pairs = UINT64_C(1) << MQTT_USER_PROPERTY;
    MUST((again.present & ~pairs) == (p->present & ~pairs));
    MUST(again.payload_format == p->payload_format && again.topic_alias == p->topic_alias);
    MUST(again.message_expiry_s == p->message_expiry_s && again.will_delay_s == p->will_delay_s);
    MUST(again.subscription_identifier == p->subscription_identifier);
    MUST(again.session_expiry_s == p->session_expiry_s);
    MUST(again.maximum_packet_size == p->maximum_packet_size);
    MUST(again.receive_maximum == p->receive_maximum);
    MUST(again.topic_alias_maximum == p->topic_alias_maximum);
    MUST(again.server_keep_alive_s == p->server_keep_alive_s);
    MUST(again.maximum_qos == p->maximum_qos && again.retain_available == p->retain_available);
    MUST(slice_equal(again.content_type, p->content_type));
    MUST(slice_equal(again.response_topic, p->response_topic));
    MUST(slice_equal(again.correlation_data, p->correlation_data));
    MUST(slice_equal(again.authentication_method, p->authentication_method));
    MUST(slice_equal(again.authentication_data, p->authentication_data));
    MUST(slice_equal(again.assigned_client_identifier, p->assigned_client_identifier));
    MUST(slice_equal(again.response_information, p->response_information));
    MUST(slice_equal(again.server_reference, p->server_reference));
    MUST(slice_equal(again.reason_string, p->reason_string));
    free(bytes);
}

/* What a message takes with it: the same pairs and fields, and none of what stays. */
static void check_forwardable(const struct mqtt_properties *p, unsigned place)
{
    uint8_t *room = malloc(p->raw.len + 1), *copy = malloc(p->raw.len + 4);
    MUST(room && copy);
    struct writer cut = writer_of(room, p->raw.len);
    struct slice forwardable = mqtt_forwardable_properties(p, &cut);
    MUST(!cut.overflow && forwardable.len <= p->raw.len);
    if (writer_len(&cut) == 0)
        check_inside(forwardable, p->raw);
    check_same_pairs(p->raw, forwardable, p->user_property_count);

    struct writer w = writer_of(copy, p->raw.len + 4);
    mqtt_write_varint(&w, (uint32_t)forwardable.len);
    writer_bytes(&w, forwardable);
    struct cursor c = cursor_of(slice_of(copy, writer_len(&w)));
    struct mqtt_properties again;
    struct mqtt_fault fault;
    MUST(mqtt_decode_properties(&c, place, &limits, &again, &fault));
    uint64_t stays = UINT64_C(1) << MQTT_TOPIC_ALIAS | UINT64_C(1) << MQTT_MESSAGE_EXPIRY_INTERVAL |
                     UINT64_C(1) << MQTT_SUBSCRIPTION_IDENTIFIER |
                     UINT64_C(1) << MQTT_WILL_DELAY_INTERVAL;
    MUST(again.present == (p->present & ~stays));
    MUST(again.payload_format == p->payload_format);
    MUST(slice_equal(again.content_type, p->content_type));
    MUST(slice_equal(again.response_topic, p->response_topic));
    MUST(slice_equal(again.correlation_data, p->correlation_data));
    free(room);
    free(copy);
}

void mqtt_any_check_properties(const struct mqtt_properties *p, unsigned place, struct slice inside)
{
    check_inside(p->raw, inside);
    check_text(p->content_type, p->raw);
    check_topic(p->response_topic, p->raw);
    check_inside(p->correlation_data, p->raw);
    check_text(p->authentication_method, p->raw);
    check_inside(p->authentication_data, p->raw);
    check_text(p->assigned_client_identifier, p->raw);
    check_text(p->response_information, p->raw);
    check_text(p->server_reference, p->raw);
    check_text(p->reason_string, p->raw);
    MUST(p->user_properties.len == 0);
    MUST(p->count <= limits.count && p->raw.len <= limits.bytes);
    MUST(p->user_property_count + p->subscription_identifier_count <= p->count);
    MUST(mqtt_has(p, MQTT_USER_PROPERTY) == (p->user_property_count > 0));
    for (unsigned id = 0; id < 64; id++)
        if (mqtt_has(p, (enum mqtt_property)id))
            MUST(mqtt_property_allowed((enum mqtt_property)id, place));
    MUST(!mqtt_has(p, MQTT_TOPIC_ALIAS) || p->topic_alias > 0);
    MUST(!mqtt_has(p, MQTT_RECEIVE_MAXIMUM) || p->receive_maximum > 0);
    MUST(!mqtt_has(p, MQTT_MAXIMUM_PACKET_SIZE) || p->maximum_packet_size > 0);
    check_round_trip(p, place);
    if (place == MQTT_PUBLISH || place == MQTT_WILL)
        check_forwardable(p, place);
    else
        check_same_pairs(p->raw, p->raw, p->user_property_count);
}

static bool any_connect(const struct mqtt_header *header, struct slice packet,
                        struct mqtt_fault *fault)
{
    struct mqtt_connect c;
    if (!mqtt_decode_connect(header, packet, &limits, &c, fault)) {
        MUST(c.version == 0 || (c.version >= MQTT_3_1 && c.version <= MQTT_5));
        return false;
    }
    MUST(c.version == c.level && c.version >= MQTT_3_1 && c.version <= MQTT_5);
    MUST(c.will_qos <= 2 && (c.has_will || (c.will_qos == 0 && !c.will_retain)));
    MUST(c.version == MQTT_5 || !c.has_password || c.has_username);
    check_text(c.client_id, packet);
    check_topic(c.will_topic, packet);
    MUST(c.has_will == (c.will_topic.len > 0));
    check_inside(c.will_payload, packet);
    check_text(c.username, packet);
    check_inside(c.password, packet);
    mqtt_any_check_properties(&c.properties, MQTT_CONNECT, packet);
    mqtt_any_check_properties(&c.will_properties, MQTT_WILL, packet);
    return true;
}

/* As the server would pass it on, without what is the receiver's own. */
static void republish(const struct mqtt_publish *p, enum mqtt_version version)
{
    uint8_t *room = malloc(p->properties.raw.len + 1);
    MUST(room);
    struct writer cut = writer_of(room, p->properties.raw.len);
    struct mqtt_publish_head head = {.topic = p->topic,
                                     .packet_id = p->packet_id,
                                     .qos = p->qos,
                                     .dup = p->dup,
                                     .retain = p->retain,
                                     .payload_len = (uint32_t)p->payload.len,
                                     .topic_alias = p->properties.topic_alias,
                                     .has_message_expiry =
                                         mqtt_has(&p->properties, MQTT_MESSAGE_EXPIRY_INTERVAL),
                                     .message_expiry_s = p->properties.message_expiry_s};
    head.forwardable = mqtt_forwardable_properties(&p->properties, &cut);
    size_t size = mqtt_publish_head_size(version, &head), total = size + p->payload.len;
    uint8_t *bytes = malloc(total);
    MUST(size > 0 && bytes);
    struct writer w = writer_of(bytes, size);
    mqtt_encode_publish_head(&w, version, &head);
    MUST(!w.overflow && writer_len(&w) == size);
    if (p->payload.len)
        memcpy(bytes + size, p->payload.at, p->payload.len);

    struct mqtt_header header;
    struct mqtt_fault fault;
    struct mqtt_publish again;
    struct slice packet = slice_of(bytes, total);
    MUST(mqtt_decode_header(packet, version, &header, &fault) == MQTT_HEADER_KNOWN);
    MUST(mqtt_packet_size(&header) == total);
    MUST(mqtt_decode_publish(&header, packet, version, &limits, &again, &fault));
    MUST(slice_equal(again.topic, p->topic) && slice_equal(again.payload, p->payload));
    MUST(again.packet_id == p->packet_id && again.qos == p->qos);
    MUST(again.dup == p->dup && again.retain == p->retain);
    MUST(again.properties.present == p->properties.present);
    MUST(again.properties.raw.len == p->properties.raw.len);
    free(bytes);
    free(room);
}

static bool any_publish(const struct mqtt_header *header, struct slice packet,
                        enum mqtt_version version, struct mqtt_fault *fault)
{
    struct mqtt_publish p;
    if (!mqtt_decode_publish(header, packet, version, &limits, &p, fault))
        return false;
    MUST(p.qos <= 2 && (p.qos > 0) == (p.packet_id > 0) && !(p.dup && p.qos == 0));
    MUST(p.topic.len > 0 || (version == MQTT_5 && p.properties.topic_alias > 0));
    check_topic(p.topic, packet);
    check_inside(p.payload, packet);
    MUST(p.payload.at + p.payload.len == packet.at + packet.len);
    mqtt_any_check_properties(&p.properties, MQTT_PUBLISH, packet);
    republish(&p, version);
    return true;
}

static bool any_ack(const struct mqtt_header *header, struct slice packet,
                    enum mqtt_version version, struct mqtt_fault *fault)
{
    struct mqtt_ack a;
    if (!mqtt_decode_ack(header, packet, version, &limits, &a, fault))
        return false;
    MUST(a.packet_id > 0 && mqtt_client_may_say((enum mqtt_type)header->type, a.reason));
    mqtt_any_check_properties(&a.properties, header->type, packet);
    a.properties.user_properties = SLICE("\x26\0\x01k\0\x01v");
    size_t size = mqtt_ack_size(version, (enum mqtt_reason)a.reason, &a.properties);
    uint8_t *bytes = malloc(size);
    MUST(bytes);
    struct writer w = writer_of(bytes, size);
    mqtt_encode_ack(&w, version, (enum mqtt_type)header->type, a.packet_id,
                    (enum mqtt_reason)a.reason, &a.properties);
    MUST(!w.overflow && writer_len(&w) == size);
    struct mqtt_header again_header;
    struct mqtt_ack again;
    struct slice again_packet = slice_of(bytes, size);
    MUST(mqtt_decode_header(again_packet, version, &again_header, fault) == MQTT_HEADER_KNOWN);
    MUST(mqtt_decode_ack(&again_header, again_packet, version, &limits, &again, fault));
    MUST(again.packet_id == a.packet_id && again.reason == a.reason);
    MUST(slice_equal(again.properties.reason_string, a.properties.reason_string));
    MUST(again.properties.user_property_count == (version == MQTT_5));
    free(bytes);
    return true;
}

static bool any_filters(const struct mqtt_header *header, struct slice packet,
                        enum mqtt_version version, struct mqtt_fault *fault)
{
    struct mqtt_subscribe s;
    bool subscribe = header->type == MQTT_SUBSCRIBE;
    if (subscribe ? !mqtt_decode_subscribe(header, packet, version, &limits, &s, fault)
                  : !mqtt_decode_unsubscribe(header, packet, version, &limits, &s, fault))
        return false;
    MUST(s.packet_id > 0 && s.count > 0);
    MUST(s.filters.at + s.filters.len == packet.at + packet.len);
    mqtt_any_check_properties(&s.properties, header->type, packet);
    struct slice rest = s.filters;
    struct mqtt_subscription one = {0};
    uint32_t count = 0;
    while (subscribe ? mqtt_next_subscription(&rest, &one) : mqtt_next_filter(&rest, &one.filter)) {
        check_text(one.filter, packet);
        MUST(one.qos <= 2 && one.retain_handling <= 2);
        MUST(version == MQTT_5 || one.options == one.qos);
        MUST(one.options == (one.qos | one.no_local << 2 | one.retain_as_published << 3 |
                             one.retain_handling << 4));
        count++;
    }
    MUST(count == s.count && rest.len == 0);
    return true;
}

static bool any_disconnect(const struct mqtt_header *header, struct slice packet,
                           enum mqtt_version version, struct mqtt_fault *fault)
{
    struct mqtt_disconnect d;
    if (!mqtt_decode_disconnect(header, packet, version, &limits, &d, fault))
        return false;
    MUST(mqtt_client_may_say(MQTT_DISCONNECT, d.reason));
    mqtt_any_check_properties(&d.properties, MQTT_DISCONNECT, packet);
    return true;
}

static bool any_auth(const struct mqtt_header *header, struct slice packet,
                     struct mqtt_fault *fault)
{
    struct mqtt_auth a;
    if (!mqtt_decode_auth(header, packet, &limits, &a, fault))
        return false;
    MUST(a.reason == MQTT_CONTINUE_AUTHENTICATION || a.reason == MQTT_RE_AUTHENTICATE);
    MUST(mqtt_has(&a.properties, MQTT_AUTHENTICATION_METHOD));
    mqtt_any_check_properties(&a.properties, MQTT_AUTH, packet);
    return true;
}

static bool any_body(const struct mqtt_header *header, struct slice packet,
                     enum mqtt_version version, struct mqtt_fault *fault)
{
    switch (header->type) {
    case MQTT_CONNECT:
        return any_connect(header, packet, fault);
    case MQTT_PUBLISH:
        return any_publish(header, packet, version, fault);
    case MQTT_PUBACK:
    case MQTT_PUBREC:
    case MQTT_PUBREL:
    case MQTT_PUBCOMP:
        return any_ack(header, packet, version, fault);
    case MQTT_SUBSCRIBE:
    case MQTT_UNSUBSCRIBE:
        return any_filters(header, packet, version, fault);
    case MQTT_PINGREQ:
        return mqtt_decode_pingreq(header, packet, fault);
    case MQTT_DISCONNECT:
        return any_disconnect(header, packet, version, fault);
    case MQTT_AUTH:
        return any_auth(header, packet, fault);
    default:
        MUST(!mqtt_client_may_send((enum mqtt_type)header->type, version));
        return mqtt_fail(fault, MQTT_PROTOCOL_ERROR, 0, "5.0 section 2.1.2", "from a server only");
    }
}

struct mqtt_any mqtt_any_decode(struct slice bytes, enum mqtt_version version)
{
    struct mqtt_any any = {0};
    any.state = mqtt_decode_header(bytes, version, &any.header, &any.fault);
    if (any.state == MQTT_HEADER_KNOWN && mqtt_packet_size(&any.header) <= bytes.len) {
        any.whole = true;
        struct slice packet = slice_of(bytes.at, mqtt_packet_size(&any.header));
        any.accepted = any_body(&any.header, packet, version, &any.fault);
    }
    if (any.state == MQTT_HEADER_BAD || (any.whole && !any.accepted)) {
        MUST(any.fault.reason >= 0x80 && any.fault.clause && any.fault.what);
        MUST(any.fault.offset <= bytes.len);
    }
    return any;
}
