/* test_mqtt_session: how connections end, what of them stays, and what is said about it. */
#include "mqtt_stage.h"

/* A subscriber to everything, and to client events. */
static struct peer *watcher(struct stage *s)
{
    struct peer *w = stage_v3(s, "w");
    says(w, "82 [ 0001 s'will/#' 00 ]");
    ignore(w);
    return w;
}

/* ---- DISCONNECT ---- */

static void a_normal_disconnection_takes_the_will_along(void **state)
{
    struct stage *s = *state;
    struct peer *w = watcher(s);
    struct peer *three = stage_any(s, "10 [ s'MQTT' 04 06 003c s'a' s'will/a' s'gone' ]");
    ignore(three);
    says(three, "e0 00");
    is_closed(three);
    struct peer *five = stage_any(s, "10 [ s'MQTT' 05 06 003c 00 s'b' 00 s'will/b' s'gone' ]");
    ignore(five);
    says(five, "e0 00 30 [ s'will/x' 00 'too late' ]");
    is_closed(five);
    hears_nothing(w);
    assert_true(world_logged(&s->world, "a: disconnected by the client\n"));
}

static void disconnect_with_will_message_publishes_it(void **state)
{
    struct stage *s = *state;
    struct peer *w = watcher(s);
    struct peer *a = stage_any(s, "10 [ s'MQTT' 05 06 003c 00 s'a' 00 s'will/a' s'gone' ]");
    ignore(a);
    says(a, "e0 01 04");
    is_closed(a);
    hears(w, "30 [ s'will/a' 'gone' ]");
    assert_true(world_logged(
        &s->world, "a: disconnected by the client: Disconnect with Will Message (0x04)\n"));
}

static void session_expiry_can_be_changed_at_disconnect(void **state)
{
    struct stage *s = *state;
    struct peer *a = stage_any(s, "10 [ s'MQTT' 05 02 003c [ 11 00000e10 ] s'a' ]");
    says(a, "e0 [ 00 [ 11 00000000 ] ]");
    assert_true(a->closed);
    assert_int_equal(broker_stats(s->world.broker)->sessions, 0);

    a = stage_any(s, "10 [ s'MQTT' 05 02 003c [ 11 0000000a ] s'a' ]");
    says(a, "e0 [ 00 [ 11 00000064 ] ]");
    assert_true(a->closed);
    world_wait(&s->world, 99900);
    assert_int_equal(broker_stats(s->world.broker)->sessions, 1);
    world_wait(&s->world, 1100);
    assert_int_equal(broker_stats(s->world.broker)->sessions, 0);
}

static void a_session_that_was_to_end_cannot_be_prolonged(void **state)
{
    struct stage *s = *state;
    struct peer *a = stage_v5_with(s, "a", "17 00");
    says(a, "e0 [ 00 [ 11 00000064 ] ]");
    hears(a, "e0 01 82");
    is_closed(a);
    struct peer *b = stage_v5(s, "b");
    says(b, "e0 [ 00 [ 11 00000000 ] ]"); /* no change is no error */
    is_closed(b);
    assert_int_equal(broker_stats(s->world.broker)->protocol_errors, 1);
}

static void prolonging_at_disconnect_stays_below_the_maximum(void **state)
{
    struct stage *s = *state;
    s->options.session_expiry_max = 5000;
    struct peer *a = stage_any(s, "10 [ s'MQTT' 05 02 003c [ 11 00000001 ] s'a' ]");
    says(a, "e0 [ 00 [ 11 ffffffff ] ]");
    world_wait(&s->world, 4900);
    assert_int_equal(broker_stats(s->world.broker)->sessions, 1);
    world_wait(&s->world, 1100);
    assert_int_equal(broker_stats(s->world.broker)->sessions, 0);
}

/* ---- wills ---- */

static void a_will_is_published_when_the_client_vanishes(void **state)
{
    struct stage *s = *state;
    struct peer *w = watcher(s);
    struct peer *a = stage_any(s, "10 [ s'MQTT' 04 26 003c s'a' s'will/a' s'gone' ]");
    ignore(a);
    peer_vanish(a);
    hears(w, "30 [ s'will/a' 'gone' ]");
    assert_int_equal(broker_stats(s->world.broker)->retained_messages, 1);
    assert_true(world_logged(&s->world, "a: closed: peer closed the connection\n"));
}

static void a_will_is_published_after_a_protocol_error(void **state)
{
    struct stage *s = *state;
    struct peer *w = watcher(s);
    struct peer *a = stage_any(s, "10 [ s'MQTT' 04 06 003c s'a' s'will/a' s'gone' ]");
    ignore(a);
    says(a, "20 02 00 00");
    is_closed(a);
    hears(w, "30 [ s'will/a' 'gone' ]");
}

static void a_will_carries_its_properties_and_waits_for_its_delay(void **state)
{
    struct stage *s = *state;
    struct peer *w = stage_v5(s, "w");
    says(w, "82 [ 0001 00 s'will/#' 00 ]");
    ignore(w);
    struct peer *a = stage_any(
        s, "10 [ s'MQTT' 05 06 003c [ 11 0000000a ] s'a' "
           "[ 26 s'k' s'v' 18 00000002 03 s'text' 02 00000005 01 01 ] s'will/a' s'gone' ]");
    ignore(a);
    peer_vanish(a);
    hears_nothing(w);
    world_wait(&s->world, 1900);
    hears_nothing(w);
    world_wait(&s->world, 200);
    hears(w, "30 [ s'will/a' [ 02 00000005 26 s'k' s'v' 03 s'text' 01 01 ] 'gone' ]");
}

static void a_will_with_a_delay_is_not_published_when_the_client_is_back_in_time(void **state)
{
    struct stage *s = *state;
    struct peer *w = watcher(s);
    struct peer *a = stage_any(
        s, "10 [ s'MQTT' 05 06 003c [ 11 0000000a ] s'a' [ 18 00000002 ] s'will/a' s'gone' ]");
    peer_vanish(a);
    world_wait(&s->world, 1000);
    stage_any(s, "10 [ s'MQTT' 05 00 003c [ 11 0000000a ] s'a' ]");
    world_wait(&s->world, 5000);
    hears_nothing(w);
}

/* ---- takeover and the end ---- */

static void a_second_connection_takes_over(void **state)
{
    struct stage *s = *state;
    struct peer *w = watcher(s);
    struct peer *first = stage_any(s, "10 [ s'MQTT' 05 06 003c 00 s'a' 00 s'will/a' s'gone' ]");
    ignore(first);
    struct peer *second = stage_v3(s, "a");
    hears(first, "e0 01 8e");
    is_closed(first);
    hears(w, "30 [ s'will/a' 'gone' ]");
    struct peer *third = stage_v5(s, "a");
    is_closed(second); /* 3.x has no word for it */
    is_open(third);
    assert_int_equal(broker_stats(s->world.broker)->clients_connected, 2);
    assert_true(world_logged(&s->world, "a: closed: taken over by another connection\n"));
}

static void whose_right_has_ended_is_told_and_closed(void **state)
{
    struct stage *s = *state;
    struct peer *a = stage_v5(s, "a");
    assert_true(broker_kick(s->world.broker, SLICE("a"), EXPEL_DENIED));
    world_turn(&s->world);
    hears(a, "e0 01 87");
    is_closed(a);
    assert_false(broker_kick(s->world.broker, SLICE("a"), EXPEL_DENIED));
}

static void nothing_follows_a_disconnect(void **state)
{
    struct stage *s = *state;
    struct peer *a = stage_any(s, "10 [ s'MQTT' 05 06 003c [ 17 00 ] s'a' 00 s'will/a' s'gone' ]");
    says(a, "82 [ 0001 00 s'will/#' 00 ]"); /* listens to its own will */
    ignore(a);
    says(a, "00 00");
    hears(a, "e0 01 81");
    is_closed(a);
}

static void a_stop_is_told_to_5_0_clients(void **state)
{
    struct stage *s = *state;
    struct peer *three = stage_v3(s, "a"), *five = stage_v5(s, "b");
    struct peer *stranger = peer_arrive(&s->world);
    world_stop(&s->world);
    hears(five, "e0 01 8b");
    is_closed(five);
    is_closed(three);
    is_closed(stranger);
    assert_true(world_logged(&s->world, "b: closed: siotd is stopping\n"));
}

static void client_events_tell_of_coming_and_going(void **state)
{
    struct stage *s = *state;
    struct peer *w = stage_v3(s, "w");
    says(w, "82 [ 0001 s'$SYS/clients/+/+' 00 ]");
    ignore(w);
    struct peer *a = stage_v3(s, "a");
    assert_non_null(memmem(w->sent.at, w->sent.len, "$SYS/clients/a/connected", 24));
    ignore(w);
    says(a, "e0 00");
    assert_non_null(memmem(w->sent.at, w->sent.len, "$SYS/clients/a/disconnected", 27));
    assert_non_null(memmem(w->sent.at, w->sent.len, "disconnected by the client", 26));
}

static void a_session_is_resumed_with_its_subscriptions(void **state)
{
    struct stage *s = *state;
    struct peer *a = stage_v3_kept(s, "a", false), *p = stage_v3(s, "p");
    says(a, "82 [ 0001 s't' 01 ]");
    peer_vanish(a);
    says(p, "32 [ s't' 0001 '1' ] 32 [ s't' 0002 '2' ]");
    a = stage_v3_kept(s, "a", true);
    hears(a, "32 [ s't' 0001 '1' ] 32 [ s't' 0002 '2' ]");
    says(a, "40 02 0001 40 02 0002");
    stage_v3(s, "a"); /* a clean session ends it */
    is_closed(a);
    stage_v3_kept(s, "a", false);
}

/* ---- deadlines ---- */

static void a_stranger_has_to_connect_in_time(void **state)
{
    struct stage *s = *state;
    struct peer *silent = peer_arrive(&s->world), *slow = peer_arrive(&s->world);
    world_wait(&s->world, 6000);
    says(slow, "10 20 s'MQTT' 05");
    world_wait(&s->world, 3900);
    is_open(silent);
    world_wait(&s->world, 200);
    is_closed(silent);
    is_closed(slow); /* dribbling does not help */
}

static void keep_alive_is_one_and_a_half_times(void **state)
{
    struct stage *s = *state;
    struct peer *w = watcher(s);
    struct peer *five = stage_any(s, "10 [ s'MQTT' 05 02 000a 00 s'a' ]");
    ignore(five);
    struct peer *three = stage_any(s, "10 [ s'MQTT' 04 06 000b s'b' s'will/b' s'gone' ]");
    ignore(three);
    world_wait(&s->world, 14900);
    is_open(five);
    world_wait(&s->world, 100);
    hears(five, "e0 01 8d");
    is_closed(five);
    world_wait(&s->world, 1400);
    is_open(three);
    world_wait(&s->world, 100);
    is_closed(three);
    hears(w, "30 [ s'will/b' 'gone' ]");
    assert_true(world_logged(&s->world, "a: closed: keep-alive expired (15 s)\n"));
    assert_true(world_logged(&s->world, "b: closed: keep-alive expired (16.5 s)\n"));
}

static void any_packet_keeps_a_client_alive(void **state)
{
    struct stage *s = *state;
    struct peer *a = stage_any(s, "10 [ s'MQTT' 05 02 000a 00 s'a' ]");
    ignore(a);
    uint32_t set = a->deadlines_set;
    for (int i = 0; i < 1000; i++) {
        says(a, "30 [ s't' 00 ]");
        if (i % 10 == 0)
            world_wait(&s->world, 1000);
    }
    is_open(a);
    /* 100 s of packets, and the timer was touched once per keep-alive. */
    assert_in_range(a->deadlines_set - set, 1, 8);
}

static void what_is_sent_to_a_client_does_not_keep_it_alive(void **state)
{
    struct stage *s = *state;
    struct peer *a = stage_any(s, "10 [ s'MQTT' 04 02 0002 s'a' ]"), *p = stage_v3(s, "p");
    says(a, "82 [ 0001 s't' 00 ]");
    for (int i = 0; i < 6; i++) {
        world_wait(&s->world, 500);
        says(p, "30 [ s't' ]");
    }
    assert_true(a->closed);
}

static void without_a_maximum_a_keep_alive_of_zero_is_none(void **state)
{
    struct stage *s = *state;
    s->options.keep_alive_max = OPTION_UNLIMITED;
    struct peer *a = stage_any(s, "10 [ s'MQTT' 04 02 0000 s'a' ]");
    ignore(a);
    world_wait(&s->world, 200000);
    is_open(a);
    s->options.keep_alive_max = 10000;
    struct peer *b =
        stage_any(s, "10 [ s'MQTT' 04 02 0000 s'b' ]"); /* held to what it is not told */
    ignore(b);
    world_wait(&s->world, 14900);
    is_open(b);
    world_wait(&s->world, 200);
    is_closed(b);
}

static void a_packet_has_to_arrive_in_time(void **state)
{
    struct stage *s = *state;
    struct peer *a = stage_v5(s, "a");
    says(a, "30 [ s't' 00 ] 30 05 00");
    for (int i = 0; i < 3; i++) {
        world_wait(&s->world, 3000);
        is_open(a);
        says(a, "01"); /* a byte now and then does not help */
    }
    world_wait(&s->world, 1100);
    hears(a, "e0 [ 81 [ 1f s'packet not complete in time' ] ]");
    is_closed(a);
    assert_true(world_logged(&s->world, "a: closed: packet not complete after 10 s\n"));
}

static void a_large_packet_has_a_second_more_per_kib(void **state)
{
    struct stage *s = *state;
    struct peer *a = stage_any(s, "10 [ s'MQTT' 05 02 0002 00 s'a' ]"); /* keep-alive 2 s */
    ignore(a);
    struct peer *w = watcher(s);
    says(a, "30 c2 50 s'will/x' 00 'x'*10"); /* 10,306 bytes, 10 KiB and a bit */
    for (int i = 0; i < 10; i++) {
        world_wait(&s->world, 1900);
        is_open(a); /* the keep-alive waits: PINGREQ cannot be sent meanwhile */
        says(a, "'x'*1028");
    }
    says(a, "'x'*7");
    assert_int_equal(w->sent.len, 3 + 2 + 6 + 10297);
    ignore(w);
    world_wait(&s->world, 3000);
    hears(a, "e0 01 8d");
}

static void the_time_of_a_packet_counts_from_its_own_first_byte(void **state)
{
    struct stage *s = *state;
    struct peer *a = stage_v3(s, "a");
    for (int i = 0; i < 10; i++) {
        says(a, "30 [ s't' ] 30");
        world_wait(&s->world, 6000);
        says(a, "03 s't'");
    }
    is_open(a);
    world_wait(&s->world, 60000); /* nothing is under way now */
    is_open(a);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, stage_setup, stage_teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_normal_disconnection_takes_the_will_along),
        TEST(disconnect_with_will_message_publishes_it),
        TEST(session_expiry_can_be_changed_at_disconnect),
        TEST(a_session_that_was_to_end_cannot_be_prolonged),
        TEST(prolonging_at_disconnect_stays_below_the_maximum),
        TEST(a_will_is_published_when_the_client_vanishes),
        TEST(a_will_is_published_after_a_protocol_error),
        TEST(a_will_carries_its_properties_and_waits_for_its_delay),
        TEST(a_will_with_a_delay_is_not_published_when_the_client_is_back_in_time),
        TEST(a_second_connection_takes_over),
        TEST(whose_right_has_ended_is_told_and_closed),
        TEST(nothing_follows_a_disconnect),
        TEST(a_stop_is_told_to_5_0_clients),
        TEST(client_events_tell_of_coming_and_going),
        TEST(a_session_is_resumed_with_its_subscriptions),
        TEST(a_stranger_has_to_connect_in_time),
        TEST(keep_alive_is_one_and_a_half_times),
        TEST(any_packet_keeps_a_client_alive),
        TEST(what_is_sent_to_a_client_does_not_keep_it_alive),
        TEST(without_a_maximum_a_keep_alive_of_zero_is_none),
        TEST(a_packet_has_to_arrive_in_time),
        TEST(a_large_packet_has_a_second_more_per_kib),
        TEST(the_time_of_a_packet_counts_from_its_own_first_byte),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
