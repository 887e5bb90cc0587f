/* peer_state: the inside of a peer, and what the files peer*.c ask of each other.
 *
 * A peer's life: admitted (peer_life_admit: protocol.open) -> perhaps closing (peer_close, or the
 * transport has lost it; in loop.ending until the current callback is over) -> ended
 * (protocol.close has been called; what was appended is being sent, what arrives is thrown away) ->
 * shut (our FIN is sent, we wait for theirs) -> gone (socket closed; libuv frees the memory soon).
 * Each step happens once and there is no way back.
 *
 * Most peers are idle most of the time and there are many of them: this struct is what one costs.
 * What is rare is behind a pointer. */
#ifndef SIOTD_TRANSPORTS_PEER_STATE_H
#define SIOTD_TRANSPORTS_PEER_STATE_H

#include "base/buffer.h"
#include "transports/endpoint.h"
#include "transports/layer.h"
#include "transports/listener_state.h"
#include "transports/outgoing.h"
#include "transports/peer.h"
#include "transports/peer_hold.h"
#include "transports/source.h"

enum peer_flag {
    PEER_CLOSING = 1 << 0,
    PEER_ENDED = 1 << 1,
    PEER_SHUT = 1 << 2,
    PEER_GONE = 1 << 3,
    PEER_OPENED = 1 << 4,      /* protocol.open has been called, so close must be */
    PEER_BLOCKED = 1 << 5,     /* the kernel takes no more: wait for writable */
    PEER_FULL = 1 << 6,        /* the backlog has passed out_buffer: protocol.drained is owed */
    PEER_PAUSED = 1 << 7,      /* not read until it reads */
    PEER_BROKEN = 1 << 8,      /* sending is pointless; what has arrived still counts */
    PEER_EOF = 1 << 9,         /* its FIN has been seen */
    PEER_DRIBBLES = 1 << 10,   /* a packet arrives in small pieces: collect them in `in` */
    PEER_IPV6 = 1 << 11,       /* address.ipv6 is used */
    PEER_WATCH_READ = 1 << 12, /* what libuv polls for */
    PEER_WATCH_WRITE = 1 << 13,
    PEER_WAITS = 1 << 14, /* for its password to be verified */
    PEER_AGAIN = 1 << 15, /* in loop.again: for the next turn */
    PEER_HEARD = 1 << 16, /* plain bytes have come out of its layer */
    PEER_KNOWN = 1 << 17, /* peer_known has been called: in listener.peers, else in .strangers */
    PEER_HELD = PEER_WAITS | PEER_AGAIN, /* either: not read, and not offered anything */
    PEER_BARRED = 1 << 18,               /* all that is appended waits for hold.barrier */
    PEER_UNSEALED = 1 << 19,             /* ended, but its layer is open: something waits in hold */
    PEER_DATAGRAM = 1 << 20,             /* struct datagram, else struct stream */
    PEER_VERIFIED = 1 << 21,             /* has shown that it is where its datagrams come from */
    PEER_STRANGER = 1 << 22,             /* on datagrams: in listener.strangers, else in .peers */
    PEER_TABLED = 1 << 23,               /* in port.table */
};

/* What a peer in trouble needs in addition. */
struct strain {
    struct timer timer;
    struct peer *peer;
    uint64_t progress_ms; /* when the kernel, or the other end, last took something */
    int queued; /* bytes in the kernel that the other end has not acknowledged, as last seen */
};

struct peer {
    struct listener *home;
    struct list siblings;  /* in listener.peers or .strangers */
    struct list turn;      /* in loop.dirty or loop.ending */
    struct timer deadline; /* the protocol's; from ended on, ours */
    char *name;            /* escaped; NULL when not given */
    union {
        struct strain *strain; /* of a stream until closing; NULL without trouble */
        char *why;             /* from closing on; NULL when there was no memory for it */
    };
    union {
        uint8_t ipv4[4];
        uint8_t (*ipv6)[16]; /* owned */
    } address;
    uint32_t flags; /* enum peer_flag */
    uint16_t port;  /* host order; 0 for unix */
};

/* A peer on a stream. What only streams need stands in front of the peer, so that the protocol's
 * state stands behind every kind of peer in the same place. */
struct stream {
    uv_poll_t poll;      /* data: struct hold *, what waits for a promise; NULL for nothing */
    struct outgoing out; /* what the protocol has appended */
    struct buffer in;    /* an incomplete packet; empty and without memory when there is none */
    struct peer peer;    /* the last member */
};

/* Of a peer on a stack with a layer; lies behind the protocol's state. */
struct layered {
    struct identity *identity; /* what the layer has proven; owned, NULL for nothing */
    bool open;                 /* layer.open has been called, close has not */
};

struct stream_layered {
    struct layered layered;
    struct outgoing wire; /* what the layer has emitted */
};

/* Of a datagram peer on a stack with a layer; lies behind the protocol's state. */
struct datagram_layered {
    struct layered layered;
    struct timer alarm; /* the layer's */
    struct peer *peer;
    uint64_t admitted_ms; /* for the handshake's deadline */
    uint8_t prefix[SOURCE_KEY_SIZE];
    bool shaking;                   /* counted in port.prefixes */
    const struct arrival *arriving; /* while the layer receives what has come from elsewhere */
    struct endpoint candidate;      /* where it may be as well, as the layer believes, */
    struct local candidate_local;
    uint32_t candidate_credit; /* and how many bytes may be sent there */
};

enum { PEER_STATE_ALIGN = 8 };

static inline size_t peer_aligned(size_t size)
{
    return (size + PEER_STATE_ALIGN - 1) & ~(size_t)(PEER_STATE_ALIGN - 1);
}

static inline struct listener *peer_home(const struct peer *peer)
{
    return peer->home;
}

static inline struct stream *peer_stream(const struct peer *peer)
{
    return list_item(peer, struct stream, peer);
}

/* Of a stream: what waits for a promise, or NULL. */
static inline struct hold *peer_hold(const struct peer *peer)
{
    return peer_stream(peer)->poll.data;
}

/* The socket of a stream. */
static inline int peer_fd(const struct peer *peer)
{
    uv_os_fd_t fd = -1;
    uv_fileno((const uv_handle_t *)&peer_stream(peer)->poll, &fd);
    return fd;
}

static inline struct loop *peer_loop(const struct peer *peer)
{
    return peer_home(peer)->loop;
}

static inline const struct protocol *peer_protocol(const struct peer *peer)
{
    return peer_home(peer)->service.protocol;
}

/* The protocol's state. */
static inline void *peer_state(struct peer *peer)
{
    return (uint8_t *)peer + peer_aligned(sizeof(*peer));
}

/* The layer of the stack, or NULL. */
static inline const struct layer *peer_layer(const struct peer *peer)
{
    return peer_home(peer)->stack->layer;
}

/* Only on a stack with a layer. */
static inline struct layered *peer_layered(const struct peer *peer)
{
    return (struct layered *)((uint8_t *)peer + peer_aligned(sizeof(*peer)) +
                              peer_aligned(peer_protocol(peer)->state_size));
}

static inline struct outgoing *peer_wire(const struct peer *peer)
{
    return &((struct stream_layered *)peer_layered(peer))->wire;
}

static inline void *peer_layer_state(const struct peer *peer)
{
    size_t size = peer->flags & PEER_DATAGRAM ? sizeof(struct datagram_layered)
                                              : sizeof(struct stream_layered);
    return (uint8_t *)peer_layered(peer) + peer_aligned(size);
}

/* Bytes that may leave and that the kernel has not taken. */
static inline size_t peer_unsent(const struct peer *peer)
{
    return peer_stream(peer)->out.len + (peer_layer(peer) ? peer_wire(peer)->len : 0);
}

/* ---- peer_life.c ---- */

/* Makes a peer of an accepted socket and opens its protocol. Returns 0, or -errno with the socket
 * still the caller's: -EUSERS when its source has as many as it may (per_source). `from` is its
 * address. */
int peer_life_admit(struct listener *listener, int fd, const struct sockaddr_storage *from);

/* The transport has lost the peer: as peer_close, and nothing more can be sent. `error` is an
 * errno, 0 for an end of file. */
void peer_life_lost(struct peer *peer, int error);

/* Ends every peer that is marked closing. Runs between callbacks, never inside one of a protocol.
 */
void peer_life_settle(struct loop *loop);

/* Of an ended peer whose last flush is over: says goodbye or lets it go, as far as that is due. */
void peer_life_flushed(struct peer *peer);

/* Nothing of it waits for a promise any more. */
void peer_life_unheld(struct peer *peer);

/* Closes the socket at once. The peer must be ended. */
void peer_life_drop(struct peer *peer);

/* Ends and drops, whatever the state. */
void peer_life_kill(struct peer *peer, const char *why);

/* Tells libuv what this peer waits for now. */
void peer_life_watch(struct peer *peer);

/* The peer's strain, made when there is none; NULL when out of memory or closing. */
struct strain *peer_life_strain(struct peer *peer);
void peer_life_relax(struct peer *peer);

/* ---- peer_input.c ---- */

/* Reads once, or a few times when much is there, and gives it to the protocol. */
void peer_input_read(struct peer *peer);

/* What a peer that waited has left is given to the protocol again, and reading goes on. */
void peer_input_again(struct peer *peer);

/* Gives those that peer_again has put off what they have left. Once in a turn, after the sockets.
 */
void peer_input_serve(struct loop *loop);

/* An ending peer is put off no longer. */
void peer_input_forget(struct peer *peer);

/* The socket has failed: what has arrived before is still given to the protocol, then the peer is
 * lost. */
void peer_input_drain(struct peer *peer);

/* ---- peer_output.c ---- */

/* Notes that the peer has something to flush; to be called whenever something was appended. */
void peer_output_due(struct peer *peer);

/* Stops to read a peer that does not read what it asks for, and goes on when it does. */
void peer_output_brake(struct peer *peer);

/* Sends as much as the kernel takes of what the peer has appended. */
void peer_output_flush(struct peer *peer);

/* Flushes each peer that has something to say, a bounded number of times. */
void peer_output_flush_dirty(struct loop *loop);

/* At the end of a peer's life on a stack with a layer: turns what is left into wire bytes, and
 * closes the layer. */
void peer_output_seal(struct peer *peer);

#endif
