/* replay: what is retained, sent to who has just subscribed.
 *
 * A replay walks the tree of retained values in later turns, a few steps per turn, and rests on a
 * pinned node in between: it costs the same memory for ten values and for a million. It sends what
 * was stored before its SUBSCRIBE and is still there; what is stored later has gone out by the
 * subscription itself. */
#ifndef SIOTD_BROKER_REPLAY_H
#define SIOTD_BROKER_REPLAY_H

#include "broker/broker.h"
#include "broker/subscription.h"

/* What one session still has to be sent. */
struct replay {
    struct list link; /* broker.replaying while there is hope to go on */
    struct session *session;
    struct list parts; /* struct replay_part: one per SUBSCRIBE */
};

/* Starts the replay for a subscription (not a shared one) of the session, from the beginning when
 * one is under way. `filter` is the subscription's, mountpoint included. False: out of memory. */
bool replay_start(struct session *session, struct subscription *subscription, struct slice filter);

/* Ends the replay for a subscription that is about to go [MQTT-3.10.4-2]. */
void replay_stop(struct session *session, struct subscription *subscription);

/* Goes on with the replay after the client has made room. */
void replay_wake(struct session *session);

/* Sends up to the limit per turn, looking at no more than *budget nodes, and takes from it what it
 * has looked at. When nothing more can be sent for now the replay has left broker.replaying. */
void replay_work(struct session *session, uint64_t *budget);

/* Forgets whatever the session still waits for of retained messages. */
void replay_free(struct session *session);

#endif
