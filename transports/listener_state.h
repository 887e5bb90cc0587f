/* listener_state: the inside of a listener, for the files of this folder only. */
#ifndef SIOTD_TRANSPORTS_LISTENER_STATE_H
#define SIOTD_TRANSPORTS_LISTENER_STATE_H

#include "base/log.h"
#include "transports/listener.h"
#include "transports/loop_state.h"
#include "transports/socket.h"
#include "transports/stacks.h"

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
    struct list peers; /* peer.siblings */
    size_t connections;
    struct timer retry; /* set while accepting pauses */
    uint64_t pause_ms;  /* of the last pause; 0 when all is well */
    struct log_rate refusals, pauses;
    struct listener_counts counts;
};

/* listener_open on a stack that need not be in the table (tests). */
int listener_open_on(struct loop *loop, const struct listener_settings *settings,
                     const struct service *service, const struct stack *stack, int inherited_fd,
                     struct listener **out, char *error, size_t error_size);

#endif
