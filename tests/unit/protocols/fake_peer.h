/* fake_peer: a world without sockets, in which tests own the time.
 *
 * Implements transports/peer.h over byte vectors, for one protocol over the real core. What a
 * client sends is handed to protocol.receive, in whatever cuts the test likes; what the protocol
 * sends is kept until the test looks. Closing happens as in the transports: after the call under
 * way. */
#ifndef SIOTD_TESTS_UNIT_PROTOCOLS_FAKE_PEER_H
#define SIOTD_TESTS_UNIT_PROTOCOLS_FAKE_PEER_H

#include "base/buffer.h"
#include "broker/broker.h"
#include "protocols/protocol.h"
#include "transports/listener_settings.h"
#include "transports/peer.h"

enum { FAKE_NAME_SIZE = 600, FAKE_WHY_SIZE = 400 };

struct world {
    const struct protocol *protocol;
    const void *options; /* borrowed: what peer_options says */
    struct broker_limits limits;
    struct listener_settings listener;
    struct timers wheel;
    struct broker *broker;
    uint64_t now_ms; /* monotonic */
    int64_t wall_ms;
    struct list peers;
    struct buffer log; /* "name: line\n" of all peers */
    uint64_t kept;     /* the highest promise that is kept (world_keep) */
};

struct peer {
    struct world *world;
    struct list link;
    void *state;
    struct buffer pending; /* received and not consumed */
    struct list pieces;    /* sent in the call under way */
    struct list held;      /* waits for promises, those of its answers that have one in order */
    uint64_t barrier;      /* a promise that all that is sent from now on waits for */
    struct buffer sent;    /* before it, and not looked at yet */
    size_t shared;         /* bytes that were sent by reference */
    uint64_t deadline_ms;
    uint32_t deadlines_set; /* times that peer_deadline was called */
    bool full, out_of_memory;
    const struct identity *identity; /* borrowed: what the transport has proven; NULL for nothing */
    bool revoked;                    /* what peer_is_entitled denies */
    bool busy;                       /* peer_prove finds no room */
    bool proving;                    /* peer_prove has begun: nothing is handed over */
    bool known;                      /* peer_known has been called */
    bool again;                      /* peer_again: the same until the next turn */
    char user[64], password[64];     /* what it was given */
    int proofs_failed;               /* calls of peer_proof_failed */
    bool closing, closed;            /* closed: protocol.close has been called */
    char name[FAKE_NAME_SIZE];
    char why[FAKE_WHY_SIZE];
};

/* Limits as their rows have them by default, an anonymous listener, time 1,000,000 ms. */
void world_init(struct world *world, const struct protocol *protocol, const void *options);
/* Closes all peers and frees everything. */
void world_clear(struct world *world);

/* Time passes: timers and deadlines fire in steps of 100 ms, work is done. */
void world_wait(struct world *world, uint64_t ms);
/* One turn of the loop without time passing. */
void world_turn(struct world *world);
/* Promises up to that one are kept: what waits for them is sent. */
void world_keep(struct world *world, uint64_t promise);
/* The daemon stops. */
void world_stop(struct world *world);

/* A peer arrives. Freed by peer_drop or world_clear. */
struct peer *peer_arrive(struct world *world);
/* Bytes arrive. */
void peer_say(struct peer *peer, struct slice bytes);
/* The other end is gone. */
void peer_vanish(struct peer *peer);
/* What peer_prove has begun ends: right, by a record of the broker's access, or not. */
void peer_judge(struct peer *peer, bool right);
/* The backlog has gone down. */
void peer_drain(struct peer *peer);
/* Frees a peer, closing it first. */
void peer_drop(struct peer *peer);

/* Whether the log of the world holds that text. */
bool world_logged(const struct world *world, const char *text);

#endif
