/* store: what the daemon and the core see of the store; see store.h. All on the loop's thread. */
#include "store/store.h"

#include "base/log.h"
#include "store/keeper.h"
#include "store/log_check.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- the core's verbs ---- */

static void commit(struct store *store, const struct batch *batch)
{
    struct keeper *keeper = keeper_of(store);
    keeper->commit = (struct job){.batch = batch};
    list_init(&keeper->commit.link);
    worker_add(keeper, &keeper->commit);
}

/* There is no memory for the job; the answer must come all the same. */
static void refuse_fetch(struct keeper *keeper, uint64_t session)
{
    pthread_mutex_lock(&keeper->mutex);
    if (keeper->refused_count < KEEPER_REFUSED) {
        keeper->refused[keeper->refused_count++] = session;
    } else if (!keeper->failed) {
        keeper->failed = true;
        snprintf(keeper->why, sizeof(keeper->why), "no memory to read queued messages");
    }
    pthread_mutex_unlock(&keeper->mutex);
    keeper->events.wake(keeper->events.owner);
}

static void fetch(struct store *store, uint64_t session, uint64_t from, uint32_t most)
{
    struct keeper *keeper = keeper_of(store);
    struct job *job = calloc(1, sizeof(*job));
    if (!job) {
        refuse_fetch(keeper, session);
        return;
    }
    list_init(&job->link);
    job->session = session;
    job->from = from;
    job->most = most;
    worker_add(keeper, job);
}

static const struct store_verbs verbs = {.commit = commit, .fetch = fetch};

/* ---- life ---- */

static int init_threads(struct keeper *keeper)
{
    pthread_condattr_t attributes;
    int error = pthread_condattr_init(&attributes);
    if (error)
        return -error;
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    error = pthread_mutex_init(&keeper->mutex, NULL);
    if (!error && (error = pthread_cond_init(&keeper->work, &attributes)))
        pthread_mutex_destroy(&keeper->mutex);
    pthread_condattr_destroy(&attributes);
    return -error;
}

static void free_keeper(struct keeper *keeper)
{
    sql_close(keeper->sql);
    folder_close(&keeper->folder);
    pthread_cond_destroy(&keeper->work);
    pthread_mutex_destroy(&keeper->mutex);
    free(keeper);
}

/* Before SQLite reads the log, and is silent about what it leaves out. */
static void look_at_log(struct keeper *keeper)
{
    char path[PATH_MAX];
    keeper->counts.lost_commits = log_check(folder_file(&keeper->folder, FOLDER_LOG, path));
    if (keeper->counts.lost_commits)
        log_line(LOG_ERROR, "store",
                 "%s is damaged: at least %llu batches in it cannot be used any more; what they "
                 "held is lost",
                 path, (unsigned long long)keeper->counts.lost_commits);
}

int store_open(const char *folder, enum store_durability durability,
               const struct store_settings *settings, const struct store_events *events,
               struct store **store, char *why, size_t why_size)
{
    struct keeper *keeper = calloc(1, sizeof(*keeper));
    int error = keeper ? init_threads(keeper) : -ENOMEM;
    *store = NULL;
    if (error) {
        snprintf(why, why_size, "the store: %s", strerror(-error));
        free(keeper);
        return error;
    }
    keeper->base.verbs = &verbs;
    keeper->events = *events;
    keeper->settings = *settings;
    keeper->durability = durability;
    list_init(&keeper->jobs);
    list_init(&keeper->done);
    error = folder_open(&keeper->folder, folder, why, why_size);
    if (!error)
        look_at_log(keeper);
    if (!error)
        error = keeper_open_database(keeper, why, why_size);
    if (error) {
        free_keeper(keeper);
        return error;
    }
    keeper->base.full = keeper->rows.over_limit;
    keeper->log_unsaved = true; /* whoever wrote it may have been killed */
    keeper->counts.file_bytes = folder_file_size(&keeper->folder, FOLDER_DATABASE);
    *store = &keeper->base;
    return 0;
}

int store_start(struct store *store)
{
    return worker_start(keeper_of(store));
}

/* ---- results ---- */

static void settle_job(struct keeper *keeper, struct job *job)
{
    if (job->batch) {
        enum commit_outcome outcome = job->outcome;
        keeper->base.full = job->over_limit;
        job->batch = NULL; /* the core may hand over the next one at once */
        keeper->events.committed(keeper->events.owner, outcome);
        return;
    }
    /* No rows are not "could not be read": those are NULL. */
    struct fetched none;
    const struct fetched *rows = job->found.count ? job->found.rows : &none;
    keeper->events.fetched(keeper->events.owner, job->session, job->unreadable ? NULL : rows,
                           job->found.count);
    free(job->found.block);
    free(job);
}

static void tell(struct keeper *keeper)
{
    char text[WHY_SIZE];
    pthread_mutex_lock(&keeper->mutex);
    snprintf(text, sizeof(text), "%s", keeper->notice);
    keeper->notice[0] = '\0';
    bool failed = keeper->failed && !keeper->failed_told;
    keeper->failed_told = keeper->failed;
    pthread_mutex_unlock(&keeper->mutex);
    if (text[0])
        log_line(LOG_WARNING, "store", "%s", text);
    if (failed) /* nobody writes `why` any more */
        keeper->events.failed(keeper->events.owner, keeper->why);
}

static void settle_refused(struct keeper *keeper)
{
    uint64_t sessions[KEEPER_REFUSED];
    pthread_mutex_lock(&keeper->mutex);
    size_t count = keeper->refused_count;
    memcpy(sessions, keeper->refused, count * sizeof(sessions[0]));
    keeper->refused_count = 0;
    pthread_mutex_unlock(&keeper->mutex);
    for (size_t i = 0; i < count; i++)
        keeper->events.fetched(keeper->events.owner, sessions[i], NULL, 0);
}

void store_settle(struct store *store)
{
    struct keeper *keeper = keeper_of(store);
    struct list *link;
    do {
        pthread_mutex_lock(&keeper->mutex);
        link = list_first(&keeper->done);
        if (link)
            list_remove(link);
        pthread_mutex_unlock(&keeper->mutex);
        tell(keeper); /* a failure before what has come of it */
        if (link)
            settle_job(keeper, list_item(link, struct job, link));
    } while (link);
    settle_refused(keeper);
}

/* Callbacks may have handed over more; without a worker it is done here. */
static void finish_jobs(struct keeper *keeper)
{
    struct list *link;
    while ((link = list_first(&keeper->jobs))) {
        list_remove(link);
        keeper_do(keeper, list_item(link, struct job, link));
        list_append(&keeper->done, link);
        store_settle(&keeper->base);
    }
}

void store_stop(struct store *store)
{
    struct keeper *keeper = keeper_of(store);
    bool all = false;
    worker_stop(keeper);
    store_settle(store);
    finish_jobs(keeper);
    if (keeper->untrusted)
        sql_leave_log(keeper->sql, true);
    else if (sql_checkpoint(keeper->sql, true, &all) != SQL_DONE || !all)
        log_line(LOG_WARNING, "store", "the log stays beside the database: %s",
                 sql_error(keeper->sql));
    free_keeper(keeper);
}

/* A percentile is the top of its bucket, which nothing may have reached. */
static uint64_t at_most(uint64_t us, const struct store_counts *counts)
{
    return us < counts->commit_max_us ? us : counts->commit_max_us;
}

void store_count(struct store *store, struct store_counts *counts)
{
    struct keeper *keeper = keeper_of(store);
    pthread_mutex_lock(&keeper->mutex);
    *counts = keeper->counts;
    counts->commit_p50_us = at_most(latency_percentile(&keeper->latency, 500), counts);
    counts->commit_p99_us = at_most(latency_percentile(&keeper->latency, 990), counts);
    counts->full |= keeper->base.full;
    counts->busy_ms = keeper_busy_ms(keeper->job_began_us);
    pthread_mutex_unlock(&keeper->mutex);
}
