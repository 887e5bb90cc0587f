/* batch: see batch.h. */
#include "broker/batch.h"
#include "broker/message.h"
#include <stdlib.h>

enum {
    FIRST_CAPACITY = 64,
    SPARE_CAPACITY = 65536, /* a batch that was larger gives its memory back */
    SPARE_BYTES = 4 << 20,
};

void batch_release(struct batch *batch)
{
    for (size_t i = 0; i < batch->count; i++)
        message_unref(batch->changes[i].payload);
    batch->count = 0;
    batch->bytes.len = 0;
    if (batch->bytes.cap > SPARE_BYTES)
        buffer_clear(&batch->bytes);
    if (batch->capacity > SPARE_CAPACITY) {
        free(batch->changes);
        batch->changes = NULL;
        batch->capacity = 0;
    }
}

void batch_clear(struct batch *batch)
{
    batch_release(batch);
    free(batch->changes);
    buffer_clear(&batch->bytes);
    *batch = (struct batch){0};
}

bool batch_grow(struct batch *batch, size_t needed)
{
    size_t capacity = batch->capacity ? batch->capacity : FIRST_CAPACITY;
    while (capacity < needed)
        capacity *= 2;
    if (capacity == batch->capacity)
        return true;
    struct row_change *changes = realloc(batch->changes, capacity * sizeof *changes);
    if (!changes)
        return false;
    batch->changes = changes;
    batch->capacity = capacity;
    return true;
}

bool batch_has_room(struct durable *d, size_t rows)
{
    return batch_grow(&d->gathering, d->gathering.count + d->owed + rows);
}

struct row_change *batch_append(struct durable *d, enum row_kind kind)
{
    struct batch *batch = &d->gathering;
    struct row_change *change = &batch->changes[batch->count++];
    *change = (struct row_change){.kind = (uint8_t)kind};
    change->key_at = change->body_at = batch->bytes.len;
    return change;
}

bool batch_body_begin(struct durable *d, size_t room, struct writer *w)
{
    uint8_t *at = buffer_room(&d->gathering.bytes, room);
    *w = writer_of(at, at ? room : 0);
    return at != NULL;
}

void batch_body_end(struct durable *d, struct row_change *change, const struct writer *w)
{
    change->body_at = d->gathering.bytes.len;
    change->body_len = (uint32_t)writer_len(w);
    d->gathering.bytes.len += change->body_len;
}

bool batch_plain(struct durable *d, enum row_kind kind, uint64_t session, struct slice key,
                 struct slice body)
{
    uint8_t *at = buffer_room(&d->gathering.bytes, key.len + body.len + 1);
    if (!at || !batch_has_room(d, 1))
        return false;
    struct row_change *change = batch_append(d, kind);
    change->session = session;
    change->key_len = (uint32_t)key.len;
    change->body_at = change->key_at + change->key_len;
    change->body_len = (uint32_t)body.len;
    if (key.len)
        memcpy(at, key.at, key.len);
    if (body.len)
        memcpy(at + key.len, body.at, body.len);
    d->gathering.bytes.len += (uint32_t)(key.len + body.len);
    return true;
}
