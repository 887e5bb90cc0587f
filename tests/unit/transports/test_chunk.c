/* Tests transports/chunk.c: the memory that output waits in. */
#include "transports/chunk.h"

#include "broker/message.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static struct chunk_store store;

static int setup(void **unused)
{
    (void)unused;
    memset(&store, 0, sizeof(store));
    return 0;
}

static int teardown(void **unused)
{
    (void)unused;
    assert_int_equal(store.bytes_used, 0);
    chunk_store_clear(&store);
    assert_int_equal(store.bytes_kept, 0);
    return 0;
}

static void test_a_chunk_has_at_least_the_room_that_was_asked_for(void **unused)
{
    (void)unused;
    for (size_t len = 0; len < 20000; len += 37) {
        struct chunk *chunk = chunk_take(&store, CHUNK_SMALL, len);
        assert_true(chunk->room >= len);
        assert_true(chunk->size == CHUNK_MADE || chunk->room >= 400);
        memset(chunk->bytes, 1, chunk->room);
        chunk_give(&store, chunk);
    }
}

static void test_sizes_grow_from_small_to_made_to_measure(void **unused)
{
    (void)unused;
    static const struct {
        size_t len;
        unsigned size;
    } rows[] = {{1, CHUNK_SMALL},     {400, CHUNK_SMALL},   {600, CHUNK_MEDIUM},
                {4000, CHUNK_MEDIUM}, {4100, CHUNK_LARGE},  {16000, CHUNK_LARGE},
                {16384, CHUNK_MADE},  {1 << 20, CHUNK_MADE}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct chunk *chunk = chunk_take(&store, CHUNK_SMALL, rows[i].len);
        assert_int_equal(chunk->size, rows[i].size);
        chunk_give(&store, chunk);
    }
    struct chunk *chunk = chunk_take(&store, CHUNK_LARGE, 1);
    assert_int_equal(chunk->size, CHUNK_LARGE);
    chunk_give(&store, chunk);
}

static void test_what_was_given_back_is_used_again(void **unused)
{
    (void)unused;
    struct chunk *first = chunk_take(&store, CHUNK_MEDIUM, 1);
    first->end = 9;
    chunk_give(&store, first);
    struct chunk *second = chunk_take(&store, CHUNK_MEDIUM, 1);
    assert_ptr_equal(first, second);
    assert_int_equal(second->end, 0);
    assert_null(second->next);
    chunk_give(&store, second);
}

static void test_made_chunks_are_not_kept(void **unused)
{
    (void)unused;
    chunk_give(&store, chunk_take(&store, CHUNK_SMALL, 100000));
    assert_int_equal(store.bytes_kept, 0);
}

static void test_only_so_much_is_kept(void **unused)
{
    (void)unused;
    enum { MANY = 3000 };
    struct chunk **all = calloc(MANY, sizeof(*all));
    for (int i = 0; i < MANY; i++)
        all[i] = chunk_take(&store, CHUNK_LARGE, 1);
    for (int i = 0; i < MANY; i++)
        chunk_give(&store, all[i]);
    assert_true(store.bytes_kept <= 16 << 20);
    assert_true(store.bytes_kept > 15 << 20);
    free(all);
}

static void test_a_trim_frees_what_was_not_needed_since_the_last(void **unused)
{
    (void)unused;
    struct chunk *all[10];
    for (int i = 0; i < 10; i++)
        all[i] = chunk_take(&store, CHUNK_SMALL, 1);
    for (int i = 0; i < 10; i++)
        chunk_give(&store, all[i]);
    chunk_trim(&store); /* all ten were in use a moment ago */
    assert_int_equal(store.count[CHUNK_SMALL], 10);
    for (int i = 0; i < 3; i++)
        all[i] = chunk_take(&store, CHUNK_SMALL, 1);
    for (int i = 0; i < 3; i++)
        chunk_give(&store, all[i]);
    chunk_trim(&store);
    assert_int_equal(store.count[CHUNK_SMALL], 3);
    chunk_trim(&store);
    assert_int_equal(store.count[CHUNK_SMALL], 0);
    assert_int_equal(store.bytes_kept, 0);
}

static void test_a_chunk_gives_its_message_back(void **unused)
{
    (void)unused;
    struct message borrowed = {.topic = (const uint8_t *)"t",
                               .topic_len = 1,
                               .payload = (const uint8_t *)"abc",
                               .payload_len = 3};
    struct message *message = message_hold(&borrowed);
    message_end(&borrowed);
    struct chunk *chunk = chunk_take(&store, CHUNK_SMALL, 0);
    chunk->owner = message_hold(message);
    assert_int_equal(message->refs, 2);
    chunk_give(&store, chunk);
    assert_int_equal(message->refs, 1);
    message_unref(message);
}

static void test_a_size_beyond_reason_is_refused(void **unused)
{
    (void)unused;
    assert_null(chunk_take(&store, CHUNK_SMALL, SIZE_MAX));
    assert_null(chunk_take(&store, CHUNK_SMALL, SIZE_MAX - sizeof(struct chunk)));
    assert_null(chunk_take(&store, CHUNK_SMALL, UINT32_MAX));
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_a_chunk_has_at_least_the_room_that_was_asked_for),
        TEST(test_sizes_grow_from_small_to_made_to_measure),
        TEST(test_what_was_given_back_is_used_again),
        TEST(test_made_chunks_are_not_kept),
        TEST(test_only_so_much_is_kept),
        TEST(test_a_trim_frees_what_was_not_needed_since_the_last),
        TEST(test_a_chunk_gives_its_message_back),
        TEST(test_a_size_beyond_reason_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
