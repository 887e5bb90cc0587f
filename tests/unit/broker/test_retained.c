/* The retained store: one value per topic, counted to the byte, bounded, and gone when it expires.
 */
#include "broker/core.h"
#include "dice.h"
#include "fake_client.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

struct scene {
    struct world *w;
    struct fake_client *publisher;
    const struct stats *stats;
};

static int start(void **state)
{
    struct scene *s = calloc(1, sizeof *s);
    s->w = world_new();
    s->publisher = client_new();
    s->stats = broker_stats(s->w->broker);
    client_connect(s->w, s->publisher, "publisher");
    *state = s;
    return 0;
}

static int stop(void **state)
{
    struct scene *s = *state;
    world_free(s->w);
    free(s->publisher);
    free(s);
    return 0;
}

static enum verdict retain(struct scene *s, const char *topic, const char *payload)
{
    return client_publish(s->w, s->publisher, topic, payload, 1, true);
}

static void assert_value(const struct scene *s, const char *topic, const char *payload)
{
    struct message *m = retained_find(s->w->broker, slice_of_str(topic));
    if (!payload) {
        assert_null(m);
        return;
    }
    assert_non_null(m);
    assert_true(slice_equal(message_payload(m), slice_of_str(payload)));
}

static void assert_counted(const struct scene *s, uint64_t messages, uint64_t bytes)
{
    assert_int_equal(s->stats->retained_messages, messages);
    assert_int_equal(s->stats->retained_bytes, bytes);
}

static void a_value_is_stored_replaced_and_removed(void **state)
{
    struct scene *s = *state;
    assert_counted(s, 0, 0);
    retain(s, "a/b", "first");
    assert_value(s, "a/b", "first");
    assert_counted(s, 1, 8);
    retain(s, "a/b", "second one");
    assert_value(s, "a/b", "second one");
    assert_counted(s, 1, 13);
    retain(s, "a", "x");
    assert_counted(s, 2, 15);
    retain(s, "a/b", "");
    assert_value(s, "a/b", NULL);
    assert_value(s, "a", "x");
    assert_counted(s, 1, 2);
    retain(s, "never/there", "");
    retain(s, "a", "");
    assert_counted(s, 0, 0);
    assert_int_equal(s->w->broker->retained.tree.count, 0);
}

static void a_message_without_the_flag_changes_nothing(void **state)
{
    struct scene *s = *state;
    retain(s, "a", "kept");
    client_publish(s->w, s->publisher, "a", "passing", 1, false);
    client_publish(s->w, s->publisher, "a", "", 1, false);
    assert_value(s, "a", "kept");
}

static void beyond_the_number_of_messages_only_known_topics_are_welcome(void **state)
{
    struct scene *s = *state;
    struct fake_client *live = client_new();
    client_connect(s->w, live, "live");
    client_subscribe(s->w, live, "#", 0);
    s->w->limits.retained_messages = 2;
    assert_int_equal(retain(s, "a", "1"), VERDICT_OK);
    assert_int_equal(retain(s, "b", "1"), VERDICT_OK);
    assert_int_equal(retain(s, "c", "1"), VERDICT_QUOTA);
    assert_int_equal(live->count, 2); /* refused: without any effect */
    assert_value(s, "c", NULL);
    assert_int_equal(s->w->broker->retained.tree.count, 2);
    assert_int_equal(retain(s, "a", "2"), VERDICT_OK);
    assert_int_equal(retain(s, "b", ""), VERDICT_OK);
    assert_int_equal(retain(s, "c", "1"), VERDICT_OK);
    assert_int_equal(s->stats->publish_refused, 1);
    free(live);
}

static void beyond_the_number_of_bytes_only_what_fits_is_welcome(void **state)
{
    struct scene *s = *state;
    s->w->limits.retained_bytes = 20;
    assert_int_equal(retain(s, "a", "123456789"), VERDICT_NO_SUBSCRIBERS);
    assert_int_equal(retain(s, "b", "1234567890"), VERDICT_QUOTA);
    assert_int_equal(retain(s, "b", "123456789"), VERDICT_NO_SUBSCRIBERS);
    assert_counted(s, 2, 20);
    assert_int_equal(retain(s, "a", "1234567890"), VERDICT_QUOTA);
    assert_value(s, "a", "123456789");
    assert_int_equal(retain(s, "a", "1"), VERDICT_NO_SUBSCRIBERS);
    assert_int_equal(retain(s, "b", "1234567890"), VERDICT_NO_SUBSCRIBERS);
}

static void the_daemons_own_values_are_delivered_even_when_the_store_is_full(void **state)
{
    struct scene *s = *state;
    struct fake_client *live = client_new();
    client_connect(s->w, live, "live");
    client_subscribe(s->w, live, "$SYS/broker/version", 0);
    s->w->limits.retained_messages = 0;
    broker_publish_sys(s->w->broker, 0);
    assert_int_equal(live->count, 1);
    assert_counted(s, 0, 0);
    free(live);
}

static void expired_values_are_swept_out(void **state)
{
    struct scene *s = *state;
    enum { MANY = 5000 };
    for (int i = 0; i < MANY; i++) {
        char topic[16];
        snprintf(topic, sizeof topic, "t/%d", i);
        struct message m = {.topic = (const uint8_t *)topic,
                            .topic_len = (uint16_t)strlen(topic),
                            .payload = (const uint8_t *)"x",
                            .payload_len = 1,
                            .retain = true,
                            .expires_ms = i % 2 ? s->w->wall_ms + 10000 : 0};
        broker_publish(s->w->broker, s->publisher->session, &m);
        message_end(&m);
    }
    world_pass(s->w, 9000);
    assert_int_equal(s->stats->retained_messages, MANY);
    for (int second = 0; second < 5; second++)
        world_pass(s->w, 1000);
    assert_int_equal(s->stats->retained_messages, MANY / 2);
    assert_int_equal(s->w->broker->retained.tree.count, MANY / 2 + 1);
    assert_value(s, "t/1", NULL);
    assert_value(s, "t/2", "x");
}

static void sweeping_looks_at_no_more_than_it_is_told(void **state)
{
    struct scene *s = *state;
    for (int i = 0; i < 100; i++) {
        char topic[16];
        snprintf(topic, sizeof topic, "%d", i);
        struct message m = {.topic = (const uint8_t *)topic,
                            .topic_len = (uint16_t)strlen(topic),
                            .payload = (const uint8_t *)"x",
                            .payload_len = 1,
                            .retain = true,
                            .expires_ms = s->w->wall_ms + 1};
        broker_publish(s->w->broker, s->publisher->session, &m);
        message_end(&m);
    }
    s->w->wall_ms += 10;
    broker_turn(s->w->broker, s->w->mono_ms, s->w->wall_ms);
    for (int i = 0; i < 10000 && s->stats->retained_messages > 0; i++) {
        uint64_t before = s->stats->retained_messages;
        retained_sweep(s->w->broker, 3);
        assert_true(before - s->stats->retained_messages <= 3);
    }
    assert_counted(s, 0, 0);
}

static void random_storing_agrees_with_a_list(void **state)
{
    struct scene *s = *state;
    enum { TOPICS = 200 };
    char values[TOPICS][16] = {0};
    struct dice dice = {17};
    for (int round = 0; round < 20000; round++) {
        uint32_t i = dice_throw(&dice, TOPICS);
        char topic[32], payload[16] = "";
        snprintf(topic, sizeof topic, "%c/%u/%u", 'a' + i % 3, i % 7, i);
        if (dice_throw(&dice, 3))
            snprintf(payload, sizeof payload, "%u", dice_throw(&dice, 1000000));
        retain(s, topic, payload);
        strcpy(values[i], payload);
        assert_value(s, topic, *payload ? payload : NULL);
        if (round % 100)
            continue;
        uint64_t messages = 0, bytes = 0;
        for (i = 0; i < TOPICS; i++) {
            snprintf(topic, sizeof topic, "%c/%u/%u", 'a' + i % 3, i % 7, i);
            assert_value(s, topic, *values[i] ? values[i] : NULL);
            messages += *values[i] != 0;
            bytes += *values[i] ? strlen(topic) + strlen(values[i]) : 0;
        }
        assert_counted(s, messages, bytes);
    }
}

#define T(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_value_is_stored_replaced_and_removed),
        T(a_message_without_the_flag_changes_nothing),
        T(beyond_the_number_of_messages_only_known_topics_are_welcome),
        T(beyond_the_number_of_bytes_only_what_fits_is_welcome),
        T(the_daemons_own_values_are_delivered_even_when_the_store_is_full),
        T(expired_values_are_swept_out),
        T(sweeping_looks_at_no_more_than_it_is_told),
        T(random_storing_agrees_with_a_list),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
