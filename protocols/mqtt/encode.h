/* encode: the packets that a server sends.
 *
 * Each packet has a size function and an encoder that writes exactly that many bytes, so the caller
 * reserves once, or finds before that the packet is above the client's Maximum Packet Size and
 * leaves out reason string and user properties [MQTT-3.1.2-24]. Pure; a writer with too little room
 * gets its overflow flag. In 3.x properties are not written and reasons are put into the words
 * of 3.x. */
#ifndef SIOTD_PROTOCOLS_MQTT_ENCODE_H
#define SIOTD_PROTOCOLS_MQTT_ENCODE_H

#include "protocols/mqtt/properties.h"

/* CONNACK: `properties` may be NULL for none. In 3.x the reason must have a mqtt_return_code();
 * in 3.1 session_present is a reserved byte and written 0. session_present with a refusal is
 * written 0 [MQTT-3.2.2-6]. */
size_t mqtt_connack_size(enum mqtt_version version, const struct mqtt_properties *properties);
void mqtt_encode_connack(struct writer *w, enum mqtt_version version, bool session_present,
                         enum mqtt_reason reason, const struct mqtt_properties *properties);

/* What stands before the payload of a PUBLISH to a client. */
struct mqtt_publish_head {
    struct slice
        topic; /* may be empty with a topic alias that the client knows; at most 65535 bytes */
    uint16_t packet_id; /* written when qos > 0 */
    uint8_t qos;
    bool dup, retain;
    uint32_t payload_len;

    /* 5.0 only */
    uint16_t topic_alias; /* 0: none */
    bool has_message_expiry;
    uint32_t message_expiry_s;                /* what is left of it [MQTT-3.3.2-6] */
    struct slice forwardable;                 /* mqtt_forwardable_properties(), as it came */
    const uint32_t *subscription_identifiers; /* each 1..MQTT_VARINT_MAX; borrowed */
    size_t subscription_identifier_count;
};

/* Bytes up to the payload; the whole packet has payload_len more. 0 when the packet would be longer
 * than MQTT can say (MQTT_VARINT_MAX behind the fixed header). */
size_t mqtt_publish_head_size(enum mqtt_version version, const struct mqtt_publish_head *head);

/* Writes all but the payload, which the caller appends or sends by reference. */
void mqtt_encode_publish_head(struct writer *w, enum mqtt_version version,
                              const struct mqtt_publish_head *head);

/* PUBACK, PUBREC, PUBREL, PUBCOMP, by `type`. The short form when reason is MQTT_SUCCESS and there
 * is no property. `properties` may be NULL. At most MQTT_ACK_MAX bytes without properties. */
#define MQTT_ACK_MAX 5u
size_t mqtt_ack_size(enum mqtt_version version, enum mqtt_reason reason,
                     const struct mqtt_properties *properties);
void mqtt_encode_ack(struct writer *w, enum mqtt_version version, enum mqtt_type type,
                     uint16_t packet_id, enum mqtt_reason reason,
                     const struct mqtt_properties *properties);

/* SUBACK: one reason code per filter, in the order of the SUBSCRIBE [MQTT-3.9.3-1]; in 3.x every
 * refusal is MQTT_SUBACK_FAILURE. */
size_t mqtt_suback_size(enum mqtt_version version, size_t count,
                        const struct mqtt_properties *properties);
void mqtt_encode_suback(struct writer *w, enum mqtt_version version, uint16_t packet_id,
                        const uint8_t *reasons, size_t count,
                        const struct mqtt_properties *properties);

/* UNSUBACK: one reason code per filter in 5.0 [MQTT-3.11.3-1], none in 3.x. */
size_t mqtt_unsuback_size(enum mqtt_version version, size_t count,
                          const struct mqtt_properties *properties);
void mqtt_encode_unsuback(struct writer *w, enum mqtt_version version, uint16_t packet_id,
                          const uint8_t *reasons, size_t count,
                          const struct mqtt_properties *properties);

/* PINGRESP, the same in every version. */
#define MQTT_PINGRESP_SIZE 2u
void mqtt_encode_pingresp(struct writer *w);

/* DISCONNECT from the server, 5.0 only: 3.x knows none, there the connection is just closed. */
size_t mqtt_disconnect_size(enum mqtt_reason reason, const struct mqtt_properties *properties);
void mqtt_encode_disconnect(struct writer *w, enum mqtt_reason reason,
                            const struct mqtt_properties *properties);

/* AUTH, 5.0 only. `properties` holds the authentication method. */
size_t mqtt_auth_size(enum mqtt_reason reason, const struct mqtt_properties *properties);
void mqtt_encode_auth(struct writer *w, enum mqtt_reason reason,
                      const struct mqtt_properties *properties);

#endif
