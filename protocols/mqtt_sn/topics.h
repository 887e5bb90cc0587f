/* topics: the topic ids of one client (MQTT-SN 1.2 section 6.5). Pure.
 *
 * An id is given to a name once and stays with it as long as the session lives; only a clean start
 * begins anew. `known` says whether the client has the name for the id: it asked for it, or it
 * has answered a REGISTER. After a new connection siotd does not believe that it still does. */
#ifndef SIOTD_PROTOCOLS_MQTT_SN_TOPICS_H
#define SIOTD_PROTOCOLS_MQTT_SN_TOPICS_H

#include "base/map.h"
#include "base/writer.h"

struct sn_topic {
    uint16_t id; /* 1 .. 0xFFFE; 0x0000 and 0xFFFF are reserved (section 5.3.11) */
    bool known;
    uint16_t len;
    char name[];
};

struct sn_topics {
    struct map names;      /* owns the topics */
    struct sn_topic **ids; /* the same, in order of their ids; owned array */
    uint32_t count, capacity;
    uint16_t last; /* the highest id given so far */
};

/* An empty table; NULL when out of memory. */
struct sn_topics *sn_topics_new(void);
/* NULL allowed. */
void sn_topics_free(struct sn_topics *topics);

/* The topic with that id or name, or NULL; borrowed, as long as the table lives. `topics` may be
 * NULL. */
struct sn_topic *sn_topics_find(const struct sn_topics *topics, uint16_t id);
struct sn_topic *sn_topics_named(const struct sn_topics *topics, struct slice name);

/* Gives an id to a name that has none: the lowest that was never given and that `taken` does not
 * say is somebody's (`of` is handed to it). NULL when out of memory or of ids. */
struct sn_topic *sn_topics_add(struct sn_topics *topics, struct slice name,
                               bool (*taken)(const void *of, uint16_t id), const void *of);

/* The client has to be told all names again. `topics` may be NULL. */
void sn_topics_doubt(struct sn_topics *topics);

/* All ids and names as bytes, and back: false when the bytes make no sense or there is no memory;
 * the table then holds what came before. */
size_t sn_topics_size(const struct sn_topics *topics);
void sn_topics_write(const struct sn_topics *topics, struct writer *w);
bool sn_topics_read(struct sn_topics *topics, struct slice bytes);

/* Which of them the client knows: a bit for each, in the order of the ids; and back, for a table
 * that has been read and nothing else. Fewer bits than ids leave the rest unknown. */
size_t sn_topics_known_size(const struct sn_topics *topics);
void sn_topics_write_known(const struct sn_topics *topics, struct writer *w);
void sn_topics_read_known(struct sn_topics *topics, struct slice bits);

#endif
