/* store: the core's rows on disk, over a restart and over a power cut.
 *
 *   store_open -> store_load (rows back to the core) -> store_start -> commit, fetch ... ->
 * store_stop
 *
 * What broker/store.h asks for, done with one SQLite database (siotd.db in data_dir) on one worker
 * thread (worker.c). The loop's thread hands jobs over and never waits; when the worker has
 * finished one it calls `wake`, and the loop calls store_settle, which gives the results to the
 * callbacks. All functions here are for the loop's thread.
 *
 * Every row carries a checksum over its kind, keys and content. A row whose sum is wrong is never
 * given to anybody. A file that SQLite cannot read is set aside under a new name, and what can
 * still be read from it is brought into a new one (salvage.c). */
#ifndef SIOTD_STORE_STORE_H
#define SIOTD_STORE_STORE_H

#include "broker/store.h"
#include "config/option.h"

enum store_durability {
    STORE_FLUSH, /* what is committed survives a power cut: the disk is told to flush */
    STORE_WRITE, /* it survives the process, not the machine: the kernel has it */
};

/* The `store:` section. */
struct store_settings {
    uint64_t size_limit; /* bytes that siotd.db may grow to; OPTION_UNLIMITED */
    uint64_t cache_size; /* bytes of the database kept in memory */
};

extern const struct option_table store_options;

/* Whom the store answers. `wake` is called on the worker's thread and may only make the loop call
 * store_settle soon (uv_async_send); the others are called by store_settle, on the loop's thread.
 * `committed` and `fetched` are broker_committed and broker_fetched. `failed` comes at most once,
 * before the COMMIT_FAILED that it is about, or without one when there is no batch under way: the
 * store cannot be trusted any more and the process must end with status 70. */
struct store_events {
    void *owner;
    void (*committed)(void *owner, enum commit_outcome outcome);
    void (*fetched)(void *owner, uint64_t session, const struct fetched *rows, size_t count);
    void (*failed)(void *owner, const char *why);
    void (*wake)(void *owner);
};

/* Opens the store in `folder`, which is made (0700) when it is not there; the files in it are 0600.
 * Refuses a folder or files that are not ours alone to write, one that another siotd uses, a
 * database that is not siotd's, and one of a newer version, and leaves those as they are. A
 * damaged database is set aside and salvaged, which is no error. `events` is copied. Returns 0 or
 * a negative errno with a sentence in `why`. */
int store_open(const char *folder, enum store_durability durability,
               const struct store_settings *settings, const struct store_events *events,
               struct store **store, char *why, size_t why_size);

/* Gives all rows to `take` (borrowed for the call; false: remove it from the store) in the order of
 * broker_restore: sessions, subscriptions, messages (by rising number), queued (by session and
 * number), inbound, retained, notes. Rows with a wrong sum are left out and removed; so is,
 * afterwards, each message that no queued or retained row names any more (it has been given all the
 * same). Blocks; after store_open, once. Returns 0 or a negative errno with a sentence in `why`. */
int store_load(struct store *store, bool (*take)(void *owner, const struct kept *kept), void *owner,
               char *why, size_t why_size);

/* Starts the worker; from here on the verbs of broker/store.h may be used. 0 or a negative errno.
 */
int store_start(struct store *store);

/* Gives finished jobs to the callbacks, in order. After each `wake`; harmless at other times. */
void store_settle(struct store *store);

/* Finishes the jobs under way and settles them (callbacks come), brings everything into the
 * database file, closes and frees. Also right after store_open or store_load. */
void store_stop(struct store *store);

/* What can be said about the store; all since it was opened. */
struct store_counts {
    uint64_t batches, changes;                                            /* committed */
    uint64_t commit_last_us, commit_max_us, commit_p50_us, commit_p99_us; /* flush included */
    uint64_t batch_last, batch_max;                                       /* changes in one batch */
    uint64_t file_bytes, wal_bytes; /* siotd.db and what is not in it yet */
    uint64_t fetches, fetched;      /* fetches done, rows given */
    uint64_t refused;               /* commits answered COMMIT_FULL */
    uint64_t loaded;                /* rows given by store_load */
    uint64_t damaged_rows;          /* left out because of a wrong sum */
    uint64_t orphans;               /* messages removed that nobody named */
    uint64_t lost_commits;          /* that stood behind a damaged place in the log of a siotd that
                                       was killed, and could not be used */
    uint64_t set_aside, salvaged;   /* damaged files put aside by store_open or store_load; rows
                                       brought over from them */
    uint64_t busy_ms;               /* how long the job under way takes so far; 0: none is */
    bool full; /* the last commit was answered COMMIT_FULL, or the size limit is reached */
};

/* Cheap enough for every turn. */
void store_count(struct store *store, struct store_counts *counts);

/* Looks through the store in `folder` without changing it, siotd running or not: the structure of
 * the database, every checksum, and whether rows name rows that are there. `say` gets a line for
 * each finding (the first 100 of each sort) and one with the sum of it all. Returns 0: clean, 1:
 * damaged, or a negative errno when there is nothing that could be looked at, `say` having got the
 * reason. */
int store_verify(const char *folder, void (*say)(void *to, const char *line), void *to);

#endif
