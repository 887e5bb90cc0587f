/* Tests protocols/coap/uploads.h and the cutting of answers: bodies in blocks, RFC 7959. */
#include "coap_stage.h"

#include "protocols/coap/home.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { BODY = 5000 };

static uint8_t body[BODY];

static int setup(void **state)
{
    struct stage *stage = malloc(sizeof *stage);
    if (!stage)
        return -1;
    stage_init(stage);
    for (size_t i = 0; i < BODY; i++)
        body[i] = (uint8_t)('!' + i % 90);
    *state = stage;
    return 0;
}

static int teardown(void **state)
{
    stage_clear(*state);
    free(*state);
    return 0;
}

/* A device whose address is proven already. */
static struct device *proven(struct stage *stage)
{
    struct device *device = device_new(&stage->air, NULL);
    device->verified = true;
    return device;
}

static struct reply put_block(struct device *device, const char *path, struct coap_block block,
                              struct slice piece, const char *tag)
{
    struct ask put = {.code = COAP_PUT, .path = path, .block1 = &block, .payload = piece};
    if (tag)
        put.tag = slice_of_str(tag);
    return ask(device, put);
}

/* One piece of the body: the block of that number, cut at `len`. */
static struct reply put_piece(struct device *device, const char *path, unsigned number,
                              unsigned szx, size_t len, const char *tag)
{
    size_t size = (size_t)16 << szx, at = number * size;
    struct slice piece = slice_of(body + at, len - at < size ? len - at : size);
    struct coap_block block = {number, at + size < len, (uint8_t)szx};
    return put_block(device, path, block, piece, tag);
}

static struct coap_home *home(struct stage *stage)
{
    return coap_home_of(stage->air.broker);
}

static void a_body_reaches_the_core_when_it_is_whole(void **state)
{
    struct stage *stage = *state;
    for (unsigned szx = 0; szx <= 6; szx++) {
        struct device *device = proven(stage);
        size_t size = (size_t)16 << szx, len = size * 3 + 5, blocks = 4;
        unsigned before = stage->ear.count;
        for (unsigned number = 0; number < blocks; number++) {
            struct reply r = put_piece(device, "ps/up", number, szx, len, NULL);
            bool last = number == blocks - 1;
            assert_code(r, !last ? "2.31" : szx ? "2.04" : "2.01");
            assert_true(r.has_block1);
            assert_int_equal(r.block1.number, number);
            assert_int_equal(r.block1.more, !last);
            assert_int_equal(r.block1.szx, szx);
            assert_int_equal(stage->ear.count, before + last);
        }
        assert_int_equal(stage->ear.payload_len, len);
        assert_int_equal(home(stage)->uploads.count, 0);
        assert_int_equal(home(stage)->uploads.bytes, 0);
    }
}

static void one_block_alone_is_a_whole_body(void **state)
{
    struct stage *stage = *state;
    struct device *device = device_new(&stage->air, NULL); /* even of a stranger */
    struct reply r =
        put_block(device, "ps/up", (struct coap_block){0, false, 6}, SLICE("all"), NULL);
    assert_code(r, "2.01");
    assert_true(r.has_block1);
    assert_string_equal(stage->ear.payload, "all");
}

static void a_stranger_proves_his_address_before_memory_is_spent(void **state)
{
    struct stage *stage = *state;
    struct device *device = device_new(&stage->air, NULL);
    struct coap_block block = {0, true, 2};
    struct ask put = {
        .code = COAP_PUT, .path = "ps/up", .block1 = &block, .payload = slice_of(body, 64)};
    struct reply r = ask(device, put);
    assert_code(r, "4.01");
    assert_int_equal(r.echo.len, 8);
    assert_int_equal(home(stage)->uploads.count, 0);
    assert_code(ask_verified(device, put), "2.31");
    assert_int_equal(home(stage)->uploads.count, 1);
}

/* Past failure 45: every block option that can be said, in every state of a transfer. */
static void any_block_in_any_state_is_answered_and_leaks_nothing(void **state)
{
    static const unsigned numbers[] = {0, 1, 2, 3, 15, 16, 4095, 65535, 1048575};
    struct stage *stage = *state;
    struct device *device = proven(stage);
    for (unsigned begun = 0; begun < 3; begun++)
        for (size_t n = 0; n < sizeof numbers / sizeof numbers[0]; n++)
            for (unsigned more = 0; more < 2; more++)
                for (uint8_t szx = 0; szx < 8; szx++)
                    for (unsigned kind = 0; kind < 4; kind++) {
                        struct coap_block block = {numbers[n], more, szx};
                        size_t size = szx == 7 ? 16 : (size_t)16 << szx;
                        size_t len = kind == 0 ? 0 : kind == 1 ? size : kind == 2 ? size - 1 : 7;
                        unsigned count = stage->ear.count;
                        for (unsigned i = 0; i < begun; i++)
                            put_piece(device, "ps/up", i, 1, 1000, NULL);
                        struct reply r =
                            put_block(device, "ps/up", block, slice_of(body, len), NULL);
                        assert_true(r.any);
                        bool fits = szx < 7 && (more ? len == size : len <= size);
                        uint64_t offset = (uint64_t)numbers[n] << (szx + 4);
                        bool next = numbers[n] == 0 || (begun && offset == begun * 32);
                        bool again = begun && more && offset + len == begun * 32 && numbers[n];
                        if (szx == 7)
                            assert_code(r, "4.00");
                        else if (!fits)
                            assert_int_equal(r.code >> 5, 4);
                        else if (offset + len > 1024 * 1024)
                            assert_code(r, "4.13");
                        else if (!next && !again)
                            assert_code(r, "4.08");
                        else if (more)
                            assert_code(r, "2.31");
                        else if (numbers[n] == 0 && len == 0)
                            assert_code(r, "4.00"); /* an empty value */
                        else
                            assert_int_equal(r.code >> 5, 2);
                        bool done = fits && next && !more && r.code >> 5 == 2;
                        assert_int_equal(stage->ear.count, count + done);
                        /* And the same for answers. */
                        struct reply g = ask(device, (struct ask){.code = COAP_GET,
                                                                  .path = kind ? "ps/up" : "ps/no",
                                                                  .block2 = &block});
                        assert_true(g.any);
                        assert_true(szx < 7 || g.code == COAP_BAD_REQUEST);
                    }
    assert_true(home(stage)->uploads.count <= 1);
}

static void a_block_that_comes_again_is_kept_once(void **state)
{
    struct stage *stage = *state;
    struct device *device = proven(stage);
    assert_code(put_piece(device, "ps/up", 0, 2, 150, NULL), "2.31");
    assert_code(put_piece(device, "ps/up", 1, 2, 150, NULL), "2.31");
    assert_code(put_piece(device, "ps/up", 1, 2, 150, NULL), "2.31"); /* with an id of its own */
    assert_code(put_piece(device, "ps/up", 2, 2, 150, NULL), "2.01");
    assert_int_equal(stage->ear.payload_len, 150);
    assert_memory_equal(stage->ear.payload, body, 150);
}

static void a_size_may_become_smaller_on_the_way(void **state)
{
    struct stage *stage = *state;
    struct device *device = proven(stage);
    assert_code(put_piece(device, "ps/up", 0, 3, 200, NULL), "2.31");
    assert_code(put_piece(device, "ps/up", 4, 1, 200, NULL), "2.31");
    assert_code(put_piece(device, "ps/up", 5, 1, 200, NULL), "2.31");
    assert_code(put_piece(device, "ps/up", 6, 1, 200, NULL), "2.01");
    assert_memory_equal(stage->ear.payload, body, 200);
}

static void bodies_are_told_apart(void **state)
{
    struct stage *stage = *state;
    struct device *device = proven(stage), *other = proven(stage);
    assert_code(put_piece(device, "ps/up", 0, 2, 100, NULL), "2.31");
    assert_code(put_piece(other, "ps/up", 1, 2, 100, NULL), "4.08");    /* another endpoint's */
    assert_code(put_piece(device, "ps/down", 1, 2, 100, NULL), "4.08"); /* another resource */
    assert_code(put_piece(device, "ps/up", 1, 2, 100, "x"), "4.08");    /* another Request-Tag */
    struct coap_block second = {1, false, 2};
    assert_code(ask(device, (struct ask){.code = COAP_POST,
                                         .path = "ps/up",
                                         .block1 = &second,
                                         .payload = slice_of(body, 30)}),
                "4.08"); /* another method */
    assert_code(ask(device, (struct ask){.code = COAP_PUT,
                                         .path = "ps/up",
                                         .format = 51,
                                         .block1 = &second,
                                         .payload = slice_of(body, 30)}),
                "4.08"); /* another format */
    assert_code(put_piece(device, "ps/up", 0, 2, 150, "x"), "2.31");
    assert_code(put_piece(device, "ps/up", 1, 2, 150, "x"), "2.31");
    assert_code(put_piece(device, "ps/up", 1, 2, 100, NULL), "2.01");
    assert_int_equal(stage->ear.payload_len, 100);
    assert_code(put_piece(device, "ps/up", 2, 2, 150, "x"), "2.04");
    assert_int_equal(stage->ear.payload_len, 150);
}

static void what_would_be_too_large_is_refused_early(void **state)
{
    struct stage *stage = *state;
    struct device *device = proven(stage);
    struct coap_block first = {0, true, 2};
    stage->air.limits.packet_size = 200;
    struct reply r = ask(device, (struct ask){.code = COAP_PUT,
                                              .path = "ps/up",
                                              .block1 = &first,
                                              .size1 = 201,
                                              .payload = slice_of(body, 64)});
    assert_code(r, "4.13");
    assert_true(r.has_size1);
    assert_int_equal(r.size1, 200);
    for (unsigned number = 0; number < 3; number++)
        assert_code(put_piece(device, "ps/up", number, 2, 1000, NULL), "2.31");
    assert_code(put_piece(device, "ps/up", 3, 2, 1000, NULL), "4.13");
    assert_int_equal(home(stage)->uploads.count, 0);
}

static void uploads_are_bounded_and_the_oldest_gives_way(void **state)
{
    struct stage *stage = *state;
    stage->options.uploads = 4;
    struct device *devices[6];
    for (int i = 0; i < 6; i++) {
        devices[i] = proven(stage);
        assert_code(put_piece(devices[i], "ps/up", 0, 2, 100, NULL), "2.31");
        assert_true(home(stage)->uploads.count <= 4);
    }
    assert_code(put_piece(devices[1], "ps/up", 1, 2, 100, NULL), "4.08");
    assert_code(put_piece(devices[2], "ps/up", 1, 2, 100, NULL), "2.01");
    stage->options.upload_bytes = 1024;
    for (unsigned number = 0; number < 15; number++)
        assert_code(put_piece(devices[5], "ps/up", number, 2, 2000, NULL), "2.31");
    assert_code(put_piece(devices[5], "ps/up", 15, 2, 2000, NULL), "2.31");
    assert_int_equal(home(stage)->uploads.count, 1); /* the others have given way */
    assert_code(put_piece(devices[5], "ps/up", 16, 2, 2000, NULL), "5.03");
    assert_int_equal(home(stage)->uploads.bytes, 0);
}

static void an_upload_that_nothing_is_heard_of_is_forgotten(void **state)
{
    struct stage *stage = *state;
    struct device *device = proven(stage), *other = proven(stage);
    put_piece(device, "ps/up", 0, 2, 100, NULL);
    air_wait(&stage->air, 248 * 1000);
    put_piece(other, "ps/up", 0, 2, 100, NULL);
    assert_int_equal(home(stage)->uploads.count, 1);
    assert_code(put_piece(device, "ps/up", 1, 2, 100, NULL), "4.08");
}

/* ---- answers ---- */

static void a_large_value_is_fetched_block_by_block(void **state)
{
    struct stage *stage = *state;
    stage_publish_bytes(stage, "big", slice_of(body, BODY), 0, true, NULL);
    for (uint8_t szx = 0; szx <= 6; szx++) {
        struct device *device = proven(stage);
        uint8_t got[BODY + 1024], etag[8];
        size_t len = 0, size = (size_t)16 << szx;
        bool more = true;
        for (unsigned number = 0; more; number++) {
            struct coap_block block = {number, false, szx};
            struct reply r =
                ask(device, (struct ask){.code = COAP_GET, .path = "ps/big", .block2 = &block});
            assert_code(r, "2.05");
            assert_true(r.has_block2);
            assert_int_equal(r.block2.number, number);
            assert_int_equal(r.block2.szx, szx);
            assert_int_equal(r.payload.len, BODY - len < size ? BODY - len : size);
            assert_int_equal(r.etag.len, 8); /* so that blocks of two states are not mixed up */
            if (number == 0) {
                assert_int_equal(r.size2, BODY);
                memcpy(etag, r.etag.at, 8);
            }
            assert_memory_equal(etag, r.etag.at, 8);
            memcpy(got + len, r.payload.at, r.payload.len);
            len += r.payload.len;
            more = r.block2.more;
        }
        assert_int_equal(len, BODY);
        assert_memory_equal(got, body, BODY);
    }
}

static void a_value_is_cut_without_being_asked(void **state)
{
    struct stage *stage = *state;
    struct device *device = proven(stage);
    stage_publish_bytes(stage, "big", slice_of(body, BODY), 0, true, NULL);
    struct reply r = ask(device, (struct ask){.code = COAP_GET, .path = "ps/big"});
    assert_int_equal(r.payload.len, 1024);
    assert_true(r.has_block2 && r.block2.more);
    assert_int_equal(r.block2.szx, 6);
    stage->options.block_size = 100; /* 64 is the power of two below */
    r = ask(device, (struct ask){.code = COAP_GET, .path = "ps/big"});
    assert_int_equal(r.payload.len, 64);
    struct coap_block wish = {3, false, 6}; /* bytes 3072 on, in smaller pieces */
    r = ask(device, (struct ask){.code = COAP_GET, .path = "ps/big", .block2 = &wish});
    assert_int_equal(r.block2.number, 48);
    assert_int_equal(r.block2.szx, 2);
    assert_memory_equal(r.payload.at, body + 3072, 64);
    struct coap_block beyond = {1000, false, 6};
    assert_code(ask(device, (struct ask){.code = COAP_GET, .path = "ps/big", .block2 = &beyond}),
                "4.00");
    stage_publish(stage, "small", "x", 0, true, NULL);
    struct coap_block first = {0, false, 2};
    r = ask(device, (struct ask){.code = COAP_GET, .path = "ps/small", .block2 = &first});
    assert_true(r.has_block2);
    assert_false(r.block2.more);
}

static void a_large_notification_is_its_first_block_and_the_rest_is_there(void **state)
{
    struct stage *stage = *state;
    struct device *device = proven(stage);
    struct reply r =
        ask(device,
            (struct ask){.code = COAP_GET, .observe = REGISTER, .token = "t", .path = "ps/big"});
    assert_true(r.has_observe);
    stage_publish_bytes(stage, "big", slice_of(body, BODY), 0, false, NULL); /* and not retained */
    r = hear(device);
    assert_int_equal(r.payload.len, 1024);
    assert_true(r.has_observe && r.has_block2 && r.block2.more);
    assert_int_equal(r.size2, BODY);
    assert_int_equal(r.etag.len, 8);
    uint8_t etag[8];
    memcpy(etag, r.etag.at, 8);
    for (unsigned number = 1; number < 5; number++) {
        struct coap_block block = {number, false, 6};
        r = ask(device, (struct ask){.code = COAP_GET, .path = "ps/big", .block2 = &block});
        assert_code(r, "2.05");
        assert_false(r.has_observe);
        assert_memory_equal(r.etag.at, etag, 8);
        assert_memory_equal(r.payload.at, body + number * 1024, r.payload.len);
        assert_int_equal(r.block2.more, number < 4);
    }
    /* Nobody else has it, and a smaller state ends it. */
    struct coap_block second = {1, false, 6};
    assert_code(
        ask(proven(stage), (struct ask){.code = COAP_GET, .path = "ps/big", .block2 = &second}),
        "4.04");
    stage_publish(stage, "big", "small", 0, false, NULL);
    assert_payload(hear(device), "small");
    assert_code(ask(device, (struct ask){.code = COAP_GET, .path = "ps/big", .block2 = &second}),
                "4.04");
}

static void an_observer_chooses_the_size_of_its_blocks(void **state)
{
    struct stage *stage = *state;
    struct device *device = proven(stage);
    struct coap_block wish = {0, false, 1};
    ask(device, (struct ask){.code = COAP_GET,
                             .observe = REGISTER,
                             .token = "t",
                             .path = "ps/big",
                             .block2 = &wish});
    stage_publish_bytes(stage, "big", slice_of(body, 100), 1, false, NULL);
    struct reply r = hear(device);
    assert_int_equal(r.payload.len, 32);
    assert_int_equal(r.block2.szx, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        TEST(a_body_reaches_the_core_when_it_is_whole),
        TEST(one_block_alone_is_a_whole_body),
        TEST(a_stranger_proves_his_address_before_memory_is_spent),
        TEST(any_block_in_any_state_is_answered_and_leaks_nothing),
        TEST(a_block_that_comes_again_is_kept_once),
        TEST(a_size_may_become_smaller_on_the_way),
        TEST(bodies_are_told_apart),
        TEST(what_would_be_too_large_is_refused_early),
        TEST(uploads_are_bounded_and_the_oldest_gives_way),
        TEST(an_upload_that_nothing_is_heard_of_is_forgotten),
        TEST(a_large_value_is_fetched_block_by_block),
        TEST(a_value_is_cut_without_being_asked),
        TEST(a_large_notification_is_its_first_block_and_the_rest_is_there),
        TEST(an_observer_chooses_the_size_of_its_blocks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
