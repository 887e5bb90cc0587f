/* test_mqtt_refuse: every packet type in every state and version, refusals and their one log line.
 */
#include "mqtt_stage.h"

#include "broker/verdict.h"
#include "protocols/mqtt/connection.h"
#include "protocols/mqtt/reasons.h"
#include "protocols/mqtt/refuse.h"

#include <stdio.h>

/* ---- types and states ---- */

/* A well-formed packet of each type, as its sender would send it, by version. */
static const char *packet_of(unsigned type, bool five)
{
    static const char *const three_packets[16] = {
        "00 00",
        NULL,
        "20 02 00 00",
        "30 [ s't' ]",
        "40 02 0001",
        "50 02 0001",
        "62 02 0001",
        "70 02 0001",
        "82 [ 0001 s't' 00 ]",
        "90 03 0001 00",
        "a2 [ 0001 s't' ]",
        "b0 02 0001",
        "c0 00",
        "d0 00",
        "e0 00",
        "f0 00",
    };
    static const char *const five_packets[16] = {
        "00 00",
        NULL,
        "20 03 00 00 00",
        "30 [ s't' 00 ]",
        "40 02 0001",
        "50 02 0001",
        "62 02 0001",
        "70 02 0001",
        "82 [ 0001 00 s't' 00 ]",
        "90 [ 0001 00 00 ]",
        "a2 [ 0001 00 s't' ]",
        "b0 [ 0001 00 00 ]",
        "c0 00",
        "d0 00",
        "e0 00",
        "f0 00",
    };
    return five ? five_packets[type] : three_packets[type];
}

static bool client_sends(unsigned type)
{
    return type >= MQTT_PUBLISH && type != MQTT_SUBACK && type != MQTT_UNSUBACK &&
           type != MQTT_PINGRESP && type != MQTT_AUTH;
}

static void only_what_a_client_may_send_is_taken_from_a_client(void **state)
{
    struct stage *s = *state;
    for (unsigned version = 3; version <= 5; version++) {
        for (unsigned type = 0; type < 16; type++) {
            if (type == MQTT_CONNECT)
                continue;
            char connect[64];
            snprintf(connect, sizeof connect, "10 [ %s %02x 02 003c %s s'a' ]",
                     version == 3 ? "s'MQIsdp'" : "s'MQTT'", version,
                     version == 5 ? "[ 17 00 ]" : "");
            struct peer *a = stage_any(s, connect);
            ignore(a);
            says(a, packet_of(type, version == 5));
            if (client_sends(type) && type != MQTT_DISCONNECT) {
                is_open(a);
                ignore(a);
                says(a, "c0 00"); /* and all is well afterwards */
                hears(a, "d0 00");
                continue;
            }
            if (version == 5 && type != MQTT_DISCONNECT)
                hears(a, type == 0 || type == MQTT_AUTH ? (type ? "e0 01 82" : "e0 01 81")
                                                        : "e0 01 82");
            is_closed(a);
        }
    }
    /* A type that is none, and all that only servers send. */
    assert_int_equal(broker_stats(s->world.broker)->protocol_errors, 3 * 6);
}

static void no_type_but_connect_is_taken_from_a_stranger(void **state)
{
    struct stage *s = *state;
    for (unsigned type = 0; type < 16; type++)
        for (int five = 0; five < 2; five++)
            if (type != MQTT_CONNECT)
                is_closed(stage_any(s, packet_of(type, five)));
    assert_int_equal(broker_stats(s->world.broker)->sessions, 0);
}

static void nothing_is_taken_after_a_refusal_in_the_same_bytes(void **state)
{
    struct stage *s = *state;
    struct peer *w = stage_v3(s, "w"), *a = stage_v3(s, "a");
    says(w, "82 [ 0001 s'#' 00 ]");
    ignore(w);
    says(a, "30 [ s't' '1' ] d0 00 30 [ s't' '2' ]");
    is_closed(a);
    hears(w, "30 [ s't' '1' ]");
    says(a, "30 [ s't' '3' ]");
    hears_nothing(w);
}

static void the_shape_of_another_version_is_refused(void **state)
{
    struct stage *s = *state;
    struct peer *three = stage_v3(s, "a");
    says(three, "82 [ 0001 00 s't' 00 ]"); /* 5.0's property length is no filter */
    is_closed(three);
    struct peer *five = stage_v5_with(s, "b", "17 00");
    says(five, "82 [ 0001 s't' 00 ]");
    hears(five, "e0 01 81");
    is_closed(five);
    five = stage_v5_with(s, "c", "17 00");
    says(five, "40 03 0001 92"); /* a reason that PUBACK cannot carry */
    hears(five, "e0 01 82");
    is_closed(five);
    three = stage_v3(s, "d");
    says(three, "40 03 0001 00"); /* 3.1.1 knows no reason */
    is_closed(three);
    three = stage_v3(s, "e");
    says(three, "e0 01 00");
    is_closed(three);
}

static void every_way_to_cut_a_session_is_survived(void **state)
{
    struct stage *s = *state;
    struct buffer whole =
        mqtt_bytes("10 [ s'MQTT' 05 c6 003c [ 11 00000001 21 0010 ] s'a' [ 18 00000001 ] s'w' s'm' "
                   "s'u' s'p' ] "
                   "82 [ 0001 [ 0b 05 ] s't/#' 02 s'$share/g/t' 01 ] "
                   "34 [ s't/x' 0001 [ 23 0001 26 s'k' s'v' ] 'payload' ] 62 03 0001 00 "
                   "a2 [ 0002 00 s't/#' ] c0 00 e0 [ 00 [ 11 00000000 ] ]");
    for (uint32_t cut = 0; cut <= whole.len; cut++) {
        struct peer *a = peer_arrive(&s->world);
        peer_say(a, slice_of(whole.at, cut));
        peer_say(a, slice_of(whole.at + cut, whole.len - cut));
        assert_true(a->closed);
        assert_string_equal(a->why, "disconnected by the client");
        peer_drop(a);
        a = peer_arrive(&s->world);
        peer_say(a, slice_of(whole.at, cut));
        peer_vanish(a);
        peer_drop(a);
        world_wait(&s->world, 1100);
        assert_int_equal(broker_stats(s->world.broker)->sessions, 0);
    }
    buffer_clear(&whole);
}

static void every_single_wrong_byte_is_survived(void **state)
{
    struct stage *s = *state;
    struct buffer whole =
        mqtt_bytes("10 [ s'MQTT' 05 06 003c [ 11 00000001 ] s'a' [ 18 00000001 ] s'w' s'm' ] "
                   "82 [ 0001 [ 0b 05 ] s't/#' 02 ] 34 [ s't/x' 0001 [ 23 0001 ] 'p' ] 62 02 0001 "
                   "c0 00 e0 00");
    for (uint32_t at = 0; at < whole.len; at++) {
        uint8_t right = whole.at[at];
        for (unsigned wrong = 0; wrong < 256; wrong += at < 12 ? 1 : 5) {
            whole.at[at] = (uint8_t)wrong;
            struct peer *a = peer_arrive(&s->world);
            peer_say(a, buffer_slice(&whole));
            peer_drop(a);
        }
        whole.at[at] = right;
    }
    buffer_clear(&whole);
    world_wait(&s->world, 2000);
    assert_int_equal(broker_stats(s->world.broker)->clients_connected, 0);
}

/* ---- what is said ---- */

static void a_protocol_error_is_one_line_with_packet_offset_and_clause(void **state)
{
    struct stage *s = *state;
    struct peer *a = stage_v3(s, "sensor-7");
    buffer_clear(&s->world.log);
    says(a, "30 [ s'a/+' 'x' ]");
    is_closed(a);
    struct slice log = buffer_slice(&s->world.log);
    const char line[] = "sensor-7: protocol error: PUBLISH at offset 2: wildcard in the topic "
                        "[MQTT-3.3.2-2] (0x90)\n";
    assert_int_equal(log.len, sizeof line - 1);
    assert_memory_equal(log.at, line, log.len);
}

static void the_reason_string_is_left_out_where_it_is_not_wanted_or_does_not_fit(void **state)
{
    struct stage *s = *state;
    struct peer *wants = stage_v5(s, "a");
    says(wants, "d0 00");
    hears(wants, "e0 [ 82 [ 1f s'a packet that only a server sends [5.0 section 2.1.2]' ] ]");
    struct peer *not = stage_v5_with(s, "b", "17 00");
    says(not, "d0 00");
    hears(not, "e0 01 82"); /* [MQTT-3.1.2-29] */
    struct peer *narrow = stage_v5_with(s, "c", "27 00000020");
    says(narrow, "d0 00");
    hears(narrow, "e0 01 82"); /* [MQTT-3.14.2-3] */
}

static void a_refused_publish_is_logged_at_a_bounded_rate(void **state)
{
    struct stage *s = *state;
    world_wait(&s->world, 5000); /* into a second of its own */
    struct peer *a = stage_v3(s, "a");
    buffer_clear(&s->world.log);
    for (int i = 0; i < 1000; i++)
        says(a, "30 [ s'$x' 'y' ]");
    size_t lines = 0;
    for (uint32_t i = 0; i < s->world.log.len; i++)
        lines += s->world.log.at[i] == '\n';
    assert_in_range(lines, 1, 10);
    world_wait(&s->world, 1000);
    says(a, "30 [ s'$x' 'y' ]");
    assert_true(world_logged(&s->world, "more like this were not logged"));
    assert_int_equal(broker_stats(s->world.broker)->publish_refused, 1001);
}

static void what_a_client_sends_is_escaped_in_the_log(void **state)
{
    struct stage *s = *state;
    world_wait(&s->world, 10000);
    struct peer *a = stage_any(s, "10 [ s'MQTT' 04 02 003c { 'a' c3 a9 '\\' 22 } ]");
    ignore(a);
    says(a, "30 [ { '$x' 22 } 'y' ]");
    assert_true(world_logged(&s->world, "\\x22"));
}

/* ---- the tables ---- */

static void every_verdict_has_a_reason_that_its_packet_may_carry(void **state)
{
    (void)state;
    for (int v = 0; v < VERDICT_COUNT; v++) {
        enum verdict verdict = (enum verdict)v;
        assert_true(mqtt_server_may_say(MQTT_PUBACK, (uint8_t)mqtt_publish_reason(verdict)));
        assert_true(mqtt_server_may_say(MQTT_PUBREC, (uint8_t)mqtt_publish_reason(verdict)));
        assert_true(mqtt_server_may_say(MQTT_CONNACK, (uint8_t)mqtt_connect_reason(verdict)));
        assert_true(mqtt_server_may_say(MQTT_UNSUBACK, (uint8_t)mqtt_unsubscribe_reason(verdict)));
        for (unsigned qos = 0; qos < 3; qos++)
            assert_true(
                mqtt_server_may_say(MQTT_SUBACK, (uint8_t)mqtt_subscribe_reason(verdict, qos)));
        bool refused = verdict >= VERDICT_DENIED;
        assert_int_equal(mqtt_publish_reason(verdict) >= 0x80, refused);
        assert_int_equal(mqtt_connect_reason(verdict) >= 0x80, refused);
        assert_int_equal(mqtt_subscribe_reason(verdict, 0) >= 0x80, refused);
        assert_int_equal(mqtt_unsubscribe_reason(verdict) >= 0x80, refused);
    }
}

static void the_option_rows_fit_their_struct(void **state)
{
    (void)state;
    const struct option_table *table = &mqtt_option_table;
    assert_string_equal(table->section, "mqtt");
    assert_int_equal(table->size, sizeof(struct mqtt_options));
    for (size_t i = 0; i < table->count; i++) {
        const struct option_row *row = &table->rows[i];
        size_t size = row->type == OPTION_BOOL ? sizeof(bool) : sizeof(uint64_t);
        assert_true(row->offset + size <= table->size);
        assert_non_null(row->fallback);
        assert_non_null(row->help);
        for (size_t j = 0; j < i; j++) {
            assert_string_not_equal(row->name, table->rows[j].name);
            assert_int_not_equal(row->offset, table->rows[j].offset);
        }
    }
}

static void a_connection_is_small(void **state)
{
    (void)state;
    assert_in_range(mqtt_protocol.state_size, 1, 112);
    assert_int_equal(mqtt_protocol.state_size, sizeof(struct mqtt_connection));
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, stage_setup, stage_teardown)
    const struct CMUnitTest tests[] = {
        TEST(only_what_a_client_may_send_is_taken_from_a_client),
        TEST(no_type_but_connect_is_taken_from_a_stranger),
        TEST(nothing_is_taken_after_a_refusal_in_the_same_bytes),
        TEST(the_shape_of_another_version_is_refused),
        TEST(every_way_to_cut_a_session_is_survived),
        TEST(every_single_wrong_byte_is_survived),
        TEST(a_protocol_error_is_one_line_with_packet_offset_and_clause),
        TEST(the_reason_string_is_left_out_where_it_is_not_wanted_or_does_not_fit),
        TEST(a_refused_publish_is_logged_at_a_bounded_rate),
        TEST(what_a_client_sends_is_escaped_in_the_log),
        cmocka_unit_test(every_verdict_has_a_reason_that_its_packet_may_carry),
        cmocka_unit_test(the_option_rows_fit_their_struct),
        cmocka_unit_test(a_connection_is_small),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
