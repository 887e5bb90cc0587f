/* walk: who gets one message, gathered before anything is done with it.
 *
 *   router_match -> walk_gather -> [walk_provide: room and memory] -> publish.c delivers
 *
 * Each session stands in it once, however many of its subscriptions match; each share is to be
 * served by one of its members, who is chosen before the message is accepted, so that there is room
 * and memory for it where it goes. Kept from one message to the next, with what it has grown to. */
#ifndef SIOTD_BROKER_WALK_H
#define SIOTD_BROKER_WALK_H

#include "broker/verdict.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct broker;
struct message;
struct origin;
struct session;
struct share;
struct subscription;

/* One session. Those with subscriptions of their own come first. */
struct match {
    struct session *session;
    uint32_t identifier; /* the first one; 0: none */
    uint32_t more;       /* 1 + index of further ones in the chain; 0: none */
    uint32_t shared;     /* how many shares have chosen it for a copy with QoS 1 or 2 */
    uint8_t qos;
    bool retain;
};

/* One share, and who has been chosen; NULL: nobody. */
struct turn {
    struct share *share;
    struct subscription *chosen;
};

struct identifier {
    uint32_t value, next;
};

struct walk {
    struct match *matches;
    size_t count, capacity;
    size_t plain; /* of the matches: with subscriptions of their own */
    struct turn *turns;
    size_t turn_count, turn_capacity;
    struct identifier *chain; /* subscription identifiers of overlapping subscriptions */
    size_t chain_count, chain_capacity;
    uint32_t *flat; /* one session's identifiers in a row */
    size_t flat_capacity;
    uint8_t *topic; /* mountpoint and topic in a row */
    size_t topic_capacity;
    uint32_t serial;
};

/* Frees what it has grown to. */
void walk_clear(struct walk *walk);

/* Room for so many items; the array moved, or NULL when out of memory. */
void *walk_grow(void *at, size_t *capacity, size_t needed, size_t item);

/* The sessions and shares of all nodes that router_match has found. False when out of memory. */
bool walk_gather(struct broker *broker, const struct origin *origin, const struct message *m);

/* Chooses who serves the shares, and gets all the room and memory that keeping the message will
 * take, before anything has happened: who is told that it was accepted must not lose it for want of
 * some. VERDICT_QUOTA when a queue is full (and limits.queue_full says so) or the store,
 * VERDICT_NO_MEMORY. */
enum verdict walk_provide(struct broker *broker, struct message *m);

/* How many copies with QoS 1 or 2 the session is about to get; 0 when no walk is under way. */
uint32_t walk_copies(const struct broker *broker, const struct session *session);

/* All identifiers of a match in a row; good until the next call. */
const uint32_t *walk_identifiers(struct walk *walk, const struct match *match, uint16_t *count);

#endif
