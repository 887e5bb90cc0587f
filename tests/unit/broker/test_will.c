/* Wills: said when a client vanishes, not when it leaves, and not faster than the rate. */
#include "fake_client.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

struct scene {
    struct world *w;
    struct fake_client *listener, *device, *next; /* next: another connection of the device */
};

static int start(void **state)
{
    struct scene *s = calloc(1, sizeof *s);
    s->w = world_new();
    s->listener = client_new();
    s->device = client_new();
    s->next = client_new();
    client_connect(s->w, s->listener, "listener");
    client_subscribe(s->w, s->listener, "#", 1);
    *state = s;
    return 0;
}

static int stop(void **state)
{
    struct scene *s = *state;
    world_free(s->w);
    free(s->listener);
    free(s->device);
    free(s->next);
    free(s);
    return 0;
}

static struct connect_request device_request(uint32_t expiry_s, struct will *will)
{
    struct connect_request request = usual_request("device");
    request.clean_start = false;
    request.expiry_s = expiry_s;
    request.will = will;
    return request;
}

static void connect_device(struct scene *s, uint32_t expiry_s, uint32_t delay_s)
{
    struct will *will = make_will("gone", "device", delay_s);
    assert_int_equal(client_connect_as(s->w, s->device, device_request(expiry_s, will)),
                     VERDICT_OK);
}

static size_t said(const struct scene *s)
{
    return s->listener->count;
}

static void who_leaves_cleanly_leaves_no_will(void **state)
{
    struct scene *s = *state;
    connect_device(s, 10, 0);
    client_leave(s->w, s->device);
    world_pass(s->w, 60000);
    connect_device(s, 10, 5);
    client_leave(s->w, s->device);
    world_pass(s->w, 60000);
    assert_int_equal(said(s), 0);
}

static void who_vanishes_leaves_a_will_at_once(void **state)
{
    struct scene *s = *state;
    connect_device(s, 10, 0);
    client_vanish(s->w, s->device);
    assert_int_equal(said(s), 1);
    assert_string_equal(s->listener->got[0].topic, "gone");
    assert_string_equal(s->listener->got[0].payload, "device");
    world_pass(s->w, 60000);
    assert_int_equal(said(s), 1);
}

static void a_session_that_ends_with_the_connection_says_its_will_whatever_the_delay(void **state)
{
    struct scene *s = *state;
    connect_device(s, 0, 100);
    client_vanish(s->w, s->device);
    assert_int_equal(said(s), 1);
}

static void a_delayed_will_waits_its_delay(void **state)
{
    struct scene *s = *state;
    connect_device(s, 100, 5);
    client_vanish(s->w, s->device);
    world_pass(s->w, 4999);
    assert_int_equal(said(s), 0);
    world_pass(s->w, 1);
    assert_int_equal(said(s), 1);
    assert_int_equal(broker_stats(s->w->broker)->sessions, 2); /* the session goes on */
    world_pass(s->w, 95000);
    assert_int_equal(broker_stats(s->w->broker)->sessions, 1);
    assert_int_equal(said(s), 1);
}

static void a_delay_is_over_when_the_session_ends(void **state)
{
    struct scene *s = *state;
    connect_device(s, 10, 100);
    client_vanish(s->w, s->device);
    world_pass(s->w, 9999);
    assert_int_equal(said(s), 0);
    world_pass(s->w, 1);
    assert_int_equal(said(s), 1);
    assert_int_equal(broker_stats(s->w->broker)->sessions, 1);
}

static void who_is_back_before_the_delay_is_over_was_never_gone(void **state)
{
    struct scene *s = *state;
    connect_device(s, 100, 5);
    client_vanish(s->w, s->device);
    world_pass(s->w, 4000);
    client_connect_as(s->w, s->next, device_request(100, NULL));
    assert_true(s->next->present);
    world_pass(s->w, 100000);
    client_vanish(s->w, s->next); /* the new connection has no will */
    world_pass(s->w, 99000);
    assert_int_equal(said(s), 0);
}

static void a_clean_start_before_the_delay_is_over_says_it(void **state)
{
    struct scene *s = *state;
    connect_device(s, 100, 5);
    client_vanish(s->w, s->device);
    struct connect_request clean = device_request(100, NULL);
    clean.clean_start = true;
    client_connect_as(s->w, s->next, clean);
    assert_int_equal(said(s), 1); /* that session has ended [MQTT-3.1.3-9] */
    world_pass(s->w, 60000);
    assert_int_equal(said(s), 1);
}

static void a_takeover_says_a_will_that_is_not_delayed(void **state)
{
    struct scene *s = *state;
    connect_device(s, 100, 0);
    client_connect_as(s->w, s->next, device_request(100, NULL));
    assert_int_equal(s->device->expelled, 1);
    assert_int_equal(said(s), 1);
}

static void a_takeover_within_the_session_keeps_a_delayed_will_back(void **state)
{
    struct scene *s = *state;
    connect_device(s, 100, 5);
    client_connect_as(s->w, s->next, device_request(100, make_will("gone", "second", 0)));
    world_pass(s->w, 60000);
    assert_int_equal(said(s), 0);
    client_vanish(s->w, s->next);
    assert_int_equal(said(s), 1);
    assert_string_equal(s->listener->got[0].payload, "second");
}

static void a_takeover_that_ends_the_session_says_a_delayed_will(void **state)
{
    struct scene *s = *state;
    connect_device(s, 100, 5);
    struct connect_request clean = device_request(100, NULL);
    clean.clean_start = true;
    client_connect_as(s->w, s->next, clean);
    assert_int_equal(said(s), 1);
    client_leave(s->w, s->next);
    connect_device(s, 0, 5); /* the old session is resumed, and this one ends with its connection */
    client_connect_as(s->w, s->next, device_request(100, NULL));
    assert_int_equal(said(s), 2);
}

static void a_kick_says_the_will(void **state)
{
    struct scene *s = *state;
    connect_device(s, 100, 5);
    broker_kick(s->w->broker, SLICE("device"), EXPEL_DENIED);
    assert_int_equal(said(s), 1);
}

static void the_expiry_of_a_will_begins_when_it_is_said(void **state)
{
    struct scene *s = *state;
    struct fake_client *absent = client_new();
    client_connect_persistent(s->w, absent, "absent");
    client_subscribe(s->w, absent, "gone", 1);
    client_leave(s->w, absent);
    struct will *will = make_will("gone", "device", 20);
    will->message->qos = 1;
    will->expires = true;
    will->expiry_s = 10;
    client_connect_as(s->w, s->device, device_request(100, will));
    client_vanish(s->w, s->device);
    world_pass(s->w, 29000); /* in two steps: when the wheel turns, the broker knows the time */
    world_pass(s->w, 0);
    assert_int_equal(said(s), 1);
    client_connect_persistent(s->w, absent, "absent");
    assert_int_equal(absent->count, 1);
    session_acknowledged(absent->session, absent->got[0].packet_id, ACK_PUBACK);
    client_leave(s->w, absent);
    will = make_will("gone", "device", 0);
    will->message->qos = 1;
    will->expires = true;
    will->expiry_s = 10;
    client_connect_as(s->w, s->device, device_request(100, will));
    client_vanish(s->w, s->device);
    world_pass(s->w, 10000);
    client_forget(absent);
    client_connect_persistent(s->w, absent, "absent");
    assert_int_equal(absent->count, 0);
    assert_int_equal(broker_stats(s->w->broker)->dropped[DROP_EXPIRED], 1);
    free(absent);
}

static void a_will_may_be_retained(void **state)
{
    struct scene *s = *state;
    struct will *will = make_will("gone", "device", 0);
    will->message->retain = true;
    client_connect_as(s->w, s->device, device_request(0, will));
    client_vanish(s->w, s->device);
    client_connect(s->w, s->next, "late");
    client_subscribe(s->w, s->next, "gone", 0);
    world_work(s->w);
    assert_int_equal(s->next->count, 1);
    assert_true(s->next->got[0].retain);
}

static void a_will_that_cannot_be_retained_is_said_all_the_same(void **state)
{
    struct scene *s = *state;
    s->w->limits.retained_messages = 0;
    struct will *will = make_will("gone", "device", 0);
    will->message->retain = true;
    client_connect_as(s->w, s->device, device_request(0, will));
    client_vanish(s->w, s->device);
    assert_int_equal(said(s), 1);
    assert_int_equal(broker_stats(s->w->broker)->retained_messages, 0);
}

static void a_will_never_reaches_the_topics_of_the_daemon(void **state)
{
    struct scene *s = *state;
    client_subscribe(s->w, s->listener, "$SYS/#", 0);
    client_subscribe(s->w, s->listener, "$CONTROL/#", 0);
    client_connect_as(s->w, s->device,
                      device_request(0, make_will("$SYS/broker/version", "mine", 0)));
    client_vanish(s->w, s->device);
    client_connect_as(s->w, s->device, device_request(0, make_will("$CONTROL/acl", "open", 0)));
    client_vanish(s->w, s->device);
    assert_int_equal(said(s), 0);
    assert_int_equal(broker_stats(s->w->broker)->dropped[DROP_DENIED], 2);
}

static void a_will_stays_under_its_mountpoint(void **state)
{
    struct scene *s = *state;
    struct connect_request request = device_request(0, make_will("gone", "device", 0));
    request.mountpoint = "site/";
    client_connect_as(s->w, s->device, request);
    client_vanish(s->w, s->device);
    assert_int_equal(said(s), 1);
    assert_string_equal(s->listener->got[0].topic, "site/gone");
}

static void a_full_queue_does_not_keep_a_will_from_the_others(void **state)
{
    struct scene *s = *state;
    struct fake_client *absent = client_new();
    client_connect_persistent(s->w, absent, "absent");
    client_subscribe(s->w, absent, "gone", 1);
    client_leave(s->w, absent);
    s->w->limits.queued_messages = 0;
    struct will *will = make_will("gone", "device", 0);
    will->message->qos = 1;
    client_connect_as(s->w, s->device, device_request(0, will));
    client_vanish(s->w, s->device);
    assert_int_equal(said(s), 1);
    assert_int_equal(broker_stats(s->w->broker)->dropped[DROP_QUEUE_FULL], 1);
    free(absent);
}

/* ---- storms ---- */

static void vanish_often(struct scene *s, int times)
{
    for (int i = 0; i < times; i++) {
        char payload[16];
        snprintf(payload, sizeof payload, "%d", i);
        client_connect_as(s->w, s->device, device_request(0, make_will("gone", payload, 0)));
        client_vanish(s->w, s->device);
    }
}

static void a_storm_of_wills_is_said_at_the_rate_and_in_order(void **state)
{
    struct scene *s = *state;
    s->w->limits.wills_per_second = 10;
    vanish_often(s, 35);
    assert_int_equal(said(s), 10);
    for (size_t second = 2; second <= 4; second++) {
        world_pass(s->w, 1000);
        assert_int_equal(said(s), second < 4 ? 10 * second : 35);
    }
    for (int i = 0; i < 35; i++) {
        char payload[16];
        snprintf(payload, sizeof payload, "%d", i);
        assert_string_equal(s->listener->got[i].payload, payload);
    }
}

static void a_new_will_does_not_overtake_those_that_wait(void **state)
{
    struct scene *s = *state;
    s->w->limits.wills_per_second = 3;
    vanish_often(s, 4);
    assert_int_equal(said(s), 3);
    s->w->mono_ms += 1000; /* a new second, and nothing has been worked off yet */
    broker_turn(s->w->broker, s->w->mono_ms, s->w->wall_ms);
    client_connect_as(s->w, s->device, device_request(0, make_will("gone", "last", 0)));
    client_vanish(s->w, s->device);
    broker_work(s->w->broker);
    assert_int_equal(said(s), 5);
    assert_string_equal(s->listener->got[3].payload, "3");
    assert_string_equal(s->listener->got[4].payload, "last");
}

static void wills_that_wait_are_bounded_and_the_bound_is_free_again_later(void **state)
{
    struct scene *s = *state;
    const struct stats *stats = broker_stats(s->w->broker);
    s->w->limits.wills_per_second = 10;
    s->w->limits.wills_bytes = 1000;
    vanish_often(s, 1000);
    uint64_t dropped = stats->dropped[DROP_QUEUE_FULL];
    assert_true(dropped > 900 && dropped < 990);
    for (int second = 0; second < 10; second++)
        world_pass(s->w, 1000);
    assert_int_equal(said(s), 1000 - dropped);
    vanish_often(s, 20);
    assert_int_equal(stats->dropped[DROP_QUEUE_FULL], dropped);
}

static void wills_that_wait_when_the_daemon_ends_are_given_back(void **state)
{
    struct scene *s = *state;
    s->w->limits.wills_per_second = 1;
    vanish_often(s, 20);
    assert_int_equal(said(s), 1); /* the rest is for the leak detector */
}

#define T(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(who_leaves_cleanly_leaves_no_will),
        T(who_vanishes_leaves_a_will_at_once),
        T(a_session_that_ends_with_the_connection_says_its_will_whatever_the_delay),
        T(a_delayed_will_waits_its_delay),
        T(a_delay_is_over_when_the_session_ends),
        T(who_is_back_before_the_delay_is_over_was_never_gone),
        T(a_clean_start_before_the_delay_is_over_says_it),
        T(a_takeover_says_a_will_that_is_not_delayed),
        T(a_takeover_within_the_session_keeps_a_delayed_will_back),
        T(a_takeover_that_ends_the_session_says_a_delayed_will),
        T(a_kick_says_the_will),
        T(the_expiry_of_a_will_begins_when_it_is_said),
        T(a_will_may_be_retained),
        T(a_will_that_cannot_be_retained_is_said_all_the_same),
        T(a_will_never_reaches_the_topics_of_the_daemon),
        T(a_will_stays_under_its_mountpoint),
        T(a_full_queue_does_not_keep_a_will_from_the_others),
        T(a_storm_of_wills_is_said_at_the_rate_and_in_order),
        T(a_new_will_does_not_overtake_those_that_wait),
        T(wills_that_wait_are_bounded_and_the_bound_is_free_again_later),
        T(wills_that_wait_when_the_daemon_ends_are_given_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
