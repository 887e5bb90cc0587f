/* bitflip: single bits of a store are turned over, and siotd's store must start all the same, give
 * no row that differs from what was kept, and leave a store that is clean.
 *
 *   bitflip [--flips N] [--seed N]
 *
 * Half of the flips go into a database that was closed well, half into one whose process was
 * killed, some of those into its log. Prints what was lost beside what was kept; lost rows are no
 * failure, altered ones are. Last line: N passed, N failed. */
#include "base/log.h"
#include "broker/message.h"
#include "store/store.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SESSIONS = 30, MESSAGES = 900, BATCH = 100, LONGEST = 9000, ROOM = 1 << 20, LINE = 512 };

static char folder[64];      /* the store that is damaged */
static char pristine[2][64]; /* closed well; killed */
static uint64_t failures;

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static uint64_t mix(uint64_t *state)
{
    uint64_t v = *state += 0x9e3779b97f4a7c15;
    v = (v ^ v >> 30) * 0xbf58476d1ce4e5b9;
    v = (v ^ v >> 27) * 0x94d049bb133111eb;
    return v ^ v >> 31;
}

static void complain(const char *what, uint64_t flip)
{
    failures++;
    printf("FAILED flip %" PRIu64 ": %s\n", flip, what);
}

/* ---- what the rows are: functions of their keys ---- */

static struct slice bytes_of(uint64_t seed, size_t length)
{
    static uint8_t bytes[LONGEST];
    for (size_t i = 0; i < length; i += 8) {
        uint64_t word = mix(&seed);
        memcpy(bytes + i, &word, length - i < 8 ? length - i : 8);
    }
    return slice_of(bytes, length);
}

static struct slice body_of(const struct kept *row)
{
    uint64_t seed = (uint64_t)row->kind << 56 ^ row->session << 40 ^ row->number << 20 ^
                    row->message ^ row->key.len;
    switch (row->kind) {
    case ROW_INBOUND:
    case ROW_RETAINED:
        return SLICE_EMPTY;
    default:
        return bytes_of(seed, 12 + seed % 40);
    }
}

static struct slice payload_of(const struct kept *row)
{
    if (row->kind != ROW_MESSAGE)
        return SLICE_EMPTY;
    return bytes_of(row->message, row->message % 50 == 0 ? LONGEST : 40 + row->message % 100);
}

/* A key names what else its row must say. */
static bool is_as_kept(const struct kept *row)
{
    char key[32];
    if (row->kind == ROW_QUEUED &&
        (row->message != row->number || row->session != row->number % SESSIONS + 1))
        return false;
    snprintf(key, sizeof(key), "t/%" PRIu64, row->message);
    if (row->kind == ROW_RETAINED && !slice_equal(row->key, slice_of_str(key)))
        return false;
    snprintf(key, sizeof(key), "f/%" PRIu64, row->session);
    if (row->kind == ROW_SUBSCRIPTION && !slice_equal(row->key, slice_of_str(key)))
        return false;
    return slice_equal(row->body, body_of(row)) && slice_equal(row->payload, payload_of(row));
}

/* ---- a core that keeps them ---- */

struct core {
    struct store *store;
    struct batch batch;
    struct message messages[BATCH];
    size_t message_count;
    uint64_t flip, rows;
    bool sessions[SESSIONS + 2], there[MESSAGES + 1];
    bool committed, fetched, failed;
    enum commit_outcome outcome;
};

static uint32_t add_bytes(struct batch *batch, struct slice bytes)
{
    uint32_t at = batch->bytes.len;
    if (buffer_append(&batch->bytes, bytes) != 0)
        die("memory");
    return at;
}

static void put(struct core *core, enum row_kind kind, uint64_t session, uint64_t number,
                uint64_t message, const char *key)
{
    struct kept row = {.kind = kind,
                       .session = session,
                       .number = number,
                       .message = message,
                       .key = slice_of_str(key)};
    struct row_change change = {
        .kind = (uint8_t)kind, .session = session, .number = number, .message = message};
    change.key_at = add_bytes(&core->batch, row.key);
    change.key_len = (uint32_t)row.key.len;
    struct slice body = body_of(&row);
    change.body_len = (uint32_t)body.len;
    change.body_at = add_bytes(&core->batch, body);
    if (kind == ROW_MESSAGE) {
        struct slice payload = payload_of(&row);
        uint8_t *copy = memcpy(malloc(payload.len), payload.at, payload.len);
        change.payload = &core->messages[core->message_count++];
        *change.payload = (struct message){.payload = copy, .payload_len = (uint32_t)payload.len};
    }
    if (core->batch.count == core->batch.capacity) {
        core->batch.capacity += 256;
        core->batch.changes = realloc(core->batch.changes, core->batch.capacity * sizeof(change));
    }
    core->batch.changes[core->batch.count++] = change;
}

static void on_committed(void *owner, enum commit_outcome outcome)
{
    struct core *core = owner;
    core->committed = true;
    core->outcome = outcome;
}

static void on_fetched(void *owner, uint64_t session, const struct fetched *rows, size_t count)
{
    struct core *core = owner;
    core->fetched = true;
    for (size_t i = 0; rows && i < count; i++) {
        struct kept queued = {.kind = ROW_QUEUED,
                              .session = session,
                              .number = rows[i].number,
                              .message = rows[i].message,
                              .body = rows[i].body};
        struct kept message = {.kind = ROW_MESSAGE,
                               .message = rows[i].message,
                               .body = rows[i].head,
                               .payload = rows[i].payload};
        if (!is_as_kept(&queued) || !is_as_kept(&message))
            complain("a fetched row is not as it was kept", core->flip);
    }
}

static void on_failed(void *owner, const char *why)
{
    (void)why;
    ((struct core *)owner)->failed = true;
}

static void on_wake(void *owner)
{
    (void)owner; /* we look ourselves */
}

/* As the core does: what belongs to a row that is not there makes no sense. */
static bool take(void *owner, const struct kept *row)
{
    struct core *core = owner;
    if (!is_as_kept(row))
        complain("a row is not as it was kept", core->flip);
    if (row->kind == ROW_SESSION && row->session <= SESSIONS)
        core->sessions[row->session] = true;
    if (row->kind == ROW_MESSAGE && row->message <= MESSAGES)
        core->there[row->message] = true;
    bool has_session =
        row->kind == ROW_SUBSCRIPTION || row->kind == ROW_QUEUED || row->kind == ROW_INBOUND;
    bool has_message = row->kind == ROW_QUEUED || row->kind == ROW_RETAINED;
    if ((has_session && !core->sessions[row->session % (SESSIONS + 1)]) ||
        (has_message && !core->there[row->message % (MESSAGES + 1)]))
        return false;
    core->rows++;
    return true;
}

static bool start(struct core *core, const char *where)
{
    char why[512];
    const struct store_settings settings = {.size_limit = OPTION_UNLIMITED, .cache_size = ROOM};
    const struct store_events events = {core, on_committed, on_fetched, on_failed, on_wake};
    if (store_open(where, STORE_WRITE, &settings, &events, &core->store, why, sizeof(why)) != 0 ||
        store_load(core->store, take, core, why, sizeof(why)) != 0) {
        complain(why, core->flip);
        if (core->store)
            store_stop(core->store);
        return false;
    }
    if (store_start(core->store) != 0)
        die("thread");
    return true;
}

static void empty_batch(struct core *core)
{
    for (size_t i = 0; i < core->message_count; i++)
        free((void *)core->messages[i].payload);
    core->message_count = core->batch.count = 0;
    core->batch.bytes.len = 0;
}

static void commit(struct core *core)
{
    core->committed = false;
    core->store->verbs->commit(core->store, &core->batch);
    while (!core->committed) {
        store_settle(core->store);
        usleep(100);
    }
    empty_batch(core);
}

static void free_core(struct core *core)
{
    free(core->batch.changes);
    buffer_clear(&core->batch.bytes);
}

/* ---- the stores that are damaged ---- */

static void copy_file(const char *from, const char *to, const char *name)
{
    static uint8_t bytes[ROOM];
    char path[128];
    ssize_t length;
    snprintf(path, sizeof(path), "%s/%s", from, name);
    int in = open(path, O_RDONLY);
    snprintf(path, sizeof(path), "%s/%s", to, name);
    unlink(path);
    if (in < 0)
        return; /* a database that was closed well has no log */
    int out = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    while ((length = read(in, bytes, sizeof(bytes))) > 0)
        if (write(out, bytes, (size_t)length) != length)
            die(path);
    close(in);
    close(out);
}

static void copy_store(const char *from, const char *to)
{
    copy_file(from, to, "siotd.db");
    copy_file(from, to, "siotd.db-wal");
}

static void empty_folder(const char *where, bool itself)
{
    char command[160];
    snprintf(command, sizeof(command), "rm -rf %s/* && %s %s", where, itself ? "rmdir" : "test -d",
             where);
    if (system(command) != 0)
        die(command);
}

static void fill(struct core *core, uint64_t from, uint64_t to)
{
    char key[32];
    for (uint64_t m = from; m <= to; m++) {
        put(core, ROW_MESSAGE, 0, 0, m, "");
        put(core, ROW_QUEUED, m % SESSIONS + 1, m, m, "");
        snprintf(key, sizeof(key), "t/%" PRIu64, m);
        if (m % 5 == 0)
            put(core, ROW_RETAINED, 0, 0, m, key);
        if (m % BATCH == 0)
            commit(core);
    }
}

static void fill_sessions(struct core *core)
{
    char key[32];
    for (uint64_t s = 1; s <= SESSIONS; s++) {
        put(core, ROW_SESSION, s, 0, 0, "");
        snprintf(key, sizeof(key), "f/%" PRIu64, s);
        put(core, ROW_SUBSCRIPTION, s, 0, 0, key);
        put(core, ROW_INBOUND, s, s * 7, 0, "");
        snprintf(key, sizeof(key), "mqtt:%" PRIu64, s);
        put(core, ROW_NOTE, 0, 0, 0, key);
    }
    commit(core);
}

/* Every third message of the first half goes again and leaves pages that nobody uses. */
static void thin_out(struct core *core)
{
    for (uint64_t m = 3; m <= MESSAGES / 2; m += 3) {
        if (m % 5 == 0)
            continue;
        put(core, ROW_QUEUED_END, m % SESSIONS + 1, m, 0, "");
        put(core, ROW_MESSAGE_END, 0, 0, m, "");
    }
    commit(core);
}

/* The killed one has half of its rows in the log. */
static void make_pristine(void)
{
    struct core core = {0};
    if (!start(&core, folder))
        exit(1);
    fill_sessions(&core);
    fill(&core, 1, MESSAGES / 2);
    store_stop(core.store);
    if (!start(&core, folder))
        exit(1);
    fill(&core, MESSAGES / 2 + 1, MESSAGES);
    thin_out(&core);
    copy_store(folder, pristine[1]);
    store_stop(core.store);
    copy_store(folder, pristine[0]);
    free_core(&core);
}

/* ---- flipping ---- */

static void flip_bit(const char *name, uint64_t random)
{
    char path[128];
    struct stat status;
    uint8_t byte;
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    int file = open(path, O_RDWR);
    if (file < 0 || fstat(file, &status) != 0 || status.st_size == 0)
        die(path);
    /* The first page says what all the others are; it gets more than its share. */
    uint64_t size = random >> 60 == 0 ? 4096 : (uint64_t)status.st_size;
    off_t at = (off_t)((random >> 8) % size);
    if (pread(file, &byte, 1, at) != 1)
        die(path);
    byte ^= (uint8_t)(1 << (random & 7));
    if (pwrite(file, &byte, 1, at) != 1)
        die(path);
    close(file);
}

/* What verification says that is not its closing line. */
static void keep_line(void *to, const char *line)
{
    if (!strstr(line, "findings"))
        snprintf(to, LINE, "%s", line);
}

/* Work goes on: a fetch of every session, and a new batch. */
static void use(struct core *core)
{
    for (uint64_t s = 1; s <= 3 && !core->failed; s++) {
        core->fetched = false;
        core->store->verbs->fetch(core->store, s, 0, 1000);
        while (!core->fetched) {
            store_settle(core->store);
            usleep(100);
        }
    }
    put(core, ROW_SESSION, SESSIONS + 1, 0, 0, "");
    commit(core);
    if (core->outcome != COMMIT_DONE)
        complain("a commit fails after a start that did not", core->flip);
}

/* Rows that are there after the flip. */
static uint64_t start_damaged(uint64_t flip, uint64_t *set_aside)
{
    struct core core = {.flip = flip};
    struct store_counts counts;
    if (!start(&core, folder))
        return 0;
    use(&core);
    store_count(core.store, &counts);
    *set_aside += counts.set_aside;
    store_stop(core.store);
    free_core(&core);
    char line[LINE] = "";
    if (store_verify(folder, keep_line, line) != 0)
        complain(line, flip);
    return core.rows;
}

static void be_silent(enum log_level level, const char *about, const char *message)
{
    (void)level;
    (void)about;
    (void)message;
}

/* Pairs of a name and a number, and nothing else: a run that was not asked for proves nothing. */
static bool read_options(int count, char **words, uint64_t *flips, uint64_t *seed)
{
    for (int i = 1; i < count; i += 2) {
        char *end = NULL;
        uint64_t *option = strcmp(words[i], "--flips") == 0  ? flips
                           : strcmp(words[i], "--seed") == 0 ? seed
                                                             : NULL;
        if (option && i + 1 < count && words[i + 1][0] >= '0' && words[i + 1][0] <= '9')
            *option = strtoull(words[i + 1], &end, 10);
        if (!end || *end != '\0')
            return false;
    }
    return true;
}

int main(int count, char **words)
{
    uint64_t flips = 300, seed = 1, set_aside = 0, whole = 0;
    if (!read_options(count, words, &flips, &seed)) {
        fputs("usage: bitflip [--flips N] [--seed N]\n", stderr);
        return 2;
    }
    uint64_t lost[2] = {0}, flipped[2] = {0}; /* in the database, in its log */
    char *const folders[] = {folder, pristine[0], pristine[1]};
    log_capture(be_silent);
    for (int i = 0; i < 3; i++)
        if (!mkdtemp(strcpy(folders[i], "/tmp/siotd-bitflip-XXXXXX")))
            die("mkdtemp");
    make_pristine();
    whole = start_damaged(0, &set_aside);
    if (whole == 0 || set_aside)
        complain("the store is not sound before anything is flipped", 0);
    uint64_t sound = failures == 0, failed_flips = 0;
    for (uint64_t flip = 1; flip <= flips && sound; flip++) {
        uint64_t before = failures, random = mix(&seed), where = mix(&seed);
        empty_folder(folder, false);
        copy_store(pristine[flip & 1], folder);
        bool in_log = flip & 1 && where & 1;
        flip_bit(in_log ? "siotd.db-wal" : "siotd.db", random);
        uint64_t rows = start_damaged(flip, &set_aside);
        flipped[in_log]++;
        lost[in_log] += whole > rows ? whole - rows : 0;
        failed_flips += failures > before;
    }
    for (int i = 0; i < 3; i++)
        empty_folder(folders[i], true);
    printf("stores of %" PRIu64 " rows, %" PRIu64 " set aside and salvaged\n", whole, set_aside);
    for (int i = 0; i < 2; i++)
        printf("%" PRIu64 " flips in the %s: %.1f rows lost on average\n", flipped[i],
               i ? "log" : "database", flipped[i] ? (double)lost[i] / (double)flipped[i] : 0);
    printf("%" PRIu64 " passed, %" PRIu64 " failed\n", sound ? flips - failed_flips : 0,
           sound ? failed_flips : 1);
    return failures > 0;
}
