/* protocol: what a protocol module gives to the transports that carry it.
 *
 * The transports call, a protocol fills in one const table. A protocol sees bytes, its peer
 * (transports/peer.h) and the broker; it never sees a socket, a layer or the loop. Adding one is a
 * folder and a row in daemon/modules.c. */
#ifndef SIOTD_PROTOCOLS_PROTOCOL_H
#define SIOTD_PROTOCOLS_PROTOCOL_H

#include "base/slice.h"
#include "config/option.h"
#include <sys/types.h>

struct broker;
struct identity;
struct loop;
struct peer;

/* What kind of transport a protocol can live on; the config refuses a mismatch. */
enum carrier { CARRIER_STREAM = 1 << 0, CARRIER_DATAGRAM = 1 << 1 };

struct protocol {
    const char *name;  /* as in the configuration: "mqtt" */
    unsigned carriers; /* enum carrier bits */

    /* Bytes of state that every peer gets, zeroed, allocated and freed with the peer by the
     * transport; `state` below points at them. */
    size_t state_size;

    /* The module's section of the configuration; NULL without one. */
    const struct option_table *options;

    /* None of these may block. All run on the loop's thread. But for recall, each is about one peer
     * and none is called after close. */

    /* A peer has arrived. Returns 0, or -errno: the peer is then closed (close is called). */
    int (*open)(struct peer *peer, void *state);

    /* Bytes have arrived; `bytes` begins with what earlier calls left unconsumed and is borrowed
     * for the call. Returns how many bytes are done with (the rest is offered again, with more
     * behind it), or a negative value after a failure the protocol has already answered and
     * logged: the transport then closes the peer once what was sent has left. A stream may hand
     * over any cut of the bytes; a datagram is always whole and what is left of it is dropped. */
    ssize_t (*receive)(struct peer *peer, void *state, struct slice bytes);

    /* The end of what peer_prove has begun. `identity` is who has been proven, borrowed; NULL: the
     * password is wrong or there is no such user (logged already). May close the peer. What receive
     * has left is offered next. May be NULL in a protocol that never calls peer_prove. */
    void (*proven)(struct peer *peer, void *state, struct identity *identity);

    /* The backlog has fallen below the low mark again: deliver what had to wait. May be NULL. */
    void (*drained)(struct peer *peer, void *state);

    /* The deadline set by peer_deadline has passed; it is no longer set. */
    void (*expired)(struct peer *peer, void *state);

    /* The daemon has started: the core has its state back, all listeners are open, and nobody has
     * been heard yet. What the protocol remembers of peers from before comes back (peer_recall asks
     * for `loop`). May be NULL. */
    void (*recall)(struct broker *broker, struct loop *loop);

    /* The daemon stops: say goodbye if the protocol has a word for it. The transport closes the
     * peer afterwards. May be NULL. */
    void (*stopping)(struct peer *peer, void *state);

    /* The peer is going, whoever ended it; the last call. Lets go of everything state refers to.
     * `why` is a sentence for the log ("peer closed the connection"), never NULL. Sending is in
     * vain. */
    void (*close)(struct peer *peer, void *state, const char *why);
};

#endif
