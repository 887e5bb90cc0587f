/* restore: what the store has kept comes back, while the daemon starts; see "what survives a
 * restart" in broker.h.
 *
 *   broker_restore, row after row -> sessions that are away, queues, values -> broker_restored
 *
 * Rows are believed to be what the core has written (the store has checked their sums), but not to
 * belong together: each that names something that is not there is refused, and so removed. That is
 * right only while nothing is missing for want of memory: after that nothing is looked at any more,
 * nothing is removed, and the daemon does not start. */
#include "broker/durable_rows.h"
#include "broker/note.h"
#include "broker/paging.h"
#include "broker/record.h"
#include "broker/stored.h"
#include <stdlib.h>

/* A session by the number its rows have. */
struct numbered {
    uint64_t number;
    struct session *session;
};

/* A message whose rows are being counted. */
struct counted {
    uint64_t number;
    uint32_t rows, named;    /* by count, and as the store has been told */
    struct message *message; /* a reference, or NULL: it did not fit */
    bool used;               /* the message is in a queue, or retained */
};

struct restoring {
    struct broker *broker;
    struct numbered *sessions; /* by rising number */
    size_t session_count, session_capacity;
    struct counted *messages; /* by rising number */
    size_t message_count, message_capacity;
    uint64_t bytes; /* of the messages in memory */
};

static bool more(void **at, size_t *capacity, size_t count, size_t item)
{
    if (count < *capacity)
        return true;
    size_t grown = *capacity ? *capacity * 2 : 64;
    void *moved = realloc(*at, grown * item);
    if (!moved)
        return false;
    *at = moved;
    *capacity = grown;
    return true;
}

/* The index of the first item whose number (its first member) is not below. */
static size_t position(const void *items, size_t count, size_t size, uint64_t number)
{
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const uint64_t *at = (const uint64_t *)((const char *)items + middle * size);
        if (*at < number)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static struct session *session_numbered(const struct restoring *r, uint64_t number)
{
    size_t at = position(r->sessions, r->session_count, sizeof *r->sessions, number);
    bool found = at < r->session_count && r->sessions[at].number == number;
    return found ? r->sessions[at].session : NULL;
}

static struct counted *message_numbered(const struct restoring *r, uint64_t number)
{
    size_t at = position(r->messages, r->message_count, sizeof *r->messages, number);
    return at < r->message_count && r->messages[at].number == number ? &r->messages[at] : NULL;
}

/* What restoring a row answers when there is no memory for it. */
static bool no_memory(const struct restoring *r)
{
    r->broker->durable.incomplete = true;
    return true;
}

static void seen(struct broker *broker, uint64_t number)
{
    if (number > broker->durable.number)
        broker->durable.number = number;
}

/* ---- sessions ---- */

struct interned {
    struct list link;
    char text[];
};

const char *intern(struct broker *broker, struct slice s)
{
    list_each(link, &broker->interned)
    {
        const struct interned *known = list_item(link, struct interned, link);
        if (slice_equal(slice_of_str(known->text), s))
            return known->text;
    }
    struct interned *made = malloc(sizeof *made + s.len + 1);
    if (!made)
        return NULL;
    if (s.len)
        memcpy(made->text, s.at, s.len);
    made->text[s.len] = 0;
    list_append(&broker->interned, &made->link);
    return made->text;
}

void interned_clear(struct broker *broker)
{
    struct list *link;
    while ((link = list_first(&broker->interned)) != NULL) {
        list_remove(link);
        free(list_item(link, struct interned, link));
    }
}

struct will *restore_will(const struct record_will *record)
{
    struct message m = {.topic = record->topic.at,
                        .topic_len = (uint16_t)record->topic.len,
                        .payload = record->payload.at,
                        .payload_len = (uint32_t)record->payload.len,
                        .properties = record->properties.at,
                        .properties_len = (uint32_t)record->properties.len,
                        .qos = record->qos,
                        .retain = record->retain};
    struct will *will = malloc(sizeof *will);
    struct message *owned = will ? message_hold(&m) : NULL;
    message_end(&m);
    if (!owned) {
        free(will);
        return NULL;
    }
    *will = (struct will){.message = owned,
                          .delay_s = record->delay_s,
                          .expires = record->expires,
                          .expiry_s = record->expiry_s};
    return will;
}

/* Its client left when the row says so; at the restart when it was still there, or when the clock
 * has gone back over that: else it would last as long as the clock is wrong. */
static void restore_away(struct session *session, int64_t away_ms)
{
    const struct broker *broker = session->broker;
    if (away_ms == 0 || away_ms > broker->wall_ms)
        away_ms = broker->wall_ms;
    session->away_ms = (int64_t)broker->mono_ms - (broker->wall_ms - away_ms);
}

/* Fills in what the row says; false when out of memory. */
static bool fill(struct session *session, const struct record_session *record)
{
    struct broker *broker = session->broker;
    const struct record_identity *who = &record->identity;
    session->identity = identity_restore(who->name, who->common_name, who->proof);
    session->mountpoint = intern(broker, record->mountpoint);
    session->protocol = intern(broker, record->protocol);
    session->expiry_s = record->expiry_s;
    session->window = record->window;
    session->inbound_maximum = record->inbound_maximum;
    restore_away(session, record->away_ms);
    if (record->has_will)
        session->will = restore_will(&record->will);
    return session->identity && session->mountpoint && session->protocol &&
           (!record->has_will || session->will) && session_note(session, record->note) == 0;
}

/* The one it replaces has lost its last row to a crash without memory; see durable_session_end. */
static void replace(struct restoring *r, struct session *former)
{
    size_t at =
        position(r->sessions, r->session_count, sizeof *r->sessions, session_number(former));
    if (at < r->session_count)
        r->sessions[at].session = NULL;
    former->mountpoint = former->mountpoint ? former->mountpoint : "";
    will_free(former->will);
    former->will = NULL;
    session_end(former);
}

static bool restore_session(struct broker *broker, struct restoring *r, const struct kept *kept)
{
    struct record_session record;
    if (!record_session_decode(kept->body, &record) ||
        (r->session_count && kept->session <= r->sessions[r->session_count - 1].number))
        return false;
    struct session *former = map_find(&broker->sessions, record.client_id);
    if (former)
        replace(r, former);
    if (!more((void **)&r->sessions, &r->session_capacity, r->session_count, sizeof *r->sessions))
        return no_memory(r);
    struct session *session = session_new(broker, record.client_id);
    if (!session)
        return no_memory(r);
    struct session_row *row = session_row(session);
    if (!row) {
        session_free(session);
        return no_memory(r);
    }
    bool filled = fill(session, &record);
    if (!filled)
        (void)no_memory(r);
    row->number = kept->session;
    row->stored = true;
    if (!filled || record.over || (record.away_ms == 0 && record.expiry_s == 0)) {
        session->mountpoint = session->mountpoint ? session->mountpoint : "";
        will_free(session->will);
        session->will = NULL;
        session->expiry_s = 0; /* it ends as soon as all rows are there */
        session->away_ms = 0;
    }
    r->sessions[r->session_count++] = (struct numbered){kept->session, session};
    return true;
}

static bool restore_subscription(const struct restoring *r, const struct kept *kept)
{
    struct record_subscription record;
    struct session *session = session_numbered(r, kept->session);
    if (!session || !record_subscription_decode(kept->body, &record))
        return false;
    const struct subscribe_options options = {.qos = record.qos,
                                              .no_local = record.no_local,
                                              .retain_as_published = record.retain_as_published,
                                              .identifier = record.identifier,
                                              .retain_handling = 2};
    enum verdict verdict = subscription_restore(session, kept->key, &options);
    if (verdict == VERDICT_NO_MEMORY)
        return no_memory(r);
    return verdict != VERDICT_BAD_FILTER;
}

static bool restore_inbound(const struct restoring *r, const struct kept *kept)
{
    struct session *session = session_numbered(r, kept->session);
    if (!session || kept->number == 0 || kept->number > UINT16_MAX)
        return false;
    size_t before = session->inbound ? session->inbound->count : 0;
    session_restore_inbound(session, (uint16_t)kept->number);
    return (session->inbound && session->inbound->count > before) || no_memory(r);
}

/* ---- messages ---- */

static struct principal *restore_author(const struct record_head *head)
{
    struct identity *identity =
        identity_restore(head->author.name, head->author.common_name, head->author.proof);
    struct principal *author =
        identity ? principal_new(identity, head->author_client_id, head->author_mountpoint_len)
                 : NULL;
    identity_unref(identity);
    return author;
}

struct message *restore_message(const struct record_head *head, struct slice payload)
{
    struct message m = {.topic = head->topic.at,
                        .topic_len = (uint16_t)head->topic.len,
                        .payload = payload.at,
                        .payload_len = (uint32_t)payload.len,
                        .properties = head->properties.at,
                        .properties_len = (uint32_t)head->properties.len,
                        .qos = head->qos,
                        .retain = head->retain,
                        .expires_ms = head->expires_ms};
    if (head->has_author && (m.author = restore_author(head)) == NULL)
        return NULL; /* a value without its author would be anybody's */
    struct message *owned = message_hold(&m);
    message_end(&m);
    principal_unref(m.author);
    return owned;
}

static bool restore_stored(struct broker *broker, struct restoring *r, const struct kept *kept)
{
    struct record_head head;
    if (kept->message == 0 || !record_head_decode(kept->body, &head) ||
        (r->message_count && kept->message <= r->messages[r->message_count - 1].number))
        return false;
    if (!more((void **)&r->messages, &r->message_capacity, r->message_count, sizeof *r->messages))
        return no_memory(r);
    struct counted counted = {.number = kept->message};
    /* A value may be retained; what is only queued can be read again later. */
    if ((head.retain || r->bytes < broker->limits->queued_memory) &&
        !(counted.message = restore_message(&head, kept->payload)))
        return no_memory(r);
    if (counted.message)
        r->bytes += outgoing_cost(message_size(counted.message));
    r->messages[r->message_count++] = counted;
    return true;
}

/* The message in memory, with what the store has of it. NULL when it is not in memory. */
static struct stored_message *stored_counted(struct broker *broker, struct counted *counted)
{
    struct message *m = counted->message;
    counted->rows++;
    if (!m)
        return NULL;
    if (!m->kept && !stored_new(&broker->durable, counted->number, 0, 0, m))
        broker->durable.incomplete = true;
    counted->used |= m->kept != NULL;
    return m->kept;
}

static bool restore_queued(struct broker *broker, const struct restoring *r,
                           const struct kept *kept)
{
    struct record_queued record;
    struct session *session = session_numbered(r, kept->session);
    struct counted *counted = kept->message ? message_numbered(r, kept->message) : NULL;
    if (!session || !record_queued_decode(kept->body, &record) ||
        (counted == NULL) != record.released)
        return false;
    bool paged = session->outbox && session->outbox->paged.messages;
    if (counted && (paged || !counted->message)) {
        counted->rows++;
        return paging_skip(session, &record, kept->number) || no_memory(r);
    }
    struct stored_message *stored = counted ? stored_counted(broker, counted) : NULL;
    if (counted && !stored)
        return true;
    struct outgoing *o = outbox_restore(session, &record, stored ? stored->live : NULL);
    if (!o)
        return true;
    o->keep = KEEP_WRITTEN;
    o->has_row = true;
    o->row = stored;
    if (stored)
        stored->held++;
    o->session = kept->session;
    o->number = kept->number;
    return true;
}

static bool restore_retained(struct broker *broker, const struct restoring *r,
                             const struct kept *kept)
{
    struct counted *counted = message_numbered(r, kept->message);
    struct stored_message *stored = counted ? stored_counted(broker, counted) : NULL;
    if (!counted)
        return false;
    if (!stored)
        return true;
    if (!slice_equal(message_topic(stored->live), kept->key) ||
        !retained_restore(broker, stored->live)) {
        counted->rows--;
        return false;
    }
    stored->held++;
    return true;
}

/* Behind all that names it: what the store was told may be of long ago. */
static bool restore_named(const struct restoring *r, const struct kept *kept)
{
    struct counted *counted = message_numbered(r, kept->message);
    if (!counted || counted->rows == 0 || kept->number < 2 || kept->number > UINT32_MAX)
        return false;
    counted->named = (uint32_t)kept->number;
    return true;
}

/* ---- notes ---- */

static bool restore_note(struct broker *broker, const struct kept *kept)
{
    struct durable *d = &broker->durable;
    if (slice_equal(kept->key, SLICE("\0numbers"))) {
        uint64_t limit;
        if (!record_number_decode(kept->body, &limit))
            return false;
        seen(broker, limit);
        d->number_limit = limit;
        return true;
    }
    struct record_fired fired;
    if (kept->key.len && kept->key.at[0] == 0)
        return record_fired_decode(kept->body, &fired) && will_restore(broker, kept->key, &fired);
    if (!note_restore(&broker->notes, kept->key, kept->body))
        return false;
    if (!map_find(&broker->notes, kept->key))
        d->incomplete = true;
    return true;
}

/* ---- all of it ---- */

static bool restore(struct broker *broker, const struct kept *kept)
{
    struct restoring *r = broker->restoring;
    seen(broker, kept->session);
    seen(broker, kept->message);
    switch (kept->kind) {
    case ROW_SESSION:
        return restore_session(broker, r, kept);
    case ROW_SUBSCRIPTION:
        return restore_subscription(r, kept);
    case ROW_MESSAGE:
        return restore_stored(broker, r, kept);
    case ROW_QUEUED:
        seen(broker, kept->number);
        return restore_queued(broker, r, kept);
    case ROW_INBOUND:
        return restore_inbound(r, kept);
    case ROW_RETAINED:
        return restore_retained(broker, r, kept);
    case ROW_NOTE:
        return restore_note(broker, kept);
    case ROW_NAMED:
        return restore_named(r, kept);
    case ROW_SESSION_END:
    case ROW_UNSUBSCRIPTION:
    case ROW_MESSAGE_END:
    case ROW_QUEUED_END:
    case ROW_INBOUND_END:
    case ROW_RETAINED_END:
    case ROW_NOTE_END:
    case ROW_NAMED_END:
    case ROW_KINDS:
        break;
    }
    return false;
}

bool broker_restore(struct broker *broker, const struct kept *kept)
{
    if (!broker->restoring && (broker->restoring = calloc(1, sizeof *broker->restoring)))
        broker->restoring->broker = broker;
    if (!broker->restoring)
        broker->durable.incomplete = true;
    return broker->durable.incomplete || restore(broker, kept);
}

void restoring_free(struct broker *broker)
{
    struct restoring *r = broker->restoring;
    if (!r)
        return;
    for (size_t i = 0; i < r->message_count; i++)
        message_unref(r->messages[i].message);
    free(r->messages);
    free(r->sessions);
    free(r);
    broker->restoring = NULL;
}

/* How many rows name it is known now; to the store, when it is not in memory. */
static void number_message(struct broker *broker, const struct counted *counted)
{
    struct stored_message *stored = counted->used ? counted->message->kept : NULL;
    if (!stored && (counted->rows > 1 ? counted->rows : 0) == counted->named)
        return;
    if (!stored)
        stored = stored_new(&broker->durable, counted->number, counted->rows, 0, NULL);
    if (!stored) {
        broker->durable.incomplete = true;
        return;
    }
    stored->rows = counted->rows;
    stored->named = counted->named;
    if (stored->held == 0)
        stored_settle(broker, stored);
}

static void number_messages(struct broker *broker, const struct restoring *r)
{
    for (size_t i = 0; i < r->message_count; i++)
        number_message(broker, &r->messages[i]);
}

bool broker_restored(struct broker *broker)
{
    struct restoring *r = broker->restoring;
    if (r)
        number_messages(broker, r);
    for (size_t i = 0; r && i < r->session_count; i++) {
        struct session *session = r->sessions[i].session;
        if (!session)
            continue;
        list_remove(&session->roll); /* access may have changed since */
        list_append(&broker->unchecked, &session->roll);
        session_set_timer(session);
        durable_session(session, false); /* the stamp may be that of the restart */
    }
    restoring_free(broker);
    return !broker->durable.incomplete;
}
