/* datagram_layer: what may stand between a datagram socket and a protocol: dtls.
 *
 * On the way in:  socket -> (no peer of that address or connection id: greet) -> receive (wire ->
 *                 plain datagrams) -> protocol.receive
 * On the way out: peer_send -> [end of the turn] -> send (plain -> wire datagram) -> socket
 * A layer sees its own state and the peer, and emits wire datagrams; it touches no socket. */
#ifndef SIOTD_TRANSPORTS_DATAGRAM_LAYER_H
#define SIOTD_TRANSPORTS_DATAGRAM_LAYER_H

#include "base/slice.h"
#include "base/writer.h"
#include <stdbool.h>
#include <sys/socket.h>
#include <sys/types.h>

struct handshake_counts;
struct listener_settings;
struct peer;

/* Where a datagram came from: canonical, all padding zero, so that its bytes may be compared,
 * hashed and bound into a cookie. */
struct endpoint {
    uint8_t address[16]; /* IPv6, or IPv4 mapped into it */
    uint32_t scope;      /* the interface of a link-local address, else 0 */
    uint16_t port;       /* host order */
    uint16_t unused;     /* 0 */
};

/* What a layer says of a datagram that no peer is known to have sent. */
enum greeting {
    GREET_IGNORE, /* silence, no trace */
    GREET_ANSWER, /* `answer` holds one datagram for it (a cookie); no state has been made */
    GREET_ADMIT,  /* it has proven its address: make a peer, which receives this datagram first */
    GREET_MOVED,  /* it carries the connection id of *moved, which receives it now */
};

enum datagram_result {
    DATAGRAM_PLAIN,   /* one datagram of the protocol's is in `plain`: call again for more */
    DATAGRAM_NOTHING, /* all that arrived has been taken in */
    DATAGRAM_END,     /* the other end has said goodbye; nothing follows */
    DATAGRAM_FAILED,  /* beyond repair; peer_close has been called with the reason */
};

struct datagram_layer {
    const char *name;
    size_t state_size; /* bytes per peer, zeroed, allocated and freed with the peer */

    /* ---- of a listener: as in layer.h ---- */
    int (*share)(const struct listener_settings *settings, void **shared, char *why,
                 size_t why_size);
    void (*adopt)(void *shared, void *fresh);
    void (*unshare)(void *shared);
    void (*inspect)(const void *shared, int64_t now_s, void (*warn)(void *to, const char *text),
                    void *to);
    void (*count)(const void *shared, struct handshake_counts *to);

    /* Judges a datagram from where no peer is, or one that a peer's address sent and for which
     * `begins` has said yes. Keeps no state for who has not proven its address. `answer` has room
     * for one datagram and is never to become longer than the datagram was. `now_ms` monotonic.
     * `former` is the state of the peer that is at this address now, NULL for none or one that is
     * closing. GREET_ADMIT is followed by open and receive of the new peer before anything else is
     * greeted; a peer that was at this address is closed first, disorderly: it is gone. So what is
     * good for admission now must not have been said before that peer was admitted. */
    enum greeting (*greet)(void *shared, const struct endpoint *from, const void *former,
                           struct slice datagram, uint64_t now_ms, struct writer *answer,
                           struct peer **moved);

    /* ---- of a peer ---- */

    int (*open)(struct peer *peer, void *state);
    bool (*entitled)(struct peer *peer, const void *state);

    /* Whether a datagram from the peer's own address looks like the beginning of something new (a
     * ClientHello on a live session): then greet judges it, and receive does not get it. NULL:
     * never. */
    bool (*begins)(const struct peer *peer, const void *state, struct slice datagram);

    /* A wire datagram has arrived (empty *wire on the calls after DATAGRAM_PLAIN). Writes one plain
     * datagram to `plain` when there is one. May emit. `from` is where this one came from: the
     * layer decides (datagram_move) whether the peer now is there. */
    enum datagram_result (*receive)(struct peer *peer, void *state, const struct endpoint *from,
                                    struct slice *wire, struct writer *plain);

    /* Turns one plain datagram into wire datagrams and emits them. 0; -EAGAIN when it is not ready
     * yet (handshake): the datagram is dropped and counted; other negative: failed. */
    int (*send)(struct peer *peer, void *state, struct slice plain);

    /* The layer's own deadline (datagram_alarm) has passed: retransmissions. */
    enum datagram_result (*expired)(struct peer *peer, void *state);

    /* How many bytes of a plain datagram fit into a wire datagram of `mtu` bytes. */
    size_t (*room)(const struct peer *peer, const void *state, size_t mtu);

    /* The last call. `orderly`: a goodbye may be emitted. */
    void (*close)(struct peer *peer, void *state, bool orderly);
};

/* What the peers of its listener share, as share has made it. */
void *datagram_shared(const struct peer *peer);

/* For layers only, from their callbacks: one wire datagram (copied) to where the peer is. Whom a
 * layer has proven the peer to be it says with layer_identify (layer.h), as on streams. */
void datagram_emit(struct peer *peer, struct slice wire);
/* The same to another address, at most `factor` 3 times what came from there (a peer that may have
 * moved and has not proven it). */
void datagram_emit_to(struct peer *peer, const struct endpoint *to, struct slice wire);
/* From receive only: the layer believes that the peer may be where the datagram under way has come
 * from, which is not where it was. What that may be sent follows what comes from there and is
 * believed. To be called before emit_to and move. */
void datagram_candidate(struct peer *peer);
/* The peer is there now; its former address is forgotten. */
void datagram_move(struct peer *peer, const struct endpoint *to);
/* Calls `expired` at due_ms of the loop's monotonic time; 0 cancels. */
void datagram_alarm(struct peer *peer, uint64_t due_ms);

#endif
