/* durability: what the daemon does so that the core's state survives a restart.
 *
 * At start: opens the store, gives the core everything back, and lets the worker begin. While
 * running: brings the store's answers into the loop's turns, and tells the peers which promises are
 * kept. At the end: waits until all is written. Without data_dir all of this does nothing. */
#ifndef SIOTD_DAEMON_DURABILITY_H
#define SIOTD_DAEMON_DURABILITY_H

#include "config/config.h"
#include <stdbool.h>
#include <stdio.h>
#include <uv.h>

struct broker;
struct loop;
struct store;

/* `durability:`, by the names of the file. */
enum durability_choice { DURABILITY_FLUSH, DURABILITY_WRITE, DURABILITY_MEMORY };

struct durability {
    struct loop *loop;
    struct broker *broker;
    struct store *store; /* owned; NULL: in memory only */
    uv_async_t wake;     /* sent by the store's thread */
    bool wakes;          /* it is open */
    bool stuck;          /* the last batch did not fit */
    bool full;           /* that, or the size limit is reached; and the log has said so */
    uint64_t kept;       /* the last promise that peers have been told of */
};

/* One line that says what survives what, and where it lies. Returns `to`. */
enum { DURABILITY_TEXT_SIZE = 4400 };
const char *durability_text(const struct config *config, char to[DURABILITY_TEXT_SIZE]);

/* Opens the store of the configuration, restores the core from it and starts to keep what changes.
 * In a turn, before anybody may come in. False: it cannot be, and the log has the reason.
 * durability_close is due in either case. */
bool durability_open(struct durability *durability, const struct config *config, struct loop *loop,
                     struct broker *broker);

/* At the end of each turn, behind broker_work: what waits for promises that are kept now may leave.
 */
void durability_settle(struct durability *durability);

/* On the way to a stop, again and again: all that is recorded is to be written now. Returns whether
 * it is. */
bool durability_hurry(struct durability *durability);

/* Whether the store's thread has come to an end of something within `patience_us`. */
bool durability_is_alive(const struct durability *durability, uint64_t patience_us);

/* $SYS/broker/store/...: publishes what there is to say about the store. */
void durability_say(const struct durability *durability);

/* Writes what is under way and closes the store; the core gets no answers after this. Before
 * broker_free and loop_free. Harmless when nothing is open. */
void durability_close(struct durability *durability);

/* Prints what survives what, and a warning when there is no way to a store there. For -t: nothing
 * is opened, siotd may be running. */
void durability_check(FILE *to, const struct config *config);

/* Looks through the store in `folder` and prints to `to` what is found. Returns whether it is
 * sound. */
bool durability_verify(FILE *to, const char *folder);

#endif
