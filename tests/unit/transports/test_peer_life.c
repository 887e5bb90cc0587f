/* Tests transports/peer_life.c: how a peer comes and how it goes. */
#include "tests/unit/transports/stage.h"

#include <stdio.h>

static void test_a_close_lets_the_last_words_arrive(void **unused)
{
    (void)unused;
    int fd = client_open();
    /* Bytes that nobody will read: without lingering they would turn the close into a reset. */
    uint8_t *order = frame_new(ORDER_CLOSE, 1), *unread = calloc(1, 100000);
    memcpy(unread, order, 5);
    client_send(fd, unread, 100000);
    until(stage.closed == 1);
    assert_string_equal(stage.why, "as it was asked to");
    client_send(fd, unread, 1000);
    usleep(10000);
    char said[16];
    assert_int_equal(client_receive_end(fd, said, sizeof(said)), 3);
    assert_memory_equal(said, "bye", 3);
    close(fd);
    until(stage.stats.sockets == 0);
    free(order);
    free(unread);
}

static void test_a_closed_peer_that_keeps_its_side_open_is_gone_after_a_second(void **unused)
{
    (void)unused;
    int fd = client_open();
    char said[16];
    uint64_t begin = uv_hrtime();
    client_send_frame(fd, ORDER_CLOSE, 1);
    assert_int_equal(client_receive_end(fd, said, sizeof(said)), 3);
    assert_int_equal(stage.stats.sockets, 1);
    assert_int_equal(stage.loop->lingering, 1);
    until(stage.stats.sockets == 0);
    assert_true(uv_hrtime() - begin > UINT64_C(900000000));
    assert_int_equal(stage.loop->lingering, 0);
    close(fd);
}

static void test_a_closed_peer_that_does_not_read_is_gone_after_three_seconds(void **unused)
{
    (void)unused;
    int fd = client_connect(4096);
    until(stage.opened == 1);
    struct peer *peer = stage.peers[0];
    memset(peer_reserve(peer, 8 << 20), 0, 8 << 20);
    peer_close(peer, "enough");
    uint64_t begin = uv_hrtime();
    until(stage.closed == 1);
    assert_true(uv_hrtime() - begin < UINT64_C(100000000));
    until(stage.stats.sockets == 0);
    assert_true(uv_hrtime() - begin > UINT64_C(2900000000));
    close(fd);
}

static void test_no_more_than_so_many_peers_linger(void **unused)
{
    (void)unused;
    int fd = client_open();
    stage.loop->lingering += LOOP_LINGERING_MAX;
    client_send_frame(fd, ORDER_CLOSE, 1);
    until(stage.stats.sockets == 0);
    stage.loop->lingering -= LOOP_LINGERING_MAX;
    char said[16];
    assert_int_equal(client_receive_end(fd, said, sizeof(said)), 3);
    close(fd);
}

static void test_a_peer_may_close_another_in_the_middle_of_a_receive(void **unused)
{
    (void)unused;
    int a = client_open(), b = client_open();
    char said[16];
    stage.victim = stage.peers[1];
    client_send_frame(a, ORDER_VICTIM, 10);
    client_expect_frame(a, ORDER_VICTIM, 10);
    assert_string_equal(stage.why, "somebody else wants it");
    assert_int_equal(stage.closed, 1);
    assert_int_equal(client_receive_end(b, said, sizeof(said)), 6);
    assert_memory_equal(said, "victim", 6);
    close(a);
    close(b);
}

static void test_a_closed_peer_receives_nothing_more_even_in_the_same_turn(void **unused)
{
    (void)unused;
    int a = client_open(), b = client_open();
    stage.victim = stage.peers[1];
    uint8_t *order = frame_new(ORDER_VICTIM, 1), *echo = frame_new(ORDER_ECHO, 1);
    /* Both readable in one turn, in either order. */
    assert_int_equal(send(a, order, 5, 0), 5);
    usleep(1000);
    assert_int_equal(send(b, echo, 5, 0), 5);
    usleep(1000);
    until(stage.closed == 1); /* frames_receive checks */
    stage_pass(5);
    assert_true(stage.packets <= 2);
    free(order);
    free(echo);
    close(a);
    close(b);
}

static void test_a_peer_may_close_itself_as_a_victim(void **unused)
{
    (void)unused;
    int a = client_open();
    stage.victim = stage.peers[0];
    char said[16];
    client_send_frame(a, ORDER_VICTIM, 10);
    assert_int_equal(client_receive_end(a, said, sizeof(said)), 6);
    assert_int_equal(stage.closed, 1);
    close(a);
}

static void close_all(struct stage *self, struct peer *peer)
{
    (void)peer;
    self->on_close = NULL;
    for (unsigned i = 0; i < self->opened; i++)
        if (self->peers[i])
            peer_close(self->peers[i], "with the first");
}

static void test_a_close_may_close_others(void **unused)
{
    (void)unused;
    int fds[20];
    for (int i = 0; i < 20; i++)
        fds[i] = client_open();
    stage.on_close = close_all;
    close(fds[7]);
    until(stage.closed == 20);
    assert_string_equal(stage.why, "with the first");
    for (int i = 0; i < 20; i++)
        if (i != 7)
            close(fds[i]);
    until(stage.stats.sockets == 0);
}

static void test_an_open_that_fails_closes_the_peer(void **unused)
{
    (void)unused;
    stage.open_error = -ENOMEM;
    int fd = client_connect(0);
    until(stage.closed == 1);
    assert_string_equal(stage.why, "cannot be opened: Cannot allocate memory");
    char rest[4];
    assert_int_equal(client_receive_end(fd, rest, sizeof(rest)), 0);
    close(fd);
}

static void test_a_deadline_fires_once_and_can_be_moved_and_cancelled(void **unused)
{
    (void)unused;
    int fd = client_open();
    struct peer *peer = stage.peers[0];
    uint64_t now_ms = peer_now_ms(peer);
    peer_deadline(peer, now_ms + 20);
    peer_deadline(peer, 0);
    stage_pass(60);
    assert_int_equal(stage.expired, 0);
    now_ms = peer_now_ms(peer);
    peer_deadline(peer, now_ms + 1000);
    peer_deadline(peer, now_ms + 50);
    until(stage.expired == 1);
    assert_true(peer_now_ms(peer) >= now_ms + 49 && peer_now_ms(peer) < now_ms + 500);
    until(stage.closed == 1);
    assert_string_equal(stage.why, "expired");
    peer_deadline(peer, now_ms + 60); /* the memory is still there: nothing must come of it */
    close(fd);
    until(stage.stats.sockets == 0);
    assert_int_equal(stage.expired, 1);
}

static char logged[1024];

static void capture(enum log_level level, const char *about, const char *message)
{
    snprintf(logged, sizeof(logged), "%d %s: %s", level, about, message);
}

static void test_a_log_line_says_whom_it_is_about(void **unused)
{
    (void)unused;
    int fd = client_open();
    struct sockaddr_in mine;
    socklen_t length = sizeof(mine);
    char wanted[200];
    getsockname(fd, (struct sockaddr *)&mine, &length);
    log_capture(capture);
    peer_log(stage.peers[0], LOG_INFO, "connected %d", 5);
    snprintf(wanted, sizeof(wanted), "%d frames/tcp 127.0.0.1:%u: connected 5", LOG_INFO,
             ntohs(mine.sin_port));
    assert_string_equal(logged, wanted);
    peer_name(stage.peers[0], SLICE("other"));
    peer_name(stage.peers[0], SLICE("sensor\n7"));
    peer_log(stage.peers[0], LOG_WARNING, "%s", "late");
    snprintf(wanted, sizeof(wanted), "%d frames/tcp 127.0.0.1:%u \"sensor\\x0a7\": late",
             LOG_WARNING, ntohs(mine.sin_port));
    assert_string_equal(logged, wanted);
    log_capture(NULL);
    close(fd);
}

static char last_address[PEER_ADDRESS_SIZE];

static void note_address(struct stage *self, struct peer *peer)
{
    (void)self;
    peer_address(peer, last_address);
}

static void test_the_address_is_known_even_after_a_reset(void **unused)
{
    (void)unused;
    int fd = client_open();
    struct linger hard = {.l_onoff = 1};
    char before[PEER_ADDRESS_SIZE];
    peer_address(stage.peers[0], before);
    stage.on_close = note_address;
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
    close(fd);
    until(stage.closed == 1);
    assert_string_equal(stage.why, "peer reset the connection");
    assert_string_equal(last_address, before);
    assert_non_null(strstr(before, "127.0.0.1:"));
}

static void test_a_peer_knows_its_surroundings(void **unused)
{
    (void)unused;
    int fd = client_open();
    struct peer *peer = stage.peers[0];
    assert_null(peer_broker(peer));
    assert_null(peer_options(peer));
    assert_string_equal(peer_listener(peer)->name, "here");
    assert_false(peer_is_private(peer));
    assert_false(peer_is_closing(peer));
    peer_close(peer, "x");
    assert_true(peer_is_closing(peer));
    assert_null(peer_reserve(peer, 1));
    peer_send(peer, SLICE("nobody hears this"));
    assert_int_equal(peer_backlog(peer), 0);
    close(fd);
    until(stage.closed == 1);
}

/* What an idle connection costs, here: the struct, the protocol's state, malloc's head. */
static void test_an_idle_peer_is_small(void **unused)
{
    (void)unused;
    assert_true(sizeof(struct stream) <= 304);
    assert_int_equal(sizeof(struct peer) % PEER_STATE_ALIGN, 0);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, stage_setup, stage_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_a_close_lets_the_last_words_arrive),
        TEST(test_a_closed_peer_that_keeps_its_side_open_is_gone_after_a_second),
        TEST(test_a_closed_peer_that_does_not_read_is_gone_after_three_seconds),
        TEST(test_no_more_than_so_many_peers_linger),
        TEST(test_a_peer_may_close_another_in_the_middle_of_a_receive),
        TEST(test_a_closed_peer_receives_nothing_more_even_in_the_same_turn),
        TEST(test_a_peer_may_close_itself_as_a_victim),
        TEST(test_a_close_may_close_others),
        TEST(test_an_open_that_fails_closes_the_peer),
        TEST(test_a_deadline_fires_once_and_can_be_moved_and_cancelled),
        TEST(test_a_log_line_says_whom_it_is_about),
        TEST(test_the_address_is_known_even_after_a_reset),
        TEST(test_a_peer_knows_its_surroundings),
        TEST(test_an_idle_peer_is_small),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
