/* encode: see encode.h. Last step on the way of a message out: what is to be said -> datagram. */
#include "protocols/coap/encode.h"

enum { MARKER = 0xff };

/* The nibble that announces a length or delta, RFC 7252 section 3.1. */
static uint8_t nibble(uint32_t value)
{
    if (value < 13)
        return (uint8_t)value;
    return value < 269 ? 13 : 14;
}

/* What follows for those that do not fit in their nibble. */
static void extend(struct writer *w, uint32_t value)
{
    if (value >= 269)
        writer_u16(w, (uint16_t)(value - 269));
    else if (value >= 13)
        writer_u8(w, (uint8_t)(value - 13));
}

void coap_write_head(struct writer *w, enum coap_type type, uint8_t code, uint16_t id,
                     struct slice token)
{
    writer_u8(w, (uint8_t)(1 << 6 | type << 4 | nibble((uint32_t)token.len)));
    writer_u8(w, code);
    writer_u16(w, id);
    extend(w, (uint32_t)token.len); /* RFC 8974 section 2.1 */
    writer_bytes(w, token);
}

void coap_write_option(struct writer *w, uint32_t *last, uint32_t number, struct slice value)
{
    uint32_t delta = number - *last;
    writer_u8(w, (uint8_t)(nibble(delta) << 4 | nibble((uint32_t)value.len)));
    extend(w, delta);
    extend(w, (uint32_t)value.len);
    writer_bytes(w, value);
    *last = number;
}

void coap_write_uint(struct writer *w, uint32_t *last, uint32_t number, uint32_t value)
{
    uint8_t bytes[4] = {(uint8_t)(value >> 24), (uint8_t)(value >> 16), (uint8_t)(value >> 8),
                        (uint8_t)value};
    size_t skip = 0;
    while (skip < sizeof bytes && bytes[skip] == 0)
        skip++;
    coap_write_option(w, last, number, slice_of(bytes + skip, sizeof bytes - skip));
}

void coap_write_block(struct writer *w, uint32_t *last, uint32_t number, struct coap_block block)
{
    coap_write_uint(w, last, number, block.number << 4 | (uint32_t)block.more << 3 | block.szx);
}

void coap_write_payload(struct writer *w, struct slice payload)
{
    if (payload.len == 0)
        return;
    writer_u8(w, MARKER);
    writer_bytes(w, payload);
}
