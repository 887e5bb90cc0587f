/* keeper: what the store's own files know of a store. */
#ifndef SIOTD_STORE_KEEPER_H
#define SIOTD_STORE_KEEPER_H

#include "base/list.h"
#include "store/folder.h"
#include "store/latency.h"
#include "store/rows.h"
#include "store/store.h"
#include <pthread.h>

enum { WHY_SIZE = 512, KEEPER_REFUSED = 64 };

/* One thing for the worker to do, and what has come of it. */
struct job {
    struct list link;          /* in jobs, or in done */
    const struct batch *batch; /* of a commit; NULL: a fetch */
    enum commit_outcome outcome;
    bool over_limit;        /* the size limit is reached, with this batch or before */
    uint64_t session, from; /* of a fetch */
    uint32_t most;
    bool unreadable; /* the fetch could not be done */
    struct rows_found found;
};

struct keeper {
    struct store base;
    struct store_events events;
    struct store_settings settings;
    enum store_durability durability;
    struct folder folder;

    /* The worker's from store_start until it has been joined, the loop's before and after. */
    struct sql *sql;
    struct rows rows;
    bool untrusted;         /* something has failed that makes the database's state unknown */
    bool log_unsaved;       /* something stands in the log that is not in the database file */
    uint32_t log_pages;     /* in the log after the last commit */
    uint32_t checkpoint_at; /* pages in the log at which it is brought into the file */

    pthread_t thread;
    bool running; /* the loop's: there is a worker to be joined */

    /* All of the following is guarded by `mutex`. */
    pthread_mutex_t mutex;
    pthread_cond_t work;
    struct list jobs, done; /* of struct job; a fetch's is owned by its list */
    bool stopping;
    uint64_t refused[KEEPER_REFUSED]; /* sessions of fetches for which there was no memory */
    size_t refused_count;
    struct job commit;        /* the one batch that may be under way */
    bool failed, failed_told; /* store_events.failed is due; has been called */
    char why[WHY_SIZE];       /* of that */
    char notice[WHY_SIZE];    /* for the log, which is the loop's; "" for none */
    uint64_t job_began_us;    /* monotonic; 0: the worker is idle */
    struct store_counts counts;
    struct latency latency;
};

static inline struct keeper *keeper_of(struct store *store)
{
    return (struct keeper *)((char *)store - offsetof(struct keeper, base));
}

/* Opens a database file of the folder and sees to it that closing it leaves its log alone.
 * SQL_DONE, or why not with *sql for sql_error; either way *sql is to be closed by the caller. */
enum sql_result keeper_connect(const struct keeper *keeper, const char *name, struct sql **sql);

/* Sets a database up that is ours or empty, as siotd wants to work with it: logged, flushed as the
 * durability says. */
enum sql_result keeper_set_up(const struct keeper *keeper, struct sql *sql);

/* From connected to ready, for a database of that version (0: an empty one): set up, brought up to
 * the version of now, all statements prepared, and found to be writable. */
enum sql_result keeper_prepare(struct keeper *keeper, int64_t version);

/* Opens siotd.db, sets it aside and salvages it when it is damaged, brings it up to this version,
 * prepares all statements. 0, or a negative errno with a sentence in `why`. */
int keeper_open_database(struct keeper *keeper, char *why, size_t why_size);

/* Sets the damaged siotd.db aside and opens a new one with what could be read of it. As above. */
int keeper_salvage(struct keeper *keeper, char *why, size_t why_size);

/* The errno for what SQLite said. */
int keeper_errno(enum sql_result result);

/* How long a job takes that began then; 0 when `began_us` is. */
uint64_t keeper_busy_ms(uint64_t began_us);

/* Does one job, on whoever's thread it is. */
void keeper_do(struct keeper *keeper, struct job *job);

/* What is good for the database: after each job, a look at the length of the log; when `idle`, that
 * all is brought into the database file and that a file that has become too large shrinks, in steps
 * of some milliseconds. Returns whether there is more of it to do. */
bool keeper_tidy(struct keeper *keeper, bool idle);

/* Nothing that the database says or does is to be relied on from here on. `what` was being done. */
void keeper_distrust(struct keeper *keeper, const char *what);

/* Starts the worker; stops it after the jobs that are waiting. 0 or a negative errno. */
int worker_start(struct keeper *keeper);
void worker_stop(struct keeper *keeper);

/* Puts a job behind the others. */
void worker_add(struct keeper *keeper, struct job *job);

#endif
