/* Tests the seam of transports/datagram_layer.h with a layer small enough to read.
 *
 * "sock" hides what it carries by XOR with 0x5a. A client says H and eight bytes more; it is told C
 * and a cookie that only its address has, and says H and that cookie: it is admitted, and told O
 * and the number of its connection. F ends the handshake. D, the number and hidden bytes are a
 * datagram, from whatever address; a hidden M at its beginning moves the peer there. P is an
 * answer to a place that has proven nothing, G a goodbye, X what it cannot bear, R a
 * retransmission. */
#include "tests/unit/transports/datagram_stage.h"

enum { KEY = 0x5a, NUMBERS = 256, COOKIE = 8 };

struct sock {
    uint8_t number;
    bool ready;
};

static struct peer *by_number[NUMBERS];
static uint8_t last_number;
static unsigned opened, closed, orderly, greeted, former_number;
static int open_error, send_error;
static unsigned alarm_ms;
static int shared_thing;

/* What only this address has. */
static void cookie_of(const struct endpoint *from, uint8_t cookie[COOKIE])
{
    memcpy(cookie, from->address + 12, 4);
    memcpy(cookie + 4, &from->port, 2);
    memcpy(cookie + 6, "ck", 2);
}

static int sock_share(const struct listener_settings *settings, void **shared, char *why,
                      size_t why_size)
{
    (void)settings;
    (void)why;
    (void)why_size;
    *shared = &shared_thing;
    return 0;
}

static void sock_unshare(void *shared)
{
    assert_ptr_equal(shared, &shared_thing);
}

static enum greeting sock_greet(void *shared, const struct endpoint *from, const void *former,
                                struct slice datagram, uint64_t now_ms, struct writer *answer,
                                struct peer **moved)
{
    uint8_t cookie[COOKIE];
    former_number = former ? ((const struct sock *)former)->number : 0;
    assert_ptr_equal(shared, &shared_thing);
    assert_true(now_ms > 0);
    greeted++;
    cookie_of(from, cookie);
    if (datagram.at[0] == 'D' && datagram.len > 1 && by_number[datagram.at[1]]) {
        *moved = by_number[datagram.at[1]];
        return GREET_MOVED;
    }
    if (datagram.at[0] != 'H')
        return GREET_IGNORE;
    if (datagram.len == 1 + COOKIE && memcmp(datagram.at + 1, cookie, COOKIE) == 0)
        return GREET_ADMIT;
    writer_u8(answer, 'C');
    writer_bytes(answer, slice_of(cookie, sizeof(cookie)));
    return GREET_ANSWER;
}

static int sock_open(struct peer *peer, void *state)
{
    struct sock *sock = state;
    assert_int_equal(sock->number, 0);
    assert_ptr_equal(datagram_shared(peer), &shared_thing);
    opened++;
    sock->number = ++last_number;
    by_number[sock->number] = peer;
    if (alarm_ms)
        datagram_alarm(peer, peer_now_ms(peer) + alarm_ms);
    return open_error;
}

static bool sock_begins(const struct peer *peer, const void *state, struct slice datagram)
{
    uint8_t number = ((const struct sock *)state)->number;
    (void)peer;
    return datagram.at[0] == 'H' ||
           (datagram.at[0] == 'D' && datagram.len > 1 && datagram.at[1] != number);
}

static enum datagram_result data_came(struct peer *peer, const struct endpoint *from,
                                      struct slice hidden, struct writer *plain)
{
    struct endpoint now;
    memcpy(&now, &peer_datagram(peer)->at, sizeof(now));
    if (!endpoint_equal(&now, from)) {
        if (hidden.len && (hidden.at[0] ^ KEY) == 'M')
            datagram_move(peer, from);
        else
            for (int i = 0; i < 5; i++) /* more than may be sent there */
                datagram_emit_to(peer, from, SLICE("Probing"));
    }
    for (size_t i = 0; i < hidden.len; i++)
        writer_u8(plain, hidden.at[i] ^ KEY);
    return DATAGRAM_PLAIN;
}

static enum datagram_result sock_receive(struct peer *peer, void *state,
                                         const struct endpoint *from, struct slice *wire,
                                         struct writer *plain)
{
    struct sock *sock = state;
    if (wire->len == 0)
        return DATAGRAM_NOTHING;
    switch (wire->at[0]) {
    case 'H':
        datagram_emit(peer, slice_of((uint8_t[]){'O', sock->number}, 2));
        return DATAGRAM_NOTHING;
    case 'F':
        sock->ready = true;
        datagram_alarm(peer, 0);
        return DATAGRAM_NOTHING;
    case 'D':
        return data_came(peer, from, slice_from(*wire, 2), plain);
    case 'G':
        return DATAGRAM_END;
    case 'X':
        peer_close(peer, "cannot bear it");
        return DATAGRAM_FAILED;
    default:
        return DATAGRAM_NOTHING;
    }
}

static int sock_send(struct peer *peer, void *state, struct slice plain)
{
    struct sock *sock = state;
    uint8_t wire[2000] = {'D', sock->number};
    if (send_error)
        return send_error;
    if (!sock->ready)
        return -EAGAIN;
    if (plain.len > sizeof(wire) - 2)
        return -EMSGSIZE;
    for (size_t i = 0; i < plain.len; i++)
        wire[2 + i] = plain.at[i] ^ KEY;
    datagram_emit(peer, slice_of(wire, 2 + plain.len));
    return 0;
}

static enum datagram_result sock_expired(struct peer *peer, void *state)
{
    (void)state;
    datagram_emit(peer, SLICE("R"));
    datagram_alarm(peer, peer_now_ms(peer) + alarm_ms);
    return DATAGRAM_NOTHING;
}

static size_t sock_room(const struct peer *peer, const void *state, size_t mtu)
{
    (void)peer;
    (void)state;
    return mtu - 2;
}

static void sock_close(struct peer *peer, void *state, bool with_goodbye)
{
    struct sock *sock = state;
    closed++;
    orderly += with_goodbye;
    if (by_number[sock->number] == peer)
        by_number[sock->number] = NULL;
    if (with_goodbye)
        datagram_emit(peer, SLICE("G"));
}

static const struct datagram_layer sock_layer = {
    .name = "sock",
    .state_size = sizeof(struct sock),
    .share = sock_share,
    .unshare = sock_unshare,
    .greet = sock_greet,
    .open = sock_open,
    .begins = sock_begins,
    .receive = sock_receive,
    .send = sock_send,
    .expired = sock_expired,
    .room = sock_room,
    .close = sock_close,
};

static const struct stack socks = {
    .name = "sock", .carrier = CARRIER_DATAGRAM, .datagram_layer = &sock_layer, .private = true};

static void reset(void)
{
    memset(by_number, 0, sizeof(by_number));
    last_number = 0;
    opened = closed = orderly = greeted = alarm_ms = 0;
    open_error = send_error = 0;
}

static int setup(void **unused)
{
    (void)unused;
    reset();
    pond_open(&socks, NULL);
    return 0;
}

static int teardown(void **unused)
{
    (void)unused;
    pond_close();
    assert_int_equal(opened, closed);
    return 0;
}

static void reopen(void (*change)(struct listener_settings *settings))
{
    pond_close();
    reset();
    pond_open(&socks, change);
}

/* ---- the client's half ---- */

static void tell(int fd, const void *bytes, size_t len)
{
    assert_int_equal(send(fd, bytes, len, 0), len);
}

/* Says hello with a cookie; returns the connection's number. */
static uint8_t knock(int fd)
{
    uint8_t cookie[64], answer[64];
    tell(fd, "H--------", 9);
    assert_int_equal(fisher_receive(fd, cookie, sizeof(cookie)), 9);
    assert_int_equal(cookie[0], 'C');
    cookie[0] = 'H';
    tell(fd, cookie, 9);
    assert_int_equal(fisher_receive(fd, answer, sizeof(answer)), 2);
    assert_int_equal(answer[0], 'O');
    return answer[1];
}

static uint8_t connect_up(int fd)
{
    uint8_t number = knock(fd);
    tell(fd, "F", 1);
    return number;
}

static void say(int fd, uint8_t number, const char *text)
{
    uint8_t wire[2000] = {'D', number};
    size_t len = strlen(text);
    for (size_t i = 0; i < len; i++)
        wire[2 + i] = (uint8_t)text[i] ^ KEY;
    tell(fd, wire, 2 + len);
}

static void hear(int fd, uint8_t number, const char *text)
{
    uint8_t wire[2000];
    size_t len = fisher_receive(fd, wire, sizeof(wire));
    assert_int_equal(len, 2 + strlen(text));
    assert_int_equal(wire[0], 'D');
    assert_int_equal(wire[1], number);
    for (size_t i = 2; i < len; i++)
        assert_int_equal(wire[i] ^ KEY, text[i - 2]);
}

static void hear_wire(int fd, const char *text)
{
    uint8_t wire[2000];
    assert_int_equal(fisher_receive(fd, wire, sizeof(wire)), strlen(text));
    assert_memory_equal(wire, text, strlen(text));
}

static size_t count(void)
{
    return listener_connections(pond.listener);
}

/* ---- tests ---- */

static void test_datagrams_go_through_both_ways(void **unused)
{
    (void)unused;
    int fd = fisher_new();
    uint8_t number = connect_up(fd);
    say(fd, number, "echo");
    hear(fd, number, "echo");
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
    tell(fd, "rubbish", 7);
    fisher_expect_silence(fd);
    assert_int_equal(pond_counts().ignored, 1);
    tell(fd, "H--------", 9);
    fisher_receive(fd, answer, sizeof(answer));
    assert_int_equal(opened, 0);
    assert_int_equal(pond.opened, 0);
    tell(fd, "H", 1); /* the answer would be longer than the question */
    fisher_expect_silence(fd);
    assert_int_equal(pond_counts().unproven, 1);
    close(fd);
}

static void test_a_cookie_is_good_for_its_address_only(void **unused)
{
    (void)unused;
    int a = fisher_new(), b = fisher_new();
    uint8_t cookie[64];
    tell(a, "H--------", 9);
    fisher_receive(a, cookie, sizeof(cookie));
    cookie[0] = 'H';
    tell(b, cookie, 9);
    fisher_receive(b, cookie, sizeof(cookie));
    assert_int_equal(cookie[0], 'C');
    assert_int_equal(opened, 0);
    close(a);
    close(b);
}

static void test_what_is_said_too_early_is_dropped_and_counted(void **unused)
{
    (void)unused;
    int fd = fisher_new();
    uint8_t number = knock(fd);
    say(fd, number, "echo"); /* it may be heard, and not answered yet */
    fisher_expect_silence(fd);
    assert_int_equal(pond_counts().unready, 1);
    close(fd);
}

static void test_the_goodbye_of_either_end_closes(void **unused)
{
    (void)unused;
    int fd = fisher_new();
    uint8_t number = connect_up(fd);
    tell(fd, "G", 1);
    hear_wire(fd, "G");
    assert_string_equal(pond.why, "peer closed the connection");
    assert_int_equal(count(), 0);
    number = connect_up(fd);
    say(fd, number, "b");
    hear(fd, number, "bye");
    hear_wire(fd, "G");
    assert_string_equal(pond.why, "as it was asked to");
    assert_int_equal(orderly, 2);
    close(fd);
}

static void test_a_layer_that_fails_closes(void **unused)
{
    (void)unused;
    int fd = fisher_new();
    uint8_t number = connect_up(fd);
    tell(fd, "X", 1);
    until(count() == 0);
    assert_string_equal(pond.why, "cannot bear it");
    hear_wire(fd, "G");
    number = connect_up(fd);
    send_error = -EIO;
    say(fd, number, "e");
    until(count() == 0);
    assert_string_equal(pond.why, "sock failed");
    assert_int_equal(orderly, 1);
    open_error = -ENOMEM;
    uint8_t cookie[64];
    tell(fd, "H--------", 9);
    fisher_receive(fd, cookie, sizeof(cookie));
    cookie[0] = 'H';
    tell(fd, cookie, 9);
    until(closed == 3);
    assert_int_equal(pond.opened, 2); /* the protocol has not heard of it */
    close(fd);
}

static void test_the_layer_has_an_alarm(void **unused)
{
    (void)unused;
    alarm_ms = 20;
    int fd = fisher_new();
    knock(fd);
    hear_wire(fd, "R");
    hear_wire(fd, "R");
    tell(fd, "F", 1);
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
    reopen(hurried);
    int a = fisher_new(), b = fisher_new();
    knock(a);
    uint8_t number = connect_up(b);
    say(b, number, "n");
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
    reopen(few_per_prefix);
    int fds[4];
    uint8_t cookie[64];
    for (int i = 0; i < 3; i++) {
        fds[i] = fisher_new();
        knock(fds[i]);
    }
    fds[3] = fisher_new();
    tell(fds[3], "H--------", 9);
    fisher_receive(fds[3], cookie, sizeof(cookie));
    cookie[0] = 'H';
    tell(fds[3], cookie, 9);
    fisher_expect_silence(fds[3]);
    assert_int_equal(pond_counts().refused, 1);
    say(fds[0], 1, "n"); /* one is through: there is room again */
    until(pond.receives == 1);
    connect_up(fds[3]);
    tell(fds[1], "G", 1);
    until(count() == 3);
    assert_int_equal(pond.listener->port->prefixes.count, 1);
    for (int i = 0; i < 4; i++)
        close(fds[i]);
}

static void test_a_connection_follows_its_number(void **unused)
{
    (void)unused;
    int before = fisher_new(), after = fisher_new();
    uint8_t number = connect_up(before), old[PEER_ENDPOINT_SIZE];
    say(before, number, "e1");
    hear(before, number, "e1");
    struct peer *peer = pond.last;
    memcpy(old, pond.endpoint, sizeof(old));
    say(after, number, "M");
    hear(after, number, "M");
    assert_ptr_equal(pond.last, peer);
    assert_true(memcmp(old, pond.endpoint, sizeof(old)) != 0);
    say(after, number, "e2");
    hear(after, number, "e2");
    assert_int_equal(opened, 1);
    tell(before, "rubbish", 7); /* nobody is there any more */
    fisher_expect_silence(before);
    assert_int_equal(pond_counts().ignored, 1);
    close(before);
    close(after);
}

static void test_a_place_that_has_proven_nothing_gets_three_times_its_bytes(void **unused)
{
    (void)unused;
    int before = fisher_new(), after = fisher_new();
    uint8_t number = connect_up(before);
    say(after, number, "n34"); /* five bytes: two probes of seven, and not five */
    hear_wire(after, "Probing");
    hear_wire(after, "Probing");
    fisher_expect_silence(after);
    assert_int_equal(pond_counts().unproven, 3);
    say(after, number, "echo"); /* the answer goes to where the peer is */
    hear(before, number, "echo");
    close(before);
    close(after);
}

static void test_a_peer_that_moves_to_the_place_of_another_takes_it(void **unused)
{
    (void)unused;
    int a = fisher_new(), b = fisher_new();
    uint8_t first = connect_up(a), second = connect_up(b);
    say(a, first, "n");
    say(b, second, "n");
    until(pond.receives == 2);
    say(b, first, "M"); /* from b's address, and in the name of a */
    until(count() == 1);
    assert_string_equal(pond.why, "its address belongs to somebody else now");
    for (int i = 0; i < 2; i++) { /* and the goodbye to the one that was there */
        uint8_t got[16];
        size_t len = fisher_receive(b, got, sizeof(got));
        assert_true((len == 1 && got[0] == 'G') || (len == 3 && got[1] == first));
    }
    say(b, first, "e");
    hear(b, first, "e");
    close(a);
    close(b);
}

static void test_whoever_begins_anew_proves_itself_before_the_former_goes(void **unused)
{
    (void)unused;
    int fd = fisher_new();
    uint8_t first = connect_up(fd), cookie[64], answer[64];
    say(fd, first, "n");
    until(pond.receives == 1);
    tell(fd, "H--------", 9); /* anybody can forge that */
    fisher_receive(fd, cookie, sizeof(cookie));
    assert_int_equal(cookie[0], 'C');
    assert_int_equal(former_number, first); /* the layer is told who is there */
    say(fd, first, "e");
    hear(fd, first, "e");
    cookie[0] = 'H';
    tell(fd, cookie, 9);
    fisher_receive(fd, answer, sizeof(answer));
    assert_int_equal(answer[0], 'O');
    assert_string_equal(pond.why, "its address began anew");
    assert_int_equal(orderly, 0);
    assert_int_equal(count(), 1);
    close(fd);
}

static void test_what_waits_for_a_promise_goes_through_the_layer_later(void **unused)
{
    (void)unused;
    int fd = fisher_new();
    uint8_t number = connect_up(fd);
    pond.promise = 3;
    say(fd, number, "a-held");
    fisher_expect_silence(fd);
    say(fd, number, "e");
    hear(fd, number, "e");
    loop_enter(stage.loop);
    loop_keep(stage.loop, 3);
    hear(fd, number, "a-held");
    close(fd);
}

static void test_a_peer_that_goes_stays_for_what_waits(void **unused)
{
    (void)unused;
    int fd = fisher_new();
    uint8_t number = connect_up(fd);
    pond.promise = 3;
    say(fd, number, "a-held");
    say(fd, number, "b");
    until(pond.closed == 1);
    hear(fd, number, "bye");
    fisher_expect_silence(fd);
    assert_int_equal(closed, 0);
    loop_enter(stage.loop);
    loop_keep(stage.loop, 3);
    hear(fd, number, "a-held");
    hear_wire(fd, "G");
    assert_int_equal(count(), 0);
    /* And three seconds at most, when the promise is not kept. */
    number = connect_up(fd);
    pond.promise = 4;
    say(fd, number, "a-held");
    say(fd, number, "b");
    hear(fd, number, "bye");
    hear_wire(fd, "G");
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
    uint8_t number = connect_up(fd);
    say(fd, number, "n");
    until(pond.receives == 1);
    pond.tired = 2;
    say(fd, number, "e1");
    say(fd, number, "e2");
    hear(fd, number, "e1");
    hear(fd, number, "e2");
    assert_int_equal(pond.receives, 5);
    pond.tired = 1; /* and the peer may go meanwhile */
    say(fd, number, "e3");
    until(pond.receives == 6);
    loop_enter(stage.loop);
    peer_close(pond.last, "went away");
    loop_leave(stage.loop);
    hear_wire(fd, "G");
    assert_int_equal(pond.receives, 6);
    close(fd);
}

static void test_a_stop_says_goodbye(void **unused)
{
    (void)unused;
    int fd = fisher_new();
    uint8_t number = connect_up(fd);
    say(fd, number, "n");
    until(pond.receives == 1);
    listener_stop(pond.listener);
    hear(fd, number, "stopping");
    hear_wire(fd, "G");
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
    alarm_ms = 3;
    for (int i = 0; i < FISHERS; i++)
        fds[i] = fisher_new();
    for (int step = 0; step < STEPS; step++) {
        int i = rand() % FISHERS;
        uint8_t wire[64] = {(uint8_t)wires[(size_t)rand() % (sizeof(wires) - 1)],
                            (uint8_t)(last_number - rand() % FISHERS)};
        wire[2] = (uint8_t)errands[(size_t)rand() % (sizeof(errands) - 1)] ^ KEY;
        if (wire[0] == 'H' && cookies[i][0] && rand() % 2)
            memcpy(wire, cookies[i], sizeof(cookies[i]));
        pond.promise = kept + (uint64_t)(rand() % 3);
        pond.times = (unsigned)rand() % 4;
        pond.tired = rand() % 20 == 0;
        if (last_number == NUMBERS - 2)
            last_number = 0; /* numbers of those that have gone long since */
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
    assert_true(opened > 100 && pond.receives > 1000);
    for (int i = 0; i < FISHERS; i++)
        close(fds[i]);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
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
