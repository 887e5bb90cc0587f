/* topics: see topics.h. Behind the resources of collection.c and topic.c; value.c and observe.c ask
 * whether a topic has a configuration. */
#include "protocols/coap/topics.h"

#include "base/random.h"
#include "broker/broker.h"
#include "protocols/coap/wire.h"

#include <stdlib.h>

enum { ID_BITS = 40, NOTE_REST = 128 /* of a note beside its texts */ };

static const char owner[] = "coap";

static struct slice key_by_id(const void *item)
{
    const struct coap_topic *topic = item;
    return slice_of(&topic->id, sizeof topic->id);
}

static struct slice key_by_name(const void *item)
{
    return coap_topic_full_name(item);
}

/* ---- ids ---- */

void coap_topic_level(uint64_t id, uint8_t to[COAP_ID_LEN])
{
    to[0] = '+';
    for (unsigned i = 1; i < COAP_ID_LEN; i++)
        to[i] = (uint8_t) "0123456789abcdef"[id >> (ID_BITS - 4 * i) & 15];
}

/* 0 for what is no id. */
static uint64_t id_of(struct slice level)
{
    uint64_t id = 0;
    if (level.len != COAP_ID_LEN || level.at[0] != '+')
        return 0;
    for (unsigned i = 1; i < COAP_ID_LEN; i++) {
        uint8_t digit = level.at[i];
        if (digit >= '0' && digit <= '9')
            id = id << 4 | (uint64_t)(digit - '0');
        else if (digit >= 'a' && digit <= 'f')
            id = id << 4 | (uint64_t)(digit - 'a' + 10);
        else
            return 0;
    }
    return id;
}

static uint64_t new_id(const struct coap_topics *topics)
{
    for (;;) {
        uint64_t id = random_u64() >> (64 - ID_BITS);
        if (id && !coap_topics_numbered(topics, id))
            return id;
    }
}

/* ---- looking up ---- */

struct coap_topic *coap_topics_find(const struct coap_topics *topics, struct slice full_name)
{
    return topics->by_name.count ? map_find(&topics->by_name, full_name) : NULL;
}

struct coap_topic *coap_topics_numbered(const struct coap_topics *topics, uint64_t id)
{
    return map_find(&topics->by_id, slice_of(&id, sizeof id));
}

struct coap_topic *coap_topics_named(const struct coap_topics *topics, struct slice level)
{
    uint64_t id = id_of(level);
    return id ? coap_topics_numbered(topics, id) : NULL;
}

struct coap_topic *coap_topics_expired(struct coap_topics *topics, int64_t wall_ms)
{
    uint64_t now_s = (uint64_t)(wall_ms / 1000), next = UINT64_MAX;
    if (now_s < topics->next_expiry_s)
        return NULL;
    size_t position = 0;
    struct coap_topic *topic;
    while ((topic = map_next(&topics->by_id, &position)) != NULL) {
        if (topic->expires_s && topic->expires_s <= now_s)
            return topic;
        if (topic->expires_s && topic->expires_s < next)
            next = topic->expires_s;
    }
    topics->next_expiry_s = next;
    return NULL;
}

/* ---- what it is configured by ---- */

struct coap_properties coap_topic_properties(const struct coap_topic *topic,
                                             uint8_t place[COAP_PLACE_LEN])
{
    struct coap_properties p = {
        .given = 1 << COAP_TOPIC_NAME | 1 << COAP_TOPIC_DATA | 1 << COAP_RESOURCE_TYPE,
        .name = coap_topic_name(topic),
        .place = slice_of(place, COAP_PLACE_LEN),
        .resource_type = SLICE("core.ps.data"),
        .topic_type = slice_of(topic->type, topic->type_len),
        .expires_s = topic->expires_s,
        .max_subscribers = topic->max_subscribers,
        .observer_check_s = topic->observer_check_s,
    };
    memcpy(place, "/ps/data/", COAP_PLACE_LEN - COAP_ID_LEN);
    coap_topic_level(topic->id, place + COAP_PLACE_LEN - COAP_ID_LEN);
    if (topic->format != COAP_NO_FORMAT) {
        p.format = (uint16_t)topic->format;
        p.given |= 1 << COAP_TOPIC_FORMAT;
    }
    if (topic->type_len)
        p.given |= 1 << COAP_TOPIC_TYPE;
    if (topic->expires_s)
        p.given |= 1 << COAP_EXPIRATION;
    if (topic->max_subscribers != UINT64_MAX)
        p.given |= 1 << COAP_MAX_SUBSCRIBERS;
    if (topic->observer_check_s)
        p.given |= 1 << COAP_OBSERVER_CHECK;
    return p;
}

/* Takes over what is given; the rest gets its default when `whole`. */
static void set(struct coap_topic *topic, const struct coap_properties *p, bool whole)
{
    if (whole || coap_has(p, COAP_EXPIRATION))
        topic->expires_s = coap_has(p, COAP_EXPIRATION) ? p->expires_s : 0;
    if (whole || coap_has(p, COAP_MAX_SUBSCRIBERS))
        topic->max_subscribers =
            coap_has(p, COAP_MAX_SUBSCRIBERS) ? p->max_subscribers : UINT64_MAX;
    if (whole || coap_has(p, COAP_OBSERVER_CHECK))
        topic->observer_check_s = coap_has(p, COAP_OBSERVER_CHECK) ? p->observer_check_s : 0;
    if (whole || coap_has(p, COAP_TOPIC_FORMAT))
        topic->format = coap_has(p, COAP_TOPIC_FORMAT) ? p->format : COAP_NO_FORMAT;
    if (whole || coap_has(p, COAP_TOPIC_TYPE)) {
        topic->type_len = coap_has(p, COAP_TOPIC_TYPE) ? (uint16_t)p->topic_type.len : 0;
        if (topic->type_len)
            memcpy(topic->type, p->topic_type.at, topic->type_len);
    }
}

/* One with those properties, in no table yet. NULL when out of memory. */
static struct coap_topic *make(uint64_t id, struct slice mountpoint,
                               const struct coap_properties *p)
{
    struct coap_topic *topic = calloc(1, sizeof *topic + mountpoint.len + p->name.len);
    if (!topic)
        return NULL;
    list_init(&topic->observers);
    topic->id = id;
    topic->mountpoint_len = (uint16_t)mountpoint.len;
    topic->name_len = (uint16_t)p->name.len;
    struct writer w = writer_of((uint8_t *)topic->text, mountpoint.len + p->name.len);
    writer_bytes(&w, mountpoint);
    writer_bytes(&w, p->name);
    set(topic, p, true);
    return topic;
}

static void expect(struct coap_topics *topics, const struct coap_topic *topic)
{
    if (topic->expires_s && topic->expires_s < topics->next_expiry_s)
        topics->next_expiry_s = topic->expires_s;
}

static bool put(struct coap_topics *topics, struct coap_topic *topic)
{
    if (map_put(&topics->by_id, topic) != 0)
        return false;
    if (map_put(&topics->by_name, topic) != 0) {
        map_take(&topics->by_id, key_by_id(topic));
        return false;
    }
    expect(topics, topic);
    return true;
}

static void take_out(struct coap_topics *topics, struct coap_topic *topic)
{
    map_take(&topics->by_id, key_by_id(topic));
    map_take(&topics->by_name, key_by_name(topic));
}

/* ---- what the core keeps ---- */

static bool keep(struct coap_topics *topics, const struct coap_topic *topic)
{
    uint8_t place[COAP_PLACE_LEN], level[COAP_ID_LEN];
    struct coap_properties p = coap_topic_properties(topic, place);
    p.mountpoint = slice_of(topic->text, topic->mountpoint_len);
    p.given |= (uint16_t)(1 << COAP_MOUNTPOINT);
    size_t most = NOTE_REST + topic->mountpoint_len + topic->name_len + topic->type_len;
    uint8_t *bytes = malloc(most);
    if (!bytes)
        return false;
    struct writer w = writer_of(bytes, most);
    coap_write_properties(&w, &p, UINT16_MAX);
    coap_topic_level(topic->id, level);
    int failed = w.overflow || broker_note(topics->broker, owner, slice_of(level, sizeof level),
                                           slice_of(bytes, writer_len(&w))) != 0;
    free(bytes);
    return !failed;
}

/* One note read back; what makes no sense is passed over. */
static void recall(void *to, struct slice name, struct slice value)
{
    struct coap_topics *topics = to;
    struct coap_properties p;
    uint64_t id = id_of(name);
    if (!id || !coap_read_properties(value, true, &p) || p.name.len > COAP_TOPIC_NAME_MOST ||
        p.topic_type.len > COAP_TOPIC_TYPE_MOST || p.mountpoint.len > UINT16_MAX / 2)
        return;
    struct coap_topic *topic = make(id, p.mountpoint, &p);
    if (topic && (coap_topics_numbered(topics, id) ||
                  coap_topics_find(topics, coap_topic_full_name(topic)) || !put(topics, topic)))
        free(topic);
}

void coap_topics_init(struct coap_topics *topics, struct broker *broker)
{
    *topics = (struct coap_topics){.broker = broker, .next_expiry_s = UINT64_MAX};
    map_init(&topics->by_id, key_by_id);
    map_init(&topics->by_name, key_by_name);
    broker_each_note(broker, owner, recall, topics);
}

void coap_topics_clear(struct coap_topics *topics)
{
    size_t position = 0;
    struct coap_topic *topic;
    while ((topic = map_next(&topics->by_id, &position)) != NULL)
        free(topic);
    map_clear(&topics->by_id);
    map_clear(&topics->by_name);
}

/* ---- changes ---- */

struct coap_topic *coap_topics_add(struct coap_topics *topics, struct slice mountpoint,
                                   const struct coap_properties *properties)
{
    struct coap_topic *topic = make(new_id(topics), mountpoint, properties);
    if (!topic)
        return NULL;
    if (put(topics, topic)) {
        if (keep(topics, topic))
            return topic;
        take_out(topics, topic);
    }
    free(topic);
    return NULL;
}

bool coap_topics_change(struct coap_topics *topics, struct coap_topic *topic,
                        const struct coap_properties *properties, bool whole)
{
    const struct coap_topic former = *topic; /* without its name, which stays */
    set(topic, properties, whole);
    if (keep(topics, topic)) {
        expect(topics, topic);
        return true;
    }
    struct list observers = topic->observers; /* its neighbours point at it, not at the copy */
    *topic = former;
    topic->observers = observers;
    return false;
}

void coap_topics_remove(struct coap_topics *topics, struct coap_topic *topic)
{
    uint8_t level[COAP_ID_LEN];
    coap_topic_level(topic->id, level);
    broker_note(topics->broker, owner, slice_of(level, sizeof level), SLICE_EMPTY);
    take_out(topics, topic);
    free(topic);
}
