/* observe: who wants to hear of changes (RFC 7641).
 *
 * An observation is an endpoint's token for a topic; the endpoint's session subscribes to it at QoS
 * 0 and every message is a new state of the resource. Only the newest state matters: while a
 * confirmable notification is unacknowledged the next one waits, and is replaced by what comes
 * after it (section 4.5). */
#ifndef SIOTD_PROTOCOLS_COAP_OBSERVE_H
#define SIOTD_PROTOCOLS_COAP_OBSERVE_H

#include "protocols/coap/call.h"

struct coap_relation;

enum { COAP_OBSERVE_TOKEN_MOST = 64 };

/* A state to be said: 2.05 with a message (NULL: with nothing), or 4.xx, which ends it. */
struct coap_news {
    uint8_t code; /* 0: no news */
    bool con;
    struct message *message; /* a reference */
};

struct coap_observation {
    struct list link;       /* in its endpoint's */
    struct list topic_link; /* in its topic's, of a topic that was created */
    struct coap_endpoint *e;
    struct coap_topic *topic; /* or NULL */
    struct coap_news waiting; /* until it can be said */
    struct coap_news flight;  /* of e->unacked: what was said last, unacknowledged */
    struct message *held;     /* what was said last, if it is more than a block; else NULL */
    uint64_t checked_ms;      /* when it was last known that somebody is there */
    uint64_t probe_ms;        /* when that is asked after a restart; 0: it is known since */
    uint64_t sequence;        /* said last; 24 bits of it are (section 4.4) */
    uint64_t flight_sequence;
    uint32_t format;  /* of its notifications, once known (section 4.2) */
    uint16_t last_id; /* of the last notification that was not confirmable */
    uint8_t szx;
    bool has_last_id;
    bool over; /* its last word has been said: to be let go */
    bool kept; /* it outlives siotd (kept.h) */
    uint8_t token_len;
    uint16_t name_len;
    uint8_t text[]; /* token, name of the topic */
};

/* Registers the request of a call, whose value now is `message` (or NULL), and sets the Observe
 * option of its answer. Does not where a limit says no: the answer has no Observe then, and what
 * was asked for is a plain GET (section 4.1). */
void coap_observe(struct coap_call *call, struct message *message);

/* One from before a restart: goes on, with a confirmable notification at probe_ms at the latest.
 * False: not permitted any more, no room, or out of memory. */
bool coap_observe_again(struct coap_endpoint *e, struct coap_home *home,
                        const struct coap_relation *relation, uint64_t probe_ms);

/* Ends the observation of that token (section 3.6). False when there is none. */
bool coap_observe_no_more(struct coap_endpoint *e, struct slice token);

/* ACK and RST. */
void coap_observe_acknowledged(struct coap_endpoint *e, uint16_t id);
void coap_observe_reset(struct coap_endpoint *e, uint16_t id);

/* The deadline: sends again, asks who is still there, lets go of what is over. */
void coap_observe_expired(struct coap_endpoint *e);
/* Goes on where the peer was full. */
void coap_observe_drained(struct coap_endpoint *e);
/* Lets go of what is over, and of the session with the last. Never from within a sink. */
void coap_observe_tidy(struct coap_endpoint *e);
/* Frees all; the endpoint is going. */
void coap_observe_close(struct coap_endpoint *e, const char *why);

/* Says the last word to those who observe a topic, from the `from`th on, oldest first. */
void coap_observe_end_all(struct coap_topic *topic, uint64_t from, uint8_t code);

/* The state that an endpoint was told last of a topic, if it was more than a block: what its
 * further blocks are of. Borrowed; NULL for none. */
struct message *coap_observe_held(const struct coap_endpoint *e, struct slice topic);

extern const struct sink_verbs coap_sink_verbs;

#endif
