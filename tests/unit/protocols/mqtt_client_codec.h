/* mqtt_client_codec: writes the packets of an MQTT client, for tests.
 *
 * Written apart from protocols/mqtt on purpose: what the two agree on, two hands have read out of
 * the specification. It checks nothing, so a test can also write what no client may send. */
#ifndef SIOTD_TESTS_MQTT_CLIENT_CODEC_H
#define SIOTD_TESTS_MQTT_CLIENT_CODEC_H

#include "base/writer.h"
#include "protocols/mqtt/wire.h"

/* Any packet: first byte, length, body. */
void client_packet(struct writer *w, uint8_t first, struct slice body);

/* Two bytes of length and the bytes. */
void client_string(struct writer *w, struct slice s);
void client_varint(struct writer *w, uint32_t value);

/* One property; a block is several of them, one after the other. */
void client_u8(struct writer *w, enum mqtt_property id, uint8_t value);
void client_u16(struct writer *w, enum mqtt_property id, uint16_t value);
void client_u32(struct writer *w, enum mqtt_property id, uint32_t value);
void client_number(struct writer *w, enum mqtt_property id, uint32_t value); /* as a varint */
void client_text(struct writer *w, enum mqtt_property id, struct slice value);
void client_pair(struct writer *w, struct slice name, struct slice value);

/* The least well-formed property of that kind: zero or empty, or 1 where 0 is no value. */
void client_any_property(struct writer *w, enum mqtt_property id);

struct client_connect {
    enum mqtt_version version;
    bool clean_start;
    uint16_t keep_alive_s;
    struct slice client_id;
    bool has_will, will_retain, has_username, has_password;
    uint8_t will_qos;
    struct slice will_topic, will_payload, username, password;
    struct slice properties, will_properties; /* blocks without their lengths; 5.0 */
};
void client_connect(struct writer *w, const struct client_connect *packet);

struct client_publish {
    enum mqtt_version version;
    uint8_t qos;
    bool dup, retain;
    uint16_t packet_id; /* written when qos > 0 */
    struct slice topic, properties, payload;
};
void client_publish(struct writer *w, const struct client_publish *packet);

/* PUBACK, PUBREC, PUBREL, PUBCOMP: in 5.0 the short form when reason is 0 and there are no
 * properties. */
void client_ack(struct writer *w, enum mqtt_version version, enum mqtt_type type,
                uint16_t packet_id, uint8_t reason, struct slice properties);

struct client_filter {
    struct slice filter;
    uint8_t options;
};
void client_subscribe(struct writer *w, enum mqtt_version version, uint16_t packet_id,
                      struct slice properties, const struct client_filter *filters, size_t count);
void client_unsubscribe(struct writer *w, enum mqtt_version version, uint16_t packet_id,
                        struct slice properties, const struct slice *filters, size_t count);

void client_pingreq(struct writer *w);

/* DISCONNECT; in 5.0 the short form when reason is 0 and there are no properties. */
void client_disconnect(struct writer *w, enum mqtt_version version, uint8_t reason,
                       struct slice properties);
void client_auth(struct writer *w, uint8_t reason, struct slice properties);

#endif
