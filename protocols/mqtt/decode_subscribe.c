/* decode_subscribe: SUBSCRIBE and UNSUBSCRIBE.
 *
 * A first walk checks all filters, so the second one, in the handler's hands, cannot fail: a list
 * of filters needs no memory, and no half of a bad packet has had an effect. */
#include "protocols/mqtt/decode.h"
#include "protocols/mqtt/read.h"

enum {
    OPTION_QOS = 0x03,
    OPTION_NO_LOCAL = 0x04,
    OPTION_RETAIN_AS_PUBLISHED = 0x08,
    OPTION_RETAIN_HANDLING = 0x30,
    OPTION_RESERVED = 0xC0,
};

/* Packet identifier and properties, alike in both packets. */
static bool read_start(struct cursor *c, unsigned place, enum mqtt_version version,
                       const struct mqtt_property_limits *limits, struct mqtt_subscribe *out,
                       struct mqtt_fault *fault)
{
    *out = (struct mqtt_subscribe){0};
    if (!mqtt_read_packet_id(c, &out->packet_id, fault))
        return false;
    if (version == MQTT_5 && !mqtt_decode_properties(c, place, limits, &out->properties, fault))
        return false;
    out->filters = slice_of(c->at, cursor_left(c));
    return true;
}

static bool check_options(uint8_t options, struct slice filter, enum mqtt_version version,
                          size_t offset, struct mqtt_fault *fault)
{
    if ((options & OPTION_QOS) == OPTION_QOS)
        return mqtt_fail(fault, MQTT_PROTOCOL_ERROR, offset, "5.0 section 3.8.3.1", "QoS 3");
    if (version != MQTT_5)
        return (options & ~OPTION_QOS) == 0 ||
               mqtt_fail(fault, MQTT_MALFORMED_PACKET, offset, "3.1.1 MQTT-3-8.3-4",
                         "reserved bits in the requested QoS");
    if (options & OPTION_RESERVED)
        return mqtt_fail(fault, MQTT_MALFORMED_PACKET, offset, "MQTT-3.8.3-5",
                         "reserved bits in the subscription options");
    if ((options & OPTION_RETAIN_HANDLING) == OPTION_RETAIN_HANDLING)
        return mqtt_fail(fault, MQTT_PROTOCOL_ERROR, offset, "5.0 section 3.8.3.1",
                         "retain handling 3");
    if (options & OPTION_NO_LOCAL && slice_starts_with(filter, SLICE("$share/")))
        return mqtt_fail(fault, MQTT_PROTOCOL_ERROR, offset, "MQTT-3.8.3-4",
                         "No Local on a shared subscription");
    return true;
}

static bool check_subscription(struct cursor *c, enum mqtt_version version,
                               struct mqtt_fault *fault)
{
    struct slice filter;
    if (!mqtt_read_text(c, &filter, "cut short in a topic filter", fault))
        return false;
    size_t offset = cursor_offset(c);
    uint8_t options = cursor_u8(c);
    if (c->failed)
        return mqtt_cut_short(c, "cut short before the options of a filter", fault);
    return check_options(options, filter, version, offset, fault);
}

bool mqtt_decode_subscribe(const struct mqtt_header *header, struct slice packet,
                           enum mqtt_version version, const struct mqtt_property_limits *limits,
                           struct mqtt_subscribe *out, struct mqtt_fault *fault)
{
    struct cursor c = mqtt_body(header, packet);
    if (!read_start(&c, MQTT_SUBSCRIBE, version, limits, out, fault))
        return false;
    for (; cursor_left(&c) > 0; out->count++)
        if (!check_subscription(&c, version, fault))
            return false;
    return out->count > 0 || mqtt_fail(fault, MQTT_PROTOCOL_ERROR, cursor_offset(&c),
                                       "MQTT-3.8.3-2", "SUBSCRIBE without a topic filter");
}

bool mqtt_decode_unsubscribe(const struct mqtt_header *header, struct slice packet,
                             enum mqtt_version version, const struct mqtt_property_limits *limits,
                             struct mqtt_subscribe *out, struct mqtt_fault *fault)
{
    struct cursor c = mqtt_body(header, packet);
    struct slice filter;
    if (!read_start(&c, MQTT_UNSUBSCRIBE, version, limits, out, fault))
        return false;
    for (; cursor_left(&c) > 0; out->count++)
        if (!mqtt_read_text(&c, &filter, "cut short in a topic filter", fault))
            return false;
    return out->count > 0 || mqtt_fail(fault, MQTT_PROTOCOL_ERROR, cursor_offset(&c),
                                       "MQTT-3.10.3-2", "UNSUBSCRIBE without a topic filter");
}

bool mqtt_next_filter(struct slice *rest, struct slice *filter)
{
    struct cursor c = cursor_of(*rest);
    *filter = cursor_take(&c, cursor_u16(&c));
    if (c.failed)
        return false;
    *rest = slice_of(c.at, cursor_left(&c));
    return true;
}

bool mqtt_next_subscription(struct slice *rest, struct mqtt_subscription *out)
{
    struct slice options = *rest;
    if (!mqtt_next_filter(&options, &out->filter) || options.len == 0)
        return false;
    uint8_t byte = options.at[0];
    out->options = byte;
    out->qos = byte & OPTION_QOS;
    out->no_local = byte & OPTION_NO_LOCAL;
    out->retain_as_published = byte & OPTION_RETAIN_AS_PUBLISHED;
    out->retain_handling = (byte & OPTION_RETAIN_HANDLING) >> 4;
    *rest = slice_of(options.at + 1, options.len - 1);
    return true;
}
