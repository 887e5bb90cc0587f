/* Topic rules against a second opinion: every string of up to six characters, and the edges. */
#include "broker/topic.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { LONGEST = 6, ALL = 19531 }; /* 5^0 + ... + 5^6 strings */

static const char alphabet[] = "a/+#$";

/* The n-th string; returns its length. */
static size_t nth(size_t n, char to[LONGEST + 1])
{
    size_t len = 0, count = 1;
    while (n >= count) {
        n -= count;
        count *= 5;
        len++;
    }
    for (size_t i = 0; i < len; i++, n /= 5)
        to[i] = alphabet[n % 5];
    to[len] = 0;
    return len;
}

/* ---- the second opinion: recursive, on C strings, character by character ---- */

static bool ref_name(const char *s)
{
    return *s == 0 || (*s != '+' && *s != '#' && ref_name(s + 1));
}

static bool ref_filter_level(const char *s)
{
    if (*s == '#')
        return s[1] == 0;
    if (*s == '+')
        return s[1] == 0 || (s[1] == '/' && ref_filter_level(s + 2));
    while (*s && *s != '/') {
        if (*s == '+' || *s == '#')
            return false;
        s++;
    }
    return *s == 0 || ref_filter_level(s + 1);
}

/* f and t stand at the beginning of a level. */
static bool ref_match_level(const char *f, const char *t)
{
    if (f[0] == '#')
        return true;
    if (f[0] == '+') {
        f++;
        while (*t && *t != '/')
            t++;
    } else {
        while (*f && *f != '/' && *f == *t) {
            f++;
            t++;
        }
    }
    bool f_ends = *f == 0, t_ends = *t == 0;
    if ((!f_ends && *f != '/') || (!t_ends && *t != '/'))
        return false;
    if (f_ends || t_ends)
        return f_ends == t_ends || (t_ends && strcmp(f, "/#") == 0);
    return ref_match_level(f + 1, t + 1);
}

static bool ref_match(const char *f, const char *t)
{
    return (*t != '$' || (*f != '+' && *f != '#')) && ref_match_level(f, t);
}

/* ---- tests ---- */

static void every_short_string_is_judged_as_the_rules_say(void **state)
{
    (void)state;
    size_t names = 0, filters = 0;
    for (size_t n = 0; n < ALL; n++) {
        char s[LONGEST + 1];
        size_t len = nth(n, s);
        bool name = topic_name_valid(slice_of(s, len), 100, 100);
        bool filter = topic_filter_valid(slice_of(s, len), 100, 100);
        if (name != (len > 0 && ref_name(s)) || filter != (len > 0 && ref_filter_level(s)))
            fail_msg("\"%s\": name %d filter %d", s, name, filter);
        names += name;
        filters += filter;
    }
    assert_int_equal(names, 3 + 9 + 27 + 81 + 243 + 729);
    assert_true(filters > names);
}

static void every_short_filter_selects_what_the_rules_say(void **state)
{
    (void)state;
    static char filters[ALL][LONGEST + 1], topics[ALL][LONGEST + 1];
    size_t filter_count = 0, topic_count = 0, matches = 0;
    for (size_t n = 1; n < ALL; n++) {
        char s[LONGEST + 1];
        nth(n, s);
        if (ref_filter_level(s))
            strcpy(filters[filter_count++], s);
        if (ref_name(s))
            strcpy(topics[topic_count++], s);
    }
    for (size_t f = 0; f < filter_count; f++) {
        struct slice filter = slice_of_str(filters[f]);
        for (size_t t = 0; t < topic_count; t++) {
            bool said = topic_matches(filter, slice_of_str(topics[t]));
            matches += said;
            if (said != ref_match(filters[f], topics[t]))
                fail_msg("\"%s\" and \"%s\": %d", filters[f], topics[t], said);
        }
    }
    assert_true(matches > topic_count); /* each topic is a filter that matches itself */
}

static void a_wildcard_is_seen_wherever_it_stands(void **state)
{
    (void)state;
    assert_false(topic_has_wildcard(SLICE_EMPTY));
    assert_false(topic_has_wildcard(SLICE("a/b$")));
    assert_true(topic_has_wildcard(SLICE("a/+")));
    assert_true(topic_has_wildcard(SLICE("#")));
    assert_true(topic_has_wildcard(SLICE("a+b")));
}

static void levels_come_one_by_one_and_empty_ones_count(void **state)
{
    (void)state;
    struct slice rest = SLICE("/a//"), level;
    bool more = true;
    const char *expected[] = {"", "a", "", ""};
    for (size_t i = 0; i < 4; i++) {
        assert_true(topic_next_level(&rest, &level, &more));
        assert_true(slice_equal(level, slice_of_str(expected[i])));
    }
    assert_false(more);
    assert_false(topic_next_level(&rest, &level, &more));
}

static void a_share_is_split_into_group_and_filter(void **state)
{
    (void)state;
    static const struct {
        const char *whole;
        enum topic_share expected;
        const char *group, *filter;
    } rows[] = {
        {"a/b", TOPIC_NOT_SHARED, "", "a/b"},
        {"", TOPIC_NOT_SHARED, "", ""},
        {"$shared/g/a", TOPIC_NOT_SHARED, "", "$shared/g/a"},
        {"$Share/g/a", TOPIC_NOT_SHARED, "", "$Share/g/a"},
        {"x/$share/g/a", TOPIC_NOT_SHARED, "", "x/$share/g/a"},
        {"$share", TOPIC_SHARE_MALFORMED, NULL, NULL},
        {"$share/", TOPIC_SHARE_MALFORMED, NULL, NULL},
        {"$share/g", TOPIC_SHARE_MALFORMED, NULL, NULL},
        {"$share/g/", TOPIC_SHARE_MALFORMED, NULL, NULL},
        {"$share//a", TOPIC_SHARE_MALFORMED, NULL, NULL},
        {"$share/+/a", TOPIC_SHARE_MALFORMED, NULL, NULL},
        {"$share/g#/a", TOPIC_SHARE_MALFORMED, NULL, NULL},
        {"$share/g+h/a", TOPIC_SHARE_MALFORMED, NULL, NULL},
        {"$share/g/a", TOPIC_SHARED, "g", "a"},
        {"$share/g//", TOPIC_SHARED, "g", "/"},
        {"$share/g/+/#", TOPIC_SHARED, "g", "+/#"},
        {"$share/g/$SYS/#", TOPIC_SHARED, "g", "$SYS/#"},
        {"$share/$share/$share/g/a", TOPIC_SHARED, "$share", "$share/g/a"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct slice group = SLICE_EMPTY, filter = SLICE_EMPTY;
        enum topic_share got = topic_split_share(slice_of_str(rows[i].whole), &group, &filter);
        if (got != rows[i].expected)
            fail_msg("\"%s\": %d", rows[i].whole, got);
        if (got == TOPIC_SHARE_MALFORMED)
            continue;
        assert_true(slice_equal(group, slice_of_str(rows[i].group)));
        assert_true(slice_equal(filter, slice_of_str(rows[i].filter)));
    }
}

static void tens_of_thousands_of_slashes_are_counted_and_no_more(void **state)
{
    (void)state;
    enum { SLASHES = 65400 };
    uint8_t *bytes = malloc(SLASHES);
    memset(bytes, '/', SLASHES);
    struct slice s = slice_of(bytes, SLASHES);
    assert_true(topic_name_valid(s, 65535, SLASHES + 1));
    assert_false(topic_name_valid(s, 65535, SLASHES));
    assert_false(topic_name_valid(s, 65535, 128));
    assert_false(topic_name_valid(s, SLASHES - 1, SLASHES + 1));
    assert_true(topic_filter_valid(s, 65535, SLASHES + 1));
    assert_true(topic_matches(SLICE("#"), s));
    assert_true(topic_matches(s, s));
    bytes[SLASHES - 1] = '#';
    assert_true(topic_matches(s, slice_of(bytes, SLASHES - 1)));
    free(bytes);
}

static void length_and_levels_are_limits_up_to_the_last_one(void **state)
{
    (void)state;
    assert_true(topic_name_valid(SLICE("abc"), 3, 1));
    assert_false(topic_name_valid(SLICE("abcd"), 3, 1));
    assert_true(topic_name_valid(SLICE("a/b"), 3, 2));
    assert_false(topic_name_valid(SLICE("a/b"), 3, 1));
    assert_false(topic_filter_valid(SLICE("a/+"), 3, 1));
    assert_false(topic_name_valid(SLICE_EMPTY, 3, 1));
    assert_false(topic_filter_valid(SLICE_EMPTY, 3, 1));
    uint8_t *bytes = malloc(65536);
    memset(bytes, 'a', 65536);
    assert_true(topic_name_valid(slice_of(bytes, 65535), SIZE_MAX, SIZE_MAX));
    assert_false(topic_name_valid(slice_of(bytes, 65536), SIZE_MAX, SIZE_MAX));
    free(bytes);
}

static void text_that_is_no_utf8_or_holds_nul_names_nothing(void **state)
{
    (void)state;
    assert_false(topic_name_valid(SLICE("a\0b"), 100, 10));
    assert_false(topic_filter_valid(SLICE("a\0/#"), 100, 10));
    assert_false(topic_name_valid(SLICE("\xed\xa0\x80"), 100, 10)); /* a surrogate */
    assert_false(topic_name_valid(SLICE("\xc0\xaf"), 100, 10));     /* an overlong slash */
    assert_false(topic_filter_valid(SLICE("a/\xff/+"), 100, 10));
    assert_true(topic_name_valid(SLICE("gr\xc3\xb6\xc3\x9f"
                                       "e/\xf0\x9f\x8c\xa1"),
                                 100, 10));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_short_string_is_judged_as_the_rules_say),
        cmocka_unit_test(every_short_filter_selects_what_the_rules_say),
        cmocka_unit_test(a_wildcard_is_seen_wherever_it_stands),
        cmocka_unit_test(levels_come_one_by_one_and_empty_ones_count),
        cmocka_unit_test(a_share_is_split_into_group_and_filter),
        cmocka_unit_test(tens_of_thousands_of_slashes_are_counted_and_no_more),
        cmocka_unit_test(length_and_levels_are_limits_up_to_the_last_one),
        cmocka_unit_test(text_that_is_no_utf8_or_holds_nul_names_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
