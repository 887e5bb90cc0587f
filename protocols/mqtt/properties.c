/* properties: table 2-4 of MQTT 5.0, and what follows from it.
 *
 * On the way of a 5.0 packet between its first fields and its payload. One row per property says
 * how it is written, where it may stand, how often, what values it may have, and which field of
 * struct mqtt_properties it is; decoding and encoding both read the rows and know no property by
 * name. */
#include "protocols/mqtt/properties.h"
#include "protocols/mqtt/read.h"

enum kind { NONE, FLAG, U16, U32, VARINT, TEXT, TOPIC, BINARY, PAIR };

#define IN(type)    (1u << MQTT_##type)
#define IN_MESSAGE  (IN(PUBLISH) | IN(WILL))
#define IN_START    (IN(CONNECT) | IN(CONNACK))
#define IN_RECEIPTS (IN(PUBACK) | IN(PUBREC) | IN(PUBREL) | IN(PUBCOMP) | IN(SUBACK) | IN(UNSUBACK))
#define IN_ENDINGS  (IN(CONNACK) | IN_RECEIPTS | IN(DISCONNECT) | IN(AUTH))
#define IN_ALL      (IN_MESSAGE | IN(CONNECT) | IN(SUBSCRIBE) | IN(UNSUBSCRIBE) | IN_ENDINGS)

/* 0 is no value of this property / it may stand in a PUBLISH more than once / anywhere more than
 * once */
enum { NOT_ZERO = 1, REPEATS_IN_PUBLISH = 2, REPEATS = 4 };

struct row {
    uint8_t kind, rules;
    uint16_t field; /* offset in struct mqtt_properties; none for PAIR */
    uint32_t places;
    const char *name, *misplaced, *twice, *bad, *cut, *section;
};

#define ROW(id, title, kind, rules, member, places, section)                                       \
    [id] = {kind,                                                                                  \
            rules,                                                                                 \
            offsetof(struct mqtt_properties, member),                                              \
            places,                                                                                \
            title,                                                                                 \
            title " in a packet that has none",                                                    \
            title " twice",                                                                        \
            "bad value of " title,                                                                 \
            "cut short in " title,                                                                 \
            "5.0 section " section}

static const struct row rows[] = {
    ROW(MQTT_PAYLOAD_FORMAT_INDICATOR, "Payload Format Indicator", FLAG, 0, payload_format,
        IN_MESSAGE, "3.3.2.3.2"),
    ROW(MQTT_MESSAGE_EXPIRY_INTERVAL, "Message Expiry Interval", U32, 0, message_expiry_s,
        IN_MESSAGE, "3.3.2.3.3"),
    ROW(MQTT_CONTENT_TYPE, "Content Type", TEXT, 0, content_type, IN_MESSAGE, "3.3.2.3.9"),
    ROW(MQTT_RESPONSE_TOPIC, "Response Topic", TOPIC, 0, response_topic, IN_MESSAGE, "3.3.2.3.5"),
    ROW(MQTT_CORRELATION_DATA, "Correlation Data", BINARY, 0, correlation_data, IN_MESSAGE,
        "3.3.2.3.6"),
    ROW(MQTT_SUBSCRIPTION_IDENTIFIER, "Subscription Identifier", VARINT,
        NOT_ZERO | REPEATS_IN_PUBLISH, subscription_identifier, IN(PUBLISH) | IN(SUBSCRIBE),
        "3.8.2.1.2"),
    ROW(MQTT_SESSION_EXPIRY_INTERVAL, "Session Expiry Interval", U32, 0, session_expiry_s,
        IN_START | IN(DISCONNECT), "3.1.2.11.2"),
    ROW(MQTT_ASSIGNED_CLIENT_IDENTIFIER, "Assigned Client Identifier", TEXT, 0,
        assigned_client_identifier, IN(CONNACK), "3.2.2.3.7"),
    ROW(MQTT_SERVER_KEEP_ALIVE, "Server Keep Alive", U16, 0, server_keep_alive_s, IN(CONNACK),
        "3.2.2.3.14"),
    ROW(MQTT_AUTHENTICATION_METHOD, "Authentication Method", TEXT, 0, authentication_method,
        IN_START | IN(AUTH), "3.1.2.11.9"),
    ROW(MQTT_AUTHENTICATION_DATA, "Authentication Data", BINARY, 0, authentication_data,
        IN_START | IN(AUTH), "3.1.2.11.10"),
    ROW(MQTT_REQUEST_PROBLEM_INFORMATION, "Request Problem Information", FLAG, 0,
        request_problem_information, IN(CONNECT), "3.1.2.11.7"),
    ROW(MQTT_WILL_DELAY_INTERVAL, "Will Delay Interval", U32, 0, will_delay_s, IN(WILL),
        "3.1.3.2.2"),
    ROW(MQTT_REQUEST_RESPONSE_INFORMATION, "Request Response Information", FLAG, 0,
        request_response_information, IN(CONNECT), "3.1.2.11.6"),
    ROW(MQTT_RESPONSE_INFORMATION, "Response Information", TEXT, 0, response_information,
        IN(CONNACK), "3.2.2.3.15"),
    ROW(MQTT_SERVER_REFERENCE, "Server Reference", TEXT, 0, server_reference,
        IN(CONNACK) | IN(DISCONNECT), "3.2.2.3.16"),
    ROW(MQTT_REASON_STRING, "Reason String", TEXT, 0, reason_string, IN_ENDINGS, "3.2.2.3.9"),
    ROW(MQTT_RECEIVE_MAXIMUM, "Receive Maximum", U16, NOT_ZERO, receive_maximum, IN_START,
        "3.1.2.11.3"),
    ROW(MQTT_TOPIC_ALIAS_MAXIMUM, "Topic Alias Maximum", U16, 0, topic_alias_maximum, IN_START,
        "3.1.2.11.5"),
    ROW(MQTT_TOPIC_ALIAS, "Topic Alias", U16, NOT_ZERO, topic_alias, IN(PUBLISH), "3.3.2.3.4"),
    ROW(MQTT_MAXIMUM_QOS, "Maximum QoS", FLAG, 0, maximum_qos, IN(CONNACK), "3.2.2.3.4"),
    ROW(MQTT_RETAIN_AVAILABLE, "Retain Available", FLAG, 0, retain_available, IN(CONNACK),
        "3.2.2.3.5"),
    ROW(MQTT_USER_PROPERTY, "User Property", PAIR, REPEATS, user_properties, IN_ALL, "3.1.2.11.8"),
    ROW(MQTT_MAXIMUM_PACKET_SIZE, "Maximum Packet Size", U32, NOT_ZERO, maximum_packet_size,
        IN_START, "3.1.2.11.4"),
    ROW(MQTT_WILDCARD_SUBSCRIPTION_AVAILABLE, "Wildcard Subscription Available", FLAG, 0,
        wildcard_subscription_available, IN(CONNACK), "3.2.2.3.11"),
    ROW(MQTT_SUBSCRIPTION_IDENTIFIER_AVAILABLE, "Subscription Identifier Available", FLAG, 0,
        subscription_identifier_available, IN(CONNACK), "3.2.2.3.12"),
    ROW(MQTT_SHARED_SUBSCRIPTION_AVAILABLE, "Shared Subscription Available", FLAG, 0,
        shared_subscription_available, IN(CONNACK), "3.2.2.3.13"),
};

#define BIT(id) (UINT64_C(1) << (id))

/* The properties that travel on with a message, and those of a message that do not. */
#define FORWARDED                                                                                  \
    (BIT(MQTT_PAYLOAD_FORMAT_INDICATOR) | BIT(MQTT_CONTENT_TYPE) | BIT(MQTT_RESPONSE_TOPIC) |      \
     BIT(MQTT_CORRELATION_DATA) | BIT(MQTT_USER_PROPERTY))

static const struct row *row_of(unsigned id)
{
    return id < sizeof(rows) / sizeof(rows[0]) && rows[id].kind != NONE ? &rows[id] : NULL;
}

const char *mqtt_property_name(enum mqtt_property id)
{
    const struct row *row = row_of((unsigned)id);
    return row ? row->name : "unknown";
}

bool mqtt_property_allowed(enum mqtt_property id, unsigned place)
{
    const struct row *row = row_of((unsigned)id);
    return row && place < 16 && (row->places >> place & 1);
}

static void *field_of(struct mqtt_properties *p, const struct row *row)
{
    return (char *)p + row->field;
}

/* Reads one value; what is at fault with it is said by the row. */
static bool read_number(struct cursor *c, const struct row *row, struct mqtt_properties *out,
                        uint32_t *value)
{
    switch (row->kind) {
    case FLAG:
        *value = *(uint8_t *)field_of(out, row) = cursor_u8(c);
        return !c->failed;
    case U16:
        *value = *(uint16_t *)field_of(out, row) = cursor_u16(c);
        return !c->failed;
    case U32:
        *value = *(uint32_t *)field_of(out, row) = cursor_u32(c);
        return !c->failed;
    default: /* VARINT; the first one counts where it may repeat */
        if (!mqtt_read_varint(c, value))
            return false;
        if (out->subscription_identifier_count++ == 0)
            *(uint32_t *)field_of(out, row) = *value;
        return true;
    }
}

static bool decode_number(struct cursor *c, const struct row *row, struct mqtt_properties *out,
                          struct mqtt_fault *fault)
{
    uint32_t value = 0;
    size_t offset = cursor_offset(c);
    if (!read_number(c, row, out, &value))
        return mqtt_fail(fault, MQTT_MALFORMED_PACKET, offset, row->section, row->cut);
    if (value == 0 && row == &rows[MQTT_TOPIC_ALIAS])
        return mqtt_fail(fault, MQTT_TOPIC_ALIAS_INVALID, offset, "MQTT-3.3.2-8", row->bad);
    if ((value == 0 && row->rules & NOT_ZERO) || (value > 1 && row->kind == FLAG))
        return mqtt_fail(fault, MQTT_PROTOCOL_ERROR, offset, row->section, row->bad);
    return true;
}

static bool decode_topic(struct cursor *c, const struct row *row, struct slice *out,
                         struct mqtt_fault *fault)
{
    size_t offset = cursor_offset(c);
    if (!mqtt_read_binary(c, out, row->cut, fault))
        return false;
    switch (mqtt_check_topic(*out)) {
    case MQTT_TOPIC_ILL_FORMED:
        return mqtt_fail(fault, MQTT_MALFORMED_PACKET, offset, "MQTT-3.3.2-13", row->bad);
    case MQTT_TOPIC_WILDCARD:
        return mqtt_fail(fault, MQTT_PROTOCOL_ERROR, offset, "MQTT-3.3.2-14", row->bad);
    case MQTT_TOPIC_GOOD:
        break;
    }
    return out->len > 0 || mqtt_fail(fault, MQTT_PROTOCOL_ERROR, offset, "MQTT-4.7.3-1", row->bad);
}

static bool decode_value(struct cursor *c, const struct row *row, struct mqtt_properties *out,
                         struct mqtt_fault *fault)
{
    struct slice name, value;
    switch (row->kind) {
    case TEXT:
        return mqtt_read_text(c, field_of(out, row), row->cut, fault);
    case TOPIC:
        return decode_topic(c, row, field_of(out, row), fault);
    case BINARY:
        return mqtt_read_binary(c, field_of(out, row), row->cut, fault);
    case PAIR: /* [MQTT-1.5.7-1] */
        out->user_property_count++;
        return mqtt_read_text(c, &name, row->cut, fault) &&
               mqtt_read_text(c, &value, row->cut, fault);
    default:
        return decode_number(c, row, out, fault);
    }
}

static bool decode_one(struct cursor *c, unsigned place, struct mqtt_properties *out,
                       struct mqtt_fault *fault)
{
    size_t offset = cursor_offset(c);
    unsigned id = cursor_u8(c);
    const struct row *row = row_of(id);
    if (!row)
        return mqtt_fail(fault, MQTT_MALFORMED_PACKET, offset, "5.0 section 2.2.2.2",
                         "unknown property");
    if (!(row->places >> place & 1))
        return mqtt_fail(fault, MQTT_MALFORMED_PACKET, offset, "5.0 section 2.2.2.2",
                         row->misplaced);
    bool repeats =
        row->rules & REPEATS || (row->rules & REPEATS_IN_PUBLISH && place == MQTT_PUBLISH);
    if (out->present & BIT(id) && !repeats)
        return mqtt_fail(fault, MQTT_PROTOCOL_ERROR, offset, row->section, row->twice);
    out->present |= BIT(id);
    return decode_value(c, row, out, fault);
}

bool mqtt_decode_properties(struct cursor *c, unsigned place,
                            const struct mqtt_property_limits *limits, struct mqtt_properties *out,
                            struct mqtt_fault *fault)
{
    size_t offset = cursor_offset(c);
    uint32_t len;
    mqtt_properties_clear(out);
    if (!mqtt_read_varint(c, &len))
        return mqtt_fail(fault, MQTT_MALFORMED_PACKET, offset, "MQTT-2.2.2-1",
                         "bad property length");
    if (len > cursor_left(c))
        return mqtt_fail(fault, MQTT_MALFORMED_PACKET, offset, "5.0 section 2.2.2.1",
                         "properties longer than their packet");
    if (len > limits->bytes)
        return mqtt_fail(fault, MQTT_PROTOCOL_ERROR, offset, "limit on bytes of properties",
                         "more bytes of properties than are allowed here");
    struct cursor block = {c->start, c->at, c->at + len, false};
    out->raw = cursor_take(c, len);
    for (; cursor_left(&block) > 0; out->count++) {
        if (out->count == limits->count || out->count == UINT16_MAX)
            return mqtt_fail(fault, MQTT_PROTOCOL_ERROR, cursor_offset(&block),
                             "limit on the number of properties",
                             "more properties than are allowed here");
        if (!decode_one(&block, place, out, fault))
            return false;
    }
    if (mqtt_has(out, MQTT_AUTHENTICATION_DATA) && !mqtt_has(out, MQTT_AUTHENTICATION_METHOD))
        return mqtt_fail(fault, MQTT_PROTOCOL_ERROR, offset, "5.0 section 3.1.2.11.10",
                         "Authentication Data without a method");
    return true;
}

/* Steps over one property of a block that decoded well: its identifier, and for a user property
 * its two strings. */
static unsigned step(struct cursor *c, struct slice *name, struct slice *value)
{
    unsigned id = cursor_u8(c);
    const struct row *row = row_of(id);
    uint32_t number;
    switch (row ? row->kind : NONE) {
    case FLAG:
        cursor_take(c, 1);
        break;
    case U16:
        cursor_take(c, 2);
        break;
    case U32:
        cursor_take(c, 4);
        break;
    case VARINT:
        mqtt_read_varint(c, &number);
        break;
    case PAIR:
        *name = cursor_take(c, cursor_u16(c));
        *value = cursor_take(c, cursor_u16(c));
        break;
    case NONE:
        c->failed = true;
        break;
    default:
        cursor_take(c, cursor_u16(c));
        break;
    }
    return id;
}

bool mqtt_next_user_property(struct slice *rest, struct slice *name, struct slice *value)
{
    while (rest->len > 0) {
        struct cursor c = cursor_of(*rest);
        unsigned id = step(&c, name, value);
        if (c.failed)
            return false;
        *rest = slice_of(c.at, cursor_left(&c));
        if (id == MQTT_USER_PROPERTY)
            return true;
    }
    return false;
}

/* The next run of forwarded properties at or behind the cursor, empty at the end. */
static struct slice next_run(struct cursor *c)
{
    struct slice name, value, run = SLICE_EMPTY;
    while (cursor_left(c) > 0) {
        const uint8_t *from = c->at;
        unsigned id = step(c, &name, &value);
        if (c->failed)
            break;
        if (FORWARDED & BIT(id))
            run = slice_of(run.len ? run.at : from, run.len + (size_t)(c->at - from));
        else if (run.len)
            break;
    }
    return run;
}

struct slice mqtt_forwardable_properties(const struct mqtt_properties *p, struct writer *cut)
{
    if ((p->present & ~FORWARDED) == 0)
        return p->raw;
    struct cursor c = cursor_of(p->raw);
    struct slice first = next_run(&c), run = next_run(&c);
    if (run.len == 0)
        return first;
    uint8_t *start = cut->at;
    writer_bytes(cut, first);
    for (; run.len; run = next_run(&c))
        writer_bytes(cut, run);
    return cut->overflow ? SLICE_EMPTY : slice_of(start, (size_t)(cut->at - start));
}

static uint32_t number_of(const struct mqtt_properties *p, const struct row *row)
{
    const char *field = (const char *)p + row->field;
    switch (row->kind) {
    case FLAG:
        return *(const uint8_t *)field;
    case U16:
        return *(const uint16_t *)field;
    default:
        return *(const uint32_t *)field;
    }
}

static struct slice bytes_of(const struct mqtt_properties *p, const struct row *row)
{
    return *(const struct slice *)((const char *)p + row->field);
}

static size_t value_size(const struct mqtt_properties *p, const struct row *row)
{
    switch (row->kind) {
    case FLAG:
        return 1;
    case U16:
        return 2;
    case U32:
        return 4;
    case VARINT:
        return mqtt_varint_size(number_of(p, row));
    default:
        return 2 + bytes_of(p, row).len;
    }
}

static void write_value(struct writer *w, const struct mqtt_properties *p, const struct row *row)
{
    switch (row->kind) {
    case FLAG:
        writer_u8(w, (uint8_t)number_of(p, row));
        break;
    case U16:
        writer_u16(w, (uint16_t)number_of(p, row));
        break;
    case U32:
        writer_u32(w, number_of(p, row));
        break;
    case VARINT:
        mqtt_write_varint(w, number_of(p, row));
        break;
    default:
        writer_u16(w, (uint16_t)bytes_of(p, row).len);
        writer_bytes(w, bytes_of(p, row));
        break;
    }
}

/* The set of single properties that are to be encoded, as identifiers from low to high. */
static uint64_t to_encode(const struct mqtt_properties *p)
{
    return p->present & ~BIT(MQTT_USER_PROPERTY);
}

size_t mqtt_properties_size(const struct mqtt_properties *p)
{
    size_t size = p->user_properties.len;
    for (uint64_t left = to_encode(p); left; left &= left - 1)
        size += 1 + value_size(p, &rows[__builtin_ctzll(left)]);
    return size;
}

void mqtt_encode_properties(struct writer *w, const struct mqtt_properties *p)
{
    mqtt_write_varint(w, (uint32_t)mqtt_properties_size(p));
    for (uint64_t left = to_encode(p); left; left &= left - 1) {
        unsigned id = (unsigned)__builtin_ctzll(left);
        writer_u8(w, (uint8_t)id);
        write_value(w, p, &rows[id]);
    }
    writer_bytes(w, p->user_properties);
}

size_t mqtt_user_property_size(struct slice name, struct slice value)
{
    return 5 + name.len + value.len;
}

void mqtt_encode_user_property(struct writer *w, struct slice name, struct slice value)
{
    writer_u8(w, MQTT_USER_PROPERTY);
    writer_u16(w, (uint16_t)name.len);
    writer_bytes(w, name);
    writer_u16(w, (uint16_t)value.len);
    writer_bytes(w, value);
}
