/* outbox_parts: what the files of the outbox know of each other. For outbox.c, outbox_end.c and
 * paging.c, share.c and walk.c only. */
#ifndef SIOTD_BROKER_OUTBOX_PARTS_H
#define SIOTD_BROKER_OUTBOX_PARTS_H

#include "broker/core.h"

/* One from the pool, all zero, or NULL. */
struct outgoing *outgoing_new(struct broker *broker);

/* The session's outbox, made if need be; NULL when out of memory. */
struct outbox *outbox_of(struct session *session);

/* A session that waits for nothing needs no outbox. */
void outbox_trim(struct session *session);

/* Counts one as queued, or as not queued any more. */
void outbox_count(struct session *session, const struct outgoing *outgoing, bool more);

/* Takes one from the list it is in, which is one of the queues or not. */
void outbox_leave(struct session *session, struct outgoing *outgoing, bool queued);

#endif
