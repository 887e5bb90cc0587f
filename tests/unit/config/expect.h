/* expect: a report compared with the lines that a test expects. */
#ifndef SIOTD_TESTS_EXPECT_H
#define SIOTD_TESTS_EXPECT_H

#include "config/report.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static inline void expect_append(void *to, const char *line)
{
    char *text = to;
    size_t used = strlen(text);
    snprintf(text + used, 8192 - used, "%s\n", line);
}

/* The whole report is exactly these lines, each with a line feed. */
static inline void expect_report(struct report *report, const char *lines)
{
    char text[8192] = "";
    report_sort(report);
    report_show(report, expect_append, text);
    assert_string_equal(text, lines);
}

#endif
