/* datagram_state: the inside of a datagram peer and of the port it lives on, and what the files
 * datagram_*.c ask of each other.
 *
 * All peers of a listener share its socket. A datagram goes to the peer of its endpoint; one from
 * elsewhere is greeted by the layer, or where there is none received by the port's stranger, a
 * block that is used again and again: it becomes a peer when the protocol says peer_known, and
 * whoever is not known leaves nothing behind.
 *
 * What goes out stands in a queue of the port until the end of the turn, with its destination: a
 * datagram outlives its peer. Before a layer it stands in `plain`; while it waits for a promise of
 * the core's, in `held`. */
#ifndef SIOTD_TRANSPORTS_DATAGRAM_STATE_H
#define SIOTD_TRANSPORTS_DATAGRAM_STATE_H

#include "transports/datagram_queue.h"
#include "transports/datagram_socket.h"
#include "transports/peer_state.h"

enum {
    AMPLIFICATION = 3,        /* bytes to an unproven address for each byte that came from there */
    UNPROVEN_PAUSE_MS = 1000, /* of silence, after which one datagram more may go there */
    CREDIT_MAX = 1 << 20,     /* bytes that it may save up */
    /* Bits of a prefix that share a number of handshakes. */
    PREFIX_IPV4 = 24,
    PREFIX_IPV6 = 64,
};

/* A peer on datagrams. What only these need stands in front, as in struct stream. */
struct datagram {
    struct endpoint at; /* the key in port.table */
    struct local local; /* where its last datagram came to */
    uint32_t credit;    /* bytes that may be sent to it while it is not verified */
    uint64_t heard_ms;  /* when its last datagram came */
    uint64_t awaited;   /* the highest promise that something of it waits for */
    uint64_t barrier;   /* all that is appended waits for this one; 0 without */
    uint32_t backlog;   /* bytes in the port's queues */
    uint32_t queued;    /* datagrams in the port's queues */
    uint32_t held;      /* of these in port.held */
    /* While it is not verified, since its last datagram: */
    bool unanswered;  /* it has been sent nothing */
    bool followed;    /* it has been sent something after the pause */
    struct peer peer; /* the last member */
};

/* What a listener on datagrams has in addition. */
struct port {
    struct list siblings; /* in loop.ports */
    struct listener *listener;
    struct map table;          /* struct datagram by endpoint */
    struct datagram *stranger; /* the block for whoever is not known; may be NULL */
    bool greeting;             /* the stranger is in use */
    struct datagram_queue plain, out, held;
    bool blocked; /* the kernel takes no more: wait for writable */
    int watched;  /* what libuv has been told */
    bool wildcard;
    uint32_t missed;     /* as the kernel has last said */
    struct timer sweep;  /* set while there are peers */
    struct map prefixes; /* handshakes under way by prefix */
    struct datagram_counts counts;
};

static inline struct datagram *peer_datagram(const struct peer *peer)
{
    return list_item(peer, struct datagram, peer);
}

static inline struct port *peer_port(const struct peer *peer)
{
    return peer_home(peer)->port;
}

/* The layer of the stack, or NULL. */
static inline const struct datagram_layer *port_layer(const struct port *port)
{
    return port->listener->stack->datagram_layer;
}

/* Only on a stack with a layer. */
static inline struct datagram_layered *datagram_layered(const struct peer *peer)
{
    return (struct datagram_layered *)peer_layered(peer);
}

/* ---- datagram_port.c ---- */

/* Gives a listener its port and begins to receive on its socket. 0 or -errno. */
int port_open(struct listener *listener);
/* Receives no more. */
void port_stop(struct port *port);
/* Kills all peers, sends what is left, frees. The socket stays the caller's. NULL is allowed. */
void port_close(struct port *port);
/* Tells libuv what the port waits for now. */
void port_watch(struct port *port);

/* ---- datagram_peer.c ---- */

/* A peer that a layer has admitted, in the table; NULL when there is no room for it. */
struct peer *datagram_peer_admit(struct port *port, const struct arrival *arrival);

/* Lends the port's stranger to whoever has sent this; NULL when out of memory. The protocol is
 * open then. */
struct peer *datagram_peer_meet(struct port *port, const struct arrival *arrival);
/* The end of that: unless the peer is known now, the protocol is closed and nothing remains. */
void datagram_peer_part(struct peer *peer);

/* Its handshake is over: no longer among those that give way. */
void datagram_peer_settle(struct peer *peer);

/* As peer_life_settle and peer_life_kill do with streams. */
void datagram_peer_end(struct peer *peer);
void datagram_peer_kill(struct peer *peer, const char *why);

/* Nothing of an ended peer is held any more, or it has waited long enough. */
void datagram_peer_release(struct peer *peer);

/* What peer.h promises. */
void datagram_peer_known(struct peer *peer);
void datagram_peer_verify(struct peer *peer);

/* The wheel's part of port: closes who has been idle, and whose handshake takes too long. */
void datagram_peer_sweep(struct timer *timer);

/* ---- datagram_input.c ---- */

/* Receives and hands on, a bounded number of batches. */
void datagram_input_read(struct port *port);
/* The peer has sent this. */
void datagram_input_heard(struct peer *peer, const struct arrival *arrival);
/* Goes on with a batch that peer_again has put off. Once in a turn. */
void datagram_input_serve(struct loop *loop);
/* As peer_again, in receive. */
void datagram_input_again(struct peer *peer);
/* A datagram that has come out of a layer is to be offered again; copied. */
void datagram_input_put_off(struct peer *peer, struct slice plain);
/* Whether something is put off: nobody receives then. */
bool datagram_input_waits(const struct loop *loop);
/* The peer, or all peers of the port, will not be there for what was put off. */
void datagram_input_forget(struct peer *peer);
void datagram_input_forget_port(struct port *port);

/* ---- datagram_output.c ---- */

/* What peer.h promises of peer_reserve and its like: `promise` 0 to leave at once. */
uint8_t *datagram_output_reserve(struct peer *peer, size_t len, uint64_t promise);
void datagram_output_barrier(struct peer *peer, uint64_t promise);
size_t datagram_output_allowance(const struct peer *peer);
uint64_t datagram_output_allowed_ms(const struct peer *peer);
size_t datagram_output_most(const struct peer *peer);
/* Puts a datagram for the wire into the queue, whoever it goes to. `peer` may be NULL. */
void datagram_output_emit(struct port *port, struct peer *peer, const struct endpoint *to,
                          const struct local *from, struct slice wire);
/* Turns what stands before the layer into wire datagrams. */
void datagram_output_encode(struct port *port);
/* Sends what may leave, until the kernel takes no more. */
void datagram_output_flush(struct port *port);
/* Whether a flush would send something. */
bool datagram_output_pending(const struct port *port);
void datagram_output_flush_all(struct loop *loop);
bool datagram_output_pending_any(const struct loop *loop);
/* The core has kept its promises up to this one. */
void datagram_output_keep(struct loop *loop, uint64_t promise);
/* The peer has gone: its memory is freed, at once or with the last of its datagrams. */
void datagram_output_bury(struct peer *peer);
/* Drops all that is queued; the port's peers have gone. */
void datagram_output_clear(struct port *port);
/* A full peer may have room again; in loop.dirty. */
void datagram_output_weigh(struct peer *peer);

/* ---- datagram_layered.c ---- */

/* A datagram from an endpoint without a peer, or that `begins` something. */
void datagram_layered_greet(struct port *port, const struct arrival *arrival);
/* A datagram for this peer, through its layer. */
void datagram_layered_receive(struct peer *peer, const struct arrival *arrival);

#endif
