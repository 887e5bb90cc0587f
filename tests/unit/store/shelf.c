/* shelf: see shelf.h. */
#include "shelf.h"

#include "base/log.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

enum { WAIT_S = 10 };

/* ---- callbacks ---- */

static void add_line(struct shelf *shelf, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void add_line(struct shelf *shelf, const char *format, ...)
{
    char *line, *all;
    va_list arguments;
    va_start(arguments, format);
    assert_true(vasprintf(&line, format, arguments) >= 0);
    va_end(arguments);
    assert_true(asprintf(&all, "%s%s\n", shelf->rows, line) >= 0);
    free(line);
    free(shelf->rows);
    shelf->rows = all;
}

static void clear_lines(struct shelf *shelf)
{
    free(shelf->rows);
    shelf->rows = strdup("");
}

static void on_committed(void *owner, enum commit_outcome outcome)
{
    struct shelf *shelf = owner;
    shelf->committed++;
    shelf->outcome = outcome;
}

static void on_fetched(void *owner, uint64_t session, const struct fetched *rows, size_t count)
{
    struct shelf *shelf = owner;
    shelf->fetched++;
    shelf->fetched_session = session;
    shelf->unreadable = rows == NULL;
    clear_lines(shelf);
    for (size_t i = 0; i < count; i++) {
        char named[32] = "";
        if (rows[i].named)
            snprintf(named, sizeof(named), " of %llu", (unsigned long long)rows[i].named);
        add_line(shelf, "%llu %llu%s %.*s|%.*s|%.*s", (unsigned long long)rows[i].number,
                 (unsigned long long)rows[i].message, named, SLICE_FMT(rows[i].body),
                 SLICE_FMT(rows[i].head), SLICE_FMT(rows[i].payload));
    }
}

static void on_failed(void *owner, const char *why)
{
    struct shelf *shelf = owner;
    shelf->failed++;
    snprintf(shelf->failed_why, sizeof(shelf->failed_why), "%s", why);
}

static void on_wake(void *owner)
{
    struct shelf *shelf = owner;
    pthread_mutex_lock(&shelf->mutex);
    shelf->wakes++;
    pthread_cond_signal(&shelf->woken);
    pthread_mutex_unlock(&shelf->mutex);
}

static bool on_row(void *owner, const struct kept *row)
{
    static const char *const names[ROW_KINDS] = {
        [ROW_SESSION] = "session", [ROW_SUBSCRIPTION] = "subscription",
        [ROW_MESSAGE] = "message", [ROW_QUEUED] = "queued",
        [ROW_INBOUND] = "inbound", [ROW_RETAINED] = "retained",
        [ROW_NOTE] = "note",       [ROW_NAMED] = "named",
    };
    struct shelf *shelf = owner;
    char start[128];
    snprintf(start, sizeof(start), "%s %llu %llu %llu", names[row->kind],
             (unsigned long long)row->session, (unsigned long long)row->number,
             (unsigned long long)row->message);
    if (shelf->refuse[0] && strncmp(start, shelf->refuse, strlen(shelf->refuse)) == 0)
        return false;
    add_line(shelf, "%s %.*s|%.*s|%.*s", start, SLICE_FMT(row->key), SLICE_FMT(row->body),
             SLICE_FMT(row->payload));
    return true;
}

/* ---- life ---- */

static void be_silent(enum log_level level, const char *about, const char *message)
{
    (void)level;
    (void)about;
    (void)message;
}

struct shelf *shelf_make(void)
{
    struct shelf *shelf = calloc(1, sizeof(*shelf));
    assert_non_null(shelf);
    strcpy(shelf->folder, "/tmp/siotd-store-XXXXXX");
    assert_non_null(mkdtemp(shelf->folder));
    shelf->settings =
        (struct store_settings){.size_limit = OPTION_UNLIMITED, .cache_size = 8 << 20};
    shelf->rows = strdup("");
    pthread_mutex_init(&shelf->mutex, NULL);
    pthread_cond_init(&shelf->woken, NULL);
    log_capture(be_silent);
    return shelf;
}

static void begin_batch(struct shelf *shelf)
{
    shelf->batch.count = 0;
    shelf->batch.bytes.len = 0;
    shelf->message_count = 0;
}

void shelf_free(struct shelf *shelf)
{
    if (shelf->store)
        shelf_close(shelf);
    shelf_shell(shelf, "rm -rf \"$PWD\"");
    begin_batch(shelf);
    free(shelf->batch.changes);
    buffer_clear(&shelf->batch.bytes);
    pthread_cond_destroy(&shelf->woken);
    pthread_mutex_destroy(&shelf->mutex);
    free(shelf->rows);
    free(shelf);
}

int shelf_try_open(struct shelf *shelf)
{
    const struct store_events events = {.owner = shelf,
                                        .committed = on_committed,
                                        .fetched = on_fetched,
                                        .failed = on_failed,
                                        .wake = on_wake};
    return store_open(shelf->folder, shelf->durability, &shelf->settings, &events, &shelf->store,
                      shelf->why, sizeof(shelf->why));
}

int shelf_try_load(struct shelf *shelf)
{
    clear_lines(shelf);
    return store_load(shelf->store, on_row, shelf, shelf->why, sizeof(shelf->why));
}

void shelf_open(struct shelf *shelf)
{
    if (shelf_try_open(shelf) != 0 || shelf_try_load(shelf) != 0)
        fail_msg("%s", shelf->why);
    assert_int_equal(store_start(shelf->store), 0);
}

void shelf_close(struct shelf *shelf)
{
    store_stop(shelf->store);
    shelf->store = NULL;
}

const char *shelf_reopen(struct shelf *shelf)
{
    if (shelf->store)
        shelf_close(shelf);
    shelf_open(shelf);
    return shelf->rows;
}

void shelf_crash(struct shelf *shelf)
{
    shelf_shell(shelf, "mkdir killed; cp siotd.db siotd.db-wal killed/");
    shelf_close(shelf);
    shelf_shell(shelf, "rm -f siotd.db*; mv killed/* .; rmdir killed");
}

/* ---- batches ---- */

static uint32_t add_bytes(struct batch *batch, const char *text)
{
    uint32_t at = batch->bytes.len;
    assert_int_equal(buffer_append(&batch->bytes, slice_of_str(text)), 0);
    return at;
}

void shelf_put(struct shelf *shelf, enum row_kind kind, uint64_t session, uint64_t number,
               uint64_t message, const char *key, const char *body, const char *payload)
{
    struct batch *batch = &shelf->batch;
    if (batch->count == batch->capacity) {
        batch->capacity = batch->capacity ? 2 * batch->capacity : 16;
        batch->changes = realloc(batch->changes, batch->capacity * sizeof(*batch->changes));
        assert_non_null(batch->changes);
    }
    struct row_change *change = &batch->changes[batch->count++];
    *change = (struct row_change){.kind = (uint8_t)kind,
                                  .session = session,
                                  .number = number,
                                  .message = message,
                                  .key_len = (uint32_t)strlen(key),
                                  .body_len = (uint32_t)strlen(body)};
    change->key_at = add_bytes(batch, key);
    change->body_at = add_bytes(batch, body);
    if (!payload)
        return;
    assert_true(shelf->message_count < sizeof(shelf->messages) / sizeof(shelf->messages[0]));
    change->payload = &shelf->messages[shelf->message_count++];
    *change->payload = (struct message){.payload = (const uint8_t *)payload,
                                        .payload_len = (uint32_t)strlen(payload)};
}

void shelf_queue(struct shelf *shelf, uint64_t session, uint64_t number, uint64_t message)
{
    static char payloads[256][48];
    char head[48];
    char *payload = payloads[shelf->message_count];
    snprintf(head, sizeof(head), "head %llu", (unsigned long long)message);
    snprintf(payload, sizeof(payloads[0]), "payload %llu", (unsigned long long)message);
    shelf_put(shelf, ROW_MESSAGE, 0, 0, message, "", head, payload);
    shelf_put(shelf, ROW_QUEUED, session, number, message, "", "qos 1", NULL);
}

/* ---- waiting ---- */

void shelf_wait(struct shelf *shelf, const int *count, int wanted)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += WAIT_S;
    store_settle(shelf->store);
    while (*count < wanted) {
        pthread_mutex_lock(&shelf->mutex);
        int error = 0;
        while (shelf->wakes == 0 && error == 0)
            error = pthread_cond_timedwait(&shelf->woken, &shelf->mutex, &until);
        shelf->wakes = 0;
        pthread_mutex_unlock(&shelf->mutex);
        assert_int_equal(error, 0);
        store_settle(shelf->store);
    }
}

enum commit_outcome shelf_commit(struct shelf *shelf)
{
    int before = shelf->committed;
    shelf->store->verbs->commit(shelf->store, &shelf->batch);
    shelf_wait(shelf, &shelf->committed, before + 1);
    assert_int_equal(shelf->committed, before + 1);
    if (shelf->outcome == COMMIT_DONE)
        begin_batch(shelf);
    return shelf->outcome;
}

const char *shelf_fetch(struct shelf *shelf, uint64_t session, uint64_t from, uint32_t most)
{
    int before = shelf->fetched;
    shelf->store->verbs->fetch(shelf->store, session, from, most);
    shelf_wait(shelf, &shelf->fetched, before + 1);
    assert_int_equal(shelf->fetched_session, session);
    return shelf->rows;
}

/* ---- the folder ---- */

const char *shelf_path(const struct shelf *shelf, const char *name)
{
    static char path[256];
    snprintf(path, sizeof(path), "%s/%s", shelf->folder, name);
    return path;
}

const char *shelf_shell(const struct shelf *shelf, const char *command)
{
    static char output[4096];
    char line[1024];
    snprintf(line, sizeof(line), "cd '%s' && { %s; } 2>&1", shelf->folder, command);
    FILE *pipe = popen(line, "r");
    assert_non_null(pipe);
    size_t length = fread(output, 1, sizeof(output) - 1, pipe);
    output[length] = '\0';
    pclose(pipe);
    return output;
}
