/* lines: cuts a text file into lines; for the files that acl and users read. Pure. */
#ifndef SIOTD_BROKER_LINES_H
#define SIOTD_BROKER_LINES_H

#include "base/slice.h"

struct lines {
    struct slice rest;
    unsigned number; /* of the line last given, from 1 */
};

/* The next line without its end ("\n" or "\r\n"); false behind the last one. */
static inline bool lines_next(struct lines *lines, struct slice *line)
{
    if (lines->rest.len == 0)
        return false;
    const uint8_t *end = memchr(lines->rest.at, '\n', lines->rest.len);
    line->at = lines->rest.at;
    line->len = end ? (size_t)(end - lines->rest.at) : lines->rest.len;
    lines->rest = slice_from(lines->rest, line->len + 1);
    lines->number++;
    if (line->len && line->at[line->len - 1] == '\r')
        line->len--;
    return true;
}

#endif
