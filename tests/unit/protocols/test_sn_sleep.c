/* Tests MQTT-SN clients that sleep, wake, move, and are lost. */
#include "sn_stage.h"

#include <string.h>

/* It goes to sleep for that many seconds. */
static void sleeps(struct device *device, uint16_t seconds)
{
    sn_says(device, M(SN_DISCONNECT, .duration_s = seconds));
    sn_hears(device, M(SN_DISCONNECT, .empty = true));
    sn_hears_nothing(device);
}

static struct device *sleeper(struct sn_stage *stage, uint16_t *topic_id, unsigned qos)
{
    struct device *device = sn_client(stage, "one", 0, true);
    *topic_id = sn_subscribes(device, "down", qos);
    sleeps(device, 300);
    assert_int_equal(sn_of("one")->state, SN_ASLEEP);
    return device;
}

/* The next datagram is that message, for the first time; its msg id. */
static uint16_t delivered(struct device *device, unsigned qos, uint16_t topic_id, const char *text)
{
    struct sn_packet got = sn_next(device);
    assert_int_equal(got.type, SN_PUBLISH);
    assert_int_equal(got.flags, QOS(qos));
    assert_int_equal(got.topic_id, topic_id);
    assert_true(slice_equal(got.text, slice_of_str(text)));
    return got.msg_id;
}

static void a_sleeping_client_gets_everything_when_it_wakes_and_pingresp_last(void **state)
{
    struct sn_stage *stage = *state;
    uint16_t id;
    struct device *device = sleeper(stage, &id, 1);
    sn_published(stage, "down", "a", 1);
    sn_published(stage, "down", "b", 1);
    air_wait(&stage->air, 100000);
    sn_hears_nothing(device);
    assert_int_equal(broker_stats(stage->air.broker)->clients_connected, 1);
    sn_says(device, M(SN_PINGREQ, STR("one")));
    uint16_t msg_id = delivered(device, 1, id, "a");
    sn_hears_nothing(device);
    sn_says(device, M(SN_PUBACK, .topic_id = id, .msg_id = msg_id));
    msg_id = delivered(device, 1, id, "b");
    sn_hears_nothing(device);
    sn_says(device, M(SN_PUBACK, .topic_id = id, .msg_id = msg_id));
    sn_hears(device, M(SN_PINGRESP));
    assert_int_equal(sn_of("one")->state, SN_ASLEEP);
    sn_published(stage, "down", "c", 1);
    sn_hears_nothing(device);
}

static void a_wake_without_messages_is_answered_at_once(void **state)
{
    struct sn_stage *stage = *state;
    uint16_t id;
    struct device *device = sleeper(stage, &id, 1);
    for (int i = 0; i < 3; i++) {
        air_wait(&stage->air, 400000); /* the time starts anew with each */
        sn_says(device, M(SN_PINGREQ, STR("one")));
        sn_hears(device, M(SN_PINGRESP));
        sn_hears_nothing(device);
    }
}

static void qos_2_is_finished_before_pingresp(void **state)
{
    struct sn_stage *stage = *state;
    uint16_t id;
    struct device *device = sleeper(stage, &id, 2);
    sn_published(stage, "down", "a", 2);
    sn_says(device, M(SN_PINGREQ, STR("one")));
    uint16_t msg_id = delivered(device, 2, id, "a");
    sn_says(device, M(SN_PUBREC, .msg_id = msg_id));
    sn_hears(device, M(SN_PUBREL, .msg_id = msg_id));
    sn_hears_nothing(device);
    sn_says(device, M(SN_PUBCOMP, .msg_id = msg_id));
    sn_hears(device, M(SN_PINGRESP));
}

static void topics_are_registered_before_pingresp(void **state)
{
    struct sn_stage *stage = *state;
    struct device *device = sn_client(stage, "one", 0, true);
    sn_subscribes(device, "room/+", 1);
    sleeps(device, 300);
    sn_published(stage, "room/1", "a", 1);
    sn_says(device, M(SN_PINGREQ, STR("one")));
    struct sn_packet asked = sn_next(device);
    assert_int_equal(asked.type, SN_REGISTER);
    sn_hears_nothing(device);
    uint16_t id = asked.topic_id;
    sn_says(device, M(SN_REGACK, .topic_id = id, .msg_id = asked.msg_id));
    uint16_t msg_id = delivered(device, 1, id, "a");
    sn_says(device, M(SN_PUBACK, .topic_id = id, .msg_id = msg_id));
    sn_hears(device, M(SN_PINGRESP));
}

static void what_was_under_way_goes_on_when_it_wakes(void **state)
{
    struct sn_stage *stage = *state;
    struct device *device = sn_client(stage, "one", 0, true);
    uint16_t id = sn_subscribes(device, "down", 1);
    sn_published(stage, "down", "a", 1);
    sn_hears(device, M(SN_PUBLISH, .flags = QOS(1), .topic_id = id, .msg_id = 1, STR("a")));
    sleeps(device, 300);
    air_wait(&stage->air, 200000); /* nothing is sent to who sleeps, and nobody is lost by it */
    sn_hears_nothing(device);
    sn_says(device, M(SN_PINGREQ, STR("one")));
    sn_hears(device,
             M(SN_PUBLISH, .flags = QOS(1) | SN_DUP, .topic_id = id, .msg_id = 1, STR("a")));
    sn_says(device, M(SN_PUBACK, .topic_id = id, .msg_id = 1));
    sn_hears(device, M(SN_PINGRESP));
}

static void qos_0_waits_where_the_limits_say_so(void **state)
{
    struct sn_stage *stage = *state;
    uint16_t id;
    struct device *device = sleeper(stage, &id, 0);
    sn_published(stage, "down", "lost", 0);
    stage->air.limits.queue_qos0_offline = true;
    sn_published(stage, "down", "kept", 0);
    sn_says(device, M(SN_PINGREQ, STR("one")));
    sn_hears(device, M(SN_PUBLISH, .topic_id = id, STR("kept")));
    sn_hears(device, M(SN_PINGRESP));
    assert_int_equal(broker_stats(stage->air.broker)->dropped[DROP_OFFLINE], 1);
}

static void connect_makes_a_sleeping_client_active_again(void **state)
{
    struct sn_stage *stage = *state;
    uint16_t id;
    struct device *device = sleeper(stage, &id, 1);
    const struct session *session = sn_of("one")->session;
    sn_published(stage, "down", "a", 1);
    sn_connects(device, "one", SN_WILL); /* its flags mean nothing but CleanSession here */
    sn_hears(device, M(SN_CONNACK));
    uint16_t msg_id = delivered(device, 1, id, "a");
    assert_ptr_equal(sn_of("one")->session, session);
    assert_int_equal(sn_of("one")->state, SN_ACTIVE);
    air_wait(&stage->air, 1000);
    sn_says(device, M(SN_PUBACK, .topic_id = id, .msg_id = msg_id));
    sn_hears_nothing(device); /* and no PINGRESP */
    sleeps(device, 10);
    sn_connects(device, "one", SN_CLEAN);
    sn_hears(device, M(SN_CONNACK));
    assert_int_equal(broker_stats(stage->air.broker)->subscriptions, 0);
}

static void who_does_not_wake_in_time_is_lost(void **state)
{
    struct sn_stage *stage = *state;
    uint16_t id;
    struct device *device = sleeper(stage, &id, 1);
    air_wait(&stage->air, 449000);
    assert_non_null(device->peer);
    air_wait(&stage->air, 2000);
    assert_null(device->peer);
    assert_true(air_logged(&stage->air, "lost: has not woken in time"));
    assert_int_equal(broker_stats(stage->air.broker)->sessions, 1);
    sn_hears_nothing(device);
}

static void sleep_may_be_renewed_and_ended(void **state)
{
    struct sn_stage *stage = *state;
    uint16_t id;
    struct device *device = sleeper(stage, &id, 1);
    sleeps(device, 1000);
    air_wait(&stage->air, 1400000);
    sn_says(device, M(SN_PINGREQ)); /* without an id: I am here, and sleep on */
    sn_hears(device, M(SN_PINGRESP));
    assert_int_equal(sn_of("one")->state, SN_ASLEEP);
    sn_says(device, M(SN_DISCONNECT, .empty = true));
    sn_hears(device, M(SN_DISCONNECT, .empty = true));
    assert_null(sn_of("one"));
}

static void a_wrong_id_wakes_nobody(void **state)
{
    struct sn_stage *stage = *state;
    uint16_t id;
    struct device *device = sleeper(stage, &id, 1);
    sn_published(stage, "down", "a", 1);
    sn_says(device, M(SN_PINGREQ, STR("two")));
    sn_hears_nothing(device);
    assert_int_equal(sn_of("one")->state, SN_ASLEEP);
}

static void who_does_not_answer_while_awake_is_lost_and_keeps_its_messages(void **state)
{
    struct sn_stage *stage = *state;
    uint16_t id;
    struct device *device = sleeper(stage, &id, 1);
    sn_published(stage, "down", "a", 1);
    sn_says(device, M(SN_PINGREQ, STR("one")));
    air_wait(&stage->air, 51000);
    for (int i = 0; i < 5; i++)
        assert_int_equal(sn_next(device).type, SN_PUBLISH);
    sn_hears_nothing(device);
    assert_null(device->peer);
    device = sn_client(stage, "one", 0, true);
    assert_int_equal(sn_next(device).type, SN_REGISTER);
}

/* ---- from another address ---- */

static void a_proven_client_wakes_at_another_address(void **state)
{
    struct sn_stage *stage = *state;
    uint16_t id;
    struct device *device = sleeper(stage, &id, 1);
    struct device *moved = device_new(&stage->air, stage->sensor);
    sn_published(stage, "down", "a", 1);
    sn_says(moved, M(SN_PINGREQ, STR("one")));
    uint16_t msg_id = delivered(moved, 1, id, "a");
    sn_says(moved, M(SN_PUBACK, .topic_id = id, .msg_id = msg_id));
    sn_hears(moved, M(SN_PINGRESP));
    assert_null(device->peer);
}

static void an_unproven_one_does_not_unless_the_option_says_so(void **state)
{
    struct sn_stage *stage = *state;
    struct device *device = sn_client(stage, "one", 0, false);
    sn_subscribes(device, "down", 1);
    sleeps(device, 300);
    struct device *moved = device_new(&stage->air, NULL);
    sn_says(moved, M(SN_PINGREQ, STR("one")));
    sn_hears(moved, M(SN_DISCONNECT, .empty = true));
    assert_ptr_equal(sn_of("one")->gate->peer, device->peer);
    stage->options.rebind = true;
    sn_says(moved, M(SN_PINGREQ, STR("one")));
    assert_ptr_equal(sn_of("one")->gate->peer, moved->peer);
    assert_null(device->peer);
}

static void another_identity_does_not_wake_it(void **state)
{
    struct sn_stage *stage = *state;
    uint16_t id;
    struct device *device = sleeper(stage, &id, 1);
    struct identity *other = identity_new(SLICE("other"), false);
    struct device *thief = device_new(&stage->air, other);
    stage->options.rebind = true;
    sn_says(thief, M(SN_PINGREQ, STR("one")));
    sn_hears(thief, M(SN_DISCONNECT, .empty = true));
    struct device *nobody = device_new(&stage->air, NULL);
    sn_says(nobody, M(SN_PINGREQ, STR("one")));
    sn_hears(nobody, M(SN_DISCONNECT, .empty = true));
    assert_ptr_equal(sn_of("one")->gate->peer, device->peer);
    device_lose(thief, "done");
    identity_unref(other);
    thief->identity = NULL;
}

static void connect_from_another_address_takes_a_sleepers_session_along(void **state)
{
    struct sn_stage *stage = *state;
    uint16_t id;
    struct device *device = sleeper(stage, &id, 1);
    sn_published(stage, "down", "a", 1);
    struct device *moved = device_new(&stage->air, stage->sensor);
    sn_connects(moved, "one", 0);
    sn_hears(moved, M(SN_CONNACK));
    struct sn_packet asked = sn_next(moved); /* it may have lost its ids on the way */
    assert_int_equal(asked.type, SN_REGISTER);
    assert_int_equal(asked.topic_id, id);
    assert_null(device->peer);
    assert_int_equal(broker_stats(stage->air.broker)->clients_connected, 1);
}

#define T(name) cmocka_unit_test_setup_teardown(name, sn_setup, sn_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_sleeping_client_gets_everything_when_it_wakes_and_pingresp_last),
        T(a_wake_without_messages_is_answered_at_once),
        T(qos_2_is_finished_before_pingresp),
        T(topics_are_registered_before_pingresp),
        T(what_was_under_way_goes_on_when_it_wakes),
        T(qos_0_waits_where_the_limits_say_so),
        T(connect_makes_a_sleeping_client_active_again),
        T(who_does_not_wake_in_time_is_lost),
        T(sleep_may_be_renewed_and_ended),
        T(a_wrong_id_wakes_nobody),
        T(who_does_not_answer_while_awake_is_lost_and_keeps_its_messages),
        T(a_proven_client_wakes_at_another_address),
        T(an_unproven_one_does_not_unless_the_option_says_so),
        T(another_identity_does_not_wake_it),
        T(connect_from_another_address_takes_a_sleepers_session_along),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
