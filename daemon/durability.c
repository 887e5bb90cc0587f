/* durability: see durability.h. Stands behind the core, between it and store/.
 *
 * A store that has failed cannot be asked which half of the truth is on disk: what it has said is
 * written may not be. So nothing is acknowledged after that, nobody is told anything, and the
 * process ends; the next one reads what the disk really has. */
#include "daemon/durability.h"

#include "base/log.h"
#include "broker/broker.h"
#include "daemon/daemon.h"
#include "daemon/settings.h"
#include "store/store.h"
#include "transports/loop.h"
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static enum durability_choice choice_of(const struct config *config)
{
    const struct process_settings *settings = config_section(config, "");
    return settings->data_dir ? (enum durability_choice)settings->durability : DURABILITY_MEMORY;
}

const char *durability_text(const struct config *config, char to[DURABILITY_TEXT_SIZE])
{
    static const char *const promises[] = {
        [DURABILITY_FLUSH] = "flush: what is acknowledged survives power loss",
        [DURABILITY_WRITE] = "write: what is acknowledged survives the process, not the machine",
        [DURABILITY_MEMORY] = "memory only: nothing survives a restart",
    };
    const struct process_settings *settings = config_section(config, "");
    enum durability_choice choice = choice_of(config);
    bool kept = choice != DURABILITY_MEMORY;
    snprintf(to, DURABILITY_TEXT_SIZE, "%s%s%s", promises[choice], kept ? "; kept in " : "",
             kept ? settings->data_dir : "");
    return to;
}

/* ---- what the store says ---- */

static void on_failed(void *owner, const char *why)
{
    (void)owner;
    log_line(LOG_ERROR, "siotd",
             "the store cannot be trusted any more: %s; nothing more is acknowledged, status %d",
             why, DAEMON_STORE_LOST);
    log_close();
    _exit(DAEMON_STORE_LOST);
}

static void log_full(struct durability *durability)
{
    bool full = durability->stuck || durability->store->full;
    if (full == durability->full)
        return;
    durability->full = full;
    if (full)
        log_line(LOG_ERROR, "siotd",
                 "the store is full: what would have to be kept is not acknowledged");
    else
        log_line(LOG_INFO, "siotd", "the store has room again");
}

static void on_committed(void *owner, enum commit_outcome outcome)
{
    struct durability *durability = owner;
    if (outcome == COMMIT_FAILED)
        on_failed(owner, "a commit has failed");
    durability->stuck = outcome == COMMIT_FULL;
    broker_committed(durability->broker, outcome);
}

static void on_fetched(void *owner, uint64_t session, const struct fetched *rows, size_t count)
{
    broker_fetched(((struct durability *)owner)->broker, session, rows, count);
}

/* On the store's thread. */
static void on_wake(void *owner)
{
    uv_async_send(&((struct durability *)owner)->wake);
}

static void on_woken(uv_async_t *wake)
{
    struct durability *durability = wake->data;
    loop_enter(durability->loop);
    store_settle(durability->store);
    log_full(durability);
    loop_leave(durability->loop);
}

/* ---- start ---- */

static bool open_store(struct durability *durability, const struct config *config)
{
    const struct process_settings *settings = config_section(config, "");
    const struct store_settings *limits = config_section(config, "store");
    const struct store_events events = {
        .owner = durability,
        .committed = on_committed,
        .fetched = on_fetched,
        .failed = on_failed,
        .wake = on_wake,
    };
    enum store_durability how = choice_of(config) == DURABILITY_WRITE ? STORE_WRITE : STORE_FLUSH;
    char why[1024];
    if (store_open(settings->data_dir, how, limits, &events, &durability->store, why,
                   sizeof(why)) == 0)
        return true;
    log_line(LOG_ERROR, "siotd", "data_dir: %s", why);
    return false;
}

static bool take_back(void *owner, const struct kept *kept)
{
    return broker_restore(owner, kept);
}

static void log_loaded(struct store *store, uint64_t began_ns)
{
    struct store_counts counts;
    store_count(store, &counts);
    log_line(LOG_INFO, "siotd", "store: %" PRIu64 " rows read back in %" PRIu64 " ms",
             counts.loaded, (uv_hrtime() - began_ns) / 1000000);
}

static bool load(struct durability *durability)
{
    char why[1024];
    uint64_t began_ns = uv_hrtime();
    if (store_load(durability->store, take_back, durability->broker, why, sizeof(why)) < 0) {
        log_line(LOG_ERROR, "siotd", "data_dir: %s", why);
        return false;
    }
    if (!broker_restored(durability->broker)) {
        log_line(LOG_ERROR, "siotd", "data_dir: no memory for what is kept there; nothing is lost");
        return false;
    }
    log_loaded(durability->store, began_ns);
    return true;
}

static bool start(struct durability *durability)
{
    int error = uv_async_init(loop_uv(durability->loop), &durability->wake, on_woken);
    durability->wakes = error == 0;
    durability->wake.data = durability;
    if (!error)
        error = store_start(durability->store);
    if (error)
        log_line(LOG_ERROR, "siotd", "the store's thread does not start: %s", strerror(-error));
    return error == 0;
}

bool durability_open(struct durability *durability, const struct config *config, struct loop *loop,
                     struct broker *broker)
{
    *durability = (struct durability){.loop = loop, .broker = broker};
    if (choice_of(config) == DURABILITY_MEMORY)
        return true;
    if (!open_store(durability, config))
        return false;
    broker_set_store(broker, durability->store);
    return load(durability) && start(durability);
}

/* ---- running ---- */

void durability_settle(struct durability *durability)
{
    uint64_t kept = broker_promise_kept(durability->broker);
    if (kept == durability->kept)
        return;
    durability->kept = kept;
    loop_keep(durability->loop, kept);
}

bool durability_hurry(struct durability *durability)
{
    if (!durability->store)
        return true;
    broker_settle(durability->broker);
    return broker_is_settled(durability->broker);
}

bool durability_is_alive(const struct durability *durability, uint64_t patience_us)
{
    struct store_counts counts;
    if (!durability->store)
        return true;
    store_count(durability->store, &counts);
    return counts.busy_ms * 1000 < patience_us;
}

void durability_say(const struct durability *durability)
{
    struct store_counts counts;
    if (!durability->store)
        return;
    store_count(durability->store, &counts);
    const struct {
        struct slice of;
        const char *name;
        uint64_t value;
    } values[] = {
        {SLICE("commit"), "p50_us", counts.commit_p50_us},
        {SLICE("commit"), "p99_us", counts.commit_p99_us},
        {SLICE("commit"), "maximum_us", counts.commit_max_us},
        {SLICE("commit"), "refused", counts.refused},
        {SLICE("file"), "bytes", counts.file_bytes},
        {SLICE("log"), "bytes", counts.wal_bytes},
        {SLICE("rows"), "fetched", counts.fetched},
        {SLICE("rows"), "damaged", counts.damaged_rows},
        {SLICE("rows"), "salvaged", counts.salvaged},
        {SLICE_EMPTY, "set_aside", counts.set_aside},
    };
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
        broker_say(durability->broker, "store", values[i].of, values[i].name,
                   (int64_t)values[i].value);
}

/* ---- end ---- */

void durability_close(struct durability *durability)
{
    if (durability->store)
        store_stop(durability->store);
    if (durability->wakes)
        uv_close((uv_handle_t *)&durability->wake, NULL);
    durability->store = NULL;
    durability->wakes = false;
}

/* ---- without running ---- */

/* The folder that is there, or the one that it would be made in. */
static int try_folder(const char *folder)
{
    char above[4096];
    struct stat status;
    if (stat(folder, &status) == 0) {
        if (!S_ISDIR(status.st_mode))
            return -ENOTDIR;
        return access(folder, R_OK | W_OK | X_OK) == 0 ? 0 : -errno;
    }
    if (errno != ENOENT)
        return -errno;
    const char *slash = strrchr(folder, '/');
    size_t length = slash ? (size_t)(slash - folder) : 0;
    snprintf(above, sizeof(above), "%.*s", slash ? (int)(length ? length : 1) : 1,
             slash ? folder : ".");
    return access(above, W_OK | X_OK) == 0 ? 0 : -errno;
}

void durability_check(FILE *to, const struct config *config)
{
    char text[DURABILITY_TEXT_SIZE];
    const struct process_settings *settings = config_section(config, "");
    int error = choice_of(config) == DURABILITY_MEMORY ? 0 : try_folder(settings->data_dir);
    fprintf(to, "%s\n", durability_text(config, text));
    if (error)
        fprintf(to, "warning: data_dir: %s: %s\n", settings->data_dir, strerror(-error));
}

static void print_finding(void *to, const char *line)
{
    fprintf(to, "%s\n", line);
}

bool durability_verify(FILE *to, const char *folder)
{
    return store_verify(folder, print_finding, to) == 0;
}
