/* Tests what MQTT-SN clients publish, subscribe to, and get. */
#include "sn_stage.h"

#include <stdlib.h>
#include <string.h>

/* ---- publishing ---- */

static void messages_of_every_qos_reach_a_subscriber(void **state)
{
    struct sn_stage *stage = *state;
    struct device *from = sn_client(stage, "from", SN_CLEAN, true);
    struct device *to = device_new(&stage->air, stage->sensor);
    sn_connects(to, "to", SN_CLEAN);
    sn_hears(to, M(SN_CONNACK));
    uint16_t in = sn_subscribes(to, "a/b", 2), out = sn_registers(from, "a/b");
    sn_says(from, M(SN_PUBLISH, .topic_id = out, STR("zero")));
    sn_hears_nothing(from);
    sn_hears(to, M(SN_PUBLISH, .topic_id = in, STR("zero")));
    sn_says(from, M(SN_PUBLISH, .flags = QOS(1), .topic_id = out, .msg_id = 7, STR("one")));
    sn_hears(from, M(SN_PUBACK, .topic_id = out, .msg_id = 7));
    struct sn_packet got = sn_next(to);
    assert_int_equal(got.flags, QOS(1));
    sn_says(to, M(SN_PUBACK, .topic_id = in, .msg_id = got.msg_id));
    sn_says(from, M(SN_PUBLISH, .flags = QOS(2), .topic_id = out, .msg_id = 8, STR("two")));
    sn_hears(from, M(SN_PUBREC, .msg_id = 8));
    sn_says(from,
            M(SN_PUBLISH, .flags = QOS(2) | SN_DUP, .topic_id = out, .msg_id = 8, STR("two")));
    sn_hears(from, M(SN_PUBREC, .msg_id = 8));
    sn_says(from, M(SN_PUBREL, .msg_id = 8));
    sn_hears(from, M(SN_PUBCOMP, .msg_id = 8));
    sn_says(from, M(SN_PUBREL, .msg_id = 8));
    sn_hears(from, M(SN_PUBCOMP, .msg_id = 8));
    got = sn_next(to);
    assert_int_equal(got.flags, QOS(2));
    uint16_t id = got.msg_id;
    sn_says(to, M(SN_PUBREC, .msg_id = id));
    sn_hears(to, M(SN_PUBREL, .msg_id = id));
    sn_says(to, M(SN_PUBREC, .msg_id = id));
    sn_hears(to, M(SN_PUBREL, .msg_id = id));
    sn_says(to, M(SN_PUBCOMP, .msg_id = id));
    sn_hears_nothing(to);
    air_wait(&stage->air, 30000); /* nothing is sent again */
    sn_hears_nothing(to);
    assert_null(sn_of("to")->traffic);
}

/* The network has doubled a PUBLISH and one of them is late. */
static void a_qos_2_message_that_comes_after_its_end_is_not_published_again(void **state)
{
    struct sn_stage *stage = *state;
    struct device *device = sn_client(stage, "one", SN_CLEAN, true);
    struct sn_packet packet =
        M(SN_PUBLISH, .flags = QOS(2) | SN_ID_SHORT, .topic_id = 0x6162, .msg_id = 8, STR("x"));
    for (int i = 0; i < 2; i++) {
        sn_says(device, packet);
        sn_hears(device, M(SN_PUBREC, .msg_id = 8));
        sn_says(device, M(SN_PUBREL, .msg_id = 8));
        sn_hears(device, M(SN_PUBCOMP, .msg_id = 8));
    }
    assert_int_equal(broker_stats(stage->air.broker)->publish_received, 1);
    packet.text = SLICE("y"); /* the id is used again for another message */
    sn_says(device, packet);
    sn_hears(device, M(SN_PUBREC, .msg_id = 8));
    assert_int_equal(broker_stats(stage->air.broker)->publish_received, 2);
    sn_says(device, M(SN_PUBREL, .msg_id = 8));
    sn_hears(device, M(SN_PUBCOMP, .msg_id = 8));
    air_wait(&stage->air, 10100); /* and later for the same one */
    sn_says(device, packet);
    sn_hears(device, M(SN_PUBREC, .msg_id = 8));
    assert_int_equal(broker_stats(stage->air.broker)->publish_received, 3);
}

static void predefined_and_short_ids_need_no_register(void **state)
{
    struct sn_stage *stage = *state;
    struct device *dev = sn_client(stage, "dev", SN_CLEAN, true);
    struct device *to = device_new(&stage->air, stage->sensor);
    sn_connects(to, "to", SN_CLEAN);
    sn_hears(to, M(SN_CONNACK));
    sn_subscribes(to, "known/dev", 0);
    sn_says(to, M(SN_SUBSCRIBE, .flags = SN_ID_SHORT, .msg_id = 3, .topic_id = 0x7479));
    sn_hears(to, M(SN_SUBACK, .msg_id = 3));
    sn_says(dev, M(SN_PUBLISH, .flags = SN_ID_PREDEFINED, .topic_id = 1, STR("p")));
    assert_true(slice_equal(sn_next(to).text, SLICE("p")));
    sn_says(dev, M(SN_PUBLISH, .flags = SN_ID_SHORT, .topic_id = 0x7479, STR("s")));
    sn_hears(to, M(SN_PUBLISH, .flags = SN_ID_SHORT, .topic_id = 0x7479, STR("s")));
    /* by the id that both know, where there is one */
    sn_says(to, M(SN_SUBSCRIBE, .flags = SN_ID_PREDEFINED, .msg_id = 4, .topic_id = 1));
    sn_hears(to, M(SN_SUBACK, .topic_id = 1, .msg_id = 4));
    sn_published(stage, "known/one", "x", 0);
    sn_hears(to, M(SN_PUBLISH, .flags = SN_ID_PREDEFINED, .topic_id = 1, STR("x")));
}

static void ids_that_mean_nothing_are_refused(void **state)
{
    struct sn_stage *stage = *state;
    struct device *device = sn_client(stage, "one", SN_CLEAN, true);
    for (unsigned qos = 0; qos <= 2; qos++) {
        for (uint8_t type = SN_ID_NORMAL; type <= SN_ID_PREDEFINED; type++) {
            sn_says(device,
                    M(SN_PUBLISH, .flags = (uint8_t)(QOS(qos) | type), .topic_id = 9, .msg_id = 5));
            sn_hears(device, M(SN_PUBACK, .topic_id = 9, .msg_id = 5, .code = SN_INVALID_TOPIC_ID));
        }
        sn_says(device, M(SN_PUBLISH, .flags = (uint8_t)(QOS(qos) | SN_ID_RESERVED), .msg_id = 5));
        sn_hears(device, M(SN_PUBACK, .msg_id = 5, .code = SN_NOT_SUPPORTED));
        sn_says(device, M(SN_PUBLISH, .flags = (uint8_t)(QOS(qos) | SN_ID_SHORT),
                          .topic_id = 0x612b, .msg_id = 5)); /* "a+" */
        sn_hears(device,
                 M(SN_PUBACK, .topic_id = 0x612b, .msg_id = 5, .code = SN_INVALID_TOPIC_ID));
    }
    assert_int_equal(broker_stats(stage->air.broker)->publish_refused, 12);
}

static void a_full_core_says_congestion_and_the_message_may_come_again(void **state)
{
    struct sn_stage *stage = *state;
    struct device *from = sn_client(stage, "from", SN_CLEAN, true);
    struct device *to = device_new(&stage->air, stage->sensor);
    sn_connects(to, "to", 0);
    sn_hears(to, M(SN_CONNACK));
    sn_subscribes(to, "a", 2);
    sn_says(to, M(SN_DISCONNECT, .empty = true));
    stage->air.limits.queued_messages = 1;
    uint16_t id = sn_registers(from, "a");
    sn_says(from, M(SN_PUBLISH, .flags = QOS(1), .topic_id = id, .msg_id = 1, STR("x")));
    sn_hears(from, M(SN_PUBACK, .topic_id = id, .msg_id = 1));
    for (unsigned qos = 1; qos <= 2; qos++) {
        sn_says(from,
                M(SN_PUBLISH, .flags = (uint8_t)QOS(qos), .topic_id = id, .msg_id = 2, STR("y")));
        sn_hears(from, M(SN_PUBACK, .topic_id = id, .msg_id = 2, .code = SN_CONGESTION));
    }
    stage->air.limits.queued_messages = 9;
    sn_says(from, M(SN_PUBLISH, .flags = QOS(2), .topic_id = id, .msg_id = 2, STR("y")));
    sn_hears(from, M(SN_PUBREC, .msg_id = 2));
}

/* ---- QoS -1 ---- */

static void qos_minus_1_is_off_unless_switched_on(void **state)
{
    struct sn_stage *stage = *state;
    struct device *to = sn_client(stage, "to", SN_CLEAN, true);
    struct device *stranger = device_new(&stage->air, NULL);
    sn_subscribes(to, "known/one", 0);
    struct sn_packet packet =
        M(SN_PUBLISH, .flags = QOS(3) | SN_ID_PREDEFINED, .topic_id = 1, STR("x"));
    sn_says(stranger, packet);
    sn_hears_nothing(to);
    stage->options.qos_minus_1 = true;
    sn_says(stranger, packet);
    assert_true(slice_equal(sn_next(to).text, SLICE("x")));
    sn_says(to, packet); /* somebody who is connected may, too */
    assert_true(slice_equal(sn_next(to).text, SLICE("x")));
    sn_says(stranger, M(SN_PUBLISH, .flags = QOS(3), .topic_id = 1)); /* normal ids: nobody's */
    sn_says(stranger, M(SN_PUBLISH, .flags = QOS(3) | SN_ID_PREDEFINED, .topic_id = 2));
    sn_hears_nothing(to);
    sn_hears_nothing(stranger);
    assert_null(stranger->peer);
}

static void qos_minus_1_is_held_to_the_listener_and_to_the_rules(void **state)
{
    struct sn_stage *stage = *state;
    struct device *to = sn_client(stage, "to", SN_CLEAN, true);
    struct device *stranger = device_new(&stage->air, NULL);
    struct device *known = device_new(&stage->air, stage->sensor);
    stage->options.qos_minus_1 = true;
    sn_subscribes(to, "known/one", 0);
    struct sn_packet packet =
        M(SN_PUBLISH, .flags = QOS(3) | SN_ID_PREDEFINED, .topic_id = 1, STR("x"));
    stage->air.listener.anonymous = false;
    sn_says(stranger, packet);
    sn_hears_nothing(to);
    stage->air.listener.anonymous = true;
    sn_rules(stage, "user sensor-7\ntopic readwrite known/one\n");
    sn_says(stranger, packet);
    sn_hears_nothing(to);
    sn_says(known, packet);
    assert_true(slice_equal(sn_next(to).text, SLICE("x")));
}

/* ---- registering ---- */

static void a_name_keeps_its_id(void **state)
{
    struct sn_stage *stage = *state;
    struct device *device = sn_client(stage, "dev", SN_CLEAN, true);
    /* 1 is the client's own predefined one */
    assert_int_equal(sn_registers(device, "a"), 2);
    assert_int_equal(sn_registers(device, "b"), 3);
    assert_int_equal(sn_registers(device, "a"), 2);
}

static void what_is_no_name_gets_no_id(void **state)
{
    struct sn_stage *stage = *state;
    struct device *device = sn_client(stage, "one", SN_CLEAN, true);
    const char *wrong[] = {"", "a/+", "#", "a\1", "\xff"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        sn_says(device, M(SN_REGISTER, .msg_id = 2, .text = slice_of_str(wrong[i])));
        sn_hears(device, M(SN_REGACK, .msg_id = 2, .code = SN_NOT_SUPPORTED));
    }
    stage->options.topics = 1;
    sn_registers(device, "a");
    sn_says(device, M(SN_REGISTER, .msg_id = 2, STR("b")));
    sn_hears(device, M(SN_REGACK, .msg_id = 2, .code = SN_CONGESTION));
}

/* ---- subscribing ---- */

static void subscriptions_that_cannot_be_are_refused(void **state)
{
    struct sn_stage *stage = *state;
    struct device *device = sn_client(stage, "one", SN_CLEAN, true);
    sn_says(device, M(SN_SUBSCRIBE, .msg_id = 2, STR("a/#/b")));
    sn_hears(device, M(SN_SUBACK, .msg_id = 2, .code = SN_NOT_SUPPORTED));
    sn_says(device, M(SN_SUBSCRIBE, .msg_id = 2, STR("")));
    sn_hears(device, M(SN_SUBACK, .msg_id = 2, .code = SN_NOT_SUPPORTED));
    sn_says(device, M(SN_SUBSCRIBE, .flags = QOS(3), .msg_id = 2, STR("a")));
    sn_hears(device, M(SN_SUBACK, .msg_id = 2, .code = SN_NOT_SUPPORTED));
    sn_says(device, M(SN_SUBSCRIBE, .flags = SN_ID_RESERVED, .msg_id = 2, STR("a")));
    sn_hears(device, M(SN_SUBACK, .msg_id = 2, .code = SN_NOT_SUPPORTED));
    sn_says(device, M(SN_SUBSCRIBE, .flags = SN_ID_PREDEFINED, .msg_id = 2, .topic_id = 9));
    sn_hears(device, M(SN_SUBACK, .msg_id = 2, .code = SN_INVALID_TOPIC_ID));
    assert_int_equal(broker_stats(stage->air.broker)->subscriptions, 0);
}

static void a_wildcard_has_no_id_and_its_topics_are_registered_first(void **state)
{
    struct sn_stage *stage = *state;
    struct device *device = sn_client(stage, "one", SN_CLEAN, true);
    assert_int_equal(sn_subscribes(device, "room/+", 0), 0);
    sn_published(stage, "room/1", "a", 0);
    sn_published(stage, "room/2", "b", 0);
    sn_published(stage, "room/1", "c", 0);
    struct sn_packet asked = sn_next(device);
    assert_int_equal(asked.type, SN_REGISTER);
    assert_true(slice_equal(asked.text, SLICE("room/1")));
    sn_hears_nothing(device);
    uint16_t one = asked.topic_id;
    sn_says(device, M(SN_REGACK, .topic_id = one, .msg_id = asked.msg_id));
    sn_hears(device, M(SN_PUBLISH, .topic_id = one, STR("a")));
    sn_hears(device, M(SN_PUBLISH, .topic_id = one, STR("c")));
    asked = sn_next(device);
    assert_int_equal(asked.type, SN_REGISTER);
    assert_true(slice_equal(asked.text, SLICE("room/2")));
    uint16_t two = asked.topic_id;
    assert_int_not_equal(one, two);
    sn_says(device, M(SN_REGACK, .topic_id = two, .msg_id = asked.msg_id));
    sn_hears(device, M(SN_PUBLISH, .topic_id = two, STR("b")));
    sn_hears_nothing(device);
    assert_null(sn_of("one")->traffic);
}

static void a_topic_that_the_client_refuses_is_dropped(void **state)
{
    struct sn_stage *stage = *state;
    struct device *device = sn_client(stage, "one", SN_CLEAN, true);
    sn_subscribes(device, "room/+", 2);
    for (uint8_t qos = 0; qos <= 2; qos++) {
        sn_published(stage, "room/1", "a", qos);
        struct sn_packet asked = sn_next(device);
        assert_int_equal(asked.type, SN_REGISTER);
        sn_says(device, M(SN_REGACK, .topic_id = asked.topic_id, .msg_id = asked.msg_id,
                          .code = SN_NOT_SUPPORTED));
        sn_hears_nothing(device);
    }
    assert_int_equal(broker_stats(stage->air.broker)->dropped[DROP_DENIED], 3);
    assert_null(sn_of("one")->traffic);
}

static void an_id_that_the_client_has_forgotten_is_told_again_once(void **state)
{
    struct sn_stage *stage = *state;
    struct device *device = sn_client(stage, "one", SN_CLEAN, true);
    uint16_t id = sn_subscribes(device, "a/b", 1);
    sn_published(stage, "a/b", "x", 1);
    struct sn_packet got = sn_next(device);
    uint16_t msg_id = got.msg_id;
    sn_says(device, M(SN_PUBACK, .topic_id = id, .msg_id = msg_id, .code = SN_INVALID_TOPIC_ID));
    struct sn_packet asked = sn_next(device);
    assert_int_equal(asked.type, SN_REGISTER);
    sn_says(device, M(SN_REGACK, .topic_id = id, .msg_id = asked.msg_id));
    got = sn_next(device);
    assert_int_equal(got.type, SN_PUBLISH);
    assert_int_equal(got.msg_id, msg_id);
    sn_says(device, M(SN_PUBACK, .topic_id = id, .msg_id = msg_id, .code = SN_INVALID_TOPIC_ID));
    sn_hears_nothing(device); /* it had its chance */
    sn_published(stage, "a/b", "y", 1);
    assert_int_equal(sn_next(device).type, SN_PUBLISH);
}

static void retained_values_follow_suback_and_not_twice(void **state)
{
    struct sn_stage *stage = *state;
    struct device *device = sn_client(stage, "one", SN_CLEAN, true);
    uint16_t id = sn_registers(device, "a/b");
    sn_says(device, M(SN_PUBLISH, .flags = SN_RETAIN, .topic_id = id, STR("kept")));
    struct sn_packet subscribe = M(SN_SUBSCRIBE, .msg_id = 9, STR("a/b"));
    sn_says(device, subscribe);
    sn_hears(device, M(SN_SUBACK, .topic_id = id, .msg_id = 9));
    sn_hears(device, M(SN_PUBLISH, .flags = SN_RETAIN, .topic_id = id, STR("kept")));
    sn_says(device, subscribe); /* the datagram came twice */
    sn_hears(device, M(SN_SUBACK, .topic_id = id, .msg_id = 9));
    sn_hears_nothing(device);
    sn_says(device, M(SN_UNSUBSCRIBE, .msg_id = 10, STR("a/b")));
    sn_hears(device, M(SN_UNSUBACK, .msg_id = 10));
    sn_published(stage, "a/b", "x", 0);
    sn_hears_nothing(device);
}

/* ---- one at a time, and again ---- */

static void one_message_is_in_flight_and_is_sent_again_until_the_client_is_lost(void **state)
{
    struct sn_stage *stage = *state;
    struct device *device = sn_client(stage, "one", SN_CLEAN, true);
    uint16_t id = sn_subscribes(device, "a/b", 1);
    sn_published(stage, "a/b", "x", 1);
    sn_published(stage, "a/b", "y", 1);
    sn_hears(device, M(SN_PUBLISH, .flags = QOS(1), .topic_id = id, .msg_id = 1, STR("x")));
    sn_hears_nothing(device);
    for (int i = 0; i < 4; i++) {
        air_wait(&stage->air, 10000);
        sn_hears(device,
                 M(SN_PUBLISH, .flags = QOS(1) | SN_DUP, .topic_id = id, .msg_id = 1, STR("x")));
        sn_hears_nothing(device);
    }
    air_wait(&stage->air, 10100);
    sn_hears(device, M(SN_DISCONNECT, .empty = true));
    assert_true(air_logged(&stage->air, "lost: does not answer"));
}

static void an_answer_lets_the_next_one_go(void **state)
{
    struct sn_stage *stage = *state;
    struct device *device = sn_client(stage, "one", SN_CLEAN, true);
    uint16_t id = sn_subscribes(device, "a/b", 1);
    sn_published(stage, "a/b", "x", 1);
    sn_published(stage, "a/b", "y", 1);
    uint16_t first = sn_next(device).msg_id;
    sn_says(device, M(SN_PUBACK, .topic_id = id, .msg_id = first, .code = SN_CONGESTION));
    sn_hears_nothing(device); /* not now: again after T_retry */
    air_wait(&stage->air, 10100);
    assert_int_equal(sn_next(device).flags, QOS(1) | SN_DUP);
    sn_says(device, M(SN_PUBACK, .topic_id = id, .msg_id = first));
    assert_true(slice_equal(sn_next(device).text, SLICE("y")));
}

static void what_does_not_fit_into_a_datagram_is_dropped(void **state)
{
    struct sn_stage *stage = *state;
    struct device *device = sn_client(stage, "one", SN_CLEAN, true);
    sn_subscribes(device, "a", 1);
    char payload[AIR_MTU + 1];
    memset(payload, 'x', AIR_MTU);
    payload[AIR_MTU - 8] = '\0'; /* 9 bytes of PUBLISH around it are one too many */
    sn_published(stage, "a", payload, 1);
    sn_hears_nothing(device);
    assert_int_equal(broker_stats(stage->air.broker)->dropped[DROP_TOO_LARGE], 1);
    payload[AIR_MTU - 9] = '\0';
    sn_published(stage, "a", payload, 1);
    assert_int_equal(sn_next(device).text.len, AIR_MTU - 9);
}

static void more_than_so_many_do_not_wait_for_a_regack(void **state)
{
    struct sn_stage *stage = *state;
    struct device *device = sn_client(stage, "one", SN_CLEAN, true);
    sn_subscribes(device, "room/+", 0);
    stage->options.pending = 2;
    for (int i = 0; i < 4; i++)
        sn_published(stage, "room/1", "a", 0);
    assert_int_equal(broker_stats(stage->air.broker)->dropped[DROP_SLOW], 2);
    struct sn_packet asked = sn_next(device);
    sn_says(device, M(SN_REGACK, .topic_id = asked.topic_id, .msg_id = asked.msg_id));
    assert_int_equal(sn_next(device).type, SN_PUBLISH);
    assert_int_equal(sn_next(device).type, SN_PUBLISH);
    sn_hears_nothing(device);
}

#define T(name) cmocka_unit_test_setup_teardown(name, sn_setup, sn_teardown)

/* ---- a store that takes its time ---- */

static void a_full_disk_holds_no_answer_that_needs_no_disk(void **state)
{
    struct sn_stage *stage = *state;
    air_keep(&stage->air);
    struct device *stuck = sn_client(stage, "stuck", SN_CLEAN, true);
    struct device *other = device_new(&stage->air, stage->sensor);
    sn_connects(other, "other", SN_CLEAN);
    sn_hears(other, M(SN_CONNACK)); /* neither is remembered */
    struct sn_packet kept = M(SN_PUBLISH, .flags = QOS(2) | SN_ID_SHORT | SN_RETAIN,
                              .topic_id = 0x6162, .msg_id = 8, STR("x"));
    sn_says(stuck, kept);
    air_wait(&stage->air, 100);
    air_written(&stage->air, COMMIT_FULL);
    sn_hears_nothing(stuck);
    for (uint8_t qos = 1; qos <= 2; qos++)
        sn_says(other, M(SN_PUBLISH, .flags = QOS(qos) | SN_ID_SHORT, .topic_id = 0x6164,
                         .msg_id = qos, STR("x")));
    sn_hears(other, M(SN_PUBACK, .topic_id = 0x6164, .msg_id = 1));
    sn_hears(other, M(SN_PUBREC, .msg_id = 2));
    sn_says(other, M(SN_PUBREL, .msg_id = 2));
    sn_hears(other, M(SN_PUBCOMP, .msg_id = 2));
    sn_subscribes(other, "else", 1);
    kept.flags |= SN_DUP;
    sn_says(stuck, kept); /* what comes again waits for the same */
    sn_hears_nothing(stuck);
    air_wait(&stage->air, 2000); /* it tries again */
    air_written(&stage->air, COMMIT_DONE);
    sn_hears(stuck, M(SN_PUBREC, .msg_id = 8));
    sn_hears(stuck, M(SN_PUBREC, .msg_id = 8));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(messages_of_every_qos_reach_a_subscriber),
        T(a_full_disk_holds_no_answer_that_needs_no_disk),
        T(a_qos_2_message_that_comes_after_its_end_is_not_published_again),
        T(predefined_and_short_ids_need_no_register),
        T(ids_that_mean_nothing_are_refused),
        T(a_full_core_says_congestion_and_the_message_may_come_again),
        T(qos_minus_1_is_off_unless_switched_on),
        T(qos_minus_1_is_held_to_the_listener_and_to_the_rules),
        T(a_name_keeps_its_id),
        T(what_is_no_name_gets_no_id),
        T(subscriptions_that_cannot_be_are_refused),
        T(a_wildcard_has_no_id_and_its_topics_are_registered_first),
        T(a_topic_that_the_client_refuses_is_dropped),
        T(an_id_that_the_client_has_forgotten_is_told_again_once),
        T(retained_values_follow_suback_and_not_twice),
        T(one_message_is_in_flight_and_is_sent_again_until_the_client_is_lost),
        T(an_answer_lets_the_next_one_go),
        T(what_does_not_fit_into_a_datagram_is_dropped),
        T(more_than_so_many_do_not_wait_for_a_regack),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
