/* exposition: figures as text, in the format that Prometheus and those like it read (text-based
 * exposition format, version 0.0.4).
 *
 *   exposition_begin(e, &family); exposition_sample(e, labels, count, amount) ...
 *
 * A family that gets no sample leaves no trace. All samples of a family stand together, as the
 * format wants it. */
#ifndef SIOTD_BASE_EXPOSITION_H
#define SIOTD_BASE_EXPOSITION_H

#include "base/buffer.h"
#include <stdbool.h>

enum exposition_type {
    EXPOSITION_COUNTER, /* never goes down; its name ends in _total */
    EXPOSITION_GAUGE,
};

/* In what the amounts of a family are counted. Written are base units, as is the custom. */
enum exposition_unit {
    EXPOSITION_NUMBER,
    EXPOSITION_MICROSECONDS, /* written as seconds */
    EXPOSITION_MILLISECONDS, /* likewise */
};

struct exposition_family {
    const char *name; /* of letters, digits and _ */
    enum exposition_type type;
    enum exposition_unit unit;
    const char *help; /* one line */
};

struct exposition_label {
    const char *name;   /* of letters, digits and _ */
    struct slice value; /* any UTF-8 */
};

struct exposition {
    struct buffer text;                     /* what has been written; owned */
    const struct exposition_family *family; /* borrowed: the one that samples are of */
    bool headed;                            /* its HELP and TYPE have been written */
    bool failed;                            /* out of memory: the text is not whole */
};

/* The samples that follow are of that family, which is borrowed until the next one begins. */
void exposition_begin(struct exposition *e, const struct exposition_family *family);

/* One sample of the family. `labels` may be NULL when `count` is 0. */
void exposition_sample(struct exposition *e, const struct exposition_label *labels, size_t count,
                       uint64_t amount);

/* A family of one sample without labels. */
void exposition_say(struct exposition *e, const struct exposition_family *family, uint64_t amount);

#endif
