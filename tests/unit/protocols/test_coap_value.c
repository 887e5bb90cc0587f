/* Tests protocols/coap/value.c: the simple road, a topic as a resource. */
#include "coap_stage.h"

#include "protocols/coap/format.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static int setup(void **state)
{
    struct stage *stage = malloc(sizeof *stage);
    if (!stage)
        return -1;
    stage_init(stage);
    *state = stage;
    return 0;
}

static int teardown(void **state)
{
    stage_clear(*state);
    free(*state);
    return 0;
}

#define PATH "ps/sensors/hall/temperature"

static void a_put_is_published_retained_at_qos_1(void **state)
{
    struct stage *stage = *state;
    struct device *device = device_new(&stage->air, NULL);
    struct reply r =
        ask(device,
            (struct ask){.code = COAP_PUT, .path = PATH, .token = "ab", .payload = SLICE("22")});
    assert_true(r.any);
    assert_code(r, "2.01");
    assert_int_equal(r.type, COAP_ACK);
    assert_true(slice_equal(r.token, SLICE("ab")));
    assert_int_equal(stage->ear.count, 1);
    assert_string_equal(stage->ear.topic, "sensors/hall/temperature");
    assert_string_equal(stage->ear.payload, "22");
    assert_int_equal(stage->ear.qos, 1);
    assert_true(stage->ear.retain);
    r = ask(device, (struct ask){.code = COAP_PUT, .path = PATH, .payload = SLICE("23")});
    assert_code(r, "2.04");
    assert_int_equal(stage->air.peers, 0); /* nothing is remembered of a mere publisher */
}

static void a_non_confirmable_put_is_qos_0_and_answered_likewise(void **state)
{
    struct stage *stage = *state;
    struct device *device = device_new(&stage->air, NULL);
    struct reply r = ask(device, (struct ask){.code = COAP_PUT,
                                              .non = true,
                                              .id = 7,
                                              .token = "t",
                                              .path = PATH,
                                              .payload = SLICE("22")});
    assert_code(r, "2.01");
    assert_int_equal(r.type, COAP_NON);
    assert_true(slice_equal(r.token, SLICE("t")));
    assert_int_equal(stage->ear.qos, 0);
    assert_true(stage->ear.retain);
}

static void a_post_is_an_event_that_is_not_kept(void **state)
{
    struct stage *stage = *state;
    struct device *device = device_new(&stage->air, NULL);
    struct reply r =
        ask(device, (struct ask){.code = COAP_POST, .path = "ps/door", .payload = SLICE("open")});
    assert_code(r, "2.04");
    assert_int_equal(stage->ear.count, 1);
    assert_false(stage->ear.retain);
    r = ask(device, (struct ask){.code = COAP_GET, .path = "ps/door"});
    assert_code(r, "4.04");
}

static void a_get_reads_what_mqtt_has_retained(void **state)
{
    struct stage *stage = *state;
    struct device *device = device_new(&stage->air, NULL);
    stage_publish(stage, "sensors/hall/temperature", "21.5", 0, true, NULL);
    struct reply r = ask(device, (struct ask){.code = COAP_GET, .path = PATH});
    assert_code(r, "2.05");
    assert_payload(r, "21.5");
    assert_int_equal(r.format, COAP_NO_FORMAT);
    assert_false(r.has_max_age);
    r = ask(device, (struct ask){.code = COAP_GET, .path = "ps/other"});
    assert_code(r, "4.04");
}

static void a_delete_removes_the_value(void **state)
{
    struct stage *stage = *state;
    struct device *device = device_new(&stage->air, NULL);
    stage_publish(stage, "a", "x", 1, true, NULL);
    assert_code(ask(device, (struct ask){.code = COAP_DELETE, .path = "ps/a"}), "2.02");
    assert_int_equal(stage->ear.payload_len, 0);
    assert_true(stage->ear.retain);
    assert_code(ask(device, (struct ask){.code = COAP_GET, .path = "ps/a"}), "4.04");
    unsigned count = stage->ear.count;
    assert_code(ask(device, (struct ask){.code = COAP_DELETE, .path = "ps/a"}), "2.02");
    assert_int_equal(stage->ear.count, count); /* nothing was there to remove */
}

static void a_repeated_request_is_obeyed_once_and_answered_twice(void **state)
{
    struct stage *stage = *state;
    struct device *device = device_new(&stage->air, NULL);
    struct ask put = {.code = COAP_PUT, .id = 77, .path = PATH, .payload = SLICE("22")};
    for (int i = 0; i < 3; i++) {
        struct reply r = ask(device, put);
        assert_code(r, "2.01");
        assert_int_equal(r.type, COAP_ACK);
        assert_int_equal(r.id, 77);
    }
    assert_int_equal(stage->ear.count, 1);
    /* The same id from elsewhere is another request. */
    assert_code(ask(device_new(&stage->air, NULL), put), "2.04");
    assert_int_equal(stage->ear.count, 2);
    air_wait(&stage->air, 246 * 1000);
    assert_code(ask(device, put), "2.01");
    assert_int_equal(stage->ear.count, 2);
    air_wait(&stage->air, 3 * 1000); /* EXCHANGE_LIFETIME is over */
    assert_code(ask(device, put), "2.04");
    assert_int_equal(stage->ear.count, 3);
}

/* Nor is somebody answered for what another has said from his address. */
static void who_counts_ids_anew_is_not_taken_for_one_who_repeats_himself(void **state)
{
    struct stage *stage = *state;
    struct device *device = device_new(&stage->air, NULL);
    struct ask put = {.code = COAP_PUT, .id = 1, .path = PATH, .payload = SLICE("21.5")};
    assert_code(ask(device, put), "2.01");
    put.payload = SLICE("21.6"); /* after a reset */
    assert_code(ask(device, put), "2.04");
    assert_int_equal(stage->ear.count, 2);
    put.path = "ps/other";
    assert_code(ask(device, put), "2.01");
    put.code = COAP_DELETE;
    put.payload = SLICE_EMPTY;
    assert_code(ask(device, put), "2.02");
    assert_code(ask(device, put), "2.02");
    assert_int_equal(stage->ear.count, 4);
}

static void a_refusal_is_repeated_as_well(void **state)
{
    struct stage *stage = *state;
    struct device *device = device_new(&stage->air, NULL);
    struct ask post = {.code = COAP_POST, .id = 5, .path = "ps/a/+/b", .payload = SLICE("x")};
    assert_code(ask(device, post), "4.00");
    assert_code(ask(device, post), "4.00");
    assert_int_equal(stage->ear.count, 0);
}

static void a_repeated_refusal_says_again_how_long_to_wait_and_how_much_is_taken(void **state)
{
    struct stage *stage = *state;
    struct device *device = device_new(&stage->air, NULL);
    struct ask put = {.code = COAP_PUT, .id = 5, .path = "ps/a", .payload = SLICE("0123456789")};
    struct reply r;
    stage->air.limits.retained_messages = 0;
    for (int i = 0; i < 2; i++) {
        assert_code(r = ask(device, put), "4.29");
        assert_true(r.has_max_age && r.max_age == 5);
    }
    stage->air.limits.packet_size = 10;
    put.id = 6;
    for (int i = 0; i < 2; i++) {
        assert_code(r = ask(device, put), "4.13");
        assert_true(r.has_size1 && r.size1 == 10);
    }
}

static void exchanges_are_bounded_and_the_oldest_are_forgotten(void **state)
{
    struct stage *stage = *state;
    struct device *device = device_new(&stage->air, NULL);
    stage->options.exchanges = 256;
    for (uint16_t id = 1; id <= 300; id++)
        ask(device,
            (struct ask){.code = COAP_POST, .id = id, .path = "ps/a", .payload = SLICE("x")});
    assert_int_equal(stage->ear.count, 300);
    for (uint16_t id = 45; id <= 300; id++)
        ask(device,
            (struct ask){.code = COAP_POST, .id = id, .path = "ps/a", .payload = SLICE("x")});
    assert_int_equal(stage->ear.count, 300);
    ask(device, (struct ask){.code = COAP_POST, .id = 44, .path = "ps/a", .payload = SLICE("x")});
    assert_int_equal(stage->ear.count, 301);
}

static void formats_go_both_ways(void **state)
{
    static const struct {
        unsigned format;
        const char *type;
    } rows[] = {{0, "text/plain"},
                {40, "application/link-format"},
                {42, "application/octet-stream"},
                {50, "application/json"},
                {60, "application/cbor"},
                {112, "application/senml+cbor"},
                {11542, "application/x-coap;ct=11542"},
                {65535, "application/x-coap;ct=65535"}};
    struct stage *stage = *state;
    struct device *device = device_new(&stage->air, NULL);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        size_t len = strlen(rows[i].type);
        ask(device, (struct ask){.code = COAP_PUT,
                                 .path = "ps/f",
                                 .format = rows[i].format + 1,
                                 .payload = SLICE("x")});
        assert_int_equal(stage->ear.properties_len, 3 + len);
        assert_int_equal(stage->ear.properties[0], 3);
        assert_memory_equal(stage->ear.properties + 3, rows[i].type, len);
        struct reply r = ask(device, (struct ask){.code = COAP_GET, .path = "ps/f"});
        assert_int_equal(r.format, rows[i].format);
        stage_publish(stage, "g", "x", 0, true, rows[i].type);
        r = ask(device, (struct ask){.code = COAP_GET, .path = "ps/g"});
        assert_int_equal(r.format, rows[i].format);
    }
    stage_publish(stage, "g", "x", 0, true, "Text/Plain;charset=utf-8");
    assert_int_equal(ask(device, (struct ask){.code = COAP_GET, .path = "ps/g"}).format, 0);
    stage_publish(stage, "g", "x", 0, true, "application/unheard-of");
    assert_int_equal(ask(device, (struct ask){.code = COAP_GET, .path = "ps/g"}).format,
                     COAP_NO_FORMAT);
}

static void a_format_that_is_not_accepted_is_not_sent(void **state)
{
    struct stage *stage = *state;
    struct device *device = device_new(&stage->air, NULL);
    stage_publish(stage, "j", "{}", 0, true, "application/json");
    stage_publish(stage, "u", "?", 0, true, NULL);
    assert_code(ask(device, (struct ask){.code = COAP_GET, .path = "ps/j", .accept = 61}), "4.06");
    assert_code(ask(device, (struct ask){.code = COAP_GET, .path = "ps/j", .accept = 51}), "2.05");
    /* What says nothing of its format suits whoever asks. */
    assert_code(ask(device, (struct ask){.code = COAP_GET, .path = "ps/u", .accept = 61}), "2.05");
}

static void max_age_is_message_expiry_both_ways(void **state)
{
    struct stage *stage = *state;
    struct device *device = device_new(&stage->air, NULL);
    ask(device,
        (struct ask){.code = COAP_PUT, .path = "ps/m", .max_age = 31, .payload = SLICE("x")});
    assert_int_equal(stage->ear.expires_ms, stage->air.wall_ms + 30000);
    struct reply r = ask(device, (struct ask){.code = COAP_GET, .path = "ps/m"});
    assert_true(r.has_max_age);
    assert_int_equal(r.max_age, 30);
    air_wait(&stage->air, 20000);
    r = ask(device, (struct ask){.code = COAP_GET, .path = "ps/m"});
    assert_int_equal(r.max_age, 10);
    air_wait(&stage->air, 10001);
    assert_code(ask(device, (struct ask){.code = COAP_GET, .path = "ps/m"}), "4.04");
}

static void queries_set_qos_and_retain(void **state)
{
    static const struct {
        const char *query;
        uint8_t code;
        int qos;
        bool retain;
    } rows[] = {{"qos=0", COAP_PUT, 0, true},
                {"qos=1&retain=0", COAP_PUT, 1, false},
                {"retain=true", COAP_POST, 1, true},
                {"retain=false", COAP_PUT, 1, false}};
    struct stage *stage = *state;
    struct device *device = device_new(&stage->air, NULL);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct reply r = ask(device, (struct ask){.code = rows[i].code,
                                                  .path = "ps/q",
                                                  .query = rows[i].query,
                                                  .payload = SLICE("x")});
        assert_int_equal(r.code >> 5, 2);
        assert_int_equal(stage->ear.qos, rows[i].qos);
        assert_int_equal(stage->ear.retain, rows[i].retain);
    }
}

static void credentials_in_a_query_are_refused_and_not_logged(void **state)
{
    static const char *const queries[] = {"token=s3cret",
                                          "password=s3cret",
                                          "username=ann",
                                          "qos=0&token=s3cret",
                                          "clientid=s3cret",
                                          "qos=2",
                                          "x"};
    struct stage *stage = *state;
    struct device *device = device_new(&stage->air, NULL);
    for (size_t i = 0; i < sizeof queries / sizeof queries[0]; i++) {
        struct reply r =
            ask(device,
                (struct ask){
                    .code = COAP_PUT, .path = "ps/q", .query = queries[i], .payload = SLICE("x")});
        assert_code(r, "4.00");
    }
    assert_int_equal(stage->ear.count, 0);
    assert_false(air_logged(&stage->air, "s3cret"));
}

static void paths_that_name_no_topic_are_refused(void **state)
{
    static const struct {
        const char *path, *code;
    } rows[] = {
        {"ps/a/#", "4.00"},
        {"ps/#", "4.00"},
        {"ps/a/b+c", "4.00"},
        {"ps/+/a", "4.00"},
        {"ps/..", "4.00"},
        {"ps/./a", "4.00"},
        {"ps/a/\x01", "4.00"},
        {"ps/\xff\xfe", "4.00"},
        {"ps/+0123456789", "4.04"},
        {"ps/+x", "4.04"},
        {"ps/data/+0123456789", "4.04"},
        {"other/a", "4.04"},
        {"ps/", "4.00"},
        {"", "4.04"},
        {"PS/a", "4.04"},
    };
    struct stage *stage = *state;
    struct device *device = device_new(&stage->air, NULL);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct reply r = ask(
            device, (struct ask){.code = COAP_POST, .path = rows[i].path, .payload = SLICE("x")});
        assert_true(r.any);
        assert_code(r, rows[i].code);
        r = ask(device, (struct ask){.code = COAP_GET, .path = rows[i].path});
        assert_code(r, rows[i].code);
        r = ask_verified(device,
                         (struct ask){.code = COAP_GET, .observe = REGISTER, .path = rows[i].path});
        assert_code(r, rows[i].code);
    }
    assert_int_equal(stage->ear.count, 0);
}

static void levels_are_options_and_a_slash_in_one_is_none(void **state)
{
    struct stage *stage = *state;
    struct device *device = device_new(&stage->air, NULL);
    ask(device, (struct ask){.code = COAP_POST, .path = "ps/a//b/", .payload = SLICE("x")});
    assert_string_equal(stage->ear.topic, "a//b/");
    ask(device, (struct ask){.code = COAP_POST, .path = "ps/data/h9392", .payload = SLICE("x")});
    assert_string_equal(stage->ear.topic, "data/h9392");
    /* Uri-Path "ps", and after it one option that holds a slash. */
    static const uint8_t slash[] = {0x40, 2, 1, 1, 0xb2, 'p', 's', 3, 'a', '/', 'b', 0xff, 'x'};
    device_say(device, slice_of(slash, sizeof slash));
    assert_code(hear(device), "4.00");
    assert_int_equal(stage->ear.count, 2);
}

static void methods_that_a_value_does_not_have_are_refused(void **state)
{
    struct stage *stage = *state;
    struct device *device = device_new(&stage->air, NULL);
    for (uint8_t code = COAP_FETCH; code < 32; code++) {
        struct reply r =
            ask(device, (struct ask){.code = code, .path = "ps/a", .payload = SLICE("x")});
        assert_code(r, "4.05");
    }
}

static void an_empty_value_cannot_be_put(void **state)
{
    struct stage *stage = *state;
    struct device *device = device_new(&stage->air, NULL);
    stage_publish(stage, "a", "x", 0, true, NULL);
    unsigned count = stage->ear.count;
    assert_code(ask(device, (struct ask){.code = COAP_PUT, .path = "ps/a"}), "4.00");
    assert_int_equal(stage->ear.count, count);
    assert_code(ask(device, (struct ask){.code = COAP_POST, .path = "ps/a"}), "2.04");
    assert_int_equal(stage->ear.count, count + 1);
    assert_code(ask(device, (struct ask){.code = COAP_GET, .path = "ps/a"}), "2.05");
}

static void conditions_are_kept(void **state)
{
    struct stage *stage = *state;
    struct device *device = device_new(&stage->air, NULL);
    uint8_t etag[8];
    struct ask put = {.code = COAP_PUT, .path = "ps/c", .payload = SLICE("one")};
    put.if_match = slice_of("", 0);
    assert_code(ask(device, put), "4.12"); /* nothing is there */
    put.if_match = SLICE_EMPTY;
    put.if_none_match = true;
    assert_code(ask(device, put), "2.01");
    assert_code(ask(device, put), "4.12");
    struct reply r =
        ask(device, (struct ask){.code = COAP_GET, .path = "ps/c", .etag = SLICE("12345678")});
    assert_code(r, "2.05");
    assert_int_equal(r.etag.len, sizeof etag);
    memcpy(etag, r.etag.at, sizeof etag);
    r = ask(device,
            (struct ask){.code = COAP_GET, .path = "ps/c", .etag = slice_of(etag, sizeof etag)});
    assert_code(r, "2.03");
    assert_int_equal(r.payload.len, 0);
    put.if_none_match = false;
    put.if_match = slice_of(etag, sizeof etag);
    put.payload = SLICE("two");
    assert_code(ask(device, put), "2.04");
    assert_code(ask(device, put), "4.12"); /* the state has another tag now */
}

static void rules_decide_and_nothing_else(void **state)
{
    struct stage *stage = *state;
    struct device *device = device_new(&stage->air, NULL);
    stage_publish(stage, "secret", "x", 0, true, NULL);
    stage_publish(stage, "open", "y", 0, true, NULL);
    stage_rules(stage, "topic readwrite open\ntopic write in/#\n");
    unsigned count = stage->ear.count;
    assert_code(ask(device, (struct ask){.code = COAP_GET, .path = "ps/secret"}), "4.03");
    assert_code(ask(device, (struct ask){.code = COAP_GET, .path = "ps/open"}), "2.05");
    for (uint8_t code = COAP_POST; code <= COAP_DELETE; code++)
        assert_code(
            ask(device, (struct ask){.code = code, .path = "ps/secret", .payload = SLICE("z")}),
            "4.03");
    stage_publish(stage, "readonly", "", 0, true, NULL);
    stage_rules(stage, "topic readwrite open\ntopic write in/#\ntopic read readonly\n");
    assert_code(ask(device, (struct ask){.code = COAP_DELETE, .path = "ps/readonly"}), "4.03");
    count = stage->ear.count;
    assert_code(ask(device, (struct ask){.code = COAP_DELETE, .path = "ps/secret"}), "4.03");
    assert_int_equal(stage->ear.count, count);
    /* Who may write and not read is not told whether there was a value. */
    assert_code(
        ask(device, (struct ask){.code = COAP_PUT, .path = "ps/in/a", .payload = SLICE("z")}),
        "2.04");
    assert_code(ask(device, (struct ask){.code = COAP_GET, .path = "ps/in/a"}), "4.03");
    assert_code(
        ask_verified(device,
                     (struct ask){.code = COAP_GET, .observe = REGISTER, .path = "ps/secret"}),
        "4.03");
    assert_code(
        ask(device, (struct ask){.code = COAP_PUT, .path = "ps/$SYS/x", .payload = SLICE("z")}),
        "4.03");
}

static void a_listener_that_is_not_anonymous_lets_in_who_has_proven_himself(void **state)
{
    struct stage *stage = *state;
    struct identity *ann = identity_new(SLICE("ann"), false);
    stage->air.listener.anonymous = false;
    struct device *stranger = device_new(&stage->air, NULL), *device = device_new(&stage->air, ann);
    stage_rules(stage, "user ann\ntopic readwrite a\n");
    for (uint8_t code = COAP_GET; code <= COAP_IPATCH; code++) {
        struct reply r =
            ask(stranger, (struct ask){.code = code, .path = "ps/a", .payload = SLICE("x")});
        assert_code(r, "4.01");
        assert_int_equal(r.echo.len, 0); /* no proof of an address would help */
    }
    assert_int_equal(stage->ear.count, 0);
    assert_code(ask(device, (struct ask){.code = COAP_PUT, .path = "ps/a", .payload = SLICE("x")}),
                "2.01");
    assert_code(ask(device, (struct ask){.code = COAP_PUT, .path = "ps/b", .payload = SLICE("x")}),
                "4.03");
    device->revoked = true; /* the certificate is on the list now */
    assert_code(ask(device, (struct ask){.code = COAP_PUT, .path = "ps/a", .payload = SLICE("x")}),
                "4.01");
    device_lose(device, "over");
    identity_unref(ann);
}

static void refusals_of_the_core_have_codes_of_their_own(void **state)
{
    struct stage *stage = *state;
    struct device *device = device_new(&stage->air, NULL);
    stage->air.limits.retained_messages = 0;
    struct reply r =
        ask(device, (struct ask){.code = COAP_PUT, .path = "ps/a", .payload = SLICE("x")});
    assert_code(r, "4.29");
    assert_true(r.has_max_age);
    assert_int_equal(r.max_age, 5);
    stage->air.limits.packet_size = 10;
    r = ask(device,
            (struct ask){.code = COAP_POST, .path = "ps/a", .payload = SLICE("much too long")});
    assert_code(r, "4.13");
    assert_int_equal(r.size1, 10);
    stage->air.limits.topic_levels = 2;
    assert_code(
        ask(device, (struct ask){.code = COAP_POST, .path = "ps/a/b/c", .payload = SLICE("x")}),
        "4.00");
}

static void who_publishes_too_fast_is_told_to_wait(void **state)
{
    struct stage *stage = *state;
    struct device *device = device_new(&stage->air, NULL);
    stage->options.publish_rate = 3;
    for (int i = 0; i < 3; i++)
        assert_code(
            ask(device, (struct ask){.code = COAP_POST, .path = "ps/a", .payload = SLICE("x")}),
            "2.04");
    struct reply r =
        ask(device, (struct ask){.code = COAP_POST, .path = "ps/a", .payload = SLICE("x")});
    assert_code(r, "4.29");
    assert_int_equal(r.max_age, 5);
    air_wait(&stage->air, 1000);
    assert_code(ask(device, (struct ask){.code = COAP_POST, .path = "ps/a", .payload = SLICE("x")}),
                "2.04");
}

static void a_mountpoint_stands_in_front_of_every_topic(void **state)
{
    static char mountpoint[] = "site/";
    struct stage *stage = *state;
    struct device *device = device_new(&stage->air, NULL);
    stage->air.listener.mountpoint = mountpoint;
    ask(device, (struct ask){.code = COAP_PUT, .path = "ps/a", .payload = SLICE("x")});
    assert_string_equal(stage->ear.topic, "site/a");
    stage_publish(stage, "site/b", "y", 0, true, NULL);
    struct reply r = ask(device, (struct ask){.code = COAP_GET, .path = "ps/b"});
    assert_payload(r, "y");
}

static void no_response_is_taken_at_its_word(void **state)
{
    struct stage *stage = *state;
    struct device *device = device_new(&stage->air, NULL);
    struct reply r = ask(device, (struct ask){.code = COAP_PUT,
                                              .non = true,
                                              .path = "ps/a",
                                              .no_response = 2,
                                              .payload = SLICE("x")});
    assert_false(r.any);
    assert_int_equal(stage->ear.count, 1);
    r = ask(
        device,
        (struct ask){.code = COAP_PUT, .path = "ps/a", .no_response = 26, .payload = SLICE("x")});
    assert_int_equal(r.type, COAP_ACK);
    assert_int_equal(r.code, COAP_EMPTY);
    r = ask(device, (struct ask){.code = COAP_PUT,
                                 .non = true,
                                 .path = "ps/#",
                                 .no_response = 2,
                                 .payload = SLICE("x")});
    assert_code(r, "4.00");
}

/* ---- a store that takes its time ---- */

static void a_confirmable_put_is_answered_when_it_is_on_disk(void **state)
{
    struct stage *stage = *state, late = {.options = stage->options};
    air_init(&late.air, stage->air.protocol, &late.options);
    air_keep(&late.air);
    struct device *device = device_new(&late.air, NULL);
    struct ask put = {.code = COAP_PUT, .id = 1, .path = "ps/a", .payload = SLICE("x")};
    assert_false(ask(device, put).any);
    air_wait(&late.air, 2000);
    assert_false(hear(device).any);
    assert_int_equal(late.air.slow.commits, 1);
    assert_false(ask(device, put).any); /* nor is a repeated one answered earlier */
    assert_code(ask(device_new(&late.air, NULL), (struct ask){.code = COAP_GET, .path = "ps/a"}),
                "2.05");
    assert_code(
        ask(device_new(&late.air, NULL),
            (struct ask){.code = COAP_PUT, .non = true, .path = "ps/b", .payload = SLICE("x")}),
        "2.01"); /* QoS 0 promises nothing */
    air_written(&late.air, COMMIT_DONE);
    struct reply r = hear(device);
    assert_code(r, "2.01");
    assert_int_equal(r.type, COAP_ACK);
    air_clear(&late.air);
}

static void a_full_disk_holds_no_answer_that_needs_no_disk(void **state)
{
    struct stage *stage = *state, late = {.options = stage->options};
    air_init(&late.air, stage->air.protocol, &late.options);
    air_keep(&late.air);
    struct device *stuck = device_new(&late.air, NULL), *other = device_new(&late.air, NULL);
    struct ask put = {.code = COAP_PUT, .id = 1, .path = "ps/a", .payload = SLICE("x")};
    struct ask event = {.code = COAP_POST, .id = 2, .path = "ps/b", .payload = SLICE("x")};
    assert_false(ask(stuck, put).any);
    air_wait(&late.air, 100);
    air_written(&late.air, COMMIT_FULL);
    assert_code(ask(other, event), "2.04");
    assert_code(ask(other, event), "2.04"); /* the same when it is repeated */
    assert_false(ask(stuck, put).any);
    put.id = 3;
    assert_code(ask(other, put), "4.29"); /* no room for another value */
    air_wait(&late.air, 2000);            /* it tries again */
    air_written(&late.air, COMMIT_DONE);
    assert_code(hear(stuck), "2.01");
    assert_code(hear(stuck), "2.01");
    air_clear(&late.air);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        TEST(a_put_is_published_retained_at_qos_1),
        TEST(a_non_confirmable_put_is_qos_0_and_answered_likewise),
        TEST(a_post_is_an_event_that_is_not_kept),
        TEST(a_get_reads_what_mqtt_has_retained),
        TEST(a_delete_removes_the_value),
        TEST(a_repeated_request_is_obeyed_once_and_answered_twice),
        TEST(who_counts_ids_anew_is_not_taken_for_one_who_repeats_himself),
        TEST(a_refusal_is_repeated_as_well),
        TEST(a_repeated_refusal_says_again_how_long_to_wait_and_how_much_is_taken),
        TEST(exchanges_are_bounded_and_the_oldest_are_forgotten),
        TEST(formats_go_both_ways),
        TEST(a_format_that_is_not_accepted_is_not_sent),
        TEST(max_age_is_message_expiry_both_ways),
        TEST(queries_set_qos_and_retain),
        TEST(credentials_in_a_query_are_refused_and_not_logged),
        TEST(paths_that_name_no_topic_are_refused),
        TEST(levels_are_options_and_a_slash_in_one_is_none),
        TEST(methods_that_a_value_does_not_have_are_refused),
        TEST(an_empty_value_cannot_be_put),
        TEST(conditions_are_kept),
        TEST(rules_decide_and_nothing_else),
        TEST(a_listener_that_is_not_anonymous_lets_in_who_has_proven_himself),
        TEST(refusals_of_the_core_have_codes_of_their_own),
        TEST(who_publishes_too_fast_is_told_to_wait),
        TEST(a_mountpoint_stands_in_front_of_every_topic),
        TEST(no_response_is_taken_at_its_word),
        TEST(a_confirmable_put_is_answered_when_it_is_on_disk),
        TEST(a_full_disk_holds_no_answer_that_needs_no_disk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
