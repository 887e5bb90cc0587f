/* Tests protocols/mqtt/encode.h: bytes against the specification, sizes against bytes. */
#include "mqtt_any.h"
#include "protocols/mqtt/encode.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static const enum mqtt_version versions[] = {MQTT_3_1, MQTT_3_1_1, MQTT_5};
static const struct mqtt_property_limits limits = MQTT_PROPERTY_LIMITS_DEFAULT;

/* A writer over a block of exactly `size` bytes, and what was written must fill it. */
static uint8_t *room;

static struct writer start(size_t size)
{
    free(room);
    room = malloc(size ? size : 1);
    assert_non_null(room);
    return writer_of(room, size);
}

static void assert_written(const struct writer *w, struct slice expected)
{
    assert_false(w->overflow);
    assert_ptr_equal(w->at, w->end);
    assert_int_equal(writer_len(w), expected.len);
    assert_memory_equal(room, expected.at, expected.len);
}

static struct mqtt_properties because(const char *why)
{
    struct mqtt_properties p = {0};
    p.reason_string = slice_of_str(why);
    mqtt_set(&p, MQTT_REASON_STRING);
    return p;
}

static void connack_speaks_the_words_of_its_version(void **state)
{
    (void)state;
    static const struct {
        enum mqtt_version version;
        bool present;
        enum mqtt_reason reason;
        struct slice expected;
    } cases[] = {
        {MQTT_3_1, true, MQTT_SUCCESS, SLICE("\x20\2\0\0")},
        {MQTT_3_1_1, true, MQTT_SUCCESS, SLICE("\x20\2\1\0")},
        {MQTT_3_1_1, true, MQTT_NOT_AUTHORIZED, SLICE("\x20\2\0\5")},
        {MQTT_3_1_1, false, MQTT_UNSUPPORTED_PROTOCOL_VERSION, SLICE("\x20\2\0\1")},
        {MQTT_5, true, MQTT_SUCCESS, SLICE("\x20\3\1\0\0")},
        {MQTT_5, true, MQTT_BANNED, SLICE("\x20\3\0\x8a\0")},
        {MQTT_5, false, MQTT_UNSUPPORTED_PROTOCOL_VERSION, SLICE("\x20\3\0\x84\0")},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct writer w = start(mqtt_connack_size(cases[i].version, NULL));
        mqtt_encode_connack(&w, cases[i].version, cases[i].present, cases[i].reason, NULL);
        assert_written(&w, cases[i].expected);
    }
}

static void connack_carries_properties_in_5_only(void **state)
{
    (void)state;
    struct mqtt_properties p = because("no");
    p.server_keep_alive_s = 60;
    mqtt_set(&p, MQTT_SERVER_KEEP_ALIVE);
    struct writer w = start(mqtt_connack_size(MQTT_5, &p));
    mqtt_encode_connack(&w, MQTT_5, false, MQTT_SERVER_BUSY, &p);
    assert_written(&w, SLICE("\x20\x0b\0\x89\x08\x13\0\x3c\x1f\0\2no"));
    w = start(mqtt_connack_size(MQTT_3_1_1, &p));
    mqtt_encode_connack(&w, MQTT_3_1_1, false, MQTT_SERVER_BUSY, &p);
    assert_written(&w, SLICE("\x20\2\0\3"));
}

static void acks_are_short_when_there_is_nothing_to_say(void **state)
{
    (void)state;
    struct mqtt_properties none = {0}, why = because("x");
    static const uint8_t first[] = {0x40, 0x50, 0x62, 0x70};
    for (unsigned i = 0; i < 4; i++) {
        enum mqtt_type type = (enum mqtt_type)(MQTT_PUBACK + i);
        uint8_t expected[] = {first[i], 2, 0x12, 0x34, 0x92, 4, 0x1f, 0, 1, 'x'};
        for (size_t v = 0; v < 3; v++) {
            struct writer w = start(mqtt_ack_size(versions[v], MQTT_SUCCESS, &none));
            mqtt_encode_ack(&w, versions[v], type, 0x1234, MQTT_SUCCESS, &none);
            assert_written(&w, slice_of(expected, 4));
        }
        for (size_t v = 0; v < 2; v++) {
            struct writer w = start(mqtt_ack_size(versions[v], (enum mqtt_reason)0x92, &why));
            mqtt_encode_ack(&w, versions[v], type, 0x1234, (enum mqtt_reason)0x92, &why);
            assert_written(&w, slice_of(expected, 4));
        }
        expected[1] = 3;
        struct writer w = start(mqtt_ack_size(MQTT_5, (enum mqtt_reason)0x92, NULL));
        assert_int_equal(mqtt_ack_size(MQTT_5, (enum mqtt_reason)0x92, NULL), MQTT_ACK_MAX);
        mqtt_encode_ack(&w, MQTT_5, type, 0x1234, (enum mqtt_reason)0x92, NULL);
        assert_written(&w, slice_of(expected, 5));
        expected[1] = 8;
        w = start(mqtt_ack_size(MQTT_5, (enum mqtt_reason)0x92, &why));
        mqtt_encode_ack(&w, MQTT_5, type, 0x1234, (enum mqtt_reason)0x92, &why);
        assert_written(&w, slice_of(expected, 10));
    }
}

static void suback_has_a_code_per_filter(void **state)
{
    (void)state;
    static const uint8_t reasons[] = {0, 1, 2, 0x87, 0x8f};
    struct mqtt_properties why = because("x");
    for (size_t v = 0; v < 2; v++) {
        struct writer w = start(mqtt_suback_size(versions[v], 5, &why));
        mqtt_encode_suback(&w, versions[v], 7, reasons, 5, &why);
        assert_written(&w, SLICE("\x90\7\0\7\0\1\2\x80\x80"));
    }
    struct writer w = start(mqtt_suback_size(MQTT_5, 5, NULL));
    mqtt_encode_suback(&w, MQTT_5, 7, reasons, 5, NULL);
    assert_written(&w, SLICE("\x90\x08\0\7\0\0\1\2\x87\x8f"));
    w = start(mqtt_suback_size(MQTT_5, 1, &why));
    mqtt_encode_suback(&w, MQTT_5, 7, reasons, 1, &why);
    assert_written(&w, SLICE("\x90\x08\0\7\4\x1f\0\1x\0"));
}

static void unsuback_has_codes_in_5_only(void **state)
{
    (void)state;
    static const uint8_t reasons[] = {0, 0x11};
    for (size_t v = 0; v < 2; v++) {
        struct writer w = start(mqtt_unsuback_size(versions[v], 2, NULL));
        mqtt_encode_unsuback(&w, versions[v], 7, reasons, 2, NULL);
        assert_written(&w, SLICE("\xb0\2\0\7"));
    }
    struct writer w = start(mqtt_unsuback_size(MQTT_5, 2, NULL));
    mqtt_encode_unsuback(&w, MQTT_5, 7, reasons, 2, NULL);
    assert_written(&w, SLICE("\xb0\5\0\7\0\0\x11"));
}

static void endings_are_as_short_as_they_can_be(void **state)
{
    (void)state;
    struct mqtt_properties why = because("x"), method = {0};
    struct writer w = start(MQTT_PINGRESP_SIZE);
    mqtt_encode_pingresp(&w);
    assert_written(&w, SLICE("\xd0\0"));
    w = start(mqtt_disconnect_size(MQTT_SUCCESS, NULL));
    mqtt_encode_disconnect(&w, MQTT_SUCCESS, NULL);
    assert_written(&w, SLICE("\xe0\0"));
    w = start(mqtt_disconnect_size(MQTT_SESSION_TAKEN_OVER, NULL));
    mqtt_encode_disconnect(&w, MQTT_SESSION_TAKEN_OVER, NULL);
    assert_written(&w, SLICE("\xe0\1\x8e"));
    w = start(mqtt_disconnect_size(MQTT_SERVER_SHUTTING_DOWN, &why));
    mqtt_encode_disconnect(&w, MQTT_SERVER_SHUTTING_DOWN, &why);
    assert_written(&w, SLICE("\xe0\6\x8b\4\x1f\0\1x"));
    method.authentication_method = SLICE("m");
    mqtt_set(&method, MQTT_AUTHENTICATION_METHOD);
    w = start(mqtt_auth_size(MQTT_CONTINUE_AUTHENTICATION, &method));
    mqtt_encode_auth(&w, MQTT_CONTINUE_AUTHENTICATION, &method);
    assert_written(&w, SLICE("\xf0\6\x18\4\x15\0\1m"));
    w = start(mqtt_auth_size(MQTT_SUCCESS, NULL));
    mqtt_encode_auth(&w, MQTT_SUCCESS, NULL);
    assert_written(&w, SLICE("\xf0\0"));
    w = start(mqtt_auth_size(MQTT_CONTINUE_AUTHENTICATION, NULL));
    mqtt_encode_auth(&w, MQTT_CONTINUE_AUTHENTICATION, NULL);
    assert_written(&w, SLICE("\xf0\2\x18\0"));
}

static void publish_is_laid_out_as_its_version_has_it(void **state)
{
    (void)state;
    static const uint32_t ids[] = {5, 300};
    struct mqtt_publish_head head = {.topic = SLICE("a/b"),
                                     .packet_id = 0x1234,
                                     .qos = 1,
                                     .dup = true,
                                     .retain = true,
                                     .payload_len = 3,
                                     .topic_alias = 9,
                                     .has_message_expiry = true,
                                     .message_expiry_s = 0x01020304,
                                     .forwardable = SLICE("\x26\0\1k\0\1v"),
                                     .subscription_identifiers = ids,
                                     .subscription_identifier_count = 2};
    for (size_t v = 0; v < 2; v++) {
        struct writer w = start(mqtt_publish_head_size(versions[v], &head));
        mqtt_encode_publish_head(&w, versions[v], &head);
        assert_written(&w, SLICE("\x3b\x0a\0\3a/b\x12\x34"));
    }
    struct writer w = start(mqtt_publish_head_size(MQTT_5, &head));
    mqtt_encode_publish_head(&w, MQTT_5, &head);
    assert_written(&w, SLICE("\x3b\x1f\0\3a/b\x12\x34\x14\x23\0\x09\x02\1\2\3\4\x0b\5\x0b\xac\2"
                             "\x26\0\1k\0\1v"));
    head = (struct mqtt_publish_head){.topic = SLICE("t"), .dup = true};
    w = start(mqtt_publish_head_size(MQTT_5, &head));
    mqtt_encode_publish_head(&w, MQTT_5, &head);
    assert_written(&w, SLICE("\x30\4\0\1t\0")); /* no DUP on QoS 0 [MQTT-3.3.1-2] */
    head = (struct mqtt_publish_head){.topic_alias = 1, .payload_len = 1};
    w = start(mqtt_publish_head_size(MQTT_5, &head));
    mqtt_encode_publish_head(&w, MQTT_5, &head);
    assert_written(&w, SLICE("\x30\7\0\0\3\x23\0\1"));
}

/* Encodes, puts zeros behind for the payload, decodes and compares. */
static void assert_round_trip(enum mqtt_version version, const struct mqtt_publish_head *head)
{
    size_t size = mqtt_publish_head_size(version, head), total = size + head->payload_len;
    uint8_t *bytes = calloc(1, total);
    assert_non_null(bytes);
    struct writer w = writer_of(bytes, size);
    mqtt_encode_publish_head(&w, version, head);
    assert_false(w.overflow);
    assert_ptr_equal(w.at, w.end);

    struct mqtt_header header;
    struct mqtt_publish p;
    struct mqtt_fault fault;
    struct slice packet = slice_of(bytes, total);
    assert_int_equal(mqtt_decode_header(packet, version, &header, &fault), MQTT_HEADER_KNOWN);
    assert_int_equal(mqtt_packet_size(&header), total);
    if (!mqtt_decode_publish(&header, packet, version, &limits, &p, &fault))
        fail_msg("%s: %s", fault.clause, fault.what);
    assert_true(slice_equal(p.topic, head->topic));
    assert_int_equal(p.payload.len, head->payload_len);
    assert_int_equal(p.qos, head->qos);
    assert_true(p.retain == head->retain && p.dup == (head->dup && head->qos > 0));
    assert_int_equal(p.packet_id, head->qos ? head->packet_id : 0);
    if (version == MQTT_5) {
        assert_int_equal(p.properties.topic_alias, head->topic_alias);
        assert_true(mqtt_has(&p.properties, MQTT_MESSAGE_EXPIRY_INTERVAL) ==
                    head->has_message_expiry);
        assert_int_equal(p.properties.message_expiry_s,
                         head->has_message_expiry ? head->message_expiry_s : 0);
    } else {
        assert_int_equal(p.properties.present, 0);
    }
    free(bytes);
}

static void publish_of_every_size_and_option_comes_back_from_the_decoder(void **state)
{
    (void)state;
    static const uint32_t payloads[] = {0, 1, 64, 100, 127, 128, 16000, 16384, 2097152};
    static uint8_t topic[300];
    memset(topic, 't', sizeof(topic));
    for (size_t v = 0; v < 3; v++)
        for (unsigned options = 0; options < 32; options++)
            for (uint8_t qos = 0; qos <= 2; qos++)
                for (size_t i = 0; i < sizeof(payloads) / sizeof(payloads[0]); i++) {
                    struct mqtt_publish_head head = {.qos = qos, .packet_id = 65535};
                    head.topic = slice_of(topic, options & 16 ? 300 : 1);
                    head.payload_len = payloads[i];
                    head.dup = options & 1;
                    head.retain = options & 2;
                    head.topic_alias = options & 4 ? 65535 : 0;
                    head.has_message_expiry = options & 8;
                    head.message_expiry_s = 0;
                    head.forwardable = options & 16 ? SLICE("\x03\0\1t\x26\0\0\0\0") : SLICE_EMPTY;
                    if (payloads[i] < 100000 || options == 31)
                        assert_round_trip(versions[v], &head);
                }
}

/* Around each length at which the remaining length or the property length takes one byte more. */
static void publish_grows_by_the_byte(void **state)
{
    (void)state;
    for (size_t v = 0; v < 3; v++)
        for (uint32_t base = 128; base <= 2097152; base *= 128)
            for (uint32_t len = base - 20; len <= base + 4; len++) {
                struct mqtt_publish_head head = {.topic = SLICE("topic"), .payload_len = len};
                assert_round_trip(versions[v], &head);
            }
    for (size_t pairs = 1; pairs <= 64; pairs++) {
        uint8_t bytes[64 * 5], *at = bytes;
        for (size_t i = 0; i < pairs; i++, at += 5)
            memcpy(at, "\x26\0\0\0\0", 5);
        struct mqtt_publish_head head = {.topic = SLICE("t"), .qos = 1, .packet_id = 1};
        head.forwardable = slice_of(bytes, pairs * 5);
        assert_round_trip(MQTT_5, &head);
    }
}

static void a_packet_longer_than_mqtt_can_say_has_no_size(void **state)
{
    (void)state;
    struct mqtt_publish_head head = {.topic = SLICE("t")};
    head.payload_len = MQTT_VARINT_MAX - 3;
    assert_int_equal(mqtt_publish_head_size(MQTT_3_1_1, &head), 1 + 4 + 3);
    head.payload_len++;
    assert_int_equal(mqtt_publish_head_size(MQTT_3_1_1, &head), 0);
    head.payload_len = UINT32_MAX;
    assert_int_equal(mqtt_publish_head_size(MQTT_5, &head), 0);
}

static void too_little_room_is_told_and_not_overrun(void **state)
{
    (void)state;
    struct mqtt_publish_head head = {.topic = SLICE("topic"), .qos = 1, .packet_id = 1};
    struct mqtt_properties why = because("x");
    static const uint8_t reasons[] = {0, 0x11};
    for (size_t len = 0; len < mqtt_publish_head_size(MQTT_5, &head); len++) {
        struct writer w = start(len);
        mqtt_encode_publish_head(&w, MQTT_5, &head);
        assert_true(w.overflow && writer_len(&w) == 0);
    }
    for (size_t len = 0; len < mqtt_suback_size(MQTT_5, 2, &why); len++) {
        struct writer w = start(len);
        mqtt_encode_suback(&w, MQTT_5, 1, reasons, 2, &why);
        assert_true(w.overflow);
    }
}

/* Everything a server may say passes the table, and the encoders' own choices are in it. */
static void server_reasons_are_those_of_their_packet(void **state)
{
    (void)state;
    static const struct {
        enum mqtt_type type;
        struct slice codes;
    } packets[] = {
        {MQTT_CONNACK, SLICE("\x00\x80\x81\x82\x83\x84\x85\x86\x87\x88\x89\x8a\x8c\x90\x95\x97"
                             "\x99\x9a\x9b\x9c\x9d\x9f")},
        {MQTT_PUBACK, SLICE("\x00\x10\x80\x83\x87\x90\x91\x97\x99")},
        {MQTT_PUBREC, SLICE("\x00\x10\x80\x83\x87\x90\x91\x97\x99")},
        {MQTT_PUBREL, SLICE("\x00\x92")},
        {MQTT_PUBCOMP, SLICE("\x00\x92")},
        {MQTT_SUBACK, SLICE("\x00\x01\x02\x80\x83\x87\x8f\x91\x97\x9e\xa1\xa2")},
        {MQTT_UNSUBACK, SLICE("\x00\x11\x80\x83\x87\x8f\x91")},
        {MQTT_AUTH, SLICE("\x00\x18")},
        {MQTT_PUBLISH, SLICE("")},
        {MQTT_CONNECT, SLICE("")},
    };
    for (size_t i = 0; i < sizeof(packets) / sizeof(packets[0]); i++)
        for (unsigned code = 0; code < 256; code++) {
            bool may = memchr(packets[i].codes.at, (int)code, packets[i].codes.len) != NULL;
            if (mqtt_server_may_say(packets[i].type, (uint8_t)code) != may)
                fail_msg("%02x in %s", code, mqtt_type_name(packets[i].type));
        }
    assert_true(mqtt_server_may_say(MQTT_DISCONNECT, MQTT_SESSION_TAKEN_OVER));
    assert_false(mqtt_server_may_say(MQTT_DISCONNECT, MQTT_DISCONNECT_WITH_WILL_MESSAGE));
    free(room);
    room = NULL;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(connack_speaks_the_words_of_its_version),
        cmocka_unit_test(connack_carries_properties_in_5_only),
        cmocka_unit_test(acks_are_short_when_there_is_nothing_to_say),
        cmocka_unit_test(suback_has_a_code_per_filter),
        cmocka_unit_test(unsuback_has_codes_in_5_only),
        cmocka_unit_test(endings_are_as_short_as_they_can_be),
        cmocka_unit_test(publish_is_laid_out_as_its_version_has_it),
        cmocka_unit_test(publish_of_every_size_and_option_comes_back_from_the_decoder),
        cmocka_unit_test(publish_grows_by_the_byte),
        cmocka_unit_test(a_packet_longer_than_mqtt_can_say_has_no_size),
        cmocka_unit_test(too_little_room_is_told_and_not_overrun),
        cmocka_unit_test(server_reasons_are_those_of_their_packet),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
