/* retained: see retained.h. publish.c stores; subscribe.c starts replays; broker_work carries them
 * on.
 *
 * Invariant: stats.retained_messages and retained_bytes are the count and size of the tree's
 * values. */
#include "broker/retained.h"
#include "broker/core.h"
#include "broker/topic.h"
#include <stdlib.h>

/* ---- the store ---- */

static void drop_value(void *value)
{
    message_unref(value);
}

void retained_init(struct retained *retained)
{
    tree_init(&retained->tree);
    retained->sweep = 0;
}

void retained_clear(struct retained *retained)
{
    tree_clear(&retained->tree, drop_value);
}

bool retained_has_room(const struct broker *broker, const struct message *m)
{
    const struct broker_limits *limits = broker->limits;
    const struct message *former = retained_find(broker, message_topic(m));
    if (m->payload_len == 0)
        return true;
    uint64_t messages = broker->stats.retained_messages + (former ? 0 : 1);
    uint64_t bytes =
        broker->stats.retained_bytes + message_size(m) - (former ? message_size(former) : 0);
    return messages <= limits->retained_messages && bytes <= limits->retained_bytes;
}

/* Sets the node's value (NULL: none) and keeps the counters right. */
static void set_value(struct broker *broker, struct tree_node *node, struct message *value)
{
    struct message *former = node->value;
    if (former) {
        broker->stats.retained_messages--;
        broker->stats.retained_bytes -= message_size(former);
        message_unref(former);
    }
    node->value = value;
    if (value) {
        broker->stats.retained_messages++;
        broker->stats.retained_bytes += message_size(value);
    } else {
        tree_prune(&broker->retained.tree, node);
    }
}

bool retained_store(struct broker *broker, struct message *message)
{
    struct tree *tree = &broker->retained.tree;
    if (message->payload_len == 0) { /* removes, and is not stored itself [MQTT-3.3.1-6, -7] */
        struct tree_node *node = tree_find(tree, message_topic(message));
        if (node && node->value)
            set_value(broker, node, NULL);
        return true;
    }
    struct tree_node *node = tree_make(tree, message_topic(message));
    struct message *owned = node ? message_hold(message) : NULL;
    if (!owned) {
        if (node)
            tree_prune(tree, node);
        return false;
    }
    set_value(broker, node, owned);
    return true;
}

struct message *retained_find(const struct broker *broker, struct slice topic)
{
    const struct tree_node *node = tree_find(&broker->retained.tree, topic);
    return node ? node->value : NULL;
}

void retained_sweep(struct broker *broker, size_t budget)
{
    struct retained *retained = &broker->retained;
    for (; budget && retained->tree.capacity; budget--) {
        if (retained->sweep >= retained->tree.capacity) {
            retained->sweep = 0;
            return;
        }
        struct tree_node *node = retained->tree.slots[retained->sweep++];
        struct message *m = node ? node->value : NULL;
        if (m && message_expired(m, broker->wall_ms))
            set_value(broker, node, NULL); /* may move others into this slot: they wait a round */
    }
}

/* ---- the matching snapshot ---- */

/* One SUBSCRIBE's worth. */
struct replay_part {
    struct replay_part *next;
    uint32_t identifier;
    uint8_t qos;
    size_t at, count, capacity; /* messages[at..count) are still to be sent */
    struct message **messages;  /* one reference each */
};

static void part_free(struct replay_part *part)
{
    while (part->at < part->count)
        message_unref(part->messages[part->at++]);
    free(part->messages);
    free(part);
}

static bool part_add(struct replay_part *part, struct message *message)
{
    if (part->count == part->capacity) {
        size_t capacity = part->capacity ? part->capacity * 2 : 4;
        struct message **messages = realloc(part->messages, capacity * sizeof *messages);
        if (!messages)
            return false;
        part->messages = messages;
        part->capacity = capacity;
    }
    part->messages[part->count++] = message_hold(message);
    return true;
}

/* The filter's levels, cut once so that the walk can go back and forth in them. */
struct levels {
    size_t count;
    struct slice at[];
};

static struct levels *cut(struct slice filter)
{
    size_t count = 1;
    for (size_t i = 0; i < filter.len; i++)
        count += filter.at[i] == '/';
    struct levels *levels = malloc(sizeof *levels + count * sizeof levels->at[0]);
    if (!levels)
        return NULL;
    levels->count = 0;
    bool more = true;
    while (topic_next_level(&filter, &levels->at[levels->count], &more))
        levels->count++;
    return levels;
}

/* First levels that begin with "$" are not for wildcards [MQTT-4.7.2-1]. */
static bool is_system(const struct tree_node *node)
{
    return node->level_len && tree_level(node).at[0] == '$';
}

static bool is_wild(struct slice level, char c)
{
    return level.len == 1 && level.at[0] == c;
}

static bool add_value(struct broker *broker, struct replay_part *part, struct tree_node *node)
{
    struct message *m = node->value;
    return !m || message_expired(m, broker->wall_ms) || part_add(part, m);
}

/* All values under `top`, without those of "$" topics when `top` is the root. */
static bool add_subtree(struct broker *broker, struct replay_part *part, struct tree_node *top)
{
    const struct tree_node *root = &broker->retained.tree.root;
    bool skip = false;
    for (struct tree_node *node = top; node; node = tree_walk(top, node, skip)) {
        skip = node->parent == root && is_system(node) && node != top;
        if (!skip && !add_value(broker, part, node))
            return false;
    }
    return true;
}

/* Walks the names that the filter selects, depth first and without recursion: at depth d a node is
 * either the one child a literal level names or, under "+", each child in turn. */
static bool collect(struct broker *broker, struct replay_part *part, const struct levels *levels)
{
    struct tree *tree = &broker->retained.tree;
    struct tree_node *node = &tree->root;
    size_t depth = 0; /* of node */
    while (node) {
        struct tree_node *down = NULL;
        if (depth == levels->count) {
            if (!add_value(broker, part, node))
                return false;
        } else if (is_wild(levels->at[depth], '#')) {
            if (!add_subtree(broker, part, node)) /* the parent level too [MQTT-4.7.1.2] */
                return false;
        } else if (is_wild(levels->at[depth], '+')) {
            down = node->first_child;
            while (depth == 0 && down && is_system(down))
                down = down->next;
        } else {
            down = tree_child(tree, node, levels->at[depth], tree_hash(levels->at[depth]));
        }
        if (down) {
            node = down;
            depth++;
            continue;
        }
        /* Back to the nearest "+" that has another child. */
        for (; depth > 0; depth--, node = node->parent) {
            if (!is_wild(levels->at[depth - 1], '+'))
                continue;
            struct tree_node *other = node->next;
            while (depth == 1 && other && is_system(other))
                other = other->next;
            if (other) {
                node = other;
                break;
            }
        }
        if (depth == 0)
            return true;
    }
    return true;
}

bool replay_start(struct session *session, struct slice filter,
                  const struct subscribe_options *options)
{
    struct broker *broker = session->broker;
    if (broker->stats.retained_messages == 0)
        return true;
    struct replay_part *part = calloc(1, sizeof *part);
    struct levels *levels = cut(filter);
    bool good = part && levels && collect(broker, part, levels);
    free(levels);
    if (good && part->count && !session->replay) {
        session->replay = calloc(1, sizeof *session->replay);
        good = session->replay != NULL;
        if (good) {
            session->replay->session = session;
            list_init(&session->replay->link);
        }
    }
    if (!good || part->count == 0) {
        if (part)
            part_free(part);
        return good;
    }
    part->qos = options->qos;
    part->identifier = options->identifier;
    struct replay *replay = session->replay;
    if (replay->last)
        replay->last->next = part;
    else
        replay->first = part;
    replay->last = part;
    replay_wake(session);
    return true;
}

/* ---- sending it ---- */

void replay_wake(struct session *session)
{
    struct replay *replay = session->replay;
    if (session->sink && !list_linked(&replay->link))
        list_append(&session->broker->replaying, &replay->link);
}

void replay_free(struct session *session)
{
    struct replay *replay = session->replay;
    if (!replay)
        return;
    list_remove(&replay->link);
    while (replay->first) {
        struct replay_part *part = replay->first;
        replay->first = part->next;
        part_free(part);
    }
    free(replay);
    session->replay = NULL;
}

/* Whether it still holds: replaced, removed, expired or forbidden meanwhile, it is passed over. */
static bool still_holds(struct session *session, struct message *m)
{
    struct broker *broker = session->broker;
    return retained_find(broker, message_topic(m)) == m && !message_expired(m, broker->wall_ms) &&
           session_may(session, ACTION_RETAINED, session_topic(session, m));
}

/* Sends one. False when the client cannot take it now. */
static bool replay_one(struct session *session, const struct replay_part *part, struct message *m)
{
    if (!still_holds(session, m))
        return true;
    struct delivery d = {
        .message = m,
        .topic = session_topic(session, m),
        .identifiers = &part->identifier,
        .identifier_count = part->identifier ? 1 : 0,
        .qos = part->qos < m->qos ? part->qos : m->qos,
        .retain = true, /* [MQTT-3.3.1-8] */
    };
    if (d.qos) {
        if (!outbox_is_open(session))
            return false;
        outbox_offer(session, &d, NULL);
        return true;
    }
    struct stats *stats = &session->broker->stats;
    switch (session->sink->verbs->deliver(session->sink, &d)) {
    case SINK_FULL:
        return false;
    case SINK_TOO_LARGE:
        stats->dropped[DROP_TOO_LARGE]++;
        return true;
    case SINK_TAKEN:
        stats->publish_sent++;
        stats->publish_bytes_sent += m->payload_len;
        return true;
    }
    return true;
}

bool replay_work(struct session *session)
{
    struct replay *replay = session->replay;
    uint64_t budget = session->broker->limits->retained_per_turn;
    while (replay->first) {
        struct replay_part *part = replay->first;
        for (; part->at < part->count; budget--) {
            if (budget == 0)
                return true;
            struct message *m = part->messages[part->at];
            if (!replay_one(session, part, m)) {
                list_remove(&replay->link); /* session_pump brings it back */
                return false;
            }
            part->at++;
            message_unref(m);
        }
        replay->first = part->next;
        part_free(part);
    }
    replay_free(session);
    return false;
}
