/* memory: what a session remembers for MQTT-SN beside what the core keeps: its will, which survives
 * a CONNECT without Will flag (MQTT-SN 1.2 section 6.3), and its topic ids, which are valid as long
 * as the session (section 6.5).
 *
 *   version 1 | 0, or 1 flags topic-length(2) topic message-length(4) message | topic ids
 *
 * It is the core's note of the session (session_note), so it is durable when the session is. */
#include "protocols/mqtt_sn/packets.h"

#include "base/cursor.h"

#include <errno.h>
#include <stdlib.h>

enum { VERSION = 1 };

static bool read_memory(struct slice bytes, struct sn_memory *memory)
{
    struct cursor c = cursor_of(bytes);
    if (cursor_u8(&c) != VERSION)
        return false;
    memory->has_will = cursor_u8(&c) == 1;
    if (memory->has_will) {
        memory->will_flags = cursor_u8(&c);
        memory->will_topic = cursor_take(&c, cursor_u16(&c));
        memory->will_message = cursor_take(&c, cursor_u32(&c));
    }
    memory->topics = cursor_rest(&c);
    return !c.failed;
}

void sn_recall(const struct session *session, struct sn_memory *memory)
{
    *memory = (struct sn_memory){0};
    if (!read_memory(session_noted(session), memory))
        *memory = (struct sn_memory){0};
}

static size_t memory_size(const struct sn_memory *will, const struct sn_topics *topics)
{
    size_t size = 2 + sn_topics_size(topics);
    return will->has_will ? size + 7 + will->will_topic.len + will->will_message.len : size;
}

static void write_memory(struct writer *w, const struct sn_memory *will,
                         const struct sn_topics *topics)
{
    writer_u8(w, VERSION);
    writer_u8(w, will->has_will);
    if (will->has_will) {
        writer_u8(w, will->will_flags);
        writer_u16(w, (uint16_t)will->will_topic.len);
        writer_bytes(w, will->will_topic);
        writer_u32(w, (uint32_t)will->will_message.len);
        writer_bytes(w, will->will_message);
    }
    sn_topics_write(topics, w);
}

/* The ids of a session that ends with its connection need no copy. */
int sn_remember(struct sn_connection *c, const struct sn_memory *will)
{
    const struct sn_topics *topics = c->clean ? NULL : c->topics;
    if (!will->has_will && (!topics || topics->count == 0))
        return session_noted(c->session).len ? session_note(c->session, SLICE_EMPTY) : 0;
    size_t size = memory_size(will, topics);
    uint8_t *bytes = malloc(size);
    if (!bytes)
        return -ENOMEM;
    struct writer w = writer_of(bytes, size);
    write_memory(&w, will, topics);
    int result = session_note(c->session, slice_of(bytes, size));
    free(bytes);
    return result;
}
