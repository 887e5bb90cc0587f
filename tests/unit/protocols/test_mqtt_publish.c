/* test_mqtt_publish: messages from a client, and what they are answered with. */
#include "mqtt_stage.h"

#include <stdio.h>

/* ---- the three qualities of service ---- */

static void qos_0_is_delivered_and_not_answered(void **state)
{
    struct stage *s = *state;
    struct peer *a = stage_v3(s, "a"), *b = stage_v5(s, "b");
    says(b, "82 [ 0001 00 s't' 00 ]");
    hears(b, "90 04 0001 00 00");
    says(a, "30 [ s't' 'x' ]");
    hears_nothing(a);
    hears(b, "30 [ s't' 00 'x' ]");
    assert_int_equal(broker_stats(s->world.broker)->publish_received, 1);
    assert_int_equal(broker_stats(s->world.broker)->publish_sent, 1);
}

static void qos_1_is_answered_with_puback(void **state)
{
    struct stage *s = *state;
    struct peer *three = stage_v3(s, "a"), *five = stage_v5(s, "b");
    says(three, "32 [ s't' 1234 'x' ]");
    hears(three, "40 02 1234");
    says(five, "32 [ s't' 1234 00 'x' ]");
    hears(five, "40 03 1234 10"); /* nobody was there */
    says(three, "82 [ 0001 s't' 00 ]");
    ignore(three);
    says(five, "32 [ s't' 1234 00 'x' ]");
    hears(five, "40 02 1234");
}

static void qos_2_is_published_once_until_it_is_released(void **state)
{
    struct stage *s = *state;
    struct peer *a = stage_v5(s, "a"), *b = stage_v3(s, "b");
    says(b, "82 [ 0001 s't' 00 ]");
    ignore(b);
    says(a, "34 [ s't' 0007 00 'x' ]");
    hears(a, "50 02 0007");
    hears(b, "30 [ s't' 'x' ]");
    says(a, "3c [ s't' 0007 00 'x' ]"); /* again, with DUP */
    hears(a, "50 02 0007");
    says(a, "34 [ s't' 0007 00 'y' ]"); /* and without [MQTT-4.3.3-10] */
    hears(a, "50 02 0007");
    hears_nothing(b);
    says(a, "62 02 0007");
    hears(a, "70 02 0007");
    says(a, "34 [ s't' 0007 00 'z' ]");
    hears(a, "50 02 0007");
    hears(b, "30 [ s't' 'z' ]");
}

static void qos_2_ids_survive_the_connection(void **state)
{
    struct stage *s = *state;
    struct peer *b = stage_v3(s, "b");
    says(b, "82 [ 0001 s't' 00 ]");
    ignore(b);
    struct peer *a = stage_v3_kept(s, "a", false);
    says(a, "34 [ s't' 0007 'x' ]");
    hears(a, "50 02 0007");
    ignore(b);
    peer_vanish(a);
    a = stage_v3_kept(s, "a", true);
    says(a, "3c [ s't' 0007 'x' ]");
    hears(a, "50 02 0007");
    hears_nothing(b);
    says(a, "62 02 0007");
    hears(a, "70 02 0007");
}

static void a_pubrel_for_nothing_is_answered(void **state)
{
    struct stage *s = *state;
    struct peer *three = stage_v3(s, "a"), *five = stage_v5(s, "b");
    says(three, "62 02 0007");
    hears(three, "70 02 0007");
    says(five, "62 02 0007");
    hears(five, "70 03 0007 92");
}

static void more_qos_2_than_the_receive_maximum_is_an_error(void **state)
{
    struct stage *s = *state;
    s->world.limits.inflight = 2;
    struct peer *a = stage_any(s, "10 [ s'MQTT' 05 02 003c [ 17 00 ] s'a' ]");
    ignore(a);
    says(a, "34 [ s't' 0001 00 ] 34 [ s't' 0002 00 ]");
    hears(a, "50 03 0001 10 50 03 0002 10");
    says(a, "34 [ s't' 0001 00 ]"); /* the same again is not one more */
    hears(a, "50 02 0001");
    says(a, "34 [ s't' 0003 00 ]");
    hears(a, "e0 01 93");
    is_closed(a);
}

static void a_client_that_cannot_be_told_may_have_more_open(void **state)
{
    struct stage *s = *state;
    s->world.limits.inflight = 1;
    s->world.limits.unreleased = 2;
    struct peer *a = stage_v3(s, "a");
    says(a, "34 [ s't' 0001 ] 34 [ s't' 0002 ]");
    hears(a, "50 02 0001 50 02 0002");
    says(a, "34 [ s't' 0003 ]");
    hears_nothing(a);
    is_closed(a);
}

static void any_number_of_qos_1_is_answered_at_once(void **state)
{
    struct stage *s = *state;
    s->world.limits.inflight = 1;
    struct peer *a = stage_any(s, "10 [ s'MQTT' 05 02 003c 00 s'a' ]");
    ignore(a);
    says(a, "32 [ s't' 0001 00 ] 32 [ s't' 0002 00 ] 32 [ s't' 0003 00 ]");
    hears(a, "40 03 0001 10 40 03 0002 10 40 03 0003 10");
}

/* ---- refusals ---- */

static void dollar_topics_are_refused(void **state)
{
    struct stage *s = *state;
    struct peer *five = stage_v5_with(s, "a", "17 00"), *three = stage_v3(s, "b");
    struct peer *watcher = stage_v3(s, "w");
    says(watcher, "82 [ 0001 s'$SYS/#' 00 ]");
    ignore(watcher);
    says(five, "32 [ s'$SYS/x' 0001 00 ] 34 [ s'$SYS/x' 0002 00 ] 30 [ s'$SYS/x' 00 ]");
    hears(five, "40 03 0001 87  50 03 0002 87");
    says(five, "62 02 0002"); /* a refused id is free at once */
    hears(five, "70 03 0002 92");
    says(three, "32 [ s'$SYS/x' 0001 ] 34 [ s'$SYS/x' 0002 ] 30 [ s'$SYS/x' ] 62 02 0002");
    hears(three, "40 02 0001 50 02 0002 70 02 0002");
    hears_nothing(watcher);
    is_open(five);
    is_open(three);
    assert_true(world_logged(&s->world, "a: publish to \"$SYS/x\" refused: not authorized"));
}

static void a_refusal_says_why_where_the_client_wants_it(void **state)
{
    struct stage *s = *state;
    struct peer *a = stage_v5(s, "a");
    says(a, "32 [ s'$SYS/x' 0001 00 ]");
    hears(a, "40 [ 0001 87 [ 1f s'not authorized' ] ]");
    struct peer *narrow = stage_v5_with(s, "b", "27 00000016"); /* 22 bytes: the CONNACK fits */
    says(narrow, "32 [ s'$SYS/x' 0001 00 ]");
    hears(narrow, "40 03 0001 87"); /* [MQTT-3.4.2-2] */
}

/* The subscriber that is away can keep one message. */
static struct peer *with_a_full_queue(struct stage *s)
{
    s->world.limits.queued_messages = 1;
    struct peer *away = stage_v3_kept(s, "away", false);
    says(away, "82 [ 0001 s't' 01 ]");
    peer_vanish(away);
    struct peer *a = stage_v5_with(s, "a", "17 00");
    says(a, "32 [ s't' 0001 00 ]");
    hears(a, "40 02 0001");
    return a;
}

static void a_full_queue_is_told_before_it_is_acknowledged(void **state)
{
    struct stage *s = *state;
    struct peer *a = with_a_full_queue(s);
    says(a, "32 [ s't' 0002 00 ] 34 [ s't' 0003 00 ]");
    hears(a, "40 03 0002 97 50 03 0003 97");
    says(a, "34 [ s't' 0003 00 ]"); /* not taken for a duplicate */
    hears(a, "50 03 0003 97");
}

static void a_full_queue_closes_a_publisher_that_cannot_be_told(void **state)
{
    struct stage *s = *state;
    with_a_full_queue(s);
    struct peer *three = stage_v3(s, "b");
    says(three, "30 [ s't' 'x' ]"); /* QoS 0 promises nothing */
    is_open(three);
    says(three, "32 [ s't' 0002 ]");
    is_closed(three);
    assert_true(world_logged(&s->world, "b: closed: its message could not be accepted: quota"));
}

static void a_topic_that_is_too_deep_is_refused(void **state)
{
    struct stage *s = *state;
    struct peer *five = stage_v5_with(s, "a", "17 00"), *three = stage_v3(s, "b");
    says(five, "32 [ { 'a' '/'*128 } 0001 00 ]");
    hears(five, "40 03 0001 90");
    says(five, "30 [ { '/'*65400 } 00 ]");
    hears_nothing(five);
    is_open(five);
    says(three, "32 [ { 'a' '/'*128 } 0001 ]");
    is_closed(three);
}

static void what_was_announced_as_not_on_offer_is_refused(void **state)
{
    struct stage *s = *state;
    s->options.max_qos = 1;
    s->options.retain = false;
    struct peer *a = stage_any(s, "10 [ s'MQTT' 05 02 003c [ 17 00 ] s'a' ]");
    ignore(a);
    says(a, "34 [ s't' 0001 00 ]");
    hears(a, "e0 01 9b");
    is_closed(a);
    struct peer *b = stage_any(s, "10 [ s'MQTT' 05 02 003c [ 17 00 ] s'b' ]");
    ignore(b);
    says(b, "31 [ s't' 00 ]");
    hears(b, "e0 01 9a");
    is_closed(b);
}

static void faulty_publications_have_no_effect_and_close(void **state)
{
    struct stage *s = *state;
    static const struct {
        const char *packet, *reason;
    } rows[] = {
        {"36 [ s't' 0001 00 ]", "e0 01 81"},         /* QoS 3 */
        {"38 [ s't' 00 ]", "e0 01 81"},              /* DUP with QoS 0 */
        {"32 [ s't' 0000 00 ]", "e0 01 82"},         /* packet id 0 */
        {"30 [ s'a/+' 00 ]", "e0 01 90"},            /* wildcard */
        {"30 [ s'#' 00 ]", "e0 01 90"},              /* wildcard */
        {"30 [ s'' 00 ]", "e0 01 82"},               /* neither topic nor alias */
        {"30 [ { c0 80 } 00 ]", "e0 01 81"},         /* overlong */
        {"30 [ { ed a0 80 } 00 ]", "e0 01 81"},      /* surrogate */
        {"30 [ { 'a' 00 } 00 ]", "e0 01 81"},        /* U+0000 */
        {"30 [ { 'a' 07 } 00 ]", "e0 01 90"},        /* control character */
        {"30 [ { ef bf bf } 00 ]", "e0 01 90"},      /* non-character */
        {"30 [ s't' [ 23 0000 ] ]", "e0 01 94"},     /* alias 0 */
        {"30 [ s't' [ 23 0011 ] ]", "e0 01 94"},     /* alias above 16 */
        {"30 [ s'' [ 23 0001 ] ]", "e0 01 82"},      /* alias never set */
        {"30 [ s't' [ 0b 01 ] ]", "e0 01 82"},       /* subscription identifier */
        {"30 [ s't' [ 01 02 ] ]", "e0 01 82"},       /* payload format 2 */
        {"30 [ s't' [ 26 s'k' ] ]", "e0 01 81"},     /* user property cut short */
        {"30 [ s't' 05 01 ]", "e0 01 81"},           /* property length past the end */
        {"30 [ 0005 't' ]", "e0 01 81"},             /* topic cut short */
        {"30 80 80 80 80 01", "e0 01 81"},           /* remaining length of five bytes */
        {"30 81 80 40", "e0 01 95"},                 /* a byte more than a MiB */
        {"31 [ s't' [ 11 00000001 ] ]", "e0 01 81"}, /* a property of others */
    };
    struct peer *watcher = stage_v3(s, "w");
    says(watcher, "82 [ 0001 s'#' 00 ]");
    ignore(watcher);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct peer *a = stage_v5_with(s, "a", "17 00");
        says(a, rows[i].packet);
        hears(a, rows[i].reason);
        is_closed(a);
        hears_nothing(watcher);
    }
    assert_int_equal(broker_stats(s->world.broker)->protocol_errors, sizeof rows / sizeof rows[0]);
    assert_int_equal(broker_stats(s->world.broker)->retained_messages, 0);
}

static void too_many_properties_are_refused(void **state)
{
    struct stage *s = *state;
    struct peer *a = stage_v5_with(s, "a", "17 00");
    says(a, "30 [ s't' [ 26 s'k' s'v' 26 s'k' s'v' ] 'x' ]");
    is_open(a);
    s->options.properties = 1;
    says(a, "30 [ s't' [ 26 s'k' s'v' 26 s'k' s'v' ] 'x' ]");
    hears(a, "e0 01 82");
    is_closed(a);
}

/* ---- what travels on ---- */

static void properties_travel_on_unaltered_and_in_order(void **state)
{
    struct stage *s = *state;
    struct peer *a = stage_v5(s, "a"), *b = stage_v5(s, "b"), *three = stage_v3(s, "c");
    says(b, "82 [ 0001 00 s't' 00 ]");
    says(three, "82 [ 0001 s't' 00 ]");
    ignore(b);
    ignore(three);
    says(a, "30 [ s't' [ 26 s'z' s'1' 03 s'text' 26 s'a' s'2' 01 01 26 s'z' s'1' 08 s'r' 09 s'c' ] "
            "'x' ]");
    hears(b,
          "30 [ s't' [ 26 s'z' s'1' 03 s'text' 26 s'a' s'2' 01 01 26 s'z' s'1' 08 s'r' 09 s'c' ] "
          "'x' ]");
    hears(three, "30 [ s't' 'x' ]");
    /* What is between them and is not passed on is cut out. */
    says(a, "30 [ s't' [ 26 s'a' s'1' 23 0001 26 s'b' s'2' 02 00000064 26 s'c' s'3' ] 'x' ]");
    hears(b, "30 [ s't' [ 02 00000064 26 s'a' s'1' 26 s'b' s'2' 26 s'c' s'3' ] 'x' ]");
}

static void long_properties_are_cut_as_well(void **state)
{
    struct stage *s = *state;
    struct peer *a = stage_v5(s, "a"), *b = stage_v5(s, "b");
    says(b, "82 [ 0001 00 s't' 00 ]");
    ignore(b);
    says(a, "30 [ s't' [ 26 { 'k'*300 } { 'v'*300 } 23 0001 26 s'b' s'2' ] 'x' ]");
    hears(b, "30 [ s't' [ 26 { 'k'*300 } { 'v'*300 } 26 s'b' s'2' ] 'x' ]");
}

static void a_message_expires_and_its_time_is_counted_down(void **state)
{
    struct stage *s = *state;
    struct peer *away = stage_any(s, "10 [ s'MQTT' 05 02 003c [ 11 00000e10 ] s'away' ]");
    says(away, "82 [ 0001 00 s't' 01 ]");
    peer_vanish(away);
    struct peer *a = stage_v5(s, "a");
    says(a, "32 [ s't' 0001 [ 02 0000000a ] 'x' ] 32 [ s't' 0002 [ 02 00000002 ] 'y' ]");
    hears(a, "40 02 0001 40 02 0002");
    world_wait(&s->world, 3000);
    away = stage_any(s, "10 [ s'MQTT' 05 00 003c [ 11 00000e10 ] s'away' ]");
    hears(away,
          "20 [ 01 00 [ 21 0020 22 0010 27 00100000 ] ] 32 [ s't' 0001 [ 02 00000007 ] 'x' ]");
    assert_int_equal(broker_stats(s->world.broker)->dropped[DROP_EXPIRED], 1);
}

/* ---- the work that one client may cause in a turn ---- */

enum { BOMB_LEVELS = 13, BOMB_FILTER = 2 * BOMB_LEVELS + 1 }; /* "a/+/ ... /z" */

/* Subscribes to every way of writing "a/a/.../a/z" with + for some of the a. */
static void lay_bomb(struct peer *peer)
{
    struct buffer packet = {0};
    size_t body = 2 + ((size_t)1 << BOMB_LEVELS) * (BOMB_FILTER + 3);
    const uint8_t head[] = {
        0x82, (uint8_t)(0x80 | body), (uint8_t)(0x80 | body >> 7), (uint8_t)(body >> 14), 0, 1};
    assert_int_equal(buffer_append(&packet, slice_of(head, sizeof head)), 0);
    for (unsigned n = 0; n < 1u << BOMB_LEVELS; n++) {
        uint8_t filter[2 + BOMB_FILTER + 1] = {0, BOMB_FILTER};
        for (unsigned level = 0; level < BOMB_LEVELS; level++) {
            filter[2 + 2 * level] = n >> level & 1 ? '+' : 'a';
            filter[3 + 2 * level] = '/';
        }
        filter[1 + BOMB_FILTER] = 'z';
        assert_int_equal(buffer_append(&packet, slice_of(filter, sizeof filter)), 0);
    }
    peer_say(peer, buffer_slice(&packet));
    buffer_clear(&packet);
}

static void publishes_that_cost_much_are_spread_over_turns(void **state)
{
    struct stage *s = *state;
    s->world.limits.subscriptions = 1u << BOMB_LEVELS;
    struct peer *a = stage_v3(s, "a"), *p = stage_v3(s, "p");
    lay_bomb(a);
    is_open(a);
    world_turn(&s->world);
    for (int i = 0; i < 20; i++) /* each visits two nodes for each filter */
        assert_int_equal(buffer_append(&p->pending, SLICE("\x32\x1f\0\x1b"
                                                          "a/a/a/a/a/a/a/a/a/a/a/a/a/y\0\1")),
                         0);
    says(p, "c0 00");
    assert_in_range(p->sent.len / 4, 5, 9); /* PUBACKs, and no answer to the ping */
    size_t first = p->sent.len;
    world_turn(&s->world);
    assert_in_range((p->sent.len - first) / 4, 5, 9);
    for (int turn = 0; turn < 4; turn++)
        world_turn(&s->world);
    assert_int_equal(p->sent.len, 20 * 4 + 2);
    is_open(p);
}

/* ---- topic aliases of the client ---- */

static void an_alias_stands_for_the_topic_it_was_last_set_to(void **state)
{
    struct stage *s = *state;
    struct peer *a = stage_v5_with(s, "a", "17 00"), *b = stage_v3(s, "b");
    says(b, "82 [ 0001 s'#' 00 ]");
    ignore(b);
    says(a, "30 [ s'one' [ 23 0010 ] '1' ] 30 [ s'' [ 23 0010 ] '2' ]");
    hears(b, "30 [ s'one' '1' ] 30 [ s'one' '2' ]");
    says(a,
         "30 [ s'two' [ 23 0010 ] '3' ] 30 [ s'' [ 23 0010 ] '4' ] 30 [ s'two' [ 23 0010 ] '5' ]");
    hears(b, "30 [ s'two' '3' ] 30 [ s'two' '4' ] 30 [ s'two' '5' ]");
    /* A connection of its own has none of it. */
    struct peer *c = stage_v5_with(s, "c", "17 00");
    says(c, "30 [ s'' [ 23 0010 ] ]");
    hears(c, "e0 01 82");
    is_closed(c);
}

static void an_alias_for_a_refused_topic_is_refused(void **state)
{
    struct stage *s = *state;
    s->world.limits.topic_levels = 2;
    s->world.limits.topic_length = 8;
    struct peer *a = stage_v5_with(s, "a", "17 00"), *b = stage_v3(s, "b");
    says(b, "82 [ 0001 s'#' 00 ]");
    ignore(b);
    says(a, "30 [ s'one' [ 23 0001 ] '1' ] 32 [ s'a/b/c' 0001 [ 23 0001 ] '2' ]");
    hears(b, "30 [ s'one' '1' ]");
    hears(a, "40 [ 0001 90 ]");
    says(a, "32 [ s'' 0002 [ 23 0001 ] '3' ] 32 [ s'123456789' 0003 [ 23 0001 ] '4' ]");
    hears(a, "40 [ 0002 90 ] 40 [ 0003 90 ]");
    says(a, "34 [ s'' 0004 [ 23 0001 ] '5' ] 30 [ s'a/b' [ 23 0001 ] '6' ] "
            "30 [ s'' [ 23 0001 ] '7' ]");
    hears(a, "50 [ 0004 90 ]");
    hears(b, "30 [ s'a/b' '6' ] 30 [ s'a/b' '7' ]");
}

static void what_was_announced_holds_after_a_reload(void **state)
{
    struct stage *s = *state;
    struct peer *a = stage_v5(s, "a");
    s->options.topic_alias_max = 0;
    says(a, "30 [ s'one' [ 23 0010 ] '1' ]");
    is_open(a);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, stage_setup, stage_teardown)
    const struct CMUnitTest tests[] = {
        TEST(qos_0_is_delivered_and_not_answered),
        TEST(qos_1_is_answered_with_puback),
        TEST(qos_2_is_published_once_until_it_is_released),
        TEST(qos_2_ids_survive_the_connection),
        TEST(a_pubrel_for_nothing_is_answered),
        TEST(more_qos_2_than_the_receive_maximum_is_an_error),
        TEST(a_client_that_cannot_be_told_may_have_more_open),
        TEST(any_number_of_qos_1_is_answered_at_once),
        TEST(dollar_topics_are_refused),
        TEST(a_refusal_says_why_where_the_client_wants_it),
        TEST(a_full_queue_is_told_before_it_is_acknowledged),
        TEST(a_full_queue_closes_a_publisher_that_cannot_be_told),
        TEST(a_topic_that_is_too_deep_is_refused),
        TEST(an_alias_for_a_refused_topic_is_refused),
        TEST(what_was_announced_as_not_on_offer_is_refused),
        TEST(faulty_publications_have_no_effect_and_close),
        TEST(too_many_properties_are_refused),
        TEST(properties_travel_on_unaltered_and_in_order),
        TEST(long_properties_are_cut_as_well),
        TEST(a_message_expires_and_its_time_is_counted_down),
        TEST(publishes_that_cost_much_are_spread_over_turns),
        TEST(an_alias_stands_for_the_topic_it_was_last_set_to),
        TEST(what_was_announced_holds_after_a_reload),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
