/* Tests transports/datagram_recall.c: peers of before a restart. */
#include "tests/unit/transports/datagram_stage.h"

struct place {
    uint8_t bytes[PEER_PLACE_SIZE];
    size_t len;
};

static struct slice slice_at(const struct place *place)
{
    return slice_of(place->bytes, place->len);
}

/* Where a client's peer is; that goes, and nobody is there any more. */
static struct place left_by(int fd)
{
    struct place place;
    fisher_ask(fd, ERRAND_VERIFY, 5);
    place.len = peer_place(pond.last, place.bytes);
    assert_int_equal(place.len, PEER_PLACE_SIZE);
    fisher_send(fd, ERRAND_BYE, 2);
    uint8_t bye[3];
    assert_int_equal(fisher_receive(fd, bye, sizeof(bye)), 3);
    until(listener_connections(pond.listener) == 0);
    return place;
}

static struct peer *recall(const struct place *place, void **state)
{
    loop_enter(stage.loop);
    struct peer *peer =
        peer_recall(stage.loop, &orders_protocol, SLICE("here"), slice_at(place), state);
    loop_leave(stage.loop);
    return peer;
}

static void test_a_peer_is_made_where_it_was_and_can_be_spoken_to(void **unused)
{
    (void)unused;
    void *state = NULL;
    uint8_t got[8];
    int fd = fisher_new();
    struct place place = left_by(fd);
    unsigned opened = pond.opened;
    struct peer *peer = recall(&place, &state);
    assert_non_null(peer);
    assert_non_null(state);
    assert_int_equal(pond.opened, opened + 1);
    assert_true(peer_is_verified(peer));
    assert_int_equal(listener_connections(pond.listener), 1);
    loop_enter(stage.loop);
    peer_send(peer, SLICE("hello"));
    loop_leave(stage.loop);
    assert_int_equal(fisher_receive(fd, got, sizeof(got)), 5);
    assert_memory_equal(got, "hello", 5);
    fisher_ask(fd, ERRAND_ECHO, 100); /* what it says goes there */
    assert_ptr_equal(pond.last, peer);
    struct place again;
    again.len = peer_place(peer, again.bytes);
    assert_true(slice_equal(slice_at(&again), slice_at(&place)));
    close(fd);
}

static void test_who_is_there_is_taken(void **unused)
{
    (void)unused;
    void *state, *other;
    int fd = fisher_new();
    struct place place = left_by(fd);
    struct peer *peer = recall(&place, &state);
    assert_ptr_equal(recall(&place, &other), peer);
    assert_ptr_equal(state, other);
    assert_int_equal(listener_connections(pond.listener), 1);
    close(fd);
}

static void test_there_is_none_of_another_listener_or_protocol_or_of_no_place(void **unused)
{
    (void)unused;
    void *state;
    int fd = fisher_new();
    struct protocol other = orders_protocol;
    struct place place = left_by(fd);
    unsigned opened = pond.opened;
    loop_enter(stage.loop);
    assert_null(peer_recall(stage.loop, &other, SLICE("here"), slice_at(&place), &state));
    assert_null(
        peer_recall(stage.loop, &orders_protocol, SLICE("there"), slice_at(&place), &state));
    for (size_t len = 0; len < PEER_PLACE_SIZE; len++) {
        uint8_t *exact = malloc(len ? len : 1);
        assert_non_null(exact);
        memcpy(exact, place.bytes, len);
        assert_null(
            peer_recall(stage.loop, &orders_protocol, SLICE("here"), slice_of(exact, len), &state));
        free(exact);
    }
    loop_leave(stage.loop);
    assert_int_equal(pond.opened, opened);
    close(fd);
}

static void allow_one(struct listener_settings *settings)
{
    settings->max_connections = 1;
}

static void test_there_is_none_without_room_and_nothing_remains(void **unused)
{
    (void)unused;
    void *state;
    pond_close();
    pond_open(NULL, allow_one);
    int fd = fisher_new(), other = fisher_new();
    struct place place = left_by(fd);
    fisher_ask(other, ERRAND_VERIFY, 5);
    assert_null(recall(&place, &state));
    assert_int_equal(listener_connections(pond.listener), 1);
    assert_int_equal(pond.opened - pond.closed, 1);
    fisher_ask(other, ERRAND_ECHO, 5);
    close(fd);
    close(other);
}

static void test_one_that_cannot_be_opened_is_none(void **unused)
{
    (void)unused;
    void *state;
    int fd = fisher_new();
    struct place place = left_by(fd);
    pond.open_error = -ENOMEM;
    assert_null(recall(&place, &state));
    pond.open_error = 0;
    assert_int_equal(listener_connections(pond.listener), 0);
    assert_int_equal(pond.opened, pond.closed);
    close(fd);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, pond_setup, pond_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_peer_is_made_where_it_was_and_can_be_spoken_to),
        TEST(test_who_is_there_is_taken),
        TEST(test_there_is_none_of_another_listener_or_protocol_or_of_no_place),
        TEST(test_there_is_none_without_room_and_nothing_remains),
        TEST(test_one_that_cannot_be_opened_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
