/* Tests transports/outgoing.c against a plain array of what should come out. */
#include "transports/outgoing.h"

#include "broker/message.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

enum { MODEL_SIZE = 1 << 22 };

static struct chunk_store store;
static struct outgoing queue;
static struct message *message;
static uint8_t *model; /* what is queued */
static size_t model_len;
static uint32_t seed;

static uint32_t draw(uint32_t below)
{
    seed = seed * 1664525 + 1013904223;
    return (seed >> 8) % below;
}

static int setup(void **unused)
{
    (void)unused;
    static uint8_t payload[60000];
    for (size_t i = 0; i < sizeof(payload); i++)
        payload[i] = (uint8_t)(i * 31 + (i >> 8));
    struct message borrowed = {.topic = (const uint8_t *)"t",
                               .topic_len = 1,
                               .payload = payload,
                               .payload_len = sizeof(payload)};
    memset(&store, 0, sizeof(store));
    memset(&queue, 0, sizeof(queue));
    message = message_hold(&borrowed);
    message_end(&borrowed);
    model = malloc(MODEL_SIZE);
    model_len = 0;
    return 0;
}

static int teardown(void **unused)
{
    (void)unused;
    outgoing_clear(&queue, &store);
    assert_int_equal(store.bytes_used, 0);
    assert_int_equal(message->refs, 1);
    message_unref(message);
    chunk_store_clear(&store);
    free(model);
    return 0;
}

static void append(size_t len)
{
    uint8_t *to = outgoing_reserve(&queue, &store, len);
    for (size_t i = 0; i < len; i++)
        to[i] = model[model_len + i] = (uint8_t)draw(256);
    model_len += len;
}

static void share(size_t from, size_t len)
{
    struct slice bytes = {message->payload + from, len};
    assert_int_equal(outgoing_share(&queue, &store, bytes, message), 0);
    memcpy(model + model_len, bytes.at, len);
    model_len += len;
}

static void check(int max)
{
    struct iovec vectors[200];
    size_t len, at = 0;
    int count = outgoing_vectors(&queue, vectors, max, &len);
    assert_true(count <= max && (count > 0) == (model_len > 0));
    for (int i = 0; i < count; i++) {
        assert_true(vectors[i].iov_len > 0);
        assert_memory_equal(model + at, vectors[i].iov_base, vectors[i].iov_len);
        at += vectors[i].iov_len;
    }
    assert_int_equal(at, len);
    assert_int_equal(queue.len, model_len);
    assert_true(count == max || len == model_len);
    if (count) {
        assert_ptr_equal(outgoing_front(&queue).at, vectors[0].iov_base);
        assert_int_equal(outgoing_front(&queue).len, vectors[0].iov_len);
    }
}

static void consume(size_t len)
{
    outgoing_consume(&queue, &store, len);
    memmove(model, model + len, model_len - len);
    model_len -= len;
}

static void test_an_empty_queue_has_nothing(void **unused)
{
    (void)unused;
    check(10);
    assert_int_equal(outgoing_front(&queue).len, 0);
    outgoing_clear(&queue, &store);
}

static void test_small_appends_share_a_chunk(void **unused)
{
    (void)unused;
    for (int i = 0; i < 10; i++)
        append(40);
    check(10);
    assert_ptr_equal(queue.head, queue.tail);
    assert_int_equal(store.bytes_used, 496);
    consume(400);
    assert_null(queue.head);
    assert_null(queue.tail);
    assert_int_equal(store.bytes_used, 0);
}

static void test_headers_between_references_share_the_chunk_before(void **unused)
{
    (void)unused;
    append(5);
    for (int i = 0; i < 5; i++) {
        share(100, 5000);
        append(5);
    }
    check(200);
    int chunks = 0;
    for (struct chunk *chunk = queue.head; chunk; chunk = chunk->next)
        chunks++;
    assert_int_equal(chunks, 6);
    assert_int_equal(message->refs, 6);
    consume(5 + 5000);
    assert_int_equal(message->refs, 6); /* its chunk still has the header */
    consume(5);
    assert_int_equal(message->refs, 5);
}

static void test_two_queues_become_one(void **unused)
{
    (void)unused;
    struct outgoing other = {0};
    outgoing_join(&queue, &other); /* nothing to nothing */
    check(10);
    append(40);
    share(5, 3000);
    other = queue;
    queue = (struct outgoing){0};
    outgoing_join(&queue, &other); /* something to nothing */
    check(10);
    assert_null(other.head);
    assert_int_equal(other.len, 0);
    uint8_t *to = outgoing_reserve(&other, &store, 7);
    memcpy(to, "another", 7);
    memcpy(model + model_len, "another", 7);
    model_len += 7;
    outgoing_join(&queue, &other);
    append(40);
    check(10);
    consume(model_len);
    check(10);
}

static void test_anything_in_any_order_comes_out_as_it_went_in(void **unused)
{
    (void)unused;
    for (seed = 1; seed < 40 * 77; seed += 77) {
        for (int step = 0; step < 400; step++) {
            uint32_t what = draw(10);
            if (what < 5)
                append(1 + draw(1u << draw(11)));
            else if (what == 5)
                append(1 + draw(40000));
            else if (what == 6)
                share(draw(1000), 1 + draw(50000));
            else if (model_len > 0)
                consume(1 + draw((uint32_t)(model_len < 60000 ? model_len : 60000)));
            if (model_len > MODEL_SIZE / 2)
                consume(model_len);
            check(1 + (int)draw(150));
        }
        consume(model_len);
        check(5);
    }
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_an_empty_queue_has_nothing),
        TEST(test_small_appends_share_a_chunk),
        TEST(test_headers_between_references_share_the_chunk_before),
        TEST(test_two_queues_become_one),
        TEST(test_anything_in_any_order_comes_out_as_it_went_in),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
