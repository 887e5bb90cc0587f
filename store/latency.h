/* latency: how long something took, as a distribution that costs two kilobytes.
 *
 * Counts in buckets whose width is an eighth of the power of two they stand in, so that a
 * percentile read from them is at most an eighth too high. */
#ifndef SIOTD_STORE_LATENCY_H
#define SIOTD_STORE_LATENCY_H

#include <stdint.h>

enum { LATENCY_BUCKETS = 320 };

struct latency {
    uint64_t total;
    uint32_t buckets[LATENCY_BUCKETS];
};

/* Counts one duration in microseconds. */
void latency_add(struct latency *latency, uint64_t us);

/* What `per_mille` of all durations did not exceed, in microseconds; 0 when there is none. */
uint64_t latency_percentile(const struct latency *latency, unsigned per_mille);

#endif
