/* retained: the last value of each topic.
 *
 * A tree of topic names whose nodes hold one counted message each. Values are numbered as they are
 * stored, so that a replay (replay.h) knows which of them its SUBSCRIBE has come after. */
#ifndef SIOTD_BROKER_RETAINED_H
#define SIOTD_BROKER_RETAINED_H

#include "broker/broker.h"
#include "broker/tree.h"

struct retained {
    struct tree tree; /* values: struct message *, one reference each */
    size_t sweep;     /* where the search for expired ones goes on: a slot of the tree */
    uint64_t stored;  /* the number of the value stored last */
};

/* An empty store; clearing releases every message and node. */
void retained_init(struct retained *retained);
void retained_clear(struct retained *retained);

/* Stores, replaces, or with an empty payload removes [MQTT-3.3.1-5..7]. VERDICT_QUOTA when the
 * limits do not allow it, VERDICT_NO_MEMORY; what was stored before then stays. */
enum verdict retained_store(struct broker *broker, struct message *message);

/* A value from before a restart; takes a reference. False when its topic has one already, or when
 * out of memory. */
bool retained_restore(struct broker *broker, struct message *message);

/* The current value of a topic, or NULL; borrowed. */
struct message *retained_find(const struct broker *broker, struct slice topic);

/* Whether who published it may still do so: a value does not outlive the leave to set it. */
bool retained_is_allowed(const struct broker *broker, const struct message *message);

/* Frees expired values, looking at no more than `budget` places. */
void retained_sweep(struct broker *broker, size_t budget);

#endif
