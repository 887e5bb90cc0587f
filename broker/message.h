/* message: one application message, immutable and counted.
 *
 * A message begins life borrowed: a protocol fills one on its stack with slices of the packet
 * it has just decoded and gives it to broker_publish. Most QoS 0 messages end that way, copied
 * straight into their receivers' output. Whoever must keep it (a queue, the retained tree, a large
 * payload sent by reference) asks message_hold, which copies once, however many keep it.
 * What differs per subscriber (QoS, retain flag, packet id, subscription ids) is in the delivery.
 */
#ifndef SIOTD_BROKER_MESSAGE_H
#define SIOTD_BROKER_MESSAGE_H

#include "base/slice.h"

struct principal;
struct message;

/* A message that rows of the store name, and how many (durable.h). */
struct stored_message {
    uint64_t number;
    uint32_t rows;        /* queued and retained ones */
    uint32_t held;        /* of those: what is in memory */
    uint32_t named;       /* how many there are as the store has been told; 0: not at all */
    uint32_t named_in;    /* with that batch */
    struct message *live; /* where it is in memory, or NULL; not a reference */
};

struct message {
    const uint8_t *topic, *payload, *properties;
    uint32_t payload_len;
    uint32_t properties_len;
    uint32_t refs; /* 0: borrowed */
    uint16_t topic_len;
    uint8_t qos;                 /* as published */
    bool retain;                 /* as published */
    int64_t expires_ms;          /* wall clock, ms since 1970; 0: never [MQTT-3.3.2-5] */
    struct principal *author;    /* who published it, of what may be retained; NULL: the daemon, or
                                    nobody will ask. An owned message holds a reference */
    struct message *held;        /* of a borrowed message: its owned copy once there is one */
    struct stored_message *kept; /* of an owned one that the store has; the core's */
    uint64_t stored; /* of an owned one that is retained: its number in the order of storing */
};
/* `properties` is what MQTT 5.0 passes on unaltered and in order (payload format, content type,
 * response topic, correlation data, user properties; sections 3.3.2.3.2 to 3.3.2.3.7), in that
 * protocol's encoding: other protocols translate to and from it at their edge. */

static inline struct slice message_topic(const struct message *m)
{
    return (struct slice){m->topic, m->topic_len};
}

static inline struct slice message_payload(const struct message *m)
{
    return (struct slice){m->payload, m->payload_len};
}

static inline struct slice message_properties(const struct message *m)
{
    return (struct slice){m->properties, m->properties_len};
}

/* Bytes that count against queue and retained limits. */
static inline size_t message_size(const struct message *m)
{
    return (size_t)m->topic_len + m->payload_len + m->properties_len;
}

/* A reference to an owned message with m's content: m itself when it is owned, else its one copy.
 * NULL when out of memory. The caller gives the reference back with message_unref. */
struct message *message_hold(struct message *m);

/* Sees to it that message_hold finds memory from now on, until message_end. False: there is none.
 */
bool message_provide(struct message *m);

/* Gives back one reference; frees with the last. NULL is allowed. */
void message_unref(struct message *m);

/* For the one who put a borrowed message on the stack: lets go of the copy it may have caused. */
void message_end(struct message *borrowed);

/* Whether the message has expired at wall_ms; the seconds left (at least 1) otherwise
 * [MQTT-3.3.2-6]. */
bool message_expired(const struct message *m, int64_t wall_ms);
uint32_t message_seconds_left(const struct message *m, int64_t wall_ms);

#endif
