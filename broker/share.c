/* share: who of a shared subscription's members gets a message, MQTT 5.0 section 4.8.2.
 *
 * Members stand in order of their last turn, least recent first; who is served goes to the end. A
 * member that can take the message at once is preferred to one whose queue would hold it, and a
 * connected one to one that is away.
 *
 *   walk_provide -> share_choose ... publish.c -> share_serve      what somebody waits for
 *   publish.c, outbox_end.c, paging.c -> share_dispatch            wills, QoS 0, what was left
 * behind
 */
#include "broker/core.h"
#include "broker/outbox_parts.h"

enum fitness { DENIED, UNFIT, AWAY, WAITING, READY };

static uint8_t granted(const struct subscription *s, uint8_t qos)
{
    return qos < s->qos ? qos : (uint8_t)s->qos; /* [MQTT-4.8.2-3] */
}

static enum fitness fitness_of(const struct subscription *s, const struct message *m, uint8_t qos)
{
    struct session *session = s->session;
    uint32_t copies = walk_copies(session->broker, session); /* what it is about to get besides */
    if (!session_may(session, ACTION_DELIVER, session_topic(session, m)))
        return DENIED;
    if (session->sink && !session->stalled && (qos == 0 || outbox_open_for(session) > copies))
        return READY;
    if (qos == 0)
        return UNFIT; /* nobody keeps QoS 0 for a share */
    if (!outbox_has_room(session, message_size(m), copies + 1))
        return UNFIT;
    return session->sink ? WAITING : AWAY;
}

/* Least recently served first; who is READY ends the search. *wanted: whether somebody would have
 * to keep it. */
static struct subscription *choose(const struct share *share, const struct message *m,
                                   const struct session *except, enum fitness least, bool *wanted)
{
    struct subscription *best = NULL;
    enum fitness best_fitness = least - 1;
    *wanted = false;
    for (struct list *link = share->members.next; link != &share->members && best_fitness != READY;
         link = link->next) {
        struct subscription *s = list_item(link, struct subscription, on_node);
        if (s->session == except)
            continue;
        uint8_t qos = granted(s, m->qos);
        enum fitness fitness = fitness_of(s, m, qos);
        *wanted |= qos > 0 && fitness != DENIED; /* QoS 0 never needs room */
        if (fitness > best_fitness) {
            best = s;
            best_fitness = fitness;
        }
    }
    return best;
}

struct subscription *share_choose(const struct share *share, const struct message *m, bool *wanted)
{
    return choose(share, m, NULL, AWAY, wanted);
}

/* What that member gets. */
static struct delivery delivery_for(const struct subscription *s, const struct delivery *d)
{
    struct session *session = s->session;
    struct delivery own = *d;
    own.topic = session_topic(session, d->message);
    own.qos = granted(s, d->qos);
    own.retain = d->message->retain && s->retain_as_published;
    own.identifiers = &s->identifier;
    own.identifier_count = s->identifier ? 1 : 0;
    own.shared = true;
    own.frames = session->mountpoint[0] ? NULL : d->frames;
    return own;
}

enum attempt { SENT, REFUSED, NOT_ASKED };

/* Tries to hand it to its sink, if it was READY. */
static enum attempt attempt(struct share *share, const struct subscription *s,
                            const struct delivery *own)
{
    struct session *session = s->session;
    if (!session->sink || session->stalled || (own->qos && !outbox_is_open(session)))
        return NOT_ASKED;
    if (outbox_try(session, own, share))
        return SENT;
    return session->stalled ? REFUSED : NOT_ASKED; /* there was no memory for a packet id */
}

static void had_its_turn(struct share *share, struct subscription *s)
{
    list_remove(&s->on_node);
    list_append(&share->members, &s->on_node);
}

/* Whether there is memory for keeping it there. */
static bool is_provided(struct session *session, const struct delivery *own)
{
    return own->qos == 0 ||
           (outbox_of(session) && outbox_provide(session->broker, own->message, 1));
}

enum dispatch share_dispatch(struct share *share, const struct delivery *d,
                             const struct session *except, bool online_only)
{
    struct subscription *s;
    enum fitness least = online_only ? WAITING : AWAY;
    bool wanted;
    while ((s = choose(share, d->message, except, least, &wanted)) != NULL) {
        const struct delivery own = delivery_for(s, d);
        if (!is_provided(s->session, &own))
            return DISPATCH_NO_MEMORY;
        enum attempt outcome = attempt(share, s, &own);
        if (outcome == REFUSED)
            continue; /* it is no longer READY, and another may be */
        if (outcome == NOT_ASKED)
            outbox_offer(s->session, &own, share, true);
        had_its_turn(share, s);
        return DISPATCH_GIVEN;
    }
    return DISPATCH_NOBODY;
}

enum dispatch share_serve(struct share *share, const struct delivery *d,
                          struct subscription *chosen)
{
    struct subscription *s = chosen;
    enum attempt outcome;
    bool wanted;
    do {
        const struct delivery own = delivery_for(s, d);
        outcome =
            s == chosen || is_provided(s->session, &own) ? attempt(share, s, &own) : NOT_ASKED;
    } while (outcome == REFUSED && (s = choose(share, d->message, NULL, READY, &wanted)) != NULL);
    if (outcome == SENT) {
        had_its_turn(share, s);
        return DISPATCH_GIVEN;
    }
    const struct delivery own = delivery_for(chosen, d);
    if (own.qos == 0) /* nobody keeps that for it, but another may have asked for more */
        return share_dispatch(share, d, NULL, false);
    outbox_offer(chosen->session, &own, share, true);
    had_its_turn(share, chosen);
    return DISPATCH_GIVEN;
}
