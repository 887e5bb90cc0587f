/* Tests the seam of transports/datagram_layer.h with a layer small enough to read, sock_layer. */
#include "tests/unit/transports/sock_layer.h"

static size_t count(void)
{
    return listener_connections(pond.listener);
}

static void test_datagrams_go_through_both_ways(void **unused)
{
    (void)unused;
    int fd = fisher_new();
    uint8_t number = sock_connect_up(fd);
    sock_say(fd, number, "echo");
    sock_hear(fd, number, "echo");
    assert_int_equal(pond.most, DATAGRAM_MAX - 2);
    assert_int_equal(pond.allowance, SIZE_MAX);
    assert_true(peer_is_private(pond.last));
    assert_true(peer_is_verified(pond.last));
    assert_int_equal(count(), 1);
    close(fd);
}

static void test_a_stranger_leaves_no_trace(void **unused)
{
    (void)unused;
    int fd = fisher_new();
    uint8_t answer[64];
    sock_tell(fd, "rubbish", 7);
    fisher_expect_silence(fd);
    assert_int_equal(pond_counts().ignored, 1);
    sock_tell(fd, "H--------", 9);
    fisher_receive(fd, answer, sizeof(answer));
    assert_int_equal(socks.opened, 0);
    assert_int_equal(pond.opened, 0);
    sock_tell(fd, "H", 1); /* the answer would be longer than the question */
    fisher_expect_silence(fd);
    assert_int_equal(pond_counts().unproven, 1);
    close(fd);
}

static void test_a_cookie_is_good_for_its_address_only(void **unused)
{
    (void)unused;
    int a = fisher_new(), b = fisher_new();
    uint8_t cookie[64];
    sock_tell(a, "H--------", 9);
    fisher_receive(a, cookie, sizeof(cookie));
    cookie[0] = 'H';
    sock_tell(b, cookie, 9);
    fisher_receive(b, cookie, sizeof(cookie));
    assert_int_equal(cookie[0], 'C');
    assert_int_equal(socks.opened, 0);
    close(a);
    close(b);
}

static void test_what_is_said_too_early_is_dropped_and_counted(void **unused)
{
    (void)unused;
    int fd = fisher_new();
    uint8_t number = sock_knock(fd);
    sock_say(fd, number, "echo"); /* it may be heard, and not answered yet */
    fisher_expect_silence(fd);
    assert_int_equal(pond_counts().unready, 1);
    close(fd);
}

static void test_the_goodbye_of_either_end_closes(void **unused)
{
    (void)unused;
    int fd = fisher_new();
    uint8_t number = sock_connect_up(fd);
    sock_tell(fd, "G", 1);
    sock_hear_wire(fd, "G");
    assert_string_equal(pond.why, "peer closed the connection");
    assert_int_equal(count(), 0);
    number = sock_connect_up(fd);
    sock_say(fd, number, "b");
    sock_hear(fd, number, "bye");
    sock_hear_wire(fd, "G");
    assert_string_equal(pond.why, "as it was asked to");
    assert_int_equal(socks.orderly, 2);
    close(fd);
}

static void test_a_layer_that_fails_closes(void **unused)
{
    (void)unused;
    int fd = fisher_new();
    uint8_t number = sock_connect_up(fd);
    sock_tell(fd, "X", 1);
    until(count() == 0);
    assert_string_equal(pond.why, "cannot bear it");
    sock_hear_wire(fd, "G");
    number = sock_connect_up(fd);
    socks.send_error = -EIO;
    sock_say(fd, number, "e");
    until(count() == 0);
    assert_string_equal(pond.why, "sock failed");
    assert_int_equal(socks.orderly, 1);
    socks.open_error = -ENOMEM;
    uint8_t cookie[64];
    sock_tell(fd, "H--------", 9);
    fisher_receive(fd, cookie, sizeof(cookie));
    cookie[0] = 'H';
    sock_tell(fd, cookie, 9);
    until(socks.closed == 3);
    assert_int_equal(pond.opened, 2); /* the protocol has not heard of it */
    close(fd);
}

static void test_the_layer_has_an_alarm(void **unused)
{
    (void)unused;
    socks.alarm_ms = 20;
    int fd = fisher_new();
    sock_knock(fd);
    sock_hear_wire(fd, "R");
    sock_hear_wire(fd, "R");
    sock_tell(fd, "F", 1);
    stage_pass(50);
    uint8_t rest[16];
    while (recv(fd, rest, sizeof(rest), 0) >= 0)
        ;
    stage_pass(50);
    fisher_expect_silence(fd);
    close(fd);
}

static void hurried(struct listener_settings *settings)
{
    settings->tls.handshake_timeout = 300;
}

static void test_a_handshake_takes_only_so_long(void **unused)
{
    (void)unused;
    sock_reopen_pond(hurried);
    int a = fisher_new(), b = fisher_new();
    sock_knock(a);
    uint8_t number = sock_connect_up(b);
    sock_say(b, number, "n");
    until(pond.receives == 1);
    until(count() == 1);
    assert_string_equal(pond.why, "handshake took too long");
    stage_pass(1200);
    assert_int_equal(count(), 1);
    close(a);
    close(b);
}

static void few_per_prefix(struct listener_settings *settings)
{
    settings->handshakes_per_prefix = 3;
}

static void test_a_part_of_the_net_has_only_so_many_handshakes(void **unused)
{
    (void)unused;
    sock_reopen_pond(few_per_prefix);
    int fds[4];
    uint8_t cookie[64];
    for (int i = 0; i < 3; i++) {
        fds[i] = fisher_new();
        sock_knock(fds[i]);
    }
    fds[3] = fisher_new();
    sock_tell(fds[3], "H--------", 9);
    fisher_receive(fds[3], cookie, sizeof(cookie));
    cookie[0] = 'H';
    sock_tell(fds[3], cookie, 9);
    fisher_expect_silence(fds[3]);
    assert_int_equal(pond_counts().refused, 1);
    sock_say(fds[0], 1, "n"); /* one is through: there is room again */
    until(pond.receives == 1);
    sock_connect_up(fds[3]);
    sock_tell(fds[1], "G", 1);
    until(count() == 3);
    assert_int_equal(pond.listener->port->prefixes.count, 1);
    for (int i = 0; i < 4; i++)
        close(fds[i]);
}

static void test_a_connection_follows_its_number(void **unused)
{
    (void)unused;
    int before = fisher_new(), after = fisher_new();
    uint8_t number = sock_connect_up(before), old[PEER_ENDPOINT_SIZE];
    sock_say(before, number, "e1");
    sock_hear(before, number, "e1");
    struct peer *peer = pond.last;
    memcpy(old, pond.endpoint, sizeof(old));
    sock_say(after, number, "M");
    sock_hear(after, number, "M");
    assert_ptr_equal(pond.last, peer);
    assert_true(memcmp(old, pond.endpoint, sizeof(old)) != 0);
    sock_say(after, number, "e2");
    sock_hear(after, number, "e2");
    assert_int_equal(socks.opened, 1);
    sock_tell(before, "rubbish", 7); /* nobody is there any more */
    fisher_expect_silence(before);
    assert_int_equal(pond_counts().ignored, 1);
    close(before);
    close(after);
}

static void test_what_the_layer_does_not_believe_takes_nobodys_place(void **unused)
{
    (void)unused;
    int before = fisher_new(), after = fisher_new(), third = fisher_new();
    uint8_t number = sock_connect_up(before);
    sock_say(after, number, "n, and some more of which there is enough");
    for (int i = 0; i < 5; i++)
        sock_hear_wire(after, "Probing");
    sock_say(third, number, "Bent, and in the name of that peer");
    fisher_expect_silence(third);
    sock_say(before, number, "nTell the other place");
    sock_hear_wire(after, "Probing");
    fisher_expect_silence(third);
    assert_int_equal(pond_counts().unproven, 0);
    close(before);
    close(after);
    close(third);
}

static void test_a_place_that_has_proven_nothing_gets_three_times_its_bytes(void **unused)
{
    (void)unused;
    int before = fisher_new(), after = fisher_new();
    uint8_t number = sock_connect_up(before);
    sock_say(after, number, "n34"); /* five bytes: two probes of seven, and not five */
    sock_hear_wire(after, "Probing");
    sock_hear_wire(after, "Probing");
    fisher_expect_silence(after);
    assert_int_equal(pond_counts().unproven, 3);
    sock_say(after, number, "echo"); /* the answer goes to where the peer is */
    sock_hear(before, number, "echo");
    close(before);
    close(after);
}

static void test_a_peer_that_moves_to_the_place_of_another_takes_it(void **unused)
{
    (void)unused;
    int a = fisher_new(), b = fisher_new();
    uint8_t first = sock_connect_up(a), second = sock_connect_up(b);
    sock_say(a, first, "n");
    sock_say(b, second, "n");
    until(pond.receives == 2);
    sock_say(b, first, "M"); /* from b's address, and in the name of a */
    until(count() == 1);
    assert_string_equal(pond.why, "its address belongs to somebody else now");
    for (int i = 0; i < 2; i++) { /* and the goodbye to the one that was there */
        uint8_t got[16];
        size_t len = fisher_receive(b, got, sizeof(got));
        assert_true((len == 1 && got[0] == 'G') || (len == 3 && got[1] == first));
    }
    sock_say(b, first, "e");
    sock_hear(b, first, "e");
    close(a);
    close(b);
}

static void test_whoever_begins_anew_proves_itself_before_the_former_goes(void **unused)
{
    (void)unused;
    int fd = fisher_new();
    uint8_t first = sock_connect_up(fd), cookie[64], answer[64];
    sock_say(fd, first, "n");
    until(pond.receives == 1);
    sock_tell(fd, "H--------", 9); /* anybody can forge that */
    fisher_receive(fd, cookie, sizeof(cookie));
    assert_int_equal(cookie[0], 'C');
    assert_int_equal(socks.former_number, first); /* the layer is told who is there */
    sock_say(fd, first, "e");
    sock_hear(fd, first, "e");
    cookie[0] = 'H';
    sock_tell(fd, cookie, 9);
    fisher_receive(fd, answer, sizeof(answer));
    assert_int_equal(answer[0], 'O');
    assert_string_equal(pond.why, "its address began anew");
    assert_int_equal(socks.orderly, 0);
    assert_int_equal(count(), 1);
    close(fd);
}

static void test_what_waits_for_a_promise_goes_through_the_layer_later(void **unused)
{
    (void)unused;
    int fd = fisher_new();
    uint8_t number = sock_connect_up(fd);
    pond.promise = 3;
    sock_say(fd, number, "a-held");
    fisher_expect_silence(fd);
    sock_say(fd, number, "e");
    sock_hear(fd, number, "e");
    loop_enter(stage.loop);
    loop_keep(stage.loop, 3);
    sock_hear(fd, number, "a-held");
    close(fd);
}

static void test_a_peer_that_goes_stays_for_what_waits(void **unused)
{
    (void)unused;
    int fd = fisher_new();
    uint8_t number = sock_connect_up(fd);
    pond.promise = 3;
    sock_say(fd, number, "a-held");
    sock_say(fd, number, "b");
    until(pond.closed == 1);
    sock_hear(fd, number, "bye");
    fisher_expect_silence(fd);
    assert_int_equal(socks.closed, 0);
    loop_enter(stage.loop);
    loop_keep(stage.loop, 3);
    sock_hear(fd, number, "a-held");
    sock_hear_wire(fd, "G");
    assert_int_equal(count(), 0);
    /* And three seconds at most, when the promise is not kept. */
    number = sock_connect_up(fd);
    pond.promise = 4;
    sock_say(fd, number, "a-held");
    sock_say(fd, number, "b");
    sock_hear(fd, number, "bye");
    sock_hear_wire(fd, "G");
    assert_int_equal(count(), 0);
    loop_enter(stage.loop);
    loop_keep(stage.loop, 4);
    fisher_expect_silence(fd);
    close(fd);
}

static void test_another_turn_may_be_asked_for(void **unused)
{
    (void)unused;
    int fd = fisher_new();
    uint8_t number = sock_connect_up(fd);
    sock_say(fd, number, "n");
    until(pond.receives == 1);
    pond.tired = 2;
    sock_say(fd, number, "e1");
    sock_say(fd, number, "e2");
    sock_hear(fd, number, "e1");
    sock_hear(fd, number, "e2");
    assert_int_equal(pond.receives, 5);
    pond.tired = 1; /* and the peer may go meanwhile */
    sock_say(fd, number, "e3");
    until(pond.receives == 6);
    loop_enter(stage.loop);
    peer_close(pond.last, "went away");
    loop_leave(stage.loop);
    sock_hear_wire(fd, "G");
    assert_int_equal(pond.receives, 6);
    close(fd);
}

static void test_a_stop_says_goodbye(void **unused)
{
    (void)unused;
    int fd = fisher_new();
    uint8_t number = sock_connect_up(fd);
    sock_say(fd, number, "n");
    until(pond.receives == 1);
    listener_stop(pond.listener);
    sock_hear(fd, number, "stopping");
    sock_hear_wire(fd, "G");
    until(count() == 0);
    close(fd);
}

/* ---- everything at once ---- */

static void test_a_storm_of_anything_leaves_nothing_behind(void **unused)
{
    (void)unused;
    enum { FISHERS = 12, STEPS = 20000 };
    static const char wires[] = "HHHFFDDDDDDDDGXRrubbish";
    static const char errands[] = "eeekkvpbmmarMMn";
    int fds[FISHERS];
    uint8_t rest[2000], cookies[FISHERS][9] = {{0}};
    uint64_t kept = 0;
    srand(7);
    socks.alarm_ms = 3;
    for (int i = 0; i < FISHERS; i++)
        fds[i] = fisher_new();
    for (int step = 0; step < STEPS; step++) {
        int i = rand() % FISHERS;
        uint8_t wire[64] = {(uint8_t)wires[(size_t)rand() % (sizeof(wires) - 1)],
                            (uint8_t)(socks.last_number - rand() % FISHERS)};
        wire[2] = (uint8_t)errands[(size_t)rand() % (sizeof(errands) - 1)] ^ SOCK_KEY;
        if (wire[0] == 'H' && cookies[i][0] && rand() % 2)
            memcpy(wire, cookies[i], sizeof(cookies[i]));
        pond.promise = kept + (uint64_t)(rand() % 3);
        pond.times = (unsigned)rand() % 4;
        pond.tired = rand() % 20 == 0;
        if (socks.last_number == SOCK_NUMBERS - 2)
            socks.last_number = 0; /* numbers of those that have gone long since */
        (void)send(fds[i], wire, wire[0] == 'H' ? 9 : 3 + (size_t)rand() % 40, 0);
        if (rand() % 4 == 0) {
            loop_enter(stage.loop);
            loop_keep(stage.loop, kept += (uint64_t)(rand() % 2));
        }
        loop_step(stage.loop, false);
        for (int n = 0; n < FISHERS; n++)
            while (recv(fds[n], rest, sizeof(rest), 0) > 0)
                if (rest[0] == 'C') {
                    memcpy(cookies[n], rest, 9);
                    cookies[n][0] = 'H';
                }
    }
    assert_true(socks.opened > 100 && pond.receives > 1000);
    for (int i = 0; i < FISHERS; i++)
        close(fds[i]);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, sock_setup, sock_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_datagrams_go_through_both_ways),
        TEST(test_a_stranger_leaves_no_trace),
        TEST(test_a_cookie_is_good_for_its_address_only),
        TEST(test_what_is_said_too_early_is_dropped_and_counted),
        TEST(test_the_goodbye_of_either_end_closes),
        TEST(test_a_layer_that_fails_closes),
        TEST(test_the_layer_has_an_alarm),
        TEST(test_a_handshake_takes_only_so_long),
        TEST(test_a_part_of_the_net_has_only_so_many_handshakes),
        TEST(test_a_connection_follows_its_number),
        TEST(test_what_the_layer_does_not_believe_takes_nobodys_place),
        TEST(test_a_place_that_has_proven_nothing_gets_three_times_its_bytes),
        TEST(test_a_peer_that_moves_to_the_place_of_another_takes_it),
        TEST(test_whoever_begins_anew_proves_itself_before_the_former_goes),
        TEST(test_what_waits_for_a_promise_goes_through_the_layer_later),
        TEST(test_a_peer_that_goes_stays_for_what_waits),
        TEST(test_another_turn_may_be_asked_for),
        TEST(test_a_stop_says_goodbye),
        TEST(test_a_storm_of_anything_leaves_nothing_behind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
