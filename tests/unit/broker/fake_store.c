/* See fake_store.h. */
#include "fake_store.h"
#include "base/hash.h"
#include <assert.h>
#include <stdlib.h>

static struct slice id_of(const void *item)
{
    const struct fake_row *row = item;
    return slice_of(row->bytes, row->id_len);
}

/* What makes a row this row and no other: kind, and its key. */
static size_t make_id(uint8_t kind, uint64_t session, uint64_t number, uint64_t message,
                      struct slice key, uint8_t *to)
{
    kind = (uint8_t)(kind & ~1u);
    uint64_t numbers[3] = {session, number, message};
    if (kind == ROW_QUEUED || kind == ROW_RETAINED)
        numbers[2] = 0;
    if (kind == ROW_NAMED)
        numbers[1] = 0;
    to[0] = kind;
    memcpy(to + 1, numbers, sizeof numbers);
    if (key.len)
        memcpy(to + 25, key.at, key.len);
    return 25 + key.len;
}

static void deliver_commit(struct store *base, const struct batch *batch)
{
    struct fake_store *store = (struct fake_store *)base;
    assert(!store->under_way);
    assert(batch->count > 0);
    store->under_way = batch;
    store->commits++;
}

static void note_fetch(struct store *base, uint64_t session, uint64_t from, uint32_t most)
{
    struct fake_store *store = (struct fake_store *)base;
    assert(store->fetch_count < sizeof store->fetches / sizeof store->fetches[0]);
    assert(most > 0);
    store->fetches[store->fetch_count++] = (struct fake_fetch){session, from, most};
}

static const struct store_verbs verbs = {.commit = deliver_commit, .fetch = note_fetch};

struct fake_store *fake_store_new(void)
{
    struct fake_store *store = calloc(1, sizeof *store);
    store->store.verbs = &verbs;
    hash_start(1);
    map_init(&store->rows, id_of);
    return store;
}

static void row_free(struct fake_row *row)
{
    free(row->bytes);
    free(row);
}

void fake_store_free(struct fake_store *store)
{
    size_t position = 0;
    struct fake_row *row;
    while ((row = map_next(&store->rows, &position)) != NULL)
        row_free(row);
    map_clear(&store->rows);
    free(store);
}

size_t fake_store_rows(const struct fake_store *store, enum row_kind kind)
{
    size_t position = 0, count = 0;
    const struct fake_row *row;
    while ((row = map_next(&store->rows, &position)) != NULL)
        count += row->kind == kind;
    return count;
}

void fake_store_forget(struct fake_store *store)
{
    memset(store->counts, 0, sizeof store->counts);
    store->commits = 0;
}

static void own(const struct fake_store *store, bool begins)
{
    if (store->own)
        store->own(begins);
}

/* ---- committing ---- */

static void remove_row(struct fake_store *store, struct slice id)
{
    struct fake_row *row = map_take(&store->rows, id);
    if (row)
        row_free(row);
}

static void remove_session(struct fake_store *store, uint64_t session)
{
    struct fake_row **found = malloc((store->rows.count + 1) * sizeof *found);
    size_t position = 0, count = 0;
    struct fake_row *row;
    while ((row = map_next(&store->rows, &position)) != NULL)
        if (row->session == session)
            found[count++] = row;
    for (size_t i = 0; i < count; i++)
        remove_row(store, id_of(found[i]));
    free(found);
}

static void apply(struct fake_store *store, const struct batch *batch,
                  const struct row_change *change)
{
    uint8_t id[8192];
    struct slice key = row_key(batch, change), body = row_body(batch, change);
    size_t id_len =
        make_id(change->kind, change->session, change->number, change->message, key, id);
    store->counts[change->kind]++;
    if (change->kind == ROW_SESSION_END) {
        remove_session(store, change->session);
        return;
    }
    remove_row(store, slice_of(id, id_len));
    if (change->kind & 1)
        return;
    struct fake_row *row = calloc(1, sizeof *row);
    struct slice payload = change->payload ? message_payload(change->payload) : SLICE_EMPTY;
    *row = (struct fake_row){.kind = change->kind,
                             .session = change->session,
                             .number = change->number,
                             .message = change->message,
                             .id_len = (uint32_t)id_len,
                             .key_len = (uint32_t)key.len,
                             .body_len = (uint32_t)body.len,
                             .payload_len = (uint32_t)payload.len};
    row->bytes = malloc(id_len + key.len + body.len + payload.len + 1);
    uint8_t *to = row->bytes;
    memcpy(to, id, id_len);
    to += id_len;
    if (key.len)
        memcpy(to, key.at, key.len);
    to += key.len;
    if (body.len)
        memcpy(to, body.at, body.len);
    to += body.len;
    if (payload.len)
        memcpy(to, payload.at, payload.len);
    assert(map_put(&store->rows, row) == 0);
}

void fake_store_write(struct fake_store *store, struct broker *broker, enum commit_outcome outcome)
{
    const struct batch *batch = store->under_way;
    assert(batch);
    store->under_way = NULL;
    own(store, true);
    for (size_t i = 0; outcome == COMMIT_DONE && i < batch->count; i++)
        apply(store, batch, &batch->changes[i]);
    own(store, false);
    broker_committed(broker, outcome);
}

void fake_store_finish(struct fake_store *store, struct world *world, enum commit_outcome outcome)
{
    fake_store_write(store, world->broker, outcome);
}

/* ---- reading ---- */

static struct kept kept_of(const struct fake_row *row)
{
    const uint8_t *key = row->bytes + row->id_len;
    return (struct kept){.kind = row->kind,
                         .session = row->session,
                         .number = row->number,
                         .message = row->message,
                         .key = slice_of(key, row->key_len),
                         .body = slice_of(key + row->key_len, row->body_len),
                         .payload = slice_of(key + row->key_len + row->body_len, row->payload_len)};
}

static int compare_numbers(uint64_t a, uint64_t b)
{
    return (a > b) - (a < b);
}

static int compare(const void *left, const void *right)
{
    const struct fake_row *a = *(struct fake_row *const *)left;
    const struct fake_row *b = *(struct fake_row *const *)right;
    int order = (int)a->kind - (int)b->kind;
    order = order ? order : compare_numbers(a->session, b->session);
    order = order ? order : compare_numbers(a->number, b->number);
    order = order ? order : compare_numbers(a->message, b->message);
    size_t shorter = a->id_len < b->id_len ? a->id_len : b->id_len;
    return order ? order : memcmp(a->bytes, b->bytes, shorter);
}

static struct fake_row **sorted(const struct fake_store *store)
{
    struct fake_row **rows = malloc((store->rows.count + 1) * sizeof(struct fake_row *));
    size_t position = 0, count = 0;
    struct fake_row *row;
    while ((row = map_next(&store->rows, &position)) != NULL)
        rows[count++] = row;
    qsort(rows, count, sizeof(struct fake_row *), compare);
    return rows;
}

static const struct fake_row *row_of(const struct fake_store *store, enum row_kind kind,
                                     uint64_t message)
{
    uint8_t id[32];
    size_t len = make_id((uint8_t)kind, 0, 0, message, SLICE_EMPTY, id);
    return map_find(&store->rows, slice_of(id, len));
}

bool fake_store_answer(struct fake_store *store, struct world *world)
{
    if (store->fetch_count == 0)
        return false;
    struct fake_fetch asked = store->fetches[0];
    memmove(store->fetches, store->fetches + 1, --store->fetch_count * sizeof asked);
    own(store, true);
    struct fake_row **rows = sorted(store);
    struct fetched *found = calloc(asked.most + 1, sizeof *found);
    size_t count = 0;
    for (size_t i = 0; i < store->rows.count && count < asked.most; i++) {
        if (rows[i]->kind != ROW_QUEUED || rows[i]->session != asked.session ||
            rows[i]->number < asked.from)
            continue;
        struct kept kept = kept_of(rows[i]);
        const struct fake_row *message = row_of(store, ROW_MESSAGE, rows[i]->message);
        const struct fake_row *named = row_of(store, ROW_NAMED, rows[i]->message);
        assert(message || rows[i]->message == 0);
        struct kept of = message ? kept_of(message) : (struct kept){0};
        found[count++] = (struct fetched){kept.number, kept.message, named ? named->number : 0,
                                          kept.body,   of.body,      of.payload};
    }
    own(store, false);
    broker_fetched(world->broker, asked.session, found, count);
    free(found);
    free(rows);
    return true;
}

/* Messages that no row names: the real store removes them at the end of loading. */
static void remove_orphans(struct fake_store *store)
{
    struct fake_row **rows = sorted(store);
    size_t count = store->rows.count;
    for (size_t i = 0; i < count; i++) {
        bool named = rows[i]->kind != ROW_MESSAGE;
        for (size_t j = i + 1; !named && j < count; j++)
            named = (rows[j]->kind == ROW_QUEUED || rows[j]->kind == ROW_RETAINED) &&
                    rows[j]->message == rows[i]->message;
        if (!named) {
            remove_row(store, id_of(rows[i]));
            rows[i] = NULL;
            break; /* the others in the next round */
        }
    }
    free(rows);
    if (store->rows.count != count)
        remove_orphans(store);
}

void fake_store_load(struct fake_store *store, struct broker *broker)
{
    struct fake_row **rows = sorted(store);
    size_t count = store->rows.count;
    for (size_t i = 0; i < count; i++) {
        const struct kept kept = kept_of(rows[i]);
        if (broker_restore(broker, &kept))
            continue;
        store->rejected++;
        remove_row(store, id_of(rows[i]));
        rows[i] = NULL;
    }
    free(rows);
    if (store->rows.count < 2000)
        remove_orphans(store);
    broker_restored(broker);
}

/* ---- worlds ---- */

void world_keep(struct world *world, struct fake_store *store)
{
    broker_set_store(world->broker, &store->store);
}

void world_turn(struct world *world)
{
    broker_work(world->broker);
    broker_turn(world->broker, world->mono_ms, world->wall_ms);
}

void world_settle(struct world *world, struct fake_store *store)
{
    for (int round = 0; round < 10000; round++) {
        world_turn(world);
        if (store->under_way) {
            fake_store_finish(store, world, COMMIT_DONE);
            continue;
        }
        if (fake_store_answer(store, world))
            continue;
        if (broker_is_settled(world->broker))
            return;
        world_pass(world, 10);
    }
    assert(!"it settles");
}

void world_crash(struct world *world, struct fake_store *store, uint64_t ms)
{
    broker_free(world->broker);
    store->under_way = NULL;
    store->fetch_count = 0;
    world->wall_ms += (int64_t)ms;
    world->mono_ms += ms;
    timers_init(&world->wheel, world->mono_ms);
    world->broker = broker_new(&world->limits, &world->wheel);
    assert(world->broker);
    world_keep(world, store);
    broker_turn(world->broker, world->mono_ms, world->wall_ms);
    fake_store_load(store, world->broker);
}
