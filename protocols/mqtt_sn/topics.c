/* topics: see topics.h.
 *
 * Invariant: `ids` is sorted, since ids are given in rising order; each topic stands in both. */
#include "protocols/mqtt_sn/topics.h"

#include "base/cursor.h"

#include <stdlib.h>

enum { ID_LAST = 0xFFFE };

static struct slice name_of(const void *item)
{
    const struct sn_topic *topic = item;
    return slice_of(topic->name, topic->len);
}

struct sn_topics *sn_topics_new(void)
{
    struct sn_topics *topics = calloc(1, sizeof *topics);
    if (topics)
        map_init(&topics->names, name_of);
    return topics;
}

void sn_topics_free(struct sn_topics *topics)
{
    if (!topics)
        return;
    map_clear(&topics->names);
    for (uint32_t i = 0; i < topics->count; i++)
        free(topics->ids[i]);
    free(topics->ids);
    free(topics);
}

struct sn_topic *sn_topics_find(const struct sn_topics *topics, uint16_t id)
{
    uint32_t low = 0, high = topics ? topics->count : 0;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (topics->ids[middle]->id == id)
            return topics->ids[middle];
        if (topics->ids[middle]->id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

struct sn_topic *sn_topics_named(const struct sn_topics *topics, struct slice name)
{
    return topics ? map_find(&topics->names, name) : NULL;
}

static bool has_room(struct sn_topics *topics)
{
    if (topics->count < topics->capacity)
        return true;
    uint32_t capacity = topics->capacity ? topics->capacity * 2 : 4;
    struct sn_topic **grown = realloc(topics->ids, capacity * sizeof(*grown));
    if (!grown)
        return false;
    topics->ids = grown;
    topics->capacity = capacity;
    return true;
}

/* The caller has seen that the id is above all others and that the name is new. */
static struct sn_topic *put(struct sn_topics *topics, uint16_t id, struct slice name)
{
    if (name.len > UINT16_MAX || !has_room(topics))
        return NULL;
    struct sn_topic *topic = malloc(sizeof *topic + name.len);
    if (!topic)
        return NULL;
    *topic = (struct sn_topic){.id = id, .len = (uint16_t)name.len};
    if (name.len)
        memcpy(topic->name, name.at, name.len);
    if (map_put(&topics->names, topic) != 0) {
        free(topic);
        return NULL;
    }
    topics->ids[topics->count++] = topic;
    topics->last = id;
    return topic;
}

struct sn_topic *sn_topics_add(struct sn_topics *topics, struct slice name,
                               bool (*taken)(const void *of, uint16_t id), const void *of)
{
    uint32_t id = topics->last + UINT32_C(1);
    while (id <= ID_LAST && taken && taken(of, (uint16_t)id))
        id++;
    return id <= ID_LAST ? put(topics, (uint16_t)id, name) : NULL;
}

void sn_topics_doubt(struct sn_topics *topics)
{
    for (uint32_t i = 0; topics && i < topics->count; i++)
        topics->ids[i]->known = false;
}

size_t sn_topics_size(const struct sn_topics *topics)
{
    size_t size = 0;
    for (uint32_t i = 0; topics && i < topics->count; i++)
        size += 4 + (size_t)topics->ids[i]->len;
    return size;
}

void sn_topics_write(const struct sn_topics *topics, struct writer *w)
{
    for (uint32_t i = 0; topics && i < topics->count; i++) {
        const struct sn_topic *topic = topics->ids[i];
        writer_u16(w, topic->id);
        writer_u16(w, topic->len);
        writer_bytes(w, slice_of(topic->name, topic->len));
    }
}

bool sn_topics_read(struct sn_topics *topics, struct slice bytes)
{
    struct cursor c = cursor_of(bytes);
    while (cursor_left(&c)) {
        uint16_t id = cursor_u16(&c);
        struct slice name = cursor_take(&c, cursor_u16(&c));
        if (c.failed || id <= topics->last || id > ID_LAST || sn_topics_named(topics, name) ||
            !put(topics, id, name))
            return false;
    }
    return true;
}

size_t sn_topics_known_size(const struct sn_topics *topics)
{
    return topics ? (topics->count + 7) / 8 : 0;
}

void sn_topics_write_known(const struct sn_topics *topics, struct writer *w)
{
    for (uint32_t i = 0; topics && i < topics->count; i += 8) {
        uint8_t bits = 0;
        for (uint32_t j = i; j < i + 8 && j < topics->count; j++)
            bits |= (uint8_t)(topics->ids[j]->known << (j - i));
        writer_u8(w, bits);
    }
}

void sn_topics_read_known(struct sn_topics *topics, struct slice bits)
{
    for (uint32_t i = 0; topics && i < topics->count && i / 8 < bits.len; i++)
        topics->ids[i]->known = bits.at[i / 8] >> i % 8 & 1;
}
