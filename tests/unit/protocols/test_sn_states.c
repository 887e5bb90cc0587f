/* Tests what MQTT-SN does with every message in every state, and with noise. */
#include "sn_stage.h"

#include "base/random.h"
#include "protocols/mqtt_sn/encode.h"

#include <stdlib.h>
#include <string.h>

enum situation { NOBODY, CONNECTING, ACTIVE, ASLEEP, AWAKE, SITUATIONS };

static const char *const situation_names[] = {"nobody", "connecting", "active", "asleep", "awake"};

/* One message of each type, and what is answered in each state: a type, or 0xff for silence. */
#define __ 0xff
#define DC SN_DISCONNECT
static const struct {
    struct sn_packet packet;
    uint8_t answers[SITUATIONS];
} rows[] = {
    /*                                                     nobody conn. active asleep awake */
    {{.type = SN_ADVERTISE}, {__, __, __, __, __}},
    {{.type = SN_SEARCHGW}, {__, __, __, __, __}},
    {{.type = SN_GWINFO}, {__, __, __, __, __}},
    {{.type = SN_CONNECT, .protocol_id = 1, STR("dev")},
     {SN_CONNACK, SN_CONNACK, SN_CONNACK, SN_CONNACK, SN_CONNACK}},
    {{.type = SN_CONNECT, .protocol_id = 1, .flags = SN_CLEAN | SN_WILL, STR("dev")},
     {SN_WILLTOPICREQ, SN_WILLTOPICREQ, SN_WILLTOPICREQ, SN_WILLTOPICREQ, SN_WILLTOPICREQ}},
    {{.type = SN_CONNACK}, {__, __, __, __, __}},
    {{.type = SN_WILLTOPICREQ}, {__, __, __, __, __}},
    {{.type = SN_WILLTOPIC, STR("w")}, {__, SN_WILLMSGREQ, __, __, __}},
    {{.type = SN_WILLTOPIC, .empty = true}, {__, SN_CONNACK, __, __, __}},
    {{.type = SN_WILLMSGREQ}, {__, __, __, __, __}},
    {{.type = SN_WILLMSG, STR("m")}, {__, __, __, __, __}},
    {{.type = SN_REGISTER, .msg_id = 1, STR("r")}, {DC, __, SN_REGACK, SN_REGACK, SN_REGACK}},
    {{.type = SN_REGACK, .topic_id = 1, .msg_id = 1}, {DC, __, __, __, __}},
    {{.type = SN_PUBLISH, .flags = SN_ID_SHORT, .topic_id = 0x6161}, {DC, __, __, __, __}},
    {{.type = SN_PUBLISH, .flags = QOS(1) | SN_ID_SHORT, .topic_id = 0x6161, .msg_id = 1},
     {DC, __, SN_PUBACK, SN_PUBACK, SN_PUBACK}},
    {{.type = SN_PUBLISH, .flags = QOS(2) | SN_ID_SHORT, .topic_id = 0x6161, .msg_id = 1},
     {DC, __, SN_PUBREC, SN_PUBREC, SN_PUBREC}},
    {{.type = SN_PUBLISH, .flags = QOS(3) | SN_ID_SHORT, .topic_id = 0x6161}, {__, __, __, __, __}},
    {{.type = SN_PUBACK, .topic_id = 1, .msg_id = 9}, {DC, __, __, __, __}},
    {{.type = SN_PUBCOMP, .msg_id = 9}, {DC, __, __, __, __}},
    {{.type = SN_PUBREC, .msg_id = 9}, {DC, __, SN_PUBREL, SN_PUBREL, SN_PUBREL}},
    {{.type = SN_PUBREL, .msg_id = 9}, {DC, __, SN_PUBCOMP, SN_PUBCOMP, SN_PUBCOMP}},
    {{.type = SN_SUBSCRIBE, .msg_id = 1, STR("s/t")}, {DC, __, SN_SUBACK, SN_SUBACK, SN_SUBACK}},
    {{.type = SN_SUBACK}, {__, __, __, __, __}},
    {{.type = SN_UNSUBSCRIBE, .msg_id = 1, STR("s")},
     {DC, __, SN_UNSUBACK, SN_UNSUBACK, SN_UNSUBACK}},
    {{.type = SN_UNSUBACK}, {__, __, __, __, __}},
    {{.type = SN_PINGREQ}, {DC, __, SN_PINGRESP, SN_PINGRESP, __}},
    {{.type = SN_PINGREQ, STR("dev")}, {DC, __, SN_PINGRESP, SN_PUBLISH, __}},
    {{.type = SN_PINGRESP}, {__, __, __, __, __}},
    {{.type = SN_DISCONNECT, .empty = true}, {__, DC, DC, DC, DC}},
    {{.type = SN_DISCONNECT, .duration_s = 60}, {__, DC, DC, DC, DC}},
    {{.type = SN_WILLTOPICUPD, STR("w")},
     {DC, __, SN_WILLTOPICRESP, SN_WILLTOPICRESP, SN_WILLTOPICRESP}},
    {{.type = SN_WILLTOPICUPD, .empty = true},
     {DC, __, SN_WILLTOPICRESP, SN_WILLTOPICRESP, SN_WILLTOPICRESP}},
    {{.type = SN_WILLTOPICRESP}, {__, __, __, __, __}},
    {{.type = SN_WILLMSGUPD, STR("m")}, {DC, __, SN_WILLMSGRESP, SN_WILLMSGRESP, SN_WILLMSGRESP}},
    {{.type = SN_WILLMSGRESP}, {__, __, __, __, __}},
};

enum { ROWS = sizeof rows / sizeof rows[0] };

static void empty_inbox(struct device *device)
{
    while (sn_next(device).type != SN_TYPES)
        ;
}

/* A device in that situation, with nothing unheard; asleep and awake a message waits for it. */
static struct device *device_in(struct sn_stage *stage, enum situation situation, bool proven)
{
    struct device *device = device_new(&stage->air, proven ? stage->sensor : NULL);
    if (situation == NOBODY)
        return device;
    sn_connects(device, "dev", situation == CONNECTING ? SN_WILL : 0);
    if (situation == CONNECTING) {
        empty_inbox(device);
        return device;
    }
    sn_says(device,
            M(SN_SUBSCRIBE, .flags = QOS(1) | SN_ID_SHORT, .msg_id = 1, .topic_id = 0x7878));
    if (situation >= ASLEEP) {
        sn_says(device, M(SN_DISCONNECT, .duration_s = 600));
        sn_published(stage, "xx", "waits", 1);
    }
    if (situation == AWAKE)
        sn_says(device, M(SN_PINGREQ, STR("dev")));
    empty_inbox(device);
    return device;
}

/* Regression: messages out of their state have crashed gateways. */
static void every_message_in_every_state_is_answered_as_it_should_be(void **state)
{
    struct sn_stage *stage = *state;
    for (size_t i = 0; i < ROWS; i++) {
        for (int situation = NOBODY; situation < SITUATIONS; situation++) {
            struct device *device = device_in(stage, (enum situation)situation, true);
            sn_says(device, rows[i].packet);
            uint8_t got = sn_next(device).type, want = rows[i].answers[situation];
            if (got != want && !(got == SN_TYPES && want == __))
                fail_msg("%s while %s: %s instead of %s", sn_type_name(rows[i].packet.type),
                         situation_names[situation], sn_type_name(got), sn_type_name(want));
            device_lose(device, "over");
            broker_kick(stage->air.broker, SLICE("dev"), EXPEL_DENIED);
        }
    }
}

static void no_type_is_missing_from_that_table(void **state)
{
    (void)state;
    for (unsigned type = 0; type < SN_TYPES; type++) {
        bool seen = false;
        for (size_t i = 0; i < ROWS; i++)
            seen |= rows[i].packet.type == type;
        assert_int_equal(seen, strcmp(sn_type_name(type), "reserved type") != 0);
    }
}

static unsigned count_inbox(struct device *device)
{
    unsigned count = 0;
    while (sn_next(device).type != SN_TYPES)
        count++;
    return count;
}

/* From an address that has proven nothing, with retained values and messages to be had: one
 * datagram at once where one is due, at most one more when a second is over, and three times the
 * bytes over all. */
static void no_message_in_any_state_is_answered_with_more_than_it_may_be(void **state)
{
    struct sn_stage *stage = *state;
    static const char *const topics[] = {"s/t", "xx", "aa"};
    struct device *publisher = sn_client(stage, "publisher", SN_CLEAN, true);
    for (uint8_t i = 0; i < 3; i++)
        sn_says(publisher, M(SN_PUBLISH, .flags = SN_RETAIN,
                             .topic_id = sn_registers(publisher, topics[i]), STR("on")));
    for (size_t i = 0; i < ROWS; i++) {
        for (int situation = NOBODY; situation < SITUATIONS; situation++) {
            struct device *device = device_in(stage, (enum situation)situation, false);
            sn_says(device, rows[i].packet);
            for (unsigned j = 0; j < 3; j++)
                sn_published(stage, topics[j], "live", 1);
            air_wait(&stage->air, 900);
            unsigned at_once = count_inbox(device);
            if (at_once > 1 || (at_once == 0 && rows[i].answers[situation] != __))
                fail_msg("%s while %s: %u datagrams", sn_type_name(rows[i].packet.type),
                         situation_names[situation], at_once);
            air_wait(&stage->air, 2000);
            sn_published(stage, "s/t", "later", 0);
            air_wait(&stage->air, 30000);
            if (count_inbox(device) > 1)
                fail_msg("%s while %s: more than one later", sn_type_name(rows[i].packet.type),
                         situation_names[situation]);
            assert_true(device->sent <= 3 * device->received);
            device_lose(device, "over");
            broker_kick(stage->air.broker, SLICE("dev"), EXPEL_DENIED);
        }
    }
}

/* Every message, cut everywhere, in every state: nothing that is not there is looked at (the
 * sanitizers watch), nobody is harmed. */
static void a_cut_message_in_any_state_does_no_harm(void **state)
{
    struct sn_stage *stage = *state;
    for (int situation = NOBODY; situation < SITUATIONS; situation++) {
        struct device *device = device_in(stage, (enum situation)situation, true);
        const struct sn_connection *c = sn_of("dev");
        for (size_t i = 0; i < ROWS; i++) {
            uint8_t bytes[64];
            struct writer w = writer_of(bytes, sizeof bytes);
            sn_encode(&w, &rows[i].packet);
            for (size_t len = 0; len < writer_len(&w); len++)
                device_say(device, slice_of(bytes, len));
        }
        sn_hears_nothing(device);
        assert_ptr_equal(sn_of("dev"), c);
        device_lose(device, "over");
        broker_kick(stage->air.broker, SLICE("dev"), EXPEL_DENIED);
    }
}

static void noise_is_counted_and_not_answered(void **state)
{
    struct sn_stage *stage = *state;
    struct device *device = device_new(&stage->air, NULL);
    uint64_t errors = broker_stats(stage->air.broker)->protocol_errors;
    const char *noise[] = {"",         "\x02",        "\x02\x03", "GET / HTTP/1.1\r\n\r\n",
                           "\x04\xfe", "\x03\xfe\x01"};
    for (size_t i = 0; i < sizeof noise / sizeof noise[0]; i++)
        sn_says_bytes(device, noise[i], strlen(noise[i]));
    sn_hears_nothing(device);
    assert_null(device->peer);
    assert_int_equal(broker_stats(stage->air.broker)->protocol_errors - errors, 6);
}

/* Two gateways must not be made to talk to each other for ever. */
static void what_siotd_sends_is_not_answered_by_another_siotd(void **state)
{
    struct sn_stage *stage = *state;
    const uint8_t answers[] = {SN_ADVERTISE,  SN_GWINFO,        SN_CONNACK,    SN_WILLTOPICREQ,
                               SN_WILLMSGREQ, SN_SUBACK,        SN_UNSUBACK,   SN_PINGRESP,
                               SN_DISCONNECT, SN_WILLTOPICRESP, SN_WILLMSGRESP};
    struct device *device = device_new(&stage->air, NULL);
    for (size_t i = 0; i < sizeof answers; i++) {
        sn_says(device, M(answers[i], .empty = answers[i] == SN_DISCONNECT));
        sn_hears_nothing(device);
    }
}

static void searchgw_is_answered_once_a_second_where_it_is_switched_on(void **state)
{
    struct sn_stage *stage = *state;
    struct device *device = device_new(&stage->air, NULL);
    stage->options.search_gateway = true;
    stage->options.gateway_id = 7;
    air_wait(&stage->air, 5000);
    sn_says(device, M(SN_SEARCHGW));
    sn_hears(device, M(SN_GWINFO, .gateway_id = 7));
    sn_says(device, M(SN_SEARCHGW));
    sn_hears_nothing(device);
    air_wait(&stage->air, 1100);
    sn_says(device, M(SN_SEARCHGW));
    sn_hears(device, M(SN_GWINFO, .gateway_id = 7));
}

static void advertise_reaches_who_is_connected_and_awake(void **state)
{
    struct sn_stage *stage = *state;
    stage->options.advertise = 20000;
    struct device *device = sn_client(stage, "one", 0, true);
    air_wait(&stage->air, 20100);
    sn_hears(device, M(SN_ADVERTISE, .gateway_id = 1, .duration_s = 20));
    sn_hears_nothing(device);
    sn_says(device, M(SN_DISCONNECT, .duration_s = 600));
    sn_hears(device, M(SN_DISCONNECT, .empty = true));
    air_wait(&stage->air, 60000);
    sn_hears_nothing(device);
}

static void who_listens_is_told_when_siotd_stops(void **state)
{
    struct sn_stage *stage = *state;
    struct device *device = sn_client(stage, "one", 0, true);
    air_stop(&stage->air);
    sn_hears(device, M(SN_DISCONNECT, .empty = true));
}

static void whose_right_has_ended_is_told_and_closed(void **state)
{
    struct sn_stage *stage = *state;
    struct device *device = sn_client(stage, "one", 0, true);
    assert_true(broker_kick(stage->air.broker, SLICE("one"), EXPEL_DENIED));
    air_turn(&stage->air);
    sn_hears(device, M(SN_DISCONNECT, .empty = true));
    assert_null(device->peer);
}

/* Out of memory costs the peer, never the daemon. */
static void no_memory_for_an_answer_costs_the_peer(void **state)
{
    struct sn_stage *stage = *state;
    struct device *device = sn_client(stage, "one", 0, true);
    stage->air.out_of_memory = true;
    sn_says(device, M(SN_PINGREQ));
    stage->air.out_of_memory = false;
    assert_null(device->peer);
    assert_null(sn_of("one"));
}

#define T(name) cmocka_unit_test_setup_teardown(name, sn_setup, sn_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(every_message_in_every_state_is_answered_as_it_should_be),
        T(no_type_is_missing_from_that_table),
        T(no_message_in_any_state_is_answered_with_more_than_it_may_be),
        T(a_cut_message_in_any_state_does_no_harm),
        T(noise_is_counted_and_not_answered),
        T(what_siotd_sends_is_not_answered_by_another_siotd),
        T(searchgw_is_answered_once_a_second_where_it_is_switched_on),
        T(advertise_reaches_who_is_connected_and_awake),
        T(who_listens_is_told_when_siotd_stops),
        T(whose_right_has_ended_is_told_and_closed),
        T(no_memory_for_an_answer_costs_the_peer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
