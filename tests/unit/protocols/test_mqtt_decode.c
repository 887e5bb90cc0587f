/* Tests protocols/mqtt/decode.h: what each packet says, and what each refusal says.
 *
 * The exhaustive tests bend good packets (mqtt_corpus) in buffers of exactly their size, where a
 * sanitizer sees every byte too many; mqtt_any checks what must hold for all of them. */
#include "mqtt_any.h"
#include "mqtt_client_codec.h"
#include "mqtt_corpus.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static const struct mqtt_property_limits limits = {64, 8192};
static const enum mqtt_version versions[] = {MQTT_3_1, MQTT_3_1_1, MQTT_5};

/* A copy of exactly that size; freed by the caller. */
static uint8_t *exact(struct slice s)
{
    uint8_t *bytes = malloc(s.len ? s.len : 1);
    assert_non_null(bytes);
    if (s.len)
        memcpy(bytes, s.at, s.len);
    return bytes;
}

/* Decodes a first byte and a body; the body is checked by mqtt_any. */
static struct mqtt_any decode(unsigned first, struct slice body, enum mqtt_version version)
{
    size_t size = 1 + mqtt_varint_size((uint32_t)body.len) + body.len;
    uint8_t *bytes = malloc(size);
    assert_non_null(bytes);
    struct writer w = writer_of(bytes, size);
    client_packet(&w, (uint8_t)first, body);
    struct mqtt_any any = mqtt_any_decode(slice_of(bytes, size), version);
    free(bytes);
    return any;
}

static void assert_refused(unsigned first, struct slice body, enum mqtt_version version,
                           unsigned reason, const char *clause)
{
    struct mqtt_any any = decode(first, body, version);
    assert_false(any.accepted);
    assert_string_equal(any.fault.clause, clause);
    assert_int_equal(any.fault.reason, reason);
}

static void assert_accepted(unsigned first, struct slice body, enum mqtt_version version)
{
    struct mqtt_any any = decode(first, body, version);
    if (!any.accepted)
        fail_msg("%s: %s", any.fault.clause, any.fault.what);
}

static void every_good_packet_is_accepted(void **state)
{
    (void)state;
    size_t count;
    const struct mqtt_sample *samples = mqtt_corpus(&count);
    assert_true(count > 70);
    for (size_t i = 0; i < count; i++) {
        uint8_t *bytes = exact(samples[i].packet);
        struct mqtt_any any =
            mqtt_any_decode(slice_of(bytes, samples[i].packet.len), samples[i].version);
        if (!any.accepted)
            fail_msg("%s: %s %s", samples[i].name, any.fault.clause, any.fault.what);
        assert_int_equal(mqtt_packet_size(&any.header), samples[i].packet.len);
        free(bytes);
    }
}

static void a_packet_cut_at_any_byte_is_waited_for(void **state)
{
    (void)state;
    size_t count;
    const struct mqtt_sample *samples = mqtt_corpus(&count);
    for (size_t i = 0; i < count; i++)
        for (size_t len = 0; len < samples[i].packet.len; len++) {
            struct slice part = slice_of(samples[i].packet.at, len);
            uint8_t *bytes = exact(part);
            struct mqtt_any any = mqtt_any_decode(slice_of(bytes, len), samples[i].version);
            assert_false(any.whole);
            assert_true(any.state != MQTT_HEADER_BAD);
            free(bytes);
        }
}

/* Where a packet may end early and still be good. */
static bool may_end_early(const struct mqtt_header *header, enum mqtt_version version)
{
    switch (header->type) {
    case MQTT_PUBLISH: /* with less payload */
    case MQTT_SUBSCRIBE:
    case MQTT_UNSUBSCRIBE: /* with fewer filters */
        return true;
    case MQTT_CONNECT: /* 3.1: without the user name and password it announced */
        return version == MQTT_3_1;
    default: /* without reason or properties */
        return version == MQTT_5;
    }
}

static void a_packet_that_ends_at_any_byte_too_early_is_refused(void **state)
{
    (void)state;
    size_t count, refused = 0;
    const struct mqtt_sample *samples = mqtt_corpus(&count);
    for (size_t i = 0; i < count; i++) {
        struct slice packet = samples[i].packet;
        struct mqtt_any whole = mqtt_any_decode(packet, samples[i].version);
        struct slice body = slice_from(packet, whole.header.size);
        for (size_t len = 0; len < body.len; len++) {
            struct mqtt_any any = decode(packet.at[0], slice_of(body.at, len), samples[i].version);
            if (any.accepted && !may_end_early(&any.header, samples[i].version))
                fail_msg("%s cut to %zu bytes", samples[i].name, len);
            refused += !any.accepted;
        }
    }
    assert_true(refused > 1500);
}

static void a_byte_more_than_a_packet_has_is_refused(void **state)
{
    (void)state;
    size_t count;
    const struct mqtt_sample *samples = mqtt_corpus(&count);
    for (size_t i = 0; i < count; i++) {
        struct slice packet = samples[i].packet;
        struct mqtt_any whole = mqtt_any_decode(packet, samples[i].version);
        uint8_t longer[2048];
        size_t len = packet.len - whole.header.size;
        assert_true(len < sizeof(longer));
        memcpy(longer, packet.at + whole.header.size, len);
        longer[len] = 0;
        struct mqtt_any any = decode(packet.at[0], slice_of(longer, len + 1), samples[i].version);
        /* A packet of 5.0 that left out its reason or its properties takes the zero for one of
         * them. */
        unsigned type = whole.header.type;
        bool ack = type >= MQTT_PUBACK && type <= MQTT_PUBCOMP;
        bool grows = samples[i].version == MQTT_5 &&
                     ((ack && len <= 3) || (type == MQTT_DISCONNECT && len <= 1));
        if (any.accepted != (type == MQTT_PUBLISH || grows))
            fail_msg("%s", samples[i].name);
    }
}

static void a_packet_with_any_byte_changed_to_any_other_breaks_nothing(void **state)
{
    (void)state;
    unsigned step = getenv("SIOTD_TEST_SLOW_MACHINE") ? 21 : 1; /* under valgrind: a sample */
    size_t count;
    const struct mqtt_sample *samples = mqtt_corpus(&count);
    for (size_t i = 0; i < count; i++) {
        uint8_t *bytes = exact(samples[i].packet);
        for (size_t at = 0; at < samples[i].packet.len; at++) {
            for (unsigned change = 1; change < 256; change += step) {
                bytes[at] = (uint8_t)(samples[i].packet.at[at] ^ change);
                struct slice bent = slice_of(bytes, samples[i].packet.len);
                mqtt_any_decode(bent, samples[i].version);
                if ((change & (change - 1)) == 0) /* one bit: in the other versions too */
                    for (size_t v = 0; v < 3; v++)
                        mqtt_any_decode(bent, versions[v]);
            }
            bytes[at] = samples[i].packet.at[at];
        }
        free(bytes);
    }
}

static void every_type_with_any_short_body_breaks_nothing(void **state)
{
    (void)state;
    for (unsigned first = 0; first < 256; first++)
        for (size_t v = 0; v < 3; v++)
            for (unsigned bytes = 0; bytes < 1u << 16; bytes += bytes < 256 ? 1 : 509) {
                uint8_t body[2] = {(uint8_t)bytes, (uint8_t)(bytes >> 8)};
                for (size_t len = 0; len <= 2; len++)
                    mqtt_any_decode(
                        slice_of((uint8_t[]){(uint8_t)first, (uint8_t)len, body[0], body[1]},
                                 2 + len),
                        versions[v]);
            }
}

/* ---- CONNECT ---- */

static bool connect_of(struct slice body, struct mqtt_connect *out, struct mqtt_fault *fault)
{
    static uint8_t bytes[1024];
    struct mqtt_header header;
    struct writer w = writer_of(bytes, sizeof(bytes));
    client_packet(&w, 0x10, body);
    struct slice packet = slice_of(bytes, writer_len(&w));
    assert_int_equal(mqtt_decode_header(packet, MQTT_3_1_1, &header, fault), MQTT_HEADER_KNOWN);
    return mqtt_decode_connect(&header, packet, &limits, out, fault);
}

static void connect_is_read_field_by_field(void **state)
{
    (void)state;
    struct mqtt_connect c;
    struct mqtt_fault fault;
    assert_true(connect_of(SLICE("\0\4MQTT\5\xee\x01\x2c"
                                 "\5\x11\0\0\0\x3c\0\2id\5\x18\0\0\0\7\0\1t\0\1m\0\1u\0\2\xff\0"),
                           &c, &fault));
    assert_int_equal(c.version, MQTT_5);
    assert_int_equal(c.keep_alive_s, 300);
    assert_true(c.clean_start && c.has_will && c.will_retain);
    assert_int_equal(c.will_qos, 1);
    assert_int_equal(c.properties.session_expiry_s, 60);
    assert_int_equal(c.will_properties.will_delay_s, 7);
    assert_true(slice_equal(c.client_id, SLICE("id")));
    assert_true(slice_equal(c.will_topic, SLICE("t")));
    assert_true(slice_equal(c.will_payload, SLICE("m")));
    assert_true(c.has_username && slice_equal(c.username, SLICE("u")));
    assert_true(c.has_password && slice_equal(c.password, SLICE("\xff\0"))); /* binary */
}

static void the_version_is_known_from_name_and_level(void **state)
{
    (void)state;
    static const struct {
        struct slice start;
        unsigned answer_in;
    } cases[] = {
        {SLICE("\0\4MQTT\3"), MQTT_3_1_1},
        {SLICE("\0\4MQTT\0"), MQTT_3_1_1},
        {SLICE("\0\4MQTT\6"), MQTT_5},
        {SLICE("\0\4MQTT\x84"), MQTT_3_1_1},
        {SLICE("\0\4MQTT\x85"), MQTT_5},
        {SLICE("\0\6MQIsdp\4"), MQTT_3_1_1},
        {SLICE("\0\6MQIsdp\x83"), MQTT_3_1_1},
        {SLICE("\0\4mqtt\4"), 0},
        {SLICE("\0\5MQTTX\4"), 0},
        {SLICE("\0\0\4"), 0},
    };
    struct mqtt_connect c;
    struct mqtt_fault fault;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint8_t body[64];
        struct writer w = writer_of(body, sizeof(body));
        writer_bytes(&w, cases[i].start);
        writer_bytes(&w, SLICE("\2\0\0\0\1i"));
        assert_false(connect_of(slice_of(body, writer_len(&w)), &c, &fault));
        assert_int_equal(fault.reason, MQTT_UNSUPPORTED_PROTOCOL_VERSION);
        assert_int_equal(c.version, cases[i].answer_in);
    }
    assert_true(connect_of(SLICE("\0\6MQIsdp\3\2\0\0\0\1i"), &c, &fault));
    assert_int_equal(c.version, MQTT_3_1);
    assert_true(connect_of(SLICE("\0\4MQTT\4\2\0\0\0\1i"), &c, &fault));
    assert_int_equal(c.version, MQTT_3_1_1);
    assert_true(connect_of(SLICE("\0\4MQTT\5\2\0\0\0\0\1i"), &c, &fault));
    assert_int_equal(c.version, MQTT_5);
}

static void a_refusal_tells_the_version_once_it_is_known(void **state)
{
    (void)state;
    struct mqtt_connect c;
    struct mqtt_fault fault;
    assert_false(connect_of(SLICE("\0\4MQ"), &c, &fault));
    assert_int_equal(c.version, 0);
    assert_false(connect_of(SLICE("\0\4MQTT"), &c, &fault));
    assert_int_equal(c.version, 0);
    assert_false(connect_of(SLICE("\0\4MQTT\5"), &c, &fault));
    assert_int_equal(c.version, MQTT_5);
    assert_int_equal(fault.reason, MQTT_MALFORMED_PACKET);
    assert_int_equal(fault.offset, 2 + 7); /* two bytes of fixed header before the body */
    assert_false(connect_of(SLICE("\0\4MQTT\5\2\0\0\7\x21\0\1\x22\0\1\x99\0\1i"), &c, &fault));
    assert_int_equal(c.version, MQTT_5);
    assert_int_equal(fault.offset, 2 + 17);
}

/* Flags 0..255 in each version against the rules of sections 3.1.2.2 to 3.1.2.9. */
static void every_combination_of_connect_flags_is_judged(void **state)
{
    (void)state;
    for (unsigned v = 3; v <= 5; v++)
        for (unsigned flags = 0; flags < 256; flags++) {
            bool will = flags & 4, user = flags & 0x80, password = flags & 0x40;
            unsigned will_qos = flags >> 3 & 3;
            bool good = will_qos < 3;
            if (v > 3 && flags & 1)
                good = false;
            if (v > 3 && !will && flags & 0x38)
                good = false;
            if (v < 5 && password && !user)
                good = false;
            uint8_t body[64];
            struct writer w = writer_of(body, sizeof(body));
            client_string(&w, v == 3 ? SLICE("MQIsdp") : SLICE("MQTT"));
            writer_u8(&w, (uint8_t)v);
            writer_u8(&w, (uint8_t)flags);
            writer_u16(&w, 0);
            writer_bytes(&w, v == 5 ? SLICE("\0\0\1i") : SLICE("\0\1i"));
            if (will)
                writer_bytes(&w, v == 5 ? SLICE("\0\0\1t\0\0") : SLICE("\0\1t\0\0"));
            if (user)
                client_string(&w, SLICE("u"));
            if (password)
                client_string(&w, SLICE("p"));
            struct mqtt_any any = decode(0x10, slice_of(body, writer_len(&w)), MQTT_3_1_1);
            if (any.accepted != good)
                fail_msg("flags %02x in %s", flags, mqtt_version_name((enum mqtt_version)v));
            if (!good)
                assert_int_equal(any.fault.reason, MQTT_MALFORMED_PACKET);
        }
}

static void an_empty_client_id_is_refused_where_the_version_has_none(void **state)
{
    (void)state;
    assert_refused(0x10, SLICE("\0\6MQIsdp\3\2\0\0\0\0"), MQTT_3_1_1, 0x85, "3.1 section 3.1");
    assert_refused(0x10, SLICE("\0\4MQTT\4\0\0\0\0\0"), MQTT_3_1_1, 0x85, "3.1.1 MQTT-3.1.3-8");
    assert_accepted(0x10, SLICE("\0\4MQTT\4\2\0\0\0\0"), MQTT_3_1_1);
    assert_accepted(0x10, SLICE("\0\4MQTT\5\0\0\0\0\0\0"), MQTT_3_1_1);
}

static void a_will_goes_to_a_topic(void **state)
{
    (void)state;
    assert_refused(0x10, SLICE("\0\4MQTT\4\6\0\0\0\1i\0\0\0\0"), MQTT_3_1_1, 0x90, "MQTT-4.7.3-1");
    assert_refused(0x10, SLICE("\0\4MQTT\4\6\0\0\0\1i\0\3a/+\0\0"), MQTT_3_1_1, 0x90,
                   "MQTT-4.7.0-1");
    assert_refused(0x10, SLICE("\0\4MQTT\4\6\0\0\0\1i\0\3a/#\0\0"), MQTT_3_1_1, 0x90,
                   "MQTT-4.7.0-1");
    assert_refused(0x10, SLICE("\0\4MQTT\4\6\0\0\0\1i\0\2\xc0\x80\0\0"), MQTT_3_1_1, 0x81,
                   "MQTT-3.1.3-11");
}

static void a_client_of_3_1_may_announce_credentials_and_not_send_them(void **state)
{
    (void)state;
    struct mqtt_connect c;
    struct mqtt_fault fault;
    assert_true(connect_of(SLICE("\0\6MQIsdp\3\xc2\0\0\0\1i"), &c, &fault));
    assert_false(c.has_username || c.has_password);
    assert_true(connect_of(SLICE("\0\6MQIsdp\3\xc2\0\0\0\1i\0\1u"), &c, &fault));
    assert_true(c.has_username && !c.has_password);
    assert_false(connect_of(SLICE("\0\4MQTT\4\xc2\0\0\0\1i\0\1u"), &c, &fault));
}

static void text_in_connect_is_utf8_and_a_password_is_not(void **state)
{
    (void)state;
    assert_refused(0x10, SLICE("\0\4MQTT\4\2\0\0\0\2\xff\xfe"), MQTT_3_1_1, 0x81, "MQTT-1.5.4-1");
    assert_refused(0x10, SLICE("\0\4MQTT\4\2\0\0\0\1\0"), MQTT_3_1_1, 0x81, "MQTT-1.5.4-1");
    assert_refused(0x10, SLICE("\0\4MQTT\4\x82\0\0\0\1i\0\3\xed\xa0\x80"), MQTT_3_1_1, 0x81,
                   "MQTT-1.5.4-1");
    assert_accepted(0x10, SLICE("\0\4MQTT\4\xc2\0\0\0\1i\0\1u\0\3\xed\xa0\x80"), MQTT_3_1_1);
}

/* ---- PUBLISH ---- */

static void publish_is_read_field_by_field(void **state)
{
    (void)state;
    static const uint8_t bytes[] =
        "\x3d\x1a\0\3a/b\x12\x34\x0f\x23\0\5\x26\0\1k\0\1v\2\0\0\0\x3cxyz";
    struct slice packet = slice_of(bytes, sizeof(bytes) - 1);
    struct mqtt_header header;
    struct mqtt_publish p;
    struct mqtt_fault fault;
    assert_int_equal(mqtt_decode_header(packet, MQTT_5, &header, &fault), MQTT_HEADER_KNOWN);
    assert_int_equal(mqtt_packet_size(&header), packet.len);
    assert_true(mqtt_decode_publish(&header, packet, MQTT_5, &limits, &p, &fault));
    assert_true(slice_equal(p.topic, SLICE("a/b")));
    assert_true(slice_equal(p.payload, SLICE("xyz")));
    assert_int_equal(p.packet_id, 0x1234);
    assert_int_equal(p.qos, 2);
    assert_true(p.dup && p.retain);
    assert_int_equal(p.properties.topic_alias, 5);
    assert_int_equal(p.properties.message_expiry_s, 60);
    assert_int_equal(p.properties.user_property_count, 1);
}

static void publish_of_3_has_no_properties(void **state)
{
    (void)state;
    static const uint8_t bytes[] = "\x30\x05\0\1t\0\1";
    struct slice packet = slice_of(bytes, sizeof(bytes) - 1);
    struct mqtt_header header;
    struct mqtt_publish p;
    struct mqtt_fault fault;
    memset(&p, 0xff, sizeof(p));
    assert_int_equal(mqtt_decode_header(packet, MQTT_3_1_1, &header, &fault), MQTT_HEADER_KNOWN);
    assert_true(mqtt_decode_publish(&header, packet, MQTT_3_1_1, &limits, &p, &fault));
    assert_true(slice_equal(p.payload, SLICE("\0\1")));
    struct mqtt_properties none;
    memset(&none, 0, sizeof(none));
    assert_memory_equal(&p.properties, &none, sizeof(none));
}

static void flags_of_publish_are_judged_in_every_version(void **state)
{
    (void)state;
    for (unsigned v = 3; v <= 5; v++)
        for (unsigned flags = 0; flags < 16; flags++) {
            unsigned qos = flags >> 1 & 3;
            bool dup = flags & 8;
            uint8_t body[16];
            struct writer w = writer_of(body, sizeof(body));
            client_string(&w, SLICE("t"));
            if (qos > 0)
                writer_u16(&w, 1);
            if (v == 5)
                writer_u8(&w, 0);
            struct mqtt_any any =
                decode(0x30 | flags, slice_of(body, writer_len(&w)), (enum mqtt_version)v);
            bool good = qos < 3 && !(dup && qos == 0 && v > 3);
            assert_true(any.accepted == good);
            if (!good)
                assert_string_equal(any.fault.clause, qos == 3 ? "MQTT-3.3.1-4" : "MQTT-3.3.1-2");
        }
}

static void publish_names_a_topic_without_wildcards(void **state)
{
    (void)state;
    /* Wherever the wildcard stands, in topics of every length up to 40. */
    for (size_t len = 1; len <= 40; len++)
        for (size_t at = 0; at < len; at++)
            for (unsigned c = 0; c < 256; c++) {
                uint8_t body[64];
                struct writer w = writer_of(body, sizeof(body));
                writer_u16(&w, (uint16_t)len);
                memset(w.at, 'a', len);
                w.at[at] = (uint8_t)c;
                w.at += len;
                struct mqtt_any any = decode(0x30, slice_of(body, writer_len(&w)), MQTT_3_1_1);
                bool wildcard = c == '+' || c == '#', bad = c == 0 || c >= 0x80;
                if (any.accepted != (!wildcard && !bad))
                    fail_msg("byte %02x at %zu of %zu", c, at, len);
                if (wildcard)
                    assert_int_equal(any.fault.reason, MQTT_TOPIC_NAME_INVALID);
                if (bad)
                    assert_int_equal(any.fault.reason, MQTT_MALFORMED_PACKET);
            }
    assert_accepted(0x30, SLICE("\0\x0agr\xc3\xbc\xc3\x9f/\xe2\x82\xac"), MQTT_3_1_1);
    assert_refused(0x30, SLICE("\0\7gr\xc3\xbc\xc3\x9f+"), MQTT_3_1_1, 0x90, "MQTT-3.3.2-2");
}

static void publish_without_a_topic_needs_an_alias(void **state)
{
    (void)state;
    assert_refused(0x30, SLICE("\0\0x"), MQTT_3_1_1, 0x82, "MQTT-4.7.3-1");
    assert_refused(0x30, SLICE("\0\0\0x"), MQTT_5, 0x82, "MQTT-4.7.3-1");
    assert_accepted(0x30, SLICE("\0\0\3\x23\0\1x"), MQTT_5);
    assert_refused(0x30, SLICE("\0\0\3\x23\0\0x"), MQTT_5, 0x94, "MQTT-3.3.2-8");
}

static void publish_refuses_what_only_a_server_says(void **state)
{
    (void)state;
    assert_refused(0x30, SLICE("\0\1t\2\x0b\1x"), MQTT_5, 0x82, "MQTT-3.3.4-6");
}

static void a_packet_identifier_is_never_0(void **state)
{
    (void)state;
    static const struct {
        unsigned first;
        struct slice body;
    } packets[] = {{0x32, SLICE("\0\1t\0\0\0")},   {0x34, SLICE("\0\1t\0\0\0")},
                   {0x40, SLICE("\0\0")},          {0x50, SLICE("\0\0")},
                   {0x62, SLICE("\0\0")},          {0x70, SLICE("\0\0")},
                   {0x82, SLICE("\0\0\0\0\1t\0")}, {0xa2, SLICE("\0\0\0\0\1t")}};
    for (size_t i = 0; i < sizeof(packets) / sizeof(packets[0]); i++)
        for (size_t v = 0; v < 3; v++)
            assert_refused(packets[i].first, packets[i].body, versions[v], 0x82, "MQTT-2.2.1-3");
}

/* ---- acknowledgements and endings ---- */

static void acks_of_3_are_an_identifier_and_nothing_else(void **state)
{
    (void)state;
    for (unsigned type = 4; type <= 7; type++)
        for (size_t v = 0; v < 2; v++) {
            unsigned first = type << 4 | (type == 6 ? 2 : 0);
            assert_accepted(first, SLICE("\0\1"), versions[v]);
            assert_refused(first, SLICE("\0\1\0"), versions[v], 0x81, "MQTT-4.13.1-1");
            assert_refused(first, SLICE("\1"), versions[v], 0x81, "MQTT-4.13.1-1");
        }
}

/* The reason codes that each packet may carry from a client, by the tables of chapter 3. */
static void reason_codes_are_those_of_their_packet(void **state)
{
    (void)state;
    static const struct {
        unsigned first;
        const char *clause;
        struct slice head, tail, codes;
    } packets[] = {
        {0x40, "MQTT-3.4.2-1", SLICE("\0\1"), SLICE_EMPTY,
         SLICE("\x00\x80\x83\x87\x90\x91\x97\x99")},
        {0x50, "MQTT-3.5.2-1", SLICE("\0\1"), SLICE_EMPTY,
         SLICE("\x00\x80\x83\x87\x90\x91\x97\x99")},
        {0x62, "MQTT-3.6.2-1", SLICE("\0\1"), SLICE_EMPTY, SLICE("\x00\x92")},
        {0x70, "MQTT-3.7.2-1", SLICE("\0\1"), SLICE_EMPTY, SLICE("\x00\x92")},
        {0xe0, "MQTT-3.14.2-1", SLICE_EMPTY, SLICE_EMPTY,
         SLICE("\x00\x04\x80\x81\x82\x83\x90\x93\x94\x95\x96\x97\x98\x99")},
        {0xf0, "MQTT-3.15.2-1", SLICE_EMPTY, SLICE("\4\x15\0\1m"), SLICE("\x18\x19")},
    };
    for (size_t i = 0; i < sizeof(packets) / sizeof(packets[0]); i++)
        for (unsigned reason = 0; reason < 256; reason++) {
            uint8_t body[16];
            struct writer w = writer_of(body, sizeof(body));
            writer_bytes(&w, packets[i].head);
            writer_u8(&w, (uint8_t)reason);
            writer_bytes(&w, packets[i].tail);
            struct slice all = slice_of(body, writer_len(&w));
            if (memchr(packets[i].codes.at, (int)reason, packets[i].codes.len))
                assert_accepted(packets[i].first, all, MQTT_5);
            else
                assert_refused(packets[i].first, all, MQTT_5, 0x82, packets[i].clause);
        }
}

static void acks_of_5_may_stop_before_reason_and_properties(void **state)
{
    (void)state;
    assert_accepted(0x40, SLICE("\0\1"), MQTT_5);
    assert_accepted(0x40, SLICE("\0\1\0"), MQTT_5);
    assert_accepted(0x40, SLICE("\0\1\0\0"), MQTT_5);
    assert_accepted(0x40, SLICE("\0\1\x80\4\x1f\0\1r"), MQTT_5);
    assert_refused(0x40, SLICE("\0\1\0\0\0"), MQTT_5, 0x81, "MQTT-4.13.1-1");
    assert_refused(0x40, SLICE("\0\1\0\1"), MQTT_5, 0x81, "5.0 section 2.2.2.1");
    assert_refused(0x40, SLICE("\0\1\0\3\x23\0\1"), MQTT_5, 0x81, "5.0 section 2.2.2.2");
}

static void disconnect_and_pingreq_are_empty_in_3(void **state)
{
    (void)state;
    for (size_t v = 0; v < 3; v++) {
        assert_accepted(0xe0, SLICE_EMPTY, versions[v]);
        assert_accepted(0xc0, SLICE_EMPTY, versions[v]);
        assert_refused(0xc0, SLICE("\0"), versions[v], 0x81, "MQTT-4.13.1-1");
    }
    assert_refused(0xe0, SLICE("\0"), MQTT_3_1_1, 0x81, "MQTT-4.13.1-1");
    assert_refused(0xe0, SLICE("\0"), MQTT_3_1, 0x81, "MQTT-4.13.1-1");
}

static void auth_names_its_method(void **state)
{
    (void)state;
    assert_refused(0xf0, SLICE_EMPTY, MQTT_5, 0x82, "MQTT-3.15.2-1");
    assert_refused(0xf0, SLICE("\x18"), MQTT_5, 0x82, "5.0 section 3.15.2.2.2");
    assert_refused(0xf0, SLICE("\x18\0"), MQTT_5, 0x82, "5.0 section 3.15.2.2.2");
    assert_refused(0xf0, SLICE("\x18\4\x16\0\1d"), MQTT_5, 0x82, "5.0 section 3.1.2.11.10");
    assert_accepted(0xf0, SLICE("\x18\x08\x15\0\1m\x16\0\1d"), MQTT_5);
}

/* ---- SUBSCRIBE, UNSUBSCRIBE ---- */

static void every_options_byte_is_judged_in_every_version(void **state)
{
    (void)state;
    for (unsigned v = 3; v <= 5; v++)
        for (unsigned options = 0; options < 256; options++) {
            uint8_t plain[] = {0, 1, 0, 0, 1, 't', (uint8_t)options};
            uint8_t shared[] = {0,   1,   0,   0,   10,  '$', 's', 'h',
                                'a', 'r', 'e', '/', 'g', '/', 't', (uint8_t)options};
            bool good = (options & 3) < 3;
            if (v < 5) {
                memmove(plain + 2, plain + 3, sizeof(plain) - 3);
                memmove(shared + 2, shared + 3, sizeof(shared) - 3);
                good = good && options < 3;
            } else {
                good = good && (options >> 4 & 3) < 3 && options < 0x40;
            }
            struct slice a = slice_of(plain, sizeof(plain) - (v < 5));
            struct slice b = slice_of(shared, sizeof(shared) - (v < 5));
            assert_true(decode(0x82, a, (enum mqtt_version)v).accepted == good);
            assert_true(decode(0x82, b, (enum mqtt_version)v).accepted == (good && !(options & 4)));
        }
    assert_refused(0x82, SLICE("\0\1\0\0\x0a$share/g/t\4"), MQTT_5, 0x82, "MQTT-3.8.3-4");
    assert_refused(0x82, SLICE("\0\1\0\0\1t\x30"), MQTT_5, 0x82, "5.0 section 3.8.3.1");
    assert_refused(0x82, SLICE("\0\1\0\0\1t\x40"), MQTT_5, 0x81, "MQTT-3.8.3-5");
    assert_refused(0x82, SLICE("\0\1\0\1t\4"), MQTT_3_1_1, 0x81, "3.1.1 MQTT-3-8.3-4");
}

static void filters_come_out_as_they_were_sent(void **state)
{
    (void)state;
    static const uint8_t bytes[] = "\x82\x12\0\7\2\x0b\5\0\3a/#\x2e\0\0\1\0\1b\0";
    struct slice packet = slice_of(bytes, sizeof(bytes) - 1);
    struct mqtt_header header;
    struct mqtt_subscribe s;
    struct mqtt_subscription one;
    struct mqtt_fault fault;
    assert_int_equal(mqtt_decode_header(packet, MQTT_5, &header, &fault), MQTT_HEADER_KNOWN);
    assert_int_equal(mqtt_packet_size(&header), packet.len);
    assert_true(mqtt_decode_subscribe(&header, packet, MQTT_5, &limits, &s, &fault));
    assert_int_equal(s.packet_id, 7);
    assert_int_equal(s.count, 3);
    assert_int_equal(s.properties.subscription_identifier, 5);
    struct slice rest = s.filters;
    assert_true(mqtt_next_subscription(&rest, &one));
    assert_true(slice_equal(one.filter, SLICE("a/#")));
    assert_int_equal(one.qos, 2);
    assert_true(one.no_local && one.retain_as_published);
    assert_int_equal(one.retain_handling, 2);
    assert_true(mqtt_next_subscription(&rest, &one)); /* the topic rules refuse it, not the codec */
    assert_int_equal(one.filter.len, 0);
    assert_int_equal(one.qos, 1);
    assert_true(mqtt_next_subscription(&rest, &one));
    assert_true(slice_equal(one.filter, SLICE("b")));
    assert_false(mqtt_next_subscription(&rest, &one));
}

static void there_is_at_least_one_filter(void **state)
{
    (void)state;
    assert_refused(0x82, SLICE("\0\1"), MQTT_3_1_1, 0x82, "MQTT-3.8.3-2");
    assert_refused(0x82, SLICE("\0\1\0"), MQTT_5, 0x82, "MQTT-3.8.3-2");
    assert_refused(0xa2, SLICE("\0\1"), MQTT_3_1, 0x82, "MQTT-3.10.3-2");
    assert_refused(0xa2, SLICE("\0\1\0"), MQTT_5, 0x82, "MQTT-3.10.3-2");
}

static void a_bad_filter_behind_a_good_one_refuses_the_packet(void **state)
{
    (void)state;
    assert_refused(0x82, SLICE("\0\1\0\1a\0\0\1\xff\0"), MQTT_3_1_1, 0x81, "MQTT-1.5.4-1");
    assert_refused(0x82, SLICE("\0\1\0\1a\0\0\1b"), MQTT_3_1_1, 0x81, "MQTT-4.13.1-1");
    assert_refused(0xa2, SLICE("\0\1\0\1a\0\2b"), MQTT_3_1_1, 0x81, "MQTT-4.13.1-1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_good_packet_is_accepted),
        cmocka_unit_test(a_packet_cut_at_any_byte_is_waited_for),
        cmocka_unit_test(a_packet_that_ends_at_any_byte_too_early_is_refused),
        cmocka_unit_test(a_byte_more_than_a_packet_has_is_refused),
        cmocka_unit_test(a_packet_with_any_byte_changed_to_any_other_breaks_nothing),
        cmocka_unit_test(every_type_with_any_short_body_breaks_nothing),
        cmocka_unit_test(connect_is_read_field_by_field),
        cmocka_unit_test(the_version_is_known_from_name_and_level),
        cmocka_unit_test(a_refusal_tells_the_version_once_it_is_known),
        cmocka_unit_test(every_combination_of_connect_flags_is_judged),
        cmocka_unit_test(an_empty_client_id_is_refused_where_the_version_has_none),
        cmocka_unit_test(a_will_goes_to_a_topic),
        cmocka_unit_test(a_client_of_3_1_may_announce_credentials_and_not_send_them),
        cmocka_unit_test(text_in_connect_is_utf8_and_a_password_is_not),
        cmocka_unit_test(publish_is_read_field_by_field),
        cmocka_unit_test(publish_of_3_has_no_properties),
        cmocka_unit_test(flags_of_publish_are_judged_in_every_version),
        cmocka_unit_test(publish_names_a_topic_without_wildcards),
        cmocka_unit_test(publish_without_a_topic_needs_an_alias),
        cmocka_unit_test(publish_refuses_what_only_a_server_says),
        cmocka_unit_test(a_packet_identifier_is_never_0),
        cmocka_unit_test(acks_of_3_are_an_identifier_and_nothing_else),
        cmocka_unit_test(reason_codes_are_those_of_their_packet),
        cmocka_unit_test(acks_of_5_may_stop_before_reason_and_properties),
        cmocka_unit_test(disconnect_and_pingreq_are_empty_in_3),
        cmocka_unit_test(auth_names_its_method),
        cmocka_unit_test(every_options_byte_is_judged_in_every_version),
        cmocka_unit_test(filters_come_out_as_they_were_sent),
        cmocka_unit_test(there_is_at_least_one_filter),
        cmocka_unit_test(a_bad_filter_behind_a_good_one_refuses_the_packet),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
