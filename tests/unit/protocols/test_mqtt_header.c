/* Tests protocols/mqtt/header.h. */
#include "protocols/mqtt/header.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static const enum mqtt_version versions[] = {MQTT_3_1, MQTT_3_1_1, MQTT_5};

/* The variable byte integer as the specification describes it, by multiplication. Returns its
 * bytes, 0 for more to come, -1 for one that must not be. */
static int reference(const uint8_t *bytes, size_t len, uint32_t *value)
{
    uint32_t multiplier = 1;
    *value = 0;
    for (size_t i = 0; i < len; i++) {
        *value += bytes[i] % 128 * multiplier;
        if (bytes[i] < 128)
            return i > 0 && bytes[i] == 0 ? -1 : (int)i + 1;
        if (i == 3)
            return -1;
        multiplier *= 128;
    }
    return 0;
}

/* Both readers against the reference; `bytes` start with a byte for the packet type. */
static void check(const uint8_t *bytes, size_t len)
{
    uint32_t expected, value = 0;
    struct mqtt_header header = {0};
    struct mqtt_fault fault = {0};
    int taken = reference(bytes + 1, len - 1, &expected);
    enum mqtt_header_state state =
        mqtt_decode_header(slice_of(bytes, len), MQTT_5, &header, &fault);
    struct cursor c = cursor_of(slice_of(bytes + 1, len - 1));
    bool read = mqtt_read_varint(&c, &value);
    bool good =
        taken > 0 ? state == MQTT_HEADER_KNOWN && header.remaining == expected &&
                        header.size == taken + 1 && read && value == expected &&
                        cursor_offset(&c) == (size_t)taken
                  : state == (taken == 0 ? MQTT_HEADER_MORE : MQTT_HEADER_BAD) && !read && c.failed;
    if (taken < 0)
        good = good && fault.reason == MQTT_MALFORMED_PACKET && fault.clause && fault.offset < len;
    if (!good)
        fail_msg("%02x %02x %02x %02x %02x, %zu bytes", bytes[1], bytes[2], bytes[3], bytes[4],
                 bytes[5], len - 1);
}

static void every_length_of_one_to_three_bytes_is_read_as_specified(void **state)
{
    (void)state;
    uint8_t *bytes = calloc(1, 6);
    assert_non_null(bytes);
    bytes[0] = 0x30;
    uint32_t step = getenv("SIOTD_TEST_SLOW_MACHINE") ? 61 : 1; /* under valgrind: a sample */
    for (uint32_t n = 0; n < 1u << 24; n += n < 1u << 16 ? 1 : step) {
        bytes[1] = (uint8_t)n;
        bytes[2] = (uint8_t)(n >> 8);
        bytes[3] = (uint8_t)(n >> 16);
        if (n < 1u << 8)
            check(bytes, 2);
        if (n < 1u << 16)
            check(bytes, 3);
        check(bytes, 4);
    }
    free(bytes);
}

/* A byte matters by being 0, in between or 127, with or without its continuation bit. */
static const uint8_t kinds[] = {0x00, 0x01, 0x55, 0x7f, 0x80, 0x81, 0xd5, 0xff};

static void lengths_of_four_and_five_bytes_are_read_as_specified(void **state)
{
    (void)state;
    uint8_t *bytes = calloc(1, 6);
    assert_non_null(bytes);
    bytes[0] = 0x30;
    for (unsigned middle = 0; middle < 64; middle++)
        for (unsigned outer = 0; outer < 1u << 16; outer++) {
            bytes[1] = (uint8_t)outer;
            bytes[2] = kinds[middle % 8];
            bytes[3] = kinds[middle / 8];
            bytes[4] = (uint8_t)(outer >> 8);
            bytes[5] = kinds[outer % 8];
            check(bytes, 5);
            check(bytes, 6);
        }
    free(bytes);
}

static void every_value_is_written_in_its_shortest_form_and_read_back(void **state)
{
    (void)state;
    static const struct {
        uint32_t value;
        size_t size;
    } edges[] = {{0, 1},     {127, 1},     {128, 2},     {16383, 2},
                 {16384, 3}, {2097151, 3}, {2097152, 4}, {MQTT_VARINT_MAX, 4}};
    for (size_t i = 0; i < sizeof(edges) / sizeof(edges[0]); i++)
        assert_int_equal(mqtt_varint_size(edges[i].value), edges[i].size);
    for (uint32_t value = 0; value <= MQTT_VARINT_MAX; value += value < 70000 ? 1 : 997) {
        uint8_t bytes[4];
        uint32_t again = 0;
        struct writer w = writer_of(bytes, mqtt_varint_size(value));
        mqtt_write_varint(&w, value);
        struct cursor c = cursor_of(slice_of(bytes, writer_len(&w)));
        if (w.overflow || !mqtt_read_varint(&c, &again) || again != value || cursor_left(&c) != 0)
            fail_msg("%u", value);
    }
}

static void a_varint_without_room_is_not_written_in_part(void **state)
{
    (void)state;
    uint8_t bytes[3] = {9, 9, 9};
    struct writer w = writer_of(bytes, 3);
    mqtt_write_varint(&w, MQTT_VARINT_MAX);
    assert_true(w.overflow);
    assert_int_equal(bytes[0], 9);
}

static void a_header_is_waited_for_byte_by_byte(void **state)
{
    (void)state;
    static const uint8_t packet[] = {0x82, 0xff, 0xff, 0xff, 0x7f};
    struct mqtt_header header;
    struct mqtt_fault fault;
    for (size_t len = 0; len < 5; len++) {
        uint8_t *bytes = malloc(len ? len : 1);
        assert_non_null(bytes);
        memcpy(bytes, packet, len);
        assert_int_equal(mqtt_decode_header(slice_of(bytes, len), MQTT_5, &header, &fault),
                         MQTT_HEADER_MORE);
        free(bytes);
    }
    assert_int_equal(mqtt_decode_header(slice_of(packet, 5), MQTT_5, &header, &fault),
                     MQTT_HEADER_KNOWN);
    assert_int_equal(header.type, MQTT_SUBSCRIBE);
    assert_int_equal(header.flags, 2);
    assert_int_equal(header.size, 5);
    assert_int_equal(header.remaining, MQTT_VARINT_MAX); /* told before any of it is here */
    assert_true(mqtt_packet_size(&header) == MQTT_VARINT_MAX + (size_t)5);
}

/* Table 2-2 of 5.0, table 2.2 of 3.1.1; for 3.1 only what its section 2.1 defines. */
static bool flags_allowed(unsigned type, unsigned flags, enum mqtt_version version)
{
    bool two = type == MQTT_PUBREL || type == MQTT_SUBSCRIBE || type == MQTT_UNSUBSCRIBE;
    if (type == 0 || (type == 15 && version != MQTT_5))
        return false;
    if (type == MQTT_PUBLISH)
        return true;
    if (version == MQTT_3_1 && type != MQTT_CONNECT)
        return two ? flags / 2 % 4 == 1 : true;
    return flags == (two ? 2 : 0);
}

static void every_flag_nibble_of_every_type_in_every_version_is_judged(void **state)
{
    (void)state;
    for (size_t v = 0; v < 3; v++)
        for (unsigned first = 0; first < 256; first++) {
            uint8_t bytes[2] = {(uint8_t)first, 0};
            struct mqtt_header header;
            struct mqtt_fault fault = {0};
            bool good = flags_allowed(first / 16, first % 16, versions[v]);
            for (size_t len = 1; len <= 2; len++) {
                enum mqtt_header_state expected = !good      ? MQTT_HEADER_BAD
                                                  : len == 1 ? MQTT_HEADER_MORE
                                                             : MQTT_HEADER_KNOWN;
                if (mqtt_decode_header(slice_of(bytes, len), versions[v], &header, &fault) !=
                    expected)
                    fail_msg("first byte %02x in %s", first, mqtt_version_name(versions[v]));
            }
            if (good)
                assert_true(header.type == first / 16 && header.flags == first % 16);
            else
                assert_true(fault.reason == MQTT_MALFORMED_PACKET && fault.offset == 0);
        }
}

static void reserved_bits_and_long_lengths_are_told_apart_by_clause(void **state)
{
    (void)state;
    struct mqtt_header header;
    struct mqtt_fault fault;
    assert_int_equal(mqtt_decode_header(SLICE("\x11"), MQTT_5, &header, &fault), MQTT_HEADER_BAD);
    assert_string_equal(fault.clause, "MQTT-2.1.3-1");
    assert_int_equal(mqtt_decode_header(SLICE("\x10\x80\0"), MQTT_5, &header, &fault),
                     MQTT_HEADER_BAD);
    assert_string_equal(fault.clause, "MQTT-1.5.5-1");
    assert_int_equal(fault.offset, 2);
    assert_int_equal(mqtt_decode_header(SLICE("\x10\xff\xff\xff\xff"), MQTT_5, &header, &fault),
                     MQTT_HEADER_BAD);
    assert_int_equal(fault.offset, 4);
}

static void types_go_the_ways_of_the_specification(void **state)
{
    (void)state;
    static const char digits[] = "0123456789ABCDEF"; /* table 2-1, a packet type in hex */
    for (unsigned type = 0; type < 20; type++) {
        bool client = type < 16 && strchr("1345678ACEF", digits[type]);
        bool server = type < 16 && strchr("2345679BDEF", digits[type]);
        assert_true(mqtt_client_may_send((enum mqtt_type)type, MQTT_5) == client);
        assert_true(mqtt_server_may_send((enum mqtt_type)type, MQTT_5) == server);
    }
    assert_false(mqtt_client_may_send(MQTT_AUTH, MQTT_3_1_1));
    assert_false(mqtt_server_may_send(MQTT_AUTH, MQTT_3_1));
    assert_false(mqtt_server_may_send(MQTT_DISCONNECT, MQTT_3_1_1));
    assert_true(mqtt_client_may_send(MQTT_DISCONNECT, MQTT_3_1));
}

static void every_number_has_its_name(void **state)
{
    (void)state;
    assert_string_equal(mqtt_type_name(MQTT_UNSUBACK), "UNSUBACK");
    assert_string_equal(mqtt_type_name((enum mqtt_type)0), "reserved");
    assert_string_equal(mqtt_type_name((enum mqtt_type)200), "reserved");
    assert_string_equal(mqtt_reason_name(MQTT_SESSION_TAKEN_OVER), "Session taken over");
    assert_string_equal(mqtt_reason_name(MQTT_WILDCARD_SUBSCRIPTIONS_NOT_SUPPORTED),
                        "Wildcard Subscriptions not supported");
    assert_string_equal(mqtt_reason_name((enum mqtt_reason)0x03), "unknown");
    assert_string_equal(mqtt_property_name(MQTT_TOPIC_ALIAS), "Topic Alias");
    assert_string_equal(mqtt_property_name((enum mqtt_property)0x04), "unknown");
    assert_string_equal(mqtt_version_name(MQTT_3_1), "3.1");
    assert_string_equal(mqtt_version_name((enum mqtt_version)6), "unknown");
    unsigned reasons = 0;
    for (unsigned i = 0; i < 256; i++)
        reasons += strcmp(mqtt_reason_name((enum mqtt_reason)i), "unknown") != 0;
    assert_int_equal(reasons, 43); /* table 2-6, counting 0x00 once */
}

static void refusals_of_5_find_the_words_of_3(void **state)
{
    (void)state;
    static const struct {
        uint8_t reason;
        int code;
    } pairs[] = {{0x00, 0}, {0x84, 1}, {0x85, 2}, {0x88, 3},  {0x89, 3},  {0x97, 3}, {0x9f, 3},
                 {0x86, 4}, {0x87, 5}, {0x8a, 5}, {0x81, -1}, {0x82, -1}, {0x9b, -1}};
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++)
        assert_int_equal(mqtt_return_code((enum mqtt_reason)pairs[i].reason), pairs[i].code);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_length_of_one_to_three_bytes_is_read_as_specified),
        cmocka_unit_test(lengths_of_four_and_five_bytes_are_read_as_specified),
        cmocka_unit_test(every_value_is_written_in_its_shortest_form_and_read_back),
        cmocka_unit_test(a_varint_without_room_is_not_written_in_part),
        cmocka_unit_test(a_header_is_waited_for_byte_by_byte),
        cmocka_unit_test(every_flag_nibble_of_every_type_in_every_version_is_judged),
        cmocka_unit_test(reserved_bits_and_long_lengths_are_told_apart_by_clause),
        cmocka_unit_test(types_go_the_ways_of_the_specification),
        cmocka_unit_test(every_number_has_its_name),
        cmocka_unit_test(refusals_of_5_find_the_words_of_3),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
