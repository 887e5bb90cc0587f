/* Tests protocols/coap/decode.h, encode.h, format.h, cbor.h, properties.h, siphash.h. */
#include "protocols/coap/cbor.h"
#include "protocols/coap/decode.h"
#include "protocols/coap/encode.h"
#include "protocols/coap/format.h"
#include "protocols/coap/properties.h"
#include "protocols/coap/siphash.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

/* Decodes a copy in memory of exactly that size, and reads all that a request has, so that a look
 * past the end is seen. */
static enum coap_decoded decode_exact(const uint8_t *bytes, size_t len, struct coap_message *m,
                                      enum coap_fault *fault)
{
    uint8_t *exact = malloc(len ? len : 1);
    struct coap_request request;
    struct slice value;
    unsigned sum = 0;
    assert_non_null(exact);
    if (len)
        memcpy(exact, bytes, len);
    enum coap_decoded decoded = coap_decode(slice_of(exact, len), m);
    *fault = COAP_FINE;
    if (decoded == COAP_WHOLE) {
        *fault = coap_read_request(m, &request);
        struct coap_option_walk path = request.path, query = request.query;
        for (unsigned i = 0; i < request.path_count && coap_next_of(&path, COAP_URI_PATH, &value);
             i++)
            sum += (unsigned)value.len;
        for (unsigned i = 0;
             i < request.query_count && coap_next_of(&query, COAP_URI_QUERY, &value); i++)
            sum += (unsigned)value.len;
        for (size_t i = 0; i < m->payload.len; i++)
            sum += m->payload.at[i];
        for (size_t i = 0; i < m->token.len; i++)
            sum += m->token.at[i];
    }
    free(exact);
    assert_true(sum < UINT32_MAX);
    return decoded;
}

static enum coap_decoded decoded(const uint8_t *bytes, size_t len)
{
    struct coap_message m;
    enum coap_fault fault;
    return decode_exact(bytes, len, &m, &fault);
}

static enum coap_fault read_of(const uint8_t *bytes, size_t len)
{
    struct coap_message m;
    enum coap_fault fault;
    assert_int_equal(decode_exact(bytes, len, &m, &fault), COAP_WHOLE);
    return fault;
}

#define BYTES(...) (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__})

/* RFC 7252 figure 16: a GET of /temperature. */
static void a_request_of_the_specification_is_read(void **state)
{
    static const uint8_t bytes[] = {0x40, 0x01, 0x7d, 0x34, 0xbb, 't', 'e', 'm',
                                    'p',  'e',  'r',  'a',  't',  'u', 'r', 'e'};
    struct coap_message m;
    struct coap_request r;
    struct slice level;
    (void)state;
    assert_int_equal(coap_decode(slice_of(bytes, sizeof bytes), &m), COAP_WHOLE);
    assert_int_equal(m.type, COAP_CON);
    assert_int_equal(m.code, COAP_GET);
    assert_int_equal(m.id, 0x7d34);
    assert_int_equal(coap_read_request(&m, &r), COAP_FINE);
    assert_int_equal(r.path_count, 1);
    assert_true(coap_next_of(&r.path, COAP_URI_PATH, &level));
    assert_true(slice_equal(level, SLICE("temperature")));
    assert_false(coap_next_of(&r.path, COAP_URI_PATH, &level));
}

/* Past failure 47: every announced token length with every real one. */
static void a_token_is_never_longer_than_what_arrived(void **state)
{
    (void)state;
    for (unsigned tkl = 0; tkl < 16; tkl++)
        for (size_t len = 0; len < 600; len++) {
            uint8_t bytes[604] = {(uint8_t)(0x40 | tkl), 1, 0, 1};
            size_t wanted = tkl, extension = 0; /* all bytes behind the head are 0 */
            if (tkl == 13)
                wanted = 13, extension = 1;
            else if (tkl == 14)
                wanted = 269, extension = 2;
            enum coap_decoded result = decoded(bytes, 4 + len);
            bool fits = tkl < 15 && len >= extension + wanted;
            /* What is left of the zeros are options of number 0: well-formed. */
            assert_int_equal(result, fits ? COAP_WHOLE : COAP_ILL_FORMED);
        }
}

static void token_lengths_have_a_limit_of_their_own(void **state)
{
    uint8_t *bytes = calloc(1, 70000);
    (void)state;
    assert_non_null(bytes);
    for (unsigned extended = 0; extended <= 0xffff; extended += extended < 2000 ? 1 : 4111) {
        size_t token = 269 + extended;
        bytes[0] = 0x4e;
        bytes[1] = 1;
        bytes[4] = (uint8_t)(extended >> 8);
        bytes[5] = (uint8_t)extended;
        struct coap_message m;
        enum coap_decoded result = coap_decode(slice_of(bytes, 6 + token), &m);
        assert_int_equal(result, token <= COAP_TOKEN_MOST ? COAP_WHOLE : COAP_ILL_FORMED);
        assert_int_equal(coap_decode(slice_of(bytes, 5 + token), &m), COAP_ILL_FORMED);
    }
    free(bytes);
}

/* Past failure 46: deltas that add up past 16 bits are no option of a low number. */
static void option_numbers_do_not_wrap(void **state)
{
    (void)state;
    /* Twice 65535; then 65535 and 1 + 11, which is Uri-Path if 16 bits are all there is. */
    assert_int_equal(decoded(BYTES(0x40, 1, 0, 1, 0xe0, 0xfe, 0xf2, 0xe0, 0xfe, 0xf2)),
                     COAP_ILL_FORMED);
    assert_int_equal(decoded(BYTES(0x40, 1, 0, 1, 0xe0, 0xfe, 0xf2, 0xc1, 'x')), COAP_ILL_FORMED);
    assert_int_equal(decoded(BYTES(0x40, 1, 0, 1, 0xe0, 0xfe, 0xf2, 0x01, 'x')), COAP_WHOLE);
    assert_int_equal(decoded(BYTES(0x40, 1, 0, 1, 0xe0, 0xfe, 0xf3)), COAP_ILL_FORMED); /* 65536 */
    /* A length that is near the end of 16 bits, and one past it. */
    assert_int_equal(decoded(BYTES(0x40, 1, 0, 1, 0xbe, 0xff, 0xff, 'x')), COAP_ILL_FORMED);
    assert_int_equal(decoded(BYTES(0x40, 1, 0, 1, 0xbe, 0xfe, 0xf2, 'x')), COAP_ILL_FORMED);
}

static void every_delta_and_length_nibble_is_read_as_specified(void **state)
{
    (void)state;
    for (unsigned head = 0; head < 255; head++) { /* 255 is the marker */
        uint8_t bytes[4 + 1 + 4 + 300] = {0x40, 1, 0, 1, (uint8_t)head};
        unsigned delta = head >> 4, len = head & 15;
        size_t extension = (delta == 13) + 2u * (delta == 14) + (len == 13) + 2u * (len == 14);
        size_t value = len == 13 ? 13 : len == 14 ? 269 : len;
        bool good = delta != 15 && len != 15;
        for (size_t cut = 5; cut <= 5 + extension + value; cut++) {
            enum coap_decoded wanted =
                good && cut == 5 + extension + value ? COAP_WHOLE : COAP_ILL_FORMED;
            assert_int_equal(decoded(bytes, cut), wanted);
        }
    }
}

/* Past failure 49: options without a value, of every kind. */
static void every_option_may_be_empty_or_is_refused(void **state)
{
    (void)state;
    for (unsigned number = 1; number < 400; number++)
        for (size_t len = 0; len < 3; len++) {
            uint8_t bytes[16] = {0x40, COAP_PUT, 0, 1};
            struct writer w = writer_of(bytes, sizeof bytes);
            uint32_t last = 0;
            coap_write_head(&w, COAP_CON, COAP_PUT, 1, SLICE_EMPTY);
            coap_write_option(&w, &last, number, slice_of("\x01\x02", len));
            enum coap_fault fault = read_of(bytes, writer_len(&w));
            bool proxy = number == COAP_PROXY_URI || number == COAP_PROXY_SCHEME;
            assert_true(fault == COAP_FINE || fault == COAP_CRITICAL ||
                        (fault == COAP_PROXYING && proxy));
            if (number % 2 == 0 && !proxy) /* elective: never a reason to refuse */
                assert_int_equal(fault, COAP_FINE);
        }
    assert_int_equal(read_of(BYTES(0x40, 1, 0, 1, 0xb0, 0x00, 0x00)), COAP_FINE);
    assert_int_equal(read_of(BYTES(0x40, 1, 0, 1, 0xd0, 35 - 13)), COAP_CRITICAL); /* Proxy-Uri */
}

static void options_that_are_unknown_or_too_many_are_critical_or_ignored(void **state)
{
    (void)state;
    assert_int_equal(read_of(BYTES(0x40, 1, 0, 1, 0x91, 'x')), COAP_CRITICAL); /* 9: OSCORE */
    assert_int_equal(read_of(BYTES(0x40, 1, 0, 1, 0x21, 'x')), COAP_FINE);     /* 2 */
    assert_int_equal(read_of(BYTES(0x40, 1, 0, 1, 0x31, 'x', 0x01, 'y')), COAP_CRITICAL);
    assert_int_equal(read_of(BYTES(0x40, 1, 0, 1, 0x61, 0, 0x01, 1)), COAP_FINE); /* Observe */
    assert_int_equal(read_of(BYTES(0x40, 1, 0, 1, 0x64, 1, 2, 3, 4)), COAP_FINE); /* too long */
    assert_int_equal(read_of(BYTES(0x40, 1, 0, 1, 0xd1, 10, 7)), COAP_BAD_BLOCK); /* Block2 */
    assert_int_equal(read_of(BYTES(0x40, 1, 0, 1, 0xd4, 10, 7, 7, 7, 7)), COAP_CRITICAL);
    assert_int_equal(read_of(BYTES(0x40, 1, 0, 1, 0xd1, 22, 'x')), COAP_PROXYING);
    assert_int_equal(read_of(BYTES(0x40, 1, 0, 1, 0xd1, 26, 'x')), COAP_PROXYING);
    struct coap_message m;
    struct coap_request r;
    coap_decode(slice_of(BYTES(0x40, 1, 0, 1, 0x61, 0, 0x01, 1)), &m);
    coap_read_request(&m, &r);
    assert_int_equal(r.observe, 0); /* the first one counts */
}

static void heads_that_are_none_of_coap(void **state)
{
    (void)state;
    for (size_t len = 0; len < 4; len++)
        assert_int_equal(decoded((const uint8_t *)"\x40\x01\x00\x01", len), COAP_NOISE);
    for (unsigned version = 0; version < 4; version++) {
        uint8_t bytes[4] = {(uint8_t)(version << 6), 1, 0, 1};
        assert_int_equal(decoded(bytes, 4), version == 1 ? COAP_WHOLE : COAP_NOISE);
    }
    for (unsigned code = 0; code < 256; code++) {
        uint8_t bytes[4] = {0x40, (uint8_t)code, 0, 1};
        bool reserved = code >> 5 == 1 || code >> 5 > 5;
        assert_int_equal(decoded(bytes, 4), reserved ? COAP_ILL_FORMED : COAP_WHOLE);
    }
    assert_int_equal(decoded(BYTES(0x41, 0, 0, 1, 'x')), COAP_ILL_FORMED); /* empty, and yet not */
    assert_int_equal(decoded(BYTES(0x40, 0, 0, 1, 0xff)), COAP_ILL_FORMED);
    assert_int_equal(decoded(BYTES(0x40, 1, 0, 1, 0xff)), COAP_ILL_FORMED); /* marker, no payload */
    assert_int_equal(decoded(BYTES(0x40, 1, 0, 1, 0xf0)), COAP_ILL_FORMED);
}

/* A request with every option that siotd knows. */
static size_t write_all(uint8_t *to, size_t size)
{
    struct writer w = writer_of(to, size);
    uint32_t last = 0;
    coap_write_head(&w, COAP_CON, COAP_PUT, 0x1234, SLICE("0123456789abcdef"));
    coap_write_option(&w, &last, COAP_IF_MATCH, SLICE("etagetag"));
    coap_write_option(&w, &last, COAP_URI_HOST, SLICE("host.example"));
    coap_write_option(&w, &last, COAP_ETAG, SLICE("e"));
    coap_write_option(&w, &last, COAP_IF_NONE_MATCH, SLICE_EMPTY);
    coap_write_uint(&w, &last, COAP_OBSERVE, 0);
    coap_write_uint(&w, &last, COAP_URI_PORT, 5683);
    coap_write_option(&w, &last, COAP_URI_PATH, SLICE("ps"));
    coap_write_option(&w, &last, COAP_URI_PATH, SLICE("a-level-that-is-longer-than-12"));
    coap_write_uint(&w, &last, COAP_CONTENT_FORMAT, 50);
    coap_write_uint(&w, &last, COAP_MAX_AGE, 4000000000u);
    coap_write_option(&w, &last, COAP_URI_QUERY, SLICE("qos=1"));
    coap_write_uint(&w, &last, COAP_HOP_LIMIT, 16);
    coap_write_uint(&w, &last, COAP_ACCEPT, 60);
    coap_write_block(&w, &last, COAP_BLOCK2, (struct coap_block){1048575, false, 6});
    coap_write_block(&w, &last, COAP_BLOCK1, (struct coap_block){5, true, 2});
    coap_write_uint(&w, &last, COAP_SIZE2, 0);
    coap_write_uint(&w, &last, COAP_SIZE1, 300);
    coap_write_option(&w, &last, COAP_ECHO, SLICE("echoecho"));
    coap_write_uint(&w, &last, COAP_NO_RESPONSE, 26);
    coap_write_option(&w, &last, COAP_REQUEST_TAG, SLICE("tag"));
    coap_write_payload(&w, SLICE("payload"));
    assert_false(w.overflow);
    return writer_len(&w);
}

static void what_is_written_is_read_back(void **state)
{
    uint8_t bytes[512];
    struct coap_message m;
    struct coap_request r;
    (void)state;
    size_t len = write_all(bytes, sizeof bytes);
    assert_int_equal(coap_decode(slice_of(bytes, len), &m), COAP_WHOLE);
    assert_int_equal(coap_read_request(&m, &r), COAP_FINE);
    assert_true(slice_equal(m.token, SLICE("0123456789abcdef")));
    assert_true(slice_equal(m.payload, SLICE("payload")));
    assert_int_equal(r.if_match_count, 1);
    assert_int_equal(r.etag_count, 1);
    assert_true(r.if_none_match);
    assert_true(r.has_observe && r.observe == 0);
    assert_int_equal(r.path_count, 2);
    assert_int_equal(r.query_count, 1);
    assert_int_equal(r.content_format, 50);
    assert_int_equal(r.max_age, 4000000000u);
    assert_int_equal(r.accept, 60);
    assert_int_equal(r.block2.number, 1048575);
    assert_int_equal(r.block2.szx, 6);
    assert_false(r.block2.more);
    assert_int_equal(r.block1.number, 5);
    assert_true(r.block1.more);
    assert_int_equal(r.size1, 300);
    assert_true(slice_equal(r.echo, SLICE("echoecho")));
    assert_int_equal(r.no_response, 26);
    assert_true(slice_equal(r.request_tag, SLICE("tag")));
}

/* Past failures 44 and 48: what is written ends where the room ends. */
static void a_writer_that_is_too_small_is_not_overrun(void **state)
{
    uint8_t whole[512];
    struct writer w;
    uint32_t last;
    (void)state;
    for (size_t room = 0; room < 60; room++) {
        uint8_t *exact = malloc(room ? room : 1);
        assert_non_null(exact);
        w = writer_of(exact, room);
        last = 0;
        coap_write_head(&w, COAP_ACK, COAP_CONTENT, 1, SLICE("token"));
        coap_write_option(&w, &last, COAP_ETAG, SLICE("etagetag"));
        coap_write_uint(&w, &last, COAP_OBSERVE, 0xffffff);
        coap_write_block(&w, &last, COAP_BLOCK2, (struct coap_block){1000, true, 6});
        coap_write_option(&w, &last, COAP_ECHO, SLICE("echoecho"));
        coap_write_payload(&w, SLICE("a payload that is longer"));
        assert_true(writer_len(&w) <= room);
        free(exact);
    }
    assert_true(write_all(whole, sizeof whole) > 0);
}

static void every_cut_of_a_message_is_survived(void **state)
{
    uint8_t bytes[512];
    (void)state;
    size_t len = write_all(bytes, sizeof bytes);
    for (size_t cut = 0; cut < len; cut++)
        decoded(bytes, cut);
    for (size_t at = 0; at < len; at++)
        for (unsigned value = 0; value < 256; value++) { /* and every byte as any other */
            uint8_t former = bytes[at];
            bytes[at] = (uint8_t)value;
            decoded(bytes, len);
            bytes[at] = former;
        }
}

/* ---- formats ---- */

static void properties_that_are_no_content_type_are_passed_over(void **state)
{
    (void)state;
    static const uint8_t bytes[] = {0x01, 1,    0x08, 0,   1,   'r', 0x09, 0,   1,
                                    'c',  0x26, 0,    1,   'a', 0,   1,    'b', 0x03,
                                    0,    16,   'a',  'p', 'p', 'l', 'i',  'c', 'a',
                                    't',  'i',  'o',  'n', '/', 'j', 's',  'o', 'n'};
    assert_int_equal(coap_format_of(slice_of(bytes, sizeof bytes)), 50);
    for (size_t cut = 0; cut < sizeof bytes; cut++) {
        uint8_t *exact = malloc(cut ? cut : 1);
        assert_non_null(exact);
        memcpy(exact, bytes, cut);
        assert_int_equal(coap_format_of(slice_of(exact, cut)), COAP_NO_FORMAT);
        free(exact);
    }
    assert_int_equal(coap_format_of_type(SLICE("application/x-coap;ct=65536")), COAP_NO_FORMAT);
    assert_int_equal(coap_format_of_type(SLICE("application/x-coap;ct=")), COAP_NO_FORMAT);
    assert_int_equal(coap_format_of_type(SLICE("application/x-coap;ct=1x")), COAP_NO_FORMAT);
    assert_int_equal(coap_format_of_type(SLICE_EMPTY), COAP_NO_FORMAT);
}

static void every_format_number_is_read_back(void **state)
{
    (void)state;
    for (unsigned format = 0; format <= UINT16_MAX; format++) {
        uint8_t bytes[COAP_FORMAT_PROPERTY_MOST];
        struct writer w = writer_of(bytes, sizeof bytes);
        coap_format_write(&w, (uint16_t)format);
        assert_false(w.overflow);
        assert_int_equal(coap_format_of(slice_of(bytes, writer_len(&w))), format);
    }
}

/* ---- CBOR ---- */

/* The examples of RFC 8949 appendix A that are numbers, as they are written. */
static void numbers_of_the_specification_are_written_and_read(void **state)
{
    static const struct {
        uint64_t number;
        const char *bytes;
        size_t len;
    } rows[] = {{0, "\x00", 1},
                {23, "\x17", 1},
                {24, "\x18\x18", 2},
                {100, "\x18\x64", 2},
                {1000, "\x19\x03\xe8", 3},
                {1000000, "\x1a\x00\x0f\x42\x40", 5},
                {1000000000000, "\x1b\x00\x00\x00\xe8\xd4\xa5\x10\x00", 9},
                {UINT64_MAX, "\x1b\xff\xff\xff\xff\xff\xff\xff\xff", 9}};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint8_t bytes[9];
        struct writer w = writer_of(bytes, sizeof bytes);
        struct cbor_item item;
        cbor_write(&w, CBOR_UINT, rows[i].number);
        assert_int_equal(writer_len(&w), rows[i].len);
        assert_memory_equal(bytes, rows[i].bytes, rows[i].len);
        struct cursor at = cursor_of(slice_of(bytes, rows[i].len));
        assert_true(cbor_read(&at, &item));
        assert_int_equal(item.kind, CBOR_UINT);
        assert_true(item.number == rows[i].number);
    }
}

static void items_of_any_depth_are_skipped_or_refused(void **state)
{
    (void)state;
    static const uint8_t nested[] = {0x83, 0x01, 0xa1, 0x61, 'k', 0x82, 0xc1, 0x1a, 0,   0,
                                     0,    1,    0x80, 0x43, 'b', 'y',  't',  0xf6, 0x00};
    struct cursor at = cursor_of(slice_of(nested, sizeof nested - 2));
    assert_true(cbor_skip(&at));
    assert_true(at.at == at.end);
    for (size_t cut = 0; cut + 2 < sizeof nested; cut++) {
        uint8_t *exact = malloc(cut ? cut : 1);
        assert_non_null(exact);
        memcpy(exact, nested, cut);
        at = cursor_of(slice_of(exact, cut));
        assert_false(cbor_skip(&at));
        free(exact);
    }
    uint8_t deep[4000];
    memset(deep, 0x81, sizeof deep);
    at = cursor_of(slice_of(deep, sizeof deep));
    assert_false(cbor_skip(&at));
    static const uint8_t huge[] = {0x9b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    at = cursor_of(slice_of(huge, sizeof huge));
    assert_false(cbor_skip(&at));
    static const uint8_t endless[] = {0x9f, 0x01, 0xff};
    at = cursor_of(slice_of(endless, sizeof endless));
    assert_false(cbor_skip(&at));
}

static void a_topic_of_the_draft_is_read_and_written(void **state)
{
    /* {0: "living-room-sensor", 2: "core.ps.data", 3: 112, 5: 1(1709164799), 6: 5, 7: 86400} */
    static const uint8_t bytes[] = {
        0xa6, 0x00, 0x72, 'l',  'i',  'v',  'i',  'n',  'g',  '-',  'r',  'o',  'o',  'm',
        '-',  's',  'e',  'n',  's',  'o',  'r',  0x02, 0x6c, 'c',  'o',  'r',  'e',  '.',
        'p',  's',  '.',  'd',  'a',  't',  'a',  0x03, 0x18, 112,  0x05, 0xc1, 0x1a, 0x65,
        0xdf, 0xc8, 0xff, 0x06, 0x05, 0x07, 0x1a, 0x00, 0x01, 0x51, 0x80};
    struct coap_properties p;
    uint8_t again[128];
    (void)state;
    assert_true(coap_read_properties(slice_of(bytes, sizeof bytes), false, &p));
    assert_true(slice_equal(p.name, SLICE("living-room-sensor")));
    assert_true(slice_equal(p.resource_type, SLICE("core.ps.data")));
    assert_int_equal(p.format, 112);
    assert_int_equal(p.expires_s, 0x65dfc8ff);
    assert_int_equal(p.max_subscribers, 5);
    assert_int_equal(p.observer_check_s, 86400);
    struct writer w = writer_of(again, sizeof again);
    coap_write_properties(&w, &p, COAP_EVERY_PROPERTY);
    assert_int_equal(writer_len(&w), sizeof bytes);
    assert_memory_equal(again, bytes, sizeof bytes);
    for (size_t cut = 0; cut < sizeof bytes; cut++) {
        uint8_t *exact = malloc(cut ? cut : 1);
        assert_non_null(exact);
        memcpy(exact, bytes, cut);
        assert_false(coap_read_properties(slice_of(exact, cut), false, &p));
        free(exact);
    }
}

static void properties_that_make_no_sense_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t len;
    } rows[] = {
        {"\x80", 1},                         /* no map */
        {"\xa1\x09\x01", 3},                 /* unknown key */
        {"\xa1\x20\x61x", 4},                /* the private one */
        {"\xa1\x61x\x01", 4},                /* a name for a key */
        {"\xa2\x00\x61x\x00\x61x", 7},       /* twice */
        {"\xa1\x00\x41x", 4},                /* bytes for text */
        {"\xa1\x00\x61\xff", 4},             /* no UTF-8 */
        {"\xa1\x03\x1a\x00\x01\x00\x00", 7}, /* format 65536 */
        {"\xa1\x05\x01", 3},                 /* a date without its tag */
        {"\xa1\x05\xc0\x61x", 5},            /* another tag */
        {"\xa1\x05\xc1\x20", 4},             /* before 1970 */
        {"\xa1\x05\xc1\xf9\xfc\x00", 6},     /* minus infinity */
        {"\xa1\x05\xc1\xf9\x7e\x00", 6},     /* not a number */
        {"\xa1\x07\x00", 3},                 /* observer-check is above 0 */
        {"\xa1\x06\x00\x00", 4},             /* something behind it */
        {"\xbf\x06\x00\xff", 4},             /* indefinite */
    };
    struct coap_properties p;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_false(coap_read_properties(slice_of(rows[i].bytes, rows[i].len), false, &p));
    assert_true(coap_read_properties(SLICE("\xa0"), false, &p));
    assert_true(coap_read_properties(SLICE("\xa1\x20\x61x"), true, &p));
    assert_true(slice_equal(p.mountpoint, SLICE("x")));
    /* 1(1709164799.5), as a double; 1(2^20) as a single */
    assert_true(coap_read_properties(
        slice_of("\xa1\x05\xc1\xfb\x41\xd9\x77\xf2\x3f\xe0\x00\x00", 12), false, &p));
    assert_int_equal(p.expires_s, 1709164799);
    assert_true(coap_read_properties(slice_of("\xa1\x05\xc1\xfa\x49\x80\x00\x00", 8), false, &p));
    assert_int_equal(p.expires_s, 1 << 20);
}

/* The vectors of the authors' reference: key 00..0f, input the first n bytes of 00 01 02... */
static void siphash_gives_its_authors_values(void **state)
{
    uint8_t key[SIPHASH_KEY_SIZE], bytes[16];
    (void)state;
    for (uint8_t i = 0; i < 16; i++)
        key[i] = bytes[i] = i;
    assert_true(siphash(key, slice_of(bytes, 0)) == UINT64_C(0x726fdb47dd0e0e31));
    assert_true(siphash(key, slice_of(bytes, 1)) == UINT64_C(0x74f839c593dc67fd));
    assert_true(siphash(key, slice_of(bytes, 8)) == UINT64_C(0x93f5f5799a932462));
    assert_true(siphash(key, slice_of(bytes, 15)) == UINT64_C(0xa129ca6149be45e5));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_of_the_specification_is_read),
        cmocka_unit_test(a_token_is_never_longer_than_what_arrived),
        cmocka_unit_test(token_lengths_have_a_limit_of_their_own),
        cmocka_unit_test(option_numbers_do_not_wrap),
        cmocka_unit_test(every_delta_and_length_nibble_is_read_as_specified),
        cmocka_unit_test(every_option_may_be_empty_or_is_refused),
        cmocka_unit_test(options_that_are_unknown_or_too_many_are_critical_or_ignored),
        cmocka_unit_test(heads_that_are_none_of_coap),
        cmocka_unit_test(what_is_written_is_read_back),
        cmocka_unit_test(a_writer_that_is_too_small_is_not_overrun),
        cmocka_unit_test(every_cut_of_a_message_is_survived),
        cmocka_unit_test(properties_that_are_no_content_type_are_passed_over),
        cmocka_unit_test(every_format_number_is_read_back),
        cmocka_unit_test(numbers_of_the_specification_are_written_and_read),
        cmocka_unit_test(items_of_any_depth_are_skipped_or_refused),
        cmocka_unit_test(a_topic_of_the_draft_is_read_and_written),
        cmocka_unit_test(properties_that_make_no_sense_are_refused),
        cmocka_unit_test(siphash_gives_its_authors_values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
