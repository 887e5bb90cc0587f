/* stored: see stored.h. */
#include "broker/stored.h"
#include "broker/batch.h"
#include "broker/durable_rows.h"
#include "broker/record.h"
#include <stdlib.h>

static struct slice message_key(const void *item)
{
    const struct stored_message *stored = item;
    return slice_of(&stored->number, sizeof stored->number);
}

void stored_init(struct durable *d)
{
    map_init(&d->messages, message_key);
}

void stored_clear(struct durable *d)
{
    size_t position = 0;
    struct stored_message *stored;
    while ((stored = map_next(&d->messages, &position)) != NULL) {
        if (stored->live)
            stored->live->kept = NULL;
        free(stored);
    }
    map_clear(&d->messages);
}

struct stored_message *stored_find(const struct durable *d, uint64_t number)
{
    return map_find(&d->messages, slice_of(&number, sizeof number));
}

struct stored_message *stored_new(struct durable *d, uint64_t number, uint32_t rows, uint32_t named,
                                  struct message *live)
{
    struct stored_message *stored = malloc(sizeof *stored);
    if (!stored)
        return NULL;
    *stored = (struct stored_message){.number = number, .rows = rows, .named = named, .live = live};
    if (map_put(&d->messages, stored) != 0) {
        free(stored);
        return NULL;
    }
    if (live)
        live->kept = stored;
    return stored;
}

static void lose(struct durable *d, struct stored_message *stored)
{
    map_take(&d->messages, message_key(stored));
    if (stored->live)
        stored->live->kept = NULL;
    free(stored);
}

static struct record_head record_of_head(const struct message *m)
{
    struct record_head record = {.topic = message_topic(m),
                                 .properties = message_properties(m),
                                 .expires_ms = m->expires_ms,
                                 .qos = m->qos,
                                 .retain = m->retain,
                                 .has_author = m->author != NULL};
    if (m->author) {
        record.author = record_of_identity(m->author->identity);
        record.author_client_id = slice_of(m->author->client_id, m->author->client_id_len);
        record.author_mountpoint_len = m->author->mountpoint_len;
    }
    return record;
}

struct stored_message *stored_write(struct broker *broker, struct message *m)
{
    struct durable *d = &broker->durable;
    if (m->kept)
        return m->kept;
    const struct record_head record = record_of_head(m);
    struct writer w;
    uint64_t number = durable_number(broker);
    if (!batch_body_begin(d, record_head_room(&record), &w) || !batch_has_room(d, 3))
        return NULL;
    struct stored_message *stored = stored_new(d, number, 0, 0, m);
    if (!stored)
        return NULL;
    record_head_encode(&record, &w);
    struct row_change *change = batch_append(d, ROW_MESSAGE);
    change->message = number;
    change->payload = message_hold(m);
    batch_body_end(d, change, &w);
    return stored;
}

/* What the store has to be told of so many rows. */
static uint32_t telling(const struct stored_message *stored)
{
    return stored->rows > 1 ? stored->rows : 0;
}

static bool is_told(const struct durable *d, const struct stored_message *stored)
{
    return stored->named == telling(stored) && durable_is_committed(d, stored->named_in);
}

/* Nothing in memory names it, which forgets it as soon as the store knows. There is room for a row.
 */
static void tell(struct durable *d, struct stored_message *stored)
{
    if (is_told(d, stored)) {
        lose(d, stored);
        return;
    }
    if (stored->named == telling(stored))
        return; /* it is on its way */
    stored->named = telling(stored);
    stored->named_in = d->relieving ? d->serial : d->serial + 1;
    struct row_change *change = batch_append(d, stored->named ? ROW_NAMED : ROW_NAMED_END);
    change->message = stored->number;
    change->number = stored->named;
}

void stored_settle(struct broker *broker, struct stored_message *stored)
{
    if (!batch_has_room(&broker->durable, 1))
        return;
    tell(&broker->durable, stored);
    durable_lazy(broker);
}

bool stored_let_go(struct broker *broker, struct stored_message *stored)
{
    if (!batch_has_room(&broker->durable, 1))
        return false;
    if (--stored->held > 0)
        return true;
    tell(&broker->durable, stored);
    durable_lazy(broker);
    return true;
}

void stored_unname(struct durable *d, struct stored_message *stored, bool held)
{
    if (!stored)
        return;
    stored->held -= held;
    if (--stored->rows > 0) {
        if (stored->held == 0)
            tell(d, stored);
        return;
    }
    if (stored->named)
        batch_append(d, ROW_NAMED_END)->message = stored->number;
    batch_append(d, ROW_MESSAGE_END)->message = stored->number;
    lose(d, stored);
}

void stored_name(struct stored_message *stored)
{
    stored->rows++;
    stored->held++;
}

void stored_written(struct durable *d)
{
    for (size_t i = 0; i < d->under_way.count; i++) {
        const struct row_change *change = &d->under_way.changes[i];
        struct stored_message *stored = change->kind >= ROW_NAMED && change->kind < ROW_KINDS
                                            ? stored_find(d, change->message)
                                            : NULL;
        if (stored && stored->held == 0 && is_told(d, stored))
            lose(d, stored);
    }
}
