/* test_mqtt_deliver: messages to a client: acknowledgement, order, size, aliases, shared frames. */
#include "mqtt_stage.h"

/* ---- acknowledgement ---- */

static void qos_1_is_sent_with_an_id_until_it_is_acknowledged(void **state)
{
    struct stage *s = *state;
    struct peer *a = stage_v3_kept(s, "a", false), *p = stage_v3(s, "p");
    says(a, "82 [ 0001 s't' 01 ]");
    ignore(a);
    says(p, "32 [ s't' 0001 'x' ]");
    hears(a, "32 [ s't' 0001 'x' ]");
    peer_vanish(a);
    a = stage_v3_kept(s, "a", true);
    hears(a, "3a [ s't' 0001 'x' ]"); /* DUP [MQTT-3.3.1-1] */
    says(a, "40 02 0001");
    peer_vanish(a);
    hears_nothing(stage_v3_kept(s, "a", true));
}

static void qos_2_goes_through_pubrec_pubrel_pubcomp(void **state)
{
    struct stage *s = *state;
    struct peer *a = stage_v3_kept(s, "a", false), *p = stage_v3(s, "p");
    says(a, "82 [ 0001 s't' 02 ]");
    ignore(a);
    says(p, "34 [ s't' 0001 'x' ]");
    hears(a, "34 [ s't' 0001 'x' ]");
    says(a, "50 02 0001");
    hears(a, "62 02 0001");
    peer_vanish(a);
    a = stage_v3_kept(s, "a", true);
    hears(a, "62 02 0001"); /* the message itself has arrived [MQTT-4.3.3-7] */
    says(a, "70 02 0001");
    peer_vanish(a);
    hears_nothing(stage_v3_kept(s, "a", true));
}

static void a_pubrec_that_refuses_ends_the_exchange(void **state)
{
    struct stage *s = *state;
    struct peer *a = stage_v5_with(s, "a", "21 0001"), *p = stage_v3(s, "p");
    says(a, "82 [ 0001 00 s't' 02 ]");
    ignore(a);
    says(p, "34 [ s't' 0001 'x' ] 34 [ s't' 0002 'y' ]");
    hears(a, "34 [ s't' 0001 00 'x' ]"); /* a window of one [MQTT-3.3.4-9] */
    says(a, "50 03 0001 97");
    hears(a, "34 [ s't' 0002 00 'y' ]");
}

static void answers_that_nothing_waits_for_do_no_harm(void **state)
{
    struct stage *s = *state;
    struct peer *three = stage_v3(s, "a"), *five = stage_v5(s, "b");
    says(three, "40 02 0009 70 02 0009 50 02 0009");
    hears(three, "62 02 0009");
    says(five, "40 02 0009 70 02 0009 50 02 0009 50 03 000a 87");
    hears(five, "62 03 0009 92");
    is_open(three);
    is_open(five);
}

static void a_client_that_does_not_read_gets_its_messages_later(void **state)
{
    struct stage *s = *state;
    struct peer *a = stage_v5(s, "a"), *p = stage_v3(s, "p");
    says(a, "82 [ 0001 00 s't' 01 ]");
    ignore(a);
    a->full = true;
    says(p, "30 [ s't' '0' ] 32 [ s't' 0001 '1' ] 32 [ s't' 0002 '2' ]");
    hears_nothing(a);
    hears(p, "40 02 0001 40 02 0002");
    says(a, "c0 00"); /* control packets do not wait behind data */
    hears(a, "d0 00");
    peer_drain(a);
    assert_int_equal(a->sent.len, 18); /* whatever ids they get */
    assert_memory_equal(a->sent.at, "\x32\x07\0\1t", 5);
    assert_int_equal(a->sent.at[8], '1');
    assert_int_equal(a->sent.at[17], '2');
    assert_int_equal(broker_stats(s->world.broker)->dropped[DROP_SLOW], 1);
}

/* ---- what differs per subscriber ---- */

static void each_version_gets_its_own_form_of_one_message(void **state)
{
    struct stage *s = *state;
    struct peer *p = stage_v5(s, "p"), *old = stage_any(s, "10 [ s'MQIsdp' 03 02 003c s'old' ]");
    struct peer *three = stage_v3(s, "three"), *more = stage_v3(s, "more");
    struct peer *five = stage_v5(s, "five"), *six = stage_v5(s, "six");
    says(old, "82 [ 0001 s't' 00 ]");
    says(three, "82 [ 0001 s't' 00 ]");
    says(more, "82 [ 0001 s't' 00 ]");
    says(five, "82 [ 0001 00 s't' 00 ]");
    says(six, "82 [ 0001 00 s't' 00 ]");
    struct peer *all[] = {old, three, more, five, six};
    for (size_t i = 0; i < 5; i++)
        ignore(all[i]);
    says(p, "32 [ s't' 0001 [ 03 s'text' 02 0000000a ] 'x' ]");
    hears(old, "30 [ s't' 'x' ]");
    hears(three, "30 [ s't' 'x' ]");
    hears(more, "30 [ s't' 'x' ]");
    hears(five, "30 [ s't' [ 02 0000000a 03 s'text' ] 'x' ]");
    hears(six, "30 [ s't' [ 02 0000000a 03 s'text' ] 'x' ]");
}

static void retain_as_published_is_not_shared_with_those_who_did_not_ask(void **state)
{
    struct stage *s = *state;
    struct peer *p = stage_v3(s, "p"), *plain = stage_v5(s, "a"), *as_is = stage_v5(s, "b");
    struct peer *plain2 = stage_v5(s, "c"), *as_is2 = stage_v5(s, "d");
    says(plain, "82 [ 0001 00 s't' 00 ]");
    says(as_is, "82 [ 0001 00 s't' 08 ]");
    says(plain2, "82 [ 0001 00 s't' 00 ]");
    says(as_is2, "82 [ 0001 00 s't' 08 ]");
    struct peer *all[] = {plain, as_is, plain2, as_is2};
    for (size_t i = 0; i < 4; i++)
        ignore(all[i]);
    says(p, "31 [ s't' 'x' ]");
    hears(plain, "30 [ s't' 00 'x' ]"); /* [MQTT-3.3.1-12] */
    hears(as_is, "31 [ s't' 00 'x' ]"); /* [MQTT-3.3.1-13] */
    hears(plain2, "30 [ s't' 00 'x' ]");
    hears(as_is2, "31 [ s't' 00 'x' ]");
}

static void subscription_identifiers_come_along(void **state)
{
    struct stage *s = *state;
    struct peer *p = stage_v3(s, "p"), *a = stage_v5(s, "a"), *b = stage_v5(s, "b");
    says(a, "82 [ 0001 [ 0b 01 ] s't/+' 00 ] 82 [ 0002 [ 0b ff ff ff 7f ] s't/#' 00 ]");
    says(b, "82 [ 0001 00 s't/+' 00 ]");
    ignore(a);
    ignore(b);
    says(p, "30 [ s't/x' 'm' ]");
    struct slice sent = buffer_slice(&a->sent);
    assert_int_equal(sent.len, 16); /* one packet, both identifiers, in either order */
    assert_non_null(memmem(sent.at, sent.len, "\x0b\x01", 2));
    assert_non_null(memmem(sent.at, sent.len, "\x0b\xff\xff\xff\x7f", 5));
    ignore(a);
    hears(b, "30 [ s't/x' 00 'm' ]");
}

static void a_message_above_the_clients_maximum_is_not_sent_to_it(void **state)
{
    struct stage *s = *state;
    struct peer *p = stage_v3(s, "p"), *narrow = stage_v5_with(s, "a", "27 00000020");
    struct peer *wide = stage_v5(s, "b"), *narrow2 = stage_v5_with(s, "c", "27 00000020");
    says(narrow, "82 [ 0001 00 s't' 01 ]");
    says(wide, "82 [ 0001 00 s't' 00 ]");
    says(narrow2, "82 [ 0001 00 s't' 00 ]"); /* would copy what was encoded for the one before */
    ignore(narrow);
    ignore(wide);
    ignore(narrow2);
    says(p, "32 [ s't' 0001 'x'*27 ] 32 [ s't' 0002 'x'*26 ] 32 [ s't' 0003 'y' ]");
    hears(wide, "30 [ s't' 00 'x'*27 ] 30 [ s't' 00 'x'*26 ] 30 [ s't' 00 'y' ]");
    hears(narrow2, "30 [ s't' 00 'x'*26 ] 30 [ s't' 00 'y' ]");
    assert_int_equal(narrow->sent.len, 9);
    assert_int_equal(narrow->sent.at[8], 'y');
    assert_int_equal(broker_stats(s->world.broker)->dropped[DROP_TOO_LARGE], 3);
    hears(p, "40 02 0001 40 02 0002 40 02 0003");
}

static void a_large_payload_is_sent_by_reference(void **state)
{
    struct stage *s = *state;
    struct peer *p = stage_v3(s, "p"), *a = stage_v3(s, "a"), *b = stage_v5(s, "b");
    says(a, "82 [ 0001 s't' 00 ]");
    says(b, "82 [ 0001 00 s't' 01 ]");
    ignore(a);
    ignore(b);
    says(p, "32 [ s't' 0001 'x'*2048 ]");
    hears(a, "30 [ s't' 'x'*2048 ]");
    hears(b, "32 [ s't' 0001 00 'x'*2048 ]");
    assert_int_equal(a->shared, 2048);
    assert_int_equal(b->shared, 2048);
    says(p, "30 [ s't' 'x'*2047 ]");
    hears(a, "30 [ s't' 'x'*2047 ]");
    assert_int_equal(a->shared, 2048);
}

/* ---- aliases that siotd sets ---- */

static void a_client_that_keeps_aliases_is_sent_short_topics(void **state)
{
    struct stage *s = *state;
    struct peer *p = stage_v3(s, "p"), *a = stage_v5_with(s, "a", "22 0002");
    struct peer *b = stage_v5(s, "b");
    says(a, "82 [ 0001 00 s'#' 00 ]");
    says(b, "82 [ 0001 00 s'#' 00 ]");
    ignore(a);
    ignore(b);
    says(p, "30 [ s'sensors/1' '1' ] 30 [ s'sensors/1' '2' ] 30 [ s'sensors/2' '3' ]");
    hears(a, "30 [ s'sensors/1' [ 23 0001 ] '1' ] 30 [ s'' [ 23 0001 ] '2' ] "
             "30 [ s'sensors/2' [ 23 0002 ] '3' ]");
    hears(b, "30 [ s'sensors/1' 00 '1' ] 30 [ s'sensors/1' 00 '2' ] 30 [ s'sensors/2' 00 '3' ]");
    says(p, "30 [ s'sensors/3' '4' ] 30 [ s'sensors/2' '5' ] 30 [ s't' '6' ] 30 [ s't' '7' ]");
    hears(a, "30 [ s'sensors/3' 00 '4' ] 30 [ s'' [ 23 0002 ] '5' ] 30 [ s't' 00 '6' ] "
             "30 [ s't' 00 '7' ]"); /* never above the client's maximum [MQTT-3.1.2-26] */
}

static void an_alias_is_not_taken_for_told_when_the_message_was_too_large(void **state)
{
    struct stage *s = *state;
    struct peer *p = stage_v3(s, "p"), *a = stage_v5_with(s, "a", "22 0002 27 00000020");
    says(a, "82 [ 0001 00 s'#' 00 ]");
    ignore(a);
    says(p, "30 [ s'sensors/1' 'x'*30 ] 30 [ s'sensors/1' '2' ] 30 [ s'sensors/1' '3' ]");
    hears(a, "30 [ s'sensors/1' [ 23 0001 ] '2' ] 30 [ s'' [ 23 0001 ] '3' ]");
}

static void a_message_that_fits_without_a_new_alias_is_sent_without(void **state)
{
    struct stage *s = *state;
    struct peer *p = stage_v3(s, "p"), *a = stage_v5_with(s, "a", "22 0002 27 00000020");
    says(a, "82 [ 0001 00 s'#' 00 ]");
    ignore(a);
    says(p, "30 [ s'sensors/1' 'x'*18 ] 30 [ s'sensors/1' 'x'*15 ]"); /* 32 bytes each */
    hears(a, "30 [ s'sensors/1' 00 'x'*18 ] 30 [ s'sensors/1' [ 23 0001 ] 'x'*15 ]");
    says(p, "30 [ s'sensors/1' 'x'*24 ] 30 [ s'sensors/1' 'x'*25 ]");
    hears(a, "30 [ s'' [ 23 0001 ] 'x'*24 ]");
}

static void aliases_end_with_the_connection(void **state)
{
    struct stage *s = *state;
    struct peer *p = stage_v3(s, "p");
    struct peer *a = stage_any(s, "10 [ s'MQTT' 05 02 003c [ 11 00000e10 22 0002 ] s'a' ]");
    says(a, "82 [ 0001 00 s'#' 01 ]");
    ignore(a);
    says(p, "32 [ s'sensors/1' 0001 '1' ]");
    hears(a, "32 [ s'sensors/1' 0001 [ 23 0001 ] '1' ]");
    peer_vanish(a);
    a = stage_any(s, "10 [ s'MQTT' 05 00 003c [ 11 00000e10 22 0002 ] s'a' ]");
    hears(a,
          "20 [ 01 00 [ 21 0020 22 0010 27 00100000 ] ] 3a [ s'sensors/1' 0001 [ 23 0001 ] '1' ]");
}

/* ---- out of memory ---- */

static void out_of_memory_costs_one_peer(void **state)
{
    struct stage *s = *state;
    struct peer *p = stage_v3(s, "p"), *a = stage_v3(s, "a"), *b = stage_v3(s, "b");
    says(a, "82 [ 0001 s't' 00 ]");
    says(b, "82 [ 0001 s't' 00 ]");
    ignore(a);
    ignore(b);
    a->out_of_memory = true;
    says(p, "30 [ s't' 'x' ]");
    is_closed(a);
    hears(b, "30 [ s't' 'x' ]");
    p->out_of_memory = true;
    says(p, "32 [ s't' 0001 ] 82 [ 0001 s'x' 00 ]");
    is_closed(p);
    assert_int_equal(broker_stats(s->world.broker)->clients_connected, 1);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, stage_setup, stage_teardown)
    const struct CMUnitTest tests[] = {
        TEST(qos_1_is_sent_with_an_id_until_it_is_acknowledged),
        TEST(qos_2_goes_through_pubrec_pubrel_pubcomp),
        TEST(a_pubrec_that_refuses_ends_the_exchange),
        TEST(answers_that_nothing_waits_for_do_no_harm),
        TEST(a_client_that_does_not_read_gets_its_messages_later),
        TEST(each_version_gets_its_own_form_of_one_message),
        TEST(retain_as_published_is_not_shared_with_those_who_did_not_ask),
        TEST(subscription_identifiers_come_along),
        TEST(a_message_above_the_clients_maximum_is_not_sent_to_it),
        TEST(a_large_payload_is_sent_by_reference),
        TEST(a_client_that_keeps_aliases_is_sent_short_topics),
        TEST(an_alias_is_not_taken_for_told_when_the_message_was_too_large),
        TEST(a_message_that_fits_without_a_new_alias_is_sent_without),
        TEST(aliases_end_with_the_connection),
        TEST(out_of_memory_costs_one_peer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
