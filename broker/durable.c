/* durable: see durable.h. What is recorded, which promises are kept, and when a batch is handed
 * over; durable_rows.c writes the batch.
 *
 * Invariants: an outgoing stands in the list that its `keep` names; soft ones stand in the order
 * of their promises; `hard_from` is not above the promise of anything hard, or written into the
 * batch that is being gathered. */
#include "broker/batch.h"
#include "broker/durable_rows.h"
#include "broker/paging.h"
#include "broker/stored.h"
#include <stdlib.h>

enum {
    LINGER_MS = 10,  /* that soft ones may wait to be over */
    LAZY_MS = 50,    /* and changes that nobody waits for */
    STARVED_MS = 50, /* until the next try after there was no memory */
    RETRY_MS = 1000, /* until what did not fit is offered again */
    SCORE_MOST = 1024,
};

/* ---- life ---- */

static void woken(struct timer *timer)
{
    (void)timer; /* it has begun a turn, whose end is broker_work */
}

void durable_init(struct durable *d)
{
    *d = (struct durable){.seq = 0};
    list_init(&d->soft);
    list_init(&d->hard);
    list_init(&d->changed);
    list_init(&d->gone);
    list_init(&d->sessions);
    list_init(&d->ended);
    list_init(&d->sealing);
    list_init(&d->pageable);
    list_init(&d->fetching);
    list_init(&d->ghosts);
    durable_rows_init(d);
    timer_init(&d->timer, woken);
}

void durable_clear(struct broker *broker)
{
    struct durable *d = &broker->durable;
    timer_cancel(broker->wheel, &d->timer);
    list_each(link, &d->gone)
    {
        struct outgoing *o = list_item(link, struct outgoing, record);
        list_remove(link);
        o->keep = KEEP_NOT;
        outgoing_free(broker, o);
    }
    paging_clear(broker);
    durable_rows_clear(d);
}

void broker_set_store(struct broker *broker, struct store *store)
{
    broker->durable.store = store;
}

bool durable_is_full(const struct broker *broker)
{
    const struct durable *d = &broker->durable;
    return d->refused || (d->store && d->store->full);
}

bool durable_is_stuck(const struct broker *broker)
{
    return broker->durable.refused; /* also while it is offered again */
}

bool broker_can_keep(const struct broker *broker)
{
    return broker->durable.store && !durable_is_full(broker);
}

static bool is_on(const struct session *session)
{
    return session_number(session) && session->broker->durable.store;
}

/* ---- promises ---- */

/* The promise of what is recorded now. */
static uint64_t promise(struct durable *d)
{
    if (d->seq_turn != d->turn || d->seq <= d->kept) {
        d->seq++;
        d->seq_turn = d->turn;
    }
    d->records++;
    return d->seq;
}

static void mark_hard(struct durable *d, uint64_t seq)
{
    d->lasting = true;
    if (!d->hard_from || seq < d->hard_from)
        d->hard_from = seq;
}

void durable_lazy(struct broker *broker)
{
    struct durable *d = &broker->durable;
    if (!d->lazy_ms)
        d->lazy_ms = broker->mono_ms ? broker->mono_ms : 1;
}

static struct outgoing *first_soft(const struct durable *d)
{
    const struct list *link = list_first(&d->soft);
    return link ? list_item(link, struct outgoing, record) : NULL;
}

static void least(uint64_t *bound, uint64_t from)
{
    if (from && from - 1 < *bound)
        *bound = from - 1;
}

/* Keeps the promises before whatever is not on disk yet. */
static void keep_promises(struct durable *d)
{
    if (d->state == DURABLE_FAILED)
        return;
    uint64_t bound = d->seq;
    const struct outgoing *soft = first_soft(d);
    least(&bound, d->under_from);
    least(&bound, d->hard_from);
    least(&bound, soft ? soft->seq : 0);
    if (bound > d->kept)
        d->kept = bound;
}

uint64_t broker_promise(const struct broker *broker)
{
    const struct durable *d = &broker->durable;
    return d->seq > d->kept ? d->seq : 0;
}

uint64_t broker_promise_for(const struct broker *broker, const struct session *session)
{
    const struct durable *d = &broker->durable;
    bool lasts = (session && session_number(session)) || d->records != d->asked_at;
    return lasts ? broker_promise(broker) : 0;
}

uint64_t broker_promise_of_connect(const struct broker *broker, const struct session *session)
{
    const struct durable *d = &broker->durable;
    bool waits = d->records != d->asked_at || (is_on(session) && !durable_session_saved(session));
    return waits ? broker_promise(broker) : 0;
}

uint64_t broker_promise_kept(const struct broker *broker)
{
    return broker->durable.kept;
}

uint64_t durable_number(struct broker *broker)
{
    struct durable *d = &broker->durable;
    if (++d->number > d->number_limit && d->store) {
        durable_rows_reserve_numbers(d);
        mark_hard(d, promise(d));
    }
    return d->number;
}

/* ---- sessions ---- */

bool session_is_kept(const struct session *session)
{
    return is_on(session);
}

void durable_session(struct session *session, bool hard)
{
    struct durable *d = &session->broker->durable;
    if (!is_on(session))
        return;
    struct session_row *row = session->row;
    if (!list_linked(&row->record))
        list_append(&d->sessions, &row->record);
    row->unsaved |= hard;
    if (hard)
        mark_hard(d, promise(d));
    else
        durable_lazy(session->broker);
}

bool durable_session_saved(const struct session *session)
{
    const struct session_row *row = session->row;
    return is_on(session) && row->stored && !row->unsaved &&
           durable_is_committed(&session->broker->durable, row->saved_in);
}

void durable_will_fired(struct session *session)
{
    durable_session(session, true);
    if (is_on(session))
        session->broker->durable.pull = true;
}

void durable_session_end(struct session *session)
{
    struct broker *broker = session->broker;
    struct session_row *row = session->row;
    if (!row)
        return;
    if (is_on(session) && row->stored) {
        if (paging_haunt(session))
            durable_rows_over(session);
        else
            durable_rows_end_session(&broker->durable, row->number);
        durable_lazy(broker);
    }
    if (is_on(session) && session->inbound)
        broker->durable.owed -= session->inbound->count;
    list_remove(&row->record);
    row->number = 0;
    row->stored = false;
}

static bool adopt_subscriptions(struct session *session)
{
    struct buffer filter = {0};
    bool good = true;
    list_each(link, &session->subscriptions)
    {
        const struct subscription *s = list_item(link, struct subscription, on_session);
        const struct subscribe_options options = {.qos = (uint8_t)s->qos,
                                                  .no_local = s->no_local,
                                                  .retain_as_published = s->retain_as_published,
                                                  .identifier = s->identifier};
        good = good && subscription_filter(s, &filter) &&
               durable_subscription(session, buffer_slice(&filter), &options);
    }
    buffer_clear(&filter);
    return good;
}

static bool adopt_inbound(struct session *session)
{
    const struct inbound_ids *in = session->inbound;
    for (uint32_t i = 0; in && i < in->count; i++)
        if (!durable_inbound(session, in->ids[i])) {
            while (i > 0)
                durable_inbound_end(session, in->ids[--i]);
            return false;
        }
    return true;
}

bool durable_provide(struct session *session, uint32_t expiry_s)
{
    return !expiry_s || !session->broker->durable.store || session_row(session);
}

bool durable_adopt(struct session *session)
{
    if (!session->broker->durable.store)
        return true;
    struct session_row *row = session_row(session);
    if (!row)
        return false;
    row->number = durable_number(session->broker);
    durable_session(session, true);
    if (!adopt_subscriptions(session) || !adopt_inbound(session)) {
        row->stored = true; /* some of it may stand in the batch */
        durable_session_end(session);
        return false;
    }
    outbox_each(session, durable_outgoing);
    return true;
}

/* ---- rows that are written at once ---- */

bool durable_subscription(struct session *session, struct slice filter,
                          const struct subscribe_options *options)
{
    struct durable *d = &session->broker->durable;
    if (!is_on(session))
        return true;
    if (!durable_rows_subscription(d, session->row->number, filter, options))
        return false;
    session->row->stored = true; /* its own row follows in the same batch, or its end */
    mark_hard(d, promise(d));
    return true;
}

bool durable_unsubscription(struct session *session, struct slice filter)
{
    struct durable *d = &session->broker->durable;
    if (!is_on(session))
        return true;
    if (!batch_plain(d, ROW_UNSUBSCRIPTION, session->row->number, filter, SLICE_EMPTY))
        return false;
    mark_hard(d, promise(d));
    return true;
}

bool durable_inbound(struct session *session, uint16_t packet_id)
{
    struct durable *d = &session->broker->durable;
    if (!is_on(session))
        return true;
    if (!durable_rows_inbound(d, session->row->number, packet_id))
        return false;
    session->row->stored = true;
    d->pull = true; /* the id and the message: both or none */
    mark_hard(d, promise(d));
    return true;
}

void durable_inbound_end(struct session *session, uint16_t packet_id)
{
    struct durable *d = &session->broker->durable;
    if (!is_on(session))
        return;
    durable_rows_inbound_end(d, session->row->number, packet_id);
    mark_hard(d, promise(d));
}

bool durable_retained(struct broker *broker, struct slice topic, struct message *former,
                      struct message *now)
{
    struct durable *d = &broker->durable;
    if (!d->store || topic.at[0] == '$')
        return true;
    if (!durable_rows_retain(d, topic, former, now))
        return false;
    mark_hard(d, promise(d));
    return true;
}

bool durable_note(struct broker *broker, struct slice key, struct slice value)
{
    struct durable *d = &broker->durable;
    if (!d->store)
        return true;
    if (!batch_plain(d, value.len ? ROW_NOTE : ROW_NOTE_END, 0, key, value))
        return false;
    mark_hard(d, promise(d));
    return true;
}

/* ---- what is under way ---- */

static void harden(struct durable *d, struct outgoing *o)
{
    o->keep = KEEP_HARD;
    list_append(&d->hard, &o->record);
    mark_hard(d, o->seq);
    if (o->qos == 2 && o->entry.packet_id)
        d->pull = true;
}

/* Nothing of it is in the store yet. */
static void record_new(struct session *session, struct outgoing *o)
{
    struct broker *broker = session->broker;
    struct durable *d = &broker->durable;
    o->row = NULL;
    o->batch = 0;
    o->session = session->row->number;
    o->number = durable_number(broker);
    o->recorded_ms = (uint32_t)broker->mono_ms;
    o->seq = promise(d);
    o->soft = session->sink && !(o->qos == 2 && o->entry.packet_id);
    if (!o->soft) {
        harden(d, o);
        return;
    }
    o->keep = KEEP_SOFT;
    list_append(&d->soft, &o->record);
}

void durable_outgoing(struct session *session, struct outgoing *o)
{
    struct durable *d = &session->broker->durable;
    if (!is_on(session) || o->qos == 0)
        return;
    bool urgent = o->qos == 2 && o->entry.packet_id;
    switch ((enum keep)o->keep) {
    case KEEP_NOT:
        record_new(session, o);
        return;
    case KEEP_SOFT:
        if (urgent) {
            list_remove(&o->record);
            harden(d, o);
        }
        return;
    case KEEP_CHANGED:
        if (!urgent)
            return;
        list_remove(&o->record);
        o->seq = promise(d);
        harden(d, o);
        return;
    case KEEP_WRITTEN:
        if (urgent) {
            o->seq = promise(d);
            harden(d, o);
            return;
        }
        o->keep = KEEP_CHANGED;
        o->recorded_ms = (uint32_t)session->broker->mono_ms;
        list_append(&d->changed, &o->record);
        durable_lazy(session->broker);
        return;
    case KEEP_HARD: /* it is written as it will be then */
        if (urgent) {
            o->seq = promise(d);
            d->pull = true;
        }
        return;
    case KEEP_GONE:
        return;
    }
}

bool durable_is_sealed(const struct session *session, const struct outgoing *o)
{
    return !is_on(session) || o->seq <= session->broker->durable.kept;
}

static void score(struct durable *d, bool soon)
{
    if (soon)
        d->score += (SCORE_MOST - d->score + 15) / 16;
    else
        d->score -= d->score / 16;
}

static uint32_t linger_ms(const struct durable *d)
{
    return d->score > SCORE_MOST / 2 ? LINGER_MS : 0;
}

bool durable_forget(struct broker *broker, struct outgoing *o)
{
    struct durable *d = &broker->durable;
    bool soon = (uint32_t)broker->mono_ms - o->recorded_ms <= LINGER_MS;
    if (o->keep == KEEP_SOFT || o->keep == KEEP_HARD || o->keep == KEEP_CHANGED)
        list_remove(&o->record);
    if (o->soft && o->keep != KEEP_NOT)
        score(d, soon);
    if (!d->store || !durable_rows_has_row(o)) {
        broker->stats.store_cancelled += o->keep != KEEP_NOT;
        o->keep = KEEP_NOT;
        return false;
    }
    o->keep = KEEP_GONE;
    list_append(&d->gone, &o->record);
    durable_lazy(broker);
    return true;
}

void durable_moves(struct broker *broker, const struct outgoing *o)
{
    if (durable_rows_has_row(o))
        broker->durable.pull = broker->durable.moved = true;
}

/* ---- handing over ---- */

static void start_commit(struct broker *broker)
{
    struct durable *d = &broker->durable;
    d->state = DURABLE_BUSY;
    d->handed_ms = broker->mono_ms;
    d->store->verbs->commit(d->store, &d->under_way);
}

/* Writes all that is due. False: there was no memory for all of it, which goes on later. */
static bool gather(struct broker *broker)
{
    struct durable *d = &broker->durable;
    uint32_t linger = linger_ms(d);
    struct outgoing *o;
    while ((o = first_soft(d)) != NULL) {
        bool lingered = (uint32_t)broker->mono_ms - o->recorded_ms >= linger;
        if (!lingered && !d->pull)
            break;
        if (!durable_rows_outgoing(broker, o))
            return false;
        mark_hard(d, o->seq);
        if (linger && lingered)
            score(d, false);
    }
    return durable_rows_changes(broker);
}

static void hand_over(struct broker *broker)
{
    struct durable *d = &broker->durable;
    d->starved = !gather(broker) || !durable_rows_exchange(d);
    if (d->starved)
        return;
    d->serial++;
    d->under_from = d->hard_from;
    d->hard_from = 0;
    d->lasting = d->pull = d->moved = false;
    d->lazy_ms = 0;
    if (!list_empty(&d->changed))
        durable_lazy(broker);
    if (d->under_way.count == 0) { /* it was all over before it was written */
        d->under_from = 0;
        return;
    }
    struct stats *stats = &broker->stats;
    stats->store_batch_last = d->under_way.count;
    if (stats->store_batch_last > stats->store_batch_maximum)
        stats->store_batch_maximum = stats->store_batch_last;
    start_commit(broker);
}

static bool is_due(const struct broker *broker)
{
    const struct durable *d = &broker->durable;
    const struct outgoing *soft = first_soft(d);
    return d->lasting || (d->lazy_ms && broker->mono_ms - d->lazy_ms >= LAZY_MS) ||
           (soft && (uint32_t)broker->mono_ms - soft->recorded_ms >= linger_ms(d));
}

/* When the next turn is due for the store's sake. */
static uint64_t next_ms(const struct broker *broker)
{
    const struct durable *d = &broker->durable;
    const struct outgoing *soft = first_soft(d);
    uint64_t next = TIMERS_NEVER;
    if (d->state == DURABLE_STUCK)
        return d->retry_ms;
    if (d->state != DURABLE_IDLE)
        return next;
    if (d->starved)
        return broker->mono_ms + STARVED_MS;
    if (d->lazy_ms)
        next = d->lazy_ms + LAZY_MS;
    if (soft) {
        uint64_t due =
            broker->mono_ms + linger_ms(d) - ((uint32_t)broker->mono_ms - soft->recorded_ms);
        next = due < next ? due : next;
    }
    return next;
}

static void set_timer(struct broker *broker)
{
    struct durable *d = &broker->durable;
    uint64_t next = next_ms(broker);
    if (next != TIMERS_NEVER && (!timer_is_set(&d->timer) || next < d->timer.due_ms))
        timer_set(broker->wheel, &d->timer, next);
}

/* QoS 2 messages whose packet ids are on disk now leave. */
static void send_sealed(struct broker *broker)
{
    struct durable *d = &broker->durable;
    if (d->sent == d->kept)
        return;
    d->sent = d->kept;
    list_each(link, &d->sealing)
        session_pump(list_item(link, struct outbox, sealing_boxes)->session);
}

void durable_work(struct broker *broker)
{
    struct durable *d = &broker->durable;
    if (!d->store)
        return;
    keep_promises(d);
    send_sealed(broker);
    paging_ask(broker);
    if (d->state == DURABLE_STUCK && broker->mono_ms >= d->retry_ms) {
        if (!d->moved)
            durable_rows_relieve(broker);
        start_commit(broker);
    }
    if (d->state == DURABLE_IDLE && is_due(broker)) {
        hand_over(broker);
        keep_promises(d);
    }
    set_timer(broker);
}

void broker_settle(struct broker *broker)
{
    struct durable *d = &broker->durable;
    bool soft = !list_empty(&d->soft);
    if (!d->store || (!soft && !d->lazy_ms))
        return;
    d->pull = d->lasting = true;
}

bool broker_is_settled(const struct broker *broker)
{
    const struct durable *d = &broker->durable;
    return !d->store || d->state == DURABLE_FAILED ||
           (d->state == DURABLE_IDLE && !d->lasting && !d->lazy_ms && list_empty(&d->soft));
}

/* ---- outcomes ---- */

static void count_commit(struct broker *broker)
{
    const struct durable *d = &broker->durable;
    struct stats *stats = &broker->stats;
    stats->store_batches++;
    stats->store_written += d->under_way.count;
    stats->store_commit_last_ms = broker->mono_ms - d->handed_ms;
    if (stats->store_commit_last_ms > stats->store_commit_maximum_ms)
        stats->store_commit_maximum_ms = stats->store_commit_last_ms;
}

void broker_committed(struct broker *broker, enum commit_outcome outcome)
{
    struct durable *d = &broker->durable;
    switch (outcome) {
    case COMMIT_DONE:
        count_commit(broker);
        d->state = DURABLE_IDLE;
        stored_written(d);
        batch_release(&d->under_way);
        d->refused = false;
        d->under_from = 0;
        paging_work(broker);
        break;
    case COMMIT_FULL:
        d->state = DURABLE_STUCK;
        d->refused = true;
        d->retry_ms = broker->mono_ms + RETRY_MS;
        break;
    case COMMIT_FAILED:
        d->state = DURABLE_FAILED;
        break;
    }
    broker->stats.store_full = durable_is_full(broker);
    keep_promises(d);
    send_sealed(broker);
}
