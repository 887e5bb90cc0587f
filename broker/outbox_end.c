/* outbox_end: what leaves an outbox without having been delivered: to other members of its share,
 * because it is not permitted any more, or because the session ends. See outbox.h. */
#include "broker/core.h"
#include "broker/outbox_parts.h"
#include "broker/paging.h"
#include <stdlib.h>

/* ---- shares ---- */

static bool may_go_elsewhere(const struct outgoing *o, const struct share *only)
{
    bool sent_qos2 = o->entry.packet_id && o->qos == 2;
    return o->share && !sent_qos2 && (!only || o->share == only);
}

/* A share that had nobody for one message is not asked again: that keeps both the order and the
 * work small. False when it was for want of memory. */
static bool hand_on(struct session *session, struct list *from, bool queued,
                    const struct share *only, bool online_only)
{
    struct broker *broker = session->broker;
    bool good = true;
    list_each(link, from)
    {
        struct outgoing *o = list_item(link, struct outgoing, link);
        if (!may_go_elsewhere(o, only) || o->share->refused == broker->hand_ons)
            continue;
        struct delivery d = {.message = o->message, .qos = o->message->qos};
        enum dispatch outcome = share_dispatch(o->share, &d, session, online_only);
        if (outcome != DISPATCH_GIVEN) {
            o->share->refused = broker->hand_ons;
            good = good && outcome != DISPATCH_NO_MEMORY;
            continue;
        }
        outbox_leave(session, o, queued);
        if (o->entry.packet_id)
            inflight_drop(&session->outbox->ids, &o->entry);
        durable_moves(broker, o);
        outgoing_free(broker, o);
    }
    return good;
}

bool outbox_hand_on(struct session *session, const struct share *only, bool online_only)
{
    struct outbox *box = session->outbox;
    bool good = true;
    if (!box)
        return true;
    session->broker->hand_ons++;
    good &= hand_on(session, &box->resend, false, only, online_only);
    good &= hand_on(session, &box->queue, true, only, online_only);
    good &= hand_on(session, &box->tail, true, only, online_only);
    good &= hand_on(session, &box->queue_qos0, true, only, online_only);
    outbox_trim(session);
    return good;
}

/* ---- less is allowed than before ---- */

static void drop_denied(struct session *session, struct list *from, bool queued)
{
    list_each(link, from)
    {
        struct outgoing *o = list_item(link, struct outgoing, link);
        if (!o->message || session_may(session, ACTION_DELIVER, session_topic(session, o->message)))
            continue;
        outbox_leave(session, o, queued);
        if (o->entry.packet_id)
            inflight_drop(&session->outbox->ids, &o->entry);
        session->broker->stats.dropped[DROP_DENIED]++;
        outgoing_free(session->broker, o);
    }
}

void outbox_recheck(struct session *session)
{
    struct outbox *box = session->outbox;
    if (!box)
        return;
    drop_denied(session, &box->resend, false);
    drop_denied(session, &box->queue, true);
    drop_denied(session, &box->tail, true);
    drop_denied(session, &box->queue_qos0, true);
    outbox_trim(session);
}

void outbox_each(struct session *session,
                 void (*each)(struct session *session, struct outgoing *outgoing))
{
    struct outbox *box = session->outbox;
    if (!box)
        return;
    struct list *lists[] = {&box->resend, &box->inflight, &box->sealing, &box->queue, &box->tail};
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++)
        list_each(link, lists[i]) each(session, list_item(link, struct outgoing, link));
}

/* ---- the end ---- */

static void drop_all(struct session *session, struct list *from, bool queued,
                     enum drop_reason reason)
{
    list_each(link, from)
    {
        struct outgoing *o = list_item(link, struct outgoing, link);
        outbox_leave(session, o, queued);
        if (queued)
            session->broker->stats.dropped[reason]++;
        outgoing_free(session->broker, o);
    }
}

void outbox_free(struct session *session, enum drop_reason reason)
{
    struct outbox *box = session->outbox;
    if (!box)
        return;
    drop_all(session, &box->resend, false, reason);
    drop_all(session, &box->inflight, false, reason);
    drop_all(session, &box->sealing, false, reason);
    list_remove(&box->sealing_boxes);
    list_remove(&box->pageable);
    list_remove(&box->fetching);
    paging_forget(session, reason);
    drop_all(session, &box->queue, true, reason);
    drop_all(session, &box->tail, true, reason);
    drop_all(session, &box->queue_qos0, true, reason);
    inflight_clear(&box->ids);
    free(box);
    session->outbox = NULL;
}
