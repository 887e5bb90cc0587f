/* durable_rows: the batch that is being gathered; for durable.c, which decides what goes into it.
 *
 * All functions that may run out of memory say so and leave the batch as it was before the row. */
#ifndef SIOTD_BROKER_DURABLE_ROWS_H
#define SIOTD_BROKER_DURABLE_ROWS_H

#include "broker/core.h"
#include "broker/record.h"

/* An empty batch, and its end, with all tables. */
void durable_rows_init(struct durable *durable);
void durable_rows_clear(struct durable *durable);

/* The row of the session of that number, and all that belongs to it, goes with the batch. */
void durable_rows_end_session(struct durable *durable, uint64_t session);

/* One subscription, filter as given. */
bool durable_rows_subscription(struct durable *durable, uint64_t session, struct slice filter,
                               const struct subscribe_options *options);
/* An id received, for whose end there is room from then on. */
bool durable_rows_inbound(struct durable *durable, uint64_t session, uint16_t packet_id);
void durable_rows_inbound_end(struct durable *durable, uint64_t session, uint16_t packet_id);

/* The topic's value will be `now` when the batch is written, whatever it was in between. */
bool durable_rows_retain(struct durable *durable, struct slice topic, const struct message *former,
                         struct message *now);

/* Numbers up to a new limit are taken. */
void durable_rows_reserve_numbers(struct durable *durable);

/* Whether there is room for what durable_rows_unqueue writes, and for a new limit of numbers. */
bool durable_rows_unqueue_room(struct durable *durable);
/* A row that is only in the store goes, and the message it names with its last one. */
bool durable_rows_unqueue(struct broker *broker, uint64_t session, const struct fetched *row);
/* The session has ended, and its rows are being cleared away: no restart brings it back. */
void durable_rows_over(struct session *session);

/* Whether the store has, or will have, a row of it. */
bool durable_rows_has_row(const struct outgoing *outgoing);
/* Writes it as it is now and takes it from its list. */
bool durable_rows_outgoing(struct broker *broker, struct outgoing *outgoing);
/* Writes all that has changed, but for what is soft. */
bool durable_rows_changes(struct broker *broker);

/* The batch is the one under way from now on, and a new one begins. */
bool durable_rows_exchange(struct durable *durable);
/* Behind the batch that does not fit, what goes meanwhile: that makes room. */
void durable_rows_relieve(struct broker *broker);

/* Parts of records. */
struct record_identity record_of_identity(const struct identity *identity);
struct record_will record_of_will(const struct will *will);

#endif
