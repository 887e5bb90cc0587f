/* decode: the bodies of the packets that a client sends, as slices and numbers.
 *
 * Stands between the fixed header and the handlers. Decoders are pure: they borrow, allocate
 * nothing, and judge everything that one packet alone can get wrong; what needs the connection, the
 * session or the configuration (aliases in use, QoS on offer, topic filter syntax, authorisation)
 * is the handler's.
 *
 * All take the header and the whole packet, fixed header included, with
 * packet.len == mqtt_packet_size(header) and header->type of their own; slices in *out lie inside
 * `packet` and live as long. False: *fault is filled and *out is not to be used, except where a
 * comment says so. Common reasons: 0x81 for anything cut short, with bytes left over, or ill-formed
 * UTF-8 [MQTT-1.5.4-1, MQTT-1.5.4-2, MQTT-4.13.1-1]; 0x82 for packet identifier 0 [MQTT-2.2.1-3]
 * and for a reason code that this packet must not carry from a client. */
#ifndef SIOTD_PROTOCOLS_MQTT_DECODE_H
#define SIOTD_PROTOCOLS_MQTT_DECODE_H

#include "protocols/mqtt/properties.h"

struct mqtt_connect {
    uint8_t level;    /* the byte as it came, bit 7 included, also when unsupported */
    uint8_t version;  /* enum mqtt_version, or 0 while unknown; good even after a failure */
    bool clean_start; /* "clean session" in 3.x */
    bool has_will, will_retain;
    uint8_t will_qos;
    bool has_username, has_password;
    uint16_t keep_alive_s;
    struct slice client_id; /* may be empty: the server assigns one */
    struct slice will_topic, will_payload;
    struct slice username;                              /* UTF-8 */
    struct slice password;                              /* any bytes */
    struct mqtt_properties properties, will_properties; /* all zero in 3.x */
};

/* CONNECT. After a failure out->version says in which version to answer: 0 means that nothing is
 * known that could be answered to, so just close. Particular reasons: 0x84  a protocol name that is
 * not MQTT's (version 0), or a level that is not offered under that name (version is then the
 * nearest: MQTT_5 for level > 5, else MQTT_3_1_1; level tells); 0x85  an empty client id in 3.1, or
 * in 3.1.1 without clean session [MQTT-3.1.3-8]; 0x90  a will topic that is empty or has wildcards.
 * A client id of 3.1 above 23 bytes is let through, as every broker does. */
bool mqtt_decode_connect(const struct mqtt_header *header, struct slice packet,
                         const struct mqtt_property_limits *limits, struct mqtt_connect *out,
                         struct mqtt_fault *fault);

struct mqtt_publish {
    struct slice topic; /* empty only in 5.0 with a topic alias */
    struct slice payload;
    uint16_t packet_id; /* 0 when qos is 0 */
    uint8_t qos;
    bool dup, retain;
    struct mqtt_properties properties; /* all zero in 3.x */
};

/* PUBLISH from a client. Particular reasons: 0x81 QoS 3 [MQTT-3.3.1-4] and DUP with QoS 0
 * [MQTT-3.3.1-2] (ignored in 3.1, which does not forbid it); 0x90 a wildcard in the topic
 * [MQTT-3.3.2-2]; 0x82 no topic and no alias, and a Subscription Identifier [MQTT-3.3.4-6]; 0x94
 * alias 0 [MQTT-3.3.2-8]. That the topic is free of wildcards and well-formed need not be checked
 * again. */
bool mqtt_decode_publish(const struct mqtt_header *header, struct slice packet,
                         enum mqtt_version version, const struct mqtt_property_limits *limits,
                         struct mqtt_publish *out, struct mqtt_fault *fault);

struct mqtt_ack {
    uint16_t packet_id;
    uint8_t reason; /* enum mqtt_reason; MQTT_SUCCESS in 3.x and in the short form */
    struct mqtt_properties properties;
};

/* PUBACK, PUBREC, PUBREL, PUBCOMP, by header->type. */
bool mqtt_decode_ack(const struct mqtt_header *header, struct slice packet,
                     enum mqtt_version version, const struct mqtt_property_limits *limits,
                     struct mqtt_ack *out, struct mqtt_fault *fault);

/* One topic filter of a SUBSCRIBE. */
struct mqtt_subscription {
    struct slice filter; /* UTF-8 is checked, the syntax of filters is not */
    uint8_t qos;
    bool no_local, retain_as_published; /* false in 3.x */
    uint8_t retain_handling;            /* 0, 1, 2; 0 in 3.x */
    uint8_t options;                    /* the byte as it came */
};

struct mqtt_subscribe {
    uint16_t packet_id;
    uint32_t count;                    /* filters, at least 1 */
    struct slice filters;              /* for mqtt_next_subscription / mqtt_next_filter */
    struct mqtt_properties properties; /* Subscription Identifier */
};

/* SUBSCRIBE. Every filter is checked before the first is handed out, so a packet is accepted whole
 * or not at all. Reasons: 0x82 no filter [MQTT-3.8.3-2], retain handling 3, No Local on a shared
 * subscription [MQTT-3.8.3-4], QoS 3; 0x81 reserved bits [MQTT-3.8.3-5]. */
bool mqtt_decode_subscribe(const struct mqtt_header *header, struct slice packet,
                           enum mqtt_version version, const struct mqtt_property_limits *limits,
                           struct mqtt_subscribe *out, struct mqtt_fault *fault);

/* The next filter of a SUBSCRIBE that decoded well; *rest starts as out->filters. False at the end.
 */
bool mqtt_next_subscription(struct slice *rest, struct mqtt_subscription *out);

/* UNSUBSCRIBE; at least one filter [MQTT-3.10.3-2]. */
bool mqtt_decode_unsubscribe(const struct mqtt_header *header, struct slice packet,
                             enum mqtt_version version, const struct mqtt_property_limits *limits,
                             struct mqtt_subscribe *out, struct mqtt_fault *fault);

/* The next filter of an UNSUBSCRIBE that decoded well; *rest starts as out->filters. False at the
 * end. */
bool mqtt_next_filter(struct slice *rest, struct slice *filter);

struct mqtt_disconnect {
    uint8_t reason; /* enum mqtt_reason; MQTT_SUCCESS in 3.x and in the short form */
    struct mqtt_properties properties; /* Session Expiry Interval */
};

/* DISCONNECT from a client. */
bool mqtt_decode_disconnect(const struct mqtt_header *header, struct slice packet,
                            enum mqtt_version version, const struct mqtt_property_limits *limits,
                            struct mqtt_disconnect *out, struct mqtt_fault *fault);

struct mqtt_auth {
    uint8_t reason;                    /* MQTT_CONTINUE_AUTHENTICATION or MQTT_RE_AUTHENTICATE */
    struct mqtt_properties properties; /* the authentication method is there */
};

/* AUTH from a client, 5.0 only; 0x82 without an authentication method. */
bool mqtt_decode_auth(const struct mqtt_header *header, struct slice packet,
                      const struct mqtt_property_limits *limits, struct mqtt_auth *out,
                      struct mqtt_fault *fault);

/* PINGREQ: has no body. */
bool mqtt_decode_pingreq(const struct mqtt_header *header, struct slice packet,
                         struct mqtt_fault *fault);

#endif
