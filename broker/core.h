/* core: what struct broker holds. For the files of this folder only; protocols see broker.h. */
#ifndef SIOTD_BROKER_CORE_H
#define SIOTD_BROKER_CORE_H

#include "base/map.h"
#include "broker/retained.h"
#include "broker/router.h"
#include "broker/session.h"
#include "broker/sys.h"

/* publish.c: the sessions one message goes to, each once. Kept from walk to walk. */
struct walk {
    struct match *matches;
    size_t count, capacity;
    struct identifier *chain; /* subscription identifiers of overlapping subscriptions */
    size_t chain_count, chain_capacity;
    uint32_t *flat; /* one session's identifiers in a row */
    size_t flat_capacity;
    uint8_t *topic; /* mountpoint and topic in a row */
    size_t topic_capacity;
    uint32_t serial;
};

struct broker {
    const struct broker_limits *limits;
    struct timers *wheel;
    struct stats stats;
    uint64_t mono_ms;
    int64_t wall_ms;
    struct map sessions; /* by client id */
    struct router router;
    struct retained retained;
    struct walk walk;
    struct list replaying; /* struct replay */
    struct list wills;     /* struct fired_will: those that the rate holds back */
    uint64_t wills_second; /* the second the rate counts in */
    uint64_t wills_fired;  /* in that second */
    struct timer housekeeping;
    struct list free_outgoing; /* pool */
    uint32_t free_outgoing_count;
    struct sys sys;
};

/* Who publishes: a session, or a will whose session may be gone, or the daemon itself (identity
 * NULL). */
struct origin {
    struct session *session;         /* for no-local; NULL when gone */
    const struct identity *identity; /* NULL: the daemon, which needs no leave */
    const char *mountpoint;
    bool refusable; /* somebody waits for the verdict; else what does not fit is dropped */
    enum action action;
};

/* publish.c: the one way in for every message. */
enum verdict publish_route(struct broker *broker, const struct origin *origin,
                           struct message *message);

/* share.c: finds a member that can take the delivery and offers it. With `except` that session is
 * left out; with `online_only` only a connected one will do. False when there is none. */
bool share_dispatch(struct broker *broker, struct share *share, const struct message *message,
                    const struct delivery *delivery, const struct session *except,
                    bool online_only);

/* share.c: whether some member could take it. */
bool share_has_room(const struct share *share, const struct session *except, uint8_t qos,
                    size_t message_size);

/* share.c: moves what `session` can spare to other members. `only` NULL: of all its shares. */
void share_move(struct session *session, const struct share *only, bool online_only);

/* will.c */
void will_free(struct will *will);
/* Publishes the session's will now (or when the rate allows) and takes it from the session. */
void will_fire(struct session *session);
/* Goes on with wills that the rate held back. */
bool will_work(struct broker *broker);
void wills_clear(struct broker *broker);

/* auth for one route of one session. */
bool session_may(const struct session *session, enum action action, struct slice topic);

#endif
