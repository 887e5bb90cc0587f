/* header: the fixed header of every MQTT packet, and the variable byte integer.
 *
 * First thing that happens to received bytes: it says what comes and how long it is before
 * anything is kept, so that a giant packet is refused after at most five bytes. */
#ifndef SIOTD_PROTOCOLS_MQTT_HEADER_H
#define SIOTD_PROTOCOLS_MQTT_HEADER_H

#include "base/cursor.h"
#include "base/writer.h"
#include "protocols/mqtt/fault.h"
#include "protocols/mqtt/wire.h"

/* The largest value of a variable byte integer, four bytes (5.0 section 1.5.5). */
#define MQTT_VARINT_MAX 268435455u

/* The longest fixed header. */
#define MQTT_HEADER_MAX 5u

struct mqtt_header {
    uint8_t type;       /* enum mqtt_type */
    uint8_t flags;      /* low nibble of the first byte */
    uint8_t size;       /* bytes of the fixed header itself, 2..5 */
    uint32_t remaining; /* bytes behind it, 0..MQTT_VARINT_MAX */
};

/* Bytes of the whole packet. */
static inline size_t mqtt_packet_size(const struct mqtt_header *header)
{
    return (size_t)header->size + header->remaining;
}

enum mqtt_header_state {
    MQTT_HEADER_MORE,  /* not all of the header is here yet; nothing of it is wrong so far */
    MQTT_HEADER_KNOWN, /* *header is filled; the body may still be under way */
    MQTT_HEADER_BAD,   /* *fault is filled */
};

/* Looks at the first bytes of a packet. BAD with 0x81 for: type 0, AUTH before 5.0, reserved flag
 * bits [MQTT-2.1.3-1], a length of more than four bytes, a length written longer than it need be
 * [MQTT-1.5.5-1]; all as early as the bytes that show it. The flags of PUBLISH are judged by
 * mqtt_decode_publish. In 3.1 the flags were not reserved but unused, so there only what 3.1
 * defines is checked (SUBSCRIBE, UNSUBSCRIBE and PUBREL are QoS 1 and may carry DUP). Before
 * CONNECT has told the version, pass MQTT_3_1_1. Whether the type is allowed now is the caller's
 * question (mqtt_client_may_send, the state of the connection), and so is whether `remaining` is
 * too large. */
enum mqtt_header_state mqtt_decode_header(struct slice bytes, enum mqtt_version version,
                                          struct mqtt_header *header, struct mqtt_fault *fault);

/* Reads a variable byte integer. False (cursor failed) when it is cut short, longer than four
 * bytes, or not in its shortest form [MQTT-1.5.5-1]. */
bool mqtt_read_varint(struct cursor *c, uint32_t *value);

/* Bytes that value takes, 1..4; value is at most MQTT_VARINT_MAX. */
static inline size_t mqtt_varint_size(uint32_t value)
{
    return 1u + (value > 0x7F) + (value > 0x3FFF) + (value > 0x1FFFFF);
}

/* Writes value (at most MQTT_VARINT_MAX) in its shortest form [MQTT-1.5.5-1]. */
void mqtt_write_varint(struct writer *w, uint32_t value);

/* A cursor at the body of a whole packet whose offsets count from the packet's first byte. */
static inline struct cursor mqtt_body(const struct mqtt_header *header, struct slice packet)
{
    return (struct cursor){packet.at, packet.at + header->size, packet.at + packet.len, false};
}

#endif
