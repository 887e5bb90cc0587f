/* Tests raw datagrams to devices: subscriptions, messages until they are acknowledged, and what
 * belongs to a proven identity. */
#include "raw_stage.h"

#include <stdio.h>

/* ---- subscribing ---- */

static void a_subscription_can_be_ended(void **state)
{
    (void)state;
    struct device *listener = raw_subscriber("a"), *device = device_new(&air, NULL);
    raw_tells(listener, "UNSUB a", "OK");
    raw_tells(listener, "UNSUB a", "OK");
    raw_says(device, "PUB a\n1");
    raw_hears(listener, NULL);
    raw_tells(device, "UNSUB a", "OK"); /* has none, and that is what it wants */
    air_wait(&air, 1000);
    raw_tells(listener, "UNSUB a/#b........", "ERR filter");
}

static void a_bad_filter_leaves_nothing(void **state)
{
    (void)state;
    struct device *device = device_new(&air, NULL);
    raw_tells(device, "SUB a/#/b", "ERR");
    air_wait(&air, 1000);
    raw_tells(device, "SUB a/#/b\npadding", "ERR filter");
    assert_int_equal(air.peers, 0);
    assert_int_equal(broker_stats(air.broker)->sessions, 0);
    assert_int_equal(broker_stats(air.broker)->clients_connected, 0);
}

static void ping_keeps_a_subscriber_and_silence_ends_it(void **state)
{
    (void)state;
    struct device *listener = raw_subscriber("a"), *device = device_new(&air, NULL);
    for (int i = 0; i < 3; i++) {
        air_wait(&air, 599000);
        raw_tells(listener, "PING", "PONG");
    }
    air_wait(&air, 599000);
    assert_int_equal(air.peers, 1);
    air_wait(&air, 2000);
    assert_int_equal(air.peers, 0);
    assert_int_equal(broker_stats(air.broker)->sessions, 0);
    assert_true(air_logged(&air, "closed: nothing was heard for idle_timeout"));
    raw_says(device, "PUB a\n1");
    raw_hears(listener, NULL);
    raw_tells(listener, "PING", "ERR"); /* it has to subscribe again */
}

static void bye_ends_it_at_once(void **state)
{
    (void)state;
    struct device *listener = raw_subscriber("a"), *device = device_new(&air, NULL);
    raw_tells(listener, "BYE", "OK");
    assert_int_equal(air.peers, 0);
    assert_int_equal(broker_stats(air.broker)->sessions, 0);
    raw_tells(device, "BYE", "OK");
}

static void the_daemon_says_bye_when_it_stops(void **state)
{
    (void)state;
    struct device *listener = raw_subscriber("a");
    air_stop(&air);
    raw_hears(listener, "BYE");
    assert_int_equal(air.peers, 0);
}

static void who_is_ended_hears_bye(void **state)
{
    (void)state;
    struct device *listener = raw_subscriber("a");
    char id[64];
    snprintf(id, sizeof id, "raw:192.0.2.7:%u@test", (unsigned)listener->port);
    assert_true(broker_kick(air.broker, slice_of_str(id), EXPEL_DENIED));
    air_turn(&air);
    raw_hears(listener, "BYE");
    assert_int_equal(air.peers, 0);
}

/* ---- at least once ---- */

static void a_message_with_an_id_comes_again_until_it_is_acknowledged(void **state)
{
    (void)state;
    struct device *listener = raw_subscriber("b"), *device = device_new(&air, NULL);
    raw_tells(listener, "SUB a qos=1", "OK");
    raw_says(device, "PUB a id=1\nx");
    struct raw_line first = raw_heard(listener);
    assert_true(first.has_id);
    raw_equal(first.payload, "x");
    uint64_t id = first.id;
    air_wait(&air, 1900);
    raw_hears(listener, NULL);
    air_wait(&air, 200);
    assert_int_equal(raw_heard(listener).id, id);
    air_wait(&air, 3700);
    raw_hears(listener, NULL);
    raw_acknowledges(listener, id);
    air_wait(&air, 60000);
    raw_hears(listener, NULL);
    raw_acknowledges(listener, id); /* once more does no harm */
    raw_hears(listener, NULL);
}

static void after_the_last_try_it_waits_until_the_device_is_heard(void **state)
{
    (void)state;
    struct device *listener = raw_subscriber("b"), *device = device_new(&air, NULL);
    raw_tells(listener, "SUB a qos=1", "OK");
    raw_says(device, "PUB a id=1\nx");
    uint64_t id = raw_heard(listener).id;
    air_wait(&air, 100000);
    raw_heard(listener);
    raw_heard(listener);
    raw_hears(listener, NULL); /* 3 tries */
    raw_says(listener, "PING");
    raw_hears(listener, "PONG");
    assert_int_equal(raw_heard(listener).id, id);
    raw_acknowledges(listener, id);
    air_wait(&air, 100000);
    raw_hears(listener, NULL);
}

static void the_window_bounds_what_is_under_way(void **state)
{
    (void)state;
    struct device *listener = raw_subscriber("b"), *device = device_new(&air, NULL);
    raw_tells(listener, "SUB a qos=1", "OK");
    for (int i = 0; i < 10; i++) {
        char text[40];
        snprintf(text, sizeof text, "PUB a id=%d\n%d", i, i);
        raw_says(device, text);
    }
    /* The first subscription attached it with the window of then. */
    uint64_t ids[4];
    for (int i = 0; i < 4; i++)
        ids[i] = raw_heard(listener).id;
    raw_hears(listener, NULL);
    raw_acknowledges(listener, ids[1]);
    raw_equal(raw_heard(listener).payload, "4");
    raw_hears(listener, NULL);
}

static void foreign_acks_do_nothing(void **state)
{
    (void)state;
    struct device *listener = raw_subscriber("b"), *device = device_new(&air, NULL);
    raw_tells(listener, "SUB a qos=1", "OK");
    raw_tells(device, "PUB a id=1\nx", "ACK 1");
    uint64_t id = raw_heard(listener).id;
    raw_acknowledges(device, id);            /* of somebody else */
    raw_acknowledges(listener, id ^ 1);      /* of another message */
    raw_acknowledges(listener, id & 0xffff); /* guessed without the upper part */
    raw_acknowledges(listener, 0);
    raw_acknowledges(listener, UINT64_MAX);
    raw_hears(device, NULL);
    assert_int_equal(air.peers, 1);
    air_wait(&air, 2000);
    assert_int_equal(raw_heard(listener).id, id); /* it still waits */
}

/* ---- proven identities ---- */

static void what_a_proven_device_subscribed_to_survives_its_absence(void **state)
{
    (void)state;
    struct device *known = device_new(&air, sensor), *device = device_new(&air, NULL);
    raw_tells(known, "SUB commands/# qos=1", "OK");
    device_lose(known, "handshake again");
    assert_int_equal(broker_stats(air.broker)->sessions, 1);
    raw_says(device, "PUB commands/a id=1\nwhile away");
    air_wait(&air, 3600000);
    struct device *again = device_new(&air, sensor);
    raw_says(again, "PING");
    raw_equal(raw_heard(again).payload, "while away");
    raw_hears(again, "PONG");
    raw_tells(again, "BYE", "OK");
    assert_int_equal(broker_stats(air.broker)->sessions, 0);
}

static void a_proven_publisher_leaves_no_session(void **state)
{
    (void)state;
    struct device *known = device_new(&air, sensor);
    raw_tells(known, "PUB a id=1\n1", "ACK 1");
    assert_int_equal(broker_stats(air.broker)->sessions, 1);
    raw_tells(known, "PING", "ERR");
    device_lose(known, "gone");
    assert_int_equal(broker_stats(air.broker)->sessions, 0);
}

static void a_proven_identity_has_one_peer(void **state)
{
    (void)state;
    struct device *known = device_new(&air, sensor);
    raw_tells(known, "SUB a", "OK");
    struct device *again = device_new(&air, sensor);
    raw_tells(again, "PING", "PONG");
    raw_hears(known, "BYE");
    assert_int_equal(air.peers, 1);
    assert_true(air_logged(&air, "taken over by another peer"));
}

static void who_is_revoked_is_ended(void **state)
{
    (void)state;
    struct access *access = access_new();
    struct device *known = device_new(&air, sensor);
    raw_tells(known, "PUB a id=1\n1", "ACK 1");
    known->revoked = true;
    broker_set_access(air.broker, access);
    access_unref(access);
    air_turn(&air);
    raw_hears(known, "BYE");
    assert_int_equal(air.peers, 0);
    assert_int_equal(broker_stats(air.broker)->sessions, 0);
}

static void client_ids_can_be_bound_to_names(void **state)
{
    (void)state;
    struct access *access = access_new();
    access->bind_client_id = true;
    broker_set_access(air.broker, access);
    struct device *known = device_new(&air, sensor);
    raw_tells(known, "PUB a id=1\n1", "ACK 1");
    assert_true(broker_kick(air.broker, SLICE("sensor-7"), EXPEL_DENIED));
    access_unref(access);
}

/* ---- names of all kinds ---- */

static void a_name_is_itself_whatever_is_in_it(void **state)
{
    static const char *const names[] = {"a/b",   "+",       "#",  "$share/g/x",           "$SYS",
                                        "x y",   "%41",     "\"", "192.0.2.7:40001@test", "hall",
                                        "hall ", "\xc3\xa9"};
    enum { NAMES = sizeof names / sizeof names[0] };
    struct identity *identities[NAMES];
    struct device *devices[NAMES];
    (void)state;
    for (size_t i = 0; i < NAMES; i++) {
        identities[i] = identity_new(slice_of_str(names[i]), false);
        devices[i] = device_new(&air, identities[i]);
        raw_tells(devices[i], "SUB a", "OK");
    }
    assert_int_equal(broker_stats(air.broker)->sessions, NAMES); /* nobody took another's place */
    raw_says(device_new(&air, NULL), "PUB a\nx");
    for (size_t i = 0; i < NAMES; i++) {
        raw_hears(devices[i], "MSG a\nx");
        char id[64];
        snprintf(id, sizeof id, "raw:%s", names[i]);
        assert_true(broker_kick(air.broker, slice_of_str(id), EXPEL_DENIED));
    }
    air_turn(&air);
    for (size_t i = 0; i < NAMES; i++)
        identity_unref(identities[i]);
}

static void what_is_no_name_is_nobody(void **state)
{
    static uint8_t longest[65535];
    static const struct slice names[] = {
        {(const uint8_t *)"hall\0x", 6},       {(const uint8_t *)"\0", 1},
        {(const uint8_t *)"\xff\xfe", 2},      {(const uint8_t *)"\xed\xa0\x80", 3},
        {(const uint8_t *)"a\nconnected", 11}, {longest, sizeof longest},
    };
    (void)state;
    memset(longest, 'n', sizeof longest);
    struct identity *hall = identity_new(SLICE("hall"), false);
    struct device *known = device_new(&air, hall);
    raw_tells(known, "SUB a", "OK");
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct identity *identity = identity_new(names[i], false);
        struct device *device = device_new(&air, identity);
        raw_tells(device, "SUB a         ", "ERR denied");
        raw_tells(device, "PUB a\nx", NULL);
        raw_hears(known, NULL);
        device_lose(device, "over");
        identity_unref(identity);
    }
    assert_int_equal(broker_stats(air.broker)->sessions, 1);
    raw_tells(known, "PING", "PONG");
    identity_unref(hall);
}

/* A name with a wildcard in it makes no rule with %u wider. */
static void a_name_fills_no_more_than_a_level_of_a_rule(void **state)
{
    static const char *const names[] = {"+", "#", "a/#", "hall"};
    (void)state;
    raw_govern("pattern readwrite own/%u/in\n");
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct identity *identity = identity_new(slice_of_str(names[i]), false);
        struct device *device = device_new(&air, identity);
        bool plain = i == 3;
        raw_tells(device, "SUB own/hall/in", plain ? "OK" : "ERR denied");
        device_lose(device, "over");
        identity_unref(identity);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, raw_setup, raw_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_subscription_can_be_ended),
        TEST(a_bad_filter_leaves_nothing),
        TEST(ping_keeps_a_subscriber_and_silence_ends_it),
        TEST(bye_ends_it_at_once),
        TEST(the_daemon_says_bye_when_it_stops),
        TEST(who_is_ended_hears_bye),
        TEST(a_message_with_an_id_comes_again_until_it_is_acknowledged),
        TEST(after_the_last_try_it_waits_until_the_device_is_heard),
        TEST(the_window_bounds_what_is_under_way),
        TEST(foreign_acks_do_nothing),
        TEST(what_a_proven_device_subscribed_to_survives_its_absence),
        TEST(a_proven_publisher_leaves_no_session),
        TEST(a_proven_identity_has_one_peer),
        TEST(who_is_revoked_is_ended),
        TEST(client_ids_can_be_bound_to_names),
        TEST(a_name_is_itself_whatever_is_in_it),
        TEST(what_is_no_name_is_nobody),
        TEST(a_name_fills_no_more_than_a_level_of_a_rule),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
