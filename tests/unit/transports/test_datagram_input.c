/* Tests how datagrams come in: whole, in batches, and in another turn when that is asked for. */
#include "tests/unit/transports/datagram_stage.h"

#include <arpa/inet.h>

static void test_any_length_comes_whole(void **unused)
{
    (void)unused;
    static const size_t lens[] = {1, 2, 508, 1232, 1472, 1473, 9000, 65507};
    int fd = fisher_new();
    fisher_ask(fd, ERRAND_VERIFY, 1);
    for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++)
        fisher_ask(fd, ERRAND_ECHO, lens[i]);
    assert_int_equal(pond_counts().received, 9);
    close(fd);
}

static void test_an_empty_datagram_is_nobodys(void **unused)
{
    (void)unused;
    int fd = fisher_new();
    assert_int_equal(send(fd, "", 0, 0), 0);
    fisher_ask(fd, ERRAND_ECHO, 1);
    assert_int_equal(pond.receives, 1);
    assert_int_equal(pond_counts().useless, 1);
    assert_int_equal(pond_counts().received, 2);
    close(fd);
}

static void test_many_datagrams_cost_few_calls(void **unused)
{
    (void)unused;
    int fd = fisher_new();
    fisher_ask(fd, ERRAND_VERIFY, 1);
    uint64_t before = loop_counts(stage.loop).receives;
    for (int i = 0; i < 4 * DATAGRAM_BATCH; i++)
        fisher_send(fd, ERRAND_NOTHING, 10);
    until(pond.receives == 1 + 4 * DATAGRAM_BATCH);
    assert_true(loop_counts(stage.loop).receives - before <= 6);
    close(fd);
}

static void test_a_flood_leaves_room_for_others_in_each_turn(void **unused)
{
    (void)unused;
    enum { FLOOD = 600 };
    int fd = fisher_new();
    for (int i = 0; i < FLOOD; i++)
        fisher_send(fd, ERRAND_NOTHING, 1);
    loop_step(stage.loop, false);
    assert_true(pond.receives > 0 && pond.receives < FLOOD);
    until(pond.receives == FLOOD);
    close(fd);
}

static void test_another_turn_may_be_asked_for(void **unused)
{
    (void)unused;
    int a = fisher_new(), b = fisher_new();
    fisher_ask(a, ERRAND_VERIFY, 1);
    pond.tired = 3;
    fisher_send(a, ERRAND_ECHO, 10);
    fisher_send(b, ERRAND_ECHO, 11);
    fisher_send(a, ERRAND_ECHO, 12);
    loop_step(stage.loop, false);
    assert_int_equal(pond.receives, 2); /* once each turn, and nobody else's meanwhile */
    fisher_expect(a, ERRAND_ECHO, 10);
    fisher_expect(b, ERRAND_ECHO, 11);
    fisher_expect(a, ERRAND_ECHO, 12);
    assert_int_equal(pond.receives, 7);
    assert_int_equal(pond_counts().received, 4);
    close(a);
    close(b);
}

static void test_a_stranger_may_ask_for_another_turn(void **unused)
{
    (void)unused;
    int fd = fisher_new();
    pond.tired = 2;
    fisher_ask(fd, ERRAND_KNOWN, 10);
    assert_int_equal(pond.receives, 3);
    assert_int_equal(pond.opened, 3); /* another stranger each time, and nothing kept between */
    assert_int_equal(pond.closed, 2);
    assert_int_equal(pond.allowance, 30);
    close(fd);
}

static void test_a_listener_may_go_while_others_wait_for_their_turn(void **unused)
{
    (void)unused;
    char error[256];
    struct listener *second;
    const struct service service = {.stats = &stage.stats, .protocol = &orders_protocol};
    assert_int_equal(listener_open_on(stage.loop, &pond.settings, &service, stack_find("udp"), -1,
                                      &second, error, sizeof(error)),
                     0);
    struct sockaddr_storage name;
    socklen_t length = sizeof(name);
    getsockname(second->socket.fd, (struct sockaddr *)&name, &length);
    int there = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0), here = fisher_new();
    assert_int_equal(connect(there, (struct sockaddr *)&name, length), 0);
    pond.tired = 2;
    fisher_send(there, ERRAND_ECHO, 10);
    until(pond.receives > 0);
    fisher_send(here, ERRAND_ECHO, 11);
    pond.tired = 0;
    if (datagram_input_waits(stage.loop))
        assert_ptr_equal(stage.loop->inbox_port, second->port);
    listener_close(second);
    fisher_expect(here, ERRAND_ECHO, 11);
    close(here);
    close(there);
}

static void few(struct listener_settings *settings)
{
    settings->strangers = 3;
    settings->max_connections = 6;
    settings->per_source = 5;
    settings->idle_timeout = 200;
    settings->out_buffer = 4096;
}

static void test_a_storm_of_anything_leaves_nothing_behind(void **unused)
{
    (void)unused;
    enum { FISHERS = 12, STEPS = 30000 };
    static const char errands[] = "eeeennkkkvvpbfmmmaaardllw";
    int fds[FISHERS];
    uint8_t rest[2000];
    uint64_t kept = 0;
    pond_close();
    pond_open(NULL, few);
    srand(7);
    for (int i = 0; i < FISHERS; i++)
        fds[i] = fisher_new();
    for (int step = 0; step < STEPS; step++) {
        if (pond.known == 1000) /* the stage's list is full: whoever is left may not come again */
            break;
        uint8_t bytes[200] = {(uint8_t)errands[(size_t)rand() % (sizeof(errands) - 1)], 0,
                              (uint8_t)rand()};
        pond.promise = kept + (uint64_t)(rand() % 3);
        pond.times = (unsigned)rand() % 9;
        pond.tired = rand() % 20 == 0;
        pond.deadline_ms = 1 + (unsigned)rand() % 3;
        pond.open_error = rand() % 30 == 0 ? -ENOMEM : 0;
        (void)send(fds[rand() % FISHERS], bytes, 3 + (size_t)rand() % 150, 0);
        if (rand() % 4 == 0) {
            loop_enter(stage.loop);
            loop_keep(stage.loop, kept += (uint64_t)(rand() % 2));
        }
        loop_step(stage.loop, false);
        if (rand() % 100 == 0)
            stage_pass(1);
        for (int n = 0; n < FISHERS; n++)
            while (recv(fds[n], rest, sizeof(rest), 0) > 0)
                ;
    }
    print_message("%u peers came, %u became known\n", pond.opened, pond.known);
    assert_true(pond.known > 200);
    for (int i = 0; i < FISHERS; i++)
        close(fds[i]);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, pond_setup, pond_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_any_length_comes_whole),
        TEST(test_an_empty_datagram_is_nobodys),
        TEST(test_many_datagrams_cost_few_calls),
        TEST(test_a_flood_leaves_room_for_others_in_each_turn),
        TEST(test_another_turn_may_be_asked_for),
        TEST(test_a_stranger_may_ask_for_another_turn),
        TEST(test_a_listener_may_go_while_others_wait_for_their_turn),
        TEST(test_a_storm_of_anything_leaves_nothing_behind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
