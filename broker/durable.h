/* durable: what the core tells its store, when, and what may be acknowledged because of it.
 *
 *   change -> recorded here -> [end of a turn] one batch -> store ... committed -> promises kept
 *
 * Durable are sessions that outlive their connection, with their subscriptions, queues, packet ids,
 * and retained values and notes. Everything else, and everything when there is no store, passes by:
 * a session that is not durable has no number, and its outgoings are KEEP_NOT.
 *
 * What is recorded is either hard (written with the next batch) or soft: a new message for a client
 * that is there and will probably have acknowledged it in a moment. Soft ones linger for a few
 * milliseconds while experience says that this pays; who is done by then is never written. Lazy is
 * what nobody waits for: that a message has been acknowledged, that it was sent.
 *
 * Numbers. Each turn that records something is a promise; it is kept when nothing recorded in it or
 * before is soft, hard or under way any more. */
#ifndef SIOTD_BROKER_DURABLE_H
#define SIOTD_BROKER_DURABLE_H

#include "base/map.h"
#include "broker/broker.h"
#include "broker/outbox.h"

/* Where an outgoing stands. */
enum keep {
    KEEP_NOT,     /* not durable */
    KEEP_SOFT,    /* not in the store; in durable.soft */
    KEEP_HARD,    /* it has to be written (again); in durable.hard */
    KEEP_WRITTEN, /* handed over; in no list */
    KEEP_CHANGED, /* handed over, and has changed since; in durable.changed */
    KEEP_GONE,    /* handed over and over; in durable.gone */
};

enum durable_state {
    DURABLE_IDLE,
    DURABLE_BUSY,   /* a batch is under way */
    DURABLE_STUCK,  /* it did not fit and is offered again */
    DURABLE_FAILED, /* for good */
};

struct durable {
    struct store *store; /* borrowed; NULL: nothing survives the process */
    enum durable_state state;
    struct batch gathering, under_way;
    struct list soft, hard, changed, gone; /* struct outgoing, by record */
    struct list sessions;                  /* whose rows have changed, by record */
    struct list ended;                     /* struct ended: sessions whose rows go */
    struct list sealing;                   /* outboxes whose QoS 2 messages wait for promises */
    struct list pageable, fetching;        /* outboxes; see paging.c */
    struct list ghosts;                    /* struct ghost; see paging.c */
    struct map retained;                   /* struct retained_change, by topic */
    struct map messages;                   /* struct stored_message, by number */
    uint64_t number, number_limit; /* the last one given, and up to where no other run gives any */
    uint64_t seq;                  /* the last promise begun */
    uint64_t records, asked_at;    /* recorded so far; and before the last connect or publish */
    uint64_t seq_turn;             /* the turn it was begun in */
    uint64_t turn;
    uint64_t kept;       /* the highest one kept */
    uint64_t sent;       /* and the one up to which QoS 2 messages have been sent */
    uint64_t hard_from;  /* the first promise that needs the next batch; 0: none */
    uint64_t under_from; /* and the one under way; 0: none */
    size_t owed;         /* rows for which there must always be room: ends of inbound ids */
    uint32_t serial;     /* of the batch handed over last */
    uint32_t score;      /* of 1024: how often soft rows were over soon enough */
    bool refused;        /* the batch under way did not fit when it was last offered */
    bool relieving;      /* what is written now joins that batch */
    bool pull;           /* all that is soft must be in the same batch */
    bool moved;          /* something gone stands in another session's queue, in the next batch */
    bool lasting;        /* there is something hard, lists aside */
    bool starved;        /* no memory for the batch: it is to be tried again */
    bool incomplete;     /* no memory for a row that was to be restored */
    uint64_t lazy_ms;    /* when the first lazy change was recorded; 0: there is none */
    uint64_t handed_ms;  /* when the batch under way was handed over */
    uint64_t retry_ms;   /* when what is stuck is to be offered again */
    struct timer timer;
};

/* Nothing recorded, no store. */
void durable_init(struct durable *durable);
/* Everything, at the daemon's end: what has not been handed over is lost. After all sessions,
 * values and wills are gone. */
void durable_clear(struct broker *broker);

/* A connect or publish begins: what it records is what its answer waits for. */
static inline void durable_begin(struct durable *durable)
{
    durable->asked_at = durable->records;
}

/* Whether there is no room: what needs a row of its own is to be refused. And whether nothing at
 * all can be written: what must be on disk before it is acknowledged will not be for some time. */
bool durable_is_full(const struct broker *broker);
bool durable_is_stuck(const struct broker *broker);

/* Whether what was written into the batch of that number is on disk. */
static inline bool durable_is_committed(const struct durable *d, uint32_t batch)
{
    bool under_way = d->state == DURABLE_BUSY || d->state == DURABLE_STUCK;
    return d->state != DURABLE_FAILED && batch <= d->serial && !(under_way && batch == d->serial);
}

/* At the end of a turn: hands over what is due, sends what was waiting for a promise. */
void durable_work(struct broker *broker);

/* A number that no session, message or queued row has ever had. */
uint64_t durable_number(struct broker *broker);

/* Sees to it that a session that has nothing yet can be adopted if it is to have that expiry. False
 * when out of memory. */
bool durable_provide(struct session *session, uint32_t expiry_s);
/* The session is to survive from now on, with all it has; it has no number yet. False when out of
 * memory: nothing has happened. */
bool durable_adopt(struct session *session);
/* Something has been recorded that nobody waits for. */
void durable_lazy(struct broker *broker);

/* Its row has changed; hard when somebody waits for it. Nothing when it is not durable. */
void durable_session(struct session *session, bool hard);
/* Whether the store has its row, as it is now but for when it was last here. */
bool durable_session_saved(const struct session *session);
/* Its will has gone out: that, and the messages that come of it, are one batch. */
void durable_will_fired(struct session *session);
/* What the store has of it goes, and its number with it. */
void durable_session_end(struct session *session);

/* One subscription, filter as given; false when out of memory. Nothing when not durable. */
bool durable_subscription(struct session *session, struct slice filter,
                          const struct subscribe_options *options);
bool durable_unsubscription(struct session *session, struct slice filter);

/* QoS 2 ids received; false when out of memory. Forgetting cannot fail. */
bool durable_inbound(struct session *session, uint16_t packet_id);
void durable_inbound_end(struct session *session, uint16_t packet_id);

/* One more id received has a row, whose end must find room. False when out of memory. */
bool durable_owe(struct broker *broker);

/* A new outgoing of the session's, or one that has got a packet id or was released. Nothing when it
 * is not durable or QoS 0. */
void durable_outgoing(struct session *session, struct outgoing *outgoing);
/* Whether a QoS 2 message with a packet id may leave: its row is committed. */
bool durable_is_sealed(const struct session *session, const struct outgoing *outgoing);
/* It is over and in no list of its outbox. True: it is kept here until its row is gone, and is
 * not to be freed. */
bool durable_forget(struct broker *broker, struct outgoing *outgoing);
/* It is about to go to another session, which must be in the same batch. */
void durable_moves(struct broker *broker, const struct outgoing *outgoing);

/* The value of a topic changes from `former` to `now` (NULL: none). False when out of memory:
 * nothing has happened. Topics that begin with "$" are not kept. */
bool durable_retained(struct broker *broker, struct slice topic, struct message *former,
                      struct message *now);

/* A note, by its whole key; an empty value removes it. False when out of memory. */
bool durable_note(struct broker *broker, struct slice key, struct slice value);

#endif
