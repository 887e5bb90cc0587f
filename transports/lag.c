/* lag: see lag.h. Beside the way of a message: loop.c adds one number per turn. */
#include "transports/lag.h"

/* 0..7 have a bucket each; from 8 on, each doubling has LAG_STEPS. */
static size_t bucket_of(uint64_t us)
{
    if (us < LAG_STEPS)
        return (size_t)us;
    unsigned top = 63 - (unsigned)__builtin_clzll(us); /* >= 3 */
    size_t bucket = (size_t)(top - 2) * LAG_STEPS + ((us >> (top - 3)) & (LAG_STEPS - 1));
    return bucket < LAG_BUCKETS ? bucket : LAG_BUCKETS - 1;
}

/* The largest time that falls into a bucket. */
static uint64_t bucket_end(size_t bucket)
{
    if (bucket < LAG_STEPS)
        return bucket;
    unsigned shift = (unsigned)(bucket / LAG_STEPS) - 1;
    return ((uint64_t)(LAG_STEPS + bucket % LAG_STEPS + 1) << shift) - 1;
}

void lag_add(struct lag *lag, uint64_t us)
{
    lag->turns++;
    if (us > lag->max_us)
        lag->max_us = us;
    lag->buckets[bucket_of(us)]++;
}

uint64_t lag_quantile(const struct lag *lag, unsigned per_mille)
{
    uint64_t wanted = (lag->turns * per_mille + 999) / 1000;
    uint64_t seen = 0;
    for (size_t bucket = 0; bucket < LAG_BUCKETS && wanted > 0; bucket++) {
        seen += lag->buckets[bucket];
        if (seen >= wanted) {
            uint64_t end = bucket_end(bucket);
            return end < lag->max_us && bucket + 1 < LAG_BUCKETS ? end : lag->max_us;
        }
    }
    return 0;
}
