/* core: what struct broker holds. For the files of this folder only; protocols see broker.h. */
#ifndef SIOTD_BROKER_CORE_H
#define SIOTD_BROKER_CORE_H

#include "base/map.h"
#include "broker/durable.h"
#include "broker/replay.h"
#include "broker/retained.h"
#include "broker/router.h"
#include "broker/session.h"
#include "broker/sys.h"
#include "broker/walk.h"

struct broker {
    const struct broker_limits *limits;
    struct timers *wheel;
    struct stats stats;
    uint64_t mono_ms;
    int64_t wall_ms;
    struct map sessions; /* by client id */
    struct authority authority;
    struct list checked;   /* sessions (roll) that have what the access of now lets them have */
    struct list unchecked; /* and those that have to be looked at */
    struct router router;
    struct retained retained;
    struct walk walk;
    struct list replaying; /* struct replay */
    struct map notes;      /* struct note, by owner and name */
    struct durable durable;
    struct restoring *restoring; /* while the daemon starts; else NULL */
    struct list interned;        /* struct interned: strings of sessions from before a restart */
    struct list wills;           /* struct fired_will: those that the rate holds back */
    uint64_t wills_second;       /* the second the rate counts in */
    uint64_t wills_fired;        /* in that second */
    uint64_t wills_bytes;        /* held back */
    struct timer housekeeping;
    struct list free_outgoing; /* pool */
    uint32_t free_outgoing_count;
    uint64_t queued_memory; /* bytes of queued messages that are in memory */
    uint32_t hand_ons;      /* outbox.c: a number for each time a session hands on */
    struct sys sys;
};

/* Who publishes: a session, or a will whose session may be gone, or the daemon itself. */
struct origin {
    struct session *session;     /* for no-local; NULL when gone */
    struct principal *principal; /* NULL: nobody asks for it (nothing is governed or retained) */
    bool own;                    /* the daemon, which needs no leave */
    const char *mountpoint;
    bool refusable; /* somebody waits for the verdict; else what does not fit is dropped, and what
                       cannot be retained is delivered all the same */
    enum action action;
};

/* publish.c: the one way in for every message. */
enum verdict publish_route(struct broker *broker, const struct origin *origin,
                           struct message *message);

/* publish.c: puts the mountpoint in front of the message's topic, in memory of the core's that
 * lasts until the next call. BAD_TOPIC when it gets too long. */
enum verdict publish_mount(struct broker *broker, const char *mountpoint, struct message *message);

/* What has become of a message that one member of a share was to get. */
enum dispatch {
    DISPATCH_GIVEN,
    DISPATCH_NOBODY,    /* no member can take it */
    DISPATCH_NO_MEMORY, /* one could, but for the memory: nothing has happened */
};

/* share.c: finds a member that can take the delivery and gives it that. With `except` that session
 * is left out; with `online_only` only a connected one will do. Of the delivery only message, qos
 * (as published) and frames are looked at. */
enum dispatch share_dispatch(struct share *share, const struct delivery *delivery,
                             const struct session *except, bool online_only);

/* share.c: who is to get the message, copies that the walk brings counted; NULL: nobody can. Then
 * *wanted says whether there is one that would have to keep it. */
struct subscription *share_choose(const struct share *share, const struct message *message,
                                  bool *wanted);

/* share.c: gives it to who was chosen, for whom room and memory have been seen to; to another only
 * when its sink is full and the other can take it at once. */
enum dispatch share_serve(struct share *share, const struct delivery *delivery,
                          struct subscription *chosen);

/* will.c */
void will_free(struct will *will);
/* Publishes the session's will now (or when the rate allows) and takes it from the session. */
void will_fire(struct session *session);
/* Goes on with wills that the rate held back. */
void will_work(struct broker *broker);
void wills_clear(struct broker *broker);

/* subscribe.c: ends one subscription and what is on its way because of it. */
void subscription_end(struct session *session, struct subscription *subscription);

/* will.c: one that the rate held back before a restart, by the key of its note. False when it can
 * be none. */
struct record_fired;
bool will_restore(struct broker *broker, struct slice key, const struct record_fired *record);

/* restore.c: a will as a row has it; NULL when out of memory. And a string that lasts as long as
 * the core: there are as many as listeners have had names. */
struct record_will;
struct will *restore_will(const struct record_will *record);
const char *intern(struct broker *broker, struct slice s);

/* restore.c: a message as a row has it, with one reference; NULL when out of memory. */
struct record_head;
struct message *restore_message(const struct record_head *head, struct slice payload);
/* What restoring has allocated, and must not keep or must keep until the end. */
void restoring_free(struct broker *broker);
void interned_clear(struct broker *broker);

/* subscribe.c: a subscription from before a restart. */
enum verdict subscription_restore(struct session *session, struct slice filter,
                                  const struct subscribe_options *options);

/* subscribe.c: the filter of one as its session has given it, in front of what `filter` holds.
 * False when out of memory. */
bool subscription_filter(const struct subscription *subscription, struct buffer *filter);

/* reauthorise.c: takes from a session what it may not have any more, subscriptions and what waits
 * for it. Returns how many subscriptions went. */
size_t session_recheck(struct session *session);
/* Goes on with what broker_set_access has begun, a bounded piece. Whether there is more. */
bool reauthorise_work(struct broker *broker);

/* auth for one route of one session. */
bool session_may(struct session *session, enum action action, struct slice topic);

#endif
