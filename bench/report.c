/* One list of numbers, two forms of it. */
#include "bench/report.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void report_section(struct report *report, const char *format, ...)
{
    va_list arguments;

    if (report->section_count == REPORT_SECTIONS)
        abort(); /* a work that outgrew the table: a bug here, not a matter of input */
    struct report_section *section = &report->sections[report->section_count++];
    section->first = report->row_count;
    va_start(arguments, format);
    vsnprintf(section->name, sizeof section->name, format, arguments);
    va_end(arguments);
}

void report_add(struct report *report, const char *name, double value, const char *unit)
{
    if (report->row_count == REPORT_ROWS)
        abort();
    report->rows[report->row_count++] = (struct report_row){name, unit, value};
}

static size_t section_end(const struct report *report, size_t section)
{
    return section + 1 < report->section_count ? report->sections[section + 1].first
                                               : report->row_count;
}

static void print_table(const struct report *report, FILE *to)
{
    for (size_t s = 0; s < report->section_count; s++) {
        fprintf(to, "%s\n", report->sections[s].name);
        for (size_t r = report->sections[s].first; r < section_end(report, s); r++)
            fprintf(to, "  %-32s %14.*f %s\n", report->rows[r].name,
                    report->rows[r].value >= 1000 ? 0 : 3, report->rows[r].value,
                    report->rows[r].unit);
    }
    if (report->note[0])
        fprintf(to, "note: %s\n", report->note);
}

/* Our own names and notes only: nothing in them needs escaping. */
static void print_json(const struct report *report, const struct options *options, FILE *to)
{
    fprintf(to, "{\"tool\": \"siotd-bench\", \"version\": \"%s\", \"work\": \"%s\",\n",
            SIOTD_VERSION, options->work);
    fprintf(to,
            " \"options\": {\"mqtt\": \"%s\", \"qos\": %u, \"payload\": %u, \"window\": %u, "
            "\"pause_us\": %u, \"seconds\": %g},\n",
            options->version == 4 ? "3.1.1" : "5.0", options->qos, options->payload_len,
            options->window, options->pause_us, options->seconds);
    fprintf(to, " \"note\": \"%s\",\n \"sections\": [", report->note);
    for (size_t s = 0; s < report->section_count; s++) {
        fprintf(to, "%s\n  {\"name\": \"%s\", \"metrics\": {", s ? "," : "",
                report->sections[s].name);
        for (size_t r = report->sections[s].first; r < section_end(report, s); r++)
            fprintf(to, "%s\"%s\": %.9g", r > report->sections[s].first ? ", " : "",
                    report->rows[r].name, report->rows[r].value);
        fprintf(to, "}}");
    }
    fprintf(to, "\n]}\n");
}

int report_print(const struct report *report, const struct options *options)
{
    bool both = options->json && strcmp(options->json, "-") == 0;
    FILE *file = stdout;

    print_table(report, both ? stderr : stdout);
    if (!options->json)
        return 0;
    if (!both && !(file = fopen(options->json, "we")))
        return -errno;
    print_json(report, options, file);
    int failed = ferror(file) | (both ? fflush(file) : fclose(file));
    return failed ? -EIO : 0;
}
