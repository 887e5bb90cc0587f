/* The store from outside: what is committed is there again, whole, in order, or not at all. */
#include "shelf.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static int make(void **state)
{
    *state = shelf_make();
    return 0;
}

static int end(void **state)
{
    shelf_free(*state);
    return 0;
}

static void say_nothing(void *to, const char *line)
{
    (void)to;
    (void)line;
}

static void fill(struct shelf *shelf)
{
    shelf_put(shelf, ROW_SESSION, 1, 0, 0, "", "alice", NULL);
    shelf_put(shelf, ROW_SESSION, 2, 0, 0, "", "bob", NULL);
    shelf_put(shelf, ROW_SUBSCRIPTION, 1, 0, 0, "a/#", "qos 1", NULL);
    shelf_put(shelf, ROW_SUBSCRIPTION, 2, 0, 0, "b/+", "qos 2", NULL);
    shelf_put(shelf, ROW_MESSAGE, 0, 0, 7, "", "head", "payload");
    shelf_put(shelf, ROW_MESSAGE, 0, 0, 8, "", "", "");
    shelf_put(shelf, ROW_QUEUED, 1, 10, 7, "", "q", NULL);
    shelf_put(shelf, ROW_QUEUED, 2, 5, 8, "", "", NULL);
    shelf_put(shelf, ROW_INBOUND, 2, 65535, 0, "", "", NULL);
    shelf_put(shelf, ROW_RETAINED, 0, 0, 7, "a/b", "", NULL);
    shelf_put(shelf, ROW_NOTE, 0, 0, 0, "mqtt_sn:x", "value", NULL);
}

#define FILLED                                                                                     \
    "session 1 0 0 |alice|\n"                                                                      \
    "session 2 0 0 |bob|\n"                                                                        \
    "subscription 1 0 0 a/#|qos 1|\n"                                                              \
    "subscription 2 0 0 b/+|qos 2|\n"                                                              \
    "message 0 0 7 |head|payload\n"                                                                \
    "message 0 0 8 ||\n"                                                                           \
    "queued 1 10 7 |q|\n"                                                                          \
    "queued 2 5 8 ||\n"                                                                            \
    "inbound 2 65535 0 ||\n"                                                                       \
    "retained 0 0 7 a/b||\n"                                                                       \
    "note 0 0 0 mqtt_sn:x|value|\n"

static void a_new_store_is_empty(void **state)
{
    struct shelf *shelf = *state;
    shelf_open(shelf);
    assert_string_equal(shelf->rows, "");
}

static void every_kind_of_row_is_back_after_a_restart(void **state)
{
    struct shelf *shelf = *state;
    shelf_open(shelf);
    fill(shelf);
    assert_int_equal(shelf_commit(shelf), COMMIT_DONE);
    assert_string_equal(shelf_reopen(shelf), FILLED);
    assert_string_equal(shelf_reopen(shelf), FILLED);
}

static void every_kind_of_row_is_back_after_a_kill(void **state)
{
    struct shelf *shelf = *state;
    shelf_open(shelf);
    fill(shelf);
    assert_int_equal(shelf_commit(shelf), COMMIT_DONE);
    shelf_crash(shelf);
    assert_string_equal(shelf_reopen(shelf), FILLED);
}

static void what_is_written_only_to_the_kernel_is_back_after_a_kill(void **state)
{
    struct shelf *shelf = *state;
    shelf->durability = STORE_WRITE;
    shelf_open(shelf);
    fill(shelf);
    assert_int_equal(shelf_commit(shelf), COMMIT_DONE);
    shelf_crash(shelf);
    assert_string_equal(shelf_reopen(shelf), FILLED);
}

static void what_was_not_committed_is_not_there(void **state)
{
    struct shelf *shelf = *state;
    shelf_open(shelf);
    fill(shelf);
    assert_string_equal(shelf_reopen(shelf), "");
}

static void a_delete_of_each_kind_removes_that_row_only(void **state)
{
    struct shelf *shelf = *state;
    shelf_open(shelf);
    fill(shelf);
    shelf_commit(shelf);
    shelf_put(shelf, ROW_UNSUBSCRIPTION, 1, 0, 0, "a/#", "", NULL);
    shelf_put(shelf, ROW_QUEUED_END, 1, 10, 0, "", "", NULL);
    shelf_put(shelf, ROW_INBOUND_END, 2, 65535, 0, "", "", NULL);
    shelf_put(shelf, ROW_RETAINED_END, 0, 0, 0, "a/b", "", NULL);
    shelf_put(shelf, ROW_MESSAGE_END, 0, 0, 7, "", "", NULL);
    shelf_put(shelf, ROW_NOTE_END, 0, 0, 0, "mqtt_sn:x", "", NULL);
    assert_int_equal(shelf_commit(shelf), COMMIT_DONE);
    assert_string_equal(shelf_reopen(shelf), "session 1 0 0 |alice|\n"
                                             "session 2 0 0 |bob|\n"
                                             "subscription 2 0 0 b/+|qos 2|\n"
                                             "message 0 0 8 ||\n"
                                             "queued 2 5 8 ||\n");
}

static void the_end_of_a_session_takes_what_it_had(void **state)
{
    struct shelf *shelf = *state;
    shelf_open(shelf);
    fill(shelf);
    shelf_commit(shelf);
    shelf_put(shelf, ROW_SESSION_END, 2, 0, 0, "", "", NULL);
    shelf_put(shelf, ROW_MESSAGE_END, 0, 0, 8, "", "", NULL);
    assert_int_equal(shelf_commit(shelf), COMMIT_DONE);
    assert_string_equal(shelf_reopen(shelf), "session 1 0 0 |alice|\n"
                                             "subscription 1 0 0 a/#|qos 1|\n"
                                             "message 0 0 7 |head|payload\n"
                                             "queued 1 10 7 |q|\n"
                                             "retained 0 0 7 a/b||\n"
                                             "note 0 0 0 mqtt_sn:x|value|\n");
}

static void a_delete_of_what_is_not_there_is_no_error(void **state)
{
    struct shelf *shelf = *state;
    shelf_open(shelf);
    for (int kind = 0; kind < ROW_KINDS; kind++)
        if (kind & 1)
            shelf_put(shelf, (enum row_kind)kind, 99, 99, 99, "none", "", NULL);
    assert_int_equal(shelf_commit(shelf), COMMIT_DONE);
    assert_string_equal(shelf_reopen(shelf), "");
}

static void order_within_a_batch_counts(void **state)
{
    struct shelf *shelf = *state;
    shelf_open(shelf);
    shelf_put(shelf, ROW_NOTE, 0, 0, 0, "n", "first", NULL);
    shelf_put(shelf, ROW_NOTE, 0, 0, 0, "n", "second", NULL);
    shelf_put(shelf, ROW_SESSION, 1, 0, 0, "", "gone", NULL);
    shelf_put(shelf, ROW_SESSION_END, 1, 0, 0, "", "", NULL);
    shelf_put(shelf, ROW_SESSION_END, 2, 0, 0, "", "", NULL);
    shelf_put(shelf, ROW_SESSION, 2, 0, 0, "", "here", NULL);
    shelf_commit(shelf);
    assert_string_equal(shelf_reopen(shelf), "session 2 0 0 |here|\nnote 0 0 0 n|second|\n");
}

static void keys_and_bodies_are_any_bytes(void **state)
{
    struct shelf *shelf = *state;
    const char bytes[] = "owner\0name\xff\x01|value\0x";
    struct row_change change = {.kind = ROW_NOTE, .key_len = 12, .body_at = 13, .body_len = 7};
    shelf_open(shelf);
    shelf->batch.changes = malloc(sizeof(change));
    shelf->batch.changes[0] = change;
    shelf->batch.count = shelf->batch.capacity = 1;
    buffer_append(&shelf->batch.bytes, slice_of(bytes, sizeof(bytes) - 1));
    assert_int_equal(shelf_commit(shelf), COMMIT_DONE);
    assert_string_equal(
        shelf_shell(shelf, "sqlite3 siotd.db 'SELECT hex(key), hex(body) FROM notes'"),
        "6F776E6572006E616D65FF01|76616C75650078\n");
    shelf_reopen(shelf);
    assert_int_equal(strncmp(shelf->rows, "note 0 0 0 owner", 16), 0);
}

static void numbers_may_be_large(void **state)
{
    struct shelf *shelf = *state;
    const uint64_t large = INT64_MAX;
    shelf_open(shelf);
    shelf_put(shelf, ROW_SESSION, large, 0, 0, "", "s", NULL);
    shelf_queue(shelf, large, large, large);
    shelf_commit(shelf);
    assert_string_equal(shelf_fetch(shelf, large, large, 1),
                        "9223372036854775807 9223372036854775807 qos 1|head 9223372036854775807|"
                        "payload 9223372036854775807\n");
}

static void a_large_payload_is_back_byte_for_byte(void **state)
{
    struct shelf *shelf = *state;
    size_t length = 3000000;
    char *payload = malloc(length + 1);
    for (size_t i = 0; i < length; i++)
        payload[i] = (char)('a' + i * i % 26);
    payload[length] = '\0';
    shelf_open(shelf);
    shelf_put(shelf, ROW_MESSAGE, 0, 0, 1, "", "h", payload);
    shelf_put(shelf, ROW_QUEUED, 1, 1, 1, "", "q", NULL);
    assert_int_equal(shelf_commit(shelf), COMMIT_DONE);
    shelf_fetch(shelf, 1, 0, 10);
    assert_int_equal(strlen(shelf->rows), strlen("1 1 q|h|\n") + length);
    assert_memory_equal(shelf->rows + strlen("1 1 q|h|"), payload, length);
    free(payload);
}

static void a_fetch_gives_rows_from_a_number_on_in_order(void **state)
{
    struct shelf *shelf = *state;
    shelf_open(shelf);
    for (uint64_t i = 5; i > 0; i--)
        shelf_queue(shelf, 3, i * 10, 100 + i);
    shelf_queue(shelf, 4, 1, 200);
    shelf_commit(shelf);
    assert_string_equal(shelf_fetch(shelf, 3, 20, 2), "20 102 qos 1|head 102|payload 102\n"
                                                      "30 103 qos 1|head 103|payload 103\n");
    assert_string_equal(shelf_fetch(shelf, 3, 41, 9), "50 105 qos 1|head 105|payload 105\n");
    assert_string_equal(shelf_fetch(shelf, 3, 51, 9), "");
    assert_false(shelf->unreadable);
    assert_string_equal(shelf_fetch(shelf, 9, 0, 9), "");
    assert_string_equal(shelf_fetch(shelf, 3, 0, 0), "");
}

static void with_a_message_comes_how_many_rows_name_it(void **state)
{
    struct shelf *shelf = *state;
    shelf_open(shelf);
    for (uint64_t i = 1; i <= 3; i++)
        shelf_queue(shelf, 3, i * 10, 100 + i);
    shelf_put(shelf, ROW_NAMED, 0, 2, 101, "", "", NULL);
    shelf_put(shelf, ROW_NAMED, 0, 7, 103, "", "", NULL);
    shelf_commit(shelf);
    shelf_put(shelf, ROW_NAMED, 0, 5, 101, "", "", NULL);
    shelf_put(shelf, ROW_NAMED_END, 0, 0, 103, "", "", NULL);
    shelf_commit(shelf);
    assert_string_equal(shelf_fetch(shelf, 3, 0, 9), "10 101 of 5 qos 1|head 101|payload 101\n"
                                                     "20 102 qos 1|head 102|payload 102\n"
                                                     "30 103 qos 1|head 103|payload 103\n");
    assert_non_null(strstr(shelf_reopen(shelf), "named 0 5 101 ||\n"));
}

/* It is kept until a start counts anew. */
static void a_message_whose_count_is_damaged_is_named_by_many(void **state)
{
    struct shelf *shelf = *state;
    shelf_open(shelf);
    shelf_queue(shelf, 3, 10, 101);
    shelf_put(shelf, ROW_NAMED, 0, 2, 101, "", "", NULL);
    shelf_commit(shelf);
    shelf_shell(shelf, "sqlite3 siotd.db 'UPDATE named SET number = 1'");
    assert_string_equal(shelf_fetch(shelf, 3, 0, 9),
                        "10 101 of 4294967295 qos 1|head 101|payload 101\n");
}

/* Of a QoS 2 message that its receiver has confirmed only the packet id is left. */
static void a_row_without_a_message_is_no_damage(void **state)
{
    struct shelf *shelf = *state;
    shelf_open(shelf);
    shelf_put(shelf, ROW_SESSION, 3, 0, 0, "", "session", "");
    shelf_queue(shelf, 3, 10, 101);
    shelf_put(shelf, ROW_QUEUED, 3, 20, 0, "", "released", "");
    shelf_queue(shelf, 3, 30, 103);
    assert_int_equal(shelf_commit(shelf), COMMIT_DONE);
    assert_string_equal(shelf_fetch(shelf, 3, 0, 9), "10 101 qos 1|head 101|payload 101\n"
                                                     "30 103 qos 1|head 103|payload 103\n");
    struct store_counts counts;
    store_count(shelf->store, &counts);
    assert_int_equal(counts.damaged_rows, 0);
    assert_int_equal(store_verify(shelf->folder, say_nothing, NULL), 0);
}

static void a_fetch_sees_the_commit_that_was_handed_over_before_it(void **state)
{
    struct shelf *shelf = *state;
    shelf_open(shelf);
    shelf_queue(shelf, 3, 1, 1);
    shelf->store->verbs->commit(shelf->store, &shelf->batch);
    shelf->store->verbs->fetch(shelf->store, 3, 0, 5);
    shelf->store->verbs->fetch(shelf->store, 4, 0, 5);
    shelf_wait(shelf, &shelf->fetched, 1);
    assert_int_equal(shelf->committed, 1);
    shelf_wait(shelf, &shelf->fetched, 2);
    assert_int_equal(shelf->fetched_session, 4);
}

static void a_fetch_is_bounded_by_bytes_but_gives_one_row(void **state)
{
    struct shelf *shelf = *state;
    char *payload = malloc(600001);
    memset(payload, 'x', 600000);
    payload[600000] = '\0';
    shelf_open(shelf);
    for (uint64_t i = 1; i <= 4; i++) {
        shelf_put(shelf, ROW_MESSAGE, 0, 0, i, "", "", payload);
        shelf_put(shelf, ROW_QUEUED, 1, i, i, "", "", NULL);
    }
    shelf_commit(shelf);
    shelf_fetch(shelf, 1, 0, 100);
    int rows = 0;
    for (const char *at = shelf->rows; (at = strchr(at, '\n')); at++)
        rows++;
    assert_int_equal(rows, 2);
    free(payload);
}

static void what_is_under_way_is_finished_by_stop(void **state)
{
    struct shelf *shelf = *state;
    shelf_open(shelf);
    fill(shelf);
    shelf->store->verbs->commit(shelf->store, &shelf->batch);
    shelf->store->verbs->fetch(shelf->store, 1, 0, 1);
    shelf_close(shelf);
    assert_int_equal(shelf->committed, 1);
    assert_int_equal(shelf->outcome, COMMIT_DONE);
    assert_int_equal(shelf->fetched, 1);
    assert_string_equal(shelf_reopen(shelf), FILLED);
}

static void a_clean_stop_leaves_the_database_alone(void **state)
{
    struct shelf *shelf = *state;
    shelf_open(shelf);
    fill(shelf);
    shelf_commit(shelf);
    shelf_close(shelf);
    assert_string_equal(shelf_shell(shelf, "ls"), "siotd.db\nsiotd.lock\n");
}

static void rows_that_the_core_refuses_are_removed(void **state)
{
    struct shelf *shelf = *state;
    shelf_open(shelf);
    fill(shelf);
    shelf_commit(shelf);
    shelf_close(shelf);
    strcpy(shelf->refuse, "queued 2");
    shelf_open(shelf);
    shelf->refuse[0] = '\0';
    shelf_reopen(shelf);
    assert_null(strstr(shelf->rows, "queued 2"));
    assert_non_null(strstr(shelf->rows, "queued 1"));
    /* Nobody names message 8 any more. */
    assert_null(strstr(shelf->rows, "message 0 0 8"));
    assert_non_null(strstr(shelf->rows, "message 0 0 7"));
}

static void messages_that_nobody_names_are_removed(void **state)
{
    struct shelf *shelf = *state;
    struct store_counts counts;
    shelf_open(shelf);
    for (uint64_t i = 1; i <= 20; i++)
        shelf_put(shelf, ROW_MESSAGE, 0, 0, i, "", "", "p");
    shelf_put(shelf, ROW_RETAINED, 0, 0, 3, "t", "", NULL);
    shelf_put(shelf, ROW_QUEUED, 1, 1, 20, "", "", NULL);
    shelf_commit(shelf);
    shelf_reopen(shelf);
    store_count(shelf->store, &counts);
    assert_int_equal(counts.orphans, 18);
    assert_string_equal(shelf_reopen(shelf), "message 0 0 3 ||p\nmessage 0 0 20 ||p\n"
                                             "queued 1 1 20 ||\nretained 0 0 3 t||\n");
}

/* Fills whole pages. */
static const char *page_of_text(void)
{
    static char text[4001];
    memset(text, 'x', 4000);
    return text;
}

static void put_pages(struct shelf *shelf, uint64_t from, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++)
        shelf_put(shelf, ROW_MESSAGE, 0, 0, from + i, "", "", page_of_text());
}

static void a_size_limit_says_so_and_leaves_room_to_end_rows(void **state)
{
    struct shelf *shelf = *state;
    struct store_counts counts;
    shelf->settings.size_limit = 1 << 20;
    shelf_open(shelf);
    put_pages(shelf, 0, 200);
    assert_int_equal(shelf_commit(shelf), COMMIT_DONE);
    assert_false(shelf->store->full);
    put_pages(shelf, 200, 100);
    assert_int_equal(shelf_commit(shelf), COMMIT_DONE);
    assert_true(shelf->store->full);
    store_count(shelf->store, &counts);
    assert_true(counts.full);
    for (uint64_t i = 0; i < 100; i++)
        shelf_put(shelf, ROW_MESSAGE_END, 0, 0, i, "", "", NULL);
    assert_int_equal(shelf_commit(shelf), COMMIT_DONE);
    assert_false(shelf->store->full);
    store_count(shelf->store, &counts);
    assert_false(counts.full);
}

static void far_beyond_its_size_limit_a_store_refuses_what_makes_it_grow(void **state)
{
    struct shelf *shelf = *state;
    struct store_counts counts;
    uint64_t next = 0;
    shelf->settings.size_limit = 1 << 20;
    shelf_open(shelf);
    for (; next < 3000; next += 200) {
        put_pages(shelf, next, 200);
        if (shelf_commit(shelf) == COMMIT_FULL)
            break;
    }
    assert_true(next > 1000 && next < 1800);
    assert_int_equal(shelf_commit(shelf), COMMIT_FULL); /* offered again */
    store_count(shelf->store, &counts);
    assert_int_equal(counts.refused, 2);
    /* The same batch with removals behind it is no growth. */
    for (uint64_t i = 0; i < 200; i++)
        shelf_put(shelf, ROW_MESSAGE_END, 0, 0, i, "", "", NULL);
    assert_int_equal(shelf_commit(shelf), COMMIT_DONE);
    assert_true(shelf->store->full);
    assert_int_equal(shelf->failed, 0);
}

static void a_store_that_is_over_its_limit_is_full_from_the_start(void **state)
{
    struct shelf *shelf = *state;
    shelf_open(shelf);
    for (uint64_t i = 0; i < 10; i++) {
        put_pages(shelf, i * 200, 200);
        shelf_put(shelf, ROW_QUEUED, 1, i, i * 200, "", "", NULL);
        assert_int_equal(shelf_commit(shelf), COMMIT_DONE);
    }
    shelf_close(shelf);
    shelf->settings.size_limit = 1 << 20;
    assert_int_equal(shelf_try_open(shelf), 0); /* without a load nothing is an orphan */
    store_start(shelf->store);
    assert_true(shelf->store->full);
    for (uint64_t i = 0; i < 100; i++)
        shelf_put(shelf, ROW_MESSAGE_END, 0, 0, i, "", "", NULL);
    assert_int_equal(shelf_commit(shelf), COMMIT_DONE);
    put_pages(shelf, 5000, 200);
    assert_int_equal(shelf_commit(shelf), COMMIT_FULL);
}

static void a_file_that_became_too_large_shrinks_when_there_is_time(void **state)
{
    struct shelf *shelf = *state;
    struct store_counts counts;
    shelf_open(shelf);
    for (uint64_t i = 0; i < 10; i++) {
        put_pages(shelf, i * 200, 200);
        shelf_commit(shelf);
    }
    for (uint64_t i = 0; i < 2000; i++)
        shelf_put(shelf, ROW_MESSAGE_END, 0, 0, i, "", "", NULL);
    shelf_commit(shelf);
    uint64_t largest = 0;
    for (int i = 0; i < 100; i++) { /* the worker waits a second before it takes its time */
        store_count(shelf->store, &counts);
        if (counts.file_bytes > largest)
            largest = counts.file_bytes;
        if (largest > 8000000 && counts.file_bytes < 5000000)
            break;
        usleep(100000);
    }
    assert_true(counts.file_bytes < 5000000);
    shelf_put(shelf, ROW_NOTE, 0, 0, 0, "n", "v", NULL);
    assert_int_equal(shelf_commit(shelf), COMMIT_DONE);
    assert_string_equal(shelf_reopen(shelf), "note 0 0 0 n|v|\n");
}

static void counts_tell_of_batches_and_time(void **state)
{
    struct shelf *shelf = *state;
    struct store_counts counts;
    shelf_open(shelf);
    fill(shelf);
    shelf_commit(shelf);
    shelf_put(shelf, ROW_NOTE, 0, 0, 0, "n", "v", NULL);
    shelf_commit(shelf);
    shelf_fetch(shelf, 1, 0, 10);
    store_count(shelf->store, &counts);
    assert_int_equal(counts.batches, 2);
    assert_int_equal(counts.changes, 12);
    assert_int_equal(counts.batch_last, 1);
    assert_int_equal(counts.batch_max, 11);
    assert_int_equal(counts.fetches, 1);
    assert_int_equal(counts.fetched, 1);
    assert_int_equal(counts.busy_ms, 0);
    assert_true(counts.commit_max_us >= counts.commit_last_us);
    assert_true(counts.commit_p99_us + 8 >= counts.commit_p50_us);
    assert_true(counts.wal_bytes > 0);
    shelf_reopen(shelf);
    store_count(shelf->store, &counts);
    assert_int_equal(counts.loaded, 11 + 1);
    assert_true(counts.file_bytes >= 4096);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, make, end)
    const struct CMUnitTest tests[] = {
        TEST(a_new_store_is_empty),
        TEST(every_kind_of_row_is_back_after_a_restart),
        TEST(every_kind_of_row_is_back_after_a_kill),
        TEST(what_is_written_only_to_the_kernel_is_back_after_a_kill),
        TEST(what_was_not_committed_is_not_there),
        TEST(a_delete_of_each_kind_removes_that_row_only),
        TEST(the_end_of_a_session_takes_what_it_had),
        TEST(a_delete_of_what_is_not_there_is_no_error),
        TEST(order_within_a_batch_counts),
        TEST(keys_and_bodies_are_any_bytes),
        TEST(numbers_may_be_large),
        TEST(a_large_payload_is_back_byte_for_byte),
        TEST(a_fetch_gives_rows_from_a_number_on_in_order),
        TEST(with_a_message_comes_how_many_rows_name_it),
        TEST(a_message_whose_count_is_damaged_is_named_by_many),
        TEST(a_row_without_a_message_is_no_damage),
        TEST(a_fetch_sees_the_commit_that_was_handed_over_before_it),
        TEST(a_fetch_is_bounded_by_bytes_but_gives_one_row),
        TEST(what_is_under_way_is_finished_by_stop),
        TEST(a_clean_stop_leaves_the_database_alone),
        TEST(rows_that_the_core_refuses_are_removed),
        TEST(messages_that_nobody_names_are_removed),
        TEST(a_size_limit_says_so_and_leaves_room_to_end_rows),
        TEST(far_beyond_its_size_limit_a_store_refuses_what_makes_it_grow),
        TEST(a_store_that_is_over_its_limit_is_full_from_the_start),
        TEST(a_file_that_became_too_large_shrinks_when_there_is_time),
        TEST(counts_tell_of_batches_and_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
