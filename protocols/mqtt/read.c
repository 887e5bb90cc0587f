/* read: strings and topic names.
 *
 * mqtt_check_topic runs once for every PUBLISH: eight bytes at a time, and nearly always that is
 * all. */
#include "protocols/mqtt/read.h"

#include "base/utf8.h"

bool mqtt_read_text(struct cursor *c, struct slice *out, const char *what, struct mqtt_fault *fault)
{
    size_t offset = cursor_offset(c);
    if (!mqtt_read_binary(c, out, what, fault))
        return false;
    return utf8_well_formed(*out) ||
           mqtt_fail(fault, MQTT_MALFORMED_PACKET, offset, "MQTT-1.5.4-1", "ill-formed UTF-8");
}

bool mqtt_read_packet_id(struct cursor *c, uint16_t *out, struct mqtt_fault *fault)
{
    size_t offset = cursor_offset(c);
    *out = cursor_u16(c);
    if (c->failed)
        return mqtt_cut_short(c, "cut short in the packet identifier", fault);
    return *out != 0 ||
           mqtt_fail(fault, MQTT_PROTOCOL_ERROR, offset, "MQTT-2.2.1-3", "packet identifier 0");
}

#define EACH_BYTE(b) (UINT64_C(0x0101010101010101) * (b))

/* Not zero when one of eight bytes is 0. */
static inline uint64_t any_zero(uint64_t word)
{
    return (word - EACH_BYTE(1)) & ~word & EACH_BYTE(0x80);
}

/* Not zero when one of eight bytes is 0, not ASCII, '#' or '+', which differ in bit 3 only. */
static inline uint64_t any_special(uint64_t word)
{
    return (word & EACH_BYTE(0x80)) | any_zero(word) |
           any_zero((word | EACH_BYTE(0x08)) ^ EACH_BYTE('+'));
}

static inline uint64_t load(const uint8_t *at)
{
    uint64_t word;
    memcpy(&word, at, sizeof(word));
    return word;
}

static bool plain(struct slice s)
{
    if (s.len < 8) {
        for (size_t i = 0; i < s.len; i++)
            if (s.at[i] == 0 || s.at[i] >= 0x80 || (s.at[i] | 0x08) == '+')
                return false;
        return true;
    }
    uint64_t special = any_special(load(s.at + s.len - 8));
    for (size_t i = 0; i + 8 < s.len; i += 8)
        special |= any_special(load(s.at + i));
    return special == 0;
}

enum mqtt_topic_state mqtt_check_topic(struct slice topic)
{
    if (plain(topic))
        return MQTT_TOPIC_GOOD;
    if (!utf8_well_formed(topic))
        return MQTT_TOPIC_ILL_FORMED;
    if (memchr(topic.at, '+', topic.len) || memchr(topic.at, '#', topic.len))
        return MQTT_TOPIC_WILDCARD;
    return MQTT_TOPIC_GOOD;
}
