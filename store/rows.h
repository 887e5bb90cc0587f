/* rows: batches in, rows of a queue out, over one connection.
 *
 * A batch is one transaction: all of it or nothing. Statements are prepared once. */
#ifndef SIOTD_STORE_ROWS_H
#define SIOTD_STORE_ROWS_H

#include "store/tables.h"

enum { ROWS_SWEEPS = 3 }; /* statements that remove what belonged to a session */

struct rows {
    struct sql *sql; /* borrowed; the statements end with it */
    struct sql_statement *begin, *commit, *rollback;
    struct sql_statement *put[TABLES], *remove[TABLES], *sweep[ROWS_SWEEPS];
    struct sql_statement *queue; /* a session's queued rows with their messages */
    struct sql_statement *pages, *free_pages;
    uint64_t page_limit; /* pages in use; 0: no limit */
    bool over_limit;     /* more are in use since the last batch */
};

/* Prepares everything. */
enum sql_result rows_prepare(struct rows *rows, struct sql *sql);

/* Pages in use may be this many from now on; 0: no limit. What is in use already stays. */
enum sql_result rows_limit(struct rows *rows, uint64_t pages);

/* Opens a transaction; ends it well, or undoes it when `so_far` or the commit itself is a failure.
 * rows_end returns what has become of it all. */
enum sql_result rows_begin(struct rows *rows);
enum sql_result rows_end(struct rows *rows, enum sql_result so_far);

/* One change inside a transaction. Removing a session removes what it had besides; rows_remove_row
 * removes no more than the one row. */
enum sql_result rows_put(struct rows *rows, const struct kept *row);
enum sql_result rows_remove(struct rows *rows, const struct kept *row);
enum sql_result rows_remove_row(struct rows *rows, const struct kept *row);

/* All changes of a batch in their order, in a transaction of its own. Beyond the limit batches are
 * still taken, up to an eighth (4 MiB at least) more pages, since what makes room again may come
 * behind what took it. Then SQL_FULL; but never for one that leaves no more pages in use than there
 * were. */
enum sql_result rows_apply(struct rows *rows, const struct batch *batch);

/* Rows read for store.fetch, in one block. */
struct rows_found {
    struct fetched *rows; /* borrowed from `block` and owned by it, as are their slices */
    size_t count;
    uint64_t damaged; /* left out because a sum was wrong or the message was gone */
    void *block;      /* from malloc; NULL when count is 0 */
};

/* The queued rows of a session with number >= from, at most `most` and at most a MiB of them (one
 * at least), in order. */
enum sql_result rows_fetch(struct rows *rows, uint64_t session, uint64_t from, uint32_t most,
                           struct rows_found *found);

#endif
