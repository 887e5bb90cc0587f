/* durable_rows: see durable_rows.h. durable.c -> here -> the batch that store.commit gets.
 *
 * Deletes are written behind puts, so that what one session leaves to another is never without a
 * row. What names a message counts in stored.c. */
#include "broker/durable_rows.h"
#include "broker/batch.h"
#include "broker/record.h"
#include "broker/stored.h"
#include <stdlib.h>

enum {
    SETTLED_MS = 10, /* younger changes that nobody waits for may be over before the next batch */
    NUMBERS_AT_ONCE = 1 << 24,
};

/* A session's rows that have to go. */
struct ended {
    struct list link;
    uint64_t number;
    bool early; /* the batch that waits for room has it; what came behind that may name it yet */
};

/* What has become of one topic's value since the last batch. */
struct retained_change {
    struct stored_message *former; /* what the row in the store names; NULL: there is none */
    struct message *now;           /* a reference; NULL: none */
    bool written;
    uint32_t topic_len;
    uint8_t topic[];
};

static struct slice retained_key(const void *item)
{
    const struct retained_change *change = item;
    return slice_of(change->topic, change->topic_len);
}

void durable_rows_init(struct durable *d)
{
    map_init(&d->retained, retained_key);
    stored_init(d);
}

static void retained_change_free(struct retained_change *change)
{
    message_unref(change->now);
    free(change);
}

static void clear_retained(struct durable *d)
{
    size_t position = 0;
    struct retained_change *change;
    while ((change = map_next(&d->retained, &position)) != NULL)
        retained_change_free(change);
    map_clear(&d->retained);
}

void durable_rows_clear(struct durable *d)
{
    struct list *link;
    while ((link = list_first(&d->ended)) != NULL) {
        list_remove(link);
        free(list_item(link, struct ended, link));
    }
    clear_retained(d);
    batch_clear(&d->gathering);
    batch_clear(&d->under_way);
    stored_clear(d);
}

/* ---- the batch ---- */

static void swap_batches(struct durable *d)
{
    struct batch batch = d->gathering;
    d->gathering = d->under_way;
    d->under_way = batch;
}

bool durable_rows_exchange(struct durable *d)
{
    if (!batch_grow(&d->under_way, d->owed + 1))
        return false;
    swap_batches(d);
    return true;
}

void durable_rows_reserve_numbers(struct durable *d)
{
    uint8_t body[16];
    uint64_t limit = d->number + NUMBERS_AT_ONCE;
    struct writer w = writer_of(body, sizeof body);
    record_number_encode(limit, &w);
    if (batch_plain(d, ROW_NOTE, 0, SLICE("\0numbers"), slice_of(body, writer_len(&w))))
        d->number_limit = limit;
}

/* ---- sessions ---- */

void durable_rows_end_session(struct durable *d, uint64_t session)
{
    struct ended *ended = malloc(sizeof *ended);
    if (!ended) /* the row stays until a restart finds it expired, or replaced */
        return;
    ended->number = session;
    ended->early = false;
    list_append(&d->ended, &ended->link);
}

struct record_identity record_of_identity(const struct identity *identity)
{
    return (struct record_identity){.name = identity_name(identity),
                                    .common_name = identity_common_name(identity),
                                    .proof = identity->proof,
                                    .anonymous = identity->anonymous};
}

struct record_will record_of_will(const struct will *will)
{
    const struct message *m = will->message;
    return (struct record_will){.topic = message_topic(m),
                                .payload = message_payload(m),
                                .properties = message_properties(m),
                                .delay_s = will->delay_s,
                                .expiry_s = will->expiry_s,
                                .qos = m->qos,
                                .retain = m->retain,
                                .expires = will->expires};
}

/* When its client left, by the wall clock, which outlives the process. */
static int64_t away_wall_ms(const struct session *session)
{
    const struct broker *broker = session->broker;
    return broker->wall_ms - ((int64_t)broker->mono_ms - session->away_ms);
}

static bool put_session(struct durable *d, struct session_row *row, bool over)
{
    const struct session *session = row->session;
    struct record_session record = {.client_id = session_key(session),
                                    .mountpoint = slice_of_str(session->mountpoint),
                                    .protocol = slice_of_str(session->protocol),
                                    .note = session_noted(session),
                                    .identity = record_of_identity(session->identity),
                                    .away_ms = session->sink ? 0 : away_wall_ms(session),
                                    .expiry_s = session->expiry_s,
                                    .window = session->window,
                                    .inbound_maximum = session->inbound_maximum,
                                    .has_will = session->will != NULL,
                                    .over = over};
    if (session->will)
        record.will = record_of_will(session->will);
    struct writer w;
    if (!batch_body_begin(d, record_session_room(&record), &w) || !batch_has_room(d, 1))
        return false;
    record_session_encode(&record, &w);
    struct row_change *change = batch_append(d, ROW_SESSION);
    change->session = row->number;
    batch_body_end(d, change, &w);
    row->stored = true;
    row->unsaved = false;
    row->saved_in = d->serial + 1;
    return true;
}

void durable_rows_over(struct session *session)
{
    /* Without memory a restart finds it expired, or replaced. */
    (void)put_session(&session->broker->durable, session->row, true);
}

bool durable_rows_subscription(struct durable *d, uint64_t session, struct slice filter,
                               const struct subscribe_options *options)
{
    uint8_t body[RECORD_SUBSCRIPTION_ROOM];
    struct writer w = writer_of(body, sizeof body);
    const struct record_subscription record = {.identifier = options->identifier,
                                               .qos = options->qos,
                                               .no_local = options->no_local,
                                               .retain_as_published = options->retain_as_published};
    record_subscription_encode(&record, &w);
    return batch_plain(d, ROW_SUBSCRIPTION, session, filter, slice_of(body, writer_len(&w)));
}

bool durable_rows_inbound(struct durable *d, uint64_t session, uint16_t packet_id)
{
    if (!batch_has_room(d, 2))
        return false;
    struct row_change *change = batch_append(d, ROW_INBOUND);
    change->session = session;
    change->number = packet_id;
    d->owed++;
    return true;
}

bool durable_owe(struct broker *broker)
{
    if (!batch_has_room(&broker->durable, 1))
        return false;
    broker->durable.owed++;
    return true;
}

void durable_rows_inbound_end(struct durable *d, uint64_t session, uint16_t packet_id)
{
    struct batch *batch = &d->gathering;
    const struct row_change *last = batch->count ? &batch->changes[batch->count - 1] : NULL;
    if (d->owed)
        d->owed--;
    if (last && last->kind == ROW_INBOUND && last->session == session &&
        last->number == packet_id) { /* its message was refused: it never was */
        batch->count--;
        return;
    }
    struct row_change *change = batch_append(d, ROW_INBOUND_END);
    change->session = session;
    change->number = packet_id;
}

/* ---- queues ---- */

bool durable_rows_has_row(const struct outgoing *o)
{
    return o->has_row;
}

static struct record_queued record_of_outgoing(const struct outgoing *o)
{
    struct record_queued record = {
        .identifiers = o->identifier_count > 1 ? o->identifiers.many : &o->identifiers.one,
        .identifier_count = o->identifier_count,
        .packet_id = o->entry.packet_id,
        .qos = o->qos,
        .retain = o->retain,
        .released = o->entry.packet_id && o->entry.state == INFLIGHT_RELEASED,
        .size = o->message ? (uint32_t)message_size(o->message) : 0,
    };
    return record;
}

static bool put_queued(struct durable *d, const struct outgoing *o, uint64_t message)
{
    struct record_queued record = record_of_outgoing(o);
    struct buffer filter = {0};
    struct writer w;
    bool good = !o->share || router_filter(o->share->entry.node, &filter);
    if (o->share) {
        record.group = share_name(o->share);
        record.filter = buffer_slice(&filter);
    }
    good = good && batch_body_begin(d, record_queued_room(&record), &w);
    if (good) {
        record_queued_encode(&record, &w);
        struct row_change *change = batch_append(d, ROW_QUEUED);
        change->session = o->session;
        change->number = o->number;
        change->message = message;
        batch_body_end(d, change, &w);
    }
    buffer_clear(&filter);
    return good;
}

bool durable_rows_outgoing(struct broker *broker, struct outgoing *o)
{
    struct durable *d = &broker->durable;
    struct stored_message *stored = o->message ? stored_write(broker, o->message) : NULL;
    if ((o->message && !stored) || !batch_has_room(d, 1 + STORED_UNNAMING) ||
        !put_queued(d, o, stored ? stored->number : 0))
        return false;
    if (stored != o->row) {
        if (stored)
            stored_name(stored);
        stored_unname(d, o->row, true);
    }
    o->row = stored;
    o->has_row = true;
    o->keep = KEEP_WRITTEN;
    o->batch = d->serial + 1;
    list_remove(&o->record);
    return true;
}

static bool put_gone(struct broker *broker, struct outgoing *o)
{
    struct durable *d = &broker->durable;
    if (!batch_has_room(d, 1 + STORED_UNNAMING))
        return false;
    struct row_change *change = batch_append(d, ROW_QUEUED_END);
    change->session = o->session;
    change->number = o->number;
    stored_unname(d, o->row, true);
    list_remove(&o->record);
    o->keep = KEEP_NOT;
    o->has_row = false;
    o->row = NULL;
    outgoing_free(broker, o);
    return true;
}

bool durable_rows_unqueue_room(struct durable *d)
{
    return batch_has_room(d, 1 + STORED_UNNAMING + 1);
}

bool durable_rows_unqueue(struct broker *broker, uint64_t session, const struct fetched *row)
{
    struct durable *d = &broker->durable;
    struct stored_message *stored = stored_find(d, row->message);
    if (!stored && row->message)
        stored = stored_new(d, row->message, fetched_rows(row), (uint32_t)row->named, NULL);
    if ((row->message && !stored) || !batch_has_room(d, 1 + STORED_UNNAMING))
        return false;
    struct row_change *change = batch_append(d, ROW_QUEUED_END);
    change->session = session;
    change->number = row->number;
    stored_unname(d, stored, false);
    durable_lazy(broker);
    return true;
}

/* ---- retained values ---- */

bool durable_rows_retain(struct durable *d, struct slice topic, const struct message *former,
                         struct message *now)
{
    struct retained_change *change = map_find(&d->retained, topic);
    if (!change) {
        change = malloc(sizeof *change + topic.len);
        if (!change)
            return false;
        *change = (struct retained_change){.former = former ? former->kept : NULL,
                                           .topic_len = (uint32_t)topic.len};
        memcpy(change->topic, topic.at, topic.len);
        if (map_put(&d->retained, change) != 0) {
            free(change);
            return false;
        }
    }
    if (change->written) { /* there was no memory for the rest, which has not been handed over */
        change->former = former ? former->kept : NULL;
        change->written = false;
    }
    message_unref(change->now);
    change->now = now ? message_hold(now) : NULL;
    return true;
}

static bool put_retained(struct broker *broker, struct retained_change *change)
{
    struct durable *d = &broker->durable;
    struct message *now = change->now;
    if (!now && !change->former) {
        change->written = true;
        return true;
    }
    struct stored_message *stored = now ? stored_write(broker, now) : NULL;
    if ((now && !stored) || !batch_has_room(d, 1 + STORED_UNNAMING) ||
        !batch_plain(d, now ? ROW_RETAINED : ROW_RETAINED_END, 0, retained_key(change),
                     SLICE_EMPTY))
        return false;
    if (stored) {
        d->gathering.changes[d->gathering.count - 1].message = stored->number;
        stored_name(stored);
    }
    stored_unname(d, change->former, true);
    change->written = true;
    return true;
}

static bool put_all_retained(struct broker *broker)
{
    struct durable *d = &broker->durable;
    size_t position = 0;
    struct retained_change *change;
    if (d->retained.count == 0)
        return true;
    while ((change = map_next(&d->retained, &position)) != NULL)
        if (!change->written && !put_retained(broker, change))
            return false;
    clear_retained(d);
    return true;
}

/* ---- all of it ---- */

static bool put_list(struct broker *broker, struct list *list)
{
    struct list *link;
    while ((link = list_first(list)) != NULL)
        if (!durable_rows_outgoing(broker, list_item(link, struct outgoing, record)))
            return false;
    return true;
}

/* Only what has been so for a while: the others are about to be over. */
static bool put_changed(struct broker *broker)
{
    struct list *link;
    while ((link = list_first(&broker->durable.changed)) != NULL) {
        struct outgoing *o = list_item(link, struct outgoing, record);
        if ((uint32_t)broker->mono_ms - o->recorded_ms < SETTLED_MS && !broker->durable.pull)
            return true;
        if (!durable_rows_outgoing(broker, o))
            return false;
    }
    return true;
}

static bool put_sessions(struct durable *d)
{
    struct list *link;
    while ((link = list_first(&d->sessions)) != NULL) {
        if (!put_session(d, list_item(link, struct session_row, record), false))
            return false;
        list_remove(link);
    }
    return true;
}

static bool put_all_gone(struct broker *broker)
{
    struct list *link;
    while ((link = list_first(&broker->durable.gone)) != NULL)
        if (!put_gone(broker, list_item(link, struct outgoing, record)))
            return false;
    return true;
}

static bool put_ended(struct durable *d)
{
    struct list *link;
    while ((link = list_first(&d->ended)) != NULL) {
        struct ended *ended = list_item(link, struct ended, link);
        if (!batch_has_room(d, 1))
            return false;
        batch_append(d, ROW_SESSION_END)->session = ended->number;
        list_remove(link);
        free(ended);
    }
    return true;
}

/* Into a batch behind which there is another one already. */
static void put_ended_early(struct durable *d)
{
    for (struct list *link = d->ended.next; link != &d->ended; link = link->next) {
        struct ended *ended = list_item(link, struct ended, link);
        if (ended->early)
            continue;
        if (!batch_has_room(d, 1))
            return;
        batch_append(d, ROW_SESSION_END)->session = ended->number;
        ended->early = true;
    }
}

void durable_rows_relieve(struct broker *broker)
{
    struct durable *d = &broker->durable;
    d->relieving = true;
    swap_batches(d);
    if (put_all_gone(broker)) /* what there is no memory for goes later */
        put_ended_early(d);
    swap_batches(d);
    d->relieving = false;
}

bool durable_rows_changes(struct broker *broker)
{
    struct durable *d = &broker->durable;
    return put_sessions(d) && put_list(broker, &d->hard) && put_changed(broker) &&
           put_all_retained(broker) && put_all_gone(broker) && put_ended(d);
}
