/* Tests what devices publish as raw datagrams, and what is remembered of it. */
#include "raw_stage.h"

#include "protocols/raw/answered.h"

/* ---- publishing ---- */

static void a_publish_arrives_and_leaves_no_peer(void **state)
{
    (void)state;
    struct device *listener = raw_subscriber("sensors/#"), *device = device_new(&air, NULL);
    raw_tells(device, "PUB sensors/hall/temperature\n21.5", NULL);
    raw_hears(listener, "MSG sensors/hall/temperature\n21.5");
    assert_int_equal(air.peers, 1);
    assert_int_equal(broker_stats(air.broker)->sessions, 1);
}

static void a_publish_with_an_id_is_acknowledged_and_published_once(void **state)
{
    (void)state;
    struct device *listener = raw_subscriber("a"), *device = device_new(&air, NULL);
    raw_tells(device, "PUB a id=9\n1", "ACK 9");
    raw_tells(device, "PUB a id=9\n1", "ACK 9");
    raw_hears(listener, "MSG a\n1");
    raw_hears(listener, NULL);
    raw_tells(device, "PUB a id=9\n2", "ACK 9"); /* has lost count: another message */
    raw_hears(listener, "MSG a\n2");
    struct device *other = device_new(&air, NULL);
    raw_tells(other, "PUB a id=9\n1", "ACK 9"); /* somebody else's */
    raw_hears(listener, "MSG a\n1");
    air_wait(&air, 31000);
    raw_tells(device, "PUB a id=9\n1", "ACK 9");
    raw_hears(listener, "MSG a\n1");
}

static void without_a_duplicate_window_all_is_published(void **state)
{
    (void)state;
    options.duplicate_window = 0;
    struct device *device = device_new(&air, NULL);
    raw_tells(device, "PUB a id=9\n1", "ACK 9");
    raw_tells(device, "PUB a id=9\n1", "ACK 9");
    assert_int_equal(raw_count_published(), 2);
}

static void a_retained_publish_reaches_who_comes_later(void **state)
{
    (void)state;
    struct device *device = device_new(&air, NULL);
    raw_says(device, "PUB a/b retain\nlast");
    struct device *listener = raw_subscriber("a/#");
    raw_hears(listener, "MSG a/b\nlast");
    raw_says(device, "PUB a/b retain");
    raw_hears(listener, "MSG a/b\n");
    assert_int_equal(broker_stats(air.broker)->retained_messages, 0);
}

static void a_refusal_says_why_once_in_a_second(void **state)
{
    (void)state;
    struct device *device = device_new(&air, NULL);
    raw_tells(device, "PUB $SYS/x\nabc", "ERR denied");
    raw_tells(device, "PUB $SYS/x\nabc", NULL);
    raw_tells(device, "PUB a id=x", NULL);
    struct device *other = device_new(&air, NULL);
    raw_tells(other, "PUB a/+ xyz\n", "ERR word");
    air_wait(&air, 1000);
    raw_tells(device, "PUB a/# id=5\n......", "ERR topic");
    air_wait(&air, 1000);
    raw_tells(device, "PUB", "ERR"); /* no room for more */
    assert_int_equal(raw_count_published(), 0);
    assert_int_equal(air.peers, 0);
}

static void nobody_enters_where_nobody_may(void **state)
{
    (void)state;
    air.listener.anonymous = false;
    struct device *device = device_new(&air, NULL);
    raw_tells(device, "PUB sensors/a id=1\n1", "ERR denied");
    air_wait(&air, 1000);
    raw_tells(device, "SUB sensors/a", "ERR denied");
    assert_int_equal(broker_stats(air.broker)->publish_received, 0);
    struct device *known = device_new(&air, sensor);
    raw_tells(known, "PUB sensors/a id=1\n1", "ACK 1");
}

static void a_topic_may_have_blanks_when_they_are_escaped(void **state)
{
    (void)state;
    struct device *listener = raw_subscriber("living%20room/#"), *device = device_new(&air, NULL);
    raw_says(device, "PUB living%20room/50%25\nx");
    raw_hears(listener, "MSG living%20room/50%25\nx");
}

static void the_mountpoint_stands_in_front_of_all(void **state)
{
    static char mountpoint[] = "site/";
    (void)state;
    struct device *listener = raw_subscriber("site/#");
    air.listener.mountpoint = mountpoint;
    struct device *device = device_new(&air, NULL);
    raw_says(device, "PUB a\n1");
    raw_hears(listener, "MSG site/a\n1");
}

/* ---- templates ---- */

static void what_is_no_verb_is_dropped_or_goes_to_the_template(void **state)
{
    static char pattern[] = "plain", named[] = "sensors/${device}";
    (void)state;
    struct device *listener = raw_subscriber("#"), *device = device_new(&air, NULL);
    raw_tells(device, "{\"t\": 21.5}", NULL);
    raw_hears(listener, NULL);
    air.listener.topic = pattern;
    raw_tells(device, "{\"t\": 21.5}", NULL);
    raw_hears(listener, "MSG plain\n{\"t\": 21.5}");
    raw_says(device, "");
    raw_hears(listener, "MSG plain\n");
    air.listener.topic = named;
    uint64_t refused = broker_stats(air.broker)->publish_refused;
    raw_says(device, "21.5");
    raw_hears(listener, NULL); /* whoever sends it has no name */
    assert_int_equal(broker_stats(air.broker)->publish_refused, refused + 1);
    struct device *proven = device_new(&air, sensor);
    raw_says(proven, "21.5");
    raw_hears(listener, "MSG sensors/sensor-7\n21.5");
    air.listener.anonymous = false;
    air.listener.topic = pattern;
    raw_says(device, "forged");
    raw_hears(listener, NULL);
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
    raw_tells(device, "PUB a retain id=1\nx", NULL);
    air_wait(&air, 100);
    raw_tells(device, "PUB a retain id=1\nx", NULL);
    air_written(&air, COMMIT_DONE);
    raw_hears(device, "ACK 1");
    raw_hears(device, "ACK 1");
    raw_tells(device, "PUB a retain id=1\nx", "ACK 1");
    assert_int_equal(raw_count_published(), 1);
}

static void a_full_disk_holds_no_ack_that_needs_no_disk(void **state)
{
    (void)state;
    air_keep(&air);
    struct device *stuck = device_new(&air, NULL), *other = device_new(&air, NULL);
    raw_tells(stuck, "PUB a retain id=1\nx", NULL);
    air_wait(&air, 100);
    air_written(&air, COMMIT_FULL);
    raw_tells(other, "PUB b id=2\nx", "ACK 2");
    raw_tells(other, "PUB b id=2\nx", "ACK 2");
    raw_tells(stuck, "PUB a retain id=1\nx", NULL);
    raw_tells(other, "PUB a retain id=3\nx", "ERR busy");
    air_wait(&air, 2000); /* it tries again */
    air_written(&air, COMMIT_DONE);
    raw_hears(stuck, "ACK 1");
    raw_hears(stuck, "ACK 1");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, raw_setup, raw_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_publish_arrives_and_leaves_no_peer),
        TEST(a_publish_with_an_id_is_acknowledged_and_published_once),
        TEST(without_a_duplicate_window_all_is_published),
        TEST(a_retained_publish_reaches_who_comes_later),
        TEST(a_refusal_says_why_once_in_a_second),
        TEST(nobody_enters_where_nobody_may),
        TEST(a_topic_may_have_blanks_when_they_are_escaped),
        TEST(the_mountpoint_stands_in_front_of_all),
        TEST(what_is_no_verb_is_dropped_or_goes_to_the_template),
        TEST(the_table_of_what_was_answered_keeps_the_newest),
        TEST(an_ack_waits_for_the_disk_and_so_does_that_of_a_repeated_publish),
        TEST(a_full_disk_holds_no_ack_that_needs_no_disk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
