/* outbox: see outbox.h. publish.c -> outbox_offer -> sink.deliver; the client's answers come back
 * through session_acknowledged.
 *
 * Invariants: an outgoing stands in exactly one of the three lists; it holds a packet id exactly
 * when it is in resend or inflight; `outstanding` counts those with the flag set, all of them in
 * inflight. */
#include "broker/outbox.h"
#include "broker/core.h"
#include <stdlib.h>

enum { POOL_MOST = 4096 };

/* ---- the pool ---- */

static struct outgoing *outgoing_new(struct broker *broker)
{
    struct list *link = list_first(&broker->free_outgoing);
    if (!link)
        return calloc(1, sizeof(struct outgoing));
    list_remove(link);
    broker->free_outgoing_count--;
    struct outgoing *o = list_item(link, struct outgoing, link);
    memset(o, 0, sizeof *o);
    return o;
}

void outgoing_free(struct broker *broker, struct outgoing *o)
{
    message_unref(o->message);
    share_unref(o->share);
    if (o->identifier_count > 1)
        free(o->identifiers.many);
    if (broker->free_outgoing_count == POOL_MOST) {
        free(o);
        return;
    }
    list_init(&o->link);
    list_append(&broker->free_outgoing, &o->link);
    broker->free_outgoing_count++;
}

/* A kept copy of a delivery, or NULL when out of memory. */
static struct outgoing *outgoing_of(struct broker *broker, const struct delivery *d,
                                    struct share *share)
{
    struct outgoing *o = outgoing_new(broker);
    if (!o)
        return NULL;
    list_init(&o->link);
    o->message = message_hold(d->message);
    if (o->message && d->identifier_count > 1) {
        o->identifiers.many = malloc(d->identifier_count * sizeof *o->identifiers.many);
        if (o->identifiers.many)
            memcpy(o->identifiers.many, d->identifiers,
                   d->identifier_count * sizeof *o->identifiers.many);
    }
    if (!o->message || (d->identifier_count > 1 && !o->identifiers.many)) {
        outgoing_free(broker, o);
        return NULL;
    }
    if (d->identifier_count == 1)
        o->identifiers.one = d->identifiers[0];
    o->identifier_count = d->identifier_count;
    o->qos = o->entry.qos = d->qos;
    o->retain = d->retain;
    o->share = share ? share_ref(share) : NULL;
    return o;
}

/* ---- room ---- */

static struct outbox *outbox_of(struct session *session)
{
    struct outbox *box = session->outbox;
    if (box)
        return box;
    box = calloc(1, sizeof *box);
    if (!box)
        return NULL;
    list_init(&box->queue);
    list_init(&box->resend);
    list_init(&box->inflight);
    inflight_init(&box->ids);
    return session->outbox = box;
}

bool outbox_is_open(const struct session *session)
{
    const struct outbox *box = session->outbox;
    return session->sink && (!box || (list_empty(&box->queue) && list_empty(&box->resend) &&
                                      box->outstanding < session_window(session)));
}

static bool queue_has_room(const struct session *session, size_t size)
{
    const struct broker_limits *limits = session->broker->limits;
    const struct outbox *box = session->outbox;
    if (!box || box->queued == 0)
        return limits->queued_messages > 0;
    return box->queued < limits->queued_messages &&
           box->queued_bytes + size <= limits->queued_bytes;
}

bool outbox_has_room(const struct session *session, size_t size)
{
    return outbox_is_open(session) || queue_has_room(session, size) ||
           (session->outbox && session->outbox->queued_qos0 > 0);
}

/* ---- the queue ---- */

static void count_queued(struct session *session, const struct outgoing *o, int sign)
{
    struct outbox *box = session->outbox;
    struct stats *stats = &session->broker->stats;
    size_t size = message_size(o->message);
    if (sign > 0) {
        box->queued++;
        box->queued_qos0 += o->qos == 0;
        box->queued_bytes += size;
        stats->queued_messages++;
        stats->queued_bytes += size;
    } else {
        box->queued--;
        box->queued_qos0 -= o->qos == 0;
        box->queued_bytes -= size;
        stats->queued_messages--;
        stats->queued_bytes -= size;
    }
}

static void unqueue(struct session *session, struct outgoing *o)
{
    count_queued(session, o, -1);
    list_remove(&o->link);
}

static void drop(struct session *session, struct outgoing *o, enum drop_reason reason)
{
    session->broker->stats.dropped[reason]++;
    outgoing_free(session->broker, o);
}

/* A queue that is full lets go of its oldest QoS 0 before anything is refused. */
static void make_room(struct session *session, size_t size)
{
    struct outbox *box = session->outbox;
    while (box && box->queued_qos0 && !queue_has_room(session, size)) {
        list_each(link, &box->queue)
        {
            struct outgoing *o = list_item(link, struct outgoing, link);
            if (o->qos != 0)
                continue;
            unqueue(session, o);
            drop(session, o, DROP_QUEUE_FULL);
            break;
        }
    }
}

static void enqueue(struct session *session, const struct delivery *d, struct share *share)
{
    struct stats *stats = &session->broker->stats;
    size_t size = message_size(d->message);
    make_room(session, size);
    if (!queue_has_room(session, size)) {
        stats->dropped[DROP_QUEUE_FULL]++;
        return;
    }
    struct outbox *box = outbox_of(session);
    struct outgoing *o = box ? outgoing_of(session->broker, d, share) : NULL;
    if (!o) {
        stats->dropped[DROP_NO_MEMORY]++;
        return;
    }
    list_append(&box->queue, &o->link);
    count_queued(session, o, 1);
}

/* ---- sending ---- */

static void count_sent(struct session *session, const struct message *m)
{
    struct stats *stats = &session->broker->stats;
    stats->publish_sent++;
    stats->publish_bytes_sent += m->payload_len;
}

static enum sink_answer deliver(struct session *session, const struct outgoing *o)
{
    struct delivery d = {
        .message = o->message,
        .topic = session_topic(session, o->message),
        .identifiers = o->identifier_count > 1 ? o->identifiers.many : &o->identifiers.one,
        .identifier_count = o->identifier_count,
        .packet_id = o->entry.packet_id,
        .qos = o->qos,
        .retain = o->retain,
        .dup = o->dup,
    };
    enum sink_answer answer = session->sink->verbs->deliver(session->sink, &d);
    if (answer == SINK_TAKEN)
        count_sent(session, o->message);
    return answer;
}

/* Sends one that is in no list. Returns whether it is dealt with; false: the sink is full, and `o`
 * is as before. */
static bool send_one(struct session *session, struct outgoing *o)
{
    struct outbox *box = session->outbox;
    if (message_expired(o->message, session->broker->wall_ms) && !o->dup) {
        drop(session, o, DROP_EXPIRED); /* [MQTT-3.3.2-5] */
        return true;
    }
    bool fresh = o->qos && !o->entry.packet_id;
    if (fresh && inflight_claim(&box->ids, &o->entry) != 0) {
        drop(session, o, DROP_NO_MEMORY);
        return true;
    }
    enum sink_answer answer = deliver(session, o);
    if (answer == SINK_FULL) {
        if (fresh)
            inflight_drop(&box->ids, &o->entry);
        return false;
    }
    if (answer == SINK_TOO_LARGE) {
        if (o->qos)
            inflight_drop(&box->ids, &o->entry);
        drop(session, o, DROP_TOO_LARGE); /* as if it had been sent [MQTT-3.1.2-25] */
        return true;
    }
    if (o->qos == 0) {
        outgoing_free(session->broker, o);
        return true;
    }
    o->outstanding = true;
    box->outstanding++;
    list_append(&box->inflight, &o->link);
    return true;
}

/* What was sent on an earlier connection goes first, in its order [MQTT-4.6.0-1]. Returns false
 * when the sink is full or the window closed. */
static bool pump_list(struct session *session, struct list *from, bool queue)
{
    struct outbox *box = session->outbox;
    struct list *link;
    while ((link = list_first(from)) != NULL) {
        struct outgoing *o = list_item(link, struct outgoing, link);
        if (o->qos && box->outstanding >= session_window(session))
            return false;
        if (queue)
            unqueue(session, o);
        else
            list_remove(link);
        if (!send_one(session, o)) {
            list_prepend(from, &o->link);
            if (queue)
                count_queued(session, o, 1);
            return false;
        }
    }
    return true;
}

void session_pump(struct session *session)
{
    struct outbox *box = session->outbox;
    if (!session->sink)
        return;
    bool more =
        !box || (pump_list(session, &box->resend, false) && pump_list(session, &box->queue, true));
    if (more && session->replay)
        replay_wake(session);
}

static void offer_qos0(struct session *session, const struct delivery *d, struct share *share)
{
    struct stats *stats = &session->broker->stats;
    bool behind = session->outbox && session->outbox->queued_qos0;
    if (!session->sink || behind) {
        if (session->broker->limits->queue_qos0_offline)
            enqueue(session, d, share);
        else
            stats->dropped[DROP_OFFLINE]++;
        return;
    }
    switch (session->sink->verbs->deliver(session->sink, d)) {
    case SINK_TAKEN:
        count_sent(session, d->message);
        break;
    case SINK_FULL:
        stats->dropped[DROP_SLOW]++;
        break;
    case SINK_TOO_LARGE:
        stats->dropped[DROP_TOO_LARGE]++;
        break;
    }
}

void outbox_offer(struct session *session, const struct delivery *d, struct share *share)
{
    if (d->qos == 0) {
        offer_qos0(session, d, share);
        return;
    }
    if (!outbox_is_open(session)) {
        enqueue(session, d, share);
        return;
    }
    struct outgoing *o = outbox_of(session) ? outgoing_of(session->broker, d, share) : NULL;
    if (!o) {
        session->broker->stats.dropped[DROP_NO_MEMORY]++;
        return;
    }
    if (!send_one(session, o)) {
        list_append(&session->outbox->queue, &o->link);
        count_queued(session, o, 1);
    }
}

/* ---- answers ---- */

static void finish(struct session *session, struct outgoing *o)
{
    if (o->outstanding)
        session->outbox->outstanding--;
    list_remove(&o->link);
    outgoing_free(session->broker, o);
}

bool session_acknowledged(struct session *session, uint16_t packet_id, enum acknowledgement what)
{
    struct outbox *box = session->outbox;
    struct inflight_entry *entry;
    if (!box)
        return false;
    switch (inflight_answer(&box->ids, packet_id, what, &entry)) {
    case INFLIGHT_UNKNOWN:
        return false;
    case INFLIGHT_RELEASE: {
        /* The client owns the message now: only the id is kept. */
        struct outgoing *o = list_item(entry, struct outgoing, entry);
        message_unref(o->message);
        o->message = NULL;
        session->sink->verbs->release(session->sink, packet_id);
        return true;
    }
    case INFLIGHT_DONE:
        finish(session, list_item(entry, struct outgoing, entry));
        session_pump(session);
        return true;
    }
    return false;
}

/* ---- connections end and begin ---- */

void outbox_detach(struct session *session)
{
    struct outbox *box = session->outbox;
    if (!box)
        return;
    box->outstanding = 0;
    /* Backwards to the front of resend, so that the oldest is first again. */
    while (!list_empty(&box->inflight)) {
        struct list *link = box->inflight.prev;
        struct outgoing *o = list_item(link, struct outgoing, link);
        o->outstanding = false;
        o->dup = true;
        list_remove(link);
        list_prepend(&box->resend, link);
    }
    if (list_empty(&box->resend) && list_empty(&box->queue))
        outbox_free(session, DROP_SESSION_ENDED);
}

void session_resume(struct session *session)
{
    struct outbox *box = session->outbox;
    if (box) {
        /* PUBREL needs no window: the message itself has arrived [MQTT-4.4.0-1]. */
        list_each(link, &box->resend)
        {
            struct outgoing *o = list_item(link, struct outgoing, link);
            if (o->entry.state != INFLIGHT_RELEASED)
                continue;
            list_remove(link);
            list_append(&box->inflight, link);
            session->sink->verbs->release(session->sink, o->entry.packet_id);
        }
    }
    session_pump(session);
}

static void take_shared(struct session *session, struct list *from, bool queue,
                        const struct share *only, struct list *to)
{
    list_each(link, from)
    {
        struct outgoing *o = list_item(link, struct outgoing, link);
        bool sent_qos2 = o->entry.packet_id && o->qos == 2;
        if (!o->share || sent_qos2 || (only && o->share != only))
            continue;
        if (queue)
            unqueue(session, o);
        else
            list_remove(link);
        if (o->entry.packet_id)
            inflight_drop(&session->outbox->ids, &o->entry);
        if (o->outstanding)
            session->outbox->outstanding--;
        o->outstanding = o->dup = false;
        list_append(to, link);
    }
}

void outbox_take_shared(struct session *session, const struct share *only, struct list *to)
{
    struct outbox *box = session->outbox;
    if (!box)
        return;
    /* With a connection, what is in flight is the client's to answer. */
    if (!session->sink)
        take_shared(session, &box->inflight, false, only, to);
    take_shared(session, &box->resend, false, only, to);
    take_shared(session, &box->queue, true, only, to);
}

void outbox_put_back(struct session *session, struct list *from)
{
    while (!list_empty(from)) {
        struct list *link = from->prev;
        struct outgoing *o = list_item(link, struct outgoing, link);
        list_remove(link);
        list_prepend(&session->outbox->queue, link);
        count_queued(session, o, 1);
    }
}

static void drop_all(struct session *session, struct list *from, bool queue,
                     enum drop_reason reason)
{
    list_each(link, from)
    {
        struct outgoing *o = list_item(link, struct outgoing, link);
        if (queue)
            unqueue(session, o);
        else
            list_remove(link);
        if (queue)
            drop(session, o, reason);
        else
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
    drop_all(session, &box->queue, true, reason);
    inflight_clear(&box->ids);
    free(box);
    session->outbox = NULL;
}
