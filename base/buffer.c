/* buffer: owned bytes that grow at the end and are consumed from the front.
 *
 * Stands where bytes wait: a packet of which only a part has arrived, output that the kernel did
 * not take yet.
 *
 * Invariants: len <= cap; at is NULL exactly when cap is 0; room once allocated is kept until
 * buffer_clear, since what was needed once is needed again. */
#include "base/buffer.h"

#include <errno.h>
#include <stdlib.h>

enum { BUFFER_MIN = 64 };

uint8_t *buffer_room(struct buffer *b, size_t n)
{
    if (b->at && n <= b->cap - b->len)
        return b->at + b->len;
    if (n > UINT32_MAX - b->len)
        return NULL;
    uint64_t cap = b->cap ? b->cap : BUFFER_MIN;
    while (cap < b->len + n)
        cap *= 2;
    if (cap > UINT32_MAX)
        cap = UINT32_MAX;
    uint8_t *at = realloc(b->at, cap);
    if (!at)
        return NULL;
    b->at = at;
    b->cap = (uint32_t)cap;
    return b->at + b->len;
}

int buffer_append(struct buffer *b, struct slice s)
{
    if (s.len == 0)
        return 0;
    uint8_t *to = buffer_room(b, s.len);
    if (!to)
        return -ENOMEM;
    memcpy(to, s.at, s.len);
    b->len += (uint32_t)s.len;
    return 0;
}

void buffer_consume(struct buffer *b, size_t n)
{
    if (n >= b->len) {
        b->len = 0;
        return;
    }
    if (n == 0)
        return;
    b->len -= (uint32_t)n;
    memmove(b->at, b->at + n, b->len);
}

void buffer_clear(struct buffer *b)
{
    free(b->at);
    *b = (struct buffer){0};
}
