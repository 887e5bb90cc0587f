/* retained: the last value of each topic, and its replay to new subscribers.
 *
 * A tree of topic names whose nodes hold one counted message each. A replay is a snapshot of
 * references taken at SUBSCRIBE and sent in later turns, a few per turn; one that has been replaced
 * meanwhile is skipped, since its successor has already gone out by the subscription. */
#ifndef SIOTD_BROKER_RETAINED_H
#define SIOTD_BROKER_RETAINED_H

#include "broker/broker.h"
#include "broker/tree.h"

struct retained {
    struct tree tree; /* values: struct message *, one reference each */
    size_t sweep;     /* where the search for expired ones goes on: a slot of the tree */
};

void retained_init(struct retained *retained);
void retained_clear(struct retained *retained);

/* Whether `message` may be stored under the limits. */
bool retained_has_room(const struct broker *broker, const struct message *message);

/* Stores, replaces, or with an empty payload removes [MQTT-3.3.1-5..7]. False when out of memory.
 */
bool retained_store(struct broker *broker, struct message *message);

/* The current value of a topic, or NULL; borrowed. */
struct message *retained_find(const struct broker *broker, struct slice topic);

/* Frees expired values, looking at no more than `budget` places. */
void retained_sweep(struct broker *broker, size_t budget);

/* What a session still has to be sent. */
struct replay {
    struct list link; /* broker.replaying while there is hope to go on */
    struct session *session;
    struct replay_part *first, *last; /* one per SUBSCRIBE */
};

/* Takes a snapshot of all that matches and appends it to the session's replay. False: out of
 * memory. */
bool replay_start(struct session *session, struct slice filter,
                  const struct subscribe_options *options);

/* Goes on with the replay after the client has made room. */
void replay_wake(struct session *session);

/* Sends up to the limit per turn. Returns whether more could be sent in the next turn. */
bool replay_work(struct session *session);

void replay_free(struct session *session);

#endif
