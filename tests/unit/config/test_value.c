/* Tests config/value.c. */
#include "config/value.h"
#include "tests/unit/config/sample_schema.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const struct option_row *row(const char *name)
{
    for (size_t i = 0; i < sample_limit_table.count; i++)
        if (strcmp(sample_limit_rows[i].name, name) == 0)
            return &sample_limit_rows[i];
    return &sample_top_rows[0];
}

/* A number of some type without bounds to speak of. */
static struct option_row number_row(enum option_type type)
{
    return (struct option_row){.name = "n", .type = type, .max = UINT64_MAX - 2};
}

static void number_is(enum option_type type, const char *text, uint64_t number, const char *again)
{
    struct option_row any = number_row(type);
    uint64_t to = 77;
    char why[VALUE_WHY_SIZE], shown[VALUE_TEXT_SIZE];
    if (!value_read(&any, text, &to, why))
        fail_msg("%s: %s", text, why);
    assert_int_equal(to, number);
    assert_string_equal(value_show(&any, &to, shown), again);
}

static void no_number(enum option_type type, const char *text, const char *expected)
{
    struct option_row any = number_row(type);
    uint64_t to = 77;
    char why[VALUE_WHY_SIZE];
    if (value_read(&any, text, &to, why))
        fail_msg("%s was accepted", text);
    assert_int_equal(to, 77);
    assert_string_equal(why, expected);
}

static void durations_have_units(void **state)
{
    (void)state;
    number_is(OPTION_DURATION, "250ms", 250, "250ms");
    number_is(OPTION_DURATION, "10s", 10000, "10s");
    number_is(OPTION_DURATION, "5m", 300000, "5m");
    number_is(OPTION_DURATION, "2h", 7200000, "2h");
    number_is(OPTION_DURATION, "7d", 604800000, "7d");
    number_is(OPTION_DURATION, "0s", 0, "0s");
    number_is(OPTION_DURATION, "90s", 90000, "90s");
    number_is(OPTION_DURATION, "120s", 120000, "2m");
    number_is(OPTION_DURATION, "1500ms", 1500, "1500ms");
    static const char *const wrong[] = {"10",  "10 s", "1.5h",  "s",    "",   "10sec",
                                        "10S", "ten",  "0x10s", "1e3s", "+1s"};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        char expected[VALUE_WHY_SIZE];
        snprintf(expected, sizeof(expected),
                 "%s is not a duration: write a whole number and ms, s, m, h or d", wrong[i]);
        no_number(OPTION_DURATION, wrong[i], expected);
    }
    no_number(OPTION_DURATION, "unlimited",
              "unlimited is not a duration: write a whole number and ms, s, m, h or d; this one "
              "cannot be unlimited");
}

static void sizes_are_bytes_or_have_binary_units(void **state)
{
    (void)state;
    number_is(OPTION_SIZE, "512", 512, "512");
    number_is(OPTION_SIZE, "16KiB", 16384, "16KiB");
    number_is(OPTION_SIZE, "1MiB", 1048576, "1MiB");
    number_is(OPTION_SIZE, "2GiB", UINT64_C(2) << 30, "2GiB");
    number_is(OPTION_SIZE, "3TiB", UINT64_C(3) << 40, "3TiB");
    number_is(OPTION_SIZE, "0", 0, "0");
    number_is(OPTION_SIZE, "1025", 1025, "1025");
    no_number(OPTION_SIZE, "1MB",
              "1MB is not a size: write bytes, or a whole number and KiB, MiB, GiB or TiB");
    no_number(OPTION_COUNT, "1k", "1k is not a whole number");
    no_number(OPTION_COUNT, "1.0", "1.0 is not a whole number");
    number_is(OPTION_COUNT, "007", 7, "7");
}

static void no_number_is_too_large_to_be_refused(void **state)
{
    (void)state;
    no_number(OPTION_COUNT, "18446744073709551615",
              "18446744073709551615 is above 18446744073709551613");
    no_number(OPTION_COUNT, "99999999999999999999999999",
              "99999999999999999999999999 is above 18446744073709551613");
    no_number(OPTION_COUNT, "-1", "-1 is below 0");
    no_number(OPTION_COUNT, "-99999999999999999999999999",
              "-99999999999999999999999999 is below 0");
    struct option_row keep_alive = {.type = OPTION_DURATION, .min = 1000, .max = 65535000};
    uint64_t to = 0;
    char why[VALUE_WHY_SIZE];
    assert_false(value_read(&keep_alive, "90000s", &to, why));
    assert_string_equal(why, "90000s is above 65535s");
    assert_false(value_read(&keep_alive, "999ms", &to, why));
    assert_string_equal(why, "999ms is below 1s");
    assert_false(value_read(&keep_alive, "999999999999999999d", &to, why));
    assert_string_equal(why, "999999999999999999d is above 65535s");
    assert_true(value_read(&keep_alive, "65535s", &to, why));
    assert_true(value_read(&keep_alive, "1s", &to, why));
}

static void unlimited_is_a_word_and_not_zero(void **state)
{
    (void)state;
    struct sample_limits limits = {0};
    char why[VALUE_WHY_SIZE], shown[VALUE_TEXT_SIZE];
    assert_true(value_read(row("queued"), "unlimited", &limits, why));
    assert_true(limits.queued == OPTION_UNLIMITED);
    assert_string_equal(value_show(row("queued"), &limits, shown), "unlimited");
    assert_true(value_read(row("queued"), "0", &limits, why));
    assert_int_equal(limits.queued, 0);
    assert_false(value_read(row("queued"), "Unlimited", &limits, why));
    assert_string_equal(why, "Unlimited is not a whole number, or unlimited");
}

static void words_are_exact(void **state)
{
    (void)state;
    struct sample_limits limits = {0};
    char why[VALUE_WHY_SIZE];
    assert_true(value_read(row("strict"), "true", &limits, why));
    assert_true(limits.strict);
    assert_true(value_read(row("strict"), "false", &limits, why));
    assert_false(limits.strict);
    assert_false(value_read(row("strict"), "yes", &limits, why));
    assert_string_equal(why, "yes is neither true nor false");
    assert_true(value_read(row("policy"), "drop", &limits, why));
    assert_int_equal(limits.policy, 1);
    assert_false(value_read(row("policy"), "dorp", &limits, why));
    assert_string_equal(why, "dorp is none of refuse, drop; did you mean drop?");
    assert_false(value_read(row("policy"), "x", &limits, why));
    assert_string_equal(why, "x is none of refuse, drop");
    assert_int_equal(limits.policy, 1);
}

static void texts_are_owned_bounded_and_clean(void **state)
{
    (void)state;
    struct sample_limits limits = {0}, other = {0};
    char why[VALUE_WHY_SIZE], shown[VALUE_TEXT_SIZE];
    const struct option_row *banner = row("banner");
    assert_string_equal(value_show(banner, &limits, shown), "(none)");
    assert_true(value_equal(banner, &limits, &other));
    assert_true(value_read(banner, "hello", &limits, why));
    assert_false(value_equal(banner, &limits, &other));
    assert_true(value_read(banner, "hello", &other, why));
    assert_true(value_equal(banner, &limits, &other));
    assert_true(value_read(banner, "again", &limits, why));
    assert_string_equal(value_show(banner, &limits, shown), "again");
    value_swap(banner, &limits, &other);
    assert_string_equal(limits.banner, "hello");
    assert_string_equal(other.banner, "again");
    assert_false(value_read(banner, "123456789012345678901", &limits, why));
    assert_string_equal(why, "has 21 bytes, must have at most 20");
    assert_false(value_read(banner, "a\x07", &limits, why));
    assert_string_equal(why, "contains a control character");
    assert_string_equal(limits.banner, "hello");
    assert_true(value_read(banner, "", &limits, why));
    assert_string_equal(value_show(banner, &limits, shown), "\"\"");
    value_clear(banner, &limits);
    value_clear(banner, &other);
    assert_null(limits.banner);
}

static void a_secret_is_in_no_message(void **state)
{
    (void)state;
    struct sample_limits limits = {0};
    char why[VALUE_WHY_SIZE], shown[VALUE_TEXT_SIZE];
    assert_true(value_read(row("password"), "geheim", &limits, why));
    assert_string_equal(value_show(row("password"), &limits, shown), "***");
    assert_false(value_read(row("password"), "abc", &limits, why));
    assert_null(strstr(why, "abc"));
    value_clear(row("password"), &limits);
    struct option_row pin = number_row(OPTION_COUNT);
    uint64_t to;
    pin.secret = true;
    assert_false(value_read(&pin, "12x4", &to, why));
    assert_null(strstr(why, "12x4"));
}

static void strange_words_are_escaped_and_cut(void **state)
{
    (void)state;
    struct sample_limits limits = {0};
    char why[VALUE_WHY_SIZE], endless[5000];
    memset(endless, 'x', sizeof(endless) - 1);
    endless[sizeof(endless) - 1] = '\0';
    assert_false(value_read(row("inflight"), endless, &limits, why));
    assert_true(strlen(why) < 200);
    assert_false(value_read(row("inflight"), "\x1b[31m", &limits, why));
    assert_string_equal(why, "\\x1b[31m is not a whole number");
    assert_false(value_read(row("policy"), endless, &limits, why));
    assert_true(strlen(why) < 200);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(durations_have_units),
        cmocka_unit_test(sizes_are_bytes_or_have_binary_units),
        cmocka_unit_test(no_number_is_too_large_to_be_refused),
        cmocka_unit_test(unlimited_is_a_word_and_not_zero),
        cmocka_unit_test(words_are_exact),
        cmocka_unit_test(texts_are_owned_bounded_and_clean),
        cmocka_unit_test(a_secret_is_in_no_message),
        cmocka_unit_test(strange_words_are_escaped_and_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
