/* paging: queues that are longer than memory is meant for.
 *
 *   queue (front, in memory) -> paged (the store has it) -> tail (in memory: not on disk yet)
 *
 * Above limits.queued_memory, what is queued for who is away, or far behind for who is here, is let
 * go as soon as it is committed, and read back in pieces when the front of the queue runs low. It
 * counts as queued all the while. */
#ifndef SIOTD_BROKER_PAGING_H
#define SIOTD_BROKER_PAGING_H

#include "broker/broker.h"
#include "broker/stats.h"

struct session;
struct outgoing;
struct record_queued;

/* Something has been queued: the queue is looked at when it is on disk, if memory is short. */
void paging_consider(struct session *session);

/* A batch is on disk: lets go of what may go. */
void paging_work(struct broker *broker);

/* Asks the store for what comes next when the front of the queue is short. */
void paging_fetch(struct session *session);

/* Once per second: asks again for what could not be read. */
void paging_retry(struct broker *broker);

/* The outbox goes, and what it has in the store with the session's end; counted as dropped. */
void paging_forget(struct session *session, enum drop_reason reason);

/* The session of that number ends while the store has more of its queue than memory: its messages
 * are to be gone through. False when it is not so, or when there is no memory for it. */
bool paging_haunt(struct session *session);

/* While the daemon starts: one more row of a session's queue that stays where it is. False when out
 * of memory. */
bool paging_skip(struct session *session, const struct record_queued *record, uint64_t number);

/* Each turn: asks for the next rows of sessions that have ended. */
void paging_ask(struct broker *broker);

/* Forgets all that was on its way. */
void paging_clear(struct broker *broker);

#endif
