/* writer: a bounded writer into memory that somebody else owns, network byte order.
 *
 * Encoders compute a size first, reserve exactly that (peer_reserve), and write through this;
 * a write past the end sets `overflow` and writes nothing, so a wrong size is a bug found by a
 * test and never a byte outside the reservation. */
#ifndef SIOTD_BASE_WRITER_H
#define SIOTD_BASE_WRITER_H

#include "base/slice.h"

struct writer {
    uint8_t *start, *at, *end;
    bool overflow;
};

/* at may be NULL when len is 0. */
static inline struct writer writer_of(uint8_t *at, size_t len)
{
    if (!at)
        at = (uint8_t *)""; /* not even 0 may be added to NULL; nothing is ever written there */
    return (struct writer){at, at, at + len, false};
}

static inline size_t writer_len(const struct writer *w)
{
    return (size_t)(w->at - w->start);
}

/* Room for n bytes, or NULL with `overflow` set. */
static inline uint8_t *writer_claim(struct writer *w, size_t n)
{
    if (w->overflow || (size_t)(w->end - w->at) < n) {
        w->overflow = true;
        return NULL;
    }
    uint8_t *to = w->at;
    w->at += n;
    return to;
}

static inline void writer_u8(struct writer *w, uint8_t v)
{
    uint8_t *to = writer_claim(w, 1);
    if (to)
        *to = v;
}

static inline void writer_u16(struct writer *w, uint16_t v)
{
    uint8_t *to = writer_claim(w, 2);
    if (to) {
        to[0] = (uint8_t)(v >> 8);
        to[1] = (uint8_t)v;
    }
}

static inline void writer_u32(struct writer *w, uint32_t v)
{
    uint8_t *to = writer_claim(w, 4);
    if (to) {
        to[0] = (uint8_t)(v >> 24);
        to[1] = (uint8_t)(v >> 16);
        to[2] = (uint8_t)(v >> 8);
        to[3] = (uint8_t)v;
    }
}

static inline void writer_u64(struct writer *w, uint64_t v)
{
    uint8_t *to = writer_claim(w, 8);
    for (int i = 0; to && i < 8; i++)
        to[i] = (uint8_t)(v >> (56 - 8 * i));
}

static inline void writer_bytes(struct writer *w, struct slice s)
{
    uint8_t *to = writer_claim(w, s.len);
    if (to && s.len)
        memcpy(to, s.at, s.len);
}

#endif
