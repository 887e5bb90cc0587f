/* outbox: what waits for one session, and what is under way to it.
 *
 *   offer -> (deliver at once) or -> queue -> pump -> inflight -> answered
 *                              |                |     ^
 *                  (the store) paged              |     sealing: QoS 2 to a session that must
 *                                     resend -----'     survive, until its packet id is on disk
 *
 * Resend is what an earlier connection has left: DUP set, same ids and order. Paged is the middle
 * of a long queue, of which only the store knows; behind it stands the tail.
 *
 * Made with the first QoS 1 or 2 message a session gets, so a session that only sees QoS 0 has
 * none. */
#ifndef SIOTD_BROKER_OUTBOX_H
#define SIOTD_BROKER_OUTBOX_H

#include "broker/inflight.h"
#include "broker/subscription.h"

/* One message for one session, kept. Allocated from the broker's pool. */
struct outgoing {
    struct inflight_entry entry;
    struct list link;        /* of queue, resend or inflight */
    struct message *message; /* a reference; NULL once released (PUBREC has come) */
    struct share *share;     /* a reference, or NULL: where it may go instead */
    union {
        uint32_t one;
        uint32_t *many; /* owned, when identifier_count > 1 */
    } identifiers;
    uint16_t identifier_count;
    uint8_t qos;
    bool retain;
    bool dup;         /* was sent on an earlier connection */
    bool outstanding; /* counts against the window of this connection */

    /* durable.c: what the store has of it */
    uint8_t keep; /* enum keep */
    bool soft;    /* it was likely to be over soon when it was recorded */
    bool has_row; /* the store has one, or a batch puts it */
    /* What follows means nothing while `keep` is KEEP_NOT, and is not cleared then. */
    uint32_t recorded_ms;       /* monotonic: when it was, or changed */
    uint32_t batch;             /* that its row was written in last */
    struct list record;         /* in the list that `keep` says */
    struct stored_message *row; /* the message its row names, or NULL */
    uint64_t session, number;   /* its row's key */
    uint64_t seq;               /* the promise that its row is on disk */
};

/* What one that is queued takes of limits.queued_memory: all of it, not only its content. */
static inline size_t outgoing_cost(size_t message_size)
{
    return message_size + sizeof(struct outgoing) + sizeof(struct message) +
           2 * sizeof(struct stored_message);
}

/* How much waits in queues. */
struct backlog {
    uint64_t messages, bytes;
};

/* Rows of a queue that are not in memory. */
struct paged {
    uint64_t messages, bytes; /* counted as queued all the same */
    uint64_t from, to;        /* the numbers of the first and the last one */
};

struct outbox {
    struct list queue;            /* QoS 1 and 2, oldest first */
    struct list queue_qos0;       /* apart: it needs no window, and gives way when room is short */
    struct paged paged;           /* behind the queue, in the store only */
    struct ghost *ghost;          /* paging.c: what is left if it ends with those; owned, or NULL */
    struct list tail;             /* behind that */
    struct list pageable;         /* in durable.pageable while something of it may be let go */
    bool unread;                  /* the store could not: it is asked again in a moment */
    struct list fetching;         /* in durable.fetching while rows are on their way back */
    struct list resend, inflight; /* oldest first */
    struct list sealing;          /* QoS 2 with a packet id that is not on disk yet, oldest first */
    struct list sealing_boxes;    /* in durable.sealing while there are such */
    struct session *session;
    struct inflight ids;
    struct backlog queued;      /* in both queues */
    struct backlog queued_qos0; /* in the second one */
    uint32_t outstanding; /* sent on this connection and not done [MQTT-4.9.0-2]; more than the
                             window when a new connection's is smaller than what was released */
};

struct session;

/* Whether so many more messages (1 at least) of that size and QoS 1 or 2 would be sent or queued,
 * not refused. */
bool outbox_has_room(const struct session *session, size_t message_size, uint32_t copies);

/* How many could be sent at once, and whether one could: connected, nothing before it, window open.
 */
uint32_t outbox_open_for(const struct session *session);
bool outbox_is_open(const struct session *session);

/* Delivers or queues one message for the session; drops and counts it when it can do neither.
 * `share` is where it came from, or NULL. The delivery's packet_id is ignored. `sure`: it has been
 * accepted, on the word of outbox_has_room, and is kept even if a sink that is full all of a sudden
 * makes the queue a little longer than its limit. */
void outbox_offer(struct session *session, const struct delivery *delivery, struct share *share,
                  bool sure);

/* Delivers it at once or not at all, for those who can wait or go elsewhere. False: not now, and
 * nothing has happened. */
bool outbox_try(struct session *session, const struct delivery *delivery, struct share *share);

/* The connection is gone: what was sent and not answered will be sent again on the next. */
void outbox_detach(struct session *session);

/* Gives to other members of its share what may go there: all that was not sent, and QoS 1 that was
 * sent on an earlier connection and not answered; QoS 2 that was sent stays [MQTT-4.8.2-5]. What
 * nobody else can take stays as it is. `only` NULL: of all shares. False when something has stayed
 * for want of memory alone. */
bool outbox_hand_on(struct session *session, const struct share *only, bool online_only);

/* Drops and counts what the session may not be sent any more, of what waits and of what was sent on
 * an earlier connection. */
void outbox_recheck(struct session *session);

/* Drops everything; with `reason` counted for each message that was never delivered. */
void outbox_free(struct session *session, enum drop_reason reason);

/* Takes back what waited or was under way before a restart, behind what is there already; NULL when
 * out of memory. `message` is NULL for what was released. */
struct record_queued;
struct outgoing *outbox_restore(struct session *session, const struct record_queued *record,
                                struct message *message);

/* Calls `each` for all that waits or is under way. */
void outbox_each(struct session *session,
                 void (*each)(struct session *session, struct outgoing *outgoing));

/* Makes sure that so many copies of the message can be kept, by sessions that have an outbox,
 * without another allocation: so that who publishes can be told in time that there is no memory.
 * False: there is none. */
bool outbox_provide(struct broker *broker, struct message *message, size_t copies);

/* Gives back one outgoing that is in no list. */
void outgoing_free(struct broker *broker, struct outgoing *outgoing);

#endif
