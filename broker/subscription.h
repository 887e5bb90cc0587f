/* subscription: one session's wish for one filter; share: a group of them that takes turns.
 *
 * A subscription stands in two lists: of its session, and of its tree node (or of its share's
 * members). What a publish walks over is 64 bytes each, allocated once at SUBSCRIBE. A share takes
 * part in its node's ring through `entry`, a subscription without session. */
#ifndef SIOTD_BROKER_SUBSCRIPTION_H
#define SIOTD_BROKER_SUBSCRIPTION_H

#include "base/list.h"
#include "broker/broker.h"
#include "broker/tree.h"

struct subscription {
    struct list on_node; /* the ring of the node, or the members of the share */
    struct list on_session;
    struct session *session; /* NULL: the entry of a share */
    struct tree_node *node;
    struct share *share;        /* NULL: not shared */
    struct replay_part *replay; /* what of it still has to be replayed; NULL: nothing */
    uint32_t identifier;        /* 0: none */
    unsigned qos : 2, no_local : 1, retain_as_published : 1;
};

struct share {
    struct subscription entry;
    struct list members; /* by on_node; least recently served first */
    uint32_t refs;       /* members, and deliveries that may have to move to another member */
    uint32_t refused;    /* outbox.c: the last handing on that found nobody fit in here */
    uint16_t name_len;
    char name[];
};

static inline struct slice share_name(const struct share *share)
{
    return slice_of(share->name, share->name_len);
}

/* The ring of a node: its value points at the first of the circle. Shares stand before all others,
 * so that finding and serving them does not cost a walk over everybody. */
static inline struct subscription *ring_first(const struct tree_node *node)
{
    return node->value;
}

static inline struct subscription *ring_next(const struct subscription *s)
{
    return list_item(s->on_node.next, struct subscription, on_node);
}

/* The shares of a node: the first one and, after one, the next; NULL at the end. */
static inline struct share *ring_first_share(const struct tree_node *node)
{
    const struct subscription *first = node->value;
    return first && !first->session ? first->share : NULL;
}

static inline struct share *ring_next_share(const struct share *share)
{
    const struct subscription *next = ring_next(&share->entry);
    return next != ring_first(share->entry.node) && !next->session ? next->share : NULL;
}

#endif
