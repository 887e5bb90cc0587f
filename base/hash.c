/* hash: keyed hashing for tables whose keys strangers choose.
 *
 * Stands under map.c. XXH3 takes a secret of at least 136 bytes; here it is 192 bytes stretched
 * from the 64-bit seed with SplitMix64. Who does not know the seed cannot compute which client
 * identifiers or topics share a slot. */
#include "base/hash.h"

#include <assert.h>
/* Compiled into this file: the keys are topic levels of a few bytes, shorter than a call is long.
 */
#define XXH_INLINE_ALL
#include <xxhash.h>

enum { SECRET_WORDS = 24 };
_Static_assert(SECRET_WORDS * 8 >= XXH3_SECRET_SIZE_MIN, "XXH3 refuses a shorter secret");

static uint64_t secret[SECRET_WORDS];
static bool started;

/* SplitMix64: a counter whose every state is mixed until each input bit moves every output bit. */
static uint64_t stretch(uint64_t *counter)
{
    uint64_t v = *counter += 0x9e3779b97f4a7c15;
    v = (v ^ v >> 30) * 0xbf58476d1ce4e5b9;
    v = (v ^ v >> 27) * 0x94d049bb133111eb;
    return v ^ v >> 31;
}

void hash_start(uint64_t seed)
{
    for (size_t i = 0; i < SECRET_WORDS; i++)
        secret[i] = stretch(&seed);
    started = true;
}

uint64_t hash_slice(struct slice s)
{
    assert(started && "hash_start comes before the first table");
    return XXH3_64bits_withSecret(s.at, s.len, secret, sizeof(secret));
}
