/* Tests base/json.c: each result is read back by a parser of its own. */
#include "base/json.h"
#include "base/utf8.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void expect(struct slice from, const char *to)
{
    uint8_t room[256];
    struct writer w = writer_of(room, sizeof(room));
    json_escape(&w, from);
    assert_false(w.overflow);
    assert_int_equal(writer_len(&w), strlen(to));
    assert_memory_equal(room, to, strlen(to));
    assert_int_equal(json_escaped_len(from), strlen(to));
}

static void what_must_be_escaped_is(void **state)
{
    (void)state;
    expect(SLICE_EMPTY, "");
    expect(SLICE("plain text / 'quoted'"), "plain text / 'quoted'");
    expect(SLICE("a\"b\\c"), "a\\\"b\\\\c");
    expect(SLICE("\b\f\n\r\t"), "\\b\\f\\n\\r\\t");
    expect(SLICE("\0\x01\x1f\x7f"), "\\u0000\\u0001\\u001f\x7f");
    expect(SLICE("Gr\xc3\xbc\xc3\x9f\x65 \xe2\x82\xac \xf0\x9f\x8c\xa1"),
           "Gr\xc3\xbc\xc3\x9f\x65 \xe2\x82\xac \xf0\x9f\x8c\xa1");
}

static void what_is_not_utf8_becomes_the_replacement_character(void **state)
{
    (void)state;
    expect(SLICE("a\xff"), "a\xef\xbf\xbd");
    expect(SLICE("\xe2\x82"), "\xef\xbf\xbd"); /* cut off: one part, one replacement */
    expect(SLICE("\xe2\x82\"x"), "\xef\xbf\xbd\\\"x");
    expect(SLICE("\xed\xa0\x80"), "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"); /* a surrogate */
    expect(SLICE("\xc0\x80"), "\xef\xbf\xbd\xef\xbf\xbd");
}

/* Reads the inside of a JSON string; false when it is none. */
static bool unescape(struct slice s, uint8_t *to, size_t *len)
{
    *len = 0;
    for (size_t i = 0; i < s.len; i++) {
        if (s.at[i] < 0x20 || s.at[i] == '"')
            return false;
        if (s.at[i] != '\\') {
            to[(*len)++] = s.at[i];
            continue;
        }
        static const char from[] = "\"\\bfnrt", into[] = "\"\\\b\f\n\r\t";
        if (++i == s.len)
            return false;
        const char *known = memchr(from, s.at[i], sizeof(from) - 1);
        if (known) {
            to[(*len)++] = (uint8_t)into[known - from];
            continue;
        }
        if (s.at[i] != 'u' || s.len - i < 5)
            return false;
        char digits[5] = {0}, *end;
        memcpy(digits, s.at + i + 1, 4);
        to[(*len)++] = (uint8_t)strtoul(digits, &end, 16);
        if (end != digits + 4)
            return false;
        i += 4;
    }
    return true;
}

static void any_bytes_give_a_string_that_reads_back(void **state)
{
    (void)state;
    uint32_t seed = 3;
    for (int round = 0; round < 50000; round++) {
        uint8_t from[24], out[24 * 6], back[24 * 6];
        size_t len = seed % (sizeof(from) + 1), back_len;
        for (size_t i = 0; i < len; i++) {
            seed = seed * 1664525 + 1013904223;
            from[i] = (uint8_t)(seed >> 24) & (seed & 0x800 ? 0xff : 0x7f);
        }
        seed = seed * 1664525 + 1013904223;
        struct writer w = writer_of(out, sizeof(out));
        json_escape(&w, slice_of(from, len));
        assert_false(w.overflow);
        assert_int_equal(json_escaped_len(slice_of(from, len)), writer_len(&w));
        struct slice escaped = slice_of(out, writer_len(&w));
        assert_true(utf8_well_formed(escaped));
        assert_true(unescape(escaped, back, &back_len));
        bool whole = true;
        for (size_t at = 0, used; at < len; at += used)
            whole &= utf8_next(slice_of(from + at, len - at), &used) >= 0;
        if (whole) {
            assert_int_equal(back_len, len);
            assert_memory_equal(back, from, len);
        }
    }
}

static void where_room_ends_no_escape_is_cut(void **state)
{
    (void)state;
    static const struct slice from = {(const uint8_t *)"a\"\x01\xe2\x82\xac\xff", 7};
    static const char whole[] = "a\\\"\\u0001\xe2\x82\xac\xef\xbf\xbd";
    static const size_t ends[] = {0, 1, 3, 9, 12, 15};
    for (size_t room = 0; room <= 15; room++) {
        uint8_t *out = malloc(room ? room : 1);
        struct writer w = writer_of(out, room);
        json_escape(&w, from);
        assert_int_equal(w.overflow, room < 15);
        size_t fits = 0;
        for (size_t i = 0; i < 6; i++)
            fits = ends[i] <= room ? ends[i] : fits;
        assert_int_equal(writer_len(&w), fits);
        assert_memory_equal(out, whole, fits);
        free(out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_must_be_escaped_is),
        cmocka_unit_test(what_is_not_utf8_becomes_the_replacement_character),
        cmocka_unit_test(any_bytes_give_a_string_that_reads_back),
        cmocka_unit_test(where_room_ends_no_escape_is_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
