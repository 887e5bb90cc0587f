/* Tests transports/peer_input.c: from the socket to the protocol. */
#include "tests/unit/transports/stage.h"

#include <poll.h>

static void test_a_packet_comes_back(void **unused)
{
    (void)unused;
    int fd = client_open();
    client_send_frame(fd, ORDER_ECHO, 100);
    client_expect_frame(fd, ORDER_ECHO, 100);
    assert_int_equal(stage.stats.bytes_received, 104);
    assert_int_equal(stage.stats.bytes_sent, 104);
    close(fd);
    until(stage.closed == 1);
    assert_string_equal(stage.why, "peer closed the connection");
    until(stage.stats.sockets == 0);
}

static void test_packets_may_be_cut_anywhere(void **unused)
{
    (void)unused;
    int fd = client_open();
    uint8_t all[3 * 24], *frame = frame_new(ORDER_ECHO, 20);
    for (int i = 0; i < 3; i++)
        memcpy(all + 24 * i, frame, 24);
    for (size_t cut = 1; cut < sizeof(all); cut++) {
        client_send(fd, all, cut);
        until(stage.stats.bytes_received % sizeof(all) == cut);
        client_send(fd, all + cut, sizeof(all) - cut);
        for (int i = 0; i < 3; i++)
            client_expect_frame(fd, ORDER_ECHO, 20);
    }
    for (size_t i = 0; i < sizeof(all); i++) {
        client_send(fd, all + i, 1);
        until(stage.stats.bytes_received % sizeof(all) == (i + 1) % sizeof(all));
    }
    for (int i = 0; i < 3; i++)
        client_expect_frame(fd, ORDER_ECHO, 20);
    free(frame);
    close(fd);
}

static void test_many_packets_in_one_read_are_one_receive(void **unused)
{
    (void)unused;
    int fd = client_open();
    uint8_t *frame = frame_new(ORDER_SWALLOW, 60), *all = malloc(500 * 64);
    for (size_t i = 0; i < 500; i++)
        memcpy(all + 64 * i, frame, 64);
    assert_int_equal(send(fd, all, 500 * 64, 0), 500 * 64);
    until(stage.packets == 500);
    assert_true(stage.receives <= 2);
    free(frame);
    free(all);
    close(fd);
}

static void test_an_incomplete_packet_is_kept_and_its_memory_freed(void **unused)
{
    (void)unused;
    int fd = client_open();
    uint8_t *frame = frame_new(ORDER_ECHO, 500);
    struct peer *peer = stage.peers[0];
    assert_null(peer_stream(peer)->in.at);
    client_send(fd, frame, 300);
    until(stage.receives == 1);
    assert_int_equal(peer_stream(peer)->in.len, 300);
    assert_true(peer_stream(peer)->in.cap <= 1024);
    client_send(fd, frame + 300, 204);
    client_expect_frame(fd, ORDER_ECHO, 500);
    assert_null(peer_stream(peer)->in.at);
    free(frame);
    close(fd);
}

/* vuln-03 */
static void test_memory_grows_with_what_has_arrived_and_not_with_what_is_claimed(void **unused)
{
    (void)unused;
    int fd = client_open();
    const uint8_t claim[] = {0x0f, 0xff, 0xff, 0xff, ORDER_SWALLOW, 1, 2, 3};
    client_send(fd, claim, sizeof(claim));
    until(stage.receives == 1);
    assert_int_equal(peer_stream(stage.peers[0])->in.len, 8);
    assert_true(peer_stream(stage.peers[0])->in.cap <= 64);
    uint8_t *more = calloc(1, 1 << 20);
    client_send(fd, more, 1 << 20);
    until(stage.stats.bytes_received == sizeof(claim) + (1 << 20));
    assert_int_equal(peer_stream(stage.peers[0])->in.len, sizeof(claim) + (1 << 20));
    assert_true(peer_stream(stage.peers[0])->in.cap <= 4 << 20);
    free(more);
    close(fd);
}

/* How long a packet of that many bytes takes, in CPU time of the whole test; the least of three. */
static uint64_t time_of_packet(int fd, uint32_t len)
{
    uint64_t best = UINT64_MAX;
    uint8_t *frame = frame_new(ORDER_SWALLOW, len);
    for (int i = 0; i < 3; i++) {
        unsigned before = stage.packets;
        clock_t begin = clock();
        client_send(fd, frame, FRAME_HEADER + len);
        until(stage.packets == before + 1);
        uint64_t took = (uint64_t)(clock() - begin);
        best = took < best ? took : best;
    }
    free(frame);
    return best;
}

static void test_the_work_for_a_large_packet_is_linear(void **unused)
{
    (void)unused;
    int fd = client_open();
    uint64_t small = time_of_packet(fd, 1 << 20), large = time_of_packet(fd, 32 << 20);
    /* Linear is 32 times as long, quadratic 1024 times. */
    assert_true(large < 200 * (small + 500));
    assert_null(peer_stream(stage.peers[0])->in.at);
    close(fd);
}

static void test_crumbs_of_a_packet_are_not_copied_again_and_again(void **unused)
{
    (void)unused;
    int fd = client_open();
    uint8_t *frame = frame_new(ORDER_ECHO, 30000);
    size_t at = 20000;
    client_send(fd, frame, at);
    until(stage.stats.bytes_received == at);
    for (; at < 30004; at += 4) {
        client_send(fd, frame + at, 4);
        if (at == 20004)
            until(stage.peers[0]->flags & PEER_DRIBBLES);
    }
    client_expect_frame(fd, ORDER_ECHO, 30000);
    assert_false(stage.peers[0]->flags & PEER_DRIBBLES);
    assert_null(peer_stream(stage.peers[0])->in.at);
    free(frame);
    close(fd);
}

static void test_large_packets_in_a_row_arrive_whole(void **unused)
{
    (void)unused;
    int fd = client_open();
    static const uint32_t lens[] = {65532, 65533,  131068, 200000, 1,
                                    70000, 300000, 12,     65000,  999999};
    for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++)
        client_send_frame(fd, ORDER_SWALLOW, lens[i]);
    for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
        client_send_frame(fd, ORDER_ECHO, lens[i]);
        client_expect_frame(fd, ORDER_ECHO, lens[i]);
    }
    assert_int_equal(stage.packets, 20);
    assert_null(peer_stream(stage.peers[0])->in.at);
    close(fd);
}

static void test_what_came_before_a_fin_is_processed_and_answered(void **unused)
{
    (void)unused;
    int fd = client_connect(0);
    uint8_t *frame = frame_new(ORDER_ECHO, 40);
    assert_int_equal(send(fd, frame, 44, 0), 44);
    shutdown(fd, SHUT_WR);
    client_expect_frame(fd, ORDER_ECHO, 40);
    until(stage.closed == 1);
    assert_int_equal(stage.packets, 1);
    assert_string_equal(stage.why, "peer closed the connection");
    char rest[4];
    assert_int_equal(client_receive_end(fd, rest, sizeof(rest)), 0);
    free(frame);
    close(fd);
}

/* vuln-32: an acknowledgement right before a close must not get lost, even when what we send
 * meanwhile is answered with a reset. */
static void test_what_came_before_a_reset_is_processed(void **unused)
{
    (void)unused;
    int fd = client_open();
    uint8_t *frame = frame_new(ORDER_SWALLOW, 40);
    peer_send(stage.peers[0], SLICE("a delivery that the client does not read"));
    peer_output_due(stage.peers[0]);
    stage_step();
    assert_int_equal(send(fd, frame, 44, 0), 44);
    close(fd); /* with unread bytes: a reset */
    until(stage.closed == 1);
    assert_int_equal(stage.packets, 1);
    assert_string_equal(stage.why, "peer reset the connection");
    free(frame);
}

static void test_what_came_before_a_failed_send_is_processed(void **unused)
{
    (void)unused;
    int fd = client_open();
    uint8_t *frame = frame_new(ORDER_SWALLOW, 40);
    assert_int_equal(send(fd, frame, 44, 0), 44);
    close(fd);
    usleep(1000);
    /* The client is gone and its packet not yet read; flush twice, so that the second meets the
     * reset. */
    struct peer *peer = stage.peers[0];
    peer_send(peer, SLICE("one"));
    peer_output_flush(peer);
    usleep(1000);
    peer_send(peer, SLICE("two"));
    peer_output_flush(peer);
    assert_true(peer->flags & PEER_BROKEN);
    assert_int_equal(stage.closed, 0);
    until(stage.closed == 1);
    assert_int_equal(stage.packets, 1);
    free(frame);
}

static void test_a_failed_receive_closes_after_the_answer(void **unused)
{
    (void)unused;
    int fd = client_open();
    char said[16];
    client_send_frame(fd, ORDER_FAIL, 1);
    assert_int_equal(client_receive_end(fd, said, sizeof(said)), 5);
    assert_memory_equal(said, "sorry", 5);
    assert_string_equal(stage.why, "frames error");
    close(fd);
}

static void test_one_peer_with_much_to_say_does_not_keep_others_waiting(void **unused)
{
    (void)unused;
    int loud = client_open(), quiet = client_open();
    uint8_t *flood = calloc(1, 4 << 20), *frame = frame_new(ORDER_ECHO, 8);
    const uint8_t header[] = {0, 0x40, 0, 0};
    assert_int_equal(send(loud, header, 4, 0), 4);
    ssize_t queued = send(loud, flood, 4 << 20, MSG_DONTWAIT);
    assert_true(queued > 0);
    assert_int_equal(send(quiet, frame, 12, 0), 12);
    usleep(1000);
    loop_step(stage.loop, false);
    loop_step(stage.loop, false);
    assert_true(stage.stats.bytes_received <= 2 * 4 * LOOP_READ_MAX + 12);
    struct pollfd ready = {.fd = quiet, .events = POLLIN};
    assert_int_equal(poll(&ready, 1, 100), 1);
    free(flood);
    free(frame);
    close(loud);
    close(quiet);
}

static void send_swallows(int fd, int count)
{
    const uint8_t frame[] = {0, 0, 0, 1, ORDER_SWALLOW};
    uint8_t many[16 * sizeof(frame)];
    for (int i = 0; i < count; i++)
        memcpy(many + (size_t)i * sizeof(frame), frame, sizeof(frame));
    assert_int_equal(send(fd, many, (size_t)count * sizeof(frame), 0), count * 5);
}

static void test_who_is_put_off_goes_on_in_later_turns_and_the_loop_does_not_sleep(void **unused)
{
    (void)unused;
    int loud = client_open(), quiet = client_open();
    stage.tired = true;
    unsigned turns = stage.turns;
    uint64_t receives = loop_counts(stage.loop).receives;
    send_swallows(loud, 16);
    loop_step(stage.loop, true);
    loop_step(stage.loop, true);
    assert_in_range(stage.packets, 1, 2);
    client_send_frame(quiet, ORDER_ECHO, 8); /* nobody waits for the rest of it */
    client_expect_frame(quiet, ORDER_ECHO, 8);
    assert_true(stage.packets < 12);
    while (stage.packets < 17)
        loop_step(stage.loop, true);
    assert_true(stage.turns - turns >= 15);
    assert_true(loop_counts(stage.loop).receives - receives <= 4); /* of what had come long ago */
    stage.tired = false;
    client_send_frame(loud, ORDER_ECHO, 8); /* and it is read again */
    client_expect_frame(loud, ORDER_ECHO, 8);
    close(loud);
    close(quiet);
}

static void test_what_was_put_off_is_processed_before_the_end(void **unused)
{
    (void)unused;
    int fd = client_open();
    stage.tired = true;
    send_swallows(fd, 9);
    close(fd);
    until(stage.closed == 1);
    assert_int_equal(stage.packets, 9);
    assert_int_equal(stage.loop->again_count, 0);
}

static void test_who_is_put_off_may_be_closed(void **unused)
{
    (void)unused;
    int many[20], other = client_open();
    for (int i = 0; i < 20; i++)
        many[i] = client_open();
    stage.tired = true;
    for (int i = 0; i < 20; i++)
        send_swallows(many[i], 16);
    until(stage.loop->again_count == 20);
    stage.victim = stage.peers[7];
    client_send_frame(other, ORDER_VICTIM, 1);
    until(stage.closed == 1);
    until(stage.packets >= 19 * 16 + 1);
    assert_true(stage.packets < 20 * 16 + 1);
    send_swallows(many[0], 16); /* the stage closes with some put off */
    until(stage.loop->again_count == 1);
    for (int i = 0; i < 20; i++)
        close(many[i]);
    close(other);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, stage_setup, stage_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_a_packet_comes_back),
        TEST(test_packets_may_be_cut_anywhere),
        TEST(test_many_packets_in_one_read_are_one_receive),
        TEST(test_an_incomplete_packet_is_kept_and_its_memory_freed),
        TEST(test_memory_grows_with_what_has_arrived_and_not_with_what_is_claimed),
        TEST(test_the_work_for_a_large_packet_is_linear),
        TEST(test_crumbs_of_a_packet_are_not_copied_again_and_again),
        TEST(test_large_packets_in_a_row_arrive_whole),
        TEST(test_what_came_before_a_fin_is_processed_and_answered),
        TEST(test_what_came_before_a_reset_is_processed),
        TEST(test_what_came_before_a_failed_send_is_processed),
        TEST(test_a_failed_receive_closes_after_the_answer),
        TEST(test_one_peer_with_much_to_say_does_not_keep_others_waiting),
        TEST(test_who_is_put_off_goes_on_in_later_turns_and_the_loop_does_not_sleep),
        TEST(test_what_was_put_off_is_processed_before_the_end),
        TEST(test_who_is_put_off_may_be_closed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
