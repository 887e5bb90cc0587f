/* datagram_queue: datagrams on their way out, each with its destination, first in first out. Pure
 * memory: no socket; peers are pointers in here. */
#ifndef SIOTD_TRANSPORTS_DATAGRAM_QUEUE_H
#define SIOTD_TRANSPORTS_DATAGRAM_QUEUE_H

#include "transports/datagram_socket.h"
#include "transports/outgoing.h"

struct peer;

struct queued {
    struct departure departure;
    struct peer *peer; /* whose it is; NULL when it has gone */
    uint64_t promise;  /* that it waits for */
    bool dropped;      /* its bytes only stand here because somebody fills them */
};

struct datagram_queue {
    struct queued *ring; /* owned */
    uint32_t first, count, room;
    struct outgoing bytes;
};

/* Room for a datagram of `len` bytes at the end; *entry is to be filled but for its bytes and
 * valid until the next call. The bytes stay where they are until they are taken off. NULL when out
 * of memory, with nothing changed. */
uint8_t *datagram_queue_push(struct datagram_queue *queue, struct chunk_store *store, size_t len,
                             struct queued **entry);

/* The i-th from the front; i < count. Valid until the next push. */
struct queued *datagram_queue_at(const struct datagram_queue *queue, uint32_t i);

/* Takes the first off; count > 0. */
void datagram_queue_pop(struct datagram_queue *queue, struct chunk_store *store);

/* Drops everything, and the memory. */
void datagram_queue_clear(struct datagram_queue *queue, struct chunk_store *store);

#endif
