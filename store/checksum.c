/* checksum: see checksum.h. The fixed part of a row is hashed first, the lengths of its other parts
 * among it, and each of those with the sum so far as its seed. */
#include "store/checksum.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

enum { WORDS = 7 };

static uint8_t *put(uint8_t *at, uint64_t number)
{
    for (int i = 0; i < 8; i++)
        *at++ = (uint8_t)(number >> 8 * i);
    return at;
}

static uint64_t add(uint64_t sum, struct slice part)
{
    return part.len > 0 ? XXH3_64bits_withSeed(part.at, part.len, sum) : sum;
}

uint64_t checksum_row(const struct kept *row)
{
    const uint64_t words[WORDS] = {row->kind,    row->session,  row->number,     row->message,
                                   row->key.len, row->body.len, row->payload.len};
    uint8_t head[WORDS * 8], *at = head;
    for (int i = 0; i < WORDS; i++)
        at = put(at, words[i]);
    uint64_t sum = XXH3_64bits(head, sizeof(head));
    return add(add(add(sum, row->key), row->body), row->payload);
}
