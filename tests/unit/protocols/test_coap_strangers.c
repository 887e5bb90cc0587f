/* Tests what protocols/coap does for those who have proven nothing: amplification, noise, messages
 * that are no requests, and what of it is remembered. */
#include "coap_stage.h"

#include "protocols/coap/encode.h"
#include "protocols/coap/home.h"

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

/* A tree with large values and topics, so that there is much to be had. */
static void furnish(struct stage *stage)
{
    static uint8_t body[3000];
    uint8_t bytes[200];
    struct device *device = device_new(&stage->air, NULL);
    device->verified = true;
    memset(body, 'b', sizeof body);
    stage_publish_bytes(stage, "big", slice_of(body, sizeof body), 0, true, "application/json");
    stage_publish_bytes(stage, "a", slice_of(body, 100), 0, true, NULL);
    for (int i = 0; i < 20; i++) {
        int len = snprintf((char *)bytes, sizeof bytes,
                           "\xa2%c\x63t%02d\x02\x6c"
                           "core.ps.data",
                           0, i);
        struct reply r = ask(
            device,
            (struct ask){.code = COAP_POST, .path = "ps", .payload = slice_of(bytes, (size_t)len)});
        assert_code(r, "2.01");
    }
    device_lose(device, "done");
}

/* What was sent to an address that has proven nothing, for one datagram from it. The device speaks
 * from another address each time. */
static void check_small(struct device *device, const uint8_t *bytes, size_t len)
{
    static uint32_t address;
    size_t sent = 0;
    address++;
    memcpy(device->endpoint + 8, &address, sizeof address);
    device->sent = device->received = 0;
    device_say(device, slice_of(bytes, len));
    struct reply r = hear(device);
    if (r.any) {
        sent = r.size;
        assert_false(hear(device).any); /* one datagram */
    }
    assert_true(sent <= 3 * len);
    assert_int_equal(device->refused, 0); /* nor was more tried */
    assert_false(device->verified);
    assert_null(device->peer);
}

/* Every method, on every kind of path, with every option, and a token of any length. */
static void nobody_gets_more_than_three_times_what_he_sent(void **state)
{
    static const char *const paths[] = {NULL,
                                        "",
                                        "ps",
                                        "ps/a",
                                        "ps/big",
                                        "ps/none",
                                        "ps/#",
                                        "ps/$SYS/broker/version",
                                        "ps/+0123456789",
                                        "ps/data/+0123456789",
                                        ".well-known/core",
                                        ".well-known/core/x"};
    static const char *const queries[] = {NULL, "rt=core.ps.conf", "token=x", "rt=*", "qos=1"};
    static const struct coap_block blocks[] = {
        {0, false, 6}, {0, true, 0}, {3, true, 2}, {1, false, 7}};
    static const char *const tokens[] = {"", "t", "12345678", "123456789abcdef"};
    struct stage *stage = *state;
    uint8_t bytes[4096];
    unsigned said = 0;
    furnish(stage);
    struct device *device = device_new(&stage->air, NULL);
    for (unsigned code = 0; code <= COAP_IPATCH + 1u; code++)
        for (size_t p = 0; p < sizeof paths / sizeof paths[0]; p++)
            for (size_t q = 0; q < sizeof queries / sizeof queries[0]; q++)
                for (unsigned option = 0; option < 14; option++)
                    for (unsigned how = 0; how < 8; how++) {
                        struct ask ask = {.code = (uint8_t)code,
                                          .non = how & 1,
                                          .token = tokens[how >> 1],
                                          .path = paths[p],
                                          .query = queries[q],
                                          .payload = how & 2 ? SLICE("x") : SLICE_EMPTY};
                        if (option == 1)
                            ask.observe = REGISTER;
                        else if (option == 2)
                            ask.observe = DEREGISTER;
                        else if (option <= 6 && option >= 3)
                            ask.block2 = &blocks[option - 3];
                        else if (option <= 10 && option >= 7)
                            ask.block1 = &blocks[option - 7];
                        else if (option == 11)
                            ask.extra = 9, ask.value = SLICE("o"); /* critical, unknown */
                        else if (option == 12)
                            ask.extra = COAP_PROXY_URI, ask.value = SLICE("coap://x");
                        else if (option == 13)
                            ask.echo = SLICE("echoecho");
                        if (code == 0 && (ask.path || ask.query || option || how > 1))
                            continue; /* an empty message has nothing */
                        size_t len = ask_write(&ask, bytes, sizeof bytes);
                        check_small(device, bytes, len);
                        said++;
                        /* The tree is as it was, for the next one. */
                        if (code == COAP_DELETE)
                            stage_publish(stage, "a", "restored, and again somewhat long", 0, true,
                                          NULL);
                    }
    assert_true(said > 40000);
    assert_int_equal(stage->air.peers, 0);
    assert_int_equal(coap_home_of(stage->air.broker)->uploads.count, 0);
}

static void a_large_answer_waits_for_proof_and_then_comes(void **state)
{
    struct stage *stage = *state;
    struct device *device = device_new(&stage->air, NULL);
    furnish(stage);
    struct reply r = ask(device, (struct ask){.code = COAP_GET, .path = "ps/big"});
    assert_code(r, "4.01");
    assert_int_equal(r.echo.len, 8);
    r = ask_verified(device, (struct ask){.code = COAP_GET, .path = "ps/big"});
    assert_code(r, "2.05");
    assert_int_equal(r.payload.len, 1024);
    /* Once is enough. */
    r = ask(device, (struct ask){.code = COAP_GET, .path = "ps/big"});
    assert_code(r, "2.05");
    assert_int_equal(stage->air.peers, 1);
    /* Small ones never need it. */
    stage_publish(stage, "small", "1", 0, true, NULL);
    r = ask(device_new(&stage->air, NULL), (struct ask){.code = COAP_GET, .path = "ps/small"});
    assert_code(r, "2.05");
}

static void a_hundred_thousand_strangers_leave_no_more_than_their_exchanges(void **state)
{
    struct stage *stage = *state;
    struct coap_home *home = coap_home_of(stage->air.broker);
    stage->options.exchanges = 4096;
    struct device *device = device_new(&stage->air, NULL);
    for (unsigned i = 0; i < 100000; i++) {
        memcpy(device->endpoint, &i, sizeof i); /* an address of its own */
        device->sent = device->received = 0;
        struct reply r = ask(device, (struct ask){.code = i % 2 ? COAP_PUT : COAP_GET,
                                                  .path = "ps/a",
                                                  .payload = SLICE("x")});
        assert_true(r.any);
    }
    assert_int_equal(stage->air.peers, 0);
    assert_int_equal(home->exchanges.capacity, 4096);
    assert_int_equal(home->exchanges.count, 4096);
    assert_int_equal(home->uploads.count, 0);
}

static void what_is_no_request_is_reset_or_ignored(void **state)
{
    static const struct {
        const char *bytes;
        size_t len;
        int answer; /* type; -1: silence */
    } rows[] = {
        {"\x40\x00\x12\x34", 4, COAP_RST}, /* a ping */
        {"\x50\x00\x12\x34", 4, -1},       /* an empty NON */
        {"\x60\x00\x12\x34", 4, -1},       /* an ACK of nothing */
        {"\x70\x00\x12\x34", 4, -1},       /* a reset of nothing */
        {"\x40\x45\x12\x34", 4, COAP_RST}, /* a response to nothing */
        {"\x50\x45\x12\x34", 4, -1},       /* the same, NON */
        {"\x60\x45\x12\x34", 4, -1},       /* piggybacked */
        {"\x60\x01\x12\x34\xb1p", 6, -1},  /* a request that is an ACK */
        {"\x70\x01\x12\x34\xb1p", 6, -1},  /* or a reset */
        {"\x40\x20\x12\x34", 4, COAP_RST}, /* reserved classes */
        {"\x40\xe1\x12\x34", 4, COAP_RST},
        {"\x50\xe1\x12\x34", 4, -1},
        {"\x4f\x01\x12\x34", 4, COAP_RST},     /* reserved token length */
        {"\x40\x01\x12\x34\xff", 5, COAP_RST}, /* a marker without payload */
        {"\x50\x01\x12\x34\xff", 5, -1},
        {"\x60\x01\x12\x34\xff", 5, -1},
        {"\x41\x00\x12\x34x", 5, COAP_RST}, /* empty, and yet not */
        {"\x00\x01\x12\x34", 4, -1},        /* another version */
        {"\xc0\x01\x12\x34", 4, -1},
        {"\x40\x01\x12", 3, -1}, /* too short */
        {"", 0, -1},
        {"PUB a\nx", 7, -1}, /* another protocol */
    };
    struct stage *stage = *state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct device *device = device_new(&stage->air, NULL);
        device_say(device, slice_of(rows[i].bytes, rows[i].len));
        struct reply r = hear(device);
        assert_int_equal(r.any, rows[i].answer >= 0);
        if (!r.any)
            continue;
        assert_int_equal(r.type, rows[i].answer);
        assert_int_equal(r.id, 0x1234);
        assert_int_equal(r.size, 4);
    }
    assert_int_equal(stage->air.peers, 0);
}

static void critical_options_are_refused_as_their_type_asks_for(void **state)
{
    struct stage *stage = *state;
    struct ask get = {.code = COAP_GET, .path = "ps/a", .extra = 9, .value = SLICE("x")};
    assert_code(ask(device_new(&stage->air, NULL), get), "4.02");
    get.non = true;
    assert_false(ask(device_new(&stage->air, NULL), get).any); /* RFC 7252 section 5.4.1 */
    get.extra = 2000;                                          /* elective */
    assert_code(ask(device_new(&stage->air, NULL), get), "4.04");
    get.extra = COAP_PROXY_URI;
    assert_code(ask(device_new(&stage->air, NULL), get), "5.05");
    get.extra = COAP_URI_HOST;
    assert_code(ask(device_new(&stage->air, NULL), get), "4.04");
    assert_true(broker_stats(stage->air.broker)->protocol_errors == 3);
}

/* Any bytes at all, and good messages with a byte changed: an answer or silence, and no trace. */
static void noise_is_survived(void **state)
{
    struct stage *stage = *state;
    struct device *device = device_new(&stage->air, NULL);
    uint32_t seed = 7;
    uint8_t bytes[300];
    struct ask good = {.code = COAP_PUT,
                       .token = "abcd",
                       .path = "ps/a/b",
                       .query = "qos=1",
                       .observe = REGISTER,
                       .format = 51,
                       .payload = SLICE("payload")};
    for (int i = 0; i < 30000; i++) {
        size_t len = i % 2 ? ask_write(&good, bytes, sizeof bytes) : (seed >> 8) % 64;
        for (size_t at = 0; at < (i % 2 ? 3 : len); at++) {
            seed = seed * 1664525 + 1013904223;
            bytes[i % 2 ? (seed >> 8) % len : at] = (uint8_t)(seed >> 24);
        }
        if (!(i % 2) && len)
            bytes[0] = (uint8_t)(0x40 | (bytes[0] & 0x3f));
        check_small(device, bytes, i % 4 == 3 ? (seed >> 16) % (len + 1) : len);
    }
    assert_int_equal(stage->air.peers, 0);
}

static void memory_that_cannot_be_had_costs_an_answer(void **state)
{
    struct stage *stage = *state;
    struct device *device = device_new(&stage->air, NULL);
    stage->air.out_of_memory = true;
    assert_false(ask(device, (struct ask){.code = COAP_GET, .path = "ps/a"}).any);
    stage->air.out_of_memory = false;
    assert_code(ask(device, (struct ask){.code = COAP_GET, .path = "ps/a"}), "4.04");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        TEST(nobody_gets_more_than_three_times_what_he_sent),
        TEST(a_large_answer_waits_for_proof_and_then_comes),
        TEST(a_hundred_thousand_strangers_leave_no_more_than_their_exchanges),
        TEST(what_is_no_request_is_reset_or_ignored),
        TEST(critical_options_are_refused_as_their_type_asks_for),
        TEST(noise_is_survived),
        TEST(memory_that_cannot_be_had_costs_an_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
