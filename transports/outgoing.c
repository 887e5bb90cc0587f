/* outgoing: see outgoing.h. The last stop of a message before the socket. Invariants: len is the
 * sum of all unsent bytes of all chunks; no chunk in the queue is empty, except that the tail may
 * be filled later within the same call; head and tail are both NULL or both not. */
#include "transports/outgoing.h"

#include "broker/message.h"
#include <errno.h>

static struct chunk *append_chunk(struct outgoing *queue, struct chunk_store *store,
                                  enum chunk_size least, size_t len)
{
    struct chunk *chunk = chunk_take(store, least, len);
    if (!chunk)
        return NULL;
    if (queue->tail)
        queue->tail->next = chunk;
    else
        queue->head = chunk;
    queue->tail = chunk;
    return chunk;
}

/* The more waits, the larger the steps: most peers never need more than the first. */
static enum chunk_size next_size(const struct outgoing *queue)
{
    if (queue->len < 512)
        return queue->head ? CHUNK_MEDIUM : CHUNK_SMALL;
    return queue->len < 4096 ? CHUNK_MEDIUM : CHUNK_LARGE;
}

uint8_t *outgoing_reserve(struct outgoing *queue, struct chunk_store *store, size_t len)
{
    struct chunk *tail = queue->tail;
    if (!tail || tail->room - tail->end < len) {
        tail = append_chunk(queue, store, next_size(queue), len);
        if (!tail)
            return NULL;
    }
    uint8_t *at = tail->bytes + tail->end;
    tail->end += (uint32_t)len;
    queue->len += len;
    return at;
}

int outgoing_share(struct outgoing *queue, struct chunk_store *store, struct slice bytes,
                   struct message *owner)
{
    struct chunk *chunk = append_chunk(queue, store, CHUNK_SMALL, 0);
    if (!chunk)
        return -ENOMEM;
    chunk->owner = message_hold(owner);
    chunk->shared = bytes;
    queue->len += bytes.len;
    return 0;
}

int outgoing_vectors(const struct outgoing *queue, struct iovec *vectors, int max, size_t *len)
{
    int count = 0;
    *len = 0;
    for (const struct chunk *chunk = queue->head; chunk && count < max; chunk = chunk->next) {
        if (chunk->shared.len) {
            vectors[count++] = (struct iovec){(void *)chunk->shared.at, chunk->shared.len};
            *len += chunk->shared.len;
        }
        if (chunk->end > chunk->start && count < max) {
            size_t own = chunk->end - chunk->start;
            vectors[count++] = (struct iovec){(void *)(chunk->bytes + chunk->start), own};
            *len += own;
        }
    }
    return count;
}

struct slice outgoing_front(const struct outgoing *queue)
{
    const struct chunk *head = queue->head;
    if (!head)
        return SLICE_EMPTY;
    if (head->shared.len)
        return head->shared;
    return slice_of(head->bytes + head->start, head->end - head->start);
}

static void drop_head(struct outgoing *queue, struct chunk_store *store)
{
    struct chunk *head = queue->head;
    queue->head = head->next;
    if (!queue->head)
        queue->tail = NULL;
    chunk_give(store, head);
}

/* Takes up to len bytes off one chunk; returns how many. */
static size_t consume_chunk(struct chunk *chunk, size_t len)
{
    size_t shared = len < chunk->shared.len ? len : chunk->shared.len;
    if (shared) {
        chunk->shared = slice_from(chunk->shared, shared);
        len -= shared;
    }
    size_t own = chunk->end - chunk->start;
    if (own > len)
        own = len;
    chunk->start += (uint32_t)own;
    return shared + own;
}

void outgoing_consume(struct outgoing *queue, struct chunk_store *store, size_t len)
{
    queue->len -= len;
    while (queue->head) {
        struct chunk *head = queue->head;
        len -= consume_chunk(head, len);
        if (head->shared.len || head->start < head->end)
            break;
        drop_head(queue, store);
    }
}

void outgoing_join(struct outgoing *queue, struct outgoing *from)
{
    if (!from->head)
        return;
    if (queue->tail)
        queue->tail->next = from->head;
    else
        queue->head = from->head;
    queue->tail = from->tail;
    queue->len += from->len;
    *from = (struct outgoing){0};
}

void outgoing_clear(struct outgoing *queue, struct chunk_store *store)
{
    while (queue->head)
        drop_head(queue, store);
    queue->len = 0;
}
