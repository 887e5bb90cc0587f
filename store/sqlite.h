/* sqlite: the only door to SQLite.
 *
 * A connection, its prepared statements, and what their errors mean for a store. Nothing here knows
 * what siotd keeps. A connection and its statements belong to one thread at a time. */
#ifndef SIOTD_STORE_SQLITE_H
#define SIOTD_STORE_SQLITE_H

#include "base/slice.h"

struct sql;
struct sql_statement;

/* What has become of a call; the sentence is in sql_error. */
enum sql_result {
    SQL_DONE,
    SQL_ROW,     /* sql_step: there is a row to be read */
    SQL_FULL,    /* no space on the disk, or the size limit is reached */
    SQL_BUSY,    /* another process holds the lock and kept it for all of the time we waited */
    SQL_MEMORY,  /* no memory */
    SQL_DAMAGED, /* the file is not what it should be */
    SQL_FAILED,  /* anything else, a disk that cannot be read or flushed above all */
};

enum sql_access {
    SQL_WRITE,     /* the file must be there */
    SQL_READ,      /* another process may be writing it */
    SQL_IMMUTABLE, /* nobody writes it, and nothing at all is written beside it */
};

/* Opens a database file. On failure *sql may be set all the same, for sql_error. */
enum sql_result sql_open(const char *path, enum sql_access access, struct sql **sql);

/* Whether closing the last connection leaves the log as it is instead of bringing it into the
 * database file, which is what happens else. */
void sql_leave_log(struct sql *sql, bool leave);

/* Ends all statements of the connection and closes it; NULL is none. */
void sql_close(struct sql *sql);

/* What the last call that failed has to say; "no memory" for NULL. Good until the next failure. */
const char *sql_error(const struct sql *sql);

/* Runs one or several statements of fixed text, whose rows nobody wants. */
enum sql_result sql_run(struct sql *sql, const char *text);

/* Runs a statement that gives one number. */
enum sql_result sql_ask(struct sql *sql, const char *text, int64_t *answer);

/* Makes a statement that is used again and again and ends with the connection or with sql_finish.
 */
enum sql_result sql_prepare(struct sql *sql, const char *text, struct sql_statement **statement);
void sql_finish(struct sql_statement *statement);

/* Sets a statement's parameter, 1 the first. Bytes are borrowed until the statement is reset. */
void sql_bind_number(struct sql_statement *statement, int at, int64_t number);
void sql_bind_bytes(struct sql_statement *statement, int at, struct slice bytes);

/* The same with a copy of the bytes. */
void sql_bind_copy(struct sql_statement *statement, int at, struct slice bytes);

/* Goes on to the next row, or does what the statement does. Anything but SQL_ROW resets it. */
enum sql_result sql_step(struct sql_statement *statement);
void sql_reset(struct sql_statement *statement);

/* Reads a column of the row, 0 the first; a value of another type is 0, or empty. Bytes are
 * borrowed until the next step or reset. */
int64_t sql_number(struct sql_statement *statement, int at);
struct slice sql_bytes(struct sql_statement *statement, int at);
struct slice sql_text(struct sql_statement *statement, int at);

/* Whether a transaction is open. An error may have ended it. */
bool sql_in_transaction(const struct sql *sql);

/* Pages that stood in the log after the last commit of this connection. The next commit starts it
 * anew when all of them have been brought into the database file and nobody reads them. */
uint32_t sql_log_pages(const struct sql *sql);

/* Brings the log into the database file as far as readers allow, without waiting for anybody; *all:
 * nothing is left in it that is not in the file. With `empty` waits for them and empties the log.
 */
enum sql_result sql_checkpoint(struct sql *sql, bool empty, bool *all);

#endif
