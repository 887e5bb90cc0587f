/* batch: rows on their way to the store (store.h).
 *
 *   durable.c, durable_rows.c, stored.c -> d->gathering -> [end of a turn] store.commit
 *
 * Appending is in two steps, room (which may fail) and row (which cannot), so that several rows are
 * written or none. */
#ifndef SIOTD_BROKER_BATCH_H
#define SIOTD_BROKER_BATCH_H

#include "base/writer.h"
#include "broker/durable.h"

/* Room for so many changes in all. False when out of memory, as in all that follows. */
bool batch_grow(struct batch *batch, size_t needed);
/* Empties one that has been written; what it has grown to by far is given back. And frees it. */
void batch_release(struct batch *batch);
void batch_clear(struct batch *batch);

/* Room for so many rows more in the one that is being gathered, beside those that are owed. */
bool batch_has_room(struct durable *durable, size_t rows);
/* One row, for which there is room. Key and body are empty. */
struct row_change *batch_append(struct durable *durable, enum row_kind kind);

/* Room for a body, to be followed by batch_body_end when its row has been appended. */
bool batch_body_begin(struct durable *durable, size_t room, struct writer *w);
void batch_body_end(struct durable *durable, struct row_change *change, const struct writer *w);

/* A row of session, key and body, put or deleted; room included. */
bool batch_plain(struct durable *durable, enum row_kind kind, uint64_t session, struct slice key,
                 struct slice body);

#endif
