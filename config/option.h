/* option: one row per thing that a user can set.
 *
 * A module describes its settings as a const table of rows; from the rows come parsing, range
 * errors with file:line:column, defaults, the reload difference, `siotd --options` and the
 * manual's table. A row names a member of the module's own settings struct by offset, so reading
 * a setting is reading a field. There is no ladder of strcmp anywhere. */
#ifndef SIOTD_CONFIG_OPTION_H
#define SIOTD_CONFIG_OPTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* "unlimited" in a file; 0 is a number like any other. */
#define OPTION_UNLIMITED UINT64_MAX

enum option_type {
    OPTION_BOOL,     /* bool          true | false */
    OPTION_COUNT,    /* uint64_t      a whole number, perhaps "unlimited" */
    OPTION_SIZE,     /* uint64_t      bytes: 512, 16KiB, 1MiB, 2GiB; perhaps "unlimited" */
    OPTION_DURATION, /* uint64_t      milliseconds: 250ms, 10s, 5m, 2h, 7d; perhaps "unlimited" */
    OPTION_TEXT,   /* char *        owned by the settings struct; NULL when left out without default
                    */
    OPTION_CHOICE, /* int           index into choices */
    OPTION_ADDRESS, /* char *        address:port, [::]:port, *:port or unix:/path; checked, kept as
                       written */
};

struct option_row {
    const char *name; /* "a.b" stands in the nested map `a:` */
    enum option_type type;
    size_t offset;        /* of the member in the table's settings struct */
    const char *fallback; /* default, as a user would write it; NULL: none (TEXT) or required */
    uint64_t min, max;    /* for COUNT, SIZE (bytes), DURATION (ms); TEXT: length in bytes */
    bool unlimited;       /* the word "unlimited" is allowed and stored as OPTION_UNLIMITED */
    bool required;
    bool reloadable; /* SIGHUP applies it; else it needs a restart */
    bool secret;     /* its value is never printed */
    bool list; /* TEXT: may be a YAML list of words, kept as one text with commas between them */
    bool path; /* TEXT: of a file; a relative one is relative to the configuration's folder */
    const char *const *choices; /* NULL-terminated, for CHOICE */
    /* TEXT with a syntax of its own: whether it is in order, and in `why` what is not; or NULL */
    bool (*valid)(const char *text, char *why, size_t why_size);
    const char *help; /* one line */
};

/* The settings of one section of the file ("limits", "mqtt", "log", or "" for the top level). */
struct option_table {
    const char *section;
    const struct option_row *rows;
    size_t count;
    size_t size;               /* of the settings struct, bytes */
    const char *const *others; /* NULL-terminated keys of the section that are no rows: somebody
                                  else reads them; or NULL */
};

#define OPTION_TABLE(section_, rows_, struct_)                                                     \
    {                                                                                              \
        .section = (section_), .rows = (rows_), .count = sizeof(rows_) / sizeof((rows_)[0]),       \
        .size = sizeof(struct_)                                                                    \
    }

#endif
