/* Tests what MQTT-SN does for clients at addresses that have proven nothing. */
#include "sn_stage.h"

#include <stdio.h>
#include <string.h>

/* A client that has subscribed to a/b: SUBACK is the first that it gets for that. */
static struct device *subscriber(struct sn_stage *stage, const char *id, uint16_t *topic_id)
{
    struct device *device = sn_client(stage, id, SN_CLEAN, false);
    *topic_id = sn_subscribes(device, "a/b", 0);
    sn_hears_nothing(device);
    return device;
}

/* The next that it gets is REGISTER for that topic, alone. */
static struct sn_packet asked(struct device *device, const char *topic)
{
    static char name[256]; /* until the next call */
    struct sn_packet packet = sn_next(device);
    assert_int_equal(packet.type, SN_REGISTER);
    assert_true(slice_equal(packet.text, slice_of_str(topic)));
    assert_true(packet.text.len <= sizeof name);
    memcpy(name, packet.text.at, packet.text.len);
    packet.text.at = (const uint8_t *)name;
    sn_hears_nothing(device);
    return packet;
}

static void proves(struct device *device, const struct sn_packet *register_)
{
    assert_false(device->verified);
    sn_says(device, M(SN_REGACK, .topic_id = register_->topic_id, .msg_id = register_->msg_id));
}

/* Keeps a value, in the daemon's own name. */
static void retains(struct sn_stage *stage, const char *topic, const char *payload)
{
    struct message message = {
        .topic = (const uint8_t *)topic,
        .topic_len = (uint16_t)strlen(topic),
        .payload = (const uint8_t *)payload,
        .payload_len = (uint32_t)strlen(payload),
        .retain = true,
    };
    broker_publish_own(stage->air.broker, &message);
    message_end(&message);
    air_turn(&stage->air);
}

/* ---- what waits is announced by REGISTER, once a second is over ---- */

static void a_message_right_after_suback_comes_when_the_second_is_over(void **state)
{
    struct sn_stage *stage = *state;
    uint16_t id;
    struct device *device = subscriber(stage, "one", &id);
    sn_published(stage, "a/b", "x", 0);
    sn_published(stage, "a/b", "y", 0);
    air_wait(&stage->air, 900);
    sn_hears_nothing(device); /* one datagram for its one */
    air_wait(&stage->air, 100);
    struct sn_packet packet = asked(device, "a/b");
    assert_int_equal(packet.topic_id, id);
    air_wait(&stage->air, 30000);
    sn_hears_nothing(device); /* and one more */
    proves(device, &packet);
    assert_true(device->verified);
    sn_hears(device, M(SN_PUBLISH, .topic_id = id, STR("x")));
    sn_hears(device, M(SN_PUBLISH, .topic_id = id, STR("y")));
    sn_published(stage, "a/b", "z", 0);
    sn_hears(device, M(SN_PUBLISH, .topic_id = id, STR("z")));
    sn_hears_nothing(device);
    assert_int_equal(device->refused, 0);
}

static void a_later_message_brings_register_at_once(void **state)
{
    struct sn_stage *stage = *state;
    uint16_t id;
    struct device *device = subscriber(stage, "one", &id);
    air_wait(&stage->air, 3000);
    sn_hears_nothing(device); /* nothing waits, nothing is said */
    sn_published(stage, "a/b", "x", 0);
    struct sn_packet packet = asked(device, "a/b");
    proves(device, &packet);
    sn_hears(device, M(SN_PUBLISH, .topic_id = id, STR("x")));
    sn_hears_nothing(device);
}

static void a_message_of_qos_1_waits_like_any_other(void **state)
{
    struct sn_stage *stage = *state;
    struct device *device = sn_client(stage, "one", SN_CLEAN, false);
    uint16_t id = sn_subscribes(device, "a/b", 1);
    sn_published(stage, "a/b", "x", 1);
    sn_published(stage, "a/b", "y", 1);
    air_wait(&stage->air, 1000);
    struct sn_packet packet = asked(device, "a/b");
    proves(device, &packet);
    sn_hears(device, M(SN_PUBLISH, .flags = QOS(1), .topic_id = id, .msg_id = 1, STR("x")));
    sn_says(device, M(SN_PUBACK, .topic_id = id, .msg_id = 1));
    sn_hears(device, M(SN_PUBLISH, .flags = QOS(1), .topic_id = id, .msg_id = 2, STR("y")));
}

static void a_retained_value_follows_suback_by_itself(void **state)
{
    struct sn_stage *stage = *state;
    uint16_t id;
    retains(stage, "a/b", "on");
    struct device *device = subscriber(stage, "one", &id);
    air_wait(&stage->air, 900);
    sn_hears_nothing(device);
    air_wait(&stage->air, 100);
    struct sn_packet packet = asked(device, "a/b");
    proves(device, &packet);
    sn_hears(device, M(SN_PUBLISH, .flags = SN_RETAIN, .topic_id = id, STR("on")));
    sn_hears_nothing(device);
    assert_int_equal(device->refused, 0);
}

/* Clients that read the answer to what they have said, and nothing else before it. */
static void suback_and_pingresp_come_first_whatever_waits(void **state)
{
    struct sn_stage *stage = *state;
    struct device *device = sn_client(stage, "one", SN_CLEAN, false);
    retains(stage, "a/b", "on");
    for (unsigned i = 0; i < 4; i++) { /* and after so many REGISTERs the client is lost */
        sn_subscribes(device, "a/#", 0);
        sn_hears_nothing(device);
        air_wait(&stage->air, 500);
        sn_says(device, M(SN_PINGREQ));
        sn_hears(device, M(SN_PINGRESP));
        sn_hears_nothing(device);
        air_wait(&stage->air, 20000);
        (void)asked(device, "a/b");
    }
    assert_false(device->verified);
    assert_int_equal(device->refused, 0);
}

static void what_waits_since_before_connect_comes_by_itself(void **state)
{
    struct sn_stage *stage = *state;
    struct device *device = sn_client(stage, "one", 0, false);
    uint16_t id = sn_subscribes(device, "a/b", 1);
    sn_says(device, M(SN_DISCONNECT, .empty = true));
    sn_hears(device, M(SN_DISCONNECT, .empty = true));
    sn_published(stage, "a/b", "x", 1);
    sn_connects(device, "one", 0);
    sn_hears(device, M(SN_CONNACK));
    sn_hears_nothing(device);
    air_wait(&stage->air, 1000);
    struct sn_packet packet = asked(device, "a/b");
    proves(device, &packet);
    sn_hears(device, M(SN_PUBLISH, .flags = QOS(1), .topic_id = id, .msg_id = 1, STR("x")));
}

/* Three times the bytes are soon too few for a long name: a short one proves as much. */
static void a_topic_that_is_too_long_to_be_told_is_told_after_the_proof(void **state)
{
    struct sn_stage *stage = *state;
    char topic[130] = "a/";
    memset(topic + 2, 'x', sizeof topic - 3);
    struct device *device = sn_client(stage, "one", SN_CLEAN, false);
    sn_subscribes(device, "a/#", 0);
    sn_published(stage, topic, "x", 0);
    air_wait(&stage->air, 1000);
    struct sn_packet packet = asked(device, "$SYS");
    proves(device, &packet);
    assert_true(device->verified);
    packet = asked(device, topic);
    sn_says(device, M(SN_REGACK, .topic_id = packet.topic_id, .msg_id = packet.msg_id));
    sn_hears(device, M(SN_PUBLISH, .topic_id = packet.topic_id, STR("x")));
    assert_int_equal(device->refused, 0);
}

/* ---- what is no proof ---- */

static void nothing_is_delivered_to_an_address_that_has_proven_nothing(void **state)
{
    struct sn_stage *stage = *state;
    uint16_t id;
    struct device *device = subscriber(stage, "one", &id);
    sn_published(stage, "a/b", "x", 0);
    air_wait(&stage->air, 5000);
    uint16_t msg_id = asked(device, "a/b").msg_id;
    sn_says(device, M(SN_REGACK, .topic_id = id, .msg_id = (uint16_t)(msg_id + 1)));
    assert_false(device->verified);
    sn_says(device,
            M(SN_REGACK, .topic_id = id, .msg_id = msg_id)); /* too late: a guess was made */
    assert_false(device->verified);
    for (unsigned guess = 0; guess <= UINT16_MAX; guess++)
        sn_says(device, M(SN_REGACK, .topic_id = id, .msg_id = (uint16_t)guess));
    assert_false(device->verified);
    air_wait(&stage->air, 11000);
    for (int i = 0; i < 3; i++) { /* so one is not enough any more */
        struct sn_packet packet = asked(device, "a/b");
        proves(device, &packet);
    }
    assert_true(device->verified);
    sn_hears(device, M(SN_PUBLISH, .topic_id = id, STR("x")));
    sn_published(stage, "a/b", "y", 0);
    sn_hears(device, M(SN_PUBLISH, .topic_id = id, STR("y")));
    assert_int_equal(device->refused, 0);
}

/* Whoever forges an address may guess for as many connections as he likes. */
static void a_wrong_guess_makes_proofs_longer_for_all_for_ten_minutes(void **state)
{
    struct sn_stage *stage = *state;
    uint16_t id;
    struct device *forger = subscriber(stage, "forger", &id), *device;
    sn_published(stage, "a/b", "x", 0);
    air_wait(&stage->air, 1000);
    uint16_t guess = asked(forger, "a/b").msg_id ^ 1;
    sn_says(forger, M(SN_REGACK, .topic_id = id, .msg_id = guess ? guess : 2));
    for (int minutes = 0; minutes < 12; minutes += 6) { /* within ten, and after them */
        device = subscriber(stage, minutes ? "later" : "one", &id);
        sn_published(stage, "a/b", "x", 0);
        air_wait(&stage->air, 1000);
        for (int i = 0; i < (minutes ? 1 : 3); i++) {
            struct sn_packet packet = asked(device, "a/b");
            proves(device, &packet);
            sn_says(device, M(SN_REGACK, .topic_id = packet.topic_id,
                              .msg_id = packet.msg_id)); /* the net's */
        }
        assert_true(device->verified);
        sn_hears(device, M(SN_PUBLISH, .topic_id = id, STR("x")));
        sn_hears_nothing(device);
        air_wait(&stage->air, 601000);
    }
}

/* ---- proofs that nothing waits for ---- */

static void who_gets_nothing_is_asked_for_nothing(void **state)
{
    struct sn_stage *stage = *state;
    struct device *device = sn_client(stage, "one", SN_CLEAN, false);
    uint16_t id = sn_registers(device, "up");
    for (int i = 0; i < 10; i++) {
        sn_says(device, M(SN_PUBLISH, .topic_id = id, STR("x")));
        air_wait(&stage->air, 5000);
        sn_hears_nothing(device);
        sn_says(device, M(SN_PINGREQ));
        sn_hears(device, M(SN_PINGRESP));
        air_wait(&stage->air, 5000);
        sn_hears_nothing(device);
    }
}

/* So that it is known whom to keep; whoever does not understand loses nothing. */
static void where_many_have_proven_nothing_each_is_asked_once(void **state)
{
    struct sn_stage *stage = *state;
    struct sn_packet packet = M(SN_PUBLISH, .flags = SN_ID_SHORT, .topic_id = 0x6162, STR("x"));
    struct device *device = sn_client(stage, "one", SN_CLEAN, false);
    struct device *other = sn_client(stage, "two", SN_CLEAN, false);
    stage->air.crowded = true;
    sn_says(device, packet);
    sn_says(other, packet);
    air_wait(&stage->air, 900);
    sn_hears_nothing(device); /* perhaps it has more to say */
    air_wait(&stage->air, 100);
    struct sn_packet question = asked(other, "$SYS");
    proves(other, &question);
    assert_true(other->verified);
    sn_hears_nothing(other);
    (void)asked(device, "$SYS");
    for (int i = 0; i < 10; i++) { /* it does not answer, and nobody minds */
        air_wait(&stage->air, 10000);
        sn_says(device, packet);
    }
    assert_non_null(device->peer);
    assert_null(sn_of("one")->traffic);
}

static void who_needs_more_names_is_asked_for_a_proof(void **state)
{
    struct sn_stage *stage = *state;
    struct device *device = sn_client(stage, "one", SN_CLEAN, false);
    struct sn_packet answer = {0};
    char name[200];
    for (unsigned i = 0; i < 100 && answer.code == SN_ACCEPTED; i++) {
        snprintf(name, sizeof name, "%0199u", i);
        sn_says(device, M(SN_REGISTER, .msg_id = 3, .text = slice_of_str(name)));
        answer = sn_next(device);
    }
    assert_int_equal(answer.code, SN_CONGESTION);
    air_wait(&stage->air, 1000);
    struct sn_packet question = sn_next(device);
    assert_int_equal(question.type, SN_REGISTER);
    proves(device, &question);
    sn_registers(device, name);
}

#define T(name) cmocka_unit_test_setup_teardown(name, sn_setup, sn_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_message_right_after_suback_comes_when_the_second_is_over),
        T(a_later_message_brings_register_at_once),
        T(a_message_of_qos_1_waits_like_any_other),
        T(a_retained_value_follows_suback_by_itself),
        T(suback_and_pingresp_come_first_whatever_waits),
        T(what_waits_since_before_connect_comes_by_itself),
        T(a_topic_that_is_too_long_to_be_told_is_told_after_the_proof),
        T(nothing_is_delivered_to_an_address_that_has_proven_nothing),
        T(a_wrong_guess_makes_proofs_longer_for_all_for_ten_minutes),
        T(who_gets_nothing_is_asked_for_nothing),
        T(where_many_have_proven_nothing_each_is_asked_once),
        T(who_needs_more_names_is_asked_for_a_proof),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
