/* datagram_queue: see datagram_queue.h. Invariant: bytes.len is the sum of the entries' lengths. */
#include "transports/datagram_queue.h"

#include <stdlib.h>

enum { ROOM_MIN = 64, ROOM_IDLE = 1024 /* entries kept while there are none */ };

static int grow(struct datagram_queue *queue)
{
    uint32_t room = queue->room ? 2 * queue->room : ROOM_MIN;
    struct queued *ring = malloc(room * sizeof(*ring));
    if (!ring)
        return -1;
    for (uint32_t i = 0; i < queue->count; i++)
        ring[i] = *datagram_queue_at(queue, i);
    free(queue->ring);
    queue->ring = ring;
    queue->room = room;
    queue->first = 0;
    return 0;
}

uint8_t *datagram_queue_push(struct datagram_queue *queue, struct chunk_store *store, size_t len,
                             struct queued **entry)
{
    if (queue->count == queue->room && grow(queue) != 0)
        return NULL;
    uint8_t *at = outgoing_reserve(&queue->bytes, store, len);
    if (!at)
        return NULL;
    *entry = &queue->ring[(queue->first + queue->count++) & (queue->room - 1)];
    **entry = (struct queued){.departure = {.at = at, .len = (uint32_t)len}};
    return at;
}

struct queued *datagram_queue_at(const struct datagram_queue *queue, uint32_t i)
{
    return &queue->ring[(queue->first + i) & (queue->room - 1)];
}

void datagram_queue_pop(struct datagram_queue *queue, struct chunk_store *store)
{
    outgoing_consume(&queue->bytes, store, datagram_queue_at(queue, 0)->departure.len);
    queue->first = (queue->first + 1) & (queue->room - 1);
    if (--queue->count == 0 && queue->room > ROOM_IDLE)
        datagram_queue_clear(queue, store);
}

void datagram_queue_clear(struct datagram_queue *queue, struct chunk_store *store)
{
    outgoing_clear(&queue->bytes, store);
    free(queue->ring);
    *queue = (struct datagram_queue){.ring = NULL};
}
