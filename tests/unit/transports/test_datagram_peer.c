/* Tests how peers on datagrams come and go, what one costs, and that strangers cost nothing. */
#include "tests/unit/transports/datagram_stage.h"

#include <arpa/inet.h>
#include <malloc.h>

static void test_a_stranger_is_answered_and_leaves_nothing(void **unused)
{
    (void)unused;
    int fd = fisher_new();
    fisher_ask(fd, ERRAND_ECHO, 100);
    assert_int_equal(pond.opened, 1);
    assert_int_equal(pond.closed, 1);
    assert_int_equal(listener_connections(pond.listener), 0);
    fisher_ask(fd, ERRAND_ECHO, 1);
    assert_int_equal(pond.opened, 2);
    close(fd);
}

static void test_whoever_is_known_stays_and_keeps_its_state(void **unused)
{
    (void)unused;
    int a = fisher_new(), b = fisher_new();
    fisher_ask(a, ERRAND_KNOWN, 5);
    struct peer *first = pond.last;
    fisher_ask(b, ERRAND_KNOWN, 5);
    assert_ptr_not_equal(first, pond.last);
    fisher_ask(a, ERRAND_ECHO, 9);
    assert_ptr_equal(first, pond.last);
    assert_int_equal(pond.opened, 2);
    assert_int_equal(listener_connections(pond.listener), 2);
    close(a);
    close(b);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, pond_setup, pond_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_a_stranger_is_answered_and_leaves_nothing),
        TEST(test_whoever_is_known_stays_and_keeps_its_state),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
