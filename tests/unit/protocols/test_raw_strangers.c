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
    air_wait(&air, 5000);
    raw_hears(listener, NULL); /* it has had its answer */
    raw_says(listener, "PING");
    struct raw_line msg = raw_heard(listener);
    assert_true(msg.has_id);
    raw_equal(msg.payload, "on");
    raw_hears(listener, NULL);
    for (int i = 0; i < 50; i++)
        raw_says(device, "PUB commands/hall/led\noff");
    raw_hears(listener, NULL);
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

static void a_retained_value_waits_for_the_datagram_after_sub(void **state)
{
    (void)state;
    struct device *device = device_new(&air, NULL), *listener = device_new(&air, NULL);
    raw_says(device, "PUB state/lamp retain\non since a while");
    raw_tells(listener, "SUB state/#", "OK");
    air_wait(&air, 60000);
    raw_hears(listener, NULL);
    raw_tells(listener, "PING", "PONG"); /* that pays for too little */
    raw_says(listener, "PING\n        ");
    struct raw_line msg = raw_heard(listener);
    raw_equal(msg.topic, "state/lamp");
    raw_equal(msg.payload, "on since a while");
    raw_hears(listener, NULL);
    raw_tells(listener, "PING", "PONG");
    assert_int_equal(listener->refused, 0);
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

/* No request makes siotd send more than came in before an address is proven, nor a second datagram,
 * whatever happens until the next one comes from there. */
static void nothing_amplifies(void **state)
{
    static const char *const texts[] = {
        "",      "x",      "PUB a id=1", "PUB a",     "PUB",        "PUB $SYS/a",  "SUB a",
        "SUB #", "SUB",    "SUB a/#/b",  "UNSUB a",   "UNSUB",      "PING",        "PING x",
        "ACK 1", "ACK",    "BYE",        "BYE x",     "OK",         "MSG a\nx",    "PONG",
        "ERR",   "ERR no", "PUB a id=x", "SUB a qos", "PUB + id=1", "SUB a qos=1",
    };
    (void)state;
    struct device *device = device_new(&air, NULL);
    raw_says(device,
             "PUB a retain\n0123456789012345678901234567890123456789012345678901234567890123");
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct device *stranger = device_new(&air, NULL);
        size_t datagrams = 0;
        raw_says(stranger, texts[i]);
        raw_says(device, "PUB a\nx");
        air_wait(&air, 2000);
        while (device_hear(stranger).at)
            datagrams++;
        if (datagrams > 1 || stranger->sent > stranger->received)
            fail_msg("%s: %zu datagrams", texts[i], datagrams);
        assert_int_equal(stranger->refused, 0);
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
        TEST(what_waits_for_an_unproven_one_is_the_newest),
        TEST(a_retained_value_waits_for_the_datagram_after_sub),
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
