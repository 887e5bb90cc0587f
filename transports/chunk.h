/* chunk: the memory that output waits in, and where it is kept for reuse.
 *
 * A chunk is a stretch of some message's bytes by reference (maybe none), followed by bytes of its
 * own. Chunks come in three sizes from one store per loop; larger ones are made to measure. An idle
 * peer owns none. What the store keeps for reuse is what the last second has needed, so memory
 * falls back after a burst. */
#ifndef SIOTD_TRANSPORTS_CHUNK_H
#define SIOTD_TRANSPORTS_CHUNK_H

#include "base/slice.h"

struct message;

enum chunk_size { CHUNK_SMALL, CHUNK_MEDIUM, CHUNK_LARGE, CHUNK_SIZES, CHUNK_MADE = CHUNK_SIZES };

struct chunk {
    struct chunk *next;
    struct message *owner; /* of the stretch by reference; NULL without one */
    struct slice shared;   /* what of it has not been sent; goes before bytes */
    uint32_t start, end;   /* of bytes: sent up to, filled up to */
    uint32_t room;         /* of bytes: capacity */
    uint32_t size;         /* enum chunk_size */
    uint8_t bytes[];
};

struct chunk_store {
    struct chunk *kept[CHUNK_SIZES];
    uint32_t count[CHUNK_SIZES];
    uint32_t
        unused[CHUNK_SIZES]; /* the lowest count since the last trim: nobody has needed these */
    size_t bytes_used, bytes_kept;
};

/* An empty chunk with room for at least `len` bytes of its own, of size `least` or larger; NULL
 * when out of memory. The caller gives it back with chunk_give. */
struct chunk *chunk_take(struct chunk_store *store, enum chunk_size least, size_t len);

/* Gives a chunk back; its reference to a message too. */
void chunk_give(struct chunk_store *store, struct chunk *chunk);

/* Frees what has not been needed since the last call. */
void chunk_trim(struct chunk_store *store);

/* Frees all that is kept. */
void chunk_store_clear(struct chunk_store *store);

#endif
