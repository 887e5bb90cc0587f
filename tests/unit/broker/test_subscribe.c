/* SUBSCRIBE and UNSUBSCRIBE: what is taken, counted, replaced and refused. */
#include "fake_client.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

struct scene {
    struct world *w;
    struct fake_client *publisher, *client;
};

static int start(void **state)
{
    struct scene *s = calloc(1, sizeof *s);
    s->w = world_new();
    s->publisher = client_new();
    s->client = client_new();
    client_connect(s->w, s->publisher, "publisher");
    client_connect(s->w, s->client, "c");
    *state = s;
    return 0;
}

static int stop(void **state)
{
    struct scene *s = *state;
    client_leave(s->w, s->client);
    assert_int_equal(broker_stats(s->w->broker)->subscriptions, 0);
    assert_int_equal(broker_stats(s->w->broker)->shared_subscriptions, 0);
    world_free(s->w);
    free(s->publisher);
    free(s->client);
    free(s);
    return 0;
}

static void subscriptions_are_limited_counted_and_replaced(void **state)
{
    struct scene *s = *state;
    const struct stats *stats = broker_stats(s->w->broker);
    s->w->limits.subscriptions = 2;
    assert_int_equal(client_subscribe(s->w, s->client, "a", 0), VERDICT_OK);
    assert_int_equal(client_subscribe(s->w, s->client, "$share/g/a", 0), VERDICT_OK);
    assert_int_equal(client_subscribe(s->w, s->client, "b", 0), VERDICT_QUOTA);
    assert_int_equal(client_subscribe(s->w, s->client, "a", 2), VERDICT_OK); /* replaces */
    assert_int_equal(stats->subscriptions, 1);
    assert_int_equal(stats->shared_subscriptions, 1);
    assert_int_equal(broker_unsubscribe(s->w->broker, s->client->session, SLICE("b")),
                     VERDICT_NO_SUBSCRIPTION);
    assert_int_equal(broker_unsubscribe(s->w->broker, s->client->session, SLICE("$share/h/a")),
                     VERDICT_NO_SUBSCRIPTION);
    assert_int_equal(broker_unsubscribe(s->w->broker, s->client->session, SLICE("$share/g/a")),
                     VERDICT_OK);
    assert_int_equal(broker_unsubscribe(s->w->broker, s->client->session, SLICE("a")), VERDICT_OK);
    assert_int_equal(stats->subscriptions + stats->shared_subscriptions, 0);
}

static void what_is_no_filter_is_refused(void **state)
{
    struct scene *s = *state;
    static const char *const wrong[] = {
        "",          "a+",         "#/a",           "a/#/b", "$share/g/",  "$share/g",
        "$share//a", "$share/+/a", "$share/\xff/a", "a\xff", "$share/g/#a"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        assert_int_equal(client_subscribe(s->w, s->client, wrong[i], 0), VERDICT_BAD_FILTER);
        assert_int_equal(
            broker_unsubscribe(s->w->broker, s->client->session, slice_of_str(wrong[i])),
            VERDICT_BAD_FILTER);
    }
    s->w->limits.topic_length = 12;
    assert_int_equal(client_subscribe(s->w, s->client, "$share/ggg/a", 0), VERDICT_OK);
    assert_int_equal(client_subscribe(s->w, s->client, "$share/gggg/a", 0), VERDICT_BAD_FILTER);
    assert_int_equal(broker_stats(s->w->broker)->shared_subscriptions, 1);
}

/* "a/a/.../a" is selected by every way of writing "+" for some of its sixteen levels, and by "#":
 * more subscriptions than a delivery can count identifiers. */
static void identifiers_beyond_what_can_be_counted_are_left_out(void **state)
{
    struct scene *s = *state;
    s->w->limits.subscriptions = 100000;
    for (uint32_t ways = 0; ways < 65536; ways++) {
        char filter[32];
        for (int level = 0; level < 16; level++) {
            filter[2 * level] = ways >> level & 1 ? '+' : 'a';
            filter[2 * level + 1] = level < 15 ? '/' : 0;
        }
        struct subscribe_options options = {.qos = 1, .identifier = ways + 1};
        assert_int_equal(
            broker_subscribe(s->w->broker, s->client->session, slice_of_str(filter), &options),
            VERDICT_OK);
    }
    struct subscribe_options last = {.qos = 1, .identifier = 65537};
    broker_subscribe(s->w->broker, s->client->session, SLICE("#"), &last);
    for (int qos = 0; qos <= 1; qos++)
        client_publish(s->w, s->publisher, "a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a", "x", qos, false);
    assert_int_equal(s->client->count, 2);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(s->client->got[i].identifier_count, 65535);
        for (int k = 0; k < 8; k++)
            assert_in_range(s->client->got[i].identifiers[k], 1, 65537);
    }
}

#define T(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(subscriptions_are_limited_counted_and_replaced),
        T(what_is_no_filter_is_refused),
        T(identifiers_beyond_what_can_be_counted_are_left_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
