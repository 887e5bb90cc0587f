/* Tests what leaves a port: how much an unproven address may be sent, batches, promises, and a
 * kernel that takes no more. */
#include "tests/unit/transports/datagram_stage.h"

#include "broker/message.h"
#include <arpa/inet.h>

/* ---- a kernel that can be told to refuse ---- */

static int refusal;        /* errno of the next calls of sendmmsg; 0: none */
static int refusals;       /* how many of them */
static unsigned taken_max; /* datagrams taken by one call; 0: all */
static unsigned calls, with_address;

int __real_sendmmsg(int fd, struct mmsghdr *headers, unsigned count, int flags);
int __wrap_sendmmsg(int fd, struct mmsghdr *headers, unsigned count, int flags);

int __wrap_sendmmsg(int fd, struct mmsghdr *headers, unsigned count, int flags)
{
    calls++;
    with_address += headers[0].msg_hdr.msg_controllen > 0;
    if (refusals > 0) {
        refusals--;
        errno = refusal;
        return -1;
    }
    return __real_sendmmsg(fd, headers, taken_max && count > taken_max ? taken_max : count, flags);
}

static int setup(void **unused)
{
    refusal = refusals = 0;
    taken_max = calls = with_address = 0;
    return pond_setup(unused);
}

/* ---- unproven addresses ---- */

static void ask_for(int fd, unsigned times, size_t each, size_t len)
{
    uint8_t bytes[2000] = {ERRAND_MUCH, (uint8_t)(each >> 8), (uint8_t)each};
    unsigned before = pond.receives;
    pond.times = times;
    assert_int_equal(send(fd, bytes, len, 0), len);
    until(pond.receives == before + 1);
}

static unsigned answers(int fd)
{
    uint8_t got[65536];
    unsigned n = 0;
    stage_pass(5);
    while (recv(fd, got, sizeof(got), 0) >= 0)
        n++;
    return n;
}

static void test_a_stranger_gets_one_answer_three_times_as_long_at_most(void **unused)
{
    (void)unused;
    int fd = fisher_new();
    ask_for(fd, 1, 30, 10);
    assert_int_equal(pond.allowance, 30);
    assert_int_equal(answers(fd), 1);
    ask_for(fd, 1, 31, 10);
    assert_int_equal(answers(fd), 0);
    ask_for(fd, 2, 10, 10);
    assert_int_equal(answers(fd), 1);
    assert_int_equal(pond_counts().unproven, 2);
    close(fd);
}

static void test_a_known_peer_saves_up_bytes_and_no_datagrams(void **unused)
{
    (void)unused;
    int fd = fisher_new();
    fisher_ask(fd, ERRAND_KNOWN, 100);
    for (int i = 0; i < 3; i++) {
        fisher_send(fd, ERRAND_NOTHING, 100);
        until(pond.receives == 2u + (unsigned)i);
    }
    assert_int_equal(pond.allowance, 1100);
    ask_for(fd, 5, 100, 10);
    assert_int_equal(answers(fd), 1);
    assert_int_equal(pond_counts().unproven, 4);
    close(fd);
}

static void test_after_a_second_of_silence_there_may_be_one_more(void **unused)
{
    (void)unused;
    int fd = fisher_new(), other = fisher_new();
    fisher_ask(fd, ERRAND_KNOWN, 100);
    struct peer *peer = pond.last;
    uint64_t allowed = peer_allowed_ms(peer), now = peer_now_ms(peer);
    assert_int_equal(peer_allowance(peer), 0);
    assert_true(allowed > now && allowed <= now + 1000);
    stage_pass(1050);
    fisher_ask(other, ERRAND_KNOWN, 5);
    assert_int_equal(peer_allowance(peer), 200);
    fisher_send(other, ERRAND_ALL, 80);
    assert_int_equal(answers(fd), 1);
    assert_int_equal(peer_allowance(peer), 0);
    assert_int_equal(peer_allowed_ms(peer), UINT64_MAX);
    stage_pass(1050);
    fisher_send(other, ERRAND_ALL, 80);
    assert_int_equal(answers(fd), 0);
    close(fd);
    close(other);
}

static void test_an_answer_that_was_not_given_is_not_added_to_that(void **unused)
{
    (void)unused;
    int fd = fisher_new(), other = fisher_new();
    fisher_ask(fd, ERRAND_KNOWN, 100);
    struct peer *peer = pond.last;
    unsigned before = pond.receives;
    fisher_send(fd, ERRAND_NOTHING, 100);
    until(pond.receives == before + 1);
    assert_int_equal(peer_allowance(peer), 500);
    stage_pass(1050);
    fisher_ask(other, ERRAND_VERIFY, 5);
    for (unsigned i = 0; i < 3; i++) {
        fisher_send(other, ERRAND_ALL, 80);
        assert_int_equal(answers(fd), i == 0);
    }
    close(fd);
    close(other);
}

static void test_who_may_soon_give_way_is_told_apart(void **unused)
{
    (void)unused;
    int first = fisher_new(), second = fisher_new(), third = fisher_new();
    pond.listener->strangers_max = 2;
    fisher_ask(first, ERRAND_KNOWN, 5);
    assert_false(peer_may_give_way(pond.last));
    fisher_ask(second, ERRAND_VERIFY, 5);
    assert_false(peer_may_give_way(pond.last));
    fisher_ask(third, ERRAND_KNOWN, 5);
    assert_true(peer_may_give_way(pond.last));
    close(first);
    close(second);
    close(third);
}

static void test_a_verified_peer_may_be_sent_anything(void **unused)
{
    (void)unused;
    int fd = fisher_new();
    fisher_ask(fd, ERRAND_VERIFY, 5);
    assert_int_equal(peer_allowance(pond.last), SIZE_MAX);
    assert_true(peer_is_verified(pond.last));
    ask_for(fd, 20, 1000, 3);
    assert_int_equal(answers(fd), 20);
    close(fd);
}

static void test_whoever_proves_itself_may_be_sent_more_at_once(void **unused)
{
    (void)unused;
    int fd = fisher_new();
    fisher_ask(fd, ERRAND_PROOF, 5); /* and is forgotten */
    ask_for(fd, 1, 1000, 3);
    assert_int_equal(answers(fd), 0);
    close(fd);
}

/* ---- batches ---- */

static void test_all_datagrams_of_a_turn_leave_together_and_in_order(void **unused)
{
    (void)unused;
    uint8_t got[2000];
    int fd = fisher_new();
    fisher_ask(fd, ERRAND_VERIFY, 5);
    calls = 0;
    ask_for(fd, 64, 100, 3);
    for (unsigned i = 0; i < 64; i++) {
        assert_int_equal(fisher_receive(fd, got, sizeof(got)), 100);
        assert_int_equal(got[0], 'A' + i % 26);
    }
    assert_int_equal(calls, 2);
    assert_int_equal(pond_counts().sent, 65);
    assert_int_equal(stage.stats.bytes_sent, 5 + 6400);
    assert_int_equal(peer_backlog(pond.last), 0);
    close(fd);
}

static void test_a_kernel_may_take_a_part_of_a_batch(void **unused)
{
    (void)unused;
    int fd = fisher_new();
    fisher_ask(fd, ERRAND_VERIFY, 5);
    taken_max = 3;
    ask_for(fd, 50, 100, 3);
    assert_int_equal(answers(fd), 50);
    assert_int_equal(pond_counts().sent, 51);
    close(fd);
}

static void test_dropped_datagrams_stand_in_nobodys_way(void **unused)
{
    (void)unused;
    int proven = fisher_new(), fd = fisher_new();
    fisher_ask(proven, ERRAND_VERIFY, 5);
    fisher_ask(fd, ERRAND_KNOWN, 5);
    for (int i = 0; i < 100; i++) /* to both, and the second may not have any */
        fisher_send(proven, ERRAND_ALL, 20);
    assert_int_equal(answers(proven), 100);
    assert_int_equal(answers(fd), 0);
    assert_int_equal(pond_counts().unproven, 100);
    close(proven);
    close(fd);
}

static void test_large_and_shared_payloads_are_one_datagram(void **unused)
{
    (void)unused;
    static uint8_t payload[60000];
    uint8_t got[65536];
    struct message borrowed = {.topic = (const uint8_t *)"t",
                               .topic_len = 1,
                               .payload = payload,
                               .payload_len = sizeof(payload)};
    pond.message = message_hold(&borrowed);
    message_end(&borrowed);
    int fd = fisher_new();
    fisher_ask(fd, ERRAND_VERIFY, 5);
    fisher_send(fd, ERRAND_SHARED, 1);
    assert_int_equal(fisher_receive(fd, got, sizeof(got)), 60000);
    assert_int_equal(pond.message->refs, 1);
    message_unref(pond.message);
    ask_for(fd, 1, 65507, 3);
    assert_int_equal(fisher_receive(fd, got, sizeof(got)), 65507);
    ask_for(fd, 1, 65508, 3);
    assert_int_equal(answers(fd), 0);
    assert_int_equal(pond_counts().send_failed, 1);
    close(fd);
}

/* ---- refusals ---- */

static void test_a_datagram_that_cannot_be_sent_stops_no_other(void **unused)
{
    (void)unused;
    int fd = fisher_new();
    fisher_ask(fd, ERRAND_VERIFY, 5);
    refusal = EPERM;
    refusals = 2;
    ask_for(fd, 10, 100, 3);
    assert_int_equal(answers(fd), 8);
    assert_int_equal(pond_counts().send_failed, 2);
    assert_int_equal(peer_backlog(pond.last), 0);
    close(fd);
}

static void test_an_interrupted_call_is_made_again(void **unused)
{
    (void)unused;
    int fd = fisher_new();
    refusal = EINTR;
    refusals = 1;
    fisher_ask(fd, ERRAND_ECHO, 5);
    assert_int_equal(pond_counts().send_failed, 0);
    close(fd);
}

static void test_what_the_kernel_does_not_take_waits_until_it_does(void **unused)
{
    (void)unused;
    int fd = fisher_new();
    fisher_ask(fd, ERRAND_VERIFY, 5);
    refusal = EAGAIN;
    refusals = 1;
    ask_for(fd, 10, 100, 3);
    assert_int_equal(answers(fd), 10);
    assert_int_equal(refusals, 0);
    assert_int_equal(calls, 3);
    assert_false(pond.listener->port->blocked);
    close(fd);
}

static void small_buffer(struct listener_settings *settings)
{
    settings->out_buffer = 4096;
}

static void test_no_more_than_out_buffer_waits_for_the_kernel(void **unused)
{
    (void)unused;
    pond_close();
    pond_open(NULL, small_buffer);
    int fd = fisher_new();
    fisher_ask(fd, ERRAND_VERIFY, 5);
    refusal = EAGAIN;
    refusals = 1000000;
    ask_for(fd, 1, 1000, 3);
    until(pond.listener->port->blocked);
    ask_for(fd, 9, 1000, 3);
    struct peer *peer = pond.last;
    assert_true(peer_is_full(peer));
    assert_int_equal(peer_backlog(peer), 5000);
    assert_int_equal(pond_counts().crowded, 5);
    assert_int_equal(pond.drained, 0);
    refusals = 0;
    until(pond.drained == 1);
    assert_int_equal(answers(fd), 5);
    assert_int_equal(peer_backlog(peer), 0);
    assert_false(peer_is_full(peer));
    close(fd);
}

static void test_one_turn_may_say_any_amount(void **unused)
{
    (void)unused;
    pond_close();
    pond_open(NULL, small_buffer);
    int fd = fisher_new();
    fisher_ask(fd, ERRAND_VERIFY, 5);
    ask_for(fd, 60, 1000, 3);
    assert_int_equal(answers(fd), 60);
    assert_int_equal(pond_counts().crowded, 0);
    close(fd);
}

static void test_a_peer_that_goes_leaves_its_datagrams_to_the_kernel(void **unused)
{
    (void)unused;
    int fd = fisher_new();
    fisher_ask(fd, ERRAND_VERIFY, 5);
    refusal = EAGAIN;
    refusals = 1000000;
    ask_for(fd, 3, 1000, 3);
    fisher_send(fd, ERRAND_BYE, 1);
    until(pond.closed == 1);
    assert_int_equal(listener_connections(pond.listener), 0);
    refusals = 0;
    assert_int_equal(answers(fd), 4);
    close(fd);
}

static void test_peers_that_have_gone_cost_one_look_each_at_what_is_queued(void **unused)
{
    (void)unused;
    enum { PEERS = 200 };
    int fds[PEERS];
    refusal = EAGAIN;
    refusals = 1000000;
    for (int i = 0; i < PEERS; i++) {
        fds[i] = fisher_new();
        fisher_send(fds[i], ERRAND_VERIFY, 5);
        until(pond.known == (unsigned)i + 1);
    }
    for (int i = 0; i < PEERS; i++)
        fisher_send(fds[i], ERRAND_BYE, 1);
    until(pond.closed == PEERS);
    assert_int_equal(listener_connections(pond.listener), 0);
    fisher_send(fds[0], ERRAND_VERIFY, 5); /* somebody new in the old place */
    until(pond.known == PEERS + 1);
    refusals = 0;
    for (int i = 0; i < PEERS; i++) {
        assert_int_equal(answers(fds[i]), i ? 2 : 3);
        close(fds[i]);
    }
}

static void test_what_a_peer_that_has_gone_still_waits_with_goes_with_the_listener(void **unused)
{
    (void)unused;
    int fd = fisher_new();
    fisher_ask(fd, ERRAND_VERIFY, 5);
    pond.promise = 7;
    fisher_send(fd, ERRAND_AWAIT, 9);
    fisher_send(fd, ERRAND_BYE, 1);
    until(pond.closed == 1);
    pond_close(); /* and nothing is left behind: it looks */
    pond_open(NULL, NULL);
    close(fd);
}

static void test_nobody_hears_an_error_of_the_network(void **unused)
{
    (void)unused;
    int fd = fisher_new(), other = fisher_new();
    fisher_ask(fd, ERRAND_VERIFY, 5);
    close(fd); /* what is sent there now comes back as an ICMP message */
    for (int i = 0; i < 10; i++) {
        fisher_send(other, ERRAND_ALL, 9);
        stage_pass(2);
    }
    fisher_ask(other, ERRAND_ECHO, 9);
    assert_int_equal(pond_counts().send_failed, 0);
    assert_int_equal(pond_counts().useless, 0);
    assert_int_equal(pond.closed, 11); /* strangers only */
    close(other);
}

/* An answer from an address that has been taken off this machine is refused with EINVAL. */
static void test_an_answer_from_an_address_that_has_gone_leaves_from_another(void **unused)
{
    (void)unused;
    pond_close();
    assert_true(pond_open_at("0.0.0.0:0", NULL, NULL));
    int fd = fisher_new();
    fisher_ask(fd, ERRAND_VERIFY, 5);
    assert_int_equal(with_address, 1);
    refusal = EINVAL;
    refusals = 1;
    fisher_ask(fd, ERRAND_ECHO, 5);
    assert_int_equal(with_address, 2); /* the first attempt, and not the second */
    assert_int_equal(pond_counts().send_failed, 0);
    close(fd);
}

/* ---- promises ---- */

static void keep(uint64_t promise)
{
    loop_enter(stage.loop);
    loop_keep(stage.loop, promise);
}

static void test_an_answer_waits_for_its_promise(void **unused)
{
    (void)unused;
    int fd = fisher_new();
    fisher_ask(fd, ERRAND_VERIFY, 5);
    pond.promise = 7;
    fisher_send(fd, ERRAND_AWAIT, 50);
    fisher_expect_silence(fd);
    assert_int_equal(peer_backlog(pond.last), 50);
    fisher_ask(fd, ERRAND_ECHO, 8); /* what has no promise overtakes it */
    keep(6);
    fisher_expect_silence(fd);
    keep(7);
    fisher_expect(fd, ERRAND_AWAIT, 50);
    assert_int_equal(peer_backlog(pond.last), 0);
    fisher_ask(fd, ERRAND_AWAIT, 9); /* kept already */
    close(fd);
}

static void test_answers_keep_their_order_whatever_they_wait_for(void **unused)
{
    (void)unused;
    int fd = fisher_new();
    fisher_ask(fd, ERRAND_VERIFY, 5);
    const uint64_t promises[] = {3, 2, 0, 5};
    for (size_t i = 0; i < 4; i++) {
        pond.promise = promises[i];
        fisher_send(fd, ERRAND_AWAIT, 10 + i);
        stage_pass(2);
    }
    keep(2);
    fisher_expect_silence(fd);
    keep(3);
    fisher_expect(fd, ERRAND_AWAIT, 10);
    fisher_expect(fd, ERRAND_AWAIT, 11);
    fisher_expect(fd, ERRAND_AWAIT, 12);
    fisher_expect_silence(fd);
    keep(5);
    fisher_expect(fd, ERRAND_AWAIT, 13);
    close(fd);
}

static void test_nothing_overtakes_a_barrier(void **unused)
{
    (void)unused;
    int fd = fisher_new(), other = fisher_new();
    fisher_ask(fd, ERRAND_VERIFY, 5);
    pond.promise = 4;
    fisher_send(fd, ERRAND_BAR, 20);
    fisher_send(fd, ERRAND_ECHO, 21);
    fisher_expect_silence(fd);
    fisher_ask(other, ERRAND_VERIFY, 9); /* whoever has none does not wait */
    keep(4);
    fisher_expect(fd, ERRAND_BAR, 20);
    fisher_expect(fd, ERRAND_ECHO, 21);
    fisher_ask(fd, ERRAND_ECHO, 22);
    close(fd);
    close(other);
}

static void test_the_answer_to_a_stranger_waits_though_the_stranger_has_gone(void **unused)
{
    (void)unused;
    int fd = fisher_new(), peer = fisher_new();
    pond.promise = 9;
    fisher_send(fd, ERRAND_AWAIT, 30);
    fisher_ask(peer, ERRAND_VERIFY, 5);
    fisher_send(peer, ERRAND_AWAIT, 40);
    stage_pass(2);
    fisher_send(peer, ERRAND_BYE, 1); /* and a peer that has gone meanwhile */
    until(pond.closed == 2);
    assert_int_equal(listener_connections(pond.listener), 0);
    keep(9);
    fisher_expect(fd, ERRAND_AWAIT, 30);
    uint8_t got[64];
    assert_int_equal(fisher_receive(peer, got, sizeof(got)), 3);
    fisher_expect(peer, ERRAND_AWAIT, 40);
    close(fd);
    close(peer);
}

static void test_what_waits_is_bounded(void **unused)
{
    (void)unused;
    pond_close();
    pond_open(NULL, small_buffer);
    enum { LENGTH = 60000, MOST = (8 << 20) / LENGTH + 1 };
    int fd = fisher_new(), peer = fisher_new();
    pond.promise = 1;
    fisher_ask(peer, ERRAND_VERIFY, 5);
    for (int i = 0; i < 10; i++) /* of one peer, as much as it may leave unread */
        fisher_send(peer, ERRAND_AWAIT, 1000);
    until(pond.receives == 11);
    assert_int_equal(peer_backlog(pond.last), 5000);
    assert_int_equal(pond_counts().crowded, 5);
    for (unsigned i = 0; i < MOST + 5; i++) { /* of all together, 8 MiB */
        fisher_send(fd, ERRAND_AWAIT, LENGTH);
        until(pond.receives == 12 + i);
    }
    assert_int_equal(pond_counts().crowded, 5 + 5);
    keep(1);
    assert_int_equal(answers(peer), 5);
    fisher_expect(fd, ERRAND_AWAIT, LENGTH);
    close(fd);
    close(peer);
}

static void test_what_waits_at_the_end_is_not_sent(void **unused)
{
    (void)unused;
    int fd = fisher_new();
    pond.promise = 1;
    fisher_ask(fd, ERRAND_VERIFY, 5);
    fisher_send(fd, ERRAND_AWAIT, 1000);
    until(pond.receives == 2);
    close(fd); /* pond_close checks that nothing is left */
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, pond_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_a_stranger_gets_one_answer_three_times_as_long_at_most),
        TEST(test_a_known_peer_saves_up_bytes_and_no_datagrams),
        TEST(test_after_a_second_of_silence_there_may_be_one_more),
        TEST(test_an_answer_that_was_not_given_is_not_added_to_that),
        TEST(test_who_may_soon_give_way_is_told_apart),
        TEST(test_a_verified_peer_may_be_sent_anything),
        TEST(test_whoever_proves_itself_may_be_sent_more_at_once),
        TEST(test_all_datagrams_of_a_turn_leave_together_and_in_order),
        TEST(test_a_kernel_may_take_a_part_of_a_batch),
        TEST(test_dropped_datagrams_stand_in_nobodys_way),
        TEST(test_large_and_shared_payloads_are_one_datagram),
        TEST(test_a_datagram_that_cannot_be_sent_stops_no_other),
        TEST(test_an_interrupted_call_is_made_again),
        TEST(test_what_the_kernel_does_not_take_waits_until_it_does),
        TEST(test_no_more_than_out_buffer_waits_for_the_kernel),
        TEST(test_one_turn_may_say_any_amount),
        TEST(test_a_peer_that_goes_leaves_its_datagrams_to_the_kernel),
        TEST(test_peers_that_have_gone_cost_one_look_each_at_what_is_queued),
        TEST(test_what_a_peer_that_has_gone_still_waits_with_goes_with_the_listener),
        TEST(test_nobody_hears_an_error_of_the_network),
        TEST(test_an_answer_from_an_address_that_has_gone_leaves_from_another),
        TEST(test_an_answer_waits_for_its_promise),
        TEST(test_answers_keep_their_order_whatever_they_wait_for),
        TEST(test_nothing_overtakes_a_barrier),
        TEST(test_the_answer_to_a_stranger_waits_though_the_stranger_has_gone),
        TEST(test_what_waits_is_bounded),
        TEST(test_what_waits_at_the_end_is_not_sent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
