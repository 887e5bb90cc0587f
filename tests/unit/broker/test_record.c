/* The bodies of rows: back as they were, and nothing else is taken for one. */
#include "broker/record.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

struct body {
    uint8_t bytes[512];
    size_t len;
};

static const struct record_identity ann = {
    .name = SLICE("ann"), .common_name = SLICE("device 1"), .proof = 1};
static const struct record_will gone = {.topic = SLICE("w"),
                                        .payload = SLICE("gone\0"),
                                        .properties = SLICE("\x01\x01"),
                                        .delay_s = 5,
                                        .expiry_s = 4294967295,
                                        .qos = 2,
                                        .retain = true,
                                        .expires = true};
static const struct record_session session = {.client_id = SLICE("a"),
                                              .mountpoint = SLICE("m/"),
                                              .protocol = SLICE("mqtt"),
                                              .note = SLICE("n\0"),
                                              .identity = {.name = SLICE("ann"), .proof = 2},
                                              .will = {.topic = SLICE("w"), .payload = SLICE("p")},
                                              .away_ms = 1700000000123,
                                              .expiry_s = 4294967295,
                                              .window = 65535,
                                              .inbound_maximum = 7,
                                              .has_will = true,
                                              .over = true};
static const struct record_head head = {.topic = SLICE("x/y"),
                                        .properties = SLICE("\x01\x01"),
                                        .expires_ms = 1700000000123,
                                        .qos = 1,
                                        .retain = true,
                                        .has_author = true,
                                        .author = {.name = SLICE("ann"), .proof = 1},
                                        .author_client_id = SLICE("dev"),
                                        .author_mountpoint_len = 2};
static const uint32_t identifiers[] = {1, 268435455, 7};
static const struct record_queued queued = {.identifiers = identifiers,
                                            .identifier_count = 3,
                                            .group = SLICE("g"),
                                            .filter = SLICE("m/x"),
                                            .size = 4294967295,
                                            .packet_id = 65535,
                                            .qos = 2,
                                            .retain = true};
static const struct record_subscription subscription = {
    .identifier = 268435455, .qos = 2, .no_local = true, .retain_as_published = true};

enum sort { SESSION, HEAD, QUEUED, SUBSCRIPTION, FIRED, SORTS };

static struct body encode(enum sort sort)
{
    struct body body;
    struct writer w = writer_of(body.bytes, sizeof body.bytes);
    size_t room = RECORD_SUBSCRIPTION_ROOM;
    const struct record_fired fired = {
        .identity = ann, .client_id = SLICE("a"), .mountpoint = SLICE("m/"), .will = gone};
    switch (sort) {
    case SESSION:
        room = record_session_room(&session);
        record_session_encode(&session, &w);
        break;
    case HEAD:
        room = record_head_room(&head);
        record_head_encode(&head, &w);
        break;
    case QUEUED:
        room = record_queued_room(&queued);
        record_queued_encode(&queued, &w);
        break;
    case SUBSCRIPTION:
        record_subscription_encode(&subscription, &w);
        break;
    case FIRED:
        room = record_fired_room(&fired);
        record_fired_encode(&fired, &w);
        break;
    case SORTS:
        break;
    }
    body.len = writer_len(&w);
    assert_false(w.overflow);
    assert_true(body.len <= room);
    return body;
}

static bool decodes(enum sort sort, struct slice body)
{
    struct record_session s;
    struct record_head h;
    struct record_queued q;
    struct record_subscription u;
    struct record_fired f;
    switch (sort) {
    case SESSION:
        return record_session_decode(body, &s);
    case HEAD:
        return record_head_decode(body, &h);
    case QUEUED:
        return record_queued_decode(body, &q);
    case SUBSCRIPTION:
        return record_subscription_decode(body, &u);
    case FIRED:
        return record_fired_decode(body, &f);
    case SORTS:
        break;
    }
    return false;
}

static void a_session_comes_back_as_it_was(void **state)
{
    (void)state;
    struct body body = encode(SESSION);
    struct record_session back;
    assert_true(record_session_decode(slice_of(body.bytes, body.len), &back));
    assert_true(slice_equal(back.client_id, session.client_id));
    assert_true(slice_equal(back.mountpoint, session.mountpoint));
    assert_true(slice_equal(back.protocol, session.protocol));
    assert_true(slice_equal(back.note, session.note));
    assert_true(slice_equal(back.identity.name, session.identity.name));
    assert_int_equal(back.identity.proof, 2);
    assert_true(slice_equal(back.will.payload, session.will.payload));
    assert_int_equal(back.away_ms, session.away_ms);
    assert_int_equal(back.expiry_s, session.expiry_s);
    assert_int_equal(back.window, 65535);
    assert_int_equal(back.inbound_maximum, 7);
    assert_true(back.has_will && back.over);
}

static void a_message_and_its_author_come_back(void **state)
{
    (void)state;
    struct body body = encode(HEAD);
    struct record_head back;
    assert_true(record_head_decode(slice_of(body.bytes, body.len), &back));
    assert_true(slice_equal(back.topic, head.topic));
    assert_true(slice_equal(back.properties, head.properties));
    assert_int_equal(back.expires_ms, head.expires_ms);
    assert_int_equal(back.qos, 1);
    assert_true(back.retain && back.has_author);
    assert_true(slice_equal(back.author_client_id, head.author_client_id));
    assert_int_equal(back.author_mountpoint_len, 2);
}

static void what_is_queued_comes_back(void **state)
{
    (void)state;
    struct body body = encode(QUEUED);
    struct record_queued back;
    assert_true(record_queued_decode(slice_of(body.bytes, body.len), &back));
    assert_int_equal(back.identifier_count, 3);
    for (uint16_t i = 0; i < 3; i++)
        assert_int_equal(record_identifier(&back, i), identifiers[i]);
    assert_true(slice_equal(back.group, queued.group));
    assert_true(slice_equal(back.filter, queued.filter));
    assert_int_equal(back.size, queued.size);
    assert_int_equal(back.packet_id, 65535);
    assert_true(back.retain && !back.released);
}

static void a_will_comes_back(void **state)
{
    (void)state;
    struct body body = encode(FIRED);
    struct record_fired back;
    assert_true(record_fired_decode(slice_of(body.bytes, body.len), &back));
    assert_true(slice_equal(back.identity.common_name, ann.common_name));
    assert_true(slice_equal(back.will.topic, gone.topic));
    assert_true(slice_equal(back.will.payload, gone.payload));
    assert_true(slice_equal(back.will.properties, gone.properties));
    assert_int_equal(back.will.delay_s, 5);
    assert_int_equal(back.will.expiry_s, gone.expiry_s);
    assert_true(back.will.retain && back.will.expires);
}

static void no_part_and_no_more_than_the_whole_is_a_body(void **state)
{
    (void)state;
    for (enum sort sort = SESSION; sort < SORTS; sort++) {
        struct body body = encode(sort);
        for (size_t len = 0; len < body.len; len++) {
            uint8_t *exact = malloc(len ? len : 1); /* so that a byte too far is noticed */
            memcpy(exact, body.bytes, len);
            assert_false(decodes(sort, slice_of(exact, len)));
            free(exact);
        }
        assert_true(decodes(sort, slice_of(body.bytes, body.len)));
        assert_false(decodes(sort, slice_of(body.bytes, body.len + 1)));
    }
}

static void another_form_is_refused(void **state)
{
    (void)state;
    for (enum sort sort = SESSION; sort < SORTS; sort++) {
        struct body body = encode(sort);
        body.bytes[0] = 2;
        assert_false(decodes(sort, slice_of(body.bytes, body.len)));
    }
}

static void a_text_too_long_for_the_form_overflows(void **state)
{
    (void)state;
    uint8_t *long_text = calloc(1, 70000), *to = malloc(100000);
    struct record_session record = session;
    record.client_id = slice_of(long_text, 70000);
    struct writer w = writer_of(to, 100000);
    record_session_encode(&record, &w);
    assert_true(w.overflow);
    free(long_text);
    free(to);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_session_comes_back_as_it_was),
        cmocka_unit_test(a_message_and_its_author_come_back),
        cmocka_unit_test(what_is_queued_comes_back),
        cmocka_unit_test(a_will_comes_back),
        cmocka_unit_test(no_part_and_no_more_than_the_whole_is_a_body),
        cmocka_unit_test(another_form_is_refused),
        cmocka_unit_test(a_text_too_long_for_the_form_overflows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
