/* Tests transports/tls_hello.c with hellos put together by hand. */
#include "transports/tls_hello.h"

#include "base/writer.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { HYBRID = 0x11ec, X25519 = 0x001d };

static uint8_t message[512];

static void write_extension(struct writer *w, uint16_t kind, const void *bytes, size_t len)
{
    writer_u16(w, kind);
    writer_u16(w, (uint16_t)len);
    writer_bytes(w, slice_of(bytes, len));
}

/* TLS 1.2 and 1.3, both groups named, a share of the first. */
static size_t write_message(void)
{
    struct writer w = writer_of(message, sizeof(message));
    writer_u8(&w, 1);
    writer_bytes(&w, SLICE("\0\0\0"));
    writer_u16(&w, 0x0303);
    writer_bytes(&w, SLICE("0123456789abcdef0123456789abcdef"));
    writer_u8(&w, 0);
    writer_u16(&w, 2);
    writer_u16(&w, 0x1301);
    writer_u8(&w, 1);
    writer_u8(&w, 0);
    size_t extensions_at = writer_len(&w);
    writer_u16(&w, 0);
    write_extension(&w, 23, "", 0);
    write_extension(&w, 10, "\0\4\0\x1d\x11\xec", 6);
    write_extension(&w, 43, "\4\3\4\3\3", 5);
    write_extension(&w, 51, "\0\6\0\x1d\0\2xy", 8);
    assert_false(w.overflow);
    size_t length = writer_len(&w);
    message[extensions_at + 1] = (uint8_t)(length - extensions_at - 2);
    message[3] = (uint8_t)(length - 4);
    return length;
}

/* The message in records of `each` bytes. */
static struct slice in_records(size_t length, size_t each)
{
    static uint8_t wire[4096];
    struct writer w = writer_of(wire, sizeof(wire));
    for (size_t at = 0; at < length; at += each) {
        size_t part = length - at < each ? length - at : each;
        writer_bytes(&w, SLICE("\x16\3\1"));
        writer_u16(&w, (uint16_t)part);
        writer_bytes(&w, slice_of(message + at, part));
    }
    assert_false(w.overflow);
    return slice_of(wire, writer_len(&w));
}

static void a_hello_says_what_it_offers(void **unused)
{
    (void)unused;
    struct tls_hello hello;
    struct slice wire = in_records(write_message(), 1000);
    assert_int_equal(tls_hello_read(wire, X25519, &hello), TLS_HELLO_WHOLE);
    assert_int_equal(hello.version, 0x0303);
    assert_true(hello.tls_13 && hello.extended_master_secret);
    assert_true(hello.names_group && hello.shares_group);
    assert_int_equal(tls_hello_read(wire, HYBRID, &hello), TLS_HELLO_WHOLE);
    assert_true(hello.names_group && !hello.shares_group);
    assert_int_equal(tls_hello_read(wire, 23, &hello), TLS_HELLO_WHOLE);
    assert_true(!hello.names_group && !hello.shares_group);
}

static void a_hello_may_come_in_many_records(void **unused)
{
    (void)unused;
    size_t length = write_message();
    for (size_t each = 1; each < length; each++) {
        struct tls_hello hello;
        struct slice wire = in_records(length, each);
        assert_int_equal(tls_hello_read(wire, X25519, &hello), TLS_HELLO_WHOLE);
        assert_true(hello.shares_group);
    }
}

static void a_hello_cut_anywhere_is_a_part(void **unused)
{
    (void)unused;
    size_t length = write_message();
    for (size_t each = 1; each <= length; each += 20) {
        struct slice wire = in_records(length, each);
        for (size_t cut = 0; cut < wire.len; cut++) {
            struct tls_hello hello;
            uint8_t *exactly = malloc(cut + 1); /* so that a sanitizer sees who reads beyond */
            memcpy(exactly + 1, wire.at, cut);
            assert_int_equal(tls_hello_read(slice_of(exactly + 1, cut), X25519, &hello),
                             TLS_HELLO_PART);
            free(exactly);
        }
    }
}

/* Of DTLS, where a hello may come in fragments: the first one tells what stands in it. */
static void the_beginning_of_a_hello_tells_what_stands_in_it(void **unused)
{
    (void)unused;
    uint8_t body[256];
    struct writer w = writer_of(body, sizeof(body));
    writer_u16(&w, 0xfefd);
    writer_bytes(&w, SLICE("0123456789abcdef0123456789abcdef\3ses\6cookie\0\4\x13\1\x13\2\1\0"));
    size_t extensions_at = writer_len(&w);
    writer_u16(&w, 0);
    write_extension(&w, 43, "\2\xfe\xfc", 3);
    write_extension(&w, 44, "\0\5other", 7);
    size_t cookie_end = writer_len(&w);
    write_extension(&w, 51, "\0\6\0\x1d\0\2xy", 8);
    size_t length = writer_len(&w);
    body[extensions_at + 1] = (uint8_t)(length - extensions_at - 2);
    for (size_t cut = 0; cut <= length; cut++) {
        struct tls_hello hello;
        uint8_t *exactly = malloc(cut + 1);
        memcpy(exactly + 1, body, cut);
        bool whole = tls_hello_body(slice_of(exactly + 1, cut), true, X25519, &hello);
        /* one without extensions is a hello, too */
        assert_int_equal(whole, cut == length || cut == extensions_at);
        assert_int_equal(hello.shares_group, cut == length);
        struct slice cookie = cut >= cookie_end ? SLICE("other") : SLICE("cookie");
        if (cut >= extensions_at) {
            assert_true(slice_equal(hello.cookie, cookie));
            assert_true(slice_equal(hello.session, SLICE("ses")));
            assert_true(slice_equal(hello.suites, SLICE("\x13\1\x13\2")));
            assert_true(slice_equal(hello.compression, slice_of("", 1)));
        }
        free(exactly);
    }
}

static void what_is_no_hello_is_left_to_others(void **unused)
{
    (void)unused;
    struct tls_hello hello;
    assert_int_equal(tls_hello_read(SLICE("\x10\x0c"), X25519, &hello), TLS_HELLO_OTHER);
    assert_int_equal(tls_hello_read(SLICE("\x16\2"), X25519, &hello), TLS_HELLO_OTHER);
    assert_int_equal(tls_hello_read(SLICE("\x16\3\1\0\0"), X25519, &hello), TLS_HELLO_OTHER);
    assert_int_equal(tls_hello_read(SLICE("\x16\3\1\x50\0"), X25519, &hello), TLS_HELLO_OTHER);
    assert_int_equal(tls_hello_read(SLICE("\x16\3\1\0\1\2"), X25519, &hello), TLS_HELLO_OTHER);
    assert_int_equal(tls_hello_read(SLICE("\x16\3\1\0\5\1\1\0\0\0"), X25519, &hello),
                     TLS_HELLO_OTHER); /* longer than any */
    assert_int_equal(tls_hello_read(SLICE("\x16\3\1\0\5\1\0\0\1\3"), X25519, &hello),
                     TLS_HELLO_OTHER); /* whole, and too short for one */
}

static void every_bent_byte_is_survived(void **unused)
{
    (void)unused;
    size_t length = write_message();
    for (size_t i = 0; i < length; i++) {
        for (int bit = 0; bit < 8; bit++) {
            struct tls_hello hello;
            message[i] = (uint8_t)(message[i] ^ 1 << bit);
            struct slice wire = in_records(length, 100);
            assert_in_range(tls_hello_read(wire, X25519, &hello), TLS_HELLO_PART, TLS_HELLO_OTHER);
            message[i] = (uint8_t)(message[i] ^ 1 << bit);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_hello_says_what_it_offers),
        cmocka_unit_test(a_hello_may_come_in_many_records),
        cmocka_unit_test(a_hello_cut_anywhere_is_a_part),
        cmocka_unit_test(the_beginning_of_a_hello_tells_what_stands_in_it),
        cmocka_unit_test(what_is_no_hello_is_left_to_others),
        cmocka_unit_test(every_bent_byte_is_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
