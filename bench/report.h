/* report: named numbers, printed for people and for programs. */
#ifndef SIOTD_BENCH_REPORT_H
#define SIOTD_BENCH_REPORT_H

#include "bench/options.h"
#include <stddef.h>

enum { REPORT_ROWS = 400, REPORT_SECTIONS = 40 };

struct report {
    struct report_section {
        char name[48];
        size_t first; /* of its rows */
    } sections[REPORT_SECTIONS];
    struct report_row {
        const char *name, *unit; /* static strings */
        double value;
    } rows[REPORT_ROWS];
    size_t section_count, row_count;
    char note[200]; /* something the reader must know, or empty */
};

/* Begins a section; rows that follow are its. Each work begins at least one. */
void report_section(struct report *report, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Adds a number under a name that stays the same over versions of this program. */
void report_add(struct report *report, const char *name, double value, const char *unit);

/* Prints the table to stdout (stderr when the JSON goes to stdout) and writes the JSON where
 * options say. Returns 0 or -errno. */
int report_print(const struct report *report, const struct options *options);

#endif
