/* read: strings, binary data and topic names out of a packet; shared by the decoders of this
 * folder.
 *
 * Each reader fills the fault itself, with the offset at which the field starts. */
#ifndef SIOTD_PROTOCOLS_MQTT_READ_H
#define SIOTD_PROTOCOLS_MQTT_READ_H

#include "protocols/mqtt/header.h"

/* 0x81 at the cursor: the packet ends inside `what`. */
static inline bool mqtt_cut_short(const struct cursor *c, const char *what,
                                  struct mqtt_fault *fault)
{
    return mqtt_fail(fault, MQTT_MALFORMED_PACKET, cursor_offset(c), "MQTT-4.13.1-1", what);
}

/* Two bytes of length and as many of anything (5.0 section 1.5.6). `what` is said when it is cut
 * short. */
static inline bool mqtt_read_binary(struct cursor *c, struct slice *out, const char *what,
                                    struct mqtt_fault *fault)
{
    uint16_t len = cursor_u16(c);
    *out = cursor_take(c, len);
    return !c->failed || mqtt_cut_short(c, what, fault);
}

/* A string of well-formed UTF-8 without U+0000 [MQTT-1.5.4-1, MQTT-1.5.4-2]. */
bool mqtt_read_text(struct cursor *c, struct slice *out, const char *what,
                    struct mqtt_fault *fault);

/* A packet identifier that is not 0 [MQTT-2.2.1-3]. */
bool mqtt_read_packet_id(struct cursor *c, uint16_t *out, struct mqtt_fault *fault);

/* Nothing may be left. */
static inline bool mqtt_read_end(const struct cursor *c, struct mqtt_fault *fault)
{
    return cursor_left(c) == 0 || mqtt_fail(fault, MQTT_MALFORMED_PACKET, cursor_offset(c),
                                            "MQTT-4.13.1-1", "bytes behind the end of the packet");
}

enum mqtt_topic_state { MQTT_TOPIC_GOOD, MQTT_TOPIC_ILL_FORMED, MQTT_TOPIC_WILDCARD };

/* Whether a topic name is well-formed UTF-8 without U+0000 and without '+' and '#'; an empty one is
 * good. One pass over topics that are ASCII. */
enum mqtt_topic_state mqtt_check_topic(struct slice topic);

#endif
