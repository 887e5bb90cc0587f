/* reauthorise: a change of access reaches those who are already in.
 *
 * broker_set_access exchanges the access in one step, and from then on every decision is made by
 * the new one; nothing forbidden is published or routed any more. What sessions have from before
 * (the connection itself, subscriptions, queued messages) is looked through here, some thousand
 * looks a turn, so that a hundred thousand sessions are through within a second and the loop stays
 * quick meanwhile. A session that comes back before its turn is looked through as it comes.
 *
 * Invariant: every session stands in broker.checked or broker.unchecked. */
#include "base/buffer.h"
#include "broker/core.h"

enum { LOOKS_PER_TURN = 4096 };

/* Moves all of `from` to the end of `to`. */
static void splice(struct list *to, struct list *from)
{
    if (list_empty(from))
        return;
    from->next->prev = to->prev;
    to->prev->next = from->next;
    from->prev->next = to;
    to->prev = from->prev;
    list_init(from);
}

void broker_set_access(struct broker *broker, struct access *access)
{
    struct access *former = broker->authority.access;
    broker->authority.access = access ? access_ref(access) : NULL;
    broker->authority.serial++;
    access_unref(former);
    splice(&broker->unchecked, &broker->checked);
}

const struct access *broker_access(const struct broker *broker)
{
    return broker->authority.access;
}

bool broker_may_connect(const struct broker *broker, const struct identity *identity,
                        struct slice client_id, const char **why)
{
    return authorise_connect(&broker->authority, identity, client_id, why);
}

bool broker_may(const struct broker *broker, struct identity *identity, struct slice client_id,
                enum action action, struct slice topic)
{
    if (!authority_governs(&broker->authority))
        return authorise(&broker->authority, NULL, action, topic);
    struct principal *who = principal_new(identity, client_id, 0);
    bool may = authorise(&broker->authority, who, action, topic);
    principal_unref(who);
    return may;
}

/* ---- one session ---- */

static bool keeps(struct session *session, const struct subscription *s, struct buffer *filter)
{
    return router_filter(s->node, filter) &&
           session_may(session, ACTION_SUBSCRIBE,
                       slice_from(buffer_slice(filter), strlen(session->mountpoint)));
}

size_t session_recheck(struct session *session)
{
    struct buffer filter = {0};
    size_t ended = 0;
    if (!authority_governs(&session->broker->authority))
        return 0;
    list_each(link, &session->subscriptions)
    {
        struct subscription *s = list_item(link, struct subscription, on_session);
        if (keeps(session, s, &filter))
            continue;
        if (session_number(session) && subscription_filter(s, &filter))
            (void)durable_unsubscription(session, buffer_slice(&filter));
        subscription_end(session, s);
        ended++;
    }
    buffer_clear(&filter);
    outbox_recheck(session);
    return ended;
}

static bool may_stay(const struct session *session)
{
    const struct authority *authority = &session->broker->authority;
    struct sink *sink = session->sink;
    if (!sink)
        return authorise_stay(authority, session->identity);
    return authorise_connect(authority, session->identity, session_key(session), NULL) &&
           (!sink->verbs->entitled || sink->verbs->entitled(sink));
}

static void look_at(struct session *session)
{
    struct broker *broker = session->broker;
    if (!may_stay(session)) {
        broker_kick(broker, session_key(session), EXPEL_DENIED);
        return;
    }
    if (session_recheck(session) == 0 || !session->sink)
        return;
    session->sink->verbs->expel(session->sink, EXPEL_CURTAILED);
    broker_disconnect(broker, session, DEPART_WITH_WILL);
}

/* ---- all of them ---- */

static size_t looks_for(const struct session *session)
{
    const struct outbox *box = session->outbox;
    return 1 + session->subscription_count + (box ? box->queued.messages : 0);
}

bool reauthorise_work(struct broker *broker)
{
    size_t looks = 0;
    struct list *link;
    while (looks < LOOKS_PER_TURN && (link = list_first(&broker->unchecked)) != NULL) {
        struct session *session = list_item(link, struct session, roll);
        looks += looks_for(session);
        list_remove(link);
        list_append(&broker->checked, link);
        look_at(session);
    }
    return !list_empty(&broker->unchecked);
}
