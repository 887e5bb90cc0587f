/* Rows as a store might give them back, whatever has become of it (their sums are right, or the
 * core would not see them).
 *
 * The first byte chooses: one body of a kind, which must be encoded to the same bytes when it is
 * accepted; or a row after another for a core that starts, lives for a while and ends. */
#include "base/cursor.h"
#include "base/hash.h"
#include "broker/broker.h"
#include "broker/record.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static void claim(bool holds)
{
    if (!holds)
        abort();
}

/* ---- one body ---- */

static void same(struct slice body, const struct writer *w)
{
    claim(!w->overflow && slice_equal(slice_of(w->start, writer_len(w)), body));
}

static void one_body(uint8_t kind, struct slice body)
{
    struct record_session session;
    struct record_head head;
    struct record_queued queued;
    struct record_subscription subscription;
    struct record_fired fired;
    uint64_t number;
    size_t room = 2 * body.len + 64;
    uint8_t *at = malloc(room);
    struct writer w = writer_of(at, room);
    if (kind == 0 && record_session_decode(body, &session)) {
        claim(record_session_room(&session) >= body.len);
        record_session_encode(&session, &w);
        same(body, &w);
    } else if (kind == 1 && record_head_decode(body, &head)) {
        claim(record_head_room(&head) >= body.len);
        record_head_encode(&head, &w);
        same(body, &w);
    } else if (kind == 2 && record_queued_decode(body, &queued)) {
        uint32_t *identifiers = calloc(queued.identifier_count + 1u, sizeof *identifiers);
        for (uint16_t i = 0; i < queued.identifier_count; i++)
            identifiers[i] = record_identifier(&queued, i);
        queued.identifiers = identifiers;
        claim(record_queued_room(&queued) >= body.len);
        record_queued_encode(&queued, &w);
        same(body, &w);
        free(identifiers);
    } else if (kind == 3 && record_subscription_decode(body, &subscription)) {
        record_subscription_encode(&subscription, &w);
        same(body, &w);
    } else if (kind == 4 && record_fired_decode(body, &fired)) {
        claim(record_fired_room(&fired) >= body.len);
        record_fired_encode(&fired, &w);
        same(body, &w);
    } else if (kind == 5 && record_number_decode(body, &number)) {
        record_number_encode(number, &w);
        same(body, &w);
    }
    free(at);
}

/* ---- a start ---- */

struct idle_store {
    struct store store;
    bool under_way;
};

static void commit(struct store *store, const struct batch *batch)
{
    ((struct idle_store *)store)->under_way = true;
    for (size_t i = 0; i < batch->count; i++) {
        const struct row_change *change = &batch->changes[i];
        claim(change->kind < ROW_KINDS);
        claim((size_t)change->key_at + change->key_len <= batch->bytes.len);
        claim((size_t)change->body_at + change->body_len <= batch->bytes.len);
    }
}

static void fetch(struct store *store, uint64_t session, uint64_t from, uint32_t most)
{
    (void)store;
    (void)from;
    claim(session > 0 && most > 0);
}

static const struct store_verbs verbs = {.commit = commit, .fetch = fetch};

/* kind, session, number, message: a byte each; key and body: a length and bytes. */
static void restore(struct broker *broker, struct cursor *c)
{
    while (cursor_left(c) && !c->failed) {
        struct kept kept = {.kind = (enum row_kind)(cursor_u8(c) % ROW_KINDS)};
        kept.session = cursor_u8(c);
        kept.number = cursor_u8(c);
        kept.message = cursor_u8(c);
        size_t key = cursor_u8(c);
        kept.key = cursor_take(c, key);
        size_t body = cursor_u8(c);
        kept.body = cursor_take(c, body);
        kept.payload = kept.key;
        if (!c->failed)
            broker_restore(broker, &kept);
    }
    broker_restored(broker);
}

static void start(struct slice bytes)
{
    struct broker_limits limits = {.packet_size = 1 << 20,
                                   .inflight = 8,
                                   .queued_messages = 100,
                                   .queued_bytes = 1 << 20,
                                   .queued_total = 1 << 20,
                                   .queued_memory = 16,
                                   .subscriptions = 100,
                                   .topic_levels = 16,
                                   .topic_length = 256,
                                   .sessions = 20,
                                   .filter_nodes = 1000,
                                   .retained_nodes = 1000,
                                   .retained_messages = 100,
                                   .retained_bytes = 1 << 20,
                                   .retained_per_turn = 64,
                                   .wills_per_second = 2,
                                   .wills_bytes = 1 << 16};
    struct idle_store store = {.store = {.verbs = &verbs}};
    struct timers wheel;
    struct cursor c = cursor_of(bytes);
    timers_init(&wheel, 1000);
    struct broker *broker = broker_new(&limits, &wheel);
    broker_set_store(broker, &store.store);
    broker_turn(broker, 1000, 1700000000000);
    restore(broker, &c);
    for (uint64_t ms = 2000; ms < 10000; ms += 1000) {
        broker_turn(broker, ms, 1700000000000 + (int64_t)ms);
        timers_advance(&wheel, ms);
        broker_work(broker);
        if (store.under_way)
            broker_committed(broker, COMMIT_DONE);
        store.under_way = false;
    }
    broker_free(broker);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    hash_start(1);
    if (len == 0)
        return 0;
    struct slice rest = slice_of(bytes + 1, len - 1);
    if (bytes[0] < 6)
        one_body(bytes[0], rest);
    else
        start(rest);
    return 0;
}
