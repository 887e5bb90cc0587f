/* walk: see walk.h. publish.c fills it and goes along it. */
#include "broker/core.h"
#include "broker/outbox_parts.h"
#include <stdlib.h>

void walk_clear(struct walk *walk)
{
    free(walk->matches);
    free(walk->turns);
    free(walk->chain);
    free(walk->flat);
    free(walk->topic);
}

void *walk_grow(void *at, size_t *capacity, size_t needed, size_t item)
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
        void *moved = walk_grow(walk->chain, &walk->chain_capacity, walk->chain_count + 1,
                                sizeof *walk->chain);
        if (!moved)
            return false;
        walk->chain = moved;
    }
    walk->chain[walk->chain_count] = (struct identifier){identifier, match->more};
    match->more = (uint32_t)++walk->chain_count;
    return true;
}

/* The stamp may be left over from a walk long ago: it must also point at this session. */
static struct match *find_match(const struct walk *walk, const struct session *session)
{
    bool found = session->walk == walk->serial && session->walk_index < walk->count &&
                 walk->matches[session->walk_index].session == session;
    return found ? &walk->matches[session->walk_index] : NULL;
}

/* One session more; NULL when out of memory. */
static struct match *new_match(struct walk *walk, struct session *session)
{
    if (walk->count == walk->capacity) {
        void *moved =
            walk_grow(walk->matches, &walk->capacity, walk->count + 1, sizeof *walk->matches);
        if (!moved)
            return NULL;
        walk->matches = moved;
    }
    session->walk = walk->serial;
    session->walk_index = (uint32_t)walk->count;
    struct match *match = &walk->matches[walk->count++];
    *match = (struct match){.session = session};
    return match;
}

static bool add_subscription(struct walk *walk, const struct subscription *s,
                             const struct message *m)
{
    uint8_t qos = least(m->qos, (uint8_t)s->qos);
    struct match *match = find_match(walk, s->session);
    if (!match && !(match = new_match(walk, s->session)))
        return false;
    match->qos = qos > match->qos ? qos : match->qos;
    match->retain |= m->retain && s->retain_as_published; /* [MQTT-3.3.1-12, -13] */
    return add_identifier(walk, match, s->identifier);
}

static bool add_share(struct walk *walk, struct share *share)
{
    if (walk->turn_count == walk->turn_capacity) {
        void *moved =
            walk_grow(walk->turns, &walk->turn_capacity, walk->turn_count + 1, sizeof *walk->turns);
        if (!moved)
            return false;
        walk->turns = moved;
    }
    walk->turns[walk->turn_count++] = (struct turn){share, NULL};
    return true;
}

bool walk_gather(struct broker *broker, const struct origin *origin, const struct message *m)
{
    struct walk *walk = &broker->walk;
    const struct node_array *nodes = &broker->router.matches;
    walk->serial++;
    walk->count = walk->turn_count = walk->chain_count = 0;
    for (size_t i = 0; i < nodes->count; i++) {
        struct subscription *first = ring_first(nodes->at[i]), *s = first;
        do {
            if (!s->session ? !add_share(walk, s->share)
                            : is_for(s, origin, m) && !add_subscription(walk, s, m))
                return false;
            s = ring_next(s);
        } while (s != first);
    }
    walk->plain = walk->count;
    return true;
}

/* ---- room ---- */

static uint32_t copies_of(const struct match *match)
{
    return match->shared + (match->qos > 0);
}

uint32_t walk_copies(const struct broker *broker, const struct session *session)
{
    const struct match *match = find_match(&broker->walk, session);
    return match ? copies_of(match) : 0;
}

/* Whom each share gives it to, unless a sink turns out to be full. */
static enum verdict choose(struct broker *broker, const struct message *m)
{
    struct walk *walk = &broker->walk;
    for (size_t i = 0; i < walk->turn_count; i++) {
        struct turn *turn = &walk->turns[i];
        bool wanted;
        turn->chosen = share_choose(turn->share, m, &wanted);
        if (!turn->chosen && wanted && broker->limits->queue_full == QUEUE_REFUSE)
            return VERDICT_QUOTA;
        if (!turn->chosen || !turn->chosen->qos)
            continue;
        struct match *match = find_match(walk, turn->chosen->session);
        if (!match && !(match = new_match(walk, turn->chosen->session)))
            return VERDICT_NO_MEMORY;
        match->shared++;
    }
    return VERDICT_OK;
}

enum verdict walk_provide(struct broker *broker, struct message *m)
{
    struct walk *walk = &broker->walk;
    bool refuse = broker->limits->queue_full == QUEUE_REFUSE, full = durable_is_full(broker);
    size_t size = message_size(m), copies = 0;
    enum verdict verdict = walk->turn_count ? choose(broker, m) : VERDICT_OK;
    if (verdict != VERDICT_OK)
        return verdict;
    if (full && m->retain) /* it needs a row */
        return VERDICT_QUOTA;
    for (size_t i = 0; i < walk->count; i++) {
        struct session *session = walk->matches[i].session;
        uint32_t more = copies_of(&walk->matches[i]);
        if (!more)
            continue;
        if ((refuse && !outbox_has_room(session, size, more)) || (full && session_number(session)))
            return VERDICT_QUOTA;
        if (!outbox_of(session))
            return VERDICT_NO_MEMORY;
        copies += more;
    }
    return copies == 0 || outbox_provide(broker, m, copies) ? VERDICT_OK : VERDICT_NO_MEMORY;
}

/* ---- identifiers ---- */

const uint32_t *walk_identifiers(struct walk *walk, const struct match *match, uint16_t *count)
{
    if (!match->more) {
        *count = match->identifier ? 1 : 0;
        return &match->identifier;
    }
    size_t n = 0; /* beside the first; no more than can be counted */
    for (uint32_t next = match->more; next && n < UINT16_MAX - 1; next = walk->chain[next - 1].next)
        n++;
    if (n + 1 > walk->flat_capacity) {
        void *moved = walk_grow(walk->flat, &walk->flat_capacity, n + 1, sizeof *walk->flat);
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
