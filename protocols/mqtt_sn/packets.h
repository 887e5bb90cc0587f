/* packets: what is done about each message that a client sends, and the sink that answers for it.
 *
 * Each sn_on_* takes one decoded message, borrowed for the call, in any state; where its contract
 * says so visit->client is somebody with a session. Afterwards visit->client is NULL when the
 * connection has ended. */
#ifndef SIOTD_PROTOCOLS_MQTT_SN_PACKETS_H
#define SIOTD_PROTOCOLS_MQTT_SN_PACKETS_H

#include "protocols/mqtt_sn/connection.h"

/* CONNECT, from anybody. (on_connect.c) */
void sn_on_connect(struct sn_visit *visit, const struct sn_packet *packet);
/* WILLTOPIC and WILLMSG, from anybody. (on_will.c) */
void sn_on_willtopic(struct sn_visit *visit, const struct sn_packet *packet);
void sn_on_willmsg(struct sn_visit *visit, const struct sn_packet *packet);
/* WILLTOPICUPD and WILLMSGUPD, with a session. */
void sn_on_willtopicupd(struct sn_visit *visit, const struct sn_packet *packet);
void sn_on_willmsgupd(struct sn_visit *visit, const struct sn_packet *packet);
/* REGISTER and REGACK, with a session. (on_register.c) */
void sn_on_register(struct sn_visit *visit, const struct sn_packet *packet);
void sn_on_regack(struct sn_visit *visit, const struct sn_packet *packet);
/* PUBLISH, from anybody. (on_publish.c) */
void sn_on_publish(struct sn_visit *visit, const struct sn_packet *packet);
/* PUBACK, PUBREC, PUBREL, PUBCOMP, with a session. (on_ack.c) */
void sn_on_puback(struct sn_visit *visit, const struct sn_packet *packet);
void sn_on_pubrec(struct sn_visit *visit, const struct sn_packet *packet);
void sn_on_pubrel(struct sn_visit *visit, const struct sn_packet *packet);
void sn_on_pubcomp(struct sn_visit *visit, const struct sn_packet *packet);
/* SUBSCRIBE and UNSUBSCRIBE, with a session. (on_subscribe.c) */
void sn_on_subscribe(struct sn_visit *visit, const struct sn_packet *packet);
void sn_on_unsubscribe(struct sn_visit *visit, const struct sn_packet *packet);
/* PINGREQ and DISCONNECT, from anybody. (on_sleep.c) */
void sn_on_pingreq(struct sn_visit *visit, const struct sn_packet *packet);
void sn_on_disconnect(struct sn_visit *visit, const struct sn_packet *packet);
/* SEARCHGW, from anybody. (discovery.c) */
void sn_on_searchgw(struct sn_visit *visit, const struct sn_packet *packet);

/* Tells a client once more that this gateway is here (MQTT-SN 1.2 section 6.1). */
void sn_advertise(struct sn_connection *c);

/* A client that sleeps wants to be active again, as CONNECT with that duration says. (on_sleep.c)
 */
void sn_stay_awake(struct sn_connection *c, uint16_t duration_s);
/* One that is awake and has got and acknowledged everything: PINGRESP, and it sleeps on. Otherwise
 * nothing. */
void sn_rest(struct sn_connection *c);

/* ---- CONNECT (on_connect.c, enter.c) ---- */

/* What is found out about a CONNECT on its way; slices are borrowed. */
struct sn_arrival {
    uint8_t flags; /* of CONNECT */
    uint16_t duration_s;
    struct slice client_id;
    bool has_will;
    uint8_t will_flags; /* of WILLTOPIC */
    struct slice will_topic, will_message;
    bool forget_will; /* the dialogue has said that there is none */
};

/* What is kept of a CONNECT while its will is asked for. */
struct sn_greeting {
    uint8_t flags, will_flags;
    uint16_t duration_s, id_len, topic_len;
    uint8_t *topic; /* owned; NULL until WILLTOPIC has come */
    uint8_t id[];
};
/* NULL allowed. */
void sn_greeting_free(struct sn_greeting *greeting);

/* Who the visitor is: proven, or anonymous where the listener lets it be; NULL: nobody, and `why`
 * says so. Borrowed. */
struct identity *sn_identity(const struct sn_visit *visit, const char **why);

/* Whether the visitor would push nobody away who is active under that client id, by this protocol
 * or another, or may do so. */
bool sn_place_is_free(const struct sn_visit *visit, struct slice client_id,
                      const struct identity *identity);
#define SN_PLACE_TAKEN "its client id is active at another address"

/* Binds the session and says CONNACK, or turns it away. */
void sn_enter(struct sn_visit *visit, const struct sn_arrival *arrival);
/* CONNACK with a code that refuses; a connection without session is gone afterwards. */
void sn_refuse(struct sn_visit *visit, enum sn_code code, const char *why);
/* CONNACK that accepts, behind which nothing may leave before it. */
void sn_welcome(struct sn_connection *c);

/* ---- topics (names.c) ---- */

/* How a topic is spoken of to a client. */
struct sn_named {
    enum sn_id_type type;
    uint16_t id;
    struct sn_topic *topic; /* its row in the client's table; of SN_ID_NORMAL only */
};

/* The topic that a client means; empty: the id is unknown. A short name is written into `two`.
 * `c` may be NULL, for someone called `client_id`. */
struct slice sn_name_of(const struct sn_gate *gate, const struct sn_connection *c,
                        struct slice client_id, enum sn_id_type type, uint16_t id, uint8_t two[2]);
/* How to speak of a topic: predefined, registered, short, or a new id, in that order. False: no
 * more ids, or out of memory. */
bool sn_number_of(struct sn_connection *c, struct slice name, struct sn_named *named);
/* The row of a name in the client's table, made when there is none. NULL: no more ids, or out of
 * memory. */
struct sn_topic *sn_row_of(struct sn_connection *c, struct slice name);

/* ---- what a session remembers (memory.c) ---- */

/* Of a client that sleeps: all that a connection is beside its session. */
struct sn_sleep {
    int64_t until_ms; /* wall clock: when it is lost */
    uint32_t silence_ms;
    uint16_t keep_alive_s;
    bool clean, wrapped;
    bool verified;                         /* its address has been proven */
    bool private;                          /* its address means nothing: it was on dtls */
    struct slice listener, endpoint, node; /* where it was */
    struct slice known;                    /* for sn_topics_read_known */
};

struct sn_memory {
    bool has_will, sleeps;
    uint8_t will_flags;
    struct slice will_topic, will_message;
    struct sn_sleep sleep;
    struct slice topics; /* for sn_topics_read */
};
/* Reads what the session remembers; all empty when it remembers nothing. Borrowed from it. */
void sn_recall(const struct session *session, struct sn_memory *memory);
/* Remembers a will (or, without has_will, none), the connection's topic ids and, where the session
 * is kept on disk, that it sleeps. -ENOMEM: what was remembered before. */
int sn_remember(struct sn_connection *c, const struct sn_memory *will);

/* ---- wills (on_will.c) ---- */

/* Why not, or SN_ACCEPTED: QoS, topic, permission. */
enum sn_code sn_judge_will(const struct sn_gate *gate, struct identity *identity,
                           struct slice client_id, uint8_t flags, struct slice topic,
                           const char **why);
/* Whether a will of that length may be kept for whoever is at that gate. */
bool sn_will_fits(const struct sn_gate *gate, struct slice topic, struct slice message);
/* A will for the core; NULL when out of memory. */
struct will *sn_will_new(uint8_t flags, struct slice topic, struct slice message);
/* Frees one that the core has not taken. NULL is allowed. */
void sn_will_free(struct will *will);

/* The return code for a message that the core has not taken. */
enum sn_code sn_code_of(enum verdict verdict);

/* What a session may ask of its connection. (deliver.c) */
extern const struct sink_verbs sn_sink_verbs;

#endif
