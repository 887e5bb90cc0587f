/* report: see report.h. Stands beside the way of a message: it is used at start and at reload.
 *
 * Invariant: entries[0..count) each own their text. Out of memory loses texts, never the fact that
 * there was a mistake. */
#include "config/report.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void report_init(struct report *report, const char *file)
{
    *report = (struct report){.file = file};
}

void report_clear(struct report *report)
{
    for (size_t i = 0; i < report->count; i++)
        free(report->entries[i].text);
    free(report->entries);
    report_init(report, report->file);
}

/* Room for one more entry, or NULL. */
static struct report_entry *next_entry(struct report *report)
{
    if (report->count == REPORT_MAX)
        return NULL;
    if (!report->entries)
        report->entries = calloc(REPORT_MAX, sizeof(*report->entries));
    return report->entries ? &report->entries[report->count] : NULL;
}

void report_add(struct report *report, struct place place, const char *format, ...)
{
    struct report_entry *entry = next_entry(report);
    va_list arguments;
    va_start(arguments, format);
    if (!entry || vasprintf(&entry->text, format, arguments) < 0) {
        report->dropped++;
    } else {
        entry->place = place;
        entry->order = report->count++;
    }
    va_end(arguments);
}

int report_any(const struct report *report)
{
    return report->count > 0 || report->dropped > 0;
}

static int compare(const void *left, const void *right)
{
    const struct report_entry *a = left, *b = right;
    if (a->place.line != b->place.line)
        return a->place.line < b->place.line ? -1 : 1;
    if (a->place.column != b->place.column)
        return a->place.column < b->place.column ? -1 : 1;
    return a->order < b->order ? -1 : 1;
}

void report_sort(struct report *report)
{
    if (report->count > 1)
        qsort(report->entries, report->count, sizeof(*report->entries), compare);
}

void report_show(const struct report *report, void (*show)(void *to, const char *line), void *to)
{
    char line[REPORT_LINE_SIZE];
    for (size_t i = 0; i < report->count; i++) {
        const struct report_entry *entry = &report->entries[i];
        if (entry->place.line)
            snprintf(line, sizeof(line), "%s:%u:%u: %s", report->file, entry->place.line,
                     entry->place.column, entry->text);
        else
            snprintf(line, sizeof(line), "%s: %s", report->file, entry->text);
        show(to, line);
    }
    if (report->dropped) {
        snprintf(line, sizeof(line), "%s: and %zu more", report->file, report->dropped);
        show(to, line);
    }
}
