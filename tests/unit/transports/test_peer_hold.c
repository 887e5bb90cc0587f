/* Tests transports/peer_hold.c: what must not leave before a promise is kept. */
#include "tests/unit/transports/stage.h"

#include "broker/message.h"
#include <sys/socket.h>

static struct peer *peer;
static int fd;

static int setup(void **unused)
{
    stage_setup(unused);
    fd = client_open();
    peer = stage.peers[0];
    return 0;
}

static int teardown(void **unused)
{
    if (fd >= 0)
        close(fd);
    stage_teardown(unused);
    return 0;
}

static void answer(const char *text, uint64_t promise)
{
    uint8_t *to = peer_reserve_after(peer, strlen(text), promise);
    if (to)
        memcpy(to, text, strlen(text));
}

static void say(const char *text)
{
    peer_send(peer, slice_of_str(text));
}

/* Exactly that arrives, and nothing behind it. */
static void hears(const char *text)
{
    char got[64], more;
    client_receive(fd, got, strlen(text));
    assert_memory_equal(got, text, strlen(text));
    stage_pass(5);
    assert_int_equal(recv(fd, &more, 1, MSG_DONTWAIT), -1);
}

static void keep(uint64_t promise)
{
    loop_enter(stage.loop);
    loop_keep(stage.loop, promise);
    loop_leave(stage.loop);
}

static void test_an_answer_leaves_when_its_promise_is_kept_and_not_before(void **unused)
{
    (void)unused;
    answer("one", 1);
    hears("");
    assert_int_equal(peer_backlog(peer), 3);
    keep(1);
    hears("one");
    assert_null(peer_hold(peer));
    assert_true(list_empty(&stage.loop->holding));
}

static void test_an_answer_whose_promise_is_kept_already_leaves_at_once(void **unused)
{
    (void)unused;
    keep(5);
    answer("five", 5);
    answer("none", 0);
    assert_null(peer_hold(peer));
    hears("fivenone");
}

static void test_answers_leave_in_the_order_in_which_they_were_given(void **unused)
{
    (void)unused;
    answer("a", 1);
    answer("b", 3);
    answer("c", 0); /* has nothing to wait for but the others */
    answer("d", 2);
    answer("e", 4);
    keep(1);
    hears("a");
    keep(2);
    hears("");
    keep(3);
    hears("bcd");
    keep(4);
    hears("e");
}

static void test_what_has_no_promise_overtakes(void **unused)
{
    (void)unused;
    answer("answer", 1);
    say("message ");
    hears("message ");
    keep(1);
    hears("answer");
}

static void test_nothing_overtakes_a_barrier(void **unused)
{
    (void)unused;
    answer("welcome", 2);
    peer_barrier(peer, 2);
    say(" first");
    answer(" answer", 3);
    say(" second");
    answer(" sooner", 1);
    keep(1);
    hears("");
    keep(2);
    hears("welcome first second"); /* the answers wait for the third promise */
    say("third");
    hears("third");
    keep(3);
    hears(" answer sooner");
    assert_int_equal(peer->flags & PEER_BARRED, 0);
}

static void test_a_barrier_of_a_kept_promise_is_none(void **unused)
{
    (void)unused;
    keep(7);
    peer_barrier(peer, 7);
    peer_barrier(peer, 0);
    assert_null(peer_hold(peer));
    say("at once");
    hears("at once");
}

static void test_a_barrier_alone_holds_back_what_follows(void **unused)
{
    (void)unused;
    peer_barrier(peer, 1);
    peer_barrier(peer, 2);
    say("later");
    keep(1);
    hears("");
    keep(2);
    hears("later");
    assert_null(peer_hold(peer));
}

static void test_more_promises_than_are_told_apart_keep_their_order(void **unused)
{
    (void)unused;
    char text[2] = "a";
    for (uint64_t promise = 1; promise <= 20; promise++, text[0]++)
        answer(text, promise);
    keep(3);
    hears("ab"); /* those merged wait for the later of them */
    keep(4);
    hears("cd");
    keep(19);
    hears("efghijklmnopqrs");
    keep(20);
    hears("t");
}

static void test_large_messages_wait_behind_a_barrier_too(void **unused)
{
    (void)unused;
    static uint8_t payload[50000], got[50000];
    memset(payload, 'x', sizeof(payload));
    struct message borrowed = {.topic = (const uint8_t *)"t",
                               .topic_len = 1,
                               .payload = payload,
                               .payload_len = sizeof(payload)};
    struct message *message = message_hold(&borrowed);
    message_end(&borrowed);
    peer_barrier(peer, 1);
    peer_send_shared(peer, message_payload(message), message);
    assert_int_equal(peer_backlog(peer), sizeof(payload));
    hears("");
    keep(1);
    client_receive(fd, got, sizeof(got));
    assert_memory_equal(got, payload, sizeof(payload));
    assert_int_equal(message->refs, 1);
    message_unref(message);
}

static void test_a_peer_that_barely_waits_is_not_called_full(void **unused)
{
    (void)unused;
    for (int i = 0; i < 1000; i++)
        answer("0123456789abcdef", 1);
    assert_false(peer_is_full(peer));
    assert_int_equal(peer_backlog(peer), 16000);
    keep(1);
    static char got[16000];
    client_receive(fd, got, sizeof(got));
}

static void test_a_peer_whose_answers_are_too_many_is_not_read(void **unused)
{
    (void)unused;
    static char got[70000];
    for (int i = 0; i < 70; i++) {
        uint8_t *to = peer_reserve_after(peer, 1000, 1);
        memset(to, 'a', 1000);
    }
    client_send_frame(fd, ORDER_SWALLOW, 10); /* looked at after the first read */
    stage_pass(5);
    client_send_frame(fd, ORDER_SWALLOW, 10);
    stage_pass(20);
    assert_int_equal(stage.packets, 1);
    keep(1);
    client_receive(fd, got, sizeof(got));
    until(stage.packets == 2);
}

static void small_buffer(struct listener_settings *settings)
{
    settings->out_buffer = 4096;
    settings->stall_timeout = 100;
}

/* It is the store that is slow, not the peer. */
static void test_a_peer_is_not_blamed_for_what_waits(void **unused)
{
    (void)unused;
    static uint8_t bytes[3000], got[6000];
    close(fd);
    stage_close();
    stage_open(NULL, small_buffer);
    fd = client_open();
    peer = stage.peers[0];
    peer_barrier(peer, 1);
    peer_send(peer, slice_of(bytes, sizeof(bytes)));
    peer_send(peer, slice_of(bytes, sizeof(bytes)));
    assert_true(peer_is_full(peer));
    stage_pass(1500);
    assert_int_equal(stage.closed, 0);
    assert_int_equal(stage.drained, 0);
    keep(1);
    client_receive(fd, got, sizeof(got));
    until(stage.drained == 1);
    assert_int_equal(stage.closed, 0);
}

static void test_a_closing_peer_waits_for_its_answers(void **unused)
{
    (void)unused;
    char got[16];
    answer("late", 1);
    peer_close(peer, "enough");
    answer("never", 1);
    stage_pass(50);
    assert_int_equal(stage.closed, 1);
    keep(1);
    assert_int_equal(client_receive_end(fd, got, sizeof(got)), 4);
    assert_memory_equal(got, "late", 4);
}

static void test_a_peer_that_has_hung_up_gets_its_answers_all_the_same(void **unused)
{
    (void)unused;
    char got[16];
    answer("late", 1);
    shutdown(fd, SHUT_WR);
    until(stage.closed == 1);
    stage_pass(20);
    keep(1);
    assert_int_equal(client_receive_end(fd, got, sizeof(got)), 4);
    assert_memory_equal(got, "late", 4);
}

static void test_a_promise_that_is_not_kept_in_time_is_no_answer(void **unused)
{
    (void)unused;
    char got[16];
    answer("never", 1);
    peer_close(peer, "enough");
    uint64_t begin = uv_hrtime();
    assert_int_equal(client_receive_end(fd, got, sizeof(got)), 0);
    assert_true(uv_hrtime() - begin > UINT64_C(2500000000));
    assert_true(list_empty(&stage.loop->holding));
    assert_int_equal(stage.loop->chunks.bytes_used, 0);
}

static void test_a_peer_that_is_lost_takes_what_waits_along(void **unused)
{
    (void)unused;
    struct linger now = {.l_onoff = 1};
    answer("never", 1);
    peer_barrier(peer, 1);
    say("never");
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    close(fd);
    fd = -1;
    until(stage.closed == 1 && list_empty(&stage.loop->holding));
    stage_pass(5);
    assert_int_equal(stage.loop->chunks.bytes_used, 0);
    keep(1);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_an_answer_leaves_when_its_promise_is_kept_and_not_before),
        TEST(test_an_answer_whose_promise_is_kept_already_leaves_at_once),
        TEST(test_answers_leave_in_the_order_in_which_they_were_given),
        TEST(test_what_has_no_promise_overtakes),
        TEST(test_nothing_overtakes_a_barrier),
        TEST(test_a_barrier_of_a_kept_promise_is_none),
        TEST(test_a_barrier_alone_holds_back_what_follows),
        TEST(test_more_promises_than_are_told_apart_keep_their_order),
        TEST(test_large_messages_wait_behind_a_barrier_too),
        TEST(test_a_peer_that_barely_waits_is_not_called_full),
        TEST(test_a_peer_whose_answers_are_too_many_is_not_read),
        TEST(test_a_peer_is_not_blamed_for_what_waits),
        TEST(test_a_closing_peer_waits_for_its_answers),
        TEST(test_a_peer_that_has_hung_up_gets_its_answers_all_the_same),
        TEST(test_a_promise_that_is_not_kept_in_time_is_no_answer),
        TEST(test_a_peer_that_is_lost_takes_what_waits_along),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
