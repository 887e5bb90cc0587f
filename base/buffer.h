/* buffer: owned bytes that grow at the end and are consumed from the front. */
#ifndef SIOTD_BASE_BUFFER_H
#define SIOTD_BASE_BUFFER_H

#include "base/slice.h"

struct buffer {
    uint8_t *at;       /* owned; NULL while nothing was ever appended */
    uint32_t len, cap; /* bytes */
};

/* Appends a copy. Returns 0, or UV_ENOMEM-like -ENOMEM with the buffer unchanged. Growth doubles.
 */
int buffer_append(struct buffer *b, struct slice s);

/* Room for n more bytes behind len, to be written by the caller, who then adds to len;
 * NULL when out of memory. */
uint8_t *buffer_room(struct buffer *b, size_t n);

/* Drops the first n bytes (at most len), moving the rest to the front. */
void buffer_consume(struct buffer *b, size_t n);

/* Frees; the buffer is as new. */
void buffer_clear(struct buffer *b);

static inline struct slice buffer_slice(const struct buffer *b)
{
    return (struct slice){b->at, b->len};
}

#endif
