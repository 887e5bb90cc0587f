/* Tests the queue of datagrams on their way out. */
#include "transports/datagram_queue.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct datagram_queue queue;
static struct chunk_store store;

static int teardown(void **unused)
{
    (void)unused;
    datagram_queue_clear(&queue, &store);
    assert_int_equal(store.bytes_used, 0);
    chunk_store_clear(&store);
    return 0;
}

static uint8_t *push(size_t len, uint64_t promise)
{
    struct queued *entry;
    uint8_t *at = datagram_queue_push(&queue, &store, len, &entry);
    assert_non_null(at);
    assert_ptr_equal(entry->departure.at, at);
    assert_int_equal(entry->departure.len, len);
    assert_null(entry->peer);
    assert_false(entry->dropped);
    entry->promise = promise;
    memset(at, (int)promise, len);
    return at;
}

static void check_first(uint64_t promise)
{
    struct queued *entry = datagram_queue_at(&queue, 0);
    assert_int_equal(entry->promise, promise);
    for (uint32_t i = 0; i < entry->departure.len; i++)
        assert_int_equal(entry->departure.at[i], (uint8_t)promise);
}

static void test_first_in_is_first_out(void **unused)
{
    (void)unused;
    uint64_t in = 0, out = 0;
    for (int round = 0; round < 200; round++) {
        for (int i = 0; i < 7; i++, in++)
            push(in * 37 % 3000, in);
        for (int i = 0; i < 6; i++, out++) {
            check_first(out);
            datagram_queue_pop(&queue, &store);
        }
        assert_int_equal(queue.count, in - out);
    }
    while (queue.count) {
        check_first(out++);
        datagram_queue_pop(&queue, &store);
    }
    assert_int_equal(out, in);
    assert_int_equal(queue.bytes.len, 0);
}

static void test_bytes_stay_where_they_are(void **unused)
{
    (void)unused;
    uint8_t *places[500];
    for (size_t i = 0; i < 500; i++)
        places[i] = push(100, i);
    for (size_t i = 0; i < 500; i++) {
        assert_ptr_equal(datagram_queue_at(&queue, (uint32_t)i)->departure.at, places[i]);
        assert_int_equal(places[i][99], (uint8_t)i);
    }
}

static void test_an_empty_queue_keeps_little(void **unused)
{
    (void)unused;
    for (int i = 0; i < 5000; i++)
        push(1, 1);
    while (queue.count)
        datagram_queue_pop(&queue, &store);
    assert_null(queue.ring);
    push(1, 1);
    datagram_queue_pop(&queue, &store);
    assert_non_null(queue.ring); /* a small one is not worth it */
}

static void test_a_datagram_may_be_empty_or_as_long_as_any(void **unused)
{
    (void)unused;
    push(0, 1);
    push(65507, 2);
    push(0, 3);
    for (uint64_t i = 1; i <= 3; i++) {
        check_first(i);
        datagram_queue_pop(&queue, &store);
    }
}

int main(void)
{
#define TEST(f) cmocka_unit_test_teardown(f, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_first_in_is_first_out),
        TEST(test_bytes_stay_where_they_are),
        TEST(test_an_empty_queue_keeps_little),
        TEST(test_a_datagram_may_be_empty_or_as_long_as_any),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
