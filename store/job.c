/* job: what the worker does: a batch, a fetch, and keeping the database in shape; see keeper.h.
 *
 * An error is one of three things. "Not now" (no space, no memory, another process holds the lock):
 * the batch was undone whole and may be offered again. Damage or a disk that fails: from then on
 * nothing is believed and nothing is written any more. Anything else does not occur. */
#include "store/keeper.h"

#include <stdio.h>
#include <time.h>

/* A log of 16 MiB is brought into the database file between two batches, some milliseconds on a
 * disk of this class; a shorter one when there is nothing else to do. */
enum { CHECKPOINT_PAGES = 4096, VACUUM_STEP = 256, VACUUM_LEAST = 1024, LOG_FRAME_BYTES = 4120 };

static uint64_t now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static bool not_now(enum sql_result result)
{
    return result == SQL_FULL || result == SQL_BUSY || result == SQL_MEMORY;
}

static void notice(struct keeper *keeper, const char *what, const char *why)
{
    pthread_mutex_lock(&keeper->mutex);
    snprintf(keeper->notice, sizeof(keeper->notice), "%s%s%s", what, why[0] ? ": " : "", why);
    pthread_mutex_unlock(&keeper->mutex);
}

void keeper_distrust(struct keeper *keeper, const char *what)
{
    keeper->untrusted = true;
    pthread_mutex_lock(&keeper->mutex);
    if (!keeper->failed)
        snprintf(keeper->why, sizeof(keeper->why), "%s: %s", what, sql_error(keeper->sql));
    keeper->failed = true;
    pthread_mutex_unlock(&keeper->mutex);
}

/* ---- a batch ---- */

static void count_commit(struct keeper *keeper, const struct batch *batch, uint64_t us)
{
    struct store_counts *counts = &keeper->counts;
    pthread_mutex_lock(&keeper->mutex);
    counts->batches++;
    counts->changes += batch->count;
    counts->batch_last = batch->count;
    if (counts->batch_max < batch->count)
        counts->batch_max = batch->count;
    counts->commit_last_us = us;
    if (counts->commit_max_us < us)
        counts->commit_max_us = us;
    latency_add(&keeper->latency, us);
    counts->wal_bytes = (uint64_t)sql_log_pages(keeper->sql) * LOG_FRAME_BYTES;
    counts->full = false;
    pthread_mutex_unlock(&keeper->mutex);
}

/* Returns whether it is the first one after batches that were taken. */
static bool count_refusal(struct keeper *keeper)
{
    pthread_mutex_lock(&keeper->mutex);
    bool first = !keeper->counts.full;
    keeper->counts.full = true;
    keeper->counts.refused++;
    pthread_mutex_unlock(&keeper->mutex);
    return first;
}

static enum commit_outcome refuse(struct keeper *keeper, enum sql_result result)
{
    bool all;
    if (count_refusal(keeper))
        notice(keeper,
               "nothing more can be kept for now, and nothing is acknowledged that should be",
               result == SQL_FULL ? "no space left, or store.size_limit is reached"
                                  : sql_error(keeper->sql));
    /* An emptied log is space that the next attempt can use. */
    if (result == SQL_FULL && keeper->log_unsaved) {
        result = sql_checkpoint(keeper->sql, false, &all);
        if (result != SQL_DONE && !not_now(result)) {
            keeper_distrust(keeper, "the log could not be brought into the database");
            return COMMIT_FAILED;
        }
        keeper->log_unsaved = !all;
    }
    return COMMIT_FULL;
}

static enum commit_outcome commit(struct keeper *keeper, const struct batch *batch)
{
    if (keeper->untrusted)
        return COMMIT_FAILED;
    uint64_t began = now_us();
    enum sql_result result = rows_apply(&keeper->rows, batch);
    if (result == SQL_DONE) {
        bool was_full = keeper->counts.full; /* nobody else writes it */
        count_commit(keeper, batch, now_us() - began);
        if (was_full)
            notice(keeper, "changes are kept again", "");
        keeper->log_unsaved = true;
        return COMMIT_DONE;
    }
    if (not_now(result))
        return refuse(keeper, result);
    keeper_distrust(keeper, "a batch could not be committed");
    return COMMIT_FAILED;
}

/* ---- a fetch ---- */

static void fetch(struct keeper *keeper, struct job *job)
{
    enum sql_result result = SQL_FAILED;
    if (!keeper->untrusted)
        result = rows_fetch(&keeper->rows, job->session, job->from, job->most, &job->found);
    job->unreadable = result != SQL_DONE;
    if (job->unreadable && !not_now(result) && !keeper->untrusted)
        keeper_distrust(keeper, "queued messages could not be read");
    if (job->found.damaged)
        notice(keeper, "queued messages were damaged and are left out", "");
    pthread_mutex_lock(&keeper->mutex);
    keeper->counts.fetches++;
    keeper->counts.fetched += job->found.count;
    keeper->counts.damaged_rows += job->found.damaged;
    pthread_mutex_unlock(&keeper->mutex);
}

void keeper_do(struct keeper *keeper, struct job *job)
{
    pthread_mutex_lock(&keeper->mutex);
    keeper->job_began_us = now_us();
    pthread_mutex_unlock(&keeper->mutex);
    if (job->batch) {
        job->outcome = commit(keeper, job->batch);
        job->over_limit = keeper->rows.over_limit;
    } else {
        fetch(keeper, job);
    }
    pthread_mutex_lock(&keeper->mutex);
    keeper->job_began_us = 0;
    pthread_mutex_unlock(&keeper->mutex);
}

uint64_t keeper_busy_ms(uint64_t began_us)
{
    return began_us ? (now_us() - began_us) / 1000 : 0;
}

/* ---- shape ---- */

static void measure(struct keeper *keeper)
{
    uint64_t bytes = folder_file_size(&keeper->folder, FOLDER_DATABASE);
    pthread_mutex_lock(&keeper->mutex);
    keeper->counts.file_bytes = bytes;
    pthread_mutex_unlock(&keeper->mutex);
}

static void bring_in_log(struct keeper *keeper)
{
    bool all = false;
    enum sql_result result = sql_checkpoint(keeper->sql, false, &all);
    keeper->log_unsaved = !all;
    /* A reader may keep the log from starting anew; then it is tried again when it has grown. */
    keeper->checkpoint_at = sql_log_pages(keeper->sql) + CHECKPOINT_PAGES;
    if (result != SQL_DONE && !not_now(result))
        keeper_distrust(keeper, "the log could not be brought into the database");
    measure(keeper);
}

static void watch_log(struct keeper *keeper)
{
    uint32_t pages = sql_log_pages(keeper->sql);
    if (pages < keeper->log_pages || keeper->checkpoint_at == 0)
        keeper->checkpoint_at = CHECKPOINT_PAGES; /* it has started anew */
    keeper->log_pages = pages;
    if (keeper->log_unsaved && pages >= keeper->checkpoint_at)
        bring_in_log(keeper);
}

/* One step less of a file of which a quarter is unused; whether there are more to come. */
static bool shrink(struct keeper *keeper)
{
    int64_t pages = 0, unused = 0;
    enum sql_result result = sql_ask(keeper->sql, "PRAGMA page_count", &pages);
    if (result == SQL_DONE)
        result = sql_ask(keeper->sql, "PRAGMA freelist_count", &unused);
    if (result == SQL_DONE && (unused < VACUUM_LEAST || unused < pages / 4))
        return false;
    char text[48];
    snprintf(text, sizeof(text), "PRAGMA incremental_vacuum(%d)", VACUUM_STEP);
    if (result == SQL_DONE)
        result = sql_run(keeper->sql, text);
    if (result == SQL_DONE)
        keeper->log_unsaved = true;
    else if (!not_now(result))
        keeper_distrust(keeper, "the database could not be made smaller");
    return result == SQL_DONE;
}

bool keeper_tidy(struct keeper *keeper, bool idle)
{
    if (keeper->untrusted)
        return false;
    watch_log(keeper);
    if (keeper->untrusted)
        return false;
    if (!idle)
        return keeper->log_unsaved;
    if (shrink(keeper))
        return true;
    if (keeper->log_unsaved && !keeper->untrusted)
        bring_in_log(keeper);
    return false;
}
