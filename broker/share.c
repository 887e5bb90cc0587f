/* share: who of a shared subscription's members gets a message, MQTT 5.0 section 4.8.2.
 *
 * Members stand in order of their last turn, least recent first; who is served goes to the end. A
 * member that can take the message at once is preferred to one whose queue would hold it, and a
 * connected one to one that is away. */
#include "broker/core.h"

enum fitness { UNFIT, AWAY, WAITING, READY };

static uint8_t granted(const struct subscription *s, uint8_t qos)
{
    return qos < s->qos ? qos : (uint8_t)s->qos; /* [MQTT-4.8.2-3] */
}

static enum fitness fitness_of(const struct subscription *s, const struct message *m, uint8_t qos)
{
    struct session *session = s->session;
    if (!session_may(session, ACTION_DELIVER, session_topic(session, m)))
        return UNFIT;
    if (session->sink && !session->stalled && (qos == 0 || outbox_is_open(session)))
        return READY;
    if (qos == 0)
        return UNFIT; /* nobody keeps QoS 0 for a share */
    if (!outbox_has_room(session, message_size(m)))
        return UNFIT;
    return session->sink ? WAITING : AWAY;
}

bool share_has_room(const struct share *share, const struct message *m)
{
    bool needed = false;
    for (const struct list *link = share->members.next; link != &share->members;
         link = link->next) {
        const struct subscription *s = list_item(link, struct subscription, on_node);
        uint8_t qos = granted(s, m->qos);
        if (fitness_of(s, m, qos) != UNFIT)
            return true;
        needed |= qos > 0;
    }
    return !needed; /* QoS 0 never needs room */
}

static struct subscription *choose(const struct share *share, const struct delivery *d,
                                   const struct session *except, enum fitness least)
{
    struct subscription *best = NULL;
    enum fitness best_fitness = least - 1;
    for (struct list *link = share->members.next; link != &share->members && best_fitness != READY;
         link = link->next) {
        struct subscription *s = list_item(link, struct subscription, on_node);
        if (s->session == except)
            continue;
        enum fitness fitness = fitness_of(s, d->message, granted(s, d->qos));
        if (fitness > best_fitness) {
            best = s;
            best_fitness = fitness;
        }
    }
    return best;
}

/* Gives it to that member. False when its sink turns out to be full: it is no longer READY then,
 * and another may be. */
static bool give(struct share *share, const struct subscription *s, const struct delivery *d)
{
    struct session *session = s->session;
    struct delivery own = *d;
    own.topic = session_topic(session, d->message);
    own.qos = granted(s, d->qos);
    own.retain = d->message->retain && s->retain_as_published;
    own.identifiers = &s->identifier;
    own.identifier_count = s->identifier ? 1 : 0;
    own.frames = session->mountpoint[0] ? NULL : d->frames;
    bool ready = !session->stalled && (own.qos == 0 || outbox_is_open(session));
    if (ready && session->sink)
        return outbox_try(session, &own, share);
    outbox_offer(session, &own, share);
    return true;
}

bool share_dispatch(struct share *share, const struct delivery *d, const struct session *except,
                    bool online_only)
{
    struct subscription *s;
    do {
        s = choose(share, d, except, online_only ? WAITING : AWAY);
        if (!s)
            return false;
    } while (!give(share, s, d));
    list_remove(&s->on_node);
    list_append(&share->members, &s->on_node);
    return true;
}
