/* users: who has a password: a table from user names to records, as the password file has them.
 *
 * The file is Mosquitto's: `name:record` on each line, blank lines and lines that begin with '#'
 * aside. Records ($argon2id$, $7$, $6$) are opaque in here: transports/password.h checks a password
 * against one. A table is immutable and counted. Pure. */
#ifndef SIOTD_BROKER_USERS_H
#define SIOTD_BROKER_USERS_H

#include "broker/lines.h"

struct users;

/* Reads a file. NULL when any line is wrong, `mistake` having been called for each (a line without
 * colon, without name, with a name twice, with a record that is none of a known scheme), or when
 * out of memory, which is told as line 0. `judge` says what is wrong with a whole record, or NULL
 * (password_mistake); it may be NULL itself. No text of the file is repeated in a mistake. */
struct users *users_read(struct slice text, const char *(*judge)(const char *record),
                         void (*mistake)(void *to, unsigned line, unsigned column, const char *why),
                         void *to);

/* One more reference to a table. */
struct users *users_ref(struct users *users);
/* One reference back; wipes the records with the last. NULL allowed. */
void users_unref(struct users *users);

/* How many users there are. */
size_t users_count(const struct users *users);

/* The record of a user, NUL-terminated, or NULL; borrowed from the table. */
const char *users_record(const struct users *users, struct slice name);

/* The record of some user, for spending on an unknown user what a known one costs; NULL when there
 * is none. */
const char *users_any_record(const struct users *users);

/* Walks the names in no particular order: start with *position = 0; false at the end. */
bool users_next(const struct users *users, size_t *position, struct slice *name);

#endif
