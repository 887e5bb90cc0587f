/* memory: what a session remembers for MQTT-SN beside what the core keeps: its will, which survives
 * a CONNECT without Will flag (MQTT-SN 1.2 section 6.3), its topic ids, which are valid as long
 * as the session (section 6.5), and where and until when its client sleeps (section 6.14).
 *
 *   version 1 | parts | flags topic-length(2) topic message-length(4) message
 *     | until(8) silence(4) keep-alive(2) marks, and listener, endpoint, node, known ids, each with
 *       its length (2) | topic ids
 *
 * of which `parts` says which are there. It is the core's note of the session (session_note), so it
 * is durable when the session is. */
#include "protocols/mqtt_sn/packets.h"

#include "base/cursor.h"

#include <errno.h>
#include <stdlib.h>

enum { VERSION = 1 };

enum part { PART_WILL = 1 << 0, PART_SLEEP = 1 << 1 };
enum mark {
    MARK_CLEAN = 1 << 0,
    MARK_WRAPPED = 1 << 1,
    MARK_VERIFIED = 1 << 2,
    MARK_PRIVATE = 1 << 3
};

static void read_sleep(struct cursor *c, struct sn_sleep *sleep)
{
    sleep->until_ms = (int64_t)cursor_u64(c);
    sleep->silence_ms = cursor_u32(c);
    sleep->keep_alive_s = cursor_u16(c);
    uint8_t marks = cursor_u8(c);
    sleep->clean = marks & MARK_CLEAN;
    sleep->wrapped = marks & MARK_WRAPPED;
    sleep->verified = marks & MARK_VERIFIED;
    sleep->private = marks & MARK_PRIVATE;
    sleep->listener = cursor_take(c, cursor_u16(c));
    sleep->endpoint = cursor_take(c, cursor_u16(c));
    sleep->node = cursor_take(c, cursor_u16(c));
    sleep->known = cursor_take(c, cursor_u16(c));
}

static bool read_memory(struct slice bytes, struct sn_memory *memory)
{
    struct cursor c = cursor_of(bytes);
    if (cursor_u8(&c) != VERSION)
        return false;
    uint8_t parts = cursor_u8(&c);
    memory->has_will = parts & PART_WILL;
    memory->sleeps = parts & PART_SLEEP;
    if (memory->has_will) {
        memory->will_flags = cursor_u8(&c);
        memory->will_topic = cursor_take(&c, cursor_u16(&c));
        memory->will_message = cursor_take(&c, cursor_u32(&c));
    }
    if (memory->sleeps)
        read_sleep(&c, &memory->sleep);
    memory->topics = cursor_rest(&c);
    return !c.failed;
}

void sn_recall(const struct session *session, struct sn_memory *memory)
{
    *memory = (struct sn_memory){0};
    if (!read_memory(session_noted(session), memory))
        *memory = (struct sn_memory){0};
}

/* ---- writing ---- */

/* What to say of a client that sleeps. */
static struct sn_sleep sleep_of(const struct sn_connection *c, uint8_t endpoint[PEER_ENDPOINT_SIZE])
{
    struct peer *peer = c->gate->peer;
    uint64_t silent_ms = peer_now_ms(peer) - c->heard_ms;
    return (struct sn_sleep){
        .until_ms = broker_wall_ms(c->gate->broker) + (int64_t)c->silence_ms - (int64_t)silent_ms,
        .silence_ms = c->silence_ms,
        .keep_alive_s = c->keep_alive_s,
        .clean = c->clean,
        .wrapped = c->wrapped,
        .verified = peer_is_verified(peer),
        .private = peer_is_private(peer),
        .listener = slice_of_str(peer_listener(peer)->name),
        .endpoint = slice_of(endpoint, peer_endpoint(peer, endpoint)),
        .node = sn_node(c),
    };
}

static void write_text(struct writer *w, struct slice text)
{
    writer_u16(w, (uint16_t)text.len);
    writer_bytes(w, text);
}

static void write_sleep(struct writer *w, const struct sn_sleep *sleep,
                        const struct sn_topics *topics)
{
    writer_u64(w, (uint64_t)sleep->until_ms);
    writer_u32(w, sleep->silence_ms);
    writer_u16(w, sleep->keep_alive_s);
    writer_u8(w, (uint8_t)((sleep->clean ? MARK_CLEAN : 0) | (sleep->wrapped ? MARK_WRAPPED : 0) |
                           (sleep->verified ? MARK_VERIFIED : 0) |
                           (sleep->private ? MARK_PRIVATE : 0)));
    write_text(w, sleep->listener);
    write_text(w, sleep->endpoint);
    write_text(w, sleep->node);
    writer_u16(w, (uint16_t)sn_topics_known_size(topics));
    sn_topics_write_known(topics, w);
}

static void write_will(struct writer *w, const struct sn_memory *will)
{
    writer_u8(w, will->will_flags);
    write_text(w, will->will_topic);
    writer_u32(w, (uint32_t)will->will_message.len);
    writer_bytes(w, will->will_message);
}

enum {
    WILL_REST = 7,                            /* of the will beside its texts */
    SLEEP_REST = 23 + PEER_ENDPOINT_SIZE + 1, /* and of the sleep beside listener, node, ids */
};

static size_t memory_size(const struct sn_memory *memory, const struct sn_topics *topics)
{
    size_t size = 2 + sn_topics_size(topics);
    if (memory->has_will)
        size += WILL_REST + memory->will_topic.len + memory->will_message.len;
    if (memory->sleeps)
        size += SLEEP_REST + memory->sleep.listener.len + memory->sleep.node.len +
                sn_topics_known_size(topics);
    return size;
}

static void write_memory(struct writer *w, const struct sn_memory *memory,
                         const struct sn_topics *topics)
{
    writer_u8(w, VERSION);
    writer_u8(w, (uint8_t)((memory->has_will ? PART_WILL : 0) | (memory->sleeps ? PART_SLEEP : 0)));
    if (memory->has_will)
        write_will(w, memory);
    if (memory->sleeps)
        write_sleep(w, &memory->sleep, topics);
    sn_topics_write(topics, w);
}

/* The ids of a session that ends with its connection need no copy. */
int sn_remember(struct sn_connection *c, const struct sn_memory *will)
{
    uint8_t endpoint[PEER_ENDPOINT_SIZE];
    struct sn_memory memory = *will;
    memory.sleeps = sn_is_sleeping(c) && session_is_kept(c->session);
    if (memory.sleeps)
        memory.sleep = sleep_of(c, endpoint);
    const struct sn_topics *topics = c->clean && !memory.sleeps ? NULL : c->topics;
    if (!memory.has_will && !memory.sleeps && (!topics || topics->count == 0))
        return session_noted(c->session).len ? session_note(c->session, SLICE_EMPTY) : 0;
    size_t size = memory_size(&memory, topics);
    uint8_t *bytes = malloc(size);
    if (!bytes)
        return -ENOMEM;
    struct writer w = writer_of(bytes, size);
    write_memory(&w, &memory, topics);
    int result = w.overflow ? -ENOMEM : session_note(c->session, slice_of(bytes, writer_len(&w)));
    free(bytes);
    return result;
}
