/* histogram: times counted in buckets whose width grows with the value, so that a percentile is
 * right to 1.6 % from nanoseconds to minutes in a fixed 20 KiB. */
#ifndef SIOTD_BENCH_HISTOGRAM_H
#define SIOTD_BENCH_HISTOGRAM_H

#include <stdint.h>

enum {
    HISTOGRAM_FINE_BITS = 6, /* 64 buckets per doubling */
    HISTOGRAM_BUCKETS = (64 - HISTOGRAM_FINE_BITS + 1) << HISTOGRAM_FINE_BITS,
};

struct histogram {
    uint64_t buckets[HISTOGRAM_BUCKETS];
    uint64_t count, largest;
};

void histogram_add(struct histogram *histogram, uint64_t value);

/* The value that `share` (0 to 1) of all values do not exceed, rounded up to its bucket's end; 0
 * when there are none. */
uint64_t histogram_percentile(const struct histogram *histogram, double share);

#endif
