/* Tests what raw datagrams do for those who have proven nothing, and any datagrams in any order. */
#include "raw_stage.h"

#include <stdio.h>

/* ---- addresses that are not proven ---- */

static void an_unproven_subscriber_proves_itself_with_the_first_ack(void **state)
{
    (void)state;
    struct device *listener = device_new(&air, NULL), *device = device_new(&air, NULL);
    raw_tells(listener, "SUB commands/hall/#\n", "OK");
    raw_says(device, "PUB commands/hall/led\non");
    air_wait(&air, 900);
    raw_hears(listener, NULL); /* it has had its answer */
    air_wait(&air, 100);
    struct raw_line msg = raw_heard(listener);
    assert_true(msg.has_id);
    raw_equal(msg.payload, "on");
    for (int i = 0; i < 50; i++) {
        raw_says(device, "PUB commands/hall/led\noff");
        air_wait(&air, 1000);
        raw_hears(listener, NULL); /* and one more */
    }
    raw_acknowledges(listener, msg.id + 65536); /* a guess */
    assert_false(listener->verified);
    assert_true(listener->sent <= 3 * listener->received);
    while (device_hear(listener).at)
        ;
    raw_acknowledges(listener, msg.id);
    assert_true(listener->verified);
    for (int i = 0; i < 50; i++) {
        raw_says(device, "PUB commands/hall/led\non");
        raw_hears(listener, "MSG commands/hall/led\non");
    }
    assert_int_equal(listener->refused, 0);
}

/* A device of three lines, which says SUB and never anything else. */
static void a_message_comes_by_itself_to_who_only_says_sub(void **state)
{
    static const uint64_t waits_ms[] = {0, 100, 900, 1000, 3000, 10000, 500000};
    static const struct {
        const char *sub, *pub;
    } how[] = {{"SUB commands/hall/#", "PUB commands/hall/led\non"},
               {"SUB commands/hall/#", "PUB commands/hall/led id=1\non"},
               {"SUB commands/hall/# qos=1", "PUB commands/hall/led\non"},
               {"SUB commands/hall/# qos=1", "PUB commands/hall/led id=1\non"}};
    (void)state;
    for (size_t i = 0; i < 4; i++)
        for (size_t j = 0; j < sizeof waits_ms / sizeof waits_ms[0]; j++) {
            struct device *listener = device_new(&air, NULL), *device = device_new(&air, NULL);
            raw_tells(listener, how[i].sub, "OK");
            air_wait(&air, waits_ms[j]);
            raw_says(device, how[i].pub);
            if (waits_ms[j] < 1000) {
                raw_hears(listener, NULL);
                air_wait(&air, 1000 - waits_ms[j]);
            }
            raw_equal(raw_heard(listener).payload, "on");
            air_wait(&air, 60000);
            raw_hears(listener, NULL); /* and nothing until it says something again */
            assert_int_equal(listener->refused, 0);
            raw_says(listener, "BYE");
        }
}

static void an_id_that_leaves_no_room_is_left_out_of_qos_0(void **state)
{
    (void)state;
    struct device *listener = device_new(&air, NULL), *device = device_new(&air, NULL);
    raw_tells(listener, "SUB #", "OK");
    raw_says(device, "PUB a\non");
    air_wait(&air, 1000);
    raw_hears(listener, "MSG a\non");
    raw_says(device, "PUB a\noff");
    raw_says(listener, "PING\n      ");
    struct raw_line msg = raw_heard(listener);
    assert_true(msg.has_id);
    raw_acknowledges(listener, msg.id);
    assert_true(listener->verified);
    assert_int_equal(listener->refused, 0);
}

static void what_waits_for_an_unproven_one_is_the_newest(void **state)
{
    (void)state;
    struct device *listener = device_new(&air, NULL), *device = device_new(&air, NULL);
    const uint64_t *dropped = &broker_stats(air.broker)->dropped[DROP_SLOW];
    uint64_t before = *dropped;
    raw_tells(listener, "SUB a", "OK");
    raw_says(device, "PUB a\n1");
    raw_says(device, "PUB a\n2");
    raw_says(device, "PUB a\n3");
    assert_int_equal(*dropped, before + 2);
    raw_says(listener, "PING\n     ");
    raw_equal(raw_heard(listener).payload, "3");
    raw_tells(listener, "PING", "PONG"); /* nothing waits any more */
    assert_int_equal(listener->refused, 0);
}

static void what_was_too_long_does_not_follow_what_is_newer(void **state)
{
    (void)state;
    struct device *listener = device_new(&air, NULL), *device = device_new(&air, NULL);
    const uint64_t *dropped = &broker_stats(air.broker)->dropped[DROP_SLOW];
    raw_tells(listener, "SUB a\n          ", "OK");
    air_wait(&air, 2000);
    uint64_t before = *dropped;
    raw_says(device, "PUB a\nthis is more than three times as long as what it has sent so far");
    raw_hears(listener, NULL);
    raw_says(device, "PUB a\n2");
    raw_equal(raw_heard(listener).payload, "2");
    assert_int_equal(*dropped, before + 1);
    raw_tells(listener, "PING\n                              ", "PONG");
}

static void a_retained_value_comes_a_second_after_sub(void **state)
{
    (void)state;
    struct device *device = device_new(&air, NULL), *listener = device_new(&air, NULL);
    raw_says(device, "PUB state/lamp retain\non");
    raw_says(device, "PUB state/other retain\non");
    raw_tells(listener, "SUB state/#\n   ", "OK");
    air_wait(&air, 900);
    raw_hears(listener, NULL);
    air_wait(&air, 100);
    struct raw_line first = raw_heard(listener);
    assert_true(slice_starts_with(first.topic, SLICE("state/")));
    raw_equal(first.payload, "on");
    air_wait(&air, 60000);
    raw_hears(listener, NULL);
    raw_says(listener, "PING\n          ");
    (void)raw_heard(listener); /* and the other one with its next datagram */
    raw_hears(listener, NULL);
    raw_tells(listener, "PING", "PONG");
    assert_int_equal(listener->refused, 0);
}

static void a_retained_value_that_is_too_long_waits_until_it_is_paid_for(void **state)
{
    (void)state;
    struct device *device = device_new(&air, NULL), *listener = device_new(&air, NULL);
    raw_says(device, "PUB state/lamp retain\non since a while and for a while to come");
    raw_tells(listener, "SUB state/#", "OK");
    air_wait(&air, 60000);
    raw_hears(listener, NULL);
    raw_tells(listener, "PING", "PONG"); /* that pays for too little */
    raw_says(listener, "PING\n        ");
    struct raw_line msg = raw_heard(listener);
    raw_equal(msg.topic, "state/lamp");
    raw_equal(msg.payload, "on since a while and for a while to come");
    raw_hears(listener, NULL);
    raw_tells(listener, "PING", "PONG");
    assert_int_equal(listener->refused, 0);
}

static void what_is_not_acknowledged_comes_again_when_it_may(void **state)
{
    (void)state;
    struct device *listener = device_new(&air, NULL), *device = device_new(&air, NULL);
    raw_tells(listener, "SUB a qos=1", "OK");
    raw_says(device, "PUB a id=1\nx");
    air_wait(&air, 1000);
    uint64_t id = raw_heard(listener).id;
    air_wait(&air, 60000);
    raw_hears(listener, NULL); /* it was sent enough */
    raw_says(listener, "PING\n                    ");
    assert_int_equal(raw_heard(listener).id, id);
    air_wait(&air, 900);
    raw_hears(listener, NULL);
    air_wait(&air, 2000); /* `retry` is over */
    assert_int_equal(raw_heard(listener).id, id);
    air_wait(&air, 60000);
    raw_hears(listener, NULL);
    raw_acknowledges(listener, id);
    assert_true(listener->verified);
    air_wait(&air, 60000);
    raw_hears(listener, NULL);
}

/* What the core no longer permits is not said either, however long it has waited. */
static void who_unsubscribes_hears_no_more_of_it(void **state)
{
    (void)state;
    struct device *device = device_new(&air, NULL), *listener = device_new(&air, NULL);
    raw_tells(listener, "SUB a", "OK");
    raw_says(device, "PUB a\n1");
    raw_tells(listener, "UNSUB a", "OK");
    raw_tells(listener, "PING", "PONG");
}

/* Nothing is kept for one who has nowhere to keep it any more. */
static void who_leaves_is_not_told_of_it(void **state)
{
    (void)state;
    struct device *trusted = raw_subscriber("$SYS/clients/+/disconnected"), *device;
    const uint64_t *dropped = &broker_stats(air.broker)->dropped[DROP_SLOW];
    raw_tells(trusted, "BYE", "OK");
    raw_hears(trusted, NULL);
    for (uint64_t i = 1, before = *dropped; i <= 3; i++) {
        device = device_new(&air, NULL);
        raw_tells(device, "SUB $SYS/clients/+/disconnected", "OK");
        raw_tells(device, "BYE", "OK");
        assert_int_equal(*dropped, before + i);
    }
}

static void who_leaves_room_in_sub_can_prove_itself_at_once(void **state)
{
    (void)state;
    struct device *listener = device_new(&air, NULL), *device = device_new(&air, NULL);
    struct raw_line answer;
    raw_says(listener, "SUB a\n                    ");
    assert_int_equal(raw_decode(device_hear(listener), &answer), RAW_GOOD);
    assert_true(answer.verb == RAW_OK && answer.has_id);
    raw_acknowledges(listener, answer.id);
    assert_true(listener->verified);
    raw_says(device, "PUB a\nx");
    raw_hears(listener, "MSG a\nx");
    raw_tells(listener, "SUB a\n                    ", "OK"); /* it has nothing to prove any more */
    raw_tells(device_new(&air, NULL), "SUB a\n   ", "OK");
}

static void what_is_kept_for_an_unproven_one_comes_when_it_speaks(void **state)
{
    (void)state;
    struct device *listener = device_new(&air, NULL), *device = device_new(&air, NULL);
    raw_tells(listener, "SUB commands/hall/# qos=1", "OK");
    for (int i = 0; i < 4; i++)
        raw_says(device,
                 "PUB commands/hall/led id=1\non and off and on again and off for ever .......");
    raw_hears(listener, NULL); /* too long for what it has sent so far */
    for (int i = 0; i < 12 && !listener->verified; i++) {
        raw_says(listener, "PING\n0123456789");
        struct slice got;
        air_wait(&air, 1200);
        while ((got = device_hear(listener)).at) {
            struct raw_line line;
            if (raw_decode(got, &line) == RAW_GOOD && line.verb == RAW_MSG) {
                raw_acknowledges(listener, line.id);
                break;
            }
        }
    }
    assert_true(listener->verified);
    assert_int_equal(listener->refused, 0);
}

static void an_unproven_member_of_a_share_takes_nothing_from_the_others(void **state)
{
    (void)state;
    struct device *member = raw_subscriber("$share/g/a");
    struct device *stranger = device_new(&air, NULL), *device = device_new(&air, NULL);
    raw_tells(stranger, "SUB $share/g/a", "OK");
    for (int i = 0; i < 10; i++) {
        raw_says(device, "PUB a\nx");
        raw_hears(member, "MSG a\nx");
    }
    raw_tells(stranger, "PING", "PONG");
}

static void groups_without_a_name_and_filters_of_the_daemon_s_are_refused(void **state)
{
    static const char *const filters[] = {"$share",     "$share/",        "$share/g",
                                          "$share//a",  "$share/g/",      "$share/+/a",
                                          "$share/#/a", "$share/g/a/#/b", "$share/g+/a"};
    (void)state;
    for (size_t i = 0; i < sizeof filters / sizeof filters[0]; i++) {
        char text[64];
        struct device *device = device_new(&air, NULL);
        snprintf(text, sizeof text, "SUB %s\n      ", filters[i]);
        if (i != 0) /* a topic like any other that begins with '$' */
            raw_tells(device, text, "ERR filter");
    }
    raw_govern("topic readwrite #\n");
    raw_tells(device_new(&air, NULL), "SUB $SYS/#", "ERR denied");
    raw_tells(device_new(&air, NULL), "SUB $SYS/broker/version", "ERR denied");
    raw_tells(device_new(&air, NULL), "SUB $share/g/$SYS/#", "ERR denied");
    raw_tells(device_new(&air, NULL), "SUB #", "OK");
    assert_int_equal(air.peers, 1);
}

static size_t count_heard(struct device *device)
{
    size_t count = 0;
    while (device_hear(device).at)
        count++;
    return count;
}

/* Before an address is proven each request gets one datagram at once, where one is due, at most one
 * more when a second is over, whatever there is to say, and three times the bytes over all. */
static void nothing_amplifies(void **state)
{
    static const struct {
        const char *text;
        bool answered;
    } rows[] = {
        {"", false},
        {"x", false},
        {"PUB a id=1", true},
        {"PUB a", false},
        {"PUB", true},
        {"PUB $SYS/a", true},
        {"SUB a", true},
        {"SUB a\n                                      ", true},
        {"SUB #", true},
        {"SUB", true},
        {"SUB a/#/b", true},
        {"UNSUB a", true},
        {"UNSUB", true},
        {"PING", true},
        {"PING x", true},
        {"ACK 1", false},
        {"ACK", true},
        {"BYE", true},
        {"BYE x", true},
        {"OK", false},
        {"MSG a\nx", false},
        {"PONG", false},
        {"ERR", false},
        {"ERR no", false},
        {"PUB a id=x", true},
        {"SUB a qos", true},
        {"PUB + id=1", true},
        {"SUB a qos=1", true},
        {"SUB a qos=1\n                                 ", true},
    };
    (void)state;
    for (int subscribed = 0; subscribed < 2; subscribed++)
        for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
            struct device *device = device_new(&air, NULL), *stranger = device_new(&air, NULL);
            raw_says(device, "PUB a retain\n0123456789012345678901234567890123456789");
            raw_says(device, "PUB b retain\nx");
            if (subscribed) {
                raw_tells(stranger, "SUB +\n", "OK");
                air_wait(&air, 5000);
                (void)count_heard(stranger);
            }
            raw_says(stranger, rows[i].text);
            raw_says(device, "PUB a id=1\nx");
            raw_says(device, "PUB b retain\ny");
            air_wait(&air, 900);
            size_t at_once = count_heard(stranger);
            if (at_once > 1 || (at_once == 0 && rows[i].answered))
                fail_msg("%s: %zu datagrams", rows[i].text, at_once);
            air_wait(&air, 3000);
            raw_says(device, "PUB a\nz");
            air_wait(&air, 60000);
            if (count_heard(stranger) > 1)
                fail_msg("%s: more than one later", rows[i].text);
            assert_true(stranger->sent <= 3 * stranger->received);
            assert_int_equal(stranger->refused, 0);
            raw_says(stranger, "BYE");
        }
}

/* ---- everything at any time ---- */

static const char *const all_texts[] = {
    "PUB a id=1\nx",
    "PUB a retain\nx",
    "SUB a",
    "SUB a qos=1",
    "SUB b/#/c",
    "UNSUB a",
    "UNSUB #/a",
    "PING",
    "ACK 7",
    "ACK x",
    "BYE",
    "OK",
    "MSG a\nx",
    "PONG",
    "ERR no",
    "garbage",
    "",
};
enum { TEXTS = sizeof all_texts / sizeof all_texts[0] };

static void every_verb_may_follow_every_two_others(void **state)
{
    (void)state;
    for (int proven = 0; proven < 2; proven++)
        for (int a = 0; a < TEXTS; a++)
            for (int b = 0; b < TEXTS; b++) {
                struct device *device = device_new(&air, proven ? sensor : NULL);
                for (int c = 0; c < TEXTS; c++) {
                    raw_says(device, all_texts[a]);
                    raw_says(device, all_texts[b]);
                    raw_says(device, all_texts[c]);
                }
                assert_true(proven || device->sent <= 3 * device->received);
                assert_int_equal(device->refused, 0);
                while (device_hear(device).at)
                    ;
                device_lose(device, "enough");
            }
    air_wait(&air, 86400000 + 1000);
    assert_int_equal(air.peers, 0);
    assert_int_equal(broker_stats(air.broker)->clients_connected, 0);
    assert_int_equal(broker_stats(air.broker)->sessions, 0);
}

static void no_memory_costs_the_answer_only(void **state)
{
    (void)state;
    struct device *device = device_new(&air, NULL), *listener = raw_subscriber("a");
    air.out_of_memory = true;
    raw_tells(device, "PUB a id=1\nx", NULL);
    raw_hears(listener, NULL);
    raw_tells(device, "SUB a", NULL);
    air.out_of_memory = false;
    raw_tells(device, "SUB a", "OK");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, raw_setup, raw_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_unproven_subscriber_proves_itself_with_the_first_ack),
        TEST(a_message_comes_by_itself_to_who_only_says_sub),
        TEST(an_id_that_leaves_no_room_is_left_out_of_qos_0),
        TEST(what_waits_for_an_unproven_one_is_the_newest),
        TEST(what_was_too_long_does_not_follow_what_is_newer),
        TEST(a_retained_value_comes_a_second_after_sub),
        TEST(a_retained_value_that_is_too_long_waits_until_it_is_paid_for),
        TEST(what_is_not_acknowledged_comes_again_when_it_may),
        TEST(who_unsubscribes_hears_no_more_of_it),
        TEST(who_leaves_is_not_told_of_it),
        TEST(who_leaves_room_in_sub_can_prove_itself_at_once),
        TEST(what_is_kept_for_an_unproven_one_comes_when_it_speaks),
        TEST(an_unproven_member_of_a_share_takes_nothing_from_the_others),
        TEST(groups_without_a_name_and_filters_of_the_daemon_s_are_refused),
        TEST(nothing_amplifies),
        TEST(every_verb_may_follow_every_two_others),
        TEST(no_memory_costs_the_answer_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
