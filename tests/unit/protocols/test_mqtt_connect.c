/* test_mqtt_connect: from a stranger to a client, or not. */
#include "mqtt_stage.h"

#include <stdio.h>

#define CONNACK_V5 "20 [ 00 00 [ 21 0020 22 0010 27 00100000 ] ]"

/* ---- who gets in ---- */

static void connect_of_each_version_is_accepted(void **state)
{
    struct stage *s = *state;
    hears(stage_any(s, "10 [ s'MQIsdp' 03 02 003c s'a' ]"), "20 02 00 00");
    hears(stage_any(s, "10 [ s'MQTT' 04 02 003c s'b' ]"), "20 02 00 00");
    hears(stage_any(s, "10 [ s'MQTT' 05 02 003c 00 s'c' ]"), CONNACK_V5);
    assert_int_equal(broker_stats(s->world.broker)->clients_connected, 3);
    assert_true(world_logged(
        &s->world,
        "c: connected: MQTT 5.0, anonymous, keep-alive 60 s, clean start, session expiry 0 s"));
}

static void connect_may_come_byte_by_byte(void **state)
{
    struct stage *s = *state;
    struct peer *peer = peer_arrive(&s->world);
    struct buffer packet = mqtt_bytes("10 [ s'MQTT' 04 02 003c s'a' ]");
    for (uint32_t i = 0; i < packet.len; i++) {
        hears_nothing(peer);
        peer_say(peer, slice_of(packet.at + i, 1));
    }
    buffer_clear(&packet);
    hears(peer, "20 02 00 00");
}

static void packets_right_behind_connect_are_dealt_with(void **state)
{
    struct stage *s = *state;
    hears(stage_any(s, "10 [ s'MQTT' 04 02 003c s'a' ] 82 [ 0001 s't' 00 ] 30 [ s't' 'x' ] c0 00"),
          "20 02 00 00  90 03 0001 00  30 [ s't' 'x' ]  d0 00");
}

static void an_empty_client_id_gets_a_random_one(void **state)
{
    struct stage *s = *state;
    struct peer *a = stage_any(s, "10 [ s'MQTT' 05 00 003c [ 11 0000003c ] s'' ]");
    const char start[] = "\x20\x37\x00\x00\x34\x12\x00\x26siotd-";
    assert_true(a->sent.len == 57);
    assert_memory_equal(a->sent.at, start, sizeof start - 1);
    char id[39] = {0};
    memcpy(id, a->sent.at + 8, 38);
    ignore(a);
    assert_string_equal(a->name, id);
    struct peer *b = stage_any(s, "10 [ s'MQTT' 05 00 003c 00 s'' ]");
    assert_memory_not_equal(b->sent.at + 8, id, 38);
    ignore(b);
    /* It names the session like any other. */
    peer_vanish(a);
    char packet[128];
    snprintf(packet, sizeof packet, "10 [ s'MQTT' 05 00 003c 00 s'%s' ]", id);
    hears(stage_any(s, packet), "20 [ 01 00 [ 21 0020 22 0010 27 00100000 ] ]");
}

static void an_empty_client_id_of_3_1_1_needs_a_clean_session(void **state)
{
    struct stage *s = *state;
    hears(stage_any(s, "10 [ s'MQTT' 04 02 003c s'' ]"), "20 02 00 00");
    struct peer *kept = stage_any(s, "10 [ s'MQTT' 04 00 003c s'' ]");
    hears(kept, "20 02 00 02");
    is_closed(kept);
    struct peer *old = stage_any(s, "10 [ s'MQIsdp' 03 02 003c s'' ]");
    hears(old, "20 02 00 02");
    is_closed(old);
}

static void user_name_and_password_are_ignored_where_anybody_may_enter(void **state)
{
    struct stage *s = *state;
    hears(stage_any(s, "10 [ s'MQTT' 04 c2 003c s'a' s'user' s'secret' ]"), "20 02 00 00");
    assert_true(world_logged(&s->world, "user name \"user\""));
    assert_false(world_logged(&s->world, "secret"));
}

/* ---- who does not ---- */

static void a_listener_lets_nobody_in_unless_told_to(void **state)
{
    struct stage *s = *state;
    s->world.listener.anonymous = false;
    struct peer *three = stage_any(s, "10 [ s'MQTT' 04 c2 003c s'a' s'user' s'pass' ]");
    hears(three, "20 02 00 05");
    is_closed(three);
    struct peer *five = stage_any(s, "10 [ s'MQTT' 05 02 003c [ 17 00 ] s'b' ]");
    hears(five, "20 03 00 87 00");
    is_closed(five);
    assert_int_equal(broker_stats(s->world.broker)->clients_connected, 0);
    assert_int_equal(broker_stats(s->world.broker)->connects_refused, 2);
    assert_true(
        world_logged(&s->world, "b: refused: this listener lets nobody in unproven (0x87)"));
}

static void a_refusal_carries_its_reason_where_the_client_wants_it(void **state)
{
    struct stage *s = *state;
    s->world.listener.anonymous = false;
    struct peer *five = stage_any(s, "10 [ s'MQTT' 05 02 003c 00 s'b' ]");
    hears(five, "20 [ 00 87 [ 1f s'this listener lets nobody in unproven' ] ]");
    struct peer *narrow = stage_any(s, "10 [ s'MQTT' 05 02 003c [ 27 00000014 ] s'c' ]");
    hears(narrow, "20 03 00 87 00"); /* [MQTT-3.2.2-19] */
}

static void an_authentication_method_is_not_offered(void **state)
{
    struct stage *s = *state;
    struct peer *peer =
        stage_any(s, "10 [ s'MQTT' 05 02 003c [ 15 s'SCRAM-SHA-1' 17 00 ] s'a' ] 30 [ s't' 00 ]");
    hears(peer, "20 03 00 8c 00");
    is_closed(peer);
    assert_int_equal(broker_stats(s->world.broker)->publish_received, 0);
}

static void an_unknown_protocol_level_is_answered_in_the_nearest_version(void **state)
{
    struct stage *s = *state;
    struct peer *peer = stage_any(s, "10 [ s'MQTT' 06 02 003c 00 s'a' ]");
    hears(peer, "20 03 00 84 00");
    is_closed(peer);
    peer = stage_any(s, "10 [ s'MQTT' 02 02 003c s'a' ]");
    hears(peer, "20 02 00 01");
    is_closed(peer);
    peer = stage_any(s, "10 [ s'MQTT' 84 02 003c s'a' ]"); /* a bridge that tries its luck */
    hears(peer, "20 02 00 01");
    is_closed(peer);
}

static void a_protocol_name_of_something_else_is_closed_without_a_word(void **state)
{
    struct stage *s = *state;
    is_closed(stage_any(s, "10 [ s'AMQP' 04 02 003c s'a' ]"));
    assert_true(world_logged(&s->world, "protocol error: CONNECT at offset 2: "));
}

static void a_malformed_connect_is_answered_in_its_version(void **state)
{
    struct stage *s = *state;
    struct peer *peer = stage_any(s, "10 [ s'MQTT' 05 03 003c 00 s'a' ]"); /* reserved flag */
    hears(peer, "20 03 00 81 00");
    is_closed(peer);
    peer = stage_any(s, "10 [ s'MQTT' 04 03 003c s'a' ]");
    is_closed(peer);
    peer = stage_any(s, "10 [ s'MQTT' 05 02 003c [ 21 0000 ] s'a' ]"); /* Receive Maximum 0 */
    hears(peer, "20 03 00 82 00");
    is_closed(peer);
    assert_int_equal(broker_stats(s->world.broker)->protocol_errors, 3);
    assert_int_equal(broker_stats(s->world.broker)->sessions, 0);
}

static void the_first_packet_has_to_be_connect(void **state)
{
    struct stage *s = *state;
    static const char *const packets[] = {
        "20 02 00 00",
        "30 03 s't'",
        "40 02 0001",
        "62 02 0001",
        "82 06 0001 s't' 00",
        "c0 00",
        "d0 00",
        "e0 00",
        "00 00",
        "f0 00",
        "16 03 01 02 00 01", /* somebody tries TLS */
        "'GET / HTTP/1.1'",
    };
    for (size_t i = 0; i < sizeof packets / sizeof packets[0]; i++)
        is_closed(stage_any(s, packets[i]));
    assert_int_equal(broker_stats(s->world.broker)->protocol_errors,
                     sizeof packets / sizeof packets[0]);
}

static void nothing_large_is_read_from_a_stranger(void **state)
{
    struct stage *s = *state;
    is_closed(stage_any(s, "10 fe ff 03")); /* 65 KiB announced: refused by its header alone */
    struct peer *largest = stage_any(s, "10 fd 7f"); /* 16384 with its header */
    is_open(largest);
}

static void a_client_id_with_control_characters_is_refused(void **state)
{
    struct stage *s = *state;
    hears(stage_any(s, "10 [ s'MQTT' 05 02 003c [ 17 00 ] { 'a' 0a 'b' } ]"), "20 03 00 85 00");
    hears(stage_any(s, "10 [ s'MQTT' 04 02 003c { 'a' c2 85 } ]"), "20 02 00 02");
    assert_true(world_logged(&s->world, "a\\x0Ab: refused") ||
                world_logged(&s->world, "a\\x0ab: refused"));
}

static void too_many_sessions_are_refused(void **state)
{
    struct stage *s = *state;
    s->world.limits.sessions = 1;
    stage_v5(s, "a");
    hears(stage_any(s, "10 [ s'MQTT' 05 02 003c [ 17 00 ] s'b' ]"), "20 03 00 97 00");
    hears(stage_any(s, "10 [ s'MQTT' 04 02 003c s'b' ]"), "20 02 00 03");
    stage_v5(s, "a"); /* one that is there may come again */
}

static void a_second_connect_is_a_protocol_error(void **state)
{
    struct stage *s = *state;
    struct peer *five = stage_v5_with(s, "a", "17 00");
    says(five, "10 [ s'MQTT' 05 02 003c 00 s'a' ]");
    hears(five, "e0 01 82");
    is_closed(five);
    struct peer *three = stage_v3(s, "b");
    says(three, "10 [ s'MQTT' 04 02 003c s'b' ]");
    is_closed(three);
    assert_true(world_logged(&s->world, "b: protocol error: CONNECT at offset 0: a second CONNECT "
                                        "[MQTT-3.1.0-2] (0x82)"));
}

/* ---- what is granted ---- */

static void what_is_not_on_offer_is_announced(void **state)
{
    struct stage *s = *state;
    s->options.max_qos = 1;
    s->options.retain = false;
    s->options.wildcard_subscriptions = false;
    s->options.shared_subscriptions = false;
    s->options.subscription_identifiers = false;
    s->options.topic_alias_max = 0;
    s->world.limits.inflight = 65535;
    s->world.limits.packet_size = 268435460;
    hears(stage_any(s, "10 [ s'MQTT' 05 02 003c 00 s'a' ]"),
          "20 [ 00 00 [ 24 01 25 00 28 00 29 00 2a 00 ] ]");
}

static void session_expiry_is_capped_and_announced(void **state)
{
    struct stage *s = *state;
    s->options.session_expiry_max = 100 * 1000;
    hears(stage_any(s, "10 [ s'MQTT' 05 02 003c [ 11 ffffffff ] s'a' ]"),
          "20 [ 00 00 [ 11 00000064 21 0020 22 0010 27 00100000 ] ]");
    hears(stage_any(s, "10 [ s'MQTT' 05 02 003c [ 11 00000064 ] s'b' ]"), CONNACK_V5);
    s->options.session_expiry_max = OPTION_UNLIMITED;
    hears(stage_any(s, "10 [ s'MQTT' 05 02 003c [ 11 ffffffff ] s'c' ]"), CONNACK_V5);
    assert_true(world_logged(&s->world,
                             "c: connected: MQTT 5.0, anonymous, keep-alive 60 s, clean start, "
                             "session expiry never"));
}

static void a_keep_alive_of_zero_or_above_the_maximum_is_replaced(void **state)
{
    struct stage *s = *state;
    s->options.keep_alive_max = 100 * 1000;
    hears(stage_any(s, "10 [ s'MQTT' 05 02 0000 00 s'a' ]"),
          "20 [ 00 00 [ 13 0064 21 0020 22 0010 27 00100000 ] ]");
    hears(stage_any(s, "10 [ s'MQTT' 05 02 0065 00 s'b' ]"),
          "20 [ 00 00 [ 13 0064 21 0020 22 0010 27 00100000 ] ]");
    hears(stage_any(s, "10 [ s'MQTT' 05 02 0064 00 s'c' ]"), CONNACK_V5);
    s->options.keep_alive_max = OPTION_UNLIMITED;
    hears(stage_any(s, "10 [ s'MQTT' 05 02 0000 00 s'd' ]"), CONNACK_V5);
}

static void a_connack_that_is_too_large_for_the_client_closes(void **state)
{
    struct stage *s = *state;
    is_closed(stage_any(s, "10 [ s'MQTT' 05 02 003c [ 27 00000008 ] s'a' ]"));
    assert_true(world_logged(&s->world, "CONNACK is above the client's Maximum Packet Size"));
    assert_int_equal(broker_stats(s->world.broker)->clients_connected, 0);
}

/* ---- wills that are refused ---- */

static void a_will_is_held_to_the_rules_of_a_publish(void **state)
{
    struct stage *s = *state;
    hears(stage_any(s, "10 [ s'MQTT' 05 06 003c [ 17 00 ] s'a' 00 s'$SYS/x' s'm' ]"),
          "20 03 00 87 00");
    hears(stage_any(s, "10 [ s'MQTT' 04 06 003c s'a' s'$SYS/x' s'm' ]"), "20 02 00 05");
    hears(stage_any(s, "10 [ s'MQTT' 05 06 003c 00 s'a' 00 s'a/#' s'm' ]"), "20 03 00 90 00");
    hears(stage_any(s, "10 [ s'MQTT' 05 06 003c [ 17 00 ] s'a' 00 { 'a' 01 } s'm' ]"),
          "20 03 00 90 00");
    hears(stage_any(s, "10 [ s'MQTT' 05 06 003c [ 17 00 ] s'a' 00 { 'a' '/'*128 } s'm' ]"),
          "20 03 00 90 00");
    s->options.max_qos = 1;
    hears(stage_any(s, "10 [ s'MQTT' 05 16 003c [ 17 00 ] s'a' 00 s't' s'm' ]"), "20 03 00 9b 00");
    s->options.retain = false;
    hears(stage_any(s, "10 [ s'MQTT' 05 2e 003c [ 17 00 ] s'a' 00 s't' s'm' ]"), "20 03 00 9a 00");
    is_closed(stage_any(s, "10 [ s'MQTT' 04 2e 003c s'a' s't' s'm' ]"));
    assert_int_equal(broker_stats(s->world.broker)->sessions, 0);
}

static void a_refused_connect_disturbs_nobody(void **state)
{
    struct stage *s = *state;
    struct peer *first = stage_v5(s, "a");
    stage_any(s, "10 [ s'MQTT' 05 06 003c 00 s'a' 00 s'$x' s'm' ]");
    stage_any(s, "10 [ s'MQTT' 05 02 003c [ 15 s'x' ] s'a' ]");
    s->world.listener.anonymous = false;
    stage_any(s, "10 [ s'MQTT' 05 02 003c 00 s'a' ]");
    hears_nothing(first);
    is_open(first);
}

static void a_stranger_is_known_once_its_connect_is_accepted(void **state)
{
    struct stage *s = *state;
    s->world.listener.anonymous = false;
    assert_false(stage_any(s, "10 [ s'MQTT' 04 02 003c s'a' ]")->known);
    s->world.listener.anonymous = true;
    assert_false(stage_any(s, "10 20 s'MQTT' 04")->known);
    assert_true(stage_any(s, "10 [ s'MQTT' 04 02 003c s'a' ]")->known);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, stage_setup, stage_teardown)
    const struct CMUnitTest tests[] = {
        TEST(connect_of_each_version_is_accepted),
        TEST(a_stranger_is_known_once_its_connect_is_accepted),
        TEST(connect_may_come_byte_by_byte),
        TEST(packets_right_behind_connect_are_dealt_with),
        TEST(an_empty_client_id_gets_a_random_one),
        TEST(an_empty_client_id_of_3_1_1_needs_a_clean_session),
        TEST(user_name_and_password_are_ignored_where_anybody_may_enter),
        TEST(a_listener_lets_nobody_in_unless_told_to),
        TEST(a_refusal_carries_its_reason_where_the_client_wants_it),
        TEST(an_authentication_method_is_not_offered),
        TEST(an_unknown_protocol_level_is_answered_in_the_nearest_version),
        TEST(a_protocol_name_of_something_else_is_closed_without_a_word),
        TEST(a_malformed_connect_is_answered_in_its_version),
        TEST(the_first_packet_has_to_be_connect),
        TEST(nothing_large_is_read_from_a_stranger),
        TEST(a_client_id_with_control_characters_is_refused),
        TEST(too_many_sessions_are_refused),
        TEST(a_second_connect_is_a_protocol_error),
        TEST(what_is_not_on_offer_is_announced),
        TEST(session_expiry_is_capped_and_announced),
        TEST(a_keep_alive_of_zero_or_above_the_maximum_is_replaced),
        TEST(a_connack_that_is_too_large_for_the_client_closes),
        TEST(a_will_is_held_to_the_rules_of_a_publish),
        TEST(a_refused_connect_disturbs_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
