/* dialect: how one protocol is spoken by siotctl as a client: one file each, speak_*.c.
 *
 * A dialect blocks in road_receive and nowhere else, and says itself why something has failed. All
 * its functions return ENDED_WELL or ENDED_FAILED. */
#ifndef SIOTD_SIOTCTL_DIALECT_H
#define SIOTD_SIOTCTL_DIALECT_H

#include "siotctl/order.h"
#include "siotctl/road.h"

struct talk;

struct dialect {
    const char *name;
    bool stream;                /* over TCP and TLS, else UDP and DTLS */
    unsigned port, secure_port; /* where it is spoken by default */
    unsigned most_qos;
    size_t state_size; /* bytes, zeroed, behind talk.state */

    /* Makes itself known to the broker. */
    int (*enter)(struct talk *talk);
    /* Publishes to the order's topic, and waits for what its QoS promises. */
    int (*publish)(struct talk *talk, struct slice payload);
    /* Subscribes to all topics of the order. */
    int (*subscribe)(struct talk *talk);
    /* Waits for messages (talk_show) for as long as `wait_ms`, and keeps the session alive. */
    int (*listen)(struct talk *talk, uint64_t wait_ms);
    /* Says goodbye. */
    void (*leave)(struct talk *talk);
};

extern const struct dialect mqtt_dialect, raw_dialect, sn_dialect, coap_dialect;

/* The dialect of that name ("mqtt-sn"), or NULL. */
const struct dialect *dialect_named(const char *name);

/* One conversation. */
struct talk {
    const struct order *order;
    struct road *road;
    void *state;    /* of the dialect */
    uint64_t shown; /* messages */
};

/* Prints a message that has come, unless enough were. */
void talk_show(struct talk *talk, struct slice topic, struct slice payload);

/* Whether as many have come as were wanted, or somebody has interrupted. */
bool talk_is_over(const struct talk *talk);

/* ---- asking on datagrams ---- */

enum heard {
    HEARD_OTHER,   /* it is no answer to that; it has been dealt with */
    HEARD_ANSWER,  /* the answer, a good one */
    HEARD_REFUSAL, /* the answer, and the dialect has said what is wrong */
};

/* Sends a datagram, and then, 2 s after the first and twice as long each time, 4 times what is said
 * `again`, until `hear` has heard the answer to it. `what` names the request in the sentence that
 * there was none. */
int talk_ask(struct talk *talk, struct slice datagram, struct slice again,
             enum heard (*hear)(struct talk *talk, struct slice datagram), const char *what);

/* Waits for datagrams and has them heard. */
int talk_hear(struct talk *talk, uint64_t wait_ms,
              enum heard (*hear)(struct talk *talk, struct slice datagram));

#endif
