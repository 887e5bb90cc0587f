/* outgoing: a queue of bytes on their way out, as chunks. Pure memory: no socket, no peer. */
#ifndef SIOTD_TRANSPORTS_OUTGOING_H
#define SIOTD_TRANSPORTS_OUTGOING_H

#include "transports/chunk.h"
#include <sys/uio.h>

struct outgoing {
    struct chunk *head, *tail; /* NULL when empty */
    size_t len;                /* bytes queued */
};

/* Room for exactly `len` contiguous bytes at the end, counted as queued: the caller fills all of
 * it. NULL when out of memory, with nothing changed. */
uint8_t *outgoing_reserve(struct outgoing *queue, struct chunk_store *store, size_t len);

/* Appends bytes by reference; takes a reference to `owner`, which is owned and contains them.
 * Returns 0 or -ENOMEM with nothing changed. */
int outgoing_share(struct outgoing *queue, struct chunk_store *store, struct slice bytes,
                   struct message *owner);

/* The first bytes of the queue as at most `max` vectors; returns how many, and sets *len to their
 * bytes. */
int outgoing_vectors(const struct outgoing *queue, struct iovec *vectors, int max, size_t *len);

/* The first contiguous stretch; empty when the queue is. Borrowed until the queue changes. */
struct slice outgoing_front(const struct outgoing *queue);

/* Takes `len` bytes, at most queue->len, off the front. */
void outgoing_consume(struct outgoing *queue, struct chunk_store *store, size_t len);

/* Moves all of `from` behind what is queued; `from` is empty then. Cannot fail. */
void outgoing_join(struct outgoing *queue, struct outgoing *from);

/* Drops everything. */
void outgoing_clear(struct outgoing *queue, struct chunk_store *store);

#endif
