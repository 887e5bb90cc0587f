/* retained: see retained.h. publish.c stores; replay.c sends what is stored to new subscribers.
 *
 * Invariant: stats.retained_messages and retained_bytes are the count and size of the tree's
 * values, without those of topics that begin with "$". */
#include "broker/retained.h"
#include "broker/core.h"
#include "broker/topic.h"

static void drop_value(void *value)
{
    message_unref(value);
}

void retained_init(struct retained *retained)
{
    tree_init(&retained->tree);
    retained->sweep = 0;
    retained->stored = 0;
}

void retained_clear(struct retained *retained)
{
    tree_clear(&retained->tree, drop_value);
}

static bool has_room(const struct broker *broker, const struct message *m,
                     const struct message *former)
{
    const struct broker_limits *limits = broker->limits;
    uint64_t messages = broker->stats.retained_messages + (former ? 0 : 1);
    uint64_t bytes =
        broker->stats.retained_bytes + message_size(m) - (former ? message_size(former) : 0);
    return messages <= limits->retained_messages && bytes <= limits->retained_bytes &&
           (former || broker->retained.tree.count < limits->retained_nodes);
}

/* What the daemon says of itself takes no room away from the clients. */
static bool is_counted(const struct message *m)
{
    return m && m->topic[0] != '$';
}

/* Sets the node's value (NULL: none) and keeps the counters right. */
static void set_value(struct broker *broker, struct tree_node *node, struct message *value)
{
    struct message *former = node->value;
    if (is_counted(former)) {
        broker->stats.retained_messages--;
        broker->stats.retained_bytes -= message_size(former);
    }
    if (is_counted(value)) {
        broker->stats.retained_messages++;
        broker->stats.retained_bytes += message_size(value);
    }
    message_unref(former);
    node->value = value;
    if (!value)
        tree_prune(&broker->retained.tree, node);
}

enum verdict retained_store(struct broker *broker, struct message *message)
{
    struct tree *tree = &broker->retained.tree;
    struct tree_node *node = tree_find(tree, message_topic(message));
    if (message->payload_len == 0) { /* removes, and is not stored itself [MQTT-3.3.1-6, -7] */
        if (!node || !node->value)
            return VERDICT_OK;
        if (!durable_retained(broker, message_topic(message), node->value, NULL))
            return VERDICT_NO_MEMORY;
        set_value(broker, node, NULL);
        return VERDICT_OK;
    }
    if (is_counted(message) && !has_room(broker, message, node ? node->value : NULL))
        return VERDICT_QUOTA;
    if (!node)
        node = tree_make(tree, message_topic(message));
    struct message *owned = node ? message_hold(message) : NULL;
    if (!owned || !durable_retained(broker, message_topic(owned), node->value, owned)) {
        message_unref(owned);
        if (node)
            tree_prune(tree, node);
        return VERDICT_NO_MEMORY;
    }
    owned->stored = ++broker->retained.stored;
    set_value(broker, node, owned);
    return VERDICT_OK;
}

bool retained_restore(struct broker *broker, struct message *message)
{
    struct tree_node *node = tree_make(&broker->retained.tree, message_topic(message));
    if (!node)
        broker->durable.incomplete = true;
    if (!node || node->value)
        return !node;
    message->stored = ++broker->retained.stored;
    set_value(broker, node, message_hold(message));
    return true;
}

struct message *retained_find(const struct broker *broker, struct slice topic)
{
    const struct tree_node *node = tree_find(&broker->retained.tree, topic);
    return node ? node->value : NULL;
}

bool retained_is_allowed(const struct broker *broker, const struct message *m)
{
    return !m->author || authorise(&broker->authority, m->author, ACTION_AUTHOR,
                                   slice_from(message_topic(m), m->author->mountpoint_len));
}

enum verdict broker_latest(struct broker *broker, struct principal *who, const char *mountpoint,
                           struct slice topic, struct message **message)
{
    const struct broker_limits *limits = broker->limits;
    *message = NULL;
    if (!topic_name_valid(topic, limits->topic_length, limits->topic_levels))
        return VERDICT_BAD_TOPIC;
    if (!authorise(&broker->authority, who, ACTION_RETAINED, topic))
        return VERDICT_DENIED;
    struct message asked = {.topic = topic.at, .topic_len = (uint16_t)topic.len};
    enum verdict verdict = mountpoint[0] ? publish_mount(broker, mountpoint, &asked) : VERDICT_OK;
    if (verdict != VERDICT_OK)
        return verdict;
    struct message *found = retained_find(broker, message_topic(&asked));
    if (found && !message_expired(found, broker->wall_ms) && retained_is_allowed(broker, found))
        *message = found;
    return VERDICT_OK;
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
        if (m && message_expired(m, broker->wall_ms) &&
            durable_retained(broker, message_topic(m), m, NULL))
            set_value(broker, node, NULL); /* may move others into this slot: they wait a round */
    }
}
