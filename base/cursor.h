/* cursor: a bounded reader over a slice, for decoders of network byte order.
 *
 * A read past the end sets `failed`, returns zero or an empty slice and moves nothing, so a
 * decoder may read a whole structure and check once. `failed` never clears by itself. */
#ifndef SIOTD_BASE_CURSOR_H
#define SIOTD_BASE_CURSOR_H

#include "base/slice.h"

struct cursor {
    const uint8_t *start, *at, *end;
    bool failed;
};

static inline struct cursor cursor_of(struct slice s)
{
    const uint8_t *at = s.at ? s.at : (const uint8_t *)""; /* not even 0 may be added to NULL */
    return (struct cursor){at, at, at + s.len, false};
}

static inline size_t cursor_left(const struct cursor *c)
{
    return (size_t)(c->end - c->at);
}

/* Bytes read so far: the offset for an error report. */
static inline size_t cursor_offset(const struct cursor *c)
{
    return (size_t)(c->at - c->start);
}

/* The next n bytes, borrowed. */
static inline struct slice cursor_take(struct cursor *c, size_t n)
{
    if (c->failed || cursor_left(c) < n) {
        c->failed = true;
        return SLICE_EMPTY;
    }
    struct slice s = {c->at, n};
    c->at += n;
    return s;
}

static inline uint8_t cursor_u8(struct cursor *c)
{
    struct slice s = cursor_take(c, 1);
    return s.len ? s.at[0] : 0;
}

static inline uint16_t cursor_u16(struct cursor *c)
{
    struct slice s = cursor_take(c, 2);
    return s.len ? (uint16_t)(s.at[0] << 8 | s.at[1]) : 0;
}

static inline uint32_t cursor_u32(struct cursor *c)
{
    struct slice s = cursor_take(c, 4);
    return s.len ? (uint32_t)s.at[0] << 24 | (uint32_t)s.at[1] << 16 | (uint32_t)s.at[2] << 8 |
                       s.at[3]
                 : 0;
}

static inline uint64_t cursor_u64(struct cursor *c)
{
    struct slice s = cursor_take(c, 8);
    uint64_t v = 0;
    for (size_t i = 0; i < s.len; i++)
        v = v << 8 | s.at[i];
    return v;
}

/* Whatever is left, borrowed; never fails unless the cursor has failed before. */
static inline struct slice cursor_rest(struct cursor *c)
{
    return cursor_take(c, c->failed ? 0 : cursor_left(c));
}

#endif
