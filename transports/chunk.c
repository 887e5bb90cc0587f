/* chunk: see chunk.h. Stands on the way out, under peer_reserve. Invariant: bytes_kept is the sum
 * of what the three stacks hold, and never above KEPT_MAX. */
#include "transports/chunk.h"

#include "broker/message.h"
#include <stdlib.h>

/* Of whole chunks, so that malloc's own 16 bytes make them a round size. */
static const uint32_t chunk_bytes[CHUNK_SIZES] = {512 - 16, 4096 - 16, 16384 - 16};

/* More is not kept, however much is given back at once: freeing a lot later would make one turn
 * long. */
enum { KEPT_MAX = 16 << 20 };

static size_t whole(const struct chunk *chunk)
{
    return sizeof(*chunk) + chunk->room;
}

static struct chunk *take_kept(struct chunk_store *store, unsigned size)
{
    struct chunk *chunk = store->kept[size];
    if (!chunk)
        return NULL;
    store->kept[size] = chunk->next;
    if (--store->count[size] < store->unused[size])
        store->unused[size] = store->count[size];
    store->bytes_kept -= whole(chunk);
    return chunk;
}

struct chunk *chunk_take(struct chunk_store *store, enum chunk_size least, size_t len)
{
    unsigned size = least;
    while (size < CHUNK_SIZES && chunk_bytes[size] - sizeof(struct chunk) < len)
        size++;
    struct chunk *chunk = size < CHUNK_SIZES ? take_kept(store, size) : NULL;
    if (!chunk) {
        size_t bytes = size < CHUNK_SIZES ? chunk_bytes[size] : sizeof(struct chunk) + len;
        if (len > UINT32_MAX / 2)
            return NULL;
        chunk = malloc(bytes);
        if (!chunk)
            return NULL;
        chunk->room = (uint32_t)(bytes - sizeof(struct chunk));
        chunk->size = size;
    }
    chunk->next = NULL;
    chunk->owner = NULL;
    chunk->shared = SLICE_EMPTY;
    chunk->start = chunk->end = 0;
    store->bytes_used += whole(chunk);
    return chunk;
}

void chunk_give(struct chunk_store *store, struct chunk *chunk)
{
    store->bytes_used -= whole(chunk);
    message_unref(chunk->owner);
    if (chunk->size == CHUNK_MADE || store->bytes_kept + whole(chunk) > KEPT_MAX) {
        free(chunk);
        return;
    }
    chunk->owner = NULL;
    chunk->next = store->kept[chunk->size];
    store->kept[chunk->size] = chunk;
    store->count[chunk->size]++;
    store->bytes_kept += whole(chunk);
}

void chunk_trim(struct chunk_store *store)
{
    for (unsigned size = 0; size < CHUNK_SIZES; size++) {
        for (uint32_t n = store->unused[size]; n > 0; n--)
            free(take_kept(store, size));
        store->unused[size] = store->count[size];
    }
}

void chunk_store_clear(struct chunk_store *store)
{
    for (unsigned size = 0; size < CHUNK_SIZES; size++) {
        store->unused[size] = store->count[size];
    }
    chunk_trim(store);
}
