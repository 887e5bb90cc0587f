/* share: who of a shared subscription's members gets a message, MQTT 5.0 section 4.8.2.
 *
 * Members stand in order of their last turn, least recent first; who is served goes to the end. A
 * member that can take the message at once is preferred to one whose queue would hold it, and a
 * connected one to one that is away. */
#include "broker/core.h"

enum fitness { UNFIT, AWAY, WAITING, READY };

static enum fitness fitness_of(const struct session *session, uint8_t qos, size_t size)
{
    if (session->sink && (qos == 0 || outbox_is_open(session)))
        return READY;
    if (qos == 0)
        return UNFIT; /* nobody keeps QoS 0 for a share */
    if (!outbox_has_room(session, size))
        return UNFIT;
    return session->sink ? WAITING : AWAY;
}

static uint8_t least(uint8_t a, uint8_t b)
{
    return a < b ? a : b;
}

bool share_has_room(const struct share *share, const struct session *except, uint8_t qos,
                    size_t size)
{
    for (const struct list *link = share->members.next; link != &share->members;
         link = link->next) {
        const struct subscription *s = list_item(link, struct subscription, on_node);
        uint8_t granted = least(qos, (uint8_t)s->qos);
        /* A member that takes it as QoS 0 never needs room. */
        if (s->session != except && (granted == 0 || fitness_of(s->session, granted, size)))
            return true;
    }
    return false;
}

static struct subscription *choose(const struct share *share, const struct message *message,
                                   const struct delivery *d, const struct session *except,
                                   enum fitness at_least)
{
    struct subscription *best = NULL;
    enum fitness best_fitness = at_least - 1;
    for (struct list *link = share->members.next; link != &share->members; link = link->next) {
        struct subscription *s = list_item(link, struct subscription, on_node);
        enum fitness fitness =
            fitness_of(s->session, least(d->qos, (uint8_t)s->qos), message_size(message));
        if (s->session == except || fitness <= best_fitness ||
            !session_may(s->session, ACTION_DELIVER, session_topic(s->session, message)))
            continue;
        best = s;
        best_fitness = fitness;
        if (fitness == READY)
            break;
    }
    return best;
}

bool share_dispatch(struct broker *broker, struct share *share, const struct message *message,
                    const struct delivery *d, const struct session *except, bool online_only)
{
    (void)broker;
    struct subscription *s = choose(share, message, d, except, online_only ? WAITING : AWAY);
    if (!s)
        return false;
    list_remove(&s->on_node);
    list_append(&share->members, &s->on_node);
    struct delivery own = *d;
    own.topic = session_topic(s->session, message);
    own.qos = least(d->qos, (uint8_t)s->qos);
    own.retain = message->retain && s->retain_as_published;
    own.identifiers = &s->identifier;
    own.identifier_count = s->identifier ? 1 : 0;
    own.frames = s->session->mountpoint[0] ? NULL : d->frames;
    outbox_offer(s->session, &own, share);
    return true;
}

void share_move(struct session *session, const struct share *only, bool online_only)
{
    struct broker *broker = session->broker;
    struct list moving;
    list_init(&moving);
    outbox_take_shared(session, only, &moving);
    struct list keep;
    list_init(&keep);
    list_each(link, &moving)
    {
        struct outgoing *o = list_item(link, struct outgoing, link);
        list_remove(link);
        struct delivery d = {.message = o->message, .qos = o->message->qos};
        if (share_dispatch(broker, o->share, o->message, &d, session, online_only)) {
            outgoing_free(broker, o);
        } else if (online_only) {
            list_append(&keep, link);
        } else {
            broker->stats.dropped[DROP_SESSION_ENDED]++;
            outgoing_free(broker, o);
        }
    }
    outbox_put_back(session, &keep);
}
