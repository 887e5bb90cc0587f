/* publish: the way of a message through the core.
 *
 *   broker_publish -> publish_route: check, match, ask for room, retain, deliver
 *
 * Straight down: first everything that could refuse the message, then everything that changes
 * something. Sinks only append to their peer's output, so nothing that the walk stands on can go
 * away under it. A session gets one copy however many of its subscriptions match, at the highest
 * QoS among them and with all their identifiers [MQTT-3.3.4-2, MQTT-3.3.4-3]. */
#include "broker/core.h"
#include "broker/topic.h"

/* ---- delivery ---- */

/* `sure`: there is room and memory for it, and nothing is refused any more. */
static void deliver_to(struct broker *broker, const struct match *match, struct message *m,
                       struct frames *frames, bool sure)
{
    struct session *session = match->session;
    struct delivery d = {
        .message = m,
        .topic = session_topic(session, m),
        .frames = session->mountpoint[0] ? NULL : frames,
        .qos = match->qos,
        .retain = match->retain,
    };
    d.identifiers = walk_identifiers(&broker->walk, match, &d.identifier_count);
    outbox_offer(session, &d, NULL, sure);
}

/* Gives it to one member of each share: who was chosen, or whoever can take it. */
static void deliver_to_shares(struct broker *broker, struct message *m, struct frames *frames)
{
    const struct walk *walk = &broker->walk;
    const struct delivery d = {.message = m, .qos = m->qos, .frames = frames};
    for (size_t i = 0; i < walk->turn_count; i++) {
        struct turn *turn = &walk->turns[i];
        enum dispatch outcome = turn->chosen ? share_serve(turn->share, &d, turn->chosen)
                                             : share_dispatch(turn->share, &d, NULL, false);
        if (outcome == DISPATCH_NO_MEMORY)
            broker->stats.dropped[DROP_NO_MEMORY]++;
        else if (outcome == DISPATCH_NOBODY)
            broker->stats.dropped[m->qos ? DROP_QUEUE_FULL : DROP_OFFLINE]++;
    }
}

/* ---- the route ---- */

enum verdict publish_mount(struct broker *broker, const char *mountpoint, struct message *m)
{
    struct walk *walk = &broker->walk;
    size_t prefix = strlen(mountpoint), size = prefix + m->topic_len;
    if (size > UINT16_MAX)
        return VERDICT_BAD_TOPIC;
    if (size > walk->topic_capacity) {
        void *moved = walk_grow(walk->topic, &walk->topic_capacity, size, 1);
        if (!moved)
            return VERDICT_NO_MEMORY;
        walk->topic = moved;
    }
    memcpy(walk->topic, mountpoint, prefix);
    memcpy(walk->topic + prefix, m->topic, m->topic_len);
    m->topic = walk->topic;
    m->topic_len = (uint16_t)size;
    return VERDICT_OK;
}

/* All that can refuse it. */
static enum verdict admit(struct broker *broker, const struct origin *origin, struct message *m,
                          bool promised)
{
    if (!router_match(&broker->router, message_topic(m)) || !walk_gather(broker, origin, m))
        return VERDICT_NO_MEMORY;
    enum verdict verdict = promised ? walk_provide(broker, m) : VERDICT_OK;
    if (verdict != VERDICT_OK || !m->retain)
        return verdict;
    verdict = retained_store(broker, m);
    return origin->refusable ? verdict : VERDICT_OK;
}

/* `m` carries its full topic, mountpoint included. */
static enum verdict route(struct broker *broker, const struct origin *origin, struct message *m)
{
    struct walk *walk = &broker->walk;
    bool promised = m->qos && origin->refusable;
    enum verdict verdict = admit(broker, origin, m, promised);
    walk->count = 0; /* nothing looks at the copies any more that have been counted */
    if (verdict != VERDICT_OK)
        return verdict;
    struct frames frames = {0};
    bool sure = promised && broker->limits->queue_full == QUEUE_REFUSE;
    for (size_t i = 0; i < walk->plain; i++)
        deliver_to(broker, &walk->matches[i], m, &frames, sure);
    if (walk->turn_count)
        deliver_to_shares(broker, m, &frames);
    return walk->plain || walk->turn_count ? VERDICT_OK : VERDICT_NO_SUBSCRIBERS;
}

enum verdict publish_route(struct broker *broker, const struct origin *origin, struct message *m)
{
    const struct broker_limits *limits = broker->limits;
    if (!origin->own &&
        !topic_name_valid(message_topic(m), limits->topic_length, limits->topic_levels))
        return VERDICT_BAD_TOPIC;
    if (!origin->own &&
        !authorise(&broker->authority, origin->principal, origin->action, message_topic(m)))
        return VERDICT_DENIED;
    if (message_size(m) > limits->packet_size)
        return VERDICT_TOO_LARGE;
    m->author = m->retain ? origin->principal : NULL;
    if (!origin->mountpoint[0])
        return route(broker, origin, m);
    /* Borrows from m, and whoever keeps it keeps the longer topic: a copy of its own. */
    struct message mounted = *m;
    mounted.held = NULL;
    mounted.refs = 0;
    enum verdict verdict = publish_mount(broker, origin->mountpoint, &mounted);
    if (verdict == VERDICT_OK)
        verdict = route(broker, origin, &mounted);
    message_end(&mounted);
    return verdict;
}

/* What every publisher's message is counted by, and how it went. */
static enum verdict publish_for(struct broker *broker, struct origin *origin, struct message *m)
{
    broker->stats.publish_received++;
    broker->stats.publish_received_at[m->qos]++;
    broker->stats.publish_bytes_received += m->payload_len;
    /* What stays must know whose it is. */
    enum verdict verdict =
        m->retain && !origin->principal ? VERDICT_NO_MEMORY : publish_route(broker, origin, m);
    if (verdict != VERDICT_OK && verdict != VERDICT_NO_SUBSCRIBERS)
        broker->stats.publish_refused++;
    return verdict;
}

enum verdict broker_publish(struct broker *broker, struct session *from, struct message *m)
{
    struct origin origin = {.session = from,
                            .mountpoint = from->mountpoint,
                            .refusable = true,
                            .action = ACTION_PUBLISH};
    durable_begin(&broker->durable);
    if (m->retain || authority_governs(&broker->authority))
        origin.principal = session_principal(from);
    return publish_for(broker, &origin, m);
}

enum verdict broker_publish_as(struct broker *broker, struct principal *who, const char *mountpoint,
                               struct message *m)
{
    if (!who)
        return VERDICT_DENIED;
    struct origin origin = {
        .principal = who, .mountpoint = mountpoint, .refusable = true, .action = ACTION_PUBLISH};
    durable_begin(&broker->durable);
    return publish_for(broker, &origin, m);
}

void broker_publish_own(struct broker *broker, struct message *m)
{
    struct origin origin = {.own = true, .mountpoint = "", .action = ACTION_PUBLISH};
    (void)publish_route(broker, &origin, m);
}
