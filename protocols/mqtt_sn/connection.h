/* connection: one MQTT-SN client, from CONNECT to its end (MQTT-SN 1.2 section 6.14, figure 4).
 *
 *   connecting  no session yet: siotd has asked for the will and waits
 *   active      the session delivers here
 *   asleep      the session is bound, but its sink takes nothing: the core queues
 *   awake       asleep, and getting what was queued; PINGRESP ends it
 *
 * disconnected and lost are no states of a connection: it is gone then, and the session, if it was
 * not a clean one, waits in the core. Allocated when somebody connects; what few clients use stands
 * behind pointers. One that comes back from another address moves to another gate. */
#ifndef SIOTD_PROTOCOLS_MQTT_SN_CONNECTION_H
#define SIOTD_PROTOCOLS_MQTT_SN_CONNECTION_H

#include "protocols/mqtt_sn/gate.h"
#include "protocols/mqtt_sn/topics.h"

enum sn_state { SN_CONNECTING, SN_ACTIVE, SN_ASLEEP, SN_AWAKE };

struct sn_greeting;
struct sn_recent;
struct sn_traffic;

struct sn_connection {
    struct sink sink;             /* the session delivers here (deliver.c) */
    struct list link;             /* of gate->clients */
    struct sn_gate *gate;         /* where it is now */
    uint8_t *node;                /* owned; its wireless node id; NULL without */
    struct session *session;      /* NULL while connecting */
    struct sn_topics *topics;     /* owned; NULL until the first id is given */
    struct sn_traffic *traffic;   /* owned; NULL while nothing waits for the client's answer */
    struct sn_greeting *greeting; /* owned; while connecting */
    struct sn_recent *recent;     /* from malloc; NULL until a QoS 2 message has come */
    uint64_t heard_ms;            /* when its last datagram came (monotonic) */
    uint64_t woken_ms;            /* when it woke; awake only */
    uint64_t advertised_ms;       /* when ADVERTISE was last sent to it */
    uint32_t silence_ms;          /* it is lost when it is silent for longer */
    uint32_t subscribed;          /* msg id of its last SUBSCRIBE, 0x10000 set; 0: none yet */
    uint16_t keep_alive_s;        /* as granted; of the time it is active */
    uint8_t state;                /* enum sn_state */
    uint8_t node_len;
    bool wrapped : 1; /* behind a forwarder */
    bool clean : 1;   /* its session ends with it */
    bool probed : 1;  /* it has been asked to prove its address though nothing waited for that */
    bool fresh : 1;   /* nothing has come since CONNACK was sent */
};

/* Each connection pays for every byte here. */
_Static_assert(sizeof(struct sn_connection) <= 120, "a connection has grown");

static inline bool sn_is_listening(const struct sn_connection *c)
{
    return c->state == SN_ACTIVE || c->state == SN_AWAKE;
}

static inline bool sn_is_sleeping(const struct sn_connection *c)
{
    return c->state == SN_ASLEEP || c->state == SN_AWAKE;
}

/* A connection for whoever has sent the datagram under way, in state connecting. NULL: out of
 * memory, or more clients behind one address than `nodes`. */
struct sn_connection *sn_connection_new(struct sn_visit *visit);

/* Changes the state; the one place where that happens. */
void sn_become(struct sn_connection *c, enum sn_state state);

/* Gives the session back to the core, with its will or without, and tells the world why. What
 * belonged to it goes, the connection stays: connecting. Harmless without a session. */
void sn_connection_leave(struct sn_connection *c, enum departure how, const char *why);

/* Leaves, writes the log line, frees the connection; closes the peer if it was the last behind its
 * address. */
void sn_connection_end(struct sn_connection *c, enum departure how, const char *why);

/* The same, after the core has taken the session away (sink.expel). */
void sn_connection_dispossess(struct sn_connection *c, const char *why);

/* The client's node, for sn_send. */
static inline struct slice sn_node(const struct sn_connection *c)
{
    return slice_of(c->node, c->node_len);
}

/* The process ends: takes a sleeping client from its session, which is kept and waits for it as if
 * it were there. Frees the connection. */
void sn_connection_leave_asleep(struct sn_connection *c, int64_t until_ms);

/* Moves the client to where the datagram under way came from. False when that is behind another
 * mountpoint, or out of memory: nothing has changed. A gate that is left empty is closed. */
bool sn_connection_move(struct sn_connection *c, struct sn_visit *visit);

/* Sends it a message: at once, or after what it stands for is on disk (broker_promise_for). */
void sn_tell(struct sn_connection *c, const struct sn_packet *packet);
void sn_tell_after(struct sn_connection *c, const struct sn_packet *packet);

/* One log line about the client; behind a forwarder with its node and its id in front. */
void sn_log(const struct sn_connection *c, enum log_level level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* When it is to be looked at next (monotonic ms); looks at it: it may be gone afterwards. */
uint64_t sn_due_ms(const struct sn_connection *c);
void sn_look(struct sn_connection *c);

/* The client is gone without a word: its will is said. */
void sn_lose(struct sn_connection *c, const char *why);

#endif
