/* stacks: the transports by name: a socket and the layers on it. One row each. */
#ifndef SIOTD_TRANSPORTS_STACKS_H
#define SIOTD_TRANSPORTS_STACKS_H

#include "protocols/protocol.h"

struct datagram_layer;
struct layer;

struct stack {
    const char *name;          /* as in the configuration: "tcp" */
    enum carrier carrier;      /* what it offers to a protocol */
    const struct layer *layer; /* what stands between socket and protocol; NULL: nothing */
    const struct datagram_layer *datagram_layer; /* the same on datagrams */
    bool unix_sockets;                           /* takes unix:/path as an address */
    bool private;                                /* nobody on the way can read along */
    bool tls;                                    /* a listener on it has a tls: map */
};

extern const struct stack stacks[];
extern const size_t stacks_count;

/* The row of that name, or NULL. */
const struct stack *stack_find(const char *name);

#endif
