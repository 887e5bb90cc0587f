/* Every call to the disk fails once, or from some point on: what was said to be committed is there
 * afterwards, nothing is said to be committed after a failure that cannot be got over, and nothing
 * crashes. The functions of the C library that SQLite writes with are defined here. */
#include "shelf.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

/* Calls are counted from 1 while `with` is not 0; those from `first` to `last` fail with it. */
static atomic_int calls, with, first, last;
static atomic_bool only_writes; /* flushes are not counted */

static bool fails(void)
{
    int error = with;
    int call = error ? ++calls : 0;
    if (call < first || call > last || !error)
        return false;
    errno = error;
    return true;
}

static bool flush_fails(void)
{
    return !only_writes && fails();
}

int fdatasync(int file);
int fsync(int file);
ssize_t pwrite64(int file, const void *bytes, size_t length, off_t at);
int ftruncate64(int file, off_t length);

int fdatasync(int file)
{
    (void)file; /* nobody cuts the power here */
    return flush_fails() ? -1 : 0;
}

int fsync(int file)
{
    (void)file;
    return flush_fails() ? -1 : 0;
}

ssize_t pwrite64(int file, const void *bytes, size_t length, off_t at)
{
    return fails() ? -1 : syscall(SYS_pwrite64, file, bytes, length, at);
}

int ftruncate64(int file, off_t length)
{
    return fails() ? -1 : (int)syscall(SYS_ftruncate, file, length);
}

static void fail_calls(int error, int from, int to)
{
    only_writes = false;
    calls = 0;
    first = from;
    last = to;
    with = error;
}

static int make(void **state)
{
    *state = shelf_make();
    return 0;
}

static int end(void **state)
{
    fail_calls(0, 0, 0);
    shelf_free(*state);
    return 0;
}

enum { COMMITS = 3 };

/* Some commits, each of one session; sessions 1 to the number returned were said to be committed.
 * Opening and closing are part of it. */
static int work(struct shelf *shelf)
{
    int committed = 0;
    if (shelf_try_open(shelf) != 0)
        return 0;
    if (shelf_try_load(shelf) == 0 && store_start(shelf->store) == 0) {
        for (int i = 1; i <= COMMITS; i++) {
            shelf->batch.count = 0;
            shelf_put(shelf, ROW_SESSION, (uint64_t)i, 0, 0, "", "body", NULL);
            enum commit_outcome outcome = shelf_commit(shelf);
            if (outcome == COMMIT_DONE)
                assert_int_equal(shelf->failed, 0); /* never again after a failure */
            if (outcome != COMMIT_DONE)
                break;
            committed = i;
        }
    }
    shelf_close(shelf);
    return committed;
}

/* Whether the disk was asked often enough for a failure to come. */
static bool try_failure(int error, int from, int to)
{
    struct shelf *shelf = shelf_make();
    fail_calls(error, from, to);
    int committed = work(shelf);
    bool came = calls >= from;
    fail_calls(0, 0, 0);
    shelf_open(shelf);
    struct store_counts counts;
    store_count(shelf->store, &counts);
    assert_true(counts.loaded >= (uint64_t)committed);
    assert_int_equal(counts.set_aside, 0);
    shelf_free(shelf);
    return came;
}

static void each_call_that_fails_once_loses_nothing(void **state)
{
    (void)state;
    for (int call = 1; try_failure(EIO, call, call); call++)
        assert_true(call < 1000);
    for (int call = 1; try_failure(ENOSPC, call, call); call++)
        assert_true(call < 1000);
}

static void a_disk_that_fails_from_some_call_on_loses_nothing(void **state)
{
    (void)state;
    for (int call = 1; try_failure(EIO, call, 1 << 30); call++)
        assert_true(call < 1000);
    for (int call = 1; try_failure(ENOSPC, call, 1 << 30); call++)
        assert_true(call < 1000);
}

static void after_a_flush_that_failed_nothing_is_committed_any_more(void **state)
{
    static const int errors[] = {EIO, ENOSPC, EDQUOT};
    struct shelf *shelf = *state;
    for (size_t i = 0; i < 3; i++) {
        int failed = shelf->failed;
        shelf_open(shelf);
        shelf_put(shelf, ROW_NOTE, 0, 0, 0, "n", "before", NULL);
        assert_int_equal(shelf_commit(shelf), COMMIT_DONE);
        /* A commit of one page: its frames are two writes each, then comes the flush. */
        int flush = 1;
        do {
            shelf->batch.count = 0;
            shelf_put(shelf, ROW_NOTE, 0, 0, 0, "n", "after", NULL);
            fail_calls(errors[i], flush, flush);
            flush++;
        } while (shelf_commit(shelf) == COMMIT_FULL && flush < 20);
        fail_calls(0, 0, 0);
        assert_int_equal(shelf->outcome, COMMIT_FAILED);
        assert_int_equal(shelf->failed, failed + 1);
        assert_int_equal(shelf_commit(shelf), COMMIT_FAILED);
        shelf_close(shelf);
        shelf->batch.count = 0;
    }
}

static void a_full_disk_is_got_over(void **state)
{
    struct shelf *shelf = *state;
    shelf_open(shelf);
    shelf_queue(shelf, 1, 1, 1);
    fail_calls(ENOSPC, 1, 1 << 30);
    only_writes = true;
    for (int i = 0; i < 3; i++)
        assert_int_equal(shelf_commit(shelf), COMMIT_FULL);
    fail_calls(0, 0, 0);
    assert_int_equal(shelf_commit(shelf), COMMIT_DONE);
    assert_int_equal(shelf->failed, 0);
    shelf_reopen(shelf);
    assert_string_equal(shelf->rows, "message 0 0 1 |head 1|payload 1\nqueued 1 1 1 |qos 1|\n");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, make, end)
    const struct CMUnitTest tests[] = {
        TEST(each_call_that_fails_once_loses_nothing),
        TEST(a_disk_that_fails_from_some_call_on_loses_nothing),
        TEST(after_a_flush_that_failed_nothing_is_committed_any_more),
        TEST(a_full_disk_is_got_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
