/* What a published message does: who gets it, how, and when it is refused. */
#include "fake_client.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

struct scene {
    struct world *w;
    struct fake_client *a, *b, *c;
};

static int start(void **state)
{
    struct scene *s = calloc(1, sizeof *s);
    s->w = world_new();
    s->a = client_new();
    s->b = client_new();
    s->c = client_new();
    client_connect(s->w, s->a, "a");
    client_connect_persistent(s->w, s->b, "b");
    client_connect(s->w, s->c, "c");
    *state = s;
    return 0;
}

static int stop(void **state)
{
    struct scene *s = *state;
    world_free(s->w);
    free(s->a);
    free(s->b);
    free(s->c);
    free(s);
    return 0;
}

static void a_message_reaches_who_subscribed_and_nobody_else(void **state)
{
    struct scene *s = *state;
    client_subscribe(s->w, s->b, "sensors/+/temperature", 0);
    assert_int_equal(client_publish(s->w, s->a, "sensors/hall/temperature", "21.5", 0, false),
                     VERDICT_OK);
    assert_int_equal(s->b->count, 1);
    assert_string_equal(s->b->got[0].topic, "sensors/hall/temperature");
    assert_string_equal(s->b->got[0].payload, "21.5");
    assert_int_equal(s->c->count, 0);
}

static void a_publisher_is_told_when_nobody_listens(void **state)
{
    struct scene *s = *state;
    assert_int_equal(client_publish(s->w, s->a, "x", "1", 1, false), VERDICT_NO_SUBSCRIBERS);
}

static void delivery_is_at_the_lower_of_both_qos(void **state)
{
    struct scene *s = *state;
    client_subscribe(s->w, s->b, "x", 1);
    for (int qos = 0; qos <= 2; qos++)
        client_publish(s->w, s->a, "x", "1", qos, false);
    assert_int_equal(s->b->got[0].qos, 0);
    assert_int_equal(s->b->got[1].qos, 1);
    assert_int_equal(s->b->got[2].qos, 1);
    assert_int_equal(s->b->got[0].packet_id, 0);
    assert_int_not_equal(s->b->got[1].packet_id, s->b->got[2].packet_id);
}

static void overlapping_subscriptions_give_one_copy_with_all_identifiers(void **state)
{
    struct scene *s = *state;
    const char *filters[] = {"x/#", "x/y", "+/y", "#"};
    for (uint32_t i = 0; i < 4; i++) {
        struct subscribe_options options = {.qos = (uint8_t)(i % 3), .identifier = i + 1};
        broker_subscribe(s->w->broker, s->b->session, slice_of_str(filters[i]), &options);
    }
    client_publish(s->w, s->a, "x/y", "1", 2, false);
    assert_int_equal(s->b->count, 1);
    assert_int_equal(s->b->got[0].qos, 2);
    assert_int_equal(s->b->got[0].identifier_count, 4);
    uint32_t sum = 0;
    for (int i = 0; i < 4; i++)
        sum += s->b->got[0].identifiers[i];
    assert_int_equal(sum, 10);
}

static void no_local_keeps_a_publisher_from_hearing_itself(void **state)
{
    struct scene *s = *state;
    struct subscribe_options options = {.no_local = true};
    broker_subscribe(s->w->broker, s->b->session, SLICE("x"), &options);
    client_publish(s->w, s->b, "x", "mine", 0, false);
    client_publish(s->w, s->a, "x", "other", 0, false);
    assert_int_equal(s->b->count, 1);
    assert_string_equal(s->b->got[0].payload, "other");
}

static void the_retain_flag_is_kept_only_for_who_asked(void **state)
{
    struct scene *s = *state;
    struct subscribe_options as_published = {.retain_as_published = true};
    broker_subscribe(s->w->broker, s->b->session, SLICE("x"), &as_published);
    client_subscribe(s->w, s->c, "x", 0);
    client_publish(s->w, s->a, "x", "1", 0, true);
    assert_true(s->b->got[0].retain);
    assert_false(s->c->got[0].retain);
}

static void topics_of_the_daemon_are_not_for_clients(void **state)
{
    struct scene *s = *state;
    assert_int_equal(client_publish(s->w, s->a, "$SYS/broker/version", "x", 1, false),
                     VERDICT_DENIED);
    assert_int_equal(client_publish(s->w, s->a, "a/+", "x", 1, false), VERDICT_BAD_TOPIC);
    assert_int_equal(client_publish(s->w, s->a, "", "x", 1, false), VERDICT_BAD_TOPIC);
}

static void the_window_bounds_what_is_under_way_and_the_rest_follows_in_order(void **state)
{
    struct scene *s = *state;
    struct connect_request request = usual_request("narrow");
    request.receive_maximum = 2;
    client_leave(s->w, s->c);
    client_connect_as(s->w, s->c, request);
    client_subscribe(s->w, s->c, "x", 1);
    const char *payloads[] = {"1", "2", "3", "4", "5"};
    for (int i = 0; i < 5; i++)
        assert_int_equal(client_publish(s->w, s->a, "x", payloads[i], 1, false), VERDICT_OK);
    assert_int_equal(s->c->count, 2);
    for (size_t i = 0; i < 5; i++)
        assert_true(session_acknowledged(s->c->session, s->c->got[i].packet_id, ACK_PUBACK));
    assert_int_equal(s->c->count, 5);
    for (int i = 0; i < 5; i++)
        assert_string_equal(s->c->got[i].payload, payloads[i]);
    assert_int_equal(broker_stats(s->w->broker)->queued_messages, 0);
}

static void a_full_queue_is_refused_before_anything_happens(void **state)
{
    struct scene *s = *state;
    s->w->limits.queued_messages = 3;
    client_subscribe(s->w, s->b, "x", 1);
    client_subscribe(s->w, s->c, "x", 1);
    client_vanish(s->w, s->b);
    for (int i = 0; i < 3; i++)
        assert_int_equal(client_publish(s->w, s->a, "x", "1", 1, true), VERDICT_OK);
    size_t before = s->c->count;
    assert_int_equal(client_publish(s->w, s->a, "x", "late", 1, true), VERDICT_QUOTA);
    assert_int_equal(s->c->count, before);
    struct fake_client *d = client_new();
    client_connect(s->w, d, "d");
    client_subscribe(s->w, d, "x", 0);
    world_work(s->w);
    assert_string_equal(d->got[0].payload, "1"); /* not retained either */
    free(d);
}

static void with_the_policy_drop_only_the_full_queue_misses_out(void **state)
{
    struct scene *s = *state;
    s->w->limits.queued_messages = 1;
    s->w->limits.queue_full = QUEUE_DROP;
    client_subscribe(s->w, s->b, "x", 1);
    client_subscribe(s->w, s->c, "x", 1);
    client_vanish(s->w, s->b);
    for (int i = 0; i < 3; i++)
        assert_int_equal(client_publish(s->w, s->a, "x", "1", 1, false), VERDICT_OK);
    assert_int_equal(s->c->count, 3);
    assert_int_equal(broker_stats(s->w->broker)->dropped[DROP_QUEUE_FULL], 2);
}

static void a_slow_client_loses_qos_0_and_keeps_qos_1(void **state)
{
    struct scene *s = *state;
    client_subscribe(s->w, s->c, "x", 1);
    s->c->full = true;
    client_publish(s->w, s->a, "x", "zero", 0, false);
    client_publish(s->w, s->a, "x", "one", 1, false);
    assert_int_equal(s->c->count, 0);
    s->c->full = false;
    session_pump(s->c->session);
    assert_int_equal(s->c->count, 1);
    assert_string_equal(s->c->got[0].payload, "one");
    assert_int_equal(broker_stats(s->w->broker)->dropped[DROP_SLOW], 1);
}

static void what_is_too_large_for_a_client_counts_as_delivered(void **state)
{
    struct scene *s = *state;
    client_subscribe(s->w, s->c, "x", 2);
    s->c->too_large = 3;
    client_publish(s->w, s->a, "x", "much too large", 2, false);
    client_publish(s->w, s->a, "x", "ok", 2, false);
    assert_int_equal(s->c->count, 1);
    assert_string_equal(s->c->got[0].payload, "ok");
    assert_int_equal(broker_stats(s->w->broker)->dropped[DROP_TOO_LARGE], 1);
}

static void a_mountpoint_is_a_world_of_its_own(void **state)
{
    struct scene *s = *state;
    struct fake_client *inside = client_new();
    struct connect_request request = usual_request("inside");
    request.mountpoint = "site7/";
    client_connect_as(s->w, inside, request);
    client_subscribe(s->w, inside, "#", 0);
    client_subscribe(s->w, s->c, "#", 0);
    client_publish(s->w, s->a, "x", "outside", 0, false);
    assert_int_equal(inside->count, 0);
    client_publish(s->w, s->a, "site7/x", "in", 0, false);
    assert_string_equal(inside->got[0].topic, "x");
    client_publish(s->w, inside, "y", "out", 0, true);
    assert_string_equal(inside->got[1].topic, "y");
    assert_string_equal(s->c->got[2].topic, "site7/y");
    free(inside);
}

static void the_mountpoint_itself_has_no_name_inside(void **state)
{
    struct scene *s = *state;
    struct fake_client *inside = client_new();
    struct connect_request request = usual_request("inside");
    request.mountpoint = "site7/";
    client_connect_as(s->w, inside, request);
    client_subscribe(s->w, inside, "#", 0);
    client_publish(s->w, s->a, "site7", "no name", 0, true);
    client_publish(s->w, s->a, "site7/", "none either", 0, true);
    client_subscribe(s->w, inside, "+", 0);
    world_work(s->w);
    assert_int_equal(inside->count, 0);
    free(inside);
}

static void all_queues_together_are_bounded(void **state)
{
    struct scene *s = *state;
    s->w->limits.queued_total = 5;
    client_subscribe(s->w, s->b, "x", 1);
    client_vanish(s->w, s->b);
    assert_int_equal(client_publish(s->w, s->a, "x", "123", 1, false), VERDICT_OK);
    assert_int_equal(client_publish(s->w, s->a, "x", "4", 1, false), VERDICT_QUOTA);
    client_connect_persistent(s->w, s->b, "b");
    assert_int_equal(client_publish(s->w, s->a, "x", "4", 1, false), VERDICT_OK);
    assert_int_equal(s->b->count, 2);
}

static void a_turn_in_which_matching_cost_much_is_noticed(void **state)
{
    struct scene *s = *state;
    /* Every mixture of names and plus signs over nine levels: 512 filters that all match. */
    for (int mix = 0; mix < 512; mix++) {
        char filter[32] = "";
        for (int level = 0; level < 9; level++)
            strcat(filter, mix >> level & 1 ? "+/" : "a/");
        client_subscribe(s->w, s->c, filter, 0);
    }
    int publishes = 0;
    while (!broker_is_tired(s->w->broker) && publishes < 1000) {
        client_publish(s->w, s->a, "a/a/a/a/a/a/a/a/a/", "x", 0, false);
        publishes++;
    }
    assert_in_range(publishes, 10, 200);
    world_pass(s->w, 1);
    assert_false(broker_is_tired(s->w->broker));
}

static void an_expired_message_in_the_queue_is_dropped(void **state)
{
    struct scene *s = *state;
    client_subscribe(s->w, s->b, "x", 1);
    client_vanish(s->w, s->b);
    struct message m = {.topic = (const uint8_t *)"x",
                        .topic_len = 1,
                        .qos = 1,
                        .expires_ms = s->w->wall_ms + 5000};
    broker_publish(s->w->broker, s->a->session, &m);
    message_end(&m);
    client_publish(s->w, s->a, "x", "lasting", 1, false);
    world_pass(s->w, 6000);
    client_connect_persistent(s->w, s->b, "b");
    assert_true(s->b->present);
    assert_int_equal(s->b->count, 1);
    assert_string_equal(s->b->got[0].payload, "lasting");
    assert_int_equal(broker_stats(s->w->broker)->dropped[DROP_EXPIRED], 1);
}

static void qos_0_waits_for_those_away_only_when_told_to(void **state)
{
    struct scene *s = *state;
    client_subscribe(s->w, s->b, "x", 1);
    client_vanish(s->w, s->b);
    client_publish(s->w, s->a, "x", "lost", 0, false);
    s->w->limits.queue_qos0_offline = true;
    client_publish(s->w, s->a, "x", "kept", 0, false);
    client_connect_persistent(s->w, s->b, "b");
    assert_int_equal(s->b->count, 1);
    assert_string_equal(s->b->got[0].payload, "kept");
}

#define T(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_message_reaches_who_subscribed_and_nobody_else),
        T(a_publisher_is_told_when_nobody_listens),
        T(delivery_is_at_the_lower_of_both_qos),
        T(overlapping_subscriptions_give_one_copy_with_all_identifiers),
        T(no_local_keeps_a_publisher_from_hearing_itself),
        T(the_retain_flag_is_kept_only_for_who_asked),
        T(topics_of_the_daemon_are_not_for_clients),
        T(the_window_bounds_what_is_under_way_and_the_rest_follows_in_order),
        T(a_full_queue_is_refused_before_anything_happens),
        T(with_the_policy_drop_only_the_full_queue_misses_out),
        T(a_slow_client_loses_qos_0_and_keeps_qos_1),
        T(what_is_too_large_for_a_client_counts_as_delivered),
        T(a_mountpoint_is_a_world_of_its_own),
        T(the_mountpoint_itself_has_no_name_inside),
        T(all_queues_together_are_bounded),
        T(a_turn_in_which_matching_cost_much_is_noticed),
        T(an_expired_message_in_the_queue_is_dropped),
        T(qos_0_waits_for_those_away_only_when_told_to),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
