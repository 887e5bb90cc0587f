/* session: what siotd knows of one client, with or without a connection.
 *
 * A session is not a peer: it outlives connections, and an offline session is simply one without a
 * sink. It is small (an idle one about 200 bytes): what only some need hangs on pointers. */
#ifndef SIOTD_BROKER_SESSION_H
#define SIOTD_BROKER_SESSION_H

#include "broker/outbox.h"
#include "broker/retained.h"

/* QoS 2 ids received and not released yet; in order of arrival, which is mostly the order of
 * release. */
struct inbound_ids {
    uint32_t count, capacity;
    uint16_t ids[];
};

/* What only sessions need that are durable, or whose protocol wants something remembered. */
struct session_row {
    struct session *session;   /* whose it is */
    struct session_note *note; /* or NULL: what its protocol wants remembered; owned */
    uint64_t number;           /* that the store knows it by; 0: it is not durable */
    struct list record;        /* in durable.sessions while the row has to be written */
    uint32_t saved_in;         /* the batch that it was written in last */
    bool unsaved;              /* it has to say something else, for which somebody may wait */
    bool stored;               /* the store has it */
};

struct session {
    struct broker *broker;
    struct sink *sink; /* NULL: away */
    struct identity *identity;
    struct principal *principal; /* session_principal; NULL until first needed */
    const char *mountpoint;      /* of the listener; "" for none */
    const char *protocol;
    struct outbox *outbox;       /* or NULL */
    struct inbound_ids *inbound; /* or NULL */
    struct will *will;           /* or NULL */
    struct replay *replay;       /* or NULL: retained messages still to be sent */
    struct session_row *row;     /* or NULL; owned */
    struct list roll;            /* broker.checked, or broker.unchecked after a change of access */
    struct list subscriptions;
    struct timer timer; /* while away: the will's delay or the session's end, whichever is first */
    int64_t away_ms;    /* monotonic: when the connection ended; before 0: before the machine */
    uint32_t expiry_s;
    uint32_t subscription_count;
    uint32_t walk, walk_index; /* walk.c: where this session stands in the walk under way */
    uint16_t window;           /* the client's receive maximum */
    uint16_t inbound_maximum;  /* QoS 2 messages it may have open towards the core */
    uint16_t id_len;
    bool ending;  /* it is over, but there was no memory for what others inherit: once more soon */
    bool stalled; /* the sink was full when it was last offered something */
    bool asleep;  /* and that because its client sleeps */
    char id[];
};

/* What the store knows it by; 0: it is not durable. */
static inline uint64_t session_number(const struct session *session)
{
    return session->row ? session->row->number : 0;
}

/* Its row, made when first asked for; borrowed. NULL when out of memory. */
struct session_row *session_row(struct session *session);

/* A session of that id, which has none yet, and nothing else: no identity, not bound. NULL when
 * there may be no more of them, or when out of memory. */
struct session *session_new(struct broker *broker, struct slice client_id);

/* A QoS 2 id received before a restart. */
void session_restore_inbound(struct session *session, uint16_t packet_id);

/* The client window as the limits allow. */
uint32_t session_window(const struct session *session);

/* Sets the timer of a session that is away. */
void session_set_timer(struct session *session);

/* Takes the session from its sink, which is told why. Only with a sink. */
void session_expel(struct session *session, enum expel_reason reason);

/* Ends it for good: subscriptions, queue and state go; its will fires. Not while a sink is bound.
 * Without memory for what others of its shares are to inherit, it stays for another second. */
void session_end(struct session *session);

/* The session as rules see it, made when first asked for; borrowed. NULL when out of memory. */
struct principal *session_principal(struct session *session);

/* The topic as that session knows it: without its mountpoint. */
struct slice session_topic(const struct session *session, const struct message *message);

/* Frees all of a session without wills or redistribution: at the daemon's end. */
void session_free(struct session *session);

/* The key of a session in the map of sessions: its client id, borrowed. */
struct slice session_key(const void *session);

#endif
