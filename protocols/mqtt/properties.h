/* properties: the properties of MQTT 5.0, one table for decoding and encoding.
 *
 * Decoding walks the block once, checks every rule that one packet alone can break, and leaves
 * scalars and borrowed slices. The same struct, filled by a handler, is what the encoders write. */
#ifndef SIOTD_PROTOCOLS_MQTT_PROPERTIES_H
#define SIOTD_PROTOCOLS_MQTT_PROPERTIES_H

#include "protocols/mqtt/header.h"

/* Where a block of properties stands: an enum mqtt_type, or the will inside a CONNECT. */
#define MQTT_WILL 0u

/* What one block may cost; both are the operator's limits. Crossing one is 0x82. */
struct mqtt_property_limits {
    uint32_t count; /* properties of any kind in one block */
    uint32_t bytes; /* of one block */
};

#define MQTT_PROPERTY_LIMITS_DEFAULT ((struct mqtt_property_limits){64, 8192})

/* A field means something only when its bit is in `present`; decoding leaves 0 and empty slices in
 * the others. The slices of a decoded block lie inside the packet. */
struct mqtt_properties {
    uint64_t present;             /* bit n: the property with identifier n, see mqtt_has */
    struct slice raw;             /* decoded: the whole block without its length */
    uint16_t count;               /* decoded: properties in the block, */
    uint16_t user_property_count; /* of which user properties, */
    uint16_t subscription_identifier_count; /* and subscription identifiers */

    /* PUBLISH and will */
    uint8_t payload_format; /* 0 bytes, 1 UTF-8 */
    uint16_t topic_alias;   /* 1.. */
    uint32_t message_expiry_s;
    uint32_t subscription_identifier; /* the first one, 1..MQTT_VARINT_MAX */
    uint32_t will_delay_s;
    struct slice content_type, response_topic, correlation_data;

    /* CONNECT, CONNACK, DISCONNECT, AUTH and acknowledgements */
    uint32_t session_expiry_s; /* UINT32_MAX: never */
    uint32_t maximum_packet_size;
    uint16_t receive_maximum, topic_alias_maximum, server_keep_alive_s;
    uint8_t request_problem_information, request_response_information;
    uint8_t maximum_qos, retain_available, wildcard_subscription_available,
        subscription_identifier_available, shared_subscription_available;
    struct slice authentication_method, authentication_data;
    struct slice assigned_client_identifier, response_information, server_reference, reason_string;

    /* Encoding only: user properties that are encoded already, written behind the others. */
    struct slice user_properties;
};

/* No properties: every field 0 or empty. The size is kept from the compiler, which would turn so
 * small a memset into "rep stos", three times as slow as the call; this runs for every PUBLISH. */
static inline void mqtt_properties_clear(struct mqtt_properties *p)
{
    volatile size_t size = sizeof(*p);
    memset(p, 0, size);
}

static inline bool mqtt_has(const struct mqtt_properties *p, enum mqtt_property id)
{
    return p->present >> id & 1;
}

/* Says that a field was filled, for encoding. */
static inline void mqtt_set(struct mqtt_properties *p, enum mqtt_property id)
{
    p->present |= UINT64_C(1) << id;
}

/* Reads a property length and the block behind it; `place` is the packet type or MQTT_WILL.
 * Allocates nothing, O(bytes). Fails with: 0x81  an identifier that is unknown or does not belong
 * here (5.0 section 2.2.2.2), a value that runs past the block, ill-formed UTF-8, a bad varint, a
 * block longer than the packet; 0x82  twice what may stand once (on SUBSCRIBE also the Subscription
 * Identifier), a value outside its range (Receive Maximum 0, Maximum Packet Size 0, Subscription
 * Identifier 0, a flag above 1, a wildcard in a Response Topic, ...), Authentication Data without a
 * method, and more properties or bytes than `limits`; 0x94  Topic Alias 0. Fault offsets are the
 * cursor's. */
bool mqtt_decode_properties(struct cursor *c, unsigned place,
                            const struct mqtt_property_limits *limits, struct mqtt_properties *out,
                            struct mqtt_fault *fault);

/* Steps through the user properties of `rest`, which starts as `raw` (or a forwardable slice) of a
 * block that decoded well: false at the end, else name and value, borrowed, in the order sent. */
bool mqtt_next_user_property(struct slice *rest, struct slice *name, struct slice *value);

/* The properties of a decoded PUBLISH or will that travel on unaltered and in order: payload
 * format, content type, response topic, correlation data, user properties [MQTT-3.3.2-4, -15, -16,
 * -17, -18, -20]; without topic alias, message expiry, subscription identifiers and will delay,
 * which are written anew per receiver. When they stand side by side the result is a part of p->raw
 * and nothing is copied; else they are written into `cut`, which needs room for p->raw.len bytes,
 * and the result lies there. */
struct slice mqtt_forwardable_properties(const struct mqtt_properties *p, struct writer *cut);

/* Bytes of the block without its length, as mqtt_encode_properties writes it. */
size_t mqtt_properties_size(const struct mqtt_properties *p);

/* Writes the length and every property that is present, in order of identifier, then
 * user_properties. The caller puts in only what belongs into the packet and keeps values in range
 * (tests/unit checks the table); the bits of User Property are ignored. */
void mqtt_encode_properties(struct writer *w, const struct mqtt_properties *p);

/* Bytes of one encoded user property, and writing it: to build user_properties. Name and value are
 * at most 65535 bytes of well-formed UTF-8. */
size_t mqtt_user_property_size(struct slice name, struct slice value);
void mqtt_encode_user_property(struct writer *w, struct slice name, struct slice value);

/* Whether a property may stand in that place (a packet type or MQTT_WILL): table 2-4 of 5.0. */
bool mqtt_property_allowed(enum mqtt_property id, unsigned place);

#endif
