/* Tests protocols/mqtt/properties.h. */
#include "mqtt_any.h"
#include "mqtt_client_codec.h"
#include "mqtt_corpus.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static const struct mqtt_property_limits limits = MQTT_PROPERTY_LIMITS_DEFAULT;

/* Table 2-4 of 5.0, typed in by hand: where each property may stand. W is the will, the digits are
 * packet types in hex. */
static const struct {
    uint8_t id;
    const char *places;
} table[] = {
    {0x01, "3W"},
    {0x02, "3W"},
    {0x03, "3W"},
    {0x08, "3W"},
    {0x09, "3W"},
    {0x0b, "38"},
    {0x11, "12E"},
    {0x12, "2"},
    {0x13, "2"},
    {0x15, "12F"},
    {0x16, "12F"},
    {0x17, "1"},
    {0x18, "W"},
    {0x19, "1"},
    {0x1a, "2"},
    {0x1c, "2E"},
    {0x1f, "245679BEF"},
    {0x21, "12"},
    {0x22, "12"},
    {0x23, "3"},
    {0x24, "2"},
    {0x25, "2"},
    {0x26, "123456789ABEFW"},
    {0x27, "12"},
    {0x28, "2"},
    {0x29, "2"},
    {0x2a, "2"},
};

/* Whether it may, and whether it exists at all. */
static bool allowed(unsigned id, unsigned place, bool *known)
{
    *known = false;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
        if (table[i].id == id) {
            *known = true;
            return strchr(table[i].places, place == 0 ? 'W' : "0123456789ABCDEF"[place]);
        }
    return false;
}

static bool decode(struct slice block, unsigned place, const struct mqtt_property_limits *limit,
                   struct mqtt_properties *out, struct mqtt_fault *fault)
{
    struct cursor c = cursor_of(block);
    bool good = mqtt_decode_properties(&c, place, limit, out, fault);
    if (good) {
        assert_int_equal(cursor_offset(&c),
                         mqtt_varint_size((uint32_t)out->raw.len) + out->raw.len);
        mqtt_any_check_properties(out, place, block);
    } else {
        assert_true(fault->clause && fault->what && fault->offset <= block.len);
    }
    return good;
}

/* Decodes `properties` with their length before them, in a buffer of exactly that size; *out keeps
 * numbers only. */
static bool accepts(struct slice properties, unsigned place, struct mqtt_properties *out,
                    struct mqtt_fault *fault)
{
    size_t size = mqtt_varint_size((uint32_t)properties.len) + properties.len;
    uint8_t *bytes = malloc(size);
    assert_non_null(bytes);
    struct writer w = writer_of(bytes, size);
    client_varint(&w, (uint32_t)properties.len);
    writer_bytes(&w, properties);
    bool good = decode(slice_of(bytes, size), place, &limits, out, fault);
    free(bytes);
    return good;
}

static void assert_refused(struct slice properties, unsigned place, unsigned reason,
                           const char *clause)
{
    struct mqtt_properties p;
    struct mqtt_fault fault;
    assert_false(accepts(properties, place, &p, &fault));
    assert_string_equal(fault.clause, clause);
    assert_int_equal(fault.reason, reason);
}

static void every_property_stands_where_the_table_says_and_nowhere_else(void **state)
{
    (void)state;
    unsigned good = 0;
    for (unsigned id = 0; id < 256; id++)
        for (unsigned place = 0; place < 16; place++) {
            uint8_t bytes[32];
            struct writer w = writer_of(bytes, sizeof(bytes));
            struct mqtt_properties p;
            struct mqtt_fault fault = {0};
            bool known, may = allowed(id, place, &known);
            if (id == MQTT_AUTHENTICATION_DATA && may)
                client_any_property(&w, MQTT_AUTHENTICATION_METHOD);
            client_any_property(&w, (enum mqtt_property)id);
            assert_true(mqtt_property_allowed((enum mqtt_property)id, place) == may);
            if (accepts(slice_of(bytes, writer_len(&w)), place, &p, &fault) != may)
                fail_msg("property %02x in place %u", id, place);
            if (may)
                assert_true(mqtt_has(&p, (enum mqtt_property)id));
            else
                assert_int_equal(fault.reason, MQTT_MALFORMED_PACKET);
            good += may;
        }
    assert_int_equal(good, 64);
}

static void a_property_stands_once_unless_the_specification_says_else(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
        for (unsigned place = 0; place < 16; place++) {
            enum mqtt_property id = (enum mqtt_property)table[i].id;
            uint8_t bytes[32];
            struct writer w = writer_of(bytes, sizeof(bytes));
            struct mqtt_properties p;
            struct mqtt_fault fault = {0};
            bool known;
            if (!allowed(id, place, &known))
                continue;
            if (id == MQTT_AUTHENTICATION_DATA)
                client_any_property(&w, MQTT_AUTHENTICATION_METHOD);
            client_any_property(&w, id);
            client_any_property(&w, id);
            bool repeats = id == MQTT_USER_PROPERTY ||
                           (id == MQTT_SUBSCRIPTION_IDENTIFIER && place == MQTT_PUBLISH);
            assert_true(accepts(slice_of(bytes, writer_len(&w)), place, &p, &fault) == repeats);
            if (!repeats)
                assert_int_equal(fault.reason, MQTT_PROTOCOL_ERROR);
        }
}

static void a_flag_is_0_or_1(void **state)
{
    (void)state;
    static const uint8_t flags[] = {0x01, 0x17, 0x19, 0x24, 0x25, 0x28, 0x29, 0x2a};
    static const uint8_t places[] = {3, 1, 1, 2, 2, 2, 2, 2};
    for (size_t i = 0; i < sizeof(flags); i++)
        for (unsigned value = 0; value < 256; value++) {
            uint8_t bytes[] = {flags[i], (uint8_t)value};
            struct mqtt_properties p;
            struct mqtt_fault fault = {0};
            assert_true(accepts(slice_of(bytes, 2), places[i], &p, &fault) == (value <= 1));
            if (value > 1)
                assert_int_equal(fault.reason, MQTT_PROTOCOL_ERROR);
        }
}

static void some_numbers_are_never_0(void **state)
{
    (void)state;
    assert_refused(SLICE("\x21\0\0"), MQTT_CONNECT, 0x82, "5.0 section 3.1.2.11.3");
    assert_refused(SLICE("\x27\0\0\0\0"), MQTT_CONNECT, 0x82, "5.0 section 3.1.2.11.4");
    assert_refused(SLICE("\x0b\0"), MQTT_SUBSCRIBE, 0x82, "5.0 section 3.8.2.1.2");
    assert_refused(SLICE("\x23\0\0"), MQTT_PUBLISH, 0x94, "MQTT-3.3.2-8");
}

static void numbers_are_read_whole(void **state)
{
    (void)state;
    struct mqtt_properties p;
    struct mqtt_fault fault;
    assert_true(accepts(SLICE("\x11\xff\xff\xff\xff\x21\xff\xfe\x27\x01\x02\x03\x04\x22\x12\x34"),
                        MQTT_CONNECT, &p, &fault));
    assert_int_equal(p.session_expiry_s, UINT32_MAX);
    assert_int_equal(p.receive_maximum, 0xfffe);
    assert_int_equal(p.maximum_packet_size, 0x01020304);
    assert_int_equal(p.topic_alias_maximum, 0x1234);
    assert_int_equal(p.count, 4);
    assert_true(accepts(SLICE("\x0b\xff\xff\xff\x7f"), MQTT_SUBSCRIBE, &p, &fault));
    assert_int_equal(p.subscription_identifier, MQTT_VARINT_MAX);
    assert_true(accepts(SLICE("\x0b\x05\x0b\x06"), MQTT_PUBLISH, &p, &fault));
    assert_int_equal(p.subscription_identifier, 5);
    assert_int_equal(p.subscription_identifier_count, 2);
}

static void what_is_absent_is_zero(void **state)
{
    (void)state;
    struct mqtt_properties p, none;
    struct mqtt_fault fault;
    memset(&p, 0xff, sizeof(p));
    assert_true(accepts(SLICE("\x13\x0e\x10"), MQTT_CONNACK, &p, &fault));
    assert_int_equal(p.server_keep_alive_s, 3600);
    mqtt_properties_clear(&none);
    none.present = p.present;
    none.raw = p.raw;
    none.count = 1;
    none.server_keep_alive_s = 3600;
    assert_memory_equal(&p, &none, sizeof(p));
}

static void bad_varints_and_lengths_are_malformed(void **state)
{
    (void)state;
    static const struct slice blocks[] = {
        SLICE(""),
        SLICE("\x80"),
        SLICE("\x80\0"),
        SLICE("\xff\xff\xff\xff\0"),
        SLICE("\1"),
        SLICE("\2\x01"),
        SLICE("\x01\x01"),
        SLICE("\5\x03\0\3ab"),
        SLICE("\4\x26\0\0\0"),
        SLICE("\3\x02\0\0"),
        SLICE("\2\x23\0"),
        SLICE("\3\x0b\x80\0"),
        SLICE("\x03\x0b\xff\xff"),
        SLICE("\1\x00"),
        SLICE("\2\x80\x01"),
        SLICE("\2\xff\0"),
        SLICE("\4\x03\0\1\xff"),
        SLICE("\4\x03\0\1\0"),
        SLICE("\6\x26\0\1\x80\0\0"),
        SLICE("\6\x26\0\0\0\1\xc0"),
        SLICE("\4\x08\0\1\x80"),
    };
    for (size_t i = 0; i < sizeof(blocks) / sizeof(blocks[0]); i++) {
        uint8_t *bytes = malloc(blocks[i].len ? blocks[i].len : 1);
        struct mqtt_properties p;
        struct mqtt_fault fault;
        assert_non_null(bytes);
        memcpy(bytes, blocks[i].at, blocks[i].len);
        if (decode(slice_of(bytes, blocks[i].len), MQTT_PUBLISH, &limits, &p, &fault))
            fail_msg("block %zu", i);
        assert_int_equal(fault.reason, MQTT_MALFORMED_PACKET);
        free(bytes);
    }
}

static void every_good_block_survives_no_cut(void **state)
{
    (void)state;
    size_t count;
    const struct mqtt_block_sample *samples = mqtt_block_corpus(&count);
    for (size_t i = 0; i < count; i++) {
        struct slice block = samples[i].block;
        struct mqtt_properties p;
        struct mqtt_fault fault;
        if (!decode(block, samples[i].place, &limits, &p, &fault))
            fail_msg("%s: %s", samples[i].name, fault.what);
        for (size_t len = 0; len < block.len; len++) {
            uint8_t *bytes = malloc(len ? len : 1);
            assert_non_null(bytes);
            memcpy(bytes, block.at, len);
            assert_false(decode(slice_of(bytes, len), samples[i].place, &limits, &p, &fault));
            free(bytes);
        }
    }
}

static void a_block_bent_anywhere_breaks_nothing_in_any_place(void **state)
{
    (void)state;
    size_t count;
    const struct mqtt_block_sample *samples = mqtt_block_corpus(&count);
    for (size_t i = 0; i < count; i++) {
        uint8_t *bytes = malloc(samples[i].block.len);
        assert_non_null(bytes);
        memcpy(bytes, samples[i].block.at, samples[i].block.len);
        for (size_t at = 0; at < samples[i].block.len; at++) {
            for (unsigned value = 0; value < 256; value++) {
                struct mqtt_properties p;
                struct mqtt_fault fault = {0};
                bytes[at] = (uint8_t)value;
                decode(slice_of(bytes, samples[i].block.len), samples[i].place, &limits, &p,
                       &fault);
            }
            bytes[at] = samples[i].block.at[at];
        }
        free(bytes);
    }
}

static void a_response_topic_is_a_topic_name(void **state)
{
    (void)state;
    for (unsigned place = 0; place <= 3; place += 3) {
        assert_refused(SLICE("\x08\0\3a/+"), place, 0x82, "MQTT-3.3.2-14");
        assert_refused(SLICE("\x08\0\1#"), place, 0x82, "MQTT-3.3.2-14");
        assert_refused(SLICE("\x08\0\0"), place, 0x82, "MQTT-4.7.3-1");
        assert_refused(SLICE("\x08\0\1\xff"), place, 0x81, "MQTT-3.3.2-13");
    }
}

static void authentication_data_wants_a_method(void **state)
{
    (void)state;
    assert_refused(SLICE("\x16\0\1d"), MQTT_CONNECT, 0x82, "5.0 section 3.1.2.11.10");
    assert_refused(SLICE("\x16\0\1d"), MQTT_AUTH, 0x82, "5.0 section 3.1.2.11.10");
}

static void the_limits_on_number_and_bytes_hold_to_the_last_one(void **state)
{
    (void)state;
    enum { EACH = 7 };
    uint8_t bytes[EACH * 65 + 2];
    struct mqtt_properties p;
    struct mqtt_fault fault;
    for (unsigned number = 63; number <= 65; number++) {
        struct writer w = writer_of(bytes, sizeof(bytes));
        client_varint(&w, EACH * number);
        for (unsigned i = 0; i < number; i++)
            client_pair(&w, SLICE("k"), SLICE("v"));
        struct slice block = slice_of(bytes, writer_len(&w));
        assert_true(decode(block, MQTT_CONNECT, &limits, &p, &fault) == (number <= 64));
        if (number <= 64)
            assert_int_equal(p.user_property_count, number);
        else
            assert_int_equal(fault.reason, MQTT_PROTOCOL_ERROR);
        for (unsigned slack = 0; slack <= 1; slack++) {
            struct mqtt_property_limits tight = {64, EACH * 63 + slack};
            assert_true(decode(block, MQTT_CONNECT, &tight, &p, &fault) == (number <= 63));
        }
    }
    struct mqtt_property_limits too_tight = {64, EACH * 63 - 1};
    assert_false(decode(slice_of(bytes, sizeof(bytes)), MQTT_CONNECT, &too_tight, &p, &fault));
    assert_int_equal(fault.reason, MQTT_PROTOCOL_ERROR);
}

static void more_properties_than_can_be_counted_are_refused(void **state)
{
    (void)state;
    enum { NUMBER = 65536 };
    struct mqtt_property_limits none = {UINT32_MAX, UINT32_MAX};
    uint8_t *bytes = malloc(NUMBER * 5 + 4);
    struct mqtt_properties p;
    struct mqtt_fault fault;
    assert_non_null(bytes);
    struct writer w = writer_of(bytes, NUMBER * 5 + 4);
    client_varint(&w, NUMBER * 5);
    for (unsigned i = 0; i < NUMBER; i++)
        client_pair(&w, SLICE_EMPTY, SLICE_EMPTY);
    struct cursor c = cursor_of(slice_of(bytes, writer_len(&w)));
    assert_false(mqtt_decode_properties(&c, MQTT_CONNECT, &none, &p, &fault));
    assert_int_equal(fault.reason, MQTT_PROTOCOL_ERROR);
    free(bytes);
}

/* ---- what travels on ---- */

static struct slice forward(struct slice properties, struct mqtt_properties *p, uint8_t *room,
                            size_t *copied)
{
    static uint8_t bytes[512];
    struct mqtt_fault fault;
    struct writer w = writer_of(bytes, sizeof(bytes)), cut = writer_of(room, properties.len);
    client_varint(&w, (uint32_t)properties.len);
    writer_bytes(&w, properties);
    assert_true(decode(slice_of(bytes, writer_len(&w)), MQTT_PUBLISH, &limits, p, &fault));
    struct slice result = mqtt_forwardable_properties(p, &cut);
    *copied = writer_len(&cut);
    return result;
}

static void nothing_is_copied_when_nothing_is_cut_out(void **state)
{
    (void)state;
    static const struct {
        struct slice all, expected;
    } cases[] = {
        {SLICE(""), SLICE("")},
        {SLICE("\x26\0\1k\0\1v\x01\1"), SLICE("\x26\0\1k\0\1v\x01\1")},
        {SLICE("\x23\0\1"), SLICE("")},
        {SLICE("\x23\0\1\x01\1\x03\0\1t"), SLICE("\x01\1\x03\0\1t")},
        {SLICE("\x01\1\x03\0\1t\x02\0\0\0\1\x0b\7"), SLICE("\x01\1\x03\0\1t")},
        {SLICE("\x02\0\0\0\1\x01\1\x09\0\1t\x0b\7\x0b\6"), SLICE("\x01\1\x09\0\1t")},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint8_t room[64];
        size_t copied;
        struct mqtt_properties p;
        struct slice result = forward(cases[i].all, &p, room, &copied);
        assert_true(slice_equal(result, cases[i].expected));
        assert_int_equal(copied, 0);
        if (result.len)
            assert_true(result.at >= p.raw.at && result.at + result.len <= p.raw.at + p.raw.len);
    }
}

static void what_stays_is_cut_out_of_the_middle(void **state)
{
    (void)state;
    uint8_t room[64];
    size_t copied;
    struct mqtt_properties p;
    struct slice result = forward(
        SLICE("\x26\0\1k\0\1a\x23\0\1\x03\0\1t\x02\0\0\0\1\x26\0\1k\0\1b"), &p, room, &copied);
    assert_true(slice_equal(result, SLICE("\x26\0\1k\0\1a\x03\0\1t\x26\0\1k\0\1b")));
    assert_ptr_equal(result.at, room);
    assert_int_equal(copied, result.len);
    struct writer full = writer_of(room, 3);
    assert_int_equal(mqtt_forwardable_properties(&p, &full).len, 0);
    assert_true(full.overflow);
}

/* All arrangements of one property of each kind that a PUBLISH may have. */
static void order_is_kept_in_every_arrangement(void **state)
{
    (void)state;
    static const struct slice parts[] = {SLICE("\x01\1"),         SLICE("\x23\0\1"),
                                         SLICE("\x26\0\1k\0\1a"), SLICE("\x02\0\0\0\1"),
                                         SLICE("\x03\0\1t"),      SLICE("\x0b\7")};
    static const bool travels[] = {true, false, true, false, true, false};
    unsigned arrangements = 0;
    for (unsigned code = 0; code < 6 * 6 * 6 * 6 * 6 * 6; code++) {
        uint8_t all[64], expected[64], room[64];
        struct writer a = writer_of(all, sizeof(all)), e = writer_of(expected, sizeof(expected));
        unsigned used = 0;
        for (unsigned n = code, i = 0; i < 6; n /= 6, i++) {
            used |= 1u << n % 6;
            writer_bytes(&a, parts[n % 6]);
            if (travels[n % 6])
                writer_bytes(&e, parts[n % 6]);
        }
        if (used != 63)
            continue;
        struct mqtt_properties p;
        size_t copied;
        struct slice result = forward(slice_of(all, writer_len(&a)), &p, room, &copied);
        assert_true(slice_equal(result, slice_of(expected, writer_len(&e))));
        arrangements++;
    }
    assert_int_equal(arrangements, 720);
}

static void user_properties_come_out_in_order_from_between_the_others(void **state)
{
    (void)state;
    struct slice rest = SLICE("\x01\1\x26\0\1k\0\1a\x23\0\1\x02\0\0\0\1\x0b\xff\x7f\x03\0\1t"
                              "\x26\0\0\0\0\x09\0\2\x26\x26\x26\0\1k\0\1b\x08\0\1r");
    struct slice name, value;
    assert_true(mqtt_next_user_property(&rest, &name, &value));
    assert_true(slice_equal(name, SLICE("k")) && slice_equal(value, SLICE("a")));
    assert_true(mqtt_next_user_property(&rest, &name, &value));
    assert_true(name.len == 0 && value.len == 0);
    assert_true(mqtt_next_user_property(&rest, &name, &value));
    assert_true(slice_equal(name, SLICE("k")) && slice_equal(value, SLICE("b")));
    assert_false(mqtt_next_user_property(&rest, &name, &value));
    rest = SLICE_EMPTY;
    assert_false(mqtt_next_user_property(&rest, &name, &value));
}

/* ---- encoding ---- */

static void properties_are_written_as_the_specification_lays_them_out(void **state)
{
    (void)state;
    uint8_t bytes[128], user[16];
    struct mqtt_properties p = {0};
    p.session_expiry_s = 0x01020304;
    mqtt_set(&p, MQTT_SESSION_EXPIRY_INTERVAL);
    p.assigned_client_identifier = SLICE("id");
    mqtt_set(&p, MQTT_ASSIGNED_CLIENT_IDENTIFIER);
    p.receive_maximum = 0x0506;
    mqtt_set(&p, MQTT_RECEIVE_MAXIMUM);
    p.maximum_qos = 1;
    mqtt_set(&p, MQTT_MAXIMUM_QOS);
    p.subscription_identifier = 300;
    mqtt_set(&p, MQTT_SUBSCRIPTION_IDENTIFIER);
    struct writer w = writer_of(user, sizeof(user));
    mqtt_encode_user_property(&w, SLICE("k"), SLICE("vv"));
    assert_int_equal(writer_len(&w), mqtt_user_property_size(SLICE("k"), SLICE("vv")));
    p.user_properties = slice_of(user, writer_len(&w));

    static const uint8_t expected[] = "\x1a\x0b\xac\x02\x11\1\2\3\4\x12\0\2id\x21\5\6\x24\1"
                                      "\x26\0\1k\0\2vv";
    assert_int_equal(mqtt_properties_size(&p), sizeof(expected) - 2);
    w = writer_of(bytes, sizeof(expected) - 1);
    mqtt_encode_properties(&w, &p);
    assert_false(w.overflow);
    assert_int_equal(writer_len(&w), sizeof(expected) - 1);
    assert_memory_equal(bytes, expected, sizeof(expected) - 1);
}

static void every_good_block_is_written_as_it_was_read(void **state)
{
    (void)state;
    size_t count;
    const struct mqtt_block_sample *samples = mqtt_block_corpus(&count);
    for (size_t i = 0; i < count; i++) {
        struct mqtt_properties p;
        struct mqtt_fault fault;
        /* decode() has mqtt_any encode the block and decode it again */
        assert_true(decode(samples[i].block, samples[i].place, &limits, &p, &fault));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_property_stands_where_the_table_says_and_nowhere_else),
        cmocka_unit_test(a_property_stands_once_unless_the_specification_says_else),
        cmocka_unit_test(a_flag_is_0_or_1),
        cmocka_unit_test(some_numbers_are_never_0),
        cmocka_unit_test(numbers_are_read_whole),
        cmocka_unit_test(what_is_absent_is_zero),
        cmocka_unit_test(bad_varints_and_lengths_are_malformed),
        cmocka_unit_test(every_good_block_survives_no_cut),
        cmocka_unit_test(a_block_bent_anywhere_breaks_nothing_in_any_place),
        cmocka_unit_test(a_response_topic_is_a_topic_name),
        cmocka_unit_test(authentication_data_wants_a_method),
        cmocka_unit_test(the_limits_on_number_and_bytes_hold_to_the_last_one),
        cmocka_unit_test(more_properties_than_can_be_counted_are_refused),
        cmocka_unit_test(nothing_is_copied_when_nothing_is_cut_out),
        cmocka_unit_test(what_stays_is_cut_out_of_the_middle),
        cmocka_unit_test(order_is_kept_in_every_arrangement),
        cmocka_unit_test(user_properties_come_out_in_order_from_between_the_others),
        cmocka_unit_test(properties_are_written_as_the_specification_lays_them_out),
        cmocka_unit_test(every_good_block_is_written_as_it_was_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
