/* Tests base/exposition.c. */
#include "base/exposition.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static const struct exposition_family things = {"things_total", EXPOSITION_COUNTER,
                                                EXPOSITION_NUMBER, "Things."};

static bool out_of_memory;

void *__real_realloc(void *old, size_t size);
void *__wrap_realloc(void *old, size_t size);
void *__wrap_realloc(void *old, size_t size)
{
    return out_of_memory ? NULL : __real_realloc(old, size);
}

static void expect(struct exposition *e, const char *wanted)
{
    buffer_append(&e->text, slice_of((const uint8_t *)"", 1));
    assert_string_equal(e->text.at, wanted);
    assert_false(e->failed);
    buffer_clear(&e->text);
}

static void a_family_is_headed_once_and_its_samples_follow(void **state)
{
    (void)state;
    struct exposition e = {.failed = false};
    const struct exposition_label a[] = {{"listener", SLICE("mqtt")}, {"reason", SLICE("slow")}};
    const struct exposition_label b = {"listener", SLICE("udp")};
    exposition_begin(&e, &things);
    exposition_sample(&e, a, 2, 7);
    exposition_sample(&e, &b, 1, UINT64_MAX);
    expect(&e, "# HELP things_total Things.\n"
               "# TYPE things_total counter\n"
               "things_total{listener=\"mqtt\",reason=\"slow\"} 7\n"
               "things_total{listener=\"udp\"} 18446744073709551615\n");
}

static void a_family_without_samples_leaves_no_trace(void **state)
{
    (void)state;
    struct exposition e = {.failed = false};
    static const struct exposition_family size = {"size_bytes", EXPOSITION_GAUGE, EXPOSITION_NUMBER,
                                                  "How much."};
    exposition_begin(&e, &things);
    exposition_say(&e, &size, 0);
    expect(&e, "# HELP size_bytes How much.\n# TYPE size_bytes gauge\nsize_bytes 0\n");
}

static void times_are_written_as_seconds(void **state)
{
    (void)state;
    struct exposition e = {.failed = false};
    static const struct exposition_family micros = {"a_seconds", EXPOSITION_GAUGE,
                                                    EXPOSITION_MICROSECONDS, "A."};
    static const struct exposition_family millis = {"b_seconds", EXPOSITION_GAUGE,
                                                    EXPOSITION_MILLISECONDS, "B."};
    exposition_begin(&e, &micros);
    exposition_sample(&e, NULL, 0, 12000034);
    exposition_sample(&e, NULL, 0, 5);
    exposition_begin(&e, &millis);
    exposition_sample(&e, NULL, 0, 60001);
    expect(&e, "# HELP a_seconds A.\n# TYPE a_seconds gauge\na_seconds 12.000034\n"
               "a_seconds 0.000005\n"
               "# HELP b_seconds B.\n# TYPE b_seconds gauge\nb_seconds 60.001\n");
}

static void nothing_in_a_value_ends_its_line(void **state)
{
    (void)state;
    struct exposition e = {.failed = false};
    static const struct exposition_family odd = {"odd", EXPOSITION_GAUGE, EXPOSITION_NUMBER,
                                                 "A \"quote\", a \\ and\na line."};
    const struct exposition_label label = {"name", SLICE("a\"b\\c\nd\xc3\xbc")};
    exposition_begin(&e, &odd);
    exposition_sample(&e, &label, 1, 1);
    expect(&e, "# HELP odd A \"quote\", a \\\\ and\\na line.\n# TYPE odd gauge\n"
               "odd{name=\"a\\\"b\\\\c\\nd\xc3\xbc\"} 1\n");
}

static void a_text_that_is_not_whole_says_so(void **state)
{
    (void)state;
    struct exposition e = {.failed = false};
    exposition_say(&e, &things, 1);
    assert_false(e.failed);
    out_of_memory = true;
    for (int i = 0; i < 100; i++)
        exposition_sample(&e, NULL, 0, 2);
    out_of_memory = false;
    exposition_sample(&e, NULL, 0, 3); /* there is room again, but something is missing */
    assert_true(e.failed);
    buffer_clear(&e.text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_family_is_headed_once_and_its_samples_follow),
        cmocka_unit_test(a_family_without_samples_leaves_no_trace),
        cmocka_unit_test(times_are_written_as_seconds),
        cmocka_unit_test(nothing_in_a_value_ends_its_line),
        cmocka_unit_test(a_text_that_is_not_whole_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
