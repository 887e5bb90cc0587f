/* Tests protocols/raw over the real core, with devices whose datagrams are as on udp and dtls. */
#include "fake_datagram.h"

#include "base/hash.h"
#include "protocols/raw/answered.h"
#include "protocols/raw/connection.h"
#include "protocols/raw/raw.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct air air;
static struct raw_options options;
static struct identity *sensor;

static int set_up(void **state)
{
    (void)state;
    hash_start(1);
    options = (struct raw_options){
        .idle_timeout = 600000,
        .session_expiry = 86400000,
        .retry = 2000,
        .tries = 3,
        .window = 4,
        .duplicate_window = 30000,
        .remembered = 64,
    };
    raw_recent_clear();
    air_init(&air, &raw_protocol, &options);
    sensor = identity_new(SLICE("sensor-7"), false);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    air_clear(&air);
    identity_unref(sensor);
    raw_recent_clear();
    return 0;
}

static void say(struct device *device, const char *text)
{
    device_say(device, slice_of_str(text));
}

static void hears(struct device *device, const char *wanted)
{
    struct slice got = device_hear(device);
    if (!wanted)
        assert_null(got.at);
    else if (got.len != strlen(wanted) || memcmp(got.at, wanted, got.len) != 0)
        fail_msg("got \"%.*s\" instead of \"%s\"", SLICE_FMT(got), wanted);
}

static void tell(struct device *device, const char *text, const char *wanted)
{
    say(device, text);
    hears(device, wanted);
}

/* The next datagram, which must be a MSG. */
static struct raw_line message(struct device *device)
{
    struct raw_line line;
    struct slice got = device_hear(device);
    assert_non_null(got.at);
    assert_int_equal(raw_decode(got, &line), RAW_GOOD);
    assert_int_equal(line.verb, RAW_MSG);
    return line;
}

static void equal(struct slice a, const char *text)
{
    assert_int_equal(a.len, strlen(text));
    assert_memory_equal(a.len ? (const void *)a.at : "", text, a.len);
}

static void acknowledge(struct device *device, uint64_t id)
{
    char text[40];
    snprintf(text, sizeof text, "ACK %llu", (unsigned long long)id);
    say(device, text);
}

/* A subscriber that has proven its address. */
static struct device *subscriber(const char *filter)
{
    char text[100];
    options.trust_sources = true;
    struct device *device = device_new(&air, NULL);
    snprintf(text, sizeof text, "SUB %s", filter);
    tell(device, text, "OK");
    options.trust_sources = false;
    return device;
}

static uint64_t count_published(void)
{
    const struct stats *stats = broker_stats(air.broker);
    return stats->publish_received - stats->publish_refused;
}

/* ---- publishing ---- */

static void a_publish_arrives_and_leaves_no_peer(void **state)
{
    (void)state;
    struct device *listener = subscriber("sensors/#"), *device = device_new(&air, NULL);
    tell(device, "PUB sensors/hall/temperature\n21.5", NULL);
    hears(listener, "MSG sensors/hall/temperature\n21.5");
    assert_int_equal(air.peers, 1);
    assert_int_equal(broker_stats(air.broker)->sessions, 1);
}

static void a_publish_with_an_id_is_acknowledged_and_published_once(void **state)
{
    (void)state;
    struct device *listener = subscriber("a"), *device = device_new(&air, NULL);
    tell(device, "PUB a id=9\n1", "ACK 9");
    tell(device, "PUB a id=9\n1", "ACK 9");
    hears(listener, "MSG a\n1");
    hears(listener, NULL);
    tell(device, "PUB a id=9\n2", "ACK 9"); /* has lost count: another message */
    hears(listener, "MSG a\n2");
    struct device *other = device_new(&air, NULL);
    tell(other, "PUB a id=9\n1", "ACK 9"); /* somebody else's */
    hears(listener, "MSG a\n1");
    air_wait(&air, 31000);
    tell(device, "PUB a id=9\n1", "ACK 9");
    hears(listener, "MSG a\n1");
}

static void without_a_duplicate_window_all_is_published(void **state)
{
    (void)state;
    options.duplicate_window = 0;
    struct device *device = device_new(&air, NULL);
    tell(device, "PUB a id=9\n1", "ACK 9");
    tell(device, "PUB a id=9\n1", "ACK 9");
    assert_int_equal(count_published(), 2);
}

static void a_retained_publish_reaches_who_comes_later(void **state)
{
    (void)state;
    struct device *device = device_new(&air, NULL);
    say(device, "PUB a/b retain\nlast");
    struct device *listener = subscriber("a/#");
    hears(listener, "MSG a/b\nlast");
    say(device, "PUB a/b retain");
    hears(listener, "MSG a/b\n");
    assert_int_equal(broker_stats(air.broker)->retained_messages, 0);
}

static void a_refusal_says_why_once_in_a_second(void **state)
{
    (void)state;
    struct device *device = device_new(&air, NULL);
    tell(device, "PUB $SYS/x\nabc", "ERR denied");
    tell(device, "PUB $SYS/x\nabc", NULL);
    tell(device, "PUB a id=x", NULL);
    struct device *other = device_new(&air, NULL);
    tell(other, "PUB a/+ xyz\n", "ERR word");
    air_wait(&air, 1000);
    tell(device, "PUB a/# id=5\n......", "ERR topic");
    air_wait(&air, 1000);
    tell(device, "PUB", "ERR"); /* no room for more */
    assert_int_equal(count_published(), 0);
    assert_int_equal(air.peers, 0);
}

static void nobody_enters_where_nobody_may(void **state)
{
    (void)state;
    air.listener.anonymous = false;
    struct device *device = device_new(&air, NULL);
    tell(device, "PUB sensors/a id=1\n1", "ERR denied");
    air_wait(&air, 1000);
    tell(device, "SUB sensors/a", "ERR denied");
    assert_int_equal(broker_stats(air.broker)->publish_received, 0);
    struct device *known = device_new(&air, sensor);
    tell(known, "PUB sensors/a id=1\n1", "ACK 1");
}

static void a_topic_may_have_blanks_when_they_are_escaped(void **state)
{
    (void)state;
    struct device *listener = subscriber("living%20room/#"), *device = device_new(&air, NULL);
    say(device, "PUB living%20room/50%25\nx");
    hears(listener, "MSG living%20room/50%25\nx");
}

static void the_mountpoint_stands_in_front_of_all(void **state)
{
    static char mountpoint[] = "site/";
    (void)state;
    struct device *listener = subscriber("site/#");
    air.listener.mountpoint = mountpoint;
    struct device *device = device_new(&air, NULL);
    say(device, "PUB a\n1");
    hears(listener, "MSG site/a\n1");
}

/* ---- templates ---- */

static void what_is_no_verb_is_dropped_or_goes_to_the_template(void **state)
{
    static char pattern[] = "plain", named[] = "sensors/${device}";
    (void)state;
    struct device *listener = subscriber("#"), *device = device_new(&air, NULL);
    tell(device, "{\"t\": 21.5}", NULL);
    hears(listener, NULL);
    air.listener.topic = pattern;
    tell(device, "{\"t\": 21.5}", NULL);
    hears(listener, "MSG plain\n{\"t\": 21.5}");
    say(device, "");
    hears(listener, "MSG plain\n");
    air.listener.topic = named;
    uint64_t refused = broker_stats(air.broker)->publish_refused;
    say(device, "21.5");
    hears(listener, NULL); /* whoever sends it has no name */
    assert_int_equal(broker_stats(air.broker)->publish_refused, refused + 1);
    struct device *proven = device_new(&air, sensor);
    say(proven, "21.5");
    hears(listener, "MSG sensors/sensor-7\n21.5");
    air.listener.anonymous = false;
    air.listener.topic = pattern;
    say(device, "forged");
    hears(listener, NULL);
}

/* ---- subscribing ---- */

static void a_subscription_can_be_ended(void **state)
{
    (void)state;
    struct device *listener = subscriber("a"), *device = device_new(&air, NULL);
    tell(listener, "UNSUB a", "OK");
    tell(listener, "UNSUB a", "OK");
    say(device, "PUB a\n1");
    hears(listener, NULL);
    tell(device, "UNSUB a", "OK"); /* has none, and that is what it wants */
    air_wait(&air, 1000);
    tell(listener, "UNSUB a/#b........", "ERR filter");
}

static void a_bad_filter_leaves_nothing(void **state)
{
    (void)state;
    struct device *device = device_new(&air, NULL);
    tell(device, "SUB a/#/b", "ERR");
    air_wait(&air, 1000);
    tell(device, "SUB a/#/b\npadding", "ERR filter");
    assert_int_equal(air.peers, 0);
    assert_int_equal(broker_stats(air.broker)->sessions, 0);
    assert_int_equal(broker_stats(air.broker)->clients_connected, 0);
}

static void ping_keeps_a_subscriber_and_silence_ends_it(void **state)
{
    (void)state;
    struct device *listener = subscriber("a"), *device = device_new(&air, NULL);
    for (int i = 0; i < 3; i++) {
        air_wait(&air, 599000);
        tell(listener, "PING", "PONG");
    }
    air_wait(&air, 599000);
    assert_int_equal(air.peers, 1);
    air_wait(&air, 2000);
    assert_int_equal(air.peers, 0);
    assert_int_equal(broker_stats(air.broker)->sessions, 0);
    assert_true(air_logged(&air, "closed: nothing was heard for idle_timeout"));
    say(device, "PUB a\n1");
    hears(listener, NULL);
    tell(listener, "PING", "ERR"); /* it has to subscribe again */
}

static void bye_ends_it_at_once(void **state)
{
    (void)state;
    struct device *listener = subscriber("a"), *device = device_new(&air, NULL);
    tell(listener, "BYE", "OK");
    assert_int_equal(air.peers, 0);
    assert_int_equal(broker_stats(air.broker)->sessions, 0);
    tell(device, "BYE", "OK");
}

static void the_daemon_says_bye_when_it_stops(void **state)
{
    (void)state;
    struct device *listener = subscriber("a");
    air_stop(&air);
    hears(listener, "BYE");
    assert_int_equal(air.peers, 0);
}

static void who_is_ended_hears_bye(void **state)
{
    (void)state;
    struct device *listener = subscriber("a");
    char id[64];
    snprintf(id, sizeof id, "raw:192.0.2.7:%u", (unsigned)listener->port);
    assert_true(broker_kick(air.broker, slice_of_str(id), EXPEL_KICKED));
    air_turn(&air);
    hears(listener, "BYE");
    assert_int_equal(air.peers, 0);
}

/* ---- at least once ---- */

static void a_message_with_an_id_comes_again_until_it_is_acknowledged(void **state)
{
    (void)state;
    struct device *listener = subscriber("b"), *device = device_new(&air, NULL);
    tell(listener, "SUB a qos=1", "OK");
    say(device, "PUB a id=1\nx");
    struct raw_line first = message(listener);
    assert_true(first.has_id);
    equal(first.payload, "x");
    uint64_t id = first.id;
    air_wait(&air, 1900);
    hears(listener, NULL);
    air_wait(&air, 200);
    assert_int_equal(message(listener).id, id);
    air_wait(&air, 3700);
    hears(listener, NULL);
    acknowledge(listener, id);
    air_wait(&air, 60000);
    hears(listener, NULL);
    acknowledge(listener, id); /* once more does no harm */
    hears(listener, NULL);
}

static void after_the_last_try_it_waits_until_the_device_is_heard(void **state)
{
    (void)state;
    struct device *listener = subscriber("b"), *device = device_new(&air, NULL);
    tell(listener, "SUB a qos=1", "OK");
    say(device, "PUB a id=1\nx");
    uint64_t id = message(listener).id;
    air_wait(&air, 100000);
    message(listener);
    message(listener);
    hears(listener, NULL); /* 3 tries */
    say(listener, "PING");
    hears(listener, "PONG");
    assert_int_equal(message(listener).id, id);
    acknowledge(listener, id);
    air_wait(&air, 100000);
    hears(listener, NULL);
}

static void the_window_bounds_what_is_under_way(void **state)
{
    (void)state;
    struct device *listener = subscriber("b"), *device = device_new(&air, NULL);
    tell(listener, "SUB a qos=1", "OK");
    for (int i = 0; i < 10; i++) {
        char text[40];
        snprintf(text, sizeof text, "PUB a id=%d\n%d", i, i);
        say(device, text);
    }
    /* The first subscription attached it with the window of then. */
    uint64_t ids[4];
    for (int i = 0; i < 4; i++)
        ids[i] = message(listener).id;
    hears(listener, NULL);
    acknowledge(listener, ids[1]);
    equal(message(listener).payload, "4");
    hears(listener, NULL);
}

static void foreign_acks_do_nothing(void **state)
{
    (void)state;
    struct device *listener = subscriber("b"), *device = device_new(&air, NULL);
    tell(listener, "SUB a qos=1", "OK");
    tell(device, "PUB a id=1\nx", "ACK 1");
    uint64_t id = message(listener).id;
    acknowledge(device, id);            /* of somebody else */
    acknowledge(listener, id ^ 1);      /* of another message */
    acknowledge(listener, id & 0xffff); /* guessed without the upper part */
    acknowledge(listener, 0);
    acknowledge(listener, UINT64_MAX);
    hears(device, NULL);
    assert_int_equal(air.peers, 1);
    air_wait(&air, 2000);
    assert_int_equal(message(listener).id, id); /* it still waits */
}

/* ---- addresses that are not proven ---- */

static void an_unproven_subscriber_proves_itself_with_the_first_ack(void **state)
{
    (void)state;
    struct device *listener = device_new(&air, NULL), *device = device_new(&air, NULL);
    tell(listener, "SUB commands/hall/#\n", "OK");
    say(device, "PUB commands/hall/led\non");
    hears(listener, NULL); /* it has had its answer */
    air_wait(&air, 1000);
    say(device, "PUB commands/hall/led\non");
    struct raw_line msg = message(listener);
    assert_true(msg.has_id);
    for (int i = 0; i < 50; i++)
        say(device, "PUB commands/hall/led\noff");
    assert_true(listener->sent <= 3 * listener->received);
    while (device_hear(listener).at)
        ;
    acknowledge(listener, msg.id + 65536); /* a guess */
    assert_false(listener->verified);
    acknowledge(listener, msg.id);
    assert_true(listener->verified);
    for (int i = 0; i < 50; i++) {
        say(device, "PUB commands/hall/led\non");
        hears(listener, "MSG commands/hall/led\non");
    }
    assert_int_equal(listener->refused, 0);
}

static void who_leaves_room_in_sub_can_prove_itself_at_once(void **state)
{
    (void)state;
    struct device *listener = device_new(&air, NULL), *device = device_new(&air, NULL);
    struct raw_line answer;
    say(listener, "SUB a\n                    ");
    assert_int_equal(raw_decode(device_hear(listener), &answer), RAW_GOOD);
    assert_true(answer.verb == RAW_OK && answer.has_id);
    acknowledge(listener, answer.id);
    assert_true(listener->verified);
    say(device, "PUB a\nx");
    hears(listener, "MSG a\nx");
    tell(listener, "SUB a\n                    ", "OK"); /* it has nothing to prove any more */
    tell(device_new(&air, NULL), "SUB a\n   ", "OK");
}

static void what_is_kept_for_an_unproven_one_comes_when_it_speaks(void **state)
{
    (void)state;
    struct device *listener = device_new(&air, NULL), *device = device_new(&air, NULL);
    tell(listener, "SUB commands/hall/# qos=1", "OK");
    for (int i = 0; i < 4; i++)
        say(device, "PUB commands/hall/led id=1\non and off and on again and off for ever .......");
    hears(listener, NULL); /* too long for what it has sent so far */
    for (int i = 0; i < 12 && !listener->verified; i++) {
        say(listener, "PING\n0123456789");
        struct slice got;
        air_wait(&air, 1200);
        while ((got = device_hear(listener)).at) {
            struct raw_line line;
            if (raw_decode(got, &line) == RAW_GOOD && line.verb == RAW_MSG) {
                acknowledge(listener, line.id);
                break;
            }
        }
    }
    assert_true(listener->verified);
    assert_int_equal(listener->refused, 0);
}

/* No request makes siotd send more than came in before an address is proven. */
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
    say(device, "PUB a retain\n0123456789012345678901234567890123456789012345678901234567890123");
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct device *stranger = device_new(&air, NULL);
        size_t datagrams = 0;
        say(stranger, texts[i]);
        while (device_hear(stranger).at)
            datagrams++;
        assert_true(datagrams <= 2); /* OK, and a retained message if there is room */
        assert_true(stranger->sent <= 3 * stranger->received);
        if (datagrams == 1 && stranger->sent > stranger->received)
            fail_msg("%s", texts[i]);
        assert_int_equal(stranger->refused, 0);
    }
}

/* ---- proven identities ---- */

static void what_a_proven_device_subscribed_to_survives_its_absence(void **state)
{
    (void)state;
    struct device *known = device_new(&air, sensor), *device = device_new(&air, NULL);
    tell(known, "SUB commands/# qos=1", "OK");
    device_lose(known, "handshake again");
    assert_int_equal(broker_stats(air.broker)->sessions, 1);
    say(device, "PUB commands/a id=1\nwhile away");
    air_wait(&air, 3600000);
    struct device *again = device_new(&air, sensor);
    say(again, "PING");
    equal(message(again).payload, "while away");
    hears(again, "PONG");
    tell(again, "BYE", "OK");
    assert_int_equal(broker_stats(air.broker)->sessions, 0);
}

static void a_proven_publisher_leaves_no_session(void **state)
{
    (void)state;
    struct device *known = device_new(&air, sensor);
    tell(known, "PUB a id=1\n1", "ACK 1");
    assert_int_equal(broker_stats(air.broker)->sessions, 1);
    tell(known, "PING", "ERR");
    device_lose(known, "gone");
    assert_int_equal(broker_stats(air.broker)->sessions, 0);
}

static void a_proven_identity_has_one_peer(void **state)
{
    (void)state;
    struct device *known = device_new(&air, sensor);
    tell(known, "SUB a", "OK");
    struct device *again = device_new(&air, sensor);
    tell(again, "PING", "PONG");
    hears(known, "BYE");
    assert_int_equal(air.peers, 1);
    assert_true(air_logged(&air, "taken over by another peer"));
}

static void who_is_revoked_is_ended(void **state)
{
    (void)state;
    struct access *access = access_new();
    struct device *known = device_new(&air, sensor);
    tell(known, "PUB a id=1\n1", "ACK 1");
    known->revoked = true;
    broker_set_access(air.broker, access);
    access_unref(access);
    air_turn(&air);
    hears(known, "BYE");
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
    tell(known, "PUB a id=1\n1", "ACK 1");
    assert_true(broker_kick(air.broker, SLICE("sensor-7"), EXPEL_KICKED));
    access_unref(access);
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
                    say(device, all_texts[a]);
                    say(device, all_texts[b]);
                    say(device, all_texts[c]);
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
    struct device *device = device_new(&air, NULL), *listener = subscriber("a");
    air.out_of_memory = true;
    tell(device, "PUB a id=1\nx", NULL);
    hears(listener, NULL);
    tell(device, "SUB a", NULL);
    air.out_of_memory = false;
    tell(device, "SUB a", "OK");
}

static void the_table_of_what_was_answered_keeps_the_newest(void **state)
{
    (void)state;
    struct answered *answered = answered_new(8);
    uint64_t promise = 0;
    for (uint64_t key = 1; key <= 1000; key++)
        answered_put(answered, key, 0, key, key + 1);
    int found = 0;
    for (uint64_t key = 1; key <= 1000; key++)
        found += answered_find(answered, key, 0, NULL);
    assert_int_equal(found, 8);
    assert_true(answered_find(answered, 1000, 999, &promise));
    assert_int_equal(promise, 1001);
    assert_false(answered_find(answered, 1000, 1000, NULL));
    answered_put(answered, 2000, 1000, 1001, 0); /* in place of one whose time is over */
    assert_true(answered_find(answered, 2000, 1000, NULL));
    answered_free(answered);
}

static void an_ack_waits_for_the_disk_and_so_does_that_of_a_repeated_publish(void **state)
{
    (void)state;
    air_keep(&air);
    struct device *device = device_new(&air, NULL);
    tell(device, "PUB a retain id=1\nx", NULL);
    air_wait(&air, 100);
    tell(device, "PUB a retain id=1\nx", NULL);
    air_written(&air, COMMIT_DONE);
    hears(device, "ACK 1");
    hears(device, "ACK 1");
    tell(device, "PUB a retain id=1\nx", "ACK 1");
    assert_int_equal(count_published(), 1);
}

static void a_full_disk_holds_no_ack_that_needs_no_disk(void **state)
{
    (void)state;
    air_keep(&air);
    struct device *stuck = device_new(&air, NULL), *other = device_new(&air, NULL);
    tell(stuck, "PUB a retain id=1\nx", NULL);
    air_wait(&air, 100);
    air_written(&air, COMMIT_FULL);
    tell(other, "PUB b id=2\nx", "ACK 2");
    tell(other, "PUB b id=2\nx", "ACK 2");
    tell(stuck, "PUB a retain id=1\nx", NULL);
    tell(other, "PUB a retain id=3\nx", "ERR busy");
    air_wait(&air, 2000); /* it tries again */
    air_written(&air, COMMIT_DONE);
    hears(stuck, "ACK 1");
    hears(stuck, "ACK 1");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_publish_arrives_and_leaves_no_peer),
        TEST(a_publish_with_an_id_is_acknowledged_and_published_once),
        TEST(an_ack_waits_for_the_disk_and_so_does_that_of_a_repeated_publish),
        TEST(a_full_disk_holds_no_ack_that_needs_no_disk),
        TEST(without_a_duplicate_window_all_is_published),
        TEST(a_retained_publish_reaches_who_comes_later),
        TEST(a_refusal_says_why_once_in_a_second),
        TEST(nobody_enters_where_nobody_may),
        TEST(a_topic_may_have_blanks_when_they_are_escaped),
        TEST(the_mountpoint_stands_in_front_of_all),
        TEST(what_is_no_verb_is_dropped_or_goes_to_the_template),
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
        TEST(an_unproven_subscriber_proves_itself_with_the_first_ack),
        TEST(who_leaves_room_in_sub_can_prove_itself_at_once),
        TEST(what_is_kept_for_an_unproven_one_comes_when_it_speaks),
        TEST(nothing_amplifies),
        TEST(what_a_proven_device_subscribed_to_survives_its_absence),
        TEST(a_proven_publisher_leaves_no_session),
        TEST(a_proven_identity_has_one_peer),
        TEST(who_is_revoked_is_ended),
        TEST(client_ids_can_be_bound_to_names),
        TEST(every_verb_may_follow_every_two_others),
        TEST(no_memory_costs_the_answer_only),
        TEST(the_table_of_what_was_answered_keeps_the_newest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
