/* Bucket b below 64 holds the value b; above, the top seven bits of a value choose its bucket. */
#include "bench/histogram.h"

#include <stddef.h>

static size_t bucket_of(uint64_t value)
{
    if (value < 1u << HISTOGRAM_FINE_BITS)
        return (size_t)value;
    unsigned shift = 63u - (unsigned)__builtin_clzll(value) - HISTOGRAM_FINE_BITS;
    return ((size_t)(shift + 1) << HISTOGRAM_FINE_BITS) +
           (size_t)((value >> shift) - (1u << HISTOGRAM_FINE_BITS));
}

/* The largest value that falls into the bucket. */
static uint64_t bucket_end(size_t bucket)
{
    size_t shift = bucket >> HISTOGRAM_FINE_BITS;

    if (shift == 0)
        return bucket;
    uint64_t fine = (bucket & ((1u << HISTOGRAM_FINE_BITS) - 1)) + (1u << HISTOGRAM_FINE_BITS);
    return ((fine + 1) << (shift - 1)) - 1;
}

void histogram_add(struct histogram *histogram, uint64_t value)
{
    histogram->buckets[bucket_of(value)]++;
    histogram->count++;
    if (value > histogram->largest)
        histogram->largest = value;
}

uint64_t histogram_percentile(const struct histogram *histogram, double share)
{
    uint64_t wanted = (uint64_t)(share * (double)histogram->count + 0.999999), seen = 0;

    for (size_t i = 0; i < HISTOGRAM_BUCKETS && histogram->count; i++) {
        seen += histogram->buckets[i];
        if (seen >= wanted && seen > 0)
            return bucket_end(i) < histogram->largest ? bucket_end(i) : histogram->largest;
    }
    return 0;
}
