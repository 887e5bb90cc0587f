/* worker: the one thread that talks to the disk; see keeper.h.
 *
 * Jobs are done in the order in which they were added. The worker sleeps while there are none, and
 * when that lasts a second it tidies, step by step, as long as nothing comes in between. */
#include "store/keeper.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

enum { IDLE_MS = 1000, STEP_MS = 20 };

/* What is to be done next; NULL when a pause has passed without any. With the mutex held. */
static struct job *next_job(struct keeper *keeper, int pause_ms)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += pause_ms / 1000;
    until.tv_nsec += pause_ms % 1000 * 1000000L;
    if (until.tv_nsec >= 1000000000L) {
        until.tv_nsec -= 1000000000L;
        until.tv_sec++;
    }
    int error = 0;
    while (list_empty(&keeper->jobs) && !keeper->stopping && error != ETIMEDOUT)
        error = pause_ms ? pthread_cond_timedwait(&keeper->work, &keeper->mutex, &until)
                         : pthread_cond_wait(&keeper->work, &keeper->mutex);
    struct list *link = list_first(&keeper->jobs);
    if (!link)
        return NULL;
    list_remove(link);
    return list_item(link, struct job, link);
}

/* With the mutex held; gives it up while the job is done. */
static void do_job(struct keeper *keeper, struct job *job)
{
    pthread_mutex_unlock(&keeper->mutex);
    keeper_do(keeper, job);
    pthread_mutex_lock(&keeper->mutex);
    bool first = list_empty(&keeper->done);
    list_append(&keeper->done, &job->link);
    pthread_mutex_unlock(&keeper->mutex);
    if (first) /* else the loop has been woken and has not come yet */
        keeper->events.wake(keeper->events.owner);
}

static void *work(void *to)
{
    struct keeper *keeper = to;
    int pause_ms = IDLE_MS; /* there may be something from before; 0: until a job comes */
    pthread_mutex_lock(&keeper->mutex);
    for (;;) {
        struct job *job = next_job(keeper, pause_ms);
        if (!job && keeper->stopping)
            break;
        bool told = keeper->failed;
        if (job)
            do_job(keeper, job);
        else
            pthread_mutex_unlock(&keeper->mutex);
        bool more = keeper_tidy(keeper, !job);
        pause_ms = !more ? 0 : job ? IDLE_MS : STEP_MS;
        pthread_mutex_lock(&keeper->mutex);
        bool failed = keeper->failed && !told;
        if (failed) {
            pthread_mutex_unlock(&keeper->mutex);
            keeper->events.wake(keeper->events.owner);
            pthread_mutex_lock(&keeper->mutex);
        }
    }
    pthread_mutex_unlock(&keeper->mutex);
    return NULL;
}

int worker_start(struct keeper *keeper)
{
    sigset_t all, before;
    sigfillset(&all); /* signals are for the loop's thread */
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(&keeper->thread, NULL, work, keeper);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error)
        return -error;
    pthread_setname_np(keeper->thread, "siotd-store");
    keeper->running = true;
    return 0;
}

void worker_stop(struct keeper *keeper)
{
    if (!keeper->running)
        return;
    pthread_mutex_lock(&keeper->mutex);
    keeper->stopping = true;
    pthread_cond_signal(&keeper->work);
    pthread_mutex_unlock(&keeper->mutex);
    pthread_join(keeper->thread, NULL);
    keeper->running = false;
}

void worker_add(struct keeper *keeper, struct job *job)
{
    pthread_mutex_lock(&keeper->mutex);
    list_append(&keeper->jobs, &job->link);
    pthread_cond_signal(&keeper->work);
    pthread_mutex_unlock(&keeper->mutex);
}
