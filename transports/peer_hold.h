/* peer_hold: output that waits for a promise of the core's before it may leave.
 *
 * Beside the way of every acknowledgement while there is a store: peer_reserve_after -> here ->
 * (broker_committed, loop_keep) -> the peer's output. Invariants: a peer has a hold exactly while
 * something of it waits or a barrier of it stands, and stands in loop.holding meanwhile; it is
 * PEER_BARRED exactly while a barrier stands. */
#ifndef SIOTD_TRANSPORTS_PEER_HOLD_H
#define SIOTD_TRANSPORTS_PEER_HOLD_H

#include "base/list.h"
#include "transports/outgoing.h"

struct loop;
struct message;
struct peer;

/* Promises that a hold tells apart. When there are more, each second one is merged into the one
 * behind it: what waits for it waits a little longer. */
enum { HOLD_PROMISES = 16 };

/* What waits for one promise. */
struct held {
    uint64_t promise;
    struct outgoing bytes;
};

struct hold {
    struct list siblings; /* in loop.holding */
    struct peer *peer;
    struct held held[HOLD_PROMISES]; /* by rising promise: acknowledgements, in order */
    unsigned count;
    uint64_t barrier;       /* the promise that everything waits for; 0: no barrier stands */
    struct outgoing behind; /* what was appended without a promise since */
};

/* Appends to what waits for `promise`, or to what waits longest already. As peer_reserve. */
uint8_t *hold_reserve(struct peer *peer, size_t len, uint64_t promise);

/* Appends to what the barrier holds back; the peer is PEER_BARRED. As peer_reserve, and as
 * outgoing_share, after which the peer is closing when it has failed. */
uint8_t *hold_reserve_behind(struct peer *peer, size_t len);
void hold_share_behind(struct peer *peer, struct slice bytes, struct message *owner);

/* Bytes that wait: all of them, and those without a promise of their own. */
size_t hold_len(const struct hold *hold);
size_t hold_behind(const struct hold *hold);

/* Whether so much waits to be acknowledged that the peer is not to be read; and whether little
 * enough that it may be again. */
bool hold_is_long(const struct hold *hold);
bool hold_is_short(const struct hold *hold);

/* Drops what waits; the peer is going. Without a hold: nothing. */
void hold_drop(struct peer *peer);

#endif
