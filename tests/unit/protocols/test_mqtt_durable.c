/* test_mqtt_durable: which packets wait for the store, and what may overtake them. */
#include "mqtt_stage.h"

#include <stdio.h>

/* A store that has written when the test says so. */
struct slow_store {
    struct store store;
    bool under_way;
};

static struct slow_store slow;

static void commit(struct store *store, const struct batch *batch)
{
    (void)batch;
    assert_ptr_equal(store, &slow.store);
    assert_false(slow.under_way);
    slow.under_way = true;
}

static void fetch(struct store *store, uint64_t session, uint64_t from, uint32_t most)
{
    (void)store, (void)from, (void)session, (void)most;
    fail_msg("nothing is so long here that it would be read back");
}

static const struct store_verbs verbs = {.commit = commit, .fetch = fetch};

static int setup(void **state)
{
    int error = stage_setup(state);
    struct stage *s = *state;
    slow = (struct slow_store){.store = {.verbs = &verbs}};
    broker_set_store(s->world.broker, &slow.store);
    broker_restored(s->world.broker);
    return error;
}

/* The core hands over what it has gathered; long enough for whatever it waits for. */
static void hand_over(struct stage *s)
{
    world_wait(&s->world, 100);
}

/* The batch under way has been written. */
static void write_batch(struct stage *s)
{
    assert_true(slow.under_way);
    slow.under_way = false;
    broker_committed(s->world.broker, COMMIT_DONE);
    world_keep(&s->world, broker_promise_kept(s->world.broker));
    hand_over(s);
}

static void write_all(struct stage *s)
{
    hand_over(s);
    while (slow.under_way)
        write_batch(s);
}

/* A kept session, whose CONNACK is on disk. */
static struct peer *kept(struct stage *s, const char *id)
{
    char packet[128];
    snprintf(packet, sizeof packet, "10 [ s'MQTT' 05 00 003c [ 11 0000ffff ] s'%s' ]", id);
    struct peer *peer = stage_any(s, packet);
    write_all(s);
    assert_true(peer->sent.len > 0);
    ignore(peer);
    return peer;
}

/* One that is kept, has subscribed to that with QoS 2, and has gone. */
static void away(struct stage *s, const char *id, const char *filter)
{
    char packet[128];
    struct peer *peer = kept(s, id);
    snprintf(packet, sizeof packet, "82 [ 0001 00 s'%s' 02 ] e0 00", filter);
    says(peer, packet);
    write_all(s);
}

static void connack_waits_and_nothing_comes_before_it(void **state)
{
    struct stage *s = *state;
    struct peer *peer = stage_any(s, "10 [ s'MQTT' 04 00 003c s'a' ] c0 00");
    hand_over(s);
    hears_nothing(peer); /* nor the PINGRESP */
    write_all(s);
    hears(peer, "20 02 00 00 d0 00");
}

static void suback_waits_and_messages_come_behind_it(void **state)
{
    struct stage *s = *state;
    struct peer *peer = kept(s, "a"), *other = stage_v5(s, "b");
    says(peer, "82 [ 0001 00 s'x' 00 ]");
    says(other, "30 [ s'x' 00 'm' ]");
    hand_over(s);
    hears_nothing(peer);
    write_all(s);
    hears(peer, "90 [ 0001 00 00 ] 30 [ s'x' 00 'm' ]");
    says(peer, "a2 [ 0002 00 s'x' ]");
    hand_over(s);
    hears_nothing(peer);
    write_all(s);
    hears(peer, "b0 [ 0002 00 00 ]");
}

static void puback_waits_for_the_message(void **state)
{
    struct stage *s = *state;
    away(s, "a", "x");
    struct peer *peer = stage_v5(s, "b");
    says(peer, "32 [ s'x' 0007 00 'm' ] c0 00");
    hears(peer, "d0 00"); /* a ping promises nothing */
    hand_over(s);
    hears_nothing(peer);
    write_all(s);
    hears(peer, "40 [ 0007 ]");
}

static void puback_leaves_with_its_own_batch(void **state)
{
    struct stage *s = *state;
    away(s, "a", "x");
    struct peer *peer = stage_v5(s, "b");
    says(peer, "32 [ s'x' 0007 00 'm' ]");
    hand_over(s);
    says(peer, "32 [ s'x' 0008 00 'n' ]"); /* too late for the batch under way */
    write_batch(s);
    hears(peer, "40 [ 0007 ]");
    write_batch(s);
    hears(peer, "40 [ 0008 ]");
}

static void each_step_of_qos_2_waits(void **state)
{
    struct stage *s = *state;
    away(s, "a", "x");
    struct peer *peer = kept(s, "b");
    says(peer, "34 [ s'x' 0007 00 'm' ]");
    hand_over(s);
    hears_nothing(peer);
    says(peer, "3c [ s'x' 0007 00 'm' ]"); /* the duplicate is answered no sooner */
    hears_nothing(peer);
    write_all(s);
    hears(peer, "50 [ 0007 ] 50 [ 0007 ]");
    says(peer, "62 [ 0007 ]");
    hand_over(s);
    hears_nothing(peer);
    write_all(s);
    hears(peer, "70 [ 0007 ]");
}

static void what_is_sent_with_qos_2_is_on_disk_before(void **state)
{
    struct stage *s = *state;
    struct peer *a = kept(s, "a"), *b = stage_v5(s, "b");
    says(a, "82 [ 0001 00 s'x' 02 ]");
    write_all(s);
    ignore(a);
    says(b, "34 [ s'x' 0007 00 'm' ]");
    hand_over(s);
    hears_nothing(a); /* its packet identifier could come to mean something else */
    write_all(s);
    hears(a, "34 [ s'x' 0001 00 'm' ]");
    says(a, "50 [ 0001 ]");
    hand_over(s);
    hears_nothing(a);
    write_all(s);
    hears(a, "62 [ 0001 ]");
}

static void a_refusal_keeps_its_place_and_waits_for_nothing_else(void **state)
{
    struct stage *s = *state;
    away(s, "a", "x");
    struct peer *b = stage_v5(s, "b"), *c = stage_v5(s, "c");
    says(b, "32 [ s'x' 0007 00 'm' ] 32 [ s'$SYS/x' 0008 00 'm' ]");
    says(c, "32 [ s'$SYS/x' 0009 00 'm' ]");
    hand_over(s);
    hears_nothing(b); /* [MQTT-4.6.0-2] */
    assert_true(c->sent.len > 4 && c->sent.at[0] == 0x40 && c->sent.at[4] == 0x87);
    write_all(s);
    assert_true(b->sent.len > 8);
    assert_memory_equal(b->sent.at, "\x40\x02\x00\x07\x40", 5);
    ignore(b);
    ignore(c);
}

static void a_full_store_refuses_what_it_would_have_to_keep(void **state)
{
    struct stage *s = *state;
    away(s, "a", "x");
    struct peer *live = stage_v5(s, "l"), *b = stage_v5(s, "b"), *three = stage_v3(s, "t");
    says(live, "82 [ 0001 00 s'y' 01 ]");
    write_all(s);
    ignore(live);
    says(b, "32 [ s'x' 0007 00 'm' ]");
    hand_over(s);
    slow.under_way = false;
    broker_committed(s->world.broker, COMMIT_FULL);
    world_turn(&s->world);
    struct peer *c = stage_v5(s, "c");
    says(c, "32 [ s'x' 0008 00 'm' ]");
    assert_true(c->sent.len > 4 && c->sent.at[0] == 0x40 && c->sent.at[4] == 0x97);
    ignore(c);
    says(c, "30 [ s'y' 00 'q' ]");
    hears(live, "30 [ s'y' 00 'q' ]");
    says(three, "32 [ s'x' 0008 'm' ]"); /* 3.x has no word for it */
    is_closed(three);
    hears_nothing(b);
    world_wait(&s->world, 2000); /* it tries again */
    write_all(s);
    hears(b, "40 [ 0007 ]");
    says(c, "32 [ s'x' 0009 00 'm' ]");
    write_all(s);
    hears(c, "40 [ 0009 ]");
}

static void disconnect_comes_behind_what_waits(void **state)
{
    struct stage *s = *state;
    away(s, "a", "x");
    struct peer *peer = stage_v5(s, "b");
    says(peer, "32 [ s'x' 0007 00 'm' ]");
    hand_over(s);
    assert_true(broker_kick(s->world.broker, SLICE("b"), EXPEL_DENIED));
    hears_nothing(peer);
    write_all(s);
    hears(peer, "40 [ 0007 ] e0 [ 87 ]"); /* [MQTT-3.14.4-1] */
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, stage_teardown)
    const struct CMUnitTest tests[] = {
        TEST(connack_waits_and_nothing_comes_before_it),
        TEST(suback_waits_and_messages_come_behind_it),
        TEST(puback_waits_for_the_message),
        TEST(puback_leaves_with_its_own_batch),
        TEST(each_step_of_qos_2_waits),
        TEST(what_is_sent_with_qos_2_is_on_disk_before),
        TEST(a_refusal_keeps_its_place_and_waits_for_nothing_else),
        TEST(a_full_store_refuses_what_it_would_have_to_keep),
        TEST(disconnect_comes_behind_what_waits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
