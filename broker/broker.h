/* broker: the routing core's verbs. What a protocol may ask, and nothing below it.
 *
 * The core has no sockets, no loop, no threads, and no clock: broker_turn tells it the time. It
 * knows messages, sessions, subscriptions and retained values; a protocol turns packets into these
 * verbs and gives a sink to deliver to. Order: what one session publishes to one topic at one QoS
 * reaches each subscriber in that order [MQTT-4.6.0-6].
 *
 * Topics: verbs take and deliveries give topics as the client knows them; the listener's mountpoint
 * is put in front and taken off in here, for every protocol alike. */
#ifndef SIOTD_BROKER_BROKER_H
#define SIOTD_BROKER_BROKER_H

#include "base/timers.h"
#include "broker/auth.h"
#include "broker/limits.h"
#include "broker/message.h"
#include "broker/sink.h"
#include "broker/stats.h"
#include "broker/store.h"
#include "broker/verdict.h"
#include "broker/will.h"

struct broker;
struct session;

#define SESSION_NEVER_EXPIRES UINT32_MAX /* [MQTT-3.1.2.11.2] */

/* `wheel` (borrowed) drives session expiry and delayed wills. `limits` is borrowed and may change
 * between turns (reload). NULL when out of memory. */
struct broker *broker_new(const struct broker_limits *limits, struct timers *wheel);
void broker_free(struct broker *broker);

/* Starts a turn: all that follows happens at this time. */
void broker_turn(struct broker *broker, uint64_t mono_ms, int64_t wall_ms);

/* Whether matching has cost so much in this turn (100,000 nodes of the filters' tree, some
 * milliseconds) that a peer with more to say should wait for the next one, so that nobody's filters
 * and publishes stop everybody else. */
bool broker_is_tired(const struct broker *broker);

/* The times of this turn. */
uint64_t broker_mono_ms(const struct broker *broker);
int64_t broker_wall_ms(const struct broker *broker);

/* The limits as of the last reload, not to be kept over one; and the counters. */
const struct broker_limits *broker_limits(const struct broker *broker);
struct stats *broker_stats(struct broker *broker);

/* ---- who may what ---- */

/* From now on `access` decides (the core takes a reference; NULL: nothing is governed). Every
 * decision of this turn on is made by it; what sessions already have is looked through in the turns
 * to come, a bounded piece in each (broker_work). Whose right to be here has ended is expelled and
 * its session ends. Who has a subscription that is not permitted any more loses it and is expelled
 * too; a session that is away loses it silently. Queued messages that may not be delivered any more
 * are dropped and counted. */
void broker_set_access(struct broker *broker, struct access *access);

/* The access of now, or NULL; borrowed for the turn. */
const struct access *broker_access(const struct broker *broker);

/* What broker_connect and the core will answer, for protocols that must know before. */
bool broker_may_connect(const struct broker *broker, const struct identity *identity,
                        struct slice client_id, const char **why);
bool broker_may(const struct broker *broker, struct identity *identity, struct slice client_id,
                enum action action, struct slice topic);

/* ---- sessions ---- */

struct connect_request {
    struct slice client_id;    /* not empty: the protocol assigns one where it must */
    struct identity *identity; /* borrowed; the session takes a reference */
    const char
        *mountpoint; /* borrowed for the session's life: of the listener's settings; "" for none */
    const char *protocol; /* "mqtt"; static */
    bool clean_start;
    uint32_t expiry_s;        /* after the connection has ended; 0: at once */
    uint16_t receive_maximum; /* the client's window for QoS 1 and 2, 1..65535 */
    uint16_t inbound_maximum; /* QoS 2 messages it may have open towards the core, as announced */
    struct will *will; /* or NULL; from malloc; the core owns it and its message on success */
};

/* Makes or resumes the session of that client id and binds it to `sink`. A connection that held it
 * is expelled first, and its will published [MQTT-3.1.4-3]. On VERDICT_OK *session is set, *present
 * says whether earlier state was resumed; the caller sends its CONNACK and then calls
 * session_resume. VERDICT_DENIED, VERDICT_QUOTA, VERDICT_NO_MEMORY leave everything as it was, but
 * for a session that was to end with this and has begun to. */
enum verdict broker_connect(struct broker *broker, const struct connect_request *request,
                            struct sink *sink, struct session **session, bool *present);

/* Sends again what was in flight (DUP set), in the original order [MQTT-4.4.0-1], then what was
 * queued. */
void session_resume(struct session *session);

enum departure { DEPART_CLEANLY, DEPART_WITH_WILL };

/* The connection has ended. With the will: it fires now or after its delay. The session lives on
 * for its expiry, or ends. `session` must not be used afterwards. */
void broker_disconnect(struct broker *broker, struct session *session, enum departure how);

/* A client that sleeps is away for the transports and there for everybody else. broker_leave_asleep
 * is broker_disconnect for one whose connection ends with the process: its will is not said before
 * `until_ms` (wall clock), when it is taken to have left. session_await is the same for one that is
 * away since the restart. */
void broker_leave_asleep(struct broker *broker, struct session *session, int64_t until_ms);
void session_await(struct session *session, int64_t until_ms);

/* Binds the away session of that client id to `sink` as if its client had not been away: will,
 * expiry and all else stay. Of the request only client id, identity, mountpoint and protocol count,
 * and must be the session's. The caller goes on with session_resume. VERDICT_DENIED: there is none
 * such, and nothing has changed. */
enum verdict broker_rejoin(struct broker *broker, const struct connect_request *request,
                           struct sink *sink, struct session **session);

/* The session of that client id, here or away; NULL when there is none. */
struct session *broker_find_session(const struct broker *broker, struct slice client_id);
/* Whether a client of that id is connected now, by whatever protocol. */
bool broker_has_client(const struct broker *broker, struct slice client_id);
/* Calls `each` for every session of a protocol, in no order; none may begin or end meanwhile. */
void broker_each_session(const struct broker *broker, const char *protocol,
                         void (*each)(void *to, struct session *session), void *to);

/* Changes how long the session outlives its connection [MQTT-3.14.2.2.2]. */
void session_set_expiry(struct session *session, uint32_t expiry_s);

/* Gives it another will, or none (NULL), while its client is there (MQTT-SN's WILLTOPICUPD). The
 * core owns the will and its message from then on. */
void session_set_will(struct session *session, struct will *will);

/* Who the session belongs to; borrowed, valid as long as the session. */
struct slice session_client_id(const struct session *session);
const struct identity *session_identity(const struct session *session);

/* ---- publish ---- */

/* Routes a message: retains it when asked to, and delivers or queues it for every subscriber.
 * `message` is borrowed by the core (topic as the client gave it) and must be ended by the caller
 * (message_end). When it returns VERDICT_OK or VERDICT_NO_SUBSCRIBERS the core has taken ownership
 * as far as the message's QoS asks for, and the protocol may acknowledge; any other verdict:
 * nothing has happened. `from` may not be NULL. */
enum verdict broker_publish(struct broker *broker, struct session *from, struct message *message);

/* Publishes for someone who has no session: a datagram that is all that is heard of a device.
 * Judged and routed as broker_publish does; `who` is borrowed, NULL only while there is no memory
 * for one (denied). A mountpoint is put in front of the topic. */
enum verdict broker_publish_as(struct broker *broker, struct principal *who, const char *mountpoint,
                               struct message *message);

/* The retained value of a topic for a reader who does not subscribe (CoAP GET): VERDICT_OK with
 * *message (borrowed for the turn), or with NULL when there is none or its author has lost the
 * right to set it; VERDICT_DENIED, VERDICT_BAD_TOPIC. Topic as the reader knows it. */
enum verdict broker_latest(struct broker *broker, struct principal *who, const char *mountpoint,
                           struct slice topic, struct message **message);

/* Publishes in the daemon's own name ($SYS). Topic without mountpoint. */
void broker_publish_own(struct broker *broker, struct message *message);

/* ---- QoS 2 receiver's side: the ids a client has sent and not released yet ---- */

enum inbound { INBOUND_NEW, INBOUND_DUPLICATE, INBOUND_OVER_LIMIT, INBOUND_NO_MEMORY };

/* Remembers a received QoS 2 id before its message is published [MQTT-4.3.3-10]. OVER_LIMIT: more
 * than inbound_maximum ids are open (0x93). */
enum inbound session_received(struct session *session, uint16_t packet_id);
/* Forgets it: after PUBREL, or when the publish was refused. False when it was not known (0x92). */
bool session_forget(struct session *session, uint16_t packet_id);

/* ---- QoS 1 and 2 sender's side: what the client answers ---- */

enum acknowledgement {
    ACK_PUBACK,         /* QoS 1 done */
    ACK_PUBREC,         /* QoS 2 received: the core calls sink.release */
    ACK_PUBREC_REFUSED, /* QoS 2, reason >= 0x80: done [MQTT-4.3.3-4 note] */
    ACK_PUBCOMP,        /* QoS 2 done */
};

/* Returns false when no delivery of that id and QoS waits for this. Done deliveries make room: what
 * is queued follows at once. */
bool session_acknowledged(struct session *session, uint16_t packet_id, enum acknowledgement what);

/* Offers what waits to the sink again, as far as window and sink allow: after protocol.drained. */
void session_pump(struct session *session);

/* Whether anything waits for the sink that is not under way already: queued, to be sent again, or
 * retained values to be replayed. A client that wakes for a moment is told when there is no more.
 */
bool session_has_waiting(const struct session *session);

/* ---- what survives a restart ---- */

/* The core keeps what must survive in `store` (borrowed; NULL: in memory only). Before the first
 * broker_restore and before the first session. */
void broker_set_store(struct broker *broker, struct store *store);

/* Whether something new can be kept: there is a store, and it has room. And whether that session
 * is. */
bool broker_can_keep(const struct broker *broker);
bool session_is_kept(const struct session *session);

/* Takes one row back, while the daemon starts: sessions first, then their subscriptions, messages,
 * queued rows, inbound ids, retained values, notes. False: the row makes no sense and is to be
 * removed from the store (counted, logged by the caller); true also for one that has expired
 * meanwhile, whose removal is then in the first batch. broker_restored ends it: queues and timers
 * stand as they were, by the wall clock. False: there was no memory for a row, and the core must
 * not serve without it; the store still has it, and all that came after it. */
bool broker_restore(struct broker *broker, const struct kept *kept);
bool broker_restored(struct broker *broker);

/* What the store answers (store.h); on the loop's thread, in a turn. broker_fetched with `rows`
 * NULL: they could not be read. After broker_committed with COMMIT_DONE, promises up to
 * broker_promise_kept are kept, and who waits for them is to be told. */
void broker_committed(struct broker *broker, enum commit_outcome outcome);
void broker_fetched(struct broker *broker, uint64_t session, const struct fetched *rows,
                    size_t count);

/* What an acknowledgement made now has to wait for: all that has been recorded so far and is not
 * on disk. 0: for nothing. Rises; never the same for two batches. An acknowledgement leaves
 * through peer_reserve_after with this. */
uint64_t broker_promise(const struct broker *broker);

/* At the daemon's end: what nobody waits for is due now, too. Settled when nothing is recorded that
 * is not on disk (or never can be). */
void broker_settle(struct broker *broker);
bool broker_is_settled(const struct broker *broker);

/* The same for an answer to somebody who is not remembered himself: `session`, when it does not
 * outlive its connection, or NULL. It has to wait only if the last broker_connect, broker_publish
 * or broker_publish_as has recorded something: who needs no disk goes on while it is full. */
uint64_t broker_promise_for(const struct broker *broker, const struct session *session);

/* What CONNACK has to wait for, just after broker_connect: that the session is on disk as it is. */
uint64_t broker_promise_of_connect(const struct broker *broker, const struct session *session);

/* The highest promise that is kept. It may rise in broker_committed and in broker_work. */
uint64_t broker_promise_kept(const struct broker *broker);

/* A protocol's own memory, which survives with the store and lasts as long as the process without
 * one: `owner` is the protocol's name. The value found is borrowed until the next call. An empty
 * value removes. -ENOMEM leaves it as it was. */
int broker_note(struct broker *broker, const char *owner, struct slice name, struct slice value);
bool broker_find_note(const struct broker *broker, const char *owner, struct slice name,
                      struct slice *value);
/* Calls `each` for every note of an owner, in no order; not to be changed meanwhile. */
void broker_each_note(const struct broker *broker, const char *owner,
                      void (*each)(void *to, struct slice name, struct slice value), void *to);

/* The same for one session, which it ends with (MQTT-SN: its topic ids): one value. */
int session_note(struct session *session, struct slice value);
struct slice session_noted(const struct session *session);

/* ---- subscriptions ---- */

struct subscribe_options {
    uint8_t qos;   /* the most the subscriber wants */
    bool no_local; /* [MQTT-3.8.3-3] */
    bool retain_as_published;
    uint8_t retain_handling; /* 0 send, 1 send if new, 2 do not send [MQTT-3.3.1-9..11] */
    uint32_t identifier;     /* 0: none */
};

/* Adds or replaces one subscription; filter as the client gave it, "$share/..." included.
 * On VERDICT_OK retained messages are to be replayed as the options say: they follow in the
 * turns to come, paced; the caller sends its SUBACK first and in the same receive. */
enum verdict broker_subscribe(struct broker *broker, struct session *session, struct slice filter,
                              const struct subscribe_options *options);

/* VERDICT_OK or VERDICT_NO_SUBSCRIPTION. */
enum verdict broker_unsubscribe(struct broker *broker, struct session *session,
                                struct slice filter);

/* Once per turn, before peers are flushed: retained replay and paced wills go on. Returns whether
 * there is more to do, so that the loop does not sleep. */
bool broker_work(struct broker *broker);

/* The $SYS tree (sys.c): publishes all values, retained, and starts a new interval of the load
 * averages. `interval_ms` since the last call. */
void broker_publish_sys(struct broker *broker, uint64_t interval_ms);

/* One value more of the $SYS tree, of somebody else's: $SYS/broker/<group>/<one>/<name>, or without
 * <one> when that is empty; retained. What would be syntax in `one` is written %XX. Too long a
 * topic is left out. */
void broker_say(struct broker *broker, const char *group, struct slice one, const char *name,
                int64_t value);

/* $SYS/clients/<id>/connected and .../disconnected, as JSON, not retained. */
void broker_client_event(struct broker *broker, const struct session *session, bool connected,
                         struct slice address, const char *reason);

/* Ends the session of that client id, expelling its connection. False when there is none. */
bool broker_kick(struct broker *broker, struct slice client_id, enum expel_reason reason);

#endif
