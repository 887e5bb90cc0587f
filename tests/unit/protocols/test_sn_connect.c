/* Tests who is let in by MQTT-SN, and with what will. */
#include "sn_stage.h"

#include <string.h>

static void a_client_connects_and_disconnects(void **state)
{
    struct sn_stage *stage = *state;
    struct device *device = sn_client(stage, "one", SN_CLEAN, false);
    assert_int_equal(broker_stats(stage->air.broker)->clients_connected, 1);
    sn_says(device, M(SN_DISCONNECT, .empty = true));
    sn_hears(device, M(SN_DISCONNECT, .empty = true));
    assert_null(device->peer);
    assert_int_equal(broker_stats(stage->air.broker)->sessions, 0);
}

static void nothing_remains_of_a_stranger_who_is_refused(void **state)
{
    struct sn_stage *stage = *state;
    struct device *device = device_new(&stage->air, NULL);
    stage->air.listener.anonymous = false;
    sn_connects(device, "one", SN_CLEAN);
    sn_hears(device, M(SN_CONNACK, .code = SN_NOT_SUPPORTED));
    assert_null(device->peer);
    assert_int_equal(broker_stats(stage->air.broker)->connects_refused, 1);
}

static void what_is_wrong_with_connect_is_refused(void **state)
{
    struct sn_stage *stage = *state;
    struct device *device = device_new(&stage->air, NULL);
    sn_says(device, M(SN_CONNECT, .protocol_id = 2, STR("one")));
    sn_hears(device, M(SN_CONNACK, .code = SN_NOT_SUPPORTED));
    sn_says(device, M(SN_CONNECT, .protocol_id = 1));
    sn_hears(device, M(SN_CONNACK, .code = SN_NOT_SUPPORTED));
    sn_says(device, M(SN_CONNECT, .protocol_id = 1, STR("a\1b")));
    sn_hears(device, M(SN_CONNACK, .code = SN_NOT_SUPPORTED));
    assert_int_equal(broker_stats(stage->air.broker)->sessions, 0);
}

static void who_has_proven_a_name_may_leave_its_id_out(void **state)
{
    struct sn_stage *stage = *state;
    stage->air.listener.anonymous = false;
    struct device *device = device_new(&stage->air, stage->sensor);
    sn_says(device, M(SN_CONNECT, .protocol_id = 1, .flags = SN_CLEAN));
    sn_hears(device, M(SN_CONNACK));
    assert_non_null(sn_of("sensor-7"));
}

static void a_connect_that_comes_twice_is_answered_twice_and_changes_nothing(void **state)
{
    struct sn_stage *stage = *state;
    struct device *device = sn_client(stage, "one", SN_CLEAN, false);
    const struct session *session = sn_of("one")->session;
    sn_connects(device, "one", SN_CLEAN);
    sn_hears(device, M(SN_CONNACK));
    assert_ptr_equal(sn_of("one")->session, session);
    assert_int_equal(broker_stats(stage->air.broker)->connects, 1);
}

/* Regression: a second CONNECT while active has crashed a gateway. */
static void a_second_connect_while_active_begins_anew(void **state)
{
    struct sn_stage *stage = *state;
    struct device *device = sn_client(stage, "one", SN_CLEAN, false);
    sn_subscribes(device, "a/b", 0);
    sn_connects(device, "one", SN_CLEAN);
    sn_hears(device, M(SN_CONNACK));
    assert_int_equal(broker_stats(stage->air.broker)->subscriptions, 0);
    sn_connects(device, "two", 0);
    sn_hears(device, M(SN_CONNACK));
    assert_null(sn_of("one"));
    assert_non_null(sn_of("two"));
    assert_int_equal(broker_stats(stage->air.broker)->clients_connected, 1);
}

static void a_session_without_clean_flag_keeps_subscriptions_and_ids(void **state)
{
    struct sn_stage *stage = *state;
    struct device *device = sn_client(stage, "one", 0, true);
    uint16_t first = sn_registers(device, "up/first"), second = sn_subscribes(device, "down", 1);
    sn_says(device, M(SN_DISCONNECT, .empty = true));
    sn_hears(device, M(SN_DISCONNECT, .empty = true));
    sn_published(stage, "down", "kept", 1);
    device = sn_client(stage, "one", 0, true);
    /* its id is the same, and it is told again before it is used */
    struct sn_packet asked = sn_next(device);
    assert_int_equal(asked.type, SN_REGISTER);
    assert_int_equal(asked.topic_id, second);
    sn_says(device, M(SN_REGACK, .topic_id = second, .msg_id = asked.msg_id));
    struct sn_packet got = sn_next(device);
    assert_int_equal(got.type, SN_PUBLISH);
    assert_int_equal(got.topic_id, second);
    assert_true(slice_equal(got.text, SLICE("kept")));
    sn_says(device, M(SN_PUBLISH, .flags = QOS(1), .topic_id = first, .msg_id = 5, STR("x")));
    sn_hears(device, M(SN_PUBACK, .topic_id = first, .msg_id = 5));
    assert_int_equal(sn_registers(device, "up/first"), first);
}

static void a_clean_start_forgets_ids(void **state)
{
    struct sn_stage *stage = *state;
    struct device *device = sn_client(stage, "one", 0, false);
    uint16_t id = sn_registers(device, "a/b");
    sn_says(device, M(SN_DISCONNECT, .empty = true));
    sn_hears(device, M(SN_DISCONNECT, .empty = true));
    sn_connects(device, "one", SN_CLEAN);
    sn_hears(device, M(SN_CONNACK));
    sn_says(device, M(SN_PUBLISH, .flags = QOS(1), .topic_id = id, .msg_id = 5));
    sn_hears(device, M(SN_PUBACK, .topic_id = id, .msg_id = 5, .code = SN_INVALID_TOPIC_ID));
}

/* ---- whose place it is ---- */

static void an_active_client_keeps_its_place_against_an_unproven_one(void **state)
{
    struct sn_stage *stage = *state;
    struct device *device = sn_client(stage, "one", 0, false);
    struct device *other = device_new(&stage->air, NULL);
    sn_connects(other, "one", 0);
    sn_hears(other, M(SN_CONNACK, .code = SN_CONGESTION));
    sn_hears_nothing(device);
    assert_null(other->peer);
    stage->options.takeover = true;
    sn_connects(other, "one", 0);
    sn_hears(other, M(SN_CONNACK));
    assert_null(device->peer);
    assert_int_equal(broker_stats(stage->air.broker)->clients_connected, 1);
}

/* The will is told in more than one datagram: meanwhile somebody else may have come. */
static void a_place_that_was_free_at_connect_may_be_taken_at_the_end_of_the_dialogue(void **state)
{
    struct sn_stage *stage = *state;
    struct device *slow = device_new(&stage->air, NULL);
    sn_connects(slow, "one", SN_CLEAN | SN_WILL);
    sn_hears(slow, M(SN_WILLTOPICREQ));
    struct device *device = sn_client(stage, "one", SN_CLEAN, false);
    sn_says(slow, M(SN_WILLTOPIC, STR("w")));
    sn_hears(slow, M(SN_WILLMSGREQ));
    sn_says(slow, M(SN_WILLMSG, STR("gone")));
    sn_hears(slow, M(SN_CONNACK, .code = SN_CONGESTION));
    sn_hears_nothing(device);
    assert_non_null(device->peer);
}

static enum sink_answer takes(struct sink *sink, const struct delivery *d)
{
    (void)sink;
    (void)d;
    return SINK_TAKEN;
}

static void a_client_of_another_protocol_keeps_its_place_as_well(void **state)
{
    static const struct sink_verbs verbs = {.deliver = takes};
    struct sn_stage *stage = *state;
    struct identity *nobody = identity_new(SLICE_EMPTY, true);
    struct sink sink = {.verbs = &verbs};
    struct session *session;
    bool present;
    struct connect_request request = {.client_id = SLICE("one"),
                                      .identity = nobody,
                                      .mountpoint = "",
                                      .protocol = "mqtt",
                                      .clean_start = true,
                                      .receive_maximum = 1,
                                      .inbound_maximum = 1};
    assert_int_equal(broker_connect(stage->air.broker, &request, &sink, &session, &present),
                     VERDICT_OK);
    struct device *device = device_new(&stage->air, NULL);
    sn_connects(device, "one", SN_CLEAN);
    sn_hears(device, M(SN_CONNACK, .code = SN_CONGESTION));
    broker_disconnect(stage->air.broker, session, DEPART_CLEANLY);
    sn_connects(device, "one", SN_CLEAN);
    sn_hears(device, M(SN_CONNACK));
    identity_unref(nobody);
}

static void who_has_proven_its_name_takes_its_own_place(void **state)
{
    struct sn_stage *stage = *state;
    struct device *device = sn_client(stage, "one", 0, true);
    struct device *other = sn_client(stage, "one", 0, true);
    sn_hears(device, M(SN_DISCONNECT, .empty = true));
    assert_non_null(other->peer);
}

static void nobody_takes_the_place_of_who_has_proven_another_name(void **state)
{
    struct sn_stage *stage = *state;
    struct device *device = sn_client(stage, "one", 0, true);
    struct device *other = device_new(&stage->air, NULL);
    stage->options.takeover = true;
    sn_connects(other, "one", SN_CLEAN);
    sn_hears(other, M(SN_CONNACK, .code = SN_NOT_SUPPORTED));
    sn_hears_nothing(device);
    assert_non_null(sn_of("one"));
}

/* ---- wills ---- */

static struct device *with_will(struct sn_stage *stage, const char *id, uint8_t flags)
{
    struct device *device = device_new(&stage->air, NULL);
    sn_connects(device, id, flags | SN_WILL);
    sn_hears(device, M(SN_WILLTOPICREQ));
    sn_says(device, M(SN_WILLTOPIC, .flags = QOS(1) | SN_RETAIN, STR("wills/one")));
    sn_hears(device, M(SN_WILLMSGREQ));
    sn_says(device, M(SN_WILLMSG, STR("gone")));
    sn_hears(device, M(SN_CONNACK));
    return device;
}

/* What is retained under a topic, "" for nothing. */
static struct slice retained(struct sn_stage *stage, const char *topic)
{
    struct identity *anybody = identity_new(SLICE_EMPTY, true);
    struct principal *who = principal_new(anybody, SLICE("reader"), 0);
    struct message *message = NULL;
    assert_int_equal(broker_latest(stage->air.broker, who, "", slice_of_str(topic), &message),
                     VERDICT_OK);
    principal_unref(who);
    identity_unref(anybody);
    return message ? message_payload(message) : SLICE_EMPTY;
}

static void a_long_will_needs_a_proven_address(void **state)
{
    static uint8_t long_text[4096 - sizeof "wills/one" + 2];
    struct sn_stage *stage = *state;
    memset(long_text, 'w', sizeof long_text);
    struct slice much = slice_of(long_text, sizeof long_text);
    for (int how = 0; how < 3; how++) {
        struct device *device = device_new(&stage->air, how == 2 ? stage->sensor : NULL);
        sn_connects(device, "one", SN_CLEAN | SN_WILL);
        sn_hears(device, M(SN_WILLTOPICREQ));
        sn_says(device, M(SN_WILLTOPIC, STR("wills/one")));
        sn_hears(device, M(SN_WILLMSGREQ));
        sn_says(device, M(SN_WILLMSG, .text = how == 1 ? slice_of(much.at, much.len - 1) : much));
        sn_hears(device, M(SN_CONNACK, .code = how ? SN_ACCEPTED : SN_NOT_SUPPORTED));
        assert_true((device->peer != NULL) == (how > 0));
        if (how == 1) {
            sn_says(device, M(SN_WILLMSGUPD, .text = much));
            sn_hears(device, M(SN_WILLMSGRESP, .code = SN_NOT_SUPPORTED));
            device->verified = true;
            sn_says(device, M(SN_WILLMSGUPD, .text = much));
            sn_hears(device, M(SN_WILLMSGRESP));
        }
        if (device->peer)
            sn_says(device, M(SN_DISCONNECT, .empty = true));
    }
}

static void a_lost_clients_will_is_said(void **state)
{
    struct sn_stage *stage = *state;
    struct device *device = with_will(stage, "one", SN_CLEAN);
    air_wait(&stage->air, 89000); /* 1.5 times 60 s */
    assert_non_null(device->peer);
    assert_int_equal(retained(stage, "wills/one").len, 0);
    air_wait(&stage->air, 2000);
    assert_null(device->peer);
    assert_true(slice_equal(retained(stage, "wills/one"), SLICE("gone")));
    assert_true(air_logged(&stage->air, "lost: keep-alive expired"));
}

static void a_client_that_says_goodbye_takes_its_will_along(void **state)
{
    struct sn_stage *stage = *state;
    struct device *device = with_will(stage, "one", SN_CLEAN);
    sn_says(device, M(SN_DISCONNECT, .empty = true));
    sn_hears(device, M(SN_DISCONNECT, .empty = true));
    air_wait(&stage->air, 1000);
    assert_int_equal(retained(stage, "wills/one").len, 0);
}

static void the_dialogue_may_be_repeated_at_every_step(void **state)
{
    struct sn_stage *stage = *state;
    struct device *device = device_new(&stage->air, NULL);
    for (int i = 0; i < 2; i++) {
        sn_connects(device, "one", SN_WILL);
        sn_hears(device, M(SN_WILLTOPICREQ));
    }
    sn_says(device, M(SN_WILLMSG, STR("too early")));
    sn_hears_nothing(device);
    for (int i = 0; i < 2; i++) {
        sn_says(device, M(SN_WILLTOPIC, STR("wills/one")));
        sn_hears(device, M(SN_WILLMSGREQ));
    }
    for (int i = 0; i < 2; i++) {
        sn_says(device, M(SN_WILLMSG, STR("gone")));
        sn_hears(device, M(SN_CONNACK));
    }
    assert_int_equal(broker_stats(stage->air.broker)->connects, 1);
    assert_int_equal(stage->air.peers, 1);
}

static void a_dialogue_that_is_not_finished_ends_by_itself(void **state)
{
    struct sn_stage *stage = *state;
    struct device *device = device_new(&stage->air, NULL);
    sn_connects(device, "one", SN_WILL);
    sn_hears(device, M(SN_WILLTOPICREQ));
    assert_non_null(device->peer);
    air_wait(&stage->air, 51000);
    assert_null(device->peer);
    assert_int_equal(broker_stats(stage->air.broker)->sessions, 0);
}

static void an_empty_will_topic_means_no_will(void **state)
{
    struct sn_stage *stage = *state;
    struct device *device = device_new(&stage->air, NULL);
    sn_connects(device, "one", SN_WILL);
    sn_hears(device, M(SN_WILLTOPICREQ));
    sn_says(device, M(SN_WILLTOPIC, .empty = true));
    sn_hears(device, M(SN_CONNACK));
}

static void a_will_that_is_none_is_refused(void **state)
{
    struct sn_stage *stage = *state;
    struct device *device = device_new(&stage->air, NULL);
    sn_connects(device, "one", SN_WILL);
    sn_hears(device, M(SN_WILLTOPICREQ));
    sn_says(device, M(SN_WILLTOPIC, STR("wills/#")));
    sn_hears(device, M(SN_WILLMSGREQ));
    sn_says(device, M(SN_WILLMSG));
    sn_hears(device, M(SN_CONNACK, .code = SN_NOT_SUPPORTED));
    assert_null(device->peer);
    assert_int_equal(broker_stats(stage->air.broker)->sessions, 0);
}

static void a_will_is_kept_over_a_connect_without_will_flag(void **state)
{
    struct sn_stage *stage = *state;
    struct device *device = with_will(stage, "one", 0);
    sn_says(device, M(SN_DISCONNECT, .empty = true));
    sn_hears(device, M(SN_DISCONNECT, .empty = true));
    sn_connects(device, "one", 0);
    sn_hears(device, M(SN_CONNACK));
    device_lose(device, "gone");
    air_wait(&stage->air, 1000);
    assert_true(slice_equal(retained(stage, "wills/one"), SLICE("gone")));
}

static void a_clean_start_without_will_flag_forgets_the_will(void **state)
{
    struct sn_stage *stage = *state;
    struct device *device = with_will(stage, "one", 0);
    sn_says(device, M(SN_DISCONNECT, .empty = true));
    sn_hears(device, M(SN_DISCONNECT, .empty = true));
    sn_connects(device, "one", SN_CLEAN);
    sn_hears(device, M(SN_CONNACK));
    device_lose(device, "gone");
    air_wait(&stage->air, 1000);
    assert_int_equal(retained(stage, "wills/one").len, 0);
}

static void a_will_may_change_while_the_client_is_there(void **state)
{
    struct sn_stage *stage = *state;
    struct device *device = with_will(stage, "one", 0);
    sn_says(device, M(SN_WILLMSGUPD, STR("really gone")));
    sn_hears(device, M(SN_WILLMSGRESP));
    sn_says(device, M(SN_WILLTOPICUPD, .flags = SN_RETAIN, STR("wills/other")));
    sn_hears(device, M(SN_WILLTOPICRESP));
    sn_says(device, M(SN_WILLTOPICUPD, STR("wills/+")));
    sn_hears(device, M(SN_WILLTOPICRESP, .code = SN_NOT_SUPPORTED));
    device_lose(device, "gone");
    air_wait(&stage->air, 1000);
    assert_int_equal(retained(stage, "wills/one").len, 0);
    assert_true(slice_equal(retained(stage, "wills/other"), SLICE("really gone")));
}

/* Regression: WILLMSGUPD of a client without a will has crashed a gateway. */
static void a_will_may_come_late_and_go(void **state)
{
    struct sn_stage *stage = *state;
    struct device *device = sn_client(stage, "one", SN_CLEAN, false);
    sn_says(device, M(SN_WILLMSGUPD, STR("no topic")));
    sn_hears(device, M(SN_WILLMSGRESP, .code = SN_NOT_SUPPORTED));
    sn_says(device, M(SN_WILLTOPICUPD, .flags = SN_RETAIN, STR("wills/late")));
    sn_hears(device, M(SN_WILLTOPICRESP));
    sn_says(device, M(SN_WILLMSGUPD, STR("here")));
    sn_hears(device, M(SN_WILLMSGRESP));
    sn_says(device, M(SN_WILLTOPICUPD, .empty = true));
    sn_hears(device, M(SN_WILLTOPICRESP));
    device_lose(device, "gone");
    air_wait(&stage->air, 1000);
    assert_int_equal(retained(stage, "wills/late").len, 0);
}

/* ---- forwarders ---- */

static void clients_behind_one_forwarder_are_told_apart(void **state)
{
    struct sn_stage *stage = *state;
    struct device *forwarder = device_new(&stage->air, stage->sensor);
    const char *nodes[] = {"a", "bb"};
    for (int i = 0; i < 2; i++) {
        sn_node_says(forwarder, nodes[i],
                     M(SN_CONNECT, .flags = SN_CLEAN, .protocol_id = 1, .duration_s = 60,
                       .text = slice_of_str(nodes[i])));
        sn_node_hears(forwarder, nodes[i], M(SN_CONNACK));
        sn_node_says(forwarder, nodes[i], M(SN_SUBSCRIBE, .msg_id = 1, STR("down")));
        sn_node_hears(forwarder, nodes[i], M(SN_SUBACK, .topic_id = 2, .msg_id = 1));
    }
    assert_int_equal(stage->air.peers, 1);
    sn_published(stage, "down", "x", 0);
    /* in whatever order */
    struct sn_packet one = sn_next(forwarder), two = sn_next(forwarder);
    assert_int_equal(one.type, SN_PUBLISH);
    assert_int_equal(two.type, SN_PUBLISH);
    sn_node_says(forwarder, "a", M(SN_DISCONNECT, .empty = true));
    sn_node_hears(forwarder, "a", M(SN_DISCONNECT, .empty = true));
    assert_non_null(forwarder->peer);
    sn_published(stage, "down", "y", 0);
    sn_node_hears(forwarder, "bb", M(SN_PUBLISH, .topic_id = 2, STR("y")));
    sn_node_says(forwarder, "a", M(SN_PINGREQ));
    sn_node_hears(forwarder, "a", M(SN_DISCONNECT, .empty = true));
    sn_says(forwarder, M(SN_PINGREQ)); /* the forwarder itself is nobody */
    sn_hears(forwarder, M(SN_DISCONNECT, .empty = true));
    air_wait(&stage->air, 91000);
    assert_null(forwarder->peer);
}

static void a_forwarder_has_so_many_clients_and_no_more(void **state)
{
    struct sn_stage *stage = *state;
    struct device *forwarder = device_new(&stage->air, stage->sensor);
    stage->options.nodes = 2;
    const char *nodes[] = {"a", "b", "c"};
    for (int i = 0; i < 3; i++) {
        sn_node_says(forwarder, nodes[i],
                     M(SN_CONNECT, .protocol_id = 1, .text = slice_of_str(nodes[i])));
        sn_node_hears(forwarder, nodes[i],
                      M(SN_CONNACK, .code = i < 2 ? SN_ACCEPTED : SN_CONGESTION));
    }
}

/* ---- how much is kept for who has proven nothing ---- */

static void names_that_are_too_long_to_be_kept_are_refused(void **state)
{
    struct sn_stage *stage = *state;
    struct device *device = sn_client(stage, "one", SN_CLEAN, false);
    static char text[1500];
    stage->air.limits.topic_length = sizeof text - 1;
    memset(text, 'x', sizeof text);
    sn_says(device, M(SN_CONNECT, .protocol_id = 1, .flags = SN_WILL, .text = slice_of(text, 513)));
    sn_hears(device, M(SN_CONNACK, .code = SN_NOT_SUPPORTED));
    sn_says(device, M(SN_CONNECT, .protocol_id = 1, .flags = SN_WILL, .text = slice_of(text, 512)));
    sn_hears(device, M(SN_WILLTOPICREQ));
    sn_says(device, M(SN_WILLTOPIC, .text = slice_of(text, sizeof text)));
    sn_hears(device, M(SN_CONNACK, .code = SN_NOT_SUPPORTED));
    assert_null(sn_of("one"));
}

static void an_unproven_address_gets_ids_for_some_names_only(void **state)
{
    struct sn_stage *stage = *state;
    struct device *device = sn_client(stage, "one", SN_CLEAN, false);
    char name[1000];
    struct sn_packet answer = {.code = SN_ACCEPTED};
    size_t given = 0;
    memset(name, 'x', sizeof name);
    for (; given < 100 && answer.code == SN_ACCEPTED; given++) {
        name[0] = (char)('0' + given);
        sn_says(device, M(SN_REGISTER, .msg_id = 2, .text = slice_of(name, sizeof name)));
        answer = sn_next(device);
        assert_int_equal(answer.type, SN_REGACK);
    }
    assert_int_equal(answer.code, SN_CONGESTION);
    assert_int_equal(given, 6);
    peer_verify(sn_of("one")->gate->peer);
    sn_says(device, M(SN_REGISTER, .msg_id = 3, .text = slice_of(name, sizeof name)));
    answer = sn_next(device);
    assert_int_equal(answer.type, SN_REGACK);
    assert_int_equal(answer.code, SN_ACCEPTED);
}

#define T(name) cmocka_unit_test_setup_teardown(name, sn_setup, sn_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_client_connects_and_disconnects),
        T(nothing_remains_of_a_stranger_who_is_refused),
        T(what_is_wrong_with_connect_is_refused),
        T(who_has_proven_a_name_may_leave_its_id_out),
        T(a_connect_that_comes_twice_is_answered_twice_and_changes_nothing),
        T(a_second_connect_while_active_begins_anew),
        T(a_session_without_clean_flag_keeps_subscriptions_and_ids),
        T(a_clean_start_forgets_ids),
        T(an_active_client_keeps_its_place_against_an_unproven_one),
        T(a_place_that_was_free_at_connect_may_be_taken_at_the_end_of_the_dialogue),
        T(a_client_of_another_protocol_keeps_its_place_as_well),
        T(who_has_proven_its_name_takes_its_own_place),
        T(nobody_takes_the_place_of_who_has_proven_another_name),
        T(a_long_will_needs_a_proven_address),
        T(a_lost_clients_will_is_said),
        T(a_client_that_says_goodbye_takes_its_will_along),
        T(the_dialogue_may_be_repeated_at_every_step),
        T(a_dialogue_that_is_not_finished_ends_by_itself),
        T(an_empty_will_topic_means_no_will),
        T(a_will_that_is_none_is_refused),
        T(a_will_is_kept_over_a_connect_without_will_flag),
        T(a_clean_start_without_will_flag_forgets_the_will),
        T(a_will_may_change_while_the_client_is_there),
        T(a_will_may_come_late_and_go),
        T(clients_behind_one_forwarder_are_told_apart),
        T(a_forwarder_has_so_many_clients_and_no_more),
        T(names_that_are_too_long_to_be_kept_are_refused),
        T(an_unproven_address_gets_ids_for_some_names_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
