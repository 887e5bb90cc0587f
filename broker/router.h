/* router: who wants a topic. A tree of filters whose nodes carry rings of subscriptions. */
#ifndef SIOTD_BROKER_ROUTER_H
#define SIOTD_BROKER_ROUTER_H

#include "base/buffer.h"
#include "broker/subscription.h"

/* A growing array of nodes, kept from walk to walk. */
struct node_array {
    struct tree_node **at;
    size_t count, capacity;
};

struct router {
    struct tree tree;
    struct node_array frontier, next, matches;
    uint64_t visited; /* nodes looked at since the turn began */
};

/* A router without subscriptions. */
void router_init(struct router *router);
/* Frees the tree; no subscription may be left. */
void router_clear(struct router *router);

/* Adds or changes the subscription of that session; `group` is empty when it is not shared.
 * Returns it with *existed set, or NULL when out of memory. The caller has checked filter and
 * limits. */
struct subscription *router_add(struct router *router, struct session *session,
                                struct list *session_subscriptions, struct slice group,
                                struct slice filter, const struct subscribe_options *options,
                                bool *existed);

/* The subscription of that session, or NULL. */
struct subscription *router_find(const struct router *router, const struct session *session,
                                 const struct list *session_subscriptions, struct slice group,
                                 struct slice filter);

/* Takes it out of the tree and frees it. */
void router_remove(struct router *router, struct subscription *subscription);

/* All nodes with subscriptions whose filter matches: router->matches until the next call.
 * Iterative; visits at most the nodes whose path so far matches. False when out of memory (matches
 * incomplete). */
bool router_match(struct router *router, struct slice topic);

/* The share of that name and filter, or NULL. */
struct share *router_share(const struct router *router, struct slice group, struct slice filter);

/* The filter that a node stands for, into `filter`. False when out of memory. */
bool router_filter(const struct tree_node *node, struct buffer *filter);

/* References of deliveries to the share they came from. */
struct share *share_ref(struct share *share);
void share_unref(struct share *share); /* NULL allowed */

#endif
