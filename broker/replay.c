/* replay: see replay.h. subscribe.c starts it; broker_work carries it on; session_pump wakes it.
 *
 * Invariants: a part's subscription is one of the session's and points back at it; the node it
 * stands on is pinned, and `depth` levels below the root. */
#include "broker/replay.h"
#include "broker/core.h"
#include "broker/topic.h"
#include <stdlib.h>

enum { LOOKS_PER_MESSAGE = 16 }; /* nodes to look at for each message that may be sent in a turn */

/* One SUBSCRIBE's worth. */
struct replay_part {
    struct list link;
    struct subscription *subscription;
    uint64_t stored;                  /* the last value stored before SUBSCRIBE */
    struct tree_node *at;             /* to be looked at next */
    size_t depth, count;              /* of `at`; of the filter's levels */
    bool hash;                        /* the last level is "#" */
    const struct tree_node *levels[]; /* the filter: nodes of the router's tree */
};

/* ---- parts ---- */

static size_t depth_of(const struct tree_node *node)
{
    size_t depth = 0;
    while ((node = node->parent) != NULL)
        depth++;
    return depth;
}

static bool is_wild(const struct tree_node *level, char c)
{
    return level->level_len == 1 && tree_level(level).at[0] == c;
}

static struct replay_part *part_new(struct broker *broker, struct subscription *subscription)
{
    const struct tree_node *level = subscription->node;
    size_t count = depth_of(level);
    struct replay_part *part = malloc(sizeof *part + count * sizeof part->levels[0]);
    if (!part)
        return NULL;
    *part = (struct replay_part){.subscription = subscription,
                                 .stored = broker->retained.stored,
                                 .at = &broker->retained.tree.root,
                                 .count = count,
                                 .hash = is_wild(level, '#')};
    for (size_t i = count; i > 0; i--, level = level->parent)
        part->levels[i - 1] = level;
    list_init(&part->link);
    tree_pin(part->at);
    subscription->replay = part;
    return part;
}

static void part_free(struct broker *broker, struct replay_part *part)
{
    part->subscription->replay = NULL;
    list_remove(&part->link);
    tree_unpin(&broker->retained.tree, part->at);
    free(part);
}

/* ---- the walk ---- */

/* Whether every child of a node that deep is wanted. */
static bool any_child(const struct replay_part *part, size_t depth)
{
    return part->hash && depth + 1 >= part->count
               ? true
               : depth < part->count && is_wild(part->levels[depth], '+');
}

static bool is_selected(const struct replay_part *part)
{
    /* "#" selects the level above it too [MQTT-4.7.1.2]. */
    return part->hash ? part->depth + 1 >= part->count : part->depth == part->count;
}

/* The node itself or the first behind it that a wildcard may select: at the first
 * level none that begins with "$" [MQTT-4.7.2-1]. */
static struct tree_node *not_system(struct tree_node *node, size_t depth)
{
    while (depth == 1 && node && node->level_len && tree_level(node).at[0] == '$')
        node = node->next;
    return node;
}

static struct tree_node *down(const struct broker *broker, const struct replay_part *part)
{
    if (any_child(part, part->depth))
        return not_system(part->at->first_child, part->depth + 1);
    if (part->depth >= part->count)
        return NULL;
    struct slice level = tree_level(part->levels[part->depth]);
    return tree_child(&broker->retained.tree, part->at, level, tree_hash(level));
}

static void move(struct broker *broker, struct replay_part *part, struct tree_node *to,
                 size_t depth)
{
    struct tree_node *from = part->at;
    tree_pin(to);
    part->at = to;
    part->depth = depth;
    tree_unpin(&broker->retained.tree, from);
}

/* One node on, depth first. False at the end of the walk. */
static bool step(struct broker *broker, struct replay_part *part)
{
    struct tree_node *next = down(broker, part);
    size_t depth = part->depth + 1;
    /* Back to the nearest wildcard that has another child. */
    for (struct tree_node *node = part->at; !next && --depth > 0; node = node->parent)
        if (any_child(part, depth - 1))
            next = not_system(node->next, depth);
    if (!next)
        return false;
    move(broker, part, next, depth);
    return true;
}

/* ---- sending ---- */

/* The value to be sent from where the part stands, or NULL. Replaced, expired or forbidden
 * meanwhile, it is passed over. */
static struct message *value_for(struct session *session, const struct replay_part *part)
{
    struct message *m = is_selected(part) ? part->at->value : NULL;
    if (!m || m->stored > part->stored || message_expired(m, session->broker->wall_ms) ||
        !session_may(session, ACTION_RETAINED, session_topic(session, m)) ||
        !retained_is_allowed(session->broker, m))
        return NULL;
    return m;
}

static bool send_value(struct session *session, const struct subscription *s, struct message *m)
{
    struct delivery d = {
        .message = m,
        .topic = session_topic(session, m),
        .identifiers = &s->identifier,
        .identifier_count = s->identifier ? 1 : 0,
        .qos = m->qos < s->qos ? m->qos : (uint8_t)s->qos,
        .retain = true, /* [MQTT-3.3.1-8] */
    };
    return outbox_try(session, &d, NULL);
}

enum progress { DONE, FULL, TIRED };

static enum progress part_work(struct session *session, struct replay_part *part,
                               uint64_t *messages, uint64_t *looks)
{
    for (; *looks; --*looks) {
        struct message *m = value_for(session, part);
        if (m && *messages == 0)
            return TIRED;
        if (m && !send_value(session, part->subscription, m))
            return FULL;
        *messages -= m != NULL;
        if (!step(session->broker, part)) {
            --*looks;
            return DONE;
        }
    }
    return TIRED;
}

void replay_work(struct session *session, uint64_t *budget)
{
    struct replay *replay = session->replay;
    uint64_t messages = session->broker->limits->retained_per_turn;
    uint64_t looks =
        messages * LOOKS_PER_MESSAGE < *budget ? messages * LOOKS_PER_MESSAGE : *budget;
    uint64_t given = looks;
    enum progress progress = DONE;
    while (progress == DONE && !list_empty(&replay->parts)) {
        struct replay_part *part = list_item(replay->parts.next, struct replay_part, link);
        progress = part_work(session, part, &messages, &looks);
        if (progress == DONE)
            part_free(session->broker, part);
    }
    *budget -= given - looks;
    if (progress == FULL)
        list_remove(&replay->link); /* session_pump brings it back */
    if (progress == DONE)
        replay_free(session);
}

/* ---- life ---- */

static struct replay *replay_of(struct session *session)
{
    if (session->replay)
        return session->replay;
    struct replay *replay = calloc(1, sizeof *replay);
    if (!replay)
        return NULL;
    replay->session = session;
    list_init(&replay->link);
    list_init(&replay->parts);
    return session->replay = replay;
}

bool replay_start(struct session *session, struct subscription *subscription, struct slice filter)
{
    struct broker *broker = session->broker;
    replay_stop(session, subscription);
    bool nothing = broker->retained.tree.count == 0 ||
                   (!topic_has_wildcard(filter) && !retained_find(broker, filter));
    if (nothing)
        return true;
    struct replay_part *part = part_new(broker, subscription);
    if (!part)
        return false;
    if (!replay_of(session)) {
        part_free(broker, part);
        return false;
    }
    list_append(&session->replay->parts, &part->link);
    replay_wake(session);
    return true;
}

void replay_stop(struct session *session, struct subscription *subscription)
{
    if (!subscription->replay)
        return;
    part_free(session->broker, subscription->replay);
    if (list_empty(&session->replay->parts))
        replay_free(session);
}

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
    list_each(link, &replay->parts)
        part_free(session->broker, list_item(link, struct replay_part, link));
    free(replay);
    session->replay = NULL;
}
