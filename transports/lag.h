/* lag: how long turns of the loop take, as a small histogram. Pure. */
#ifndef SIOTD_TRANSPORTS_LAG_H
#define SIOTD_TRANSPORTS_LAG_H

#include <stddef.h>
#include <stdint.h>

/* Eight steps to each doubling, from 0 to 2^26 us (67 s); longer ones count as that. */
enum { LAG_STEPS = 8, LAG_BUCKETS = 24 * LAG_STEPS };

struct lag {
    uint64_t turns, max_us;
    uint32_t buckets[LAG_BUCKETS];
};

/* Counts one turn of so many microseconds. */
void lag_add(struct lag *lag, uint64_t us);

/* The time that `per_mille` of 1000 turns did not exceed, rounded up to the end of its bucket but
 * never above max_us; 0 without turns. */
uint64_t lag_quantile(const struct lag *lag, unsigned per_mille);

#endif
