/* publish: the way of a message through the core.
 *
 *   broker_publish -> publish_route: check, match, ask for room, retain, deliver
 *
 * Straight down: first everything that could refuse the message, then everything that changes
 * something. Sinks only append to their peer's output, so nothing that the walk stands on can go
 * away under it. A session gets one copy however many of its subscriptions match, at the highest
 * QoS among them and with all their identifiers [MQTT-3.3.4-2, MQTT-3.3.4-3]. */
#include "broker/core.h"
#include "broker/outbox_parts.h"
#include "broker/topic.h"
#include <stdlib.h>

/* One session of the walk. */
struct match {
    struct session *session;
    uint32_t identifier; /* the first one; 0: none */
    uint32_t more;       /* 1 + index of further ones in the chain; 0: none */
    uint8_t qos;
    bool retain;
};

struct identifier {
    uint32_t value, next;
};

static void *grow(void *at, size_t *capacity, size_t needed, size_t item)
{
    size_t grown = *capacity ? *capacity : 32;
    while (grown < needed)
        grown *= 2;
    void *moved = realloc(at, grown * item);
    if (moved)
        *capacity = grown;
    return moved;
}

static uint8_t least(uint8_t a, uint8_t b)
{
    return a < b ? a : b;
}

/* ---- who gets it ---- */

static bool is_for(const struct subscription *s, const struct origin *origin,
                   const struct message *m)
{
    if (s->no_local && s->session == origin->session) /* [MQTT-3.8.3-3] */
        return false;
    return session_may(s->session, ACTION_DELIVER, session_topic(s->session, m));
}

static bool add_identifier(struct walk *walk, struct match *match, uint32_t identifier)
{
    if (identifier == 0)
        return true;
    if (match->identifier == 0) {
        match->identifier = identifier;
        return true;
    }
    if (walk->chain_count == walk->chain_capacity) {
        void *moved =
            grow(walk->chain, &walk->chain_capacity, walk->chain_count + 1, sizeof *walk->chain);
        if (!moved)
            return false;
        walk->chain = moved;
    }
    walk->chain[walk->chain_count] = (struct identifier){identifier, match->more};
    match->more = (uint32_t)++walk->chain_count;
    return true;
}

static bool add_match(struct walk *walk, const struct subscription *s, const struct message *m)
{
    struct session *session = s->session;
    uint8_t qos = least(m->qos, (uint8_t)s->qos);
    bool retain = m->retain && s->retain_as_published; /* [MQTT-3.3.1-12, -13] */
    /* The stamp may be left over from a walk long ago: it must also point at this session. */
    if (session->walk == walk->serial && session->walk_index < walk->count &&
        walk->matches[session->walk_index].session == session) {
        struct match *former = &walk->matches[session->walk_index];
        former->qos = qos > former->qos ? qos : former->qos;
        former->retain |= retain;
        return add_identifier(walk, former, s->identifier);
    }
    if (walk->count == walk->capacity) {
        void *moved = grow(walk->matches, &walk->capacity, walk->count + 1, sizeof *walk->matches);
        if (!moved)
            return false;
        walk->matches = moved;
    }
    session->walk = walk->serial;
    session->walk_index = (uint32_t)walk->count;
    walk->matches[walk->count++] = (struct match){session, s->identifier, 0, qos, retain};
    return true;
}

/* Gathers the sessions of all matching nodes. False when out of memory. */
static bool gather(struct broker *broker, const struct origin *origin, const struct message *m)
{
    struct walk *walk = &broker->walk;
    const struct node_array *nodes = &broker->router.matches;
    walk->serial++;
    walk->count = walk->chain_count = 0;
    for (size_t i = 0; i < nodes->count; i++) {
        struct subscription *first = ring_first(nodes->at[i]), *s = first;
        do {
            if (s->session && is_for(s, origin, m) && !add_match(walk, s, m))
                return false;
            s = ring_next(s);
        } while (s != first);
    }
    return true;
}

/* ---- room ---- */

static bool room_in_shares(const struct broker *broker, const struct message *m)
{
    const struct node_array *nodes = &broker->router.matches;
    for (size_t i = 0; i < nodes->count; i++)
        for (struct share *share = ring_first_share(nodes->at[i]); share;
             share = ring_next_share(share))
            if (!share_has_room(share, m))
                return false;
    return true;
}

/* Whether every queue that has to take it can before the message is acknowledged. */
static bool room_everywhere(const struct broker *broker, const struct message *m)
{
    const struct walk *walk = &broker->walk;
    for (size_t i = 0; i < walk->count; i++)
        if (walk->matches[i].qos && !outbox_has_room(walk->matches[i].session, message_size(m)))
            return false;
    return room_in_shares(broker, m);
}

/* Gets all the memory that keeping the message will take, before anything has happened: who is told
 * that it was accepted must not lose it for want of some. A share is counted as one receiver. */
static bool provide(struct broker *broker, struct message *m)
{
    const struct walk *walk = &broker->walk;
    const struct node_array *nodes = &broker->router.matches;
    size_t receivers = 0;
    for (size_t i = 0; i < walk->count; i++)
        if (walk->matches[i].qos) {
            receivers++;
            if (!outbox_of(walk->matches[i].session))
                return false;
        }
    for (size_t i = 0; i < nodes->count; i++)
        for (struct share *share = ring_first_share(nodes->at[i]); share;
             share = ring_next_share(share))
            receivers++;
    if (!receivers)
        return true;
    struct message *held = outbox_reserve(broker, receivers) ? message_hold(m) : NULL;
    message_unref(held); /* m keeps it until message_end */
    return held != NULL;
}

/* Whether the store would get a row more because of it: what to refuse while there is no room. */
static bool needs_row(const struct broker *broker, const struct message *m)
{
    const struct walk *walk = &broker->walk;
    const struct node_array *nodes = &broker->router.matches;
    for (size_t i = 0; i < walk->count; i++)
        if (walk->matches[i].qos && walk->matches[i].session->number)
            return true;
    for (size_t i = 0; i < nodes->count; i++)
        if (ring_first_share(nodes->at[i]))
            return true;
    return m->retain;
}

/* ---- delivery ---- */

/* All identifiers of a match in a row. */
static const uint32_t *flatten(struct walk *walk, const struct match *match, uint16_t *count)
{
    if (!match->more) {
        *count = match->identifier ? 1 : 0;
        return &match->identifier;
    }
    size_t n = 0; /* beside the first; no more than can be counted */
    for (uint32_t next = match->more; next && n < UINT16_MAX - 1; next = walk->chain[next - 1].next)
        n++;
    if (n + 1 > walk->flat_capacity) {
        void *moved = grow(walk->flat, &walk->flat_capacity, n + 1, sizeof *walk->flat);
        if (!moved) { /* one identifier is better than no message */
            *count = 1;
            return &match->identifier;
        }
        walk->flat = moved;
    }
    walk->flat[0] = match->identifier;
    *count = (uint16_t)(n + 1);
    for (uint32_t next = match->more; n > 0; next = walk->chain[next - 1].next)
        walk->flat[n--] = walk->chain[next - 1].value;
    return walk->flat;
}

static void deliver_to(struct broker *broker, const struct match *match, struct message *m,
                       struct frames *frames)
{
    struct session *session = match->session;
    struct delivery d = {
        .message = m,
        .topic = session_topic(session, m),
        .frames = session->mountpoint[0] ? NULL : frames,
        .qos = match->qos,
        .retain = match->retain,
    };
    d.identifiers = flatten(&broker->walk, match, &d.identifier_count);
    outbox_offer(session, &d, NULL);
}

/* Gives it to one member of each share. Returns whether there was a share. */
static bool deliver_to_shares(struct broker *broker, struct message *m, struct frames *frames)
{
    const struct node_array *nodes = &broker->router.matches;
    const struct delivery d = {.message = m, .qos = m->qos, .frames = frames};
    bool shared = false;
    for (size_t i = 0; i < nodes->count; i++)
        for (struct share *share = ring_first_share(nodes->at[i]); share;
             share = ring_next_share(share)) {
            shared = true;
            if (!share_dispatch(share, &d, NULL, false))
                broker->stats.dropped[m->qos ? DROP_QUEUE_FULL : DROP_OFFLINE]++;
        }
    return shared;
}

/* ---- the route ---- */

enum verdict publish_mount(struct broker *broker, const char *mountpoint, struct message *m)
{
    struct walk *walk = &broker->walk;
    size_t prefix = strlen(mountpoint), size = prefix + m->topic_len;
    if (size > UINT16_MAX)
        return VERDICT_BAD_TOPIC;
    if (size > walk->topic_capacity) {
        void *moved = grow(walk->topic, &walk->topic_capacity, size, 1);
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

/* `m` carries its full topic, mountpoint included. */
static enum verdict route(struct broker *broker, const struct origin *origin, struct message *m)
{
    if (!router_match(&broker->router, message_topic(m)) || !gather(broker, origin, m))
        return VERDICT_NO_MEMORY;
    if (m->qos && origin->refusable && broker->limits->queue_full == QUEUE_REFUSE &&
        !room_everywhere(broker, m))
        return VERDICT_QUOTA;
    if (m->qos && origin->refusable && durable_is_full(broker) && needs_row(broker, m))
        return VERDICT_QUOTA;
    if (m->qos && origin->refusable && !provide(broker, m))
        return VERDICT_NO_MEMORY;
    enum verdict retained = m->retain ? retained_store(broker, m) : VERDICT_OK;
    if (retained != VERDICT_OK && origin->refusable)
        return retained;
    struct frames frames = {0};
    for (size_t i = 0; i < broker->walk.count; i++)
        deliver_to(broker, &broker->walk.matches[i], m, &frames);
    bool shared = deliver_to_shares(broker, m, &frames);
    return broker->walk.count || shared ? VERDICT_OK : VERDICT_NO_SUBSCRIBERS;
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
