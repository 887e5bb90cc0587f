/* Tests protocols/mqtt_sn's codec: wire, layout, decode, encode. */
#include "protocols/mqtt_sn/decode.h"
#include "protocols/mqtt_sn/encode.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Every message of MQTT-SN 1.2 as it stands on the wire, and what it means. */
static const struct example {
    const char *bytes;
    size_t len;
    struct sn_packet packet;
} examples[] = {
#define BYTES(literal) literal, sizeof(literal) - 1
#define TEXT(literal)                                                                              \
    {                                                                                              \
        (const uint8_t *)(literal), sizeof(literal) - 1                                            \
    }
    {BYTES("\x05\x00\x07\x03\x84"), {.type = SN_ADVERTISE, .gateway_id = 7, .duration_s = 900}},
    {BYTES("\x03\x01\x02"), {.type = SN_SEARCHGW, .radius = 2}},
    {BYTES("\x03\x02\x07"), {.type = SN_GWINFO, .gateway_id = 7}},
    {BYTES("\x07\x02\x07"
           "\x0a\x00\x00\x01"),
     {.type = SN_GWINFO, .gateway_id = 7, .text = TEXT("\x0a\x00\x00\x01")}},
    {BYTES("\x0a\x04\x0c\x01\x00\x3c"
           "abcd"),
     {.type = SN_CONNECT,
      .flags = SN_WILL | SN_CLEAN,
      .protocol_id = 1,
      .duration_s = 60,
      .text = TEXT("abcd")}},
    {BYTES("\x03\x05\x01"), {.type = SN_CONNACK, .code = SN_CONGESTION}},
    {BYTES("\x02\x06"), {.type = SN_WILLTOPICREQ}},
    {BYTES("\x06\x07\x30"
           "a/b"),
     {.type = SN_WILLTOPIC, .flags = 1 << SN_QOS_SHIFT | SN_RETAIN, .text = TEXT("a/b")}},
    {BYTES("\x02\x07"), {.type = SN_WILLTOPIC, .empty = true}},
    {BYTES("\x02\x08"), {.type = SN_WILLMSGREQ}},
    {BYTES("\x06\x09"
           "gone"),
     {.type = SN_WILLMSG, .text = TEXT("gone")}},
    {BYTES("\x09\x0a\x00\x00\x12\x34"
           "a/b"),
     {.type = SN_REGISTER, .msg_id = 0x1234, .text = TEXT("a/b")}},
    {BYTES("\x07\x0b\x00\x05\x12\x34\x00"),
     {.type = SN_REGACK, .topic_id = 5, .msg_id = 0x1234, .code = SN_ACCEPTED}},
    {BYTES("\x09\x0c\xd2"
           "ab"
           "\x00\x09"
           "21"),
     {.type = SN_PUBLISH,
      .flags = SN_DUP | 2 << SN_QOS_SHIFT | SN_RETAIN | SN_ID_SHORT,
      .topic_id = 0x6162,
      .msg_id = 9,
      .text = TEXT("21")}},
    {BYTES("\x07\x0c\x61\x00\x01\x00\x00"),
     {.type = SN_PUBLISH, .flags = 3 << SN_QOS_SHIFT | SN_ID_PREDEFINED, .topic_id = 1}},
    {BYTES("\x07\x0d\x00\x05\x12\x34\x02"),
     {.type = SN_PUBACK, .topic_id = 5, .msg_id = 0x1234, .code = SN_INVALID_TOPIC_ID}},
    {BYTES("\x04\x0e\x12\x34"), {.type = SN_PUBCOMP, .msg_id = 0x1234}},
    {BYTES("\x04\x0f\x12\x34"), {.type = SN_PUBREC, .msg_id = 0x1234}},
    {BYTES("\x04\x10\x12\x34"), {.type = SN_PUBREL, .msg_id = 0x1234}},
    {BYTES("\x08\x12\x20\x00\x02"
           "a/#"),
     {.type = SN_SUBSCRIBE, .flags = 1 << SN_QOS_SHIFT, .msg_id = 2, .text = TEXT("a/#")}},
    {BYTES("\x07\x12\x01\x00\x02\x00\x09"),
     {.type = SN_SUBSCRIBE, .flags = SN_ID_PREDEFINED, .msg_id = 2, .topic_id = 9}},
    {BYTES("\x08\x13\x40\x00\x05\x00\x02\x00"),
     {.type = SN_SUBACK, .flags = 2 << SN_QOS_SHIFT, .topic_id = 5, .msg_id = 2}},
    {BYTES("\x07\x14\x02\x00\x02"
           "ab"),
     {.type = SN_UNSUBSCRIBE, .flags = SN_ID_SHORT, .msg_id = 2, .topic_id = 0x6162}},
    {BYTES("\x04\x15\x00\x02"), {.type = SN_UNSUBACK, .msg_id = 2}},
    {BYTES("\x02\x16"), {.type = SN_PINGREQ}},
    {BYTES("\x04\x16"
           "ab"),
     {.type = SN_PINGREQ, .text = TEXT("ab")}},
    {BYTES("\x02\x17"), {.type = SN_PINGRESP}},
    {BYTES("\x02\x18"), {.type = SN_DISCONNECT, .empty = true}},
    {BYTES("\x04\x18\x01\x2c"), {.type = SN_DISCONNECT, .duration_s = 300}},
    {BYTES("\x06\x1a\x00"
           "a/b"),
     {.type = SN_WILLTOPICUPD, .text = TEXT("a/b")}},
    {BYTES("\x02\x1a"), {.type = SN_WILLTOPICUPD, .empty = true}},
    {BYTES("\x03\x1b\x00"), {.type = SN_WILLTOPICRESP}},
    {BYTES("\x04\x1c"
           "ab"),
     {.type = SN_WILLMSGUPD, .text = TEXT("ab")}},
    {BYTES("\x03\x1d\x03"), {.type = SN_WILLMSGRESP, .code = SN_NOT_SUPPORTED}},
};

enum { EXAMPLES = sizeof examples / sizeof examples[0] };

/* Decodes a copy in memory of exactly that size. */
static enum sn_fault decode_exact(struct slice bytes, struct sn_packet *packet, uint8_t **copy)
{
    *copy = malloc(bytes.len ? bytes.len : 1);
    assert_non_null(*copy);
    if (bytes.len)
        memcpy(*copy, bytes.at, bytes.len);
    return sn_decode(slice_of(*copy, bytes.len), packet);
}

static void every_message_means_what_it_says(void **state)
{
    (void)state;
    for (size_t i = 0; i < EXAMPLES; i++) {
        const struct sn_packet *want = &examples[i].packet;
        struct sn_packet got;
        uint8_t *copy;
        assert_int_equal(decode_exact(slice_of(examples[i].bytes, examples[i].len), &got, &copy),
                         SN_GOOD);
        assert_int_equal(got.type, want->type);
        assert_int_equal(got.flags, want->flags);
        assert_int_equal(got.protocol_id, want->protocol_id);
        assert_int_equal(got.code, want->code);
        assert_int_equal(got.gateway_id, want->gateway_id);
        assert_int_equal(got.radius, want->radius);
        assert_int_equal(got.duration_s, want->duration_s);
        assert_int_equal(got.topic_id, want->topic_id);
        assert_int_equal(got.msg_id, want->msg_id);
        assert_int_equal(got.empty, want->empty);
        assert_true(slice_equal(got.text, want->text));
        free(copy);
    }
}

static void every_message_is_written_as_it_is_read(void **state)
{
    (void)state;
    for (size_t i = 0; i < EXAMPLES; i++) {
        size_t size = sn_size(&examples[i].packet);
        assert_int_equal(size, examples[i].len);
        uint8_t *to = malloc(size);
        assert_non_null(to);
        struct writer w = writer_of(to, size);
        sn_encode(&w, &examples[i].packet);
        assert_false(w.overflow);
        assert_int_equal(writer_len(&w), size);
        assert_memory_equal(to, examples[i].bytes, size);
        free(to);
    }
}

static void no_type_is_without_an_example(void **state)
{
    (void)state;
    for (unsigned type = 0; type < SN_TYPES; type++) {
        bool seen = false;
        for (size_t i = 0; i < EXAMPLES; i++)
            seen |= examples[i].packet.type == type;
        assert_int_equal(seen, strcmp(sn_type_name(type), "reserved type") != 0);
    }
}

/* With its length field as it was, and with the length made to fit what is left. */
static void a_message_cut_anywhere_is_refused_or_another_good_one(void **state)
{
    (void)state;
    for (size_t i = 0; i < EXAMPLES; i++) {
        for (size_t len = 0; len < examples[i].len; len++) {
            struct sn_packet got;
            uint8_t *copy, fitting[300];
            assert_int_equal(decode_exact(slice_of(examples[i].bytes, len), &got, &copy),
                             SN_BAD_LENGTH);
            free(copy);
            if (len < 2)
                continue;
            memcpy(fitting, examples[i].bytes, len);
            fitting[0] = (uint8_t)len;
            enum sn_fault fault = decode_exact(slice_of(fitting, len), &got, &copy);
            if (fault == SN_GOOD)
                assert_int_equal(sn_size(&got), len);
            else
                assert_int_equal(fault, SN_BAD_FIELDS);
            free(copy);
        }
    }
}

static void nothing_may_stand_behind_a_message(void **state)
{
    (void)state;
    for (size_t i = 0; i < EXAMPLES; i++) {
        uint8_t longer[300], *copy;
        struct sn_packet got;
        memcpy(longer, examples[i].bytes, examples[i].len);
        longer[examples[i].len] = 0;
        assert_int_equal(decode_exact(slice_of(longer, examples[i].len + 1), &got, &copy),
                         SN_BAD_LENGTH);
        free(copy);
    }
}

static void every_length_field_is_held_against_the_datagram(void **state)
{
    (void)state;
    for (unsigned length = 0; length <= 255; length++) {
        uint8_t bytes[] = {(uint8_t)length, SN_PINGREQ, 'a', 'b'};
        struct sn_packet got;
        uint8_t *copy;
        /* 0x01 makes it a long one: 0x1661 bytes, which are not there */
        assert_int_equal(decode_exact(slice_of(bytes, sizeof bytes), &got, &copy),
                         length == sizeof bytes ? SN_GOOD : SN_BAD_LENGTH);
        free(copy);
    }
    for (unsigned length = 0; length <= 65535; length++) {
        uint8_t bytes[] = {1, (uint8_t)(length >> 8), (uint8_t)length, SN_PINGREQ, 'a', 'b'};
        struct sn_packet got;
        assert_int_equal(sn_decode(slice_of(bytes, sizeof bytes), &got),
                         length == sizeof bytes ? SN_GOOD : SN_BAD_LENGTH);
    }
}

static void a_long_message_has_three_bytes_of_length(void **state)
{
    (void)state;
    static uint8_t payload[70000], bytes[70000];
    const struct {
        size_t payload, size;
    } cases[] = {{248, 255}, {249, 258}, {1000, 1009}, {65526, 65535}, {65527, 0}, {70000, 0}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct sn_packet packet = {.type = SN_PUBLISH, .text = slice_of(payload, cases[i].payload)};
        struct sn_packet got;
        assert_int_equal(sn_size(&packet), cases[i].size);
        struct writer w = writer_of(bytes, sizeof bytes);
        sn_encode(&w, &packet);
        assert_int_equal(w.overflow, cases[i].size == 0);
        if (cases[i].size == 0)
            continue;
        assert_int_equal(bytes[0], cases[i].size > 255 ? 1 : cases[i].size);
        assert_int_equal(sn_decode(slice_of(bytes, writer_len(&w)), &got), SN_GOOD);
        assert_int_equal(got.text.len, cases[i].payload);
    }
}

static void reserved_types_are_refused(void **state)
{
    (void)state;
    for (unsigned type = 0; type <= 255; type++) {
        uint8_t bytes[] = {2, (uint8_t)type};
        struct sn_packet got;
        bool reserved = strcmp(sn_type_name(type), "reserved type") == 0;
        enum sn_fault fault = sn_decode(slice_of(bytes, 2), &got);
        assert_int_equal(fault == SN_BAD_TYPE, reserved);
        struct sn_packet packet = {.type = (uint8_t)type};
        assert_int_equal(sn_size(&packet) == 0, reserved);
    }
}

static void a_forwarders_envelope_comes_off_and_goes_on_again(void **state)
{
    (void)state;
    const uint8_t bytes[] = {5, 0xfe, 1, 0xaa, 0xbb, 2, SN_PINGREQ};
    struct sn_frame frame;
    assert_int_equal(sn_unwrap(slice_of(bytes, sizeof bytes), &frame), SN_GOOD);
    assert_true(frame.encapsulated);
    assert_int_equal(frame.node.len, 2);
    assert_int_equal(frame.node.at[1], 0xbb);
    assert_int_equal(frame.message.len, 2);
    uint8_t again[5];
    struct writer w = writer_of(again, sizeof again);
    sn_encode_wrap(&w, frame.node);
    assert_false(w.overflow);
    assert_memory_equal(again, ((uint8_t[]){5, 0xfe, 0, 0xaa, 0xbb}), 5);
}

static void an_envelope_of_every_length_is_bounded(void **state)
{
    (void)state;
    for (size_t len = 2; len < 8; len++) {
        for (unsigned length = 0; length <= 255; length++) {
            uint8_t *bytes = calloc(1, len);
            assert_non_null(bytes);
            bytes[0] = (uint8_t)length;
            bytes[1] = SN_ENCAPSULATED;
            struct sn_frame frame;
            struct sn_packet packet;
            enum sn_fault fault = sn_unwrap(slice_of(bytes, len), &frame);
            if (length == 1) /* a long message of another type: the decoder's to judge */
                assert_false(frame.encapsulated);
            else
                assert_int_equal(fault, length >= 3 && length <= len ? SN_GOOD : SN_BAD_LENGTH);
            if (fault == SN_GOOD && frame.encapsulated)
                assert_int_equal(frame.node.len + frame.message.len + 3, len);
            if (fault == SN_GOOD)
                assert_int_not_equal(sn_decode(frame.message, &packet), SN_GOOD);
            free(bytes);
        }
    }
}

static void an_envelope_inside_another_is_refused(void **state)
{
    (void)state;
    const uint8_t bytes[] = {3, 0xfe, 0, 3, 0xfe, 0, 2, SN_PINGREQ};
    struct sn_frame frame;
    struct sn_packet packet;
    assert_int_equal(sn_unwrap(slice_of(bytes, sizeof bytes), &frame), SN_GOOD);
    assert_int_not_equal(sn_decode(frame.message, &packet), SN_GOOD);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_message_means_what_it_says),
        cmocka_unit_test(every_message_is_written_as_it_is_read),
        cmocka_unit_test(no_type_is_without_an_example),
        cmocka_unit_test(a_message_cut_anywhere_is_refused_or_another_good_one),
        cmocka_unit_test(nothing_may_stand_behind_a_message),
        cmocka_unit_test(every_length_field_is_held_against_the_datagram),
        cmocka_unit_test(a_long_message_has_three_bytes_of_length),
        cmocka_unit_test(reserved_types_are_refused),
        cmocka_unit_test(a_forwarders_envelope_comes_off_and_goes_on_again),
        cmocka_unit_test(an_envelope_of_every_length_is_bounded),
        cmocka_unit_test(an_envelope_inside_another_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
