/* topics: those that were created through the collection (draft-ietf-core-coap-pubsub-21).
 *
 * A topic here is a configuration beside a topic of the tree; its value is the retained one of that
 * name, its subscribers are whoever subscribes to it. Kept as notes of the core, so it survives a
 * restart where there is a store. Its resources are /ps/+ID and /ps/data/+ID: no level of a topic
 * may hold '+' [MQTT-3.3.2-2], so neither can be mistaken for a topic of its own name. */
#ifndef SIOTD_PROTOCOLS_COAP_TOPICS_H
#define SIOTD_PROTOCOLS_COAP_TOPICS_H

#include "base/list.h"
#include "base/map.h"
#include "protocols/coap/properties.h"

struct broker;

enum {
    COAP_ID_LEN = 11,           /* '+' and ten hexadecimal digits */
    COAP_TOPIC_NAME_MOST = 512, /* so that a configuration fits in one datagram */
    COAP_TOPIC_TYPE_MOST = 64,
};

struct coap_topic {
    uint64_t id;           /* never 0 */
    struct list observers; /* struct coap_observation.topic_link */
    uint64_t observer_count;
    uint64_t expires_s;        /* since 1970; 0: never */
    uint64_t max_subscribers;  /* UINT64_MAX: no limit */
    uint64_t observer_check_s; /* 0: as the options say */
    uint32_t format;           /* or COAP_NO_FORMAT */
    uint16_t mountpoint_len, name_len, type_len;
    uint8_t type[COAP_TOPIC_TYPE_MOST];
    char text[]; /* mountpoint and name: its name in the core */
};

static inline struct slice coap_topic_full_name(const struct coap_topic *topic)
{
    return slice_of(topic->text, (size_t)topic->mountpoint_len + topic->name_len);
}

static inline struct slice coap_topic_name(const struct coap_topic *topic)
{
    return slice_of(topic->text + topic->mountpoint_len, topic->name_len);
}

struct coap_topics {
    struct broker *broker;
    struct map by_id, by_name; /* owns what is in both */
    uint64_t next_expiry_s;    /* none expires before; UINT64_MAX: none does */
};

/* Takes in what the core has noted. */
void coap_topics_init(struct coap_topics *topics, struct broker *broker);
/* Frees all without a trace; what the core has noted stays. No observers may be left. */
void coap_topics_clear(struct coap_topics *topics);

/* By its full name, or by the level that its resources have; NULL when there is none. */
struct coap_topic *coap_topics_find(const struct coap_topics *topics, struct slice full_name);
struct coap_topic *coap_topics_named(const struct coap_topics *topics, struct slice level);
struct coap_topic *coap_topics_numbered(const struct coap_topics *topics, uint64_t id);

/* Adds one, which must not be there yet, and notes it. NULL when out of memory. */
struct coap_topic *coap_topics_add(struct coap_topics *topics, struct slice mountpoint,
                                   const struct coap_properties *properties);

/* Sets what may change. `whole`: what is not given gets its default. Notes it. False, and nothing
 * has changed, when out of memory. */
bool coap_topics_change(struct coap_topics *topics, struct coap_topic *topic,
                        const struct coap_properties *properties, bool whole);

/* Removes and frees it, and its note. Its observers must have been let go. */
void coap_topics_remove(struct coap_topics *topics, struct coap_topic *topic);

/* One that has expired by then, or NULL. */
struct coap_topic *coap_topics_expired(struct coap_topics *topics, int64_t wall_ms);

/* The level that stands for an id in a path: COAP_ID_LEN bytes to `to`. */
void coap_topic_level(uint64_t id, uint8_t to[COAP_ID_LEN]);

/* Its configuration as properties, borrowed from it and from `place`, which is filled with the path
 * of its value. */
enum { COAP_PLACE_LEN = sizeof "/ps/data/" - 1 + COAP_ID_LEN };
struct coap_properties coap_topic_properties(const struct coap_topic *topic,
                                             uint8_t place[COAP_PLACE_LEN]);

#endif
