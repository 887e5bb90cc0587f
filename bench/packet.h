/* packet: as much of MQTT 3.1.1 and 5.0 as a load generator speaks.
 *
 * Written for this program alone, apart from the broker's codec, so that one wrong reading of the
 * standard cannot hide on both sides. Encoders write into room that the caller made. */
#ifndef SIOTD_BENCH_PACKET_H
#define SIOTD_BENCH_PACKET_H

#include "base/cursor.h"
#include "base/slice.h"
#include "base/writer.h"
#include <sys/types.h>

enum packet_version { PACKET_MQTT_3_1_1 = 4, PACKET_MQTT_5 = 5 };

enum packet_type {
    PACKET_CONNECT = 1,
    PACKET_CONNACK = 2,
    PACKET_PUBLISH = 3,
    PACKET_PUBACK = 4,
    PACKET_PUBREC = 5,
    PACKET_PUBREL = 6,
    PACKET_PUBCOMP = 7,
    PACKET_SUBSCRIBE = 8,
    PACKET_SUBACK = 9,
    PACKET_PINGRESP = 13,
    PACKET_DISCONNECT = 14,
};

struct packet {
    uint8_t first;     /* type and flags */
    struct slice body; /* borrowed from the input */
};

/* Cuts the first packet off `from`. Returns its length in bytes, 0 when it is not all there yet, or
 * -EPROTO for a remaining length that is none. */
ssize_t packet_cut(struct slice from, struct packet *packet);

/* What a CONNACK says that concerns a client of ours. */
struct packet_connack {
    bool present;                 /* the session was there before */
    uint8_t reason;               /* 0: accepted */
    uint8_t maximum_qos;          /* 2 unless said otherwise */
    uint16_t receive_maximum;     /* 65535 unless said otherwise */
    uint16_t server_keep_alive_s; /* 0 unless said */
};

/* Returns 0 or -EPROTO. */
int packet_read_connack(struct slice body, uint8_t version, struct packet_connack *connack);

/* A PUBLISH that arrived. Slices are borrowed from the body. Returns 0 or -EPROTO. */
struct packet_publish {
    struct slice topic, payload;
    uint16_t id; /* 0 at QoS 0 */
    uint8_t qos;
};
int packet_read_publish(const struct packet *packet, uint8_t version,
                        struct packet_publish *publish);

/* PUBACK, PUBREC, PUBREL, PUBCOMP; *reason is 0 where the packet has none. Returns 0 or -EPROTO. */
int packet_read_ack(struct slice body, uint16_t *id, uint8_t *reason);

/* How many filters a SUBACK refused, or -EPROTO. *codes is how many it answered. */
int packet_read_suback(struct slice body, uint8_t version, uint32_t *codes);

/* A CONNECT without user name. `kept`: of a session that was there before, or is to stay when the
 * connection ends; otherwise a clean one. */
void packet_write_connect(struct writer *w, uint8_t version, struct slice client_id,
                          uint16_t keep_alive_s, bool kept);

/* SUBSCRIBE: the fixed part for filters of `filters_len` bytes in all (two length bytes and one of
 * options each included), which the caller appends by packet_write_filter. */
void packet_write_subscribe(struct writer *w, uint8_t version, uint16_t id, size_t filters_len);
void packet_write_filter(struct writer *w, struct slice filter, uint8_t qos);

void packet_write_disconnect(struct writer *w);

/* A whole PUBLISH, to be used as a mould: *topic_at, *id_at and *payload_at are the offsets from
 * the start of the frame of what the sender fills in. Payload bytes are written as zero. */
struct packet_mould {
    size_t frame_len, topic_at, id_at, payload_at; /* id_at is 0 at QoS 0 */
};
size_t packet_publish_len(uint8_t version, uint8_t qos, size_t topic_len, size_t payload_len);
struct packet_mould packet_write_publish(struct writer *w, uint8_t version, uint8_t qos,
                                         bool retain, struct slice topic, size_t payload_len);

/* The four-byte form of PUBACK, PUBREC, PUBREL, PUBCOMP with success. */
static inline void packet_put_ack(uint8_t to[4], enum packet_type type, uint16_t id)
{
    to[0] = (uint8_t)(type << 4 | (type == PACKET_PUBREL ? 2 : 0)); /* [MQTT-3.6.1-1] */
    to[1] = 2;
    to[2] = (uint8_t)(id >> 8);
    to[3] = (uint8_t)id;
}

#endif
