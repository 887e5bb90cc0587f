/* report: every mistake of one configuration file, each with its place.
 *
 * Reading a file never stops at the first mistake: whoever finds one adds it here and goes on as
 * well as it can. At the end the report is sorted and shown in one go. */
#ifndef SIOTD_CONFIG_REPORT_H
#define SIOTD_CONFIG_REPORT_H

#include <stddef.h>

/* Where something stands in a file, both counted from 1; line 0: nowhere in particular. */
struct place {
    unsigned line, column;
};

struct report_entry {
    struct place place;
    size_t order; /* of being found, for mistakes of one place */
    char *text;   /* owned */
};

enum { REPORT_MAX = 200, REPORT_LINE_SIZE = 1024 };

struct report {
    const char *file; /* borrowed: the file's name, as the user gave it */
    struct report_entry *entries;
    size_t count;   /* entries kept, at most REPORT_MAX */
    size_t dropped; /* mistakes found and not kept: too many, or out of memory */
};

/* An empty report about `file`, whose name is borrowed. */
void report_init(struct report *report, const char *file);

/* Frees all entries; the report is as new. */
void report_clear(struct report *report);

/* Adds one mistake. The text is a sentence without a full stop; strangers' bytes in it must have
 * been escaped. */
void report_add(struct report *report, struct place place, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Whether anything was found. */
int report_any(const struct report *report);

/* Puts the entries in the order of the file. */
void report_sort(struct report *report);

/* Calls `show` with each line, "file:line:column: text", in order, and with one that says how many
 * more there were. `to` is handed through. */
void report_show(const struct report *report, void (*show)(void *to, const char *line), void *to);

#endif
