/* latency: see latency.h. */
#include "store/latency.h"

enum { STEPS = 8, STEP_BITS = 3 };

static unsigned bucket_of(uint64_t us)
{
    if (us < STEPS)
        return (unsigned)us;
    unsigned power = 63 - (unsigned)__builtin_clzll(us);
    unsigned step = (unsigned)(us >> (power - STEP_BITS)) & (STEPS - 1);
    unsigned bucket = (power - STEP_BITS + 1) * STEPS + step;
    return bucket < LATENCY_BUCKETS ? bucket : LATENCY_BUCKETS - 1;
}

/* The largest duration that falls into a bucket. */
static uint64_t top_of(unsigned bucket)
{
    if (bucket < STEPS)
        return bucket;
    unsigned shift = bucket / STEPS - 1;
    return ((uint64_t)(STEPS + bucket % STEPS + 1) << shift) - 1;
}

void latency_add(struct latency *latency, uint64_t us)
{
    latency->total++;
    latency->buckets[bucket_of(us)]++;
}

uint64_t latency_percentile(const struct latency *latency, unsigned per_mille)
{
    uint64_t wanted = (latency->total * per_mille + 999) / 1000, seen = 0;
    for (unsigned i = 0; i < LATENCY_BUCKETS && wanted > 0; i++) {
        seen += latency->buckets[i];
        if (seen >= wanted)
            return top_of(i);
    }
    return 0;
}
