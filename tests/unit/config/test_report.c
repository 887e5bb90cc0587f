/* Tests config/report.c. */
#include "tests/unit/config/expect.h"

static void mistakes_are_shown_in_the_order_of_the_file(void **state)
{
    (void)state;
    struct report report;
    report_init(&report, "f.yaml");
    assert_false(report_any(&report));
    report_add(&report, (struct place){9, 1}, "late");
    report_add(&report, (struct place){2, 7}, "second %d", 2);
    report_add(&report, (struct place){2, 3}, "first");
    report_add(&report, (struct place){2, 7}, "third");
    report_add(&report, (struct place){0, 0}, "everywhere");
    assert_true(report_any(&report));
    expect_report(&report, "f.yaml: everywhere\n"
                           "f.yaml:2:3: first\n"
                           "f.yaml:2:7: second 2\n"
                           "f.yaml:2:7: third\n"
                           "f.yaml:9:1: late\n");
    report_clear(&report);
    assert_false(report_any(&report));
    report_clear(&report);
}

static void count_line(void *to, const char *line)
{
    (void)line;
    ++*(int *)to;
}

static void more_than_the_room_are_counted(void **state)
{
    (void)state;
    struct report report;
    int lines = 0;
    report_init(&report, "f.yaml");
    for (unsigned i = 0; i < REPORT_MAX + 5; i++)
        report_add(&report, (struct place){i + 1, 1}, "wrong");
    assert_int_equal(report.count, REPORT_MAX);
    assert_int_equal(report.dropped, 5);
    report_show(&report, count_line, &lines);
    assert_int_equal(lines, REPORT_MAX + 1);
    report_clear(&report);
}

static void a_long_text_is_cut_at_the_line(void **state)
{
    (void)state;
    struct report report;
    char endless[3000], text[8192] = "";
    memset(endless, 'x', sizeof(endless) - 1);
    endless[sizeof(endless) - 1] = '\0';
    report_init(&report, "f.yaml");
    report_add(&report, (struct place){1, 1}, "%s", endless);
    report_show(&report, expect_append, text);
    assert_int_equal(strlen(text), REPORT_LINE_SIZE); /* the NUL's place has the line feed */
    report_clear(&report);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mistakes_are_shown_in_the_order_of_the_file),
        cmocka_unit_test(more_than_the_room_are_counted),
        cmocka_unit_test(a_long_text_is_cut_at_the_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
