/* inflight: the sender's side of QoS 1 and 2 as a pure machine, and the packet ids in use.
 *
 *   QoS 1   SENT --PUBACK--> done
 *   QoS 2   SENT --PUBREC--> RELEASED --PUBCOMP--> done      (MQTT 5.0 section 4.3.3)
 *                \-PUBREC >= 0x80--> done
 *
 * Ids are given out in rising order and stand in a ring at (id modulo capacity), so that giving,
 * finding and returning one costs the same for a window of 1 and of 65,535. Pure: no message, no
 * session, no clock. */
#ifndef SIOTD_BROKER_INFLIGHT_H
#define SIOTD_BROKER_INFLIGHT_H

#include "broker/broker.h"

enum inflight_state { INFLIGHT_SENT, INFLIGHT_RELEASED };

/* Embedded in what is under way. */
struct inflight_entry {
    uint16_t packet_id; /* 0: none yet */
    uint8_t qos;        /* 1 or 2 */
    uint8_t state;      /* enum inflight_state */
};

enum { INFLIGHT_FIRST = 8 };

struct inflight {
    struct inflight_entry **slots; /* `first`, or owned */
    struct inflight_entry *first[INFLIGHT_FIRST];
    uint32_t capacity; /* a power of two, or 0 */
    uint32_t count;
    uint16_t last_id;
};

enum inflight_step {
    INFLIGHT_UNKNOWN, /* no such id, or not waiting for that: nothing has changed */
    INFLIGHT_RELEASE, /* now RELEASED: send PUBREL */
    INFLIGHT_DONE,    /* the id is free again; the caller owns the entry */
};

/* A window that is open and empty; it owns only its ring, which grows on use. It is not to be
 * moved: a few ids need no memory, so that whoever has none for more has some to wait for. */
void inflight_init(struct inflight *inflight);
void inflight_clear(struct inflight *inflight); /* frees the ring, not the entries */

/* Gives the entry the next free id. Returns 0, -ENOMEM, or -EAGAIN when all 65,535 are in use. */
int inflight_claim(struct inflight *inflight, struct inflight_entry *entry);

/* Gives the entry an id that it had before; -EEXIST when that is in use, -ENOMEM. */
int inflight_reclaim(struct inflight *inflight, struct inflight_entry *entry, uint16_t packet_id);

/* Takes the id back from an entry that holds one. */
void inflight_drop(struct inflight *inflight, struct inflight_entry *entry);

/* The entry with that id, or NULL. */
struct inflight_entry *inflight_find(const struct inflight *inflight, uint16_t packet_id);

/* What the client's answer means. *entry is set unless INFLIGHT_UNKNOWN. */
enum inflight_step inflight_answer(struct inflight *inflight, uint16_t packet_id,
                                   enum acknowledgement what, struct inflight_entry **entry);

#endif
