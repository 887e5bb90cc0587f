/* listener_state: the inside of a listener, for the files of this folder only. */
#ifndef SIOTD_TRANSPORTS_LISTENER_STATE_H
#define SIOTD_TRANSPORTS_LISTENER_STATE_H

#include "base/log.h"
#include "base/map.h"
#include "transports/listener.h"
#include "transports/loop_state.h"
#include "transports/socket.h"
#include "transports/stacks.h"

struct port;
struct stats;

struct listener {
    uv_poll_t poll; /* data: the listener */
    struct loop *loop;
    const struct stack *stack;
    struct service service;
    struct stats *stats;               /* the broker's */
    struct listener_settings settings; /* strings owned */
    void *shared, *fresh; /* of the stack's layer: what its peers share, and what a reload has
                             prepared; NULL without */
    struct socket socket; /* fd -1 once stopped */
    bool stopped;
    struct port *port;     /* of a listener on datagrams, else NULL */
    uint64_t handshake_ms; /* how long a layer's handshake may take */
    struct list peers;     /* peer.siblings; those known to their protocol */
    struct list strangers; /* the others, oldest first */
    size_t connections, stranger_count;
    uint64_t strangers_max; /* settings.strangers, or what the descriptors allow */
    struct map sources;     /* connections by source; empty while per_source is unlimited */
    uint64_t second;        /* the last in which something was accepted, and how much */
    uint64_t accepted_in_second;
    struct timer retry; /* set while accepting pauses */
    uint64_t pause_ms;  /* of the last pause; 0 when all is well */
    struct log_rate refusals, pauses, displacements;
    struct listener_counts counts;
};

/* listener_open on a stack that need not be in the table (tests). */
int listener_open_on(struct loop *loop, const struct listener_settings *settings,
                     const struct service *service, const struct stack *stack, int inherited_fd,
                     struct listener **out, char *error, size_t error_size);

#endif
