/* Tests transports/peer_output.c and the sending half of peer.c: from what was appended to the
 * socket. */
#include "tests/unit/transports/stage.h"

#include "broker/message.h"
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>

/* Makes stage.message, with a payload of that many bytes. */
static void message_of(uint32_t len)
{
    uint8_t *payload = malloc(len);
    for (uint32_t i = 0; i < len; i++)
        payload[i] = (uint8_t)(i * 13);
    struct message borrowed = {
        .topic = (const uint8_t *)"t", .topic_len = 1, .payload = payload, .payload_len = len};
    stage.message = message_hold(&borrowed);
    message_end(&borrowed);
    free(payload);
}

static void small_buffers(struct listener_settings *settings)
{
    settings->out_buffer = 16 << 10;
    settings->stall_timeout = 300;
}

/* Fills what the kernel takes for a client that does not read, until the peer is full. */
static void fill(struct peer *peer)
{
    static uint8_t bytes[8 << 10];
    while (!peer_is_full(peer)) {
        peer_send(peer, slice_of(bytes, sizeof(bytes)));
        loop_step(stage.loop, false);
    }
}

static void test_each_peer_is_flushed_once_per_turn(void **unused)
{
    (void)unused;
    enum { CLIENTS = 50, PACKETS = 20 };
    int fds[CLIENTS];
    for (int i = 0; i < CLIENTS; i++)
        fds[i] = client_open();
    uint8_t *frame = frame_new(ORDER_ALL, 30), *all = malloc(PACKETS * 34);
    for (int i = 0; i < PACKETS; i++)
        memcpy(all + 34 * i, frame, 34);
    uint64_t sends = loop_counts(stage.loop).sends;
    assert_int_equal(send(fds[0], all, PACKETS * 34, 0), PACKETS * 34);
    until(stage.packets == PACKETS);
    for (int i = 0; i < CLIENTS; i++)
        for (int n = 0; n < PACKETS; n++)
            client_expect_frame(fds[i], ORDER_ALL, 30);
    assert_int_equal(loop_counts(stage.loop).sends, sends + CLIENTS);
    assert_int_equal(stage.stats.bytes_sent, CLIENTS * PACKETS * 34);
    for (int i = 0; i < CLIENTS; i++)
        close(fds[i]);
    free(frame);
    free(all);
}

static void test_an_idle_peer_owns_no_chunks(void **unused)
{
    (void)unused;
    int fd = client_open();
    client_send_frame(fd, ORDER_ECHO, 5000);
    client_expect_frame(fd, ORDER_ECHO, 5000);
    assert_null(peer_stream(stage.peers[0])->out.head);
    assert_int_equal(stage.loop->chunks.bytes_used, 0);
    close(fd);
}

static void test_memory_of_a_burst_falls_back(void **unused)
{
    (void)unused;
    int fd = client_open();
    for (int i = 0; i < 20; i++)
        client_send_frame(fd, ORDER_ECHO, 5000);
    for (int i = 0; i < 20; i++)
        client_expect_frame(fd, ORDER_ECHO, 5000);
    assert_true(loop_counts(stage.loop).send_buffers > 0);
    until(loop_counts(stage.loop).send_buffers == 0);
    assert_false(timer_is_set(&stage.loop->trim));
    close(fd);
}

static void test_too_much_in_one_turn_is_flushed_early_and_never_inside_receive(void **unused)
{
    (void)unused;
    int fds[40];
    for (int i = 0; i < 40; i++)
        fds[i] = client_open();
    uint8_t *frame = frame_new(ORDER_ALL, 10000);
    assert_int_equal(send(fds[0], frame, 10004, 0), 10004); /* 400 KB out */
    until(stage.packets == 1);
    assert_int_equal(loop_counts(stage.loop).early_flushes, 1);
    assert_int_equal(stage.loop->appended, 0);
    for (int i = 0; i < 40; i++) {
        client_expect_frame(fds[i], ORDER_ALL, 10000);
        close(fds[i]);
    }
    free(frame);
}

static void test_large_payloads_go_by_reference_and_small_ones_by_copy(void **unused)
{
    (void)unused;
    int fds[3];
    for (int i = 0; i < 3; i++)
        fds[i] = client_open();
    message_of(100000);
    client_send_frame(fds[0], ORDER_SHARED, 1);
    uint8_t *got = malloc(100000);
    for (int i = 0; i < 3; i++) {
        client_receive(fds[i], got, 100000);
        assert_memory_equal(got, stage.message->payload, 100000);
    }
    free(got);
    assert_int_equal(stage.message->refs, 1);
    peer_send_shared(stage.peers[0], message_payload(stage.message), stage.message);
    assert_int_equal(stage.message->refs, 2);
    peer_send_shared(stage.peers[0], slice_of(stage.message->payload, 2047), stage.message);
    assert_int_equal(stage.message->refs, 2);
    peer_send_shared(stage.peers[0], slice_of(stage.message->payload + 9, 2048), stage.message);
    assert_int_equal(stage.message->refs, 3);
    got = malloc(100000 + 2047 + 2048);
    client_receive(fds[0], got, 100000 + 2047 + 2048);
    assert_memory_equal(got + 100000, stage.message->payload, 2047);
    assert_memory_equal(got + 102047, stage.message->payload + 9, 2048);
    assert_int_equal(stage.message->refs, 1);
    free(got);
    message_unref(stage.message);
    for (int i = 0; i < 3; i++)
        close(fds[i]);
}

static void test_references_of_a_lost_peer_are_given_back(void **unused)
{
    (void)unused;
    int fd = client_connect(4096);
    until(stage.opened == 1);
    message_of(1 << 20);
    client_send_frame(fd, ORDER_SHARED, 1);
    for (int i = 0; i < 20; i++)
        peer_send_shared(stage.peers[0], message_payload(stage.message), stage.message);
    stage_step();
    assert_true(stage.message->refs > 1);
    close(fd);
    until(stage.stats.sockets == 0);
    assert_int_equal(stage.message->refs, 1);
    message_unref(stage.message);
}

static void test_partial_writes_lose_nothing(void **unused)
{
    (void)unused;
    int fd = client_connect(4096);
    until(stage.opened == 1);
    int sndbuf = 4096;
    setsockopt(peer_fd(stage.peers[0]), SOL_SOCKET, SO_SNDBUF, &sndbuf, sizeof(sndbuf));
    message_of(30000);
    uint8_t *got = malloc(30000);
    for (uint32_t len = 1; len < 60000; len += 7919) {
        uint8_t *frame = frame_new(ORDER_ECHO, len);
        peer_send(stage.peers[0], slice_of(frame, FRAME_HEADER + len));
        peer_send_shared(stage.peers[0], message_payload(stage.message), stage.message);
        free(frame);
    }
    stage_step();
    assert_true(stage.peers[0]->flags & PEER_BLOCKED);
    for (uint32_t len = 1; len < 60000; len += 7919) {
        client_expect_frame(fd, ORDER_ECHO, len);
        client_receive(fd, got, 30000);
        assert_memory_equal(got, stage.message->payload, 30000);
    }
    assert_int_equal(peer_backlog(stage.peers[0]), 0);
    assert_false(stage.peers[0]->flags & (PEER_BLOCKED | PEER_WATCH_WRITE));
    free(got);
    message_unref(stage.message);
    close(fd);
}

static void test_reserved_room_is_exact_and_contiguous_at_any_size(void **unused)
{
    (void)unused;
    int fd = client_open();
    static const size_t lens[] = {1, 447, 448, 449, 4031, 4032, 4033, 16320, 16321, 70000, 3 << 20};
    size_t sum = 0, count = sizeof(lens) / sizeof(lens[0]);
    for (size_t i = 0; i < count; i++) {
        uint8_t *to = peer_reserve(stage.peers[0], lens[i]);
        assert_non_null(to);
        memset(to, (int)i, lens[i]);
        sum += lens[i];
        assert_int_equal(peer_backlog(stage.peers[0]), sum);
    }
    uint8_t *got = malloc(sum), *at = got;
    client_receive(fd, got, sum);
    for (size_t i = 0; i < count; i++)
        for (size_t n = 0; n < lens[i]; n++)
            assert_int_equal(*at++, i);
    free(got);
    close(fd);
}

static void test_a_full_peer_is_told_once_when_there_is_room_again(void **unused)
{
    (void)unused;
    int fd = client_connect(4096);
    until(stage.opened == 1);
    struct peer *peer = stage.peers[0];
    fill(peer);
    size_t all = stage.stats.bytes_sent + peer_backlog(peer);
    assert_int_equal(stage.drained, 0);
    stage_pass(20);
    assert_int_equal(stage.drained, 0);
    uint8_t *got = malloc(all);
    client_receive(fd, got, all);
    until(peer_backlog(peer) == 0);
    assert_int_equal(stage.drained, 1);
    assert_null(peer->strain);
    client_send_frame(fd, ORDER_ECHO, 10);
    client_expect_frame(fd, ORDER_ECHO, 10);
    assert_int_equal(stage.drained, 1);
    free(got);
    close(fd);
}

static void test_a_peer_that_was_full_for_less_than_a_turn_is_told_too(void **unused)
{
    (void)unused;
    int fd = client_open();
    struct peer *peer = stage.peers[0];
    memset(peer_reserve(peer, 20 << 10), 0, 20 << 10);
    assert_true(peer_is_full(peer));
    until(stage.drained == 1);
    close(fd);
}

static void refill(struct stage *self, struct peer *peer)
{
    if (self->drained < 100)
        memset(peer_reserve(peer, 20 << 10), 'r', 20 << 10);
}

static void test_drained_may_append_again_and_all_of_it_arrives(void **unused)
{
    (void)unused;
    int fd = client_open();
    stage.on_drained = refill;
    memset(peer_reserve(stage.peers[0], 20 << 10), 'r', 20 << 10);
    uint8_t *got = malloc(100 * (20 << 10));
    client_receive(fd, got, 100 * (20 << 10));
    until(stage.drained == 100);
    free(got);
    close(fd);
}

static void test_a_full_peer_that_reads_nothing_is_closed(void **unused)
{
    (void)unused;
    int fd = client_connect(4096);
    until(stage.opened == 1);
    fill(stage.peers[0]);
    uint64_t begin = uv_hrtime();
    until(stage.closed == 1);
    assert_true(uv_hrtime() - begin > UINT64_C(200000000));
    assert_non_null(strstr(stage.why, "does not read"));
    assert_int_equal(listener_counts(stage.listener).stalled, 1);
    until(stage.stats.sockets == 0); /* and not another three seconds for the flush */
    assert_true(uv_hrtime() - begin < UINT64_C(2000000000));
    close(fd);
}

static void test_a_full_peer_that_reads_slowly_is_not_closed(void **unused)
{
    (void)unused;
    int fd = client_connect(4096);
    until(stage.opened == 1);
    struct peer *peer = stage.peers[0];
    for (int i = 0; i < 30; i++) {
        char some[100000];
        fill(peer);
        stage_pass(30);
        recv(fd, some, sizeof(some), MSG_DONTWAIT);
    }
    assert_int_equal(stage.closed, 0);
    close(fd);
}

/* vuln-37 */
static void test_who_asks_much_and_never_reads_is_not_read_either(void **unused)
{
    (void)unused;
    int fd = client_connect(4096);
    until(stage.opened == 1);
    struct peer *peer = stage.peers[0];
    int sndbuf = 4096;
    setsockopt(peer_fd(peer), SOL_SOCKET, SO_SNDBUF, &sndbuf, sizeof(sndbuf));
    uint8_t *frame = frame_new(ORDER_ECHO, 1000);
    size_t asked = 0;
    for (int i = 0; i < 400; i++) {
        ssize_t sent = send(fd, frame, 1004, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent < 1004)
            break;
        asked++;
        loop_step(stage.loop, false);
    }
    assert_true(peer->flags & PEER_PAUSED);
    assert_true(peer_backlog(peer) <= 2 * (16 << 10) + LOOP_READ_MAX);
    assert_true(stage.packets < asked);
    for (size_t i = 0; i < asked; i++)
        client_expect_frame(fd, ORDER_ECHO, 1000);
    assert_false(peer->flags & PEER_PAUSED);
    assert_int_equal(stage.packets, asked);
    free(frame);
    close(fd);
}

static void test_accepted_sockets_send_at_once(void **unused)
{
    (void)unused;
    int fd = client_open(), on = 0;
    socklen_t length = sizeof(on);
    assert_int_equal(getsockopt(peer_fd(stage.peers[0]), IPPROTO_TCP, TCP_NODELAY, &on, &length),
                     0);
    assert_true(on);
    close(fd);
}

static int setup_small(void **unused)
{
    (void)unused;
    stage_open(NULL, small_buffers);
    return 0;
}

int main(void)
{
#define TEST(f)       cmocka_unit_test_setup_teardown(f, stage_setup, stage_teardown)
#define TEST_SMALL(f) cmocka_unit_test_setup_teardown(f, setup_small, stage_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_each_peer_is_flushed_once_per_turn),
        TEST(test_an_idle_peer_owns_no_chunks),
        TEST(test_memory_of_a_burst_falls_back),
        TEST(test_too_much_in_one_turn_is_flushed_early_and_never_inside_receive),
        TEST(test_large_payloads_go_by_reference_and_small_ones_by_copy),
        TEST(test_references_of_a_lost_peer_are_given_back),
        TEST(test_partial_writes_lose_nothing),
        TEST(test_reserved_room_is_exact_and_contiguous_at_any_size),
        TEST_SMALL(test_a_full_peer_is_told_once_when_there_is_room_again),
        TEST_SMALL(test_a_peer_that_was_full_for_less_than_a_turn_is_told_too),
        TEST_SMALL(test_drained_may_append_again_and_all_of_it_arrives),
        TEST_SMALL(test_a_full_peer_that_reads_nothing_is_closed),
        TEST_SMALL(test_a_full_peer_that_reads_slowly_is_not_closed),
        TEST_SMALL(test_who_asks_much_and_never_reads_is_not_read_either),
        TEST(test_accepted_sockets_send_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
