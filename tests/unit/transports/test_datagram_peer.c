/* Tests how peers on datagrams come and go, what one costs, and that strangers cost nothing. */
#include "tests/unit/transports/datagram_stage.h"

#include <arpa/inet.h>
#include <malloc.h>

/* Opens the pond anew with other settings. */
static void reopen(void (*change)(struct listener_settings *settings))
{
    pond_close();
    pond_open(NULL, change);
}

static size_t count(void)
{
    return listener_connections(pond.listener);
}

/* A client on another loopback address, which is another source. */
static int fisher_at(unsigned address)
{
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(address)};
    assert_int_equal(bind(fd, (struct sockaddr *)&name, sizeof(name)), 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&pond.address, pond.address_len), 0);
    return fd;
}

/* ---- strangers ---- */

static void test_a_stranger_is_answered_and_leaves_nothing(void **unused)
{
    (void)unused;
    int fd = fisher_new();
    fisher_ask(fd, ERRAND_ECHO, 100);
    assert_int_equal(pond.opened, 1);
    assert_int_equal(pond.closed, 1);
    assert_int_equal(count(), 0);
    assert_string_equal(pond.why, "has nothing more to say");
    fisher_ask(fd, ERRAND_ECHO, 1);
    assert_int_equal(pond.opened, 2);
    assert_int_equal(pond.listener->port->table.count, 0);
    close(fd);
}

static void test_what_a_stranger_was_given_goes_with_it(void **unused)
{
    (void)unused;
    int fd = fisher_new();
    fisher_ask(fd, ERRAND_NAME, 40); /* a name, and a deadline of a millisecond */
    stage_pass(10);
    assert_int_equal(pond.expired, 0);
    assert_false(timer_is_set(&pond.listener->port->stranger->peer.deadline));
    fisher_ask(fd, ERRAND_PROOF, 5); /* what it has proven, too */
    fisher_ask(fd, ERRAND_ECHO, 10);
    assert_int_equal(pond.allowance, 30);
    close(fd);
}

static void test_a_stranger_may_be_closed_and_may_fail(void **unused)
{
    (void)unused;
    uint8_t got[16];
    int fd = fisher_new();
    fisher_send(fd, ERRAND_BYE, 2);
    assert_int_equal(fisher_receive(fd, got, sizeof(got)), 3);
    assert_memory_equal(got, "bye", 3);
    assert_string_equal(pond.why, "as it was asked to");
    fisher_send(fd, ERRAND_FAIL, 2);
    until(pond.closed == 2);
    assert_string_equal(pond.why, "orders error");
    pond.open_error = -ENOMEM;
    fisher_send(fd, ERRAND_ECHO, 2);
    until(pond.closed == 3);
    assert_int_equal(pond.receives, 2);
    pond.open_error = 0;
    fisher_ask(fd, ERRAND_ECHO, 2);
    close(fd);
}

/* ---- those who are known ---- */

static void test_whoever_is_known_stays_and_keeps_its_state(void **unused)
{
    (void)unused;
    int a = fisher_new(), b = fisher_new();
    fisher_ask(a, ERRAND_KNOWN, 5);
    struct peer *first = pond.last;
    fisher_ask(b, ERRAND_KNOWN, 5);
    assert_ptr_not_equal(first, pond.last);
    fisher_ask(a, ERRAND_KNOWN, 9); /* twice is once */
    assert_ptr_equal(first, pond.last);
    assert_int_equal(pond.opened, 2);
    assert_int_equal(count(), 2);
    assert_int_equal(stage.stats.sockets, 2);
    assert_int_equal(listener_counts(pond.listener).accepted, 2);
    close(a);
    close(b);
}

static void test_a_protocol_may_know_whoever_comes(void **unused)
{
    (void)unused;
    pond.known_at_open = true;
    int fd = fisher_new();
    fisher_ask(fd, ERRAND_ECHO, 5);
    fisher_ask(fd, ERRAND_ECHO, 6);
    assert_int_equal(pond.opened, 1);
    close(fd);
}

static void test_a_known_peer_that_is_closed_is_a_stranger_again(void **unused)
{
    (void)unused;
    uint8_t got[16];
    int fd = fisher_new();
    fisher_ask(fd, ERRAND_VERIFY, 5);
    fisher_send(fd, ERRAND_BYE, 3);
    assert_int_equal(fisher_receive(fd, got, sizeof(got)), 3);
    assert_int_equal(count(), 0);
    assert_string_equal(pond.why, "as it was asked to");
    fisher_ask(fd, ERRAND_ECHO, 5);
    assert_int_equal(pond.opened, 2);
    assert_int_equal(pond.allowance, 15); /* what was proven has gone */
    close(fd);
}

static void test_a_known_peer_that_fails_goes(void **unused)
{
    (void)unused;
    int fd = fisher_new();
    fisher_ask(fd, ERRAND_KNOWN, 5);
    fisher_send(fd, ERRAND_FAIL, 3);
    until(count() == 0);
    assert_string_equal(pond.why, "orders error");
    close(fd);
}

static void test_a_stop_tells_all_who_are_known(void **unused)
{
    (void)unused;
    uint8_t got[16];
    int a = fisher_new(), b = fisher_new();
    fisher_ask(a, ERRAND_VERIFY, 50);
    fisher_ask(b, ERRAND_KNOWN, 50);
    fisher_send(b, ERRAND_NOTHING, 50); /* what an unproven peer is told costs an answer */
    until(pond.receives == 3);
    listener_stop(pond.listener);
    assert_int_equal(fisher_receive(a, got, sizeof(got)), 8);
    assert_memory_equal(got, "stopping", 8);
    assert_int_equal(fisher_receive(b, got, sizeof(got)), 8);
    until(count() == 0);
    assert_int_equal(pond.stopping, 2);
    assert_string_equal(pond.why, "the server stops");
    fisher_send(a, ERRAND_ECHO, 5);
    fisher_expect_silence(a);
    close(a);
    close(b);
}

static void test_whoever_it_is_has_an_endpoint_and_an_address(void **unused)
{
    (void)unused;
    char text[64];
    struct sockaddr_in name;
    socklen_t length = sizeof(name);
    int fd = fisher_new();
    fisher_ask(fd, ERRAND_ECHO, 5);
    getsockname(fd, (struct sockaddr *)&name, &length);
    snprintf(text, sizeof(text), "127.0.0.1:%u", ntohs(name.sin_port));
    assert_string_equal(pond.text, text);
    assert_memory_equal(pond.endpoint, "\0\0\0\0\0\0\0\0\0\0\xff\xff\x7f\0\0\1\0\0\0\0", 20);
    close(fd);
    pond_close();
    if (!pond_open_at("[::1]:0", NULL, NULL)) {
        pond_open(NULL, NULL);
        return;
    }
    fd = fisher_new();
    fisher_ask(fd, ERRAND_VERIFY, 5);
    assert_memory_equal(pond.text, "[::1]:", 6);
    assert_false(peer_is_private(pond.last));
    assert_null(peer_identity(pond.last));
    assert_true(peer_is_entitled(pond.last));
    assert_false(peer_prove(pond.last, NULL, SLICE("user"), SLICE("password")));
    assert_int_equal(pond.most, 1232);
    close(fd);
}

/* ---- being idle ---- */

static void quickly_idle(struct listener_settings *settings)
{
    settings->idle_timeout = 400;
}

static void test_an_idle_peer_is_forgotten(void **unused)
{
    (void)unused;
    reopen(quickly_idle);
    int a = fisher_new(), b = fisher_new();
    fisher_ask(a, ERRAND_VERIFY, 5);
    fisher_ask(b, ERRAND_KNOWN, 5);
    until(count() == 0);
    assert_int_equal(pond.closed, 2);
    assert_string_equal(pond.why, "idle for 0 s");
    until(!timer_is_set(&pond.listener->port->sweep)); /* there is nobody to look at */
    close(a);
    close(b);
}

static void test_whoever_was_heard_is_not_idle(void **unused)
{
    (void)unused;
    enum { PEERS = 40 };
    int fds[PEERS];
    for (int i = 0; i < PEERS; i++) {
        fds[i] = fisher_new();
        fisher_ask(fds[i], ERRAND_VERIFY, 5);
    }
    loop_enter(stage.loop);
    for (int i = 0; i < PEERS; i += 2) /* as if every other one had been silent for long */
        peer_datagram(pond.peers[i])->heard_ms -= pond.settings.idle_timeout;
    for (int i = 0; i < 16; i++)
        datagram_peer_sweep(&pond.listener->port->sweep);
    loop_leave(stage.loop);
    assert_int_equal(count(), PEERS / 2);
    for (int i = 0; i < PEERS; i++)
        assert_int_equal(pond.peers[i] != NULL, i % 2);
    for (int i = 0; i < PEERS; i++)
        close(fds[i]);
}

static void test_a_peer_that_waits_for_something_is_not_idle(void **unused)
{
    (void)unused;
    reopen(quickly_idle);
    int fd = fisher_new();
    pond.deadline_ms = 1200;
    fisher_ask(fd, ERRAND_DEADLINE, 5);
    stage_pass(1000);
    assert_int_equal(count(), 1);
    until(pond.expired == 1);
    until(count() == 0);
    close(fd);
}

static void unlimited_idleness(struct listener_settings *settings)
{
    settings->idle_timeout = OPTION_UNLIMITED;
}

static void test_idleness_may_be_unlimited(void **unused)
{
    (void)unused;
    reopen(unlimited_idleness);
    int fd = fisher_new();
    fisher_ask(fd, ERRAND_VERIFY, 5);
    pond.listener->settings.idle_timeout = OPTION_UNLIMITED;
    peer_datagram(pond.last)->heard_ms = 0;
    datagram_peer_sweep(&pond.listener->port->sweep);
    assert_false(peer_is_closing(pond.last));
    close(fd);
}

/* ---- limits ---- */

static void few_strangers(struct listener_settings *settings)
{
    settings->strangers = 3;
}

static void test_the_oldest_of_too_many_unproven_peers_gives_way(void **unused)
{
    (void)unused;
    reopen(few_strangers);
    int proven = fisher_new(), fds[5];
    fisher_ask(proven, ERRAND_VERIFY, 5);
    for (int i = 0; i < 5; i++) {
        fds[i] = fisher_new();
        fisher_ask(fds[i], ERRAND_KNOWN, 5);
    }
    assert_int_equal(count(), 4);
    assert_int_equal(pond.listener->stranger_count, 3);
    assert_int_equal(listener_counts(pond.listener).displaced, 2);
    assert_string_equal(pond.why, "gave way to a newer one");
    fisher_ask(proven, ERRAND_ECHO, 5);
    assert_int_equal(pond.opened, 6); /* it was not the one */
    fisher_ask(fds[4], ERRAND_VERIFY, 5);
    assert_int_equal(pond.listener->stranger_count, 2);
    for (int i = 0; i < 5; i++)
        close(fds[i]);
    close(proven);
}

static void test_an_unproven_peer_that_was_just_heard_gives_way_later(void **unused)
{
    (void)unused;
    reopen(few_strangers);
    int fds[4];
    for (int i = 0; i < 3; i++) {
        fds[i] = fisher_new();
        fisher_ask(fds[i], ERRAND_KNOWN, 5);
    }
    stage_pass(1100);
    fisher_ask(fds[0], ERRAND_ECHO, 5);
    fds[3] = fisher_new();
    fisher_ask(fds[3], ERRAND_KNOWN, 5);
    assert_non_null(pond.peers[0]);
    assert_null(pond.peers[1]);
    for (int i = 0; i < 4; i++)
        close(fds[i]);
}

static void two_at_most(struct listener_settings *settings)
{
    settings->max_connections = 2;
}

static void test_max_connections_refuses_when_nobody_can_give_way(void **unused)
{
    (void)unused;
    reopen(two_at_most);
    int a = fisher_new(), b = fisher_new(), c = fisher_new();
    fisher_ask(a, ERRAND_VERIFY, 5);
    fisher_ask(b, ERRAND_VERIFY, 5);
    fisher_send(c, ERRAND_VERIFY, 5);
    fisher_expect_silence(c);
    assert_string_equal(pond.why, "max_connections is reached");
    assert_int_equal(pond_counts().refused, 1);
    assert_int_equal(count(), 2);
    fisher_ask(c, ERRAND_ECHO, 5); /* as a stranger it is served all the same */
    close(a);
    close(b);
    close(c);
}

static void test_max_connections_lets_an_unproven_peer_give_way(void **unused)
{
    (void)unused;
    reopen(two_at_most);
    int a = fisher_new(), b = fisher_new(), c = fisher_new();
    fisher_ask(a, ERRAND_KNOWN, 5);
    fisher_ask(b, ERRAND_VERIFY, 5);
    fisher_ask(c, ERRAND_VERIFY, 5);
    assert_null(pond.peers[0]);
    assert_int_equal(count(), 2);
    close(a);
    close(b);
    close(c);
}

static void one_per_source(struct listener_settings *settings)
{
    settings->per_source = 1;
}

static void test_per_source_counts_peers_of_one_address(void **unused)
{
    (void)unused;
    reopen(one_per_source);
    int a = fisher_at(0x7f000001), b = fisher_at(0x7f000001), c = fisher_at(0x7f000002);
    fisher_ask(a, ERRAND_KNOWN, 5);
    fisher_ask(c, ERRAND_KNOWN, 5);
    fisher_send(b, ERRAND_KNOWN, 5);
    fisher_expect_silence(b);
    assert_string_equal(pond.why, "per_source is reached");
    uint8_t got[16];
    fisher_send(a, ERRAND_BYE, 1);
    fisher_receive(a, got, sizeof(got));
    fisher_ask(b, ERRAND_KNOWN, 5);
    close(a);
    close(b);
    close(c);
}

/* ---- what it costs ---- */

static int forger_new(void)
{
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&pond.address, pond.address_len), 0);
    return fd;
}

/* Sends from any address of this machine, and 127/8 are all its own. */
static void send_from(int fd, unsigned address, const void *bytes, size_t len)
{
    union {
        struct cmsghdr align;
        uint8_t room[CMSG_SPACE(sizeof(struct in_pktinfo))];
    } control = {.room = {0}};
    struct iovec vector = {(void *)bytes, len};
    struct msghdr message = {.msg_iov = &vector,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof(control)};
    struct in_pktinfo from = {.ipi_spec_dst.s_addr = htonl(address)};
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = IPPROTO_IP;
    header->cmsg_type = IP_PKTINFO;
    header->cmsg_len = CMSG_LEN(sizeof(from));
    memcpy(CMSG_DATA(header), &from, sizeof(from));
    assert_int_equal(sendmsg(fd, &message, 0), len);
}

static size_t in_use(void)
{
    return mallinfo2().uordblks;
}

static void test_a_million_datagrams_of_strangers_grow_no_memory(void **unused)
{
    (void)unused;
    enum { SOURCES = 50000, DATAGRAMS = 1000000, BURST = 64 };
    int fd = forger_new();
    for (int i = 0; i < BURST; i++)
        send_from(fd, 0x7f000002, "n", 1);
    until(pond.receives == BURST);
    size_t before = in_use();
    for (unsigned sent = BURST; sent < DATAGRAMS;) {
        for (int i = 0; i < BURST && sent < DATAGRAMS; i++)
            send_from(fd, 0x7f000002 + sent++ % SOURCES, "n", 1);
        loop_step(stage.loop, false);
    }
    until(pond.receives == DATAGRAMS);
    assert_int_equal(pond.opened, DATAGRAMS);
    assert_int_equal(pond.closed, DATAGRAMS);
    assert_true(in_use() <= before);
    close(fd);
}

static void test_an_idle_peer_costs_less_than_three_hundred_bytes(void **unused)
{
    (void)unused;
    enum { PEERS = 900 };
    int fd = forger_new();
    send_from(fd, 0x7f000002, "v", 1);
    until(pond.known == 1);
    stage_pass(5);
    size_t before = in_use();
    for (unsigned i = 1; i <= PEERS; i++) {
        send_from(fd, 0x7f000002 + i, "v", 1);
        loop_step(stage.loop, false);
    }
    until(pond.known == PEERS + 1);
    stage_pass(5);
    size_t each = (in_use() - before) / PEERS;
    print_message("%zu bytes for an idle peer, %zu of them the test's protocol's\n", each,
                  orders_protocol.state_size);
    assert_true(each < 300);
    close(fd);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, pond_setup, pond_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_a_stranger_is_answered_and_leaves_nothing),
        TEST(test_what_a_stranger_was_given_goes_with_it),
        TEST(test_a_stranger_may_be_closed_and_may_fail),
        TEST(test_whoever_is_known_stays_and_keeps_its_state),
        TEST(test_a_protocol_may_know_whoever_comes),
        TEST(test_a_known_peer_that_is_closed_is_a_stranger_again),
        TEST(test_a_known_peer_that_fails_goes),
        TEST(test_a_stop_tells_all_who_are_known),
        TEST(test_whoever_it_is_has_an_endpoint_and_an_address),
        TEST(test_an_idle_peer_is_forgotten),
        TEST(test_whoever_was_heard_is_not_idle),
        TEST(test_a_peer_that_waits_for_something_is_not_idle),
        TEST(test_idleness_may_be_unlimited),
        TEST(test_the_oldest_of_too_many_unproven_peers_gives_way),
        TEST(test_an_unproven_peer_that_was_just_heard_gives_way_later),
        TEST(test_max_connections_refuses_when_nobody_can_give_way),
        TEST(test_max_connections_lets_an_unproven_peer_give_way),
        TEST(test_per_source_counts_peers_of_one_address),
        TEST(test_a_million_datagrams_of_strangers_grow_no_memory),
        TEST(test_an_idle_peer_costs_less_than_three_hundred_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
