/* outbox: see outbox.h. publish.c -> outbox_offer -> sink.deliver; the client's answers come back
 * through session_acknowledged.
 *
 * Invariants: an outgoing stands in exactly one of the five lists; it holds a packet id exactly
 * when it is in resend, sealing or inflight; in the latter two all are `outstanding`, elsewhere
 * none; a message is missing only from what is RELEASED, which is never in resend while a sink is
 * bound. */
#include "broker/outbox.h"
#include "broker/core.h"
#include "broker/outbox_parts.h"
#include "broker/paging.h"
#include <stdlib.h>

enum { POOL_MOST = 4096 };

/* ---- the pool ---- */

struct outgoing *outgoing_new(struct broker *broker)
{
    struct list *link = list_first(&broker->free_outgoing);
    if (!link)
        return calloc(1, sizeof(struct outgoing));
    list_remove(link);
    broker->free_outgoing_count--;
    struct outgoing *o = list_item(link, struct outgoing, link);
    memset(o, 0, offsetof(struct outgoing, recorded_ms));
    return o;
}

void outgoing_free(struct broker *broker, struct outgoing *o)
{
    message_unref(o->message);
    o->message = NULL;
    share_unref(o->share);
    o->share = NULL;
    if (o->identifier_count > 1)
        free(o->identifiers.many);
    o->identifier_count = 0;
    if (o->keep != KEEP_NOT && durable_forget(broker, o))
        return;
    if (broker->free_outgoing_count == POOL_MOST) {
        free(o);
        return;
    }
    list_prepend(&broker->free_outgoing, &o->link); /* the next one is still in the cache */
    broker->free_outgoing_count++;
}

bool outbox_provide(struct broker *broker, struct message *m, size_t copies)
{
    while (broker->free_outgoing_count < copies) {
        struct outgoing *o = calloc(1, sizeof *o);
        if (!o)
            return false;
        list_append(&broker->free_outgoing, &o->link);
        broker->free_outgoing_count++;
    }
    return message_provide(m);
}

/* All identifiers of a delivery; without memory the first one, which is better than no message. */
static void keep_identifiers(struct outgoing *o, const struct delivery *d)
{
    size_t size = d->identifier_count * sizeof *o->identifiers.many;
    uint32_t *many = d->identifier_count > 1 ? malloc(size) : NULL;
    o->identifier_count = d->identifier_count;
    if (many) {
        memcpy(many, d->identifiers, size);
        o->identifiers.many = many;
    } else if (d->identifier_count) {
        o->identifiers.one = d->identifiers[0];
        o->identifier_count = 1;
    }
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
    if (!o->message) {
        outgoing_free(broker, o);
        return NULL;
    }
    keep_identifiers(o, d);
    o->qos = o->entry.qos = d->qos;
    o->retain = d->retain;
    o->share = share ? share_ref(share) : NULL;
    return o;
}

/* ---- room ---- */

struct outbox *outbox_of(struct session *session)
{
    struct outbox *box = session->outbox;
    if (box)
        return box;
    box = calloc(1, sizeof *box);
    if (!box)
        return NULL;
    list_init(&box->queue);
    list_init(&box->queue_qos0);
    list_init(&box->resend);
    list_init(&box->inflight);
    list_init(&box->sealing);
    list_init(&box->tail);
    list_init(&box->pageable);
    list_init(&box->fetching);
    list_init(&box->sealing_boxes);
    inflight_init(&box->ids);
    box->session = session;
    return session->outbox = box;
}

uint32_t outbox_open_for(const struct session *session)
{
    const struct outbox *box = session->outbox;
    if (!session->sink)
        return 0;
    uint32_t window = session_window(session);
    if (!box)
        return window;
    bool behind = !list_empty(&box->queue) || !list_empty(&box->resend) || box->paged.messages;
    return behind || box->outstanding >= window ? 0 : window - box->outstanding;
}

bool outbox_is_open(const struct session *session)
{
    return outbox_open_for(session) > 0;
}

/* Whether so many messages of that size may join those that wait. A queue takes at least one,
 * however large. */
static bool fits(const struct broker *broker, struct backlog waiting, size_t size, uint32_t copies)
{
    const struct broker_limits *limits = broker->limits;
    size_t bytes = waiting.messages ? size * copies : size * (copies - 1);
    return broker->stats.queued_bytes + size * copies <= limits->queued_total &&
           waiting.messages + copies <= limits->queued_messages &&
           (bytes == 0 || waiting.bytes + bytes <= limits->queued_bytes);
}

/* Whether they fit once all QoS 0 has given way. */
static bool could_fit(const struct session *session, size_t size, uint32_t copies)
{
    const struct outbox *box = session->outbox;
    struct backlog waiting = {0};
    if (box) {
        waiting.messages = box->queued.messages - box->queued_qos0.messages;
        waiting.bytes = box->queued.bytes - box->queued_qos0.bytes;
    }
    return fits(session->broker, waiting, size, copies);
}

bool outbox_has_room(const struct session *session, size_t size, uint32_t copies)
{
    uint32_t open = outbox_open_for(session);
    return open >= copies || could_fit(session, size, copies - open);
}

/* ---- the queues ---- */

static void count(uint64_t *messages, uint64_t *bytes, size_t size, bool more)
{
    if (more) {
        ++*messages;
        *bytes += size;
    } else {
        --*messages;
        *bytes -= size;
    }
}

void outbox_count(struct session *session, const struct outgoing *o, bool more)
{
    struct outbox *box = session->outbox;
    struct stats *stats = &session->broker->stats;
    size_t size = message_size(o->message);
    session->broker->queued_memory += more ? outgoing_cost(size) : -outgoing_cost(size);
    count(&stats->queued_messages, &stats->queued_bytes, size, more);
    count(&box->queued.messages, &box->queued.bytes, size, more);
    if (o->qos == 0)
        count(&box->queued_qos0.messages, &box->queued_qos0.bytes, size, more);
}

static void queue(struct session *session, struct outgoing *o)
{
    struct outbox *box = session->outbox;
    struct list *waiting = box->paged.messages ? &box->tail : &box->queue;
    list_append(o->qos ? waiting : &box->queue_qos0, &o->link);
    outbox_count(session, o, true);
    if (session_number(session)) {
        durable_outgoing(session, o);
        paging_consider(session);
    }
}

void outbox_leave(struct session *session, struct outgoing *o, bool queued)
{
    if (queued)
        outbox_count(session, o, false);
    list_remove(&o->link);
}

static void drop(struct session *session, struct outgoing *o, enum drop_reason reason)
{
    session->broker->stats.dropped[reason]++;
    outgoing_free(session->broker, o);
}

/* A queue that is full lets go of its oldest QoS 0 before anything is refused; of none when that
 * would not help. */
static bool make_room(struct session *session, size_t size)
{
    struct outbox *box = session->outbox;
    if (!could_fit(session, size, 1))
        return false;
    while (box && !fits(session->broker, box->queued, size, 1)) {
        struct outgoing *oldest = list_item(box->queue_qos0.next, struct outgoing, link);
        outbox_leave(session, oldest, true);
        drop(session, oldest, DROP_QUEUE_FULL);
    }
    return true;
}

/* ---- sending ---- */

/* The one place where a message leaves the core. */
static enum sink_answer hand_over(struct session *session, const struct delivery *d)
{
    struct stats *stats = &session->broker->stats;
    enum sink_answer answer = session->sink->verbs->deliver(session->sink, d);
    session->asleep = answer == SINK_ASLEEP;
    if (session->asleep)
        answer = SINK_FULL;
    session->stalled = answer == SINK_FULL;
    if (answer == SINK_TAKEN) {
        stats->publish_sent++;
        stats->publish_sent_at[d->qos]++;
        stats->publish_bytes_sent += d->message->payload_len;
    } else if (answer == SINK_TOO_LARGE) {
        stats->dropped[DROP_TOO_LARGE]++; /* as if it had been sent [MQTT-3.1.2-25] */
    }
    return answer;
}

static enum sink_answer hand_over_kept(struct session *session, const struct outgoing *o)
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
    return hand_over(session, &d);
}

enum attempt {
    LATER,     /* the sink is full: nothing has changed */
    SEALED,    /* it has a packet id, and waits until that is on disk: seal() is next */
    UNDER_WAY, /* it has been sent and will be answered: await() is next */
    OVER,      /* nothing more to do: outgoing_free is next */
};

/* Whether it must not leave yet: a QoS 2 message that is sent before the store has its packet id
 * would be another message after a crash, and the client would have it twice. */
static bool must_be_sealed(const struct session *session, const struct outgoing *o, bool fresh)
{
    return o->qos == 2 && session_number(session) && (fresh || !durable_is_sealed(session, o));
}

/* Tries to send one, in whatever list it is, and leaves it there. */
static enum attempt attempt(struct session *session, struct outgoing *o)
{
    struct stats *stats = &session->broker->stats;
    struct inflight *ids = &session->outbox->ids;
    bool fresh = o->qos && !o->entry.packet_id;
    if (message_expired(o->message, session->broker->wall_ms) && !o->dup) {
        stats->dropped[DROP_EXPIRED]++; /* [MQTT-3.3.2-5] */
        if (o->entry.packet_id)
            inflight_drop(ids, &o->entry);
        return OVER;
    }
    if (fresh && inflight_claim(ids, &o->entry) != 0)
        return LATER; /* it may have been acknowledged to its publisher: it waits for memory */
    if (must_be_sealed(session, o, fresh))
        return SEALED;
    enum sink_answer answer = hand_over_kept(session, o);
    if (o->entry.packet_id && (answer == SINK_TOO_LARGE || (answer == SINK_FULL && fresh)))
        inflight_drop(ids, &o->entry);
    if (answer == SINK_FULL)
        return LATER;
    return answer == SINK_TAKEN && o->qos ? UNDER_WAY : OVER;
}

static void count_outstanding(struct session *session, struct outgoing *o)
{
    session->outbox->outstanding += !o->outstanding;
    o->outstanding = true;
}

/* It waits for the client's answer; it is in no list. */
static void await(struct session *session, struct outgoing *o)
{
    count_outstanding(session, o);
    list_append(&session->outbox->inflight, &o->link);
}

/* It waits for its packet id to be on disk; it is in no list. */
static void seal(struct session *session, struct outgoing *o)
{
    struct outbox *box = session->outbox;
    count_outstanding(session, o);
    list_append(&box->sealing, &o->link);
    if (!list_linked(&box->sealing_boxes))
        list_append(&session->broker->durable.sealing, &box->sealing_boxes);
}

static void settle(struct session *session, struct outgoing *o, enum attempt outcome)
{
    switch (outcome) {
    case UNDER_WAY:
        await(session, o);
        break;
    case SEALED:
        seal(session, o);
        break;
    case LATER:
    case OVER:
        if (o->outstanding)
            session->outbox->outstanding--;
        outgoing_free(session->broker, o);
        return;
    }
    if (session_number(session) && !o->dup)
        durable_outgoing(session, o);
}

/* Sends what has been sealed, from the front. False when the sink is full. */
static bool pump_sealed(struct session *session)
{
    struct outbox *box = session->outbox;
    struct list *link;
    while ((link = list_first(&box->sealing)) != NULL) {
        struct outgoing *o = list_item(link, struct outgoing, link);
        if (!durable_is_sealed(session, o))
            return true;
        enum attempt outcome = attempt(session, o);
        if (outcome == LATER)
            return false;
        list_remove(link);
        if (outcome == UNDER_WAY) {
            await(session, o);
            continue;
        }
        box->outstanding--;
        outgoing_free(session->broker, o);
    }
    list_remove(&box->sealing_boxes);
    return true;
}

/* Sends from the front. Returns false when the sink is full or the window closed. */
static bool pump_waiting(struct session *session, struct list *from, bool queued)
{
    struct outbox *box = session->outbox;
    struct list *link;
    while ((link = list_first(from)) != NULL) {
        struct outgoing *o = list_item(link, struct outgoing, link);
        if (o->qos && box->outstanding >= session_window(session))
            return false;
        enum attempt outcome = attempt(session, o);
        if (outcome == LATER)
            return false;
        outbox_leave(session, o, queued);
        settle(session, o, outcome);
    }
    return true;
}

/* Mostly there is nothing. */
static inline bool pump_list(struct session *session, struct list *from, bool queued)
{
    return list_empty(from) || pump_waiting(session, from, queued);
}

/* What was sent on an earlier connection goes first, in its order [MQTT-4.6.0-1]; QoS 0 does not
 * wait for the window. */
void session_pump(struct session *session)
{
    struct outbox *box = session->outbox;
    if (!session->sink)
        return;
    session->stalled = false;
    bool done = true;
    if (box) {
        done = pump_list(session, &box->resend, false) &&
               (list_empty(&box->sealing) || pump_sealed(session)) &&
               pump_list(session, &box->queue, true);
        done = !session->stalled && pump_list(session, &box->queue_qos0, true) && done;
        if (box->paged.messages)
            paging_fetch(session);
    }
    if (done && session->replay)
        replay_wake(session);
}

bool session_has_waiting(const struct session *session)
{
    const struct outbox *box = session->outbox;
    return session->replay || (box && (!list_empty(&box->resend) || !list_empty(&box->sealing) ||
                                       box->paged.messages || !list_empty(&box->queue) ||
                                       !list_empty(&box->queue_qos0)));
}

/* A kept copy for that session; without memory for it, that is counted. */
static struct outgoing *kept(struct session *session, const struct delivery *d, struct share *share)
{
    struct outgoing *o = outbox_of(session) ? outgoing_of(session->broker, d, share) : NULL;
    session->broker->stats.dropped[DROP_NO_MEMORY] += o == NULL;
    return o;
}

bool outbox_try(struct session *session, const struct delivery *d, struct share *share)
{
    if (d->qos == 0)
        return session->sink && hand_over(session, d) != SINK_FULL;
    if (!outbox_is_open(session))
        return false;
    struct outgoing *o = kept(session, d, share);
    if (!o)
        return true;
    enum attempt outcome = attempt(session, o);
    settle(session, o, outcome); /* LATER: the try is over */
    return outcome != LATER;
}

static void offer_kept(struct session *session, const struct delivery *d, struct share *share,
                       bool sure)
{
    size_t size = message_size(d->message);
    bool open = d->qos && outbox_is_open(session);
    if (!open && !make_room(session, size) && !sure) {
        session->broker->stats.dropped[DROP_QUEUE_FULL]++;
        return;
    }
    struct outgoing *o = kept(session, d, share);
    if (!o)
        return;
    enum attempt outcome = open ? attempt(session, o) : LATER;
    if (outcome != LATER)
        settle(session, o, outcome);
    else if (open && !make_room(session, size) && !sure)
        drop(session, o, DROP_QUEUE_FULL);
    else
        queue(session, o);
}

static void offer_qos0(struct session *session, const struct delivery *d)
{
    const struct outbox *box = session->outbox;
    bool behind = box && !list_empty(&box->queue_qos0);
    if (!behind && outbox_try(session, d, NULL))
        return;
    bool away = !session->sink || session->asleep;
    if (session->broker->limits->queue_qos0_offline && (behind || away))
        offer_kept(session, d, NULL, false);
    else
        session->broker->stats.dropped[away ? DROP_OFFLINE : DROP_SLOW]++;
}

void outbox_offer(struct session *session, const struct delivery *d, struct share *share, bool sure)
{
    if (d->qos)
        offer_kept(session, d, share, sure);
    else
        offer_qos0(session, d);
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
        bool again = !o->message;
        message_unref(o->message);
        o->message = NULL;
        if (!o->outstanding) { /* answers what an earlier connection has sent */
            list_remove(&o->link);
            await(session, o);
        }
        if (session_number(session) && !again)
            durable_outgoing(session, o); /* else a restart would send the message again */
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

void outbox_trim(struct session *session)
{
    const struct outbox *box = session->outbox;
    if (box && box->queued.messages == 0 && box->ids.count == 0)
        outbox_free(session, DROP_SESSION_ENDED);
}

/* What has not left goes behind what has, and was not sent. */
static void detach_sealing(struct outbox *box)
{
    list_each(link, &box->sealing)
    {
        list_item(link, struct outgoing, link)->outstanding = false;
        list_remove(link);
        list_append(&box->resend, link);
    }
    list_remove(&box->sealing_boxes);
}

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
    detach_sealing(box);
    outbox_trim(session);
}

void session_resume(struct session *session)
{
    struct outbox *box = session->outbox;
    if (box) {
        /* PUBREL needs no window: the message itself has arrived [MQTT-4.4.0-1]. It counts against
         * the window all the same, so that a client which never says PUBCOMP collects no more of
         * them with each connection. */
        list_each(link, &box->resend)
        {
            struct outgoing *o = list_item(link, struct outgoing, link);
            if (o->entry.state != INFLIGHT_RELEASED)
                continue;
            list_remove(link);
            await(session, o);
            session->sink->verbs->release(session->sink, o->entry.packet_id);
        }
    }
    session_pump(session);
}
