/* slice: bytes that somebody else owns.
 *
 * Decoders turn what arrived into slices and allocate nothing; a slice is good for as long as
 * the bytes it points at, which is the current receive unless the owner says otherwise.
 * A slice may hold any bytes, NUL included, and is not terminated. */
#ifndef SIOTD_BASE_SLICE_H
#define SIOTD_BASE_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct slice {
    const uint8_t *at; /* may be NULL when len is 0 */
    size_t len;
};

#define SLICE_EMPTY ((struct slice){NULL, 0})
/* A slice of a string literal, without its NUL. */
#define SLICE(literal) ((struct slice){(const uint8_t *)(literal), sizeof(literal) - 1})
/* For printf's "%.*s"; the caller escapes first what a stranger has sent (base/log.h). */
#define SLICE_FMT(s) (int)(s).len, (const char *)(s).at

static inline struct slice slice_of(const void *at, size_t len)
{
    return (struct slice){at, len};
}

static inline struct slice slice_of_str(const char *str)
{
    return (struct slice){(const uint8_t *)str, str ? strlen(str) : 0};
}

static inline bool slice_equal(struct slice a, struct slice b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.at, b.at, a.len) == 0);
}

static inline bool slice_starts_with(struct slice s, struct slice prefix)
{
    return s.len >= prefix.len && (prefix.len == 0 || memcmp(s.at, prefix.at, prefix.len) == 0);
}

/* The part of s from offset on; empty when offset is past the end. */
static inline struct slice slice_from(struct slice s, size_t offset)
{
    return offset >= s.len ? SLICE_EMPTY : (struct slice){s.at + offset, s.len - offset};
}

#endif
