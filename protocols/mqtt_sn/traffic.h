/* traffic: what is under way to one client and waits for its answer.
 *
 *   deliver -> [pending until REGACK] -> PUBLISH -> flight until PUBACK, or PUBREC .. PUBCOMP
 *
 * One PUBLISH of QoS 1 or 2 at a time (MQTT-SN 1.2 section 6.6), and beside it one REGISTER. What
 * is not answered is sent again after T_retry, N_retry times, then the client is lost
 * (section 6.13). A client that sleeps is sent nothing; what was under way goes on when it wakes.
 */
#ifndef SIOTD_PROTOCOLS_MQTT_SN_TRAFFIC_H
#define SIOTD_PROTOCOLS_MQTT_SN_TRAFFIC_H

#include "protocols/mqtt_sn/connection.h"

/* A PUBLISH as it will be sent. */
struct sn_parcel {
    struct message *message; /* a reference */
    uint16_t topic_id;       /* as the flags' type says */
    uint16_t msg_id;         /* 0 for QoS 0 */
    uint16_t register_id;    /* what the client has to be told before; 0: nothing */
    uint8_t flags;
};

struct sn_waiting {
    struct list link;
    struct sn_parcel parcel;
};

struct sn_traffic {
    struct list pending; /* struct sn_waiting, oldest first */
    struct sn_parcel flight;
    uint64_t flight_due_ms, register_due_ms;
    uint32_t pending_count;
    uint16_t register_id;  /* of the REGISTER under way; 0: none is */
    uint16_t register_msg; /* 0: the next REGISTER has another */
    uint16_t proof_msg;    /* the last that was answered rightly and was not enough; 0: none */
    uint8_t register_tries, flight_tries;
    uint8_t proofs;      /* REGISTERs in a row that were answered rightly, while that is a proof */
    uint8_t flight_type; /* SN_PUBLISH, SN_PUBREL; 0: nothing is in flight */
    bool retold;         /* the one in flight has been registered again once */
};

/* Sends what is ready: the client knows the topic's id and the peer is proven to be there. QoS 1
 * and 2 then wait for their answer. The parcel's reference stays the caller's. False: another one
 * is in flight, or no memory to remember it by. */
bool sn_dispatch(struct sn_connection *c, const struct sn_parcel *parcel);

/* Keeps a parcel until the client has answered REGISTER for parcel.register_id; takes over its
 * reference on success. False: too many wait, or out of memory. */
bool sn_wait_for_regack(struct sn_connection *c, const struct sn_parcel *parcel);

/* Asks a client whose address is not proven for a proof, by one REGISTER in a second of its
 * silence, once: though nothing waits for it, it has needs that only a proven one is granted. Who
 * does not answer loses nothing by it. Harmless when it is asked already. */
void sn_probe(struct sn_connection *c);

/* The client was heard: what has waited for that goes on. */
void sn_traffic_heard(struct sn_connection *c);

/* REGACK has come: `accepted` is what its return code says. Sends what may go now. */
void sn_registered(struct sn_connection *c, uint16_t topic_id, uint16_t msg_id, enum sn_code code);

/* No address is doubted any more because of what was guessed: for tests. */
void sn_doubt_nobody(void);

/* PUBREL is to be sent, for a PUBREC that has come. */
void sn_release(struct sn_connection *c, uint16_t msg_id);

/* Whether the message in flight is that one: its type is SN_PUBLISH or SN_PUBREL. */
bool sn_is_in_flight(const struct sn_connection *c, enum sn_type type, uint16_t msg_id);
/* It has been answered. */
void sn_landed(struct sn_connection *c);
/* The client does not know the id it came with: it is told, once more, and sent again. False: it
 * has been told already, or cannot be. */
bool sn_retell(struct sn_connection *c);
/* It cannot take it now: it is sent again after T_retry. */
void sn_postpone(struct sn_connection *c);

/* Whether a message is under way, or waits for REGACK. */
bool sn_traffic_is_owed(const struct sn_connection *c);

/* When something is to be sent again; UINT64_MAX for never. */
uint64_t sn_traffic_due_ms(const struct sn_connection *c);
/* Sends again what is due. False: the client has not answered often enough. */
bool sn_traffic_again(struct sn_connection *c);
/* The client listens again: all that is under way is sent again. */
void sn_traffic_wake(struct sn_connection *c);
/* The client sleeps: what was under way has not failed. */
void sn_traffic_pause(struct sn_connection *c);

/* Drops all. NULL traffic is allowed. */
void sn_traffic_clear(struct sn_connection *c);

/* Internal to traffic.c and pending.c: the client's traffic, made when needed (NULL: no memory),
 * and let go when nothing is left of it. */
struct sn_traffic *sn_traffic_of(struct sn_connection *c);
void sn_traffic_trim(struct sn_connection *c);
/* Sends the next REGISTER if one is needed and none is under way. */
void sn_register_next(struct sn_connection *c);
/* Sends the REGISTER under way again. */
void sn_register_again(struct sn_connection *c);
/* Frees what waits. */
void sn_pending_clear(struct sn_traffic *traffic);

#endif
