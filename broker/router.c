/* router: see router.h. broker_publish -> router_match -> the sessions' outboxes.
 *
 * Invariant: a node's value is the first subscription of a circle linked by on_node, or NULL; each
 * share with members has exactly one entry in the ring of its node, before all that are not shared.
 */
#include "broker/router.h"
#include "broker/topic.h"
#include <stdlib.h>

void router_init(struct router *router)
{
    memset(router, 0, sizeof *router);
    tree_init(&router->tree);
}

void router_clear(struct router *router)
{
    tree_clear(&router->tree, NULL);
    free(router->frontier.at);
    free(router->next.at);
    free(router->matches.at);
    memset(router, 0, sizeof *router);
}

/* ---- rings and shares ---- */

static void ring_insert(struct tree_node *node, struct subscription *s)
{
    struct subscription *first = ring_first(node);
    if (first)
        list_append(&first->on_node, &s->on_node);
    if (!first || !s->session) /* in a circle, the end is also the place before the first */
        node->value = s;
}

static void ring_remove(struct tree_node *node, struct subscription *s)
{
    if (node->value == s)
        node->value = list_linked(&s->on_node) ? ring_next(s) : NULL;
    list_remove(&s->on_node);
}

struct share *share_ref(struct share *share)
{
    share->refs++;
    return share;
}

void share_unref(struct share *share)
{
    if (share && --share->refs == 0)
        free(share);
}

static struct share *share_find(const struct tree_node *node, struct slice name)
{
    struct share *share = ring_first_share(node);
    while (share && !slice_equal(share_name(share), name))
        share = ring_next_share(share);
    return share;
}

struct share *router_share(const struct router *router, struct slice group, struct slice filter)
{
    const struct tree_node *node = tree_find(&router->tree, filter);
    return node ? share_find(node, group) : NULL;
}

/* A share without members: the caller adds one at once. */
static struct share *share_new(struct tree_node *node, struct slice name)
{
    struct share *share = calloc(1, sizeof *share + name.len);
    if (!share)
        return NULL;
    list_init(&share->members);
    list_init(&share->entry.on_node);
    list_init(&share->entry.on_session);
    share->entry.share = share;
    share->entry.node = node;
    share->name_len = (uint16_t)name.len;
    memcpy(share->name, name.at, name.len);
    ring_insert(node, &share->entry);
    return share;
}

/* ---- subscriptions ---- */

/* The session's subscription among those at `s`'s ring or share. Both lists may be long, but seldom
 * both: they are walked in step, so the shorter one decides what it costs. */
static struct subscription *find_of_session(const struct tree_node *node, const struct share *share,
                                            const struct session *session,
                                            const struct list *of_session)
{
    const struct subscription *first = ring_first(node);
    if (!first)
        return NULL;
    const struct list *here = share ? share->members.next : &first->on_node;
    const struct list *end = share ? &share->members : &first->on_node;
    const struct list *mine = of_session->next;
    if (here == end && share)
        return NULL;
    do {
        struct subscription *s = list_item(here, struct subscription, on_node);
        if (s->session == session)
            return s;
        if (mine == of_session)
            return NULL;
        s = list_item(mine, struct subscription, on_session);
        if (s->node == node && s->share == share)
            return s;
        here = here->next;
        mine = mine->next;
    } while (here != end);
    return NULL;
}

struct subscription *router_find(const struct router *router, const struct session *session,
                                 const struct list *of_session, struct slice group,
                                 struct slice filter)
{
    const struct tree_node *node = tree_find(&router->tree, filter);
    if (!node || !node->value)
        return NULL;
    const struct share *share = group.len ? share_find(node, group) : NULL;
    if (group.len && !share)
        return NULL;
    return find_of_session(node, share, session, of_session);
}

static void set_options(struct subscription *s, const struct subscribe_options *options)
{
    s->identifier = options->identifier;
    s->qos = options->qos & 3u;
    s->no_local = options->no_local;
    s->retain_as_published = options->retain_as_published;
}

struct subscription *router_add(struct router *router, struct session *session,
                                struct list *of_session, struct slice group, struct slice filter,
                                const struct subscribe_options *options, bool *existed)
{
    struct tree_node *node = tree_make(&router->tree, filter);
    if (!node)
        return NULL;
    struct share *share = group.len ? share_find(node, group) : NULL;
    struct subscription *s =
        group.len && !share ? NULL : find_of_session(node, share, session, of_session);
    *existed = s != NULL;
    if (s) {
        set_options(s, options); /* replaced, not doubled [MQTT-3.8.4-3] */
        return s;
    }
    s = calloc(1, sizeof *s);
    if (s && group.len && !share)
        share = share_new(node, group);
    if (!s || (group.len && !share)) {
        free(s);
        tree_prune(&router->tree, node);
        return NULL;
    }
    s->session = session;
    s->node = node;
    list_init(&s->on_node);
    list_append(of_session, &s->on_session);
    set_options(s, options);
    if (share) {
        s->share = share_ref(share);
        list_append(&share->members, &s->on_node);
    } else {
        ring_insert(node, s);
    }
    return s;
}

void router_remove(struct router *router, struct subscription *s)
{
    struct tree_node *node = s->node;
    list_remove(&s->on_session);
    if (s->share) {
        list_remove(&s->on_node);
        if (list_empty(&s->share->members))
            ring_remove(node, &s->share->entry);
        share_unref(s->share);
    } else {
        ring_remove(node, s);
    }
    free(s);
    tree_prune(&router->tree, node);
}

bool router_filter(const struct tree_node *node, struct buffer *filter)
{
    size_t size = 0;
    for (const struct tree_node *at = node; at->parent; at = at->parent)
        size += (size_t)at->level_len + (at == node ? 0 : 1);
    filter->len = 0;
    uint8_t *room = buffer_room(filter, size + 1);
    if (!room)
        return false;
    filter->len = (uint32_t)size;
    for (const struct tree_node *at = node; at->parent; at = at->parent) {
        if (at != node)
            room[--size] = '/';
        size -= at->level_len;
        memcpy(room + size, tree_level(at).at, at->level_len);
    }
    return true;
}

/* ---- matching ---- */

static bool push(struct node_array *array, struct tree_node *node)
{
    if (array->count == array->capacity) {
        size_t capacity = array->capacity ? array->capacity * 2 : 16;
        struct tree_node **at = realloc(array->at, capacity * sizeof *at);
        if (!at)
            return false;
        array->at = at;
        array->capacity = capacity;
    }
    array->at[array->count++] = node;
    return true;
}

/* A node's "#" child matches whatever follows, the node's own level included. */
static bool push_hash_child(struct node_array *matches, const struct tree_node *node)
{
    struct tree_node *hash = tree_child_hash(node);
    return !hash || !hash->value || push(matches, hash);
}

/* One level down from every node whose path matches so far. `system`: the first level of a topic
 * that begins with "$", which no wildcard matches [MQTT-4.7.2-1]. */
static bool step(struct router *router, struct slice level, bool system)
{
    uint64_t hash = tree_hash(level);
    router->visited += router->frontier.count;
    router->next.count = 0;
    for (size_t i = 0; i < router->frontier.count; i++) {
        const struct tree_node *node = router->frontier.at[i];
        if (!system && !push_hash_child(&router->matches, node))
            return false;
        struct tree_node *plus = system ? NULL : tree_child_plus(node);
        if (plus && !push(&router->next, plus))
            return false;
        struct tree_node *child = tree_child(&router->tree, node, level, hash);
        if (child && !push(&router->next, child))
            return false;
    }
    struct node_array swap = router->frontier;
    router->frontier = router->next;
    router->next = swap;
    return true;
}

bool router_match(struct router *router, struct slice topic)
{
    router->matches.count = 0;
    router->frontier.count = 0;
    if (!push(&router->frontier, &router->tree.root))
        return false;
    bool system = topic.len && topic.at[0] == '$';
    struct slice level;
    bool more = true;
    while (router->frontier.count && topic_next_level(&topic, &level, &more)) {
        if (!step(router, level, system))
            return false;
        system = false;
    }
    for (size_t i = 0; i < router->frontier.count; i++) {
        struct tree_node *node = router->frontier.at[i];
        if (node->value && !push(&router->matches, node))
            return false;
        if (!push_hash_child(&router->matches, node))
            return false;
    }
    return true;
}
