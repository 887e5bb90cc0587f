/* connection: one device that sends raw datagrams.
 *
 * Lives in the peer's state bytes (protocol.h). On udp who only publishes never gets a peer of its
 * own: the state is zeroed for each of its datagrams, and what must be remembered of one stands in
 * a table of the whole process (answered.h).
 *
 *   stranger    session NULL: publishes as its identity, or anonymously
 *   attached    session set: has said SUB, or has a proven identity (attach.c)
 *
 * raw_attach makes the one of the other; raw_detach and raw_dispossess end it, and with it the
 * peer.
 */
#ifndef SIOTD_PROTOCOLS_RAW_CONNECTION_H
#define SIOTD_PROTOCOLS_RAW_CONNECTION_H

#include "broker/broker.h"
#include "protocols/raw/options.h"
#include "protocols/raw/wire.h"
#include "transports/listener_settings.h"
#include "transports/peer.h"

/* One MSG that waits for its ACK (resend.c). */
struct raw_sent {
    struct raw_sent *next;
    struct message *message; /* a reference */
    uint64_t due_ms;         /* when it is sent again; 0: not before the device is heard of */
    uint16_t topic_at;       /* where in the message's topic the device's begins */
    uint16_t packet_id;
    uint8_t tries;
};

struct raw_connection {
    struct sink sink; /* the session delivers here (deliver.c) */
    struct peer *peer;
    struct broker *broker;
    struct session *session; /* NULL: stranger */
    struct raw_sent *sent;   /* owned list, oldest first */
    struct raw_sent *newest; /* owned; QoS 0, until an unproven device may be sent it; or NULL */
    uint64_t heard_ms;
    uint64_t deadline_ms; /* what peer_deadline was last told; 0: nothing */
    uint32_t nonce;       /* the upper part of the ids of this peer's MSGs; drawn by raw_attach */
    uint16_t heard_len; /* bytes of the datagram under way, at most 65535: answers are not longer */
    bool known : 1;     /* peer_known has been called */
    bool answering : 1; /* a datagram is being dealt with, and its answer comes first */
    bool held_back : 1; /* a delivery was refused for want of allowance */
    bool pinged : 1;    /* that is offered again in the place of a PONG */
    bool subscribed : 1; /* the session holds, or held, a subscription */
    bool leaving : 1;    /* the peer is being closed; the reason given is a whole log line */
};

/* The section `raw:` as of now. */
static inline const struct raw_options *raw_options_of(const struct raw_connection *c)
{
    return peer_options(c->peer);
}

/* Each subscriber on udp pays for every byte here. */
_Static_assert(sizeof(struct raw_connection) <= 72, "a connection has grown");

/* ---- attach.c ---- */

/* Whether the device may take part at all: it has a proven identity, or the listener lets anybody
 * in. */
bool raw_may_enter(const struct raw_connection *c);

/* Whom it publishes as while it has no session; borrowed. NULL when out of memory. */
struct principal *raw_principal(struct raw_connection *c);

/* Binds a session, unless there is one. VERDICT_OK, or why not. */
enum verdict raw_attach(struct raw_connection *c);

/* A SUB has been accepted: the peer stays, and with a proven identity what it subscribes to
 * outlives it. */
void raw_subscribed(struct raw_connection *c);

/* Gives the session back to the core. `forget`: it ends with that. Harmless without one. */
void raw_detach(struct raw_connection *c, bool forget, const char *why);

/* The core has taken the session away (sink.expel). */
void raw_dispossess(struct raw_connection *c, const char *why);

/* Closes the peer; the text is the whole line that the log gets about it. */
void raw_close(struct raw_connection *c, const char *why);

/* ---- one function per verb ---- */

/* The line is good, and the device may take part. */
void raw_on_publish(struct raw_connection *c, const struct raw_line *line, struct slice datagram);
void raw_on_template(struct raw_connection *c, const char *pattern, struct slice datagram);
void raw_on_subscribe(struct raw_connection *c, const struct raw_line *line);
void raw_on_unsubscribe(struct raw_connection *c, const struct raw_line *line);
void raw_on_ack(struct raw_connection *c, const struct raw_line *line);

/* ---- deliver.c, resend.c ---- */

extern const struct sink_verbs raw_sink_verbs;

/* Sends a MSG; whether it left. It does not when the device has not proven its address and was sent
 * enough. `packet_id` 0: QoS 0, whose id only asks for that proof. */
bool raw_send_msg(struct raw_connection *c, struct slice topic, struct slice payload,
                  uint16_t packet_id);

/* The id that a MSG carries on the wire: nobody guesses it who does not see it. */
uint64_t raw_wire_id(const struct raw_connection *c, uint16_t packet_id);

/* Keeps a delivery until it is acknowledged. False: out of memory, and nothing is kept. */
bool raw_keep(struct raw_connection *c, const struct delivery *d);

/* Keeps a QoS 0 delivery in the place of the one kept before, until it may be sent. False as above.
 */
bool raw_keep_newest(struct raw_connection *c, const struct delivery *d);
/* A newer one has been sent: drops that one. Harmless without one. */
void raw_outdate_newest(struct raw_connection *c);
/* Drops it if the filter selects its topic. */
void raw_forget_newest(struct raw_connection *c, struct slice filter);

/* The ACK has come; whether the id was waited for. */
bool raw_forget(struct raw_connection *c, uint16_t packet_id);
void raw_forget_all(struct raw_connection *c);

/* Sends what is due or has waited, as far as the device may be sent it; `heard`: now, so also what
 * was given up for the time being. */
void raw_catch_up(struct raw_connection *c, bool heard);

/* Sets the peer's deadline to what comes first: the next MSG to be sent again, the moment when an
 * unproven device may be sent what waits, or the end of an idle subscriber. */
void raw_set_deadline(struct raw_connection *c);

/* ---- refuse.c ---- */

/* What an answer to a line of this device has to wait for (broker_promise_for). */
uint64_t raw_promise(const struct raw_connection *c);

/* Answers with one word, as soon as the promise is kept. Never longer than what came in, and not
 * at all when that has been paid back already. */
void raw_answer(struct raw_connection *c, const struct raw_line *answer, uint64_t promise);

/* PONG. */
void raw_pong(struct raw_connection *c);

/* ERR, once per second and source. */
void raw_refuse(struct raw_connection *c, const char *reason);

/* BYE, to a subscriber whose session siotd ends. */
void raw_say_goodbye(struct raw_connection *c);

/* The words for a verdict that is not one of success, and for a fault. */
const char *raw_verdict_reason(enum verdict verdict);
const char *raw_fault_reason(enum raw_fault fault);

#endif
