/* test_mqtt_subscribe: SUBSCRIBE, UNSUBSCRIBE, and what comes of them. */
#include "mqtt_stage.h"

#include <stdio.h>

/* ---- answers ---- */

static void each_filter_gets_its_own_answer_in_order(void **state)
{
    struct stage *s = *state;
    struct peer *five = stage_v5(s, "a"), *three = stage_v3(s, "b");
    says(five, "82 [ 0102 00 s'a' 00 s'b/+' 01 s'a/#/b' 02 s'$share/g/c' 02 s'$share/g' 00 ]");
    hears(five, "90 [ 0102 00 00 01 8f 02 8f ]");
    says(three, "82 [ 0102 s'a' 00 s'b/+' 01 s'c' 02 ]");
    hears(three, "90 [ 0102 00 01 02 ]");
    assert_int_equal(broker_stats(s->world.broker)->subscriptions, 5);
    assert_int_equal(broker_stats(s->world.broker)->shared_subscriptions, 1);
    assert_true(
        world_logged(&s->world, "a: subscription to \"a/#/b\" refused: Topic Filter invalid"));
}

static void a_malformed_filter_of_3_1_1_closes_without_effect(void **state)
{
    struct stage *s = *state;
    static const char *const filters[] = {"s'a#'",       "s'#/a'",       "s'a+'",     "s''",
                                          "s'$share/g'", "s'$share//a'", "{ 'a' 01 }"};
    for (size_t i = 0; i < sizeof filters / sizeof filters[0]; i++) {
        struct peer *a = stage_v3(s, "a");
        char packet[128];
        snprintf(packet, sizeof packet, "82 [ 0001 s'good' 00 %s 00 ]", filters[i]);
        says(a, packet);
        is_closed(a);
        assert_int_equal(broker_stats(s->world.broker)->subscriptions, 0);
    }
}

static void a_malformed_filter_of_3_1_1_closes_an_unsubscribe_too(void **state)
{
    struct stage *s = *state;
    struct peer *a = stage_v3_kept(s, "a", false);
    says(a, "82 [ 0001 s'good' 00 ]");
    ignore(a);
    says(a, "a2 [ 0002 s'good' s'a#' ]");
    is_closed(a);
    assert_int_equal(broker_stats(s->world.broker)->subscriptions, 1);
}

static void limits_are_refused_filter_by_filter(void **state)
{
    struct stage *s = *state;
    s->world.limits.subscriptions = 2;
    struct peer *five = stage_v5(s, "a"), *three = stage_v3(s, "b");
    says(five, "82 [ 0001 00 s'a' 00 s'b' 00 s'c' 00 s'a' 01 ]");
    hears(five, "90 [ 0001 00 00 00 97 01 ]");
    says(three, "82 [ 0001 s'a' 00 s'b' 00 s'c' 00 { 'x' '/'*200 } 00 ]");
    hears(three, "90 [ 0001 00 00 80 80 ]");
}

static void what_is_not_on_offer_is_refused_by_its_own_reason(void **state)
{
    struct stage *s = *state;
    struct peer *a = stage_v5(s, "a"), *three = stage_v3(s, "b");
    s->options.wildcard_subscriptions = false;
    s->options.shared_subscriptions = false;
    s->options.max_qos = 1;
    says(a, "82 [ 0001 00 s'a' 02 s'a/+' 00 s'#' 00 s'$share/g/a' 00 ]");
    hears(a, "90 [ 0001 00 01 a2 a2 9e ]");
    says(three, "82 [ 0001 s'a' 02 s'#' 00 ]");
    hears(three, "90 [ 0001 01 80 ]");
    s->options.subscription_identifiers = false;
    says(a, "82 [ 0001 [ 0b 01 ] s'b' 00 ]");
    hears(a, "90 [ 0001 00 a1 ]");
}

static void unsubscribe_says_what_was_there(void **state)
{
    struct stage *s = *state;
    struct peer *five = stage_v5(s, "a"), *three = stage_v3(s, "b");
    says(five, "82 [ 0001 00 s'a' 00 s'$share/g/a' 00 ]");
    ignore(five);
    says(five, "a2 [ 0002 00 s'a' s'b' s'$share/g/a' s'$share/h/a' s'a#' ]");
    hears(five, "b0 [ 0002 00 00 11 00 11 8f ]");
    says(three, "a2 [ 0002 s'a' s'b' ]");
    hears(three, "b0 02 0002");
    assert_int_equal(broker_stats(s->world.broker)->subscriptions, 0);
    assert_int_equal(broker_stats(s->world.broker)->shared_subscriptions, 0);
}

static void many_filters_in_one_packet_are_answered(void **state)
{
    struct stage *s = *state;
    struct peer *a = stage_v5(s, "a");
    says(a, "82 [ 0001 00 00 01 'a' 00 00 01 'b' 00 ]");
    hears(a, "90 [ 0001 00 00 00 ]");
    /* 100 times the same filter: one subscription, 100 answers. */
    struct buffer many = {0};
    for (int i = 0; i < 100; i++)
        assert_int_equal(buffer_append(&many, slice_of("\0\1a\0", 4)), 0);
    const uint8_t head[] = {0x82, 0x93, 0x03, 0x00, 0x07, 0x00}; /* 403 bytes follow the length */
    peer_say(a, slice_of(head, sizeof head));
    peer_say(a, buffer_slice(&many));
    buffer_clear(&many);
    hears(a, "90 [ 0007 00 00*100 ]");
    assert_int_equal(broker_stats(s->world.broker)->subscriptions, 2);
}

static void an_answer_that_the_client_cannot_take_is_not_given(void **state)
{
    struct stage *s = *state;
    struct peer *a = stage_v5_with(s, "a", "27 00000016 17 00");
    says(a, "82 [ 0001 00 s'a' 00 s'a' 00 s'a' 00 s'a' 00 s'a' 00 s'a' 00 s'a' 00 s'a' 00 s'a' 00 "
            "s'a' 00 s'a' 00 s'a' 00 s'a' 00 s'a' 00 s'a' 00 s'a' 00 s'a' 00 s'a' 00 ]");
    hears(a, "e0 01 95"); /* 18 answers and 5 bytes are 23 */
    is_closed(a);
    assert_int_equal(broker_stats(s->world.broker)->subscriptions, 0);
}

static void faulty_subscribe_packets_have_no_effect_and_close(void **state)
{
    struct stage *s = *state;
    static const struct {
        const char *packet, *reason;
    } rows[] = {
        {"82 [ 0001 00 ]", "e0 01 82"},                          /* no filter */
        {"82 [ 0000 00 s'a' 00 ]", "e0 01 82"},                  /* packet id 0 */
        {"80 [ 0001 00 s'a' 00 ]", "e0 01 81"},                  /* header flags */
        {"82 [ 0001 00 s'a' 00 s'b' ]", "e0 01 81"},             /* no options byte */
        {"82 [ 0001 00 s'a' 00 s'b' c0 ]", "e0 01 81"},          /* reserved bits */
        {"82 [ 0001 00 s'a' 00 s'b' 30 ]", "e0 01 82"},          /* retain handling 3 */
        {"82 [ 0001 00 s'a' 00 s'$share/g/b' 04 ]", "e0 01 82"}, /* no local, shared */
        {"82 [ 0001 00 s'a' 00 s'b' 03 ]", "e0 01 82"},          /* QoS 3 */
        {"82 [ 0001 [ 0b 00 ] s'a' 00 ]", "e0 01 82"},           /* identifier 0 */
        {"82 [ 0001 [ 0b 01 0b 02 ] s'a' 00 ]", "e0 01 82"},     /* two identifiers */
        {"82 [ 0001 00 s'a' 00 { c0 80 } 00 ]", "e0 01 81"},     /* overlong */
        {"a2 [ 0001 00 ]", "e0 01 82"},                          /* no filter */
        {"a0 [ 0001 00 s'a' ]", "e0 01 81"},                     /* header flags */
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct peer *a = stage_v5_with(s, "a", "17 00");
        says(a, rows[i].packet);
        hears(a, rows[i].reason);
        is_closed(a);
        assert_int_equal(broker_stats(s->world.broker)->subscriptions, 0);
    }
}

/* ---- retained messages ---- */

static void suback_comes_before_the_retained_messages(void **state)
{
    struct stage *s = *state;
    struct peer *p = stage_v3(s, "p"), *a = stage_v5(s, "a");
    says(p, "31 [ s't' 'x' ]");
    says(a, "82 [ 0001 [ 0b 05 ] s't' 01 ]");
    hears(a, "90 [ 0001 00 01 ]");
    world_turn(&s->world);
    hears(a, "31 [ s't' [ 0b 05 ] 'x' ]");
    says(a, "82 [ 0001 00 s't' 11 ]"); /* handling 1: it is not new */
    says(a, "82 [ 0002 00 s't' 21 ]"); /* handling 2 */
    world_turn(&s->world);
    hears(a, "90 [ 0001 00 01 ] 90 [ 0002 00 01 ]");
    says(a, "82 [ 0003 00 s't' 01 ]"); /* handling 0: again */
    world_turn(&s->world);
    hears(a, "90 [ 0003 00 01 ] 31 [ s't' 00 'x' ]");
}

static void a_client_does_not_hear_itself_with_no_local(void **state)
{
    struct stage *s = *state;
    struct peer *a = stage_v5(s, "a"), *b = stage_v5(s, "b");
    says(a, "82 [ 0001 00 s't' 04 ]");
    ignore(a);
    says(a, "30 [ s't' 00 '1' ]");
    says(b, "30 [ s't' 00 '2' ]");
    hears(a, "30 [ s't' 00 '2' ]");
}

/* ---- shared subscriptions ---- */

static void members_of_a_share_take_turns(void **state)
{
    struct stage *s = *state;
    struct peer *p = stage_v3(s, "p"), *a = stage_v5(s, "a"), *b = stage_v3(s, "b");
    says(a, "82 [ 0001 00 s'$share/g/t' 00 ]");
    says(b, "82 [ 0001 s'$share/g/t' 00 ]");
    ignore(a);
    ignore(b);
    says(p, "30 [ s't' '1' ] 30 [ s't' '2' ] 30 [ s't' '3' ] 30 [ s't' '4' ]");
    hears(a, "30 [ s't' 00 '1' ] 30 [ s't' 00 '3' ]");
    hears(b, "30 [ s't' '2' ] 30 [ s't' '4' ]");
}

static void what_a_member_leaves_behind_goes_to_another(void **state)
{
    struct stage *s = *state;
    struct peer *p = stage_v3(s, "p"), *a = stage_v3(s, "a");
    says(a, "82 [ 0001 s'$share/g/t' 01 ]");
    ignore(a);
    says(p, "32 [ s't' 0001 '1' ]");
    hears(a, "32 [ s't' 0001 '1' ]");
    struct peer *b = stage_v3(s, "b");
    says(b, "82 [ 0001 s'$share/g/t' 01 ]");
    ignore(b);
    peer_vanish(a);
    world_turn(&s->world);
    hears(b, "32 [ s't' 0001 '1' ]");
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, stage_setup, stage_teardown)
    const struct CMUnitTest tests[] = {
        TEST(each_filter_gets_its_own_answer_in_order),
        TEST(a_malformed_filter_of_3_1_1_closes_without_effect),
        TEST(a_malformed_filter_of_3_1_1_closes_an_unsubscribe_too),
        TEST(limits_are_refused_filter_by_filter),
        TEST(what_is_not_on_offer_is_refused_by_its_own_reason),
        TEST(unsubscribe_says_what_was_there),
        TEST(many_filters_in_one_packet_are_answered),
        TEST(an_answer_that_the_client_cannot_take_is_not_given),
        TEST(faulty_subscribe_packets_have_no_effect_and_close),
        TEST(suback_comes_before_the_retained_messages),
        TEST(a_client_does_not_hear_itself_with_no_local),
        TEST(members_of_a_share_take_turns),
        TEST(what_a_member_leaves_behind_goes_to_another),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
