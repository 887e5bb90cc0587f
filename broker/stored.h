/* stored: messages that rows of the store name (struct stored_message), and how many do.
 *
 *   durable_rows.c: a row names it, a row goes      paging.c: a row is not in memory any more
 *
 * A message is written with the first row that names it and goes with the last one. How many do is
 * known here as long as one of them is in memory; when none is, the store is told (ROW_NAMED; one
 * needs no telling) and it is forgotten when that is on disk. It comes back with the rows
 * (fetched.named). What pages so costs no memory. */
#ifndef SIOTD_BROKER_STORED_H
#define SIOTD_BROKER_STORED_H

#include "broker/core.h"

/* No messages; all are forgotten at the end. */
void stored_init(struct durable *durable);
void stored_clear(struct durable *durable);

/* The one of that number, or NULL when it is not known. */
struct stored_message *stored_find(const struct durable *durable, uint64_t number);

/* One that so many rows of the store name, which has been told `named`; NULL when out of memory. */
struct stored_message *stored_new(struct durable *durable, uint64_t number, uint32_t rows,
                                  uint32_t named, struct message *live);

/* The message as the store has it, written into the batch now if it has not been, with no row that
 * names it yet. NULL when out of memory. */
struct stored_message *stored_write(struct broker *broker, struct message *m);

/* One row more names it, which is in memory. */
void stored_name(struct stored_message *stored);

/* One row less does, which was in memory (held) or not. There is room for STORED_UNNAMING rows in
 * the batch: the end of the message, and of what the store was told. NULL is allowed. */
enum { STORED_UNNAMING = 2 };
void stored_unname(struct durable *durable, struct stored_message *stored, bool held);

/* A row that names it is not in memory any more. False when out of memory: nothing has happened. */
bool stored_let_go(struct broker *broker, struct stored_message *stored);

/* None of its rows is in memory: the store is told if need be. Without memory it stays known. */
void stored_settle(struct broker *broker, struct stored_message *stored);

/* The batch under way is on disk: what it told the store need not be known any more. */
void stored_written(struct durable *durable);

#endif
