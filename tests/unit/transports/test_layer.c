/* Tests the seam of transports/layer.h with a layer small enough to read.
 *
 * "veil" sends records of one byte length and up to 255 bytes, each byte XORed with 0x5a. It begins
 * when the client has said "hi", which it answers with "ok"; before that it has nothing to offer
 * and takes nothing to send. A record of length 0 is its goodbye, and the two bytes
 * ff ff are what it cannot bear. */
#include "tests/unit/transports/stage.h"

enum { KEY = 0x5a };

struct veil {
    bool greeted;
    unsigned greeting, have; /* bytes of "hi", of record */
    uint8_t record[256];
};

static unsigned veils_open, veils_closed, veils_orderly;
static int open_error;

static int veil_open(struct peer *peer, void *state)
{
    (void)peer;
    assert_false(((struct veil *)state)->greeted);
    veils_open++;
    return open_error;
}

static bool greet(struct peer *peer, struct veil *veil, uint8_t byte)
{
    if (byte != "hi"[veil->greeting++])
        return false;
    veil->greeted = veil->greeting == 2;
    if (veil->greeted)
        layer_emit(peer, SLICE("ok"));
    return true;
}

static enum layer_result veil_receive(struct peer *peer, void *state, struct slice *wire,
                                      struct writer *plain)
{
    struct veil *veil = state;
    while (wire->len > 0 || (veil->have && veil->have > veil->record[0])) {
        if (!veil->greeted) {
            if (!greet(peer, veil, wire->at[0])) {
                peer_close(peer, "no greeting");
                return LAYER_FAILED;
            }
            *wire = slice_from(*wire, 1);
            continue;
        }
        if (veil->have == 0 || veil->have <= veil->record[0]) {
            veil->record[veil->have++] = wire->at[0];
            *wire = slice_from(*wire, 1);
        }
        if (veil->record[0] == 0)
            return LAYER_END;
        if (veil->have <= veil->record[0])
            continue;
        if ((size_t)(plain->end - plain->at) < veil->record[0])
            return LAYER_MORE;
        if (veil->record[0] == 2 && memcmp(veil->record + 1, "\xff\xff", 2) == 0)
            return LAYER_FAILED;
        for (unsigned i = 1; i < veil->have; i++)
            writer_u8(plain, veil->record[i] ^ KEY);
        veil->have = 0;
    }
    return LAYER_DONE;
}

static ssize_t veil_send(struct peer *peer, void *state, struct slice plain)
{
    struct veil *veil = state;
    uint8_t record[256];
    if (!veil->greeted)
        return 0;
    record[0] = (uint8_t)(plain.len < 255 ? plain.len : 255);
    for (unsigned i = 0; i < record[0]; i++)
        record[i + 1] = plain.at[i] ^ KEY;
    layer_emit(peer, slice_of(record, 1u + record[0]));
    return record[0];
}

static void veil_close(struct peer *peer, void *state, bool orderly)
{
    (void)state;
    veils_closed++;
    veils_orderly += orderly;
    if (orderly)
        layer_emit(peer, slice_of("", 1));
}

static const struct layer veil = {
    .name = "veil",
    .state_size = sizeof(struct veil),
    .open = veil_open,
    .receive = veil_receive,
    .send = veil_send,
    .close = veil_close,
};

static const struct stack veiled = {
    .name = "veil", .carrier = CARRIER_STREAM, .layer = &veil, .private = true};

static int setup(void **unused)
{
    (void)unused;
    veils_open = veils_closed = veils_orderly = 0;
    open_error = 0;
    stage_open(&veiled, NULL);
    return 0;
}

static int teardown(void **unused)
{
    (void)unused;
    stage_close();
    assert_int_equal(veils_open, veils_closed);
    return 0;
}

/* ---- the client's half ---- */

static int client_greet(void)
{
    char answer[2];
    int fd = client_open();
    client_send(fd, "hi", 2);
    client_receive(fd, answer, 2);
    assert_memory_equal(answer, "ok", 2);
    return fd;
}

static void send_veiled(int fd, enum order order, uint32_t len)
{
    uint8_t *frame = frame_new(order, len), *wire = malloc((FRAME_HEADER + len) * 2), *to = wire;
    for (size_t at = 0; at < FRAME_HEADER + len;) {
        size_t part = FRAME_HEADER + len - at < 255 ? FRAME_HEADER + len - at : 255;
        *to++ = (uint8_t)part;
        while (part--)
            *to++ = frame[at++] ^ KEY;
    }
    client_send(fd, wire, (size_t)(to - wire));
    free(frame);
    free(wire);
}

static void expect_veiled(int fd, enum order order, uint32_t len)
{
    uint8_t *frame = frame_new(order, len);
    for (size_t at = 0; at < FRAME_HEADER + len;) {
        uint8_t part, record[255];
        client_receive(fd, &part, 1);
        client_receive(fd, record, part);
        for (unsigned i = 0; i < part; i++)
            assert_int_equal(record[i] ^ KEY, frame[at++]);
    }
    free(frame);
}

/* ---- tests ---- */

static void test_a_packet_goes_through_both_ways(void **unused)
{
    (void)unused;
    int fd = client_greet();
    send_veiled(fd, ORDER_ECHO, 100);
    expect_veiled(fd, ORDER_ECHO, 100);
    assert_int_equal(stage.stats.bytes_received, 2 + 105);
    assert_int_equal(stage.stats.bytes_sent, 2 + 105);
    assert_true(peer_is_private(stage.peers[0]));
    close(fd);
}

static void test_large_packets_and_any_cut_go_through(void **unused)
{
    (void)unused;
    int fd = client_greet();
    static const uint32_t lens[] = {1, 250, 251, 252, 65535, 65536, 200000, 3};
    for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
        send_veiled(fd, ORDER_ECHO, lens[i]);
        expect_veiled(fd, ORDER_ECHO, lens[i]);
    }
    assert_null(peer_stream(stage.peers[0])->in.at);
    assert_int_equal(peer_backlog(stage.peers[0]), 0);
    close(fd);
}

static void test_what_is_sent_too_early_waits_for_the_layer(void **unused)
{
    (void)unused;
    int fd = client_open();
    char answer[2];
    uint8_t *frame = frame_new(ORDER_ECHO, 600);
    peer_send(stage.peers[0], slice_of(frame, 604));
    stage_pass(5);
    uint64_t turns = loop_counts(stage.loop).turns;
    assert_int_equal(peer_backlog(stage.peers[0]), 604);
    assert_false(list_linked(&stage.peers[0]->turn)); /* and does not keep the loop awake */
    client_send(fd, "h", 1);
    stage_pass(5);
    client_send(fd, "i", 1);
    client_receive(fd, answer, 2);
    expect_veiled(fd, ORDER_ECHO, 600);
    assert_true(loop_counts(stage.loop).turns > turns);
    free(frame);
    close(fd);
}

static void test_a_close_sends_all_that_was_said_and_the_goodbye(void **unused)
{
    (void)unused;
    int fd = client_greet();
    uint8_t said[16];
    send_veiled(fd, ORDER_CLOSE, 1);
    assert_int_equal(client_receive_end(fd, (char *)said, sizeof(said)), 5);
    assert_int_equal(said[0], 3);
    for (int i = 0; i < 3; i++)
        assert_int_equal(said[i + 1] ^ KEY, "bye"[i]);
    assert_int_equal(said[4], 0);
    assert_int_equal(veils_orderly, 1);
    close(fd);
}

/* Closes a peer whose answer waits for the first promise. */
static int close_with_an_answer(void)
{
    int fd = client_greet();
    memcpy(peer_reserve_after(stage.peers[0], 3, 1), "bye", 3);
    peer_close(stage.peers[0], "enough");
    until(stage.closed == 1);
    assert_int_equal(veils_closed, 0);
    return fd;
}

static void test_the_goodbye_waits_for_what_waits_for_a_promise(void **unused)
{
    (void)unused;
    uint8_t said[16];
    int fd = close_with_an_answer();
    loop_enter(stage.loop);
    loop_keep(stage.loop, 1);
    loop_leave(stage.loop);
    assert_int_equal(client_receive_end(fd, (char *)said, sizeof(said)), 5);
    assert_int_equal(said[0], 3);
    for (int i = 0; i < 3; i++)
        assert_int_equal(said[i + 1] ^ KEY, "bye"[i]);
    assert_int_equal(said[4], 0);
    assert_int_equal(veils_orderly, 1);
    close(fd);
}

static void test_a_promise_that_is_not_kept_ends_without_a_goodbye(void **unused)
{
    (void)unused;
    char rest[4];
    int fd = close_with_an_answer();
    assert_int_equal(client_receive_end(fd, rest, sizeof(rest)), 0);
    assert_int_equal(veils_closed, 1);
    assert_int_equal(veils_orderly, 0);
    close(fd);
}

static void test_the_goodbye_of_the_other_end_closes(void **unused)
{
    (void)unused;
    int fd = client_greet();
    client_send(fd, "", 1);
    until(stage.closed == 1);
    assert_string_equal(stage.why, "peer closed the connection");
    close(fd);
}

static void test_a_layer_that_fails_closes(void **unused)
{
    (void)unused;
    int a = client_open(), b;
    client_send(a, "hello", 5);
    until(stage.closed == 1);
    assert_string_equal(stage.why, "no greeting");
    b = client_greet();
    client_send(b, "\x02\xff\xff", 3);
    until(stage.closed == 2);
    assert_string_equal(stage.why, "veil failed");
    close(a);
    close(b);
}

static void test_a_layer_that_does_not_open_closes_without_a_protocol(void **unused)
{
    (void)unused;
    open_error = -ENOMEM;
    int fd = client_connect(0);
    until(veils_closed == 1);
    assert_int_equal(stage.opened, 0);
    char rest[4];
    client_receive_end(fd, rest, sizeof(rest));
    close(fd);
}

static void test_a_lost_peer_is_not_said_goodbye(void **unused)
{
    (void)unused;
    int fd = client_greet();
    struct linger hard = {.l_onoff = 1};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
    close(fd);
    until(veils_closed == 1);
    assert_int_equal(veils_orderly, 0);
}

static void test_a_layer_encodes_only_a_little_ahead_of_the_socket(void **unused)
{
    (void)unused;
    int fd = client_connect(4096);
    until(stage.opened == 1);
    client_send(fd, "hi", 2);
    until(stage.stats.bytes_sent == 2);
    memset(peer_reserve(stage.peers[0], 16 << 20), 0, 16 << 20);
    until(stage.peers[0]->flags & PEER_BLOCKED);
    assert_true(peer_wire(stage.peers[0])->len < 100 << 10);
    assert_true(peer_is_full(stage.peers[0]));
    close(fd);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_a_packet_goes_through_both_ways),
        TEST(test_large_packets_and_any_cut_go_through),
        TEST(test_what_is_sent_too_early_waits_for_the_layer),
        TEST(test_a_close_sends_all_that_was_said_and_the_goodbye),
        TEST(test_the_goodbye_waits_for_what_waits_for_a_promise),
        TEST(test_a_promise_that_is_not_kept_ends_without_a_goodbye),
        TEST(test_the_goodbye_of_the_other_end_closes),
        TEST(test_a_layer_that_fails_closes),
        TEST(test_a_layer_that_does_not_open_closes_without_a_protocol),
        TEST(test_a_lost_peer_is_not_said_goodbye),
        TEST(test_a_layer_encodes_only_a_little_ahead_of_the_socket),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
