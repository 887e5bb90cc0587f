/* Tests base/utf8.c against a decoder that works another way round: it takes the bits first and
 * judges the number afterwards. */
#include "base/utf8.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* The code point of the first character, or -1; *len its bytes. */
static int32_t reference_next(const uint8_t *at, size_t left, size_t *len)
{
    static const int32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t ones = 0;
    while (ones < 8 && (at[0] & (0x80 >> ones)))
        ones++;
    *len = ones == 0 ? 1 : ones;
    if (ones == 1 || ones > 4 || *len > left)
        return -1;
    int32_t rune = ones == 0 ? at[0] : at[0] & (0x7f >> ones);
    for (size_t i = 1; i < *len; i++) {
        if (at[i] >> 6 != 2)
            return -1;
        rune = rune * 64 + at[i] % 64;
    }
    if (rune < least[*len] || rune > 0x10ffff || (rune >= 0xd800 && rune < 0xe000))
        return -1;
    return rune;
}

static void reference(const uint8_t *at, size_t left, bool *well_formed, bool *clean)
{
    *well_formed = *clean = true;
    while (left) {
        size_t len;
        int32_t rune = reference_next(at, left, &len);
        if (rune <= 0) {
            *well_formed = *clean = false;
            return;
        }
        bool control = rune <= 0x1f || (rune >= 0x7f && rune <= 0x9f);
        bool none = (rune >= 0xfdd0 && rune <= 0xfdef) || rune % 0x10000 >= 0xfffe;
        *clean &= !control && !none;
        at += len;
        left -= len;
    }
}

static void compare(const uint8_t *at, size_t len)
{
    bool well_formed, clean;
    reference(at, len, &well_formed, &clean);
    struct slice s = slice_of(at, len);
    if (utf8_well_formed(s) == well_formed && utf8_clean(s) == clean)
        return;
    char shown[3 * 32 + 1] = "";
    for (size_t i = 0; i < len && i < 32; i++)
        snprintf(shown + 3 * i, 4, "%02x ", at[i]);
    fail_msg("%s: expected well-formed %d, clean %d", shown, well_formed, clean);
}

/* How far apart the samples of an exhaustive test are: 1 is all of them; under valgrind, `apart`.
 */
static uint32_t stride(uint32_t apart)
{
    return getenv("SIOTD_TEST_SLOW_MACHINE") ? apart : 1;
}

static void every_sequence_of_1_2_and_3_bytes_is_judged_right(void **state)
{
    (void)state;
    uint32_t step = stride(257);
    assert_true(utf8_well_formed(SLICE_EMPTY) && utf8_clean(SLICE_EMPTY));
    for (uint32_t v = 0; v < 1 << 24; v += step) {
        uint8_t s[3] = {(uint8_t)(v >> 16), (uint8_t)(v >> 8), (uint8_t)v};
        compare(s, 3);
        if ((v & 0xff) == 0)
            compare(s, 2);
        if ((v & 0xffff) == 0)
            compare(s, 1);
    }
}

static void every_4_byte_sequence_at_a_boundary_is_judged_right(void **state)
{
    (void)state;
    static const uint8_t edges[] = {0x00, 0x7f, 0x80, 0x81, 0x8f, 0x90, 0x9f, 0xa0, 0xbd,
                                    0xbe, 0xbf, 0xc0, 0xc2, 0xe0, 0xef, 0xf0, 0xff};
    for (int first = 0xe0; first <= 0xff; first++) {
        for (int second = 0; second <= 0xff; second++) {
            for (size_t i = 0; i < sizeof(edges); i++) {
                for (size_t j = 0; j < sizeof(edges); j++) {
                    uint8_t s[4] = {(uint8_t)first, (uint8_t)second, edges[i], edges[j]};
                    compare(s, 4);
                }
            }
        }
    }
}

static void every_code_point_is_judged_right_in_every_form(void **state)
{
    (void)state;
    uint32_t step = stride(31);
    for (uint32_t rune = 0; rune < 1 << 21; rune += step) {
        uint8_t four[4] = {(uint8_t)(0xf0 | rune >> 18), (uint8_t)(0x80 | (rune >> 12 & 63)),
                           (uint8_t)(0x80 | (rune >> 6 & 63)), (uint8_t)(0x80 | (rune & 63))};
        compare(four, 4);
    }
}

/* Any two bytes at any place of a string long enough for whole words and a tail; the string is
 * exactly as long as its memory, so a read past it is found. */
static void any_place_in_a_string_is_judged_right(void **state)
{
    (void)state;
    uint32_t step = stride(31);
    for (size_t len = 2; len <= 19; len++) {
        uint8_t *s = malloc(len);
        memset(s, 't', len);
        for (size_t at = 0; at + 2 <= len; at++) {
            for (uint32_t v = 0; v < 1 << 16; v += step) {
                s[at] = (uint8_t)(v >> 8);
                s[at + 1] = (uint8_t)v;
                compare(s, len);
            }
            s[at] = s[at + 1] = 't';
        }
        free(s);
    }
}

static void mixed_strings_are_judged_right(void **state)
{
    (void)state;
    static const char *const parts[] = {"abcdefgh", "/",       "\xc3\xa9",         "\xe2\x82\xac",
                                        "sensors",  "\t",      "\xf0\x9f\x8c\xa1", "\xef\xbf\xbe",
                                        "\x7f",     "\xc2\x85"};
    uint32_t seed = 9;
    for (int round = 0; round < 200000; round++) {
        uint8_t s[80];
        size_t len = 0;
        for (uint32_t n = seed % 9; n; n--) {
            seed = seed * 1664525 + 1013904223;
            const char *part = parts[(seed >> 16) % (seed & 0x400 ? 4 : 10)];
            memcpy(s + len, part, strlen(part));
            len += strlen(part);
        }
        seed = seed * 1664525 + 1013904223;
        if (len && (seed & 0x3000) == 0)
            len -= 1; /* may cut a character */
        compare(s, len);
    }
}

static void expect_next(struct slice s, int32_t rune, size_t len)
{
    size_t used = 0;
    assert_int_equal(utf8_next(s, &used), rune);
    assert_int_equal(used, len);
}

static void characters_are_read_one_by_one(void **state)
{
    (void)state;
    expect_next(SLICE("\0x"), 0, 1);
    expect_next(SLICE("A\x80"), 'A', 1);
    expect_next(SLICE("\xc3\xa9z"), 0xe9, 2);
    expect_next(SLICE("\xe2\x82\xac"), 0x20ac, 3);
    expect_next(SLICE("\xf4\x8f\xbf\xbf"), 0x10ffff, 4);
    /* It agrees with the other decoder on what is well-formed. */
    uint32_t step = stride(257);
    for (uint32_t v = 0; v < 1 << 24; v += step) {
        uint8_t s[3] = {(uint8_t)(v >> 16), (uint8_t)(v >> 8), (uint8_t)v};
        size_t len, used;
        int32_t rune = reference_next(s, 3, &len);
        if (utf8_next(slice_of(s, 3), &used) != rune || (rune >= 0 && used != len))
            fail_msg("%06x", v);
    }
}

/* The examples of the Unicode Standard, section 3.9, on replacing maximal subparts. */
static void an_ill_formed_part_is_as_long_as_it_could_have_begun_something(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t lengths[10];
    } cases[] = {
        {"\xc0\xaf\xe0\x80\xbf\xf0\x81\x82\x41", {1, 1, 1, 1, 1, 1, 1, 1, 1}},
        {"\xed\xa0\x80\xed\xbf\xbf\xed\xaf\x41", {1, 1, 1, 1, 1, 1, 1, 1, 1}},
        {"\xf4\x91\x92\x93\xff\x41\x80\xbf\x42", {1, 1, 1, 1, 1, 1, 1, 1, 1}},
        {"\xe1\x80\xe2\xf0\x91\x92\xf1\xbf\x41", {2, 1, 3, 2, 1}},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct slice left = slice_of_str(cases[i].bytes);
        for (size_t part = 0; left.len; part++) {
            size_t used;
            int32_t rune = utf8_next(left, &used);
            assert_int_equal(used, cases[i].lengths[part]);
            assert_int_equal(rune, left.at[0] < 0x80 ? left.at[0] : -1);
            left = slice_from(left, used);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_sequence_of_1_2_and_3_bytes_is_judged_right),
        cmocka_unit_test(every_4_byte_sequence_at_a_boundary_is_judged_right),
        cmocka_unit_test(every_code_point_is_judged_right_in_every_form),
        cmocka_unit_test(any_place_in_a_string_is_judged_right),
        cmocka_unit_test(mixed_strings_are_judged_right),
        cmocka_unit_test(characters_are_read_one_by_one),
        cmocka_unit_test(an_ill_formed_part_is_as_long_as_it_could_have_begun_something),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
