/* measure: one stretch of traffic, or one growth of memory, in numbers. */
#ifndef SIOTD_BENCH_MEASURE_H
#define SIOTD_BENCH_MEASURE_H

#include "bench/crowd.h"
#include "bench/gauge.h"
#include "bench/report.h"

struct measure {
    uint64_t wall_ns, broker_ns, own_ns, deliveries, published;
    uint64_t user_ticks, system_ticks;
    uint64_t wire_bytes; /* received by all that publish or subscribe */
};

/* The counters as they stand. */
void measure_now(struct crowd *crowd, struct measure *measure);

/* What has been added since `start`. */
struct measure measure_since(struct crowd *crowd, const struct measure *start);

/* Lets the flows run: first the warm-up, then as long (or as many deliveries) as the options say;
 * *measure is what the second part cost. Returns 0, or -1 with a failure. */
int measure_traffic(struct crowd *crowd, struct measure *measure);

/* Rows for a stretch of traffic. */
void measure_report(struct crowd *crowd, const struct measure *measure, struct report *report);

/* Rows for what must be zero: lost, duplicated, refused, foreign. */
void measure_report_faults(const struct crowd *crowd, struct report *report);

/* The broker's memory once it no longer changes. Zeros without a --pid. Returns 0, or -1 with a
 * failure. */
int measure_memory(struct crowd *crowd, struct gauge_memory *memory);

/* Rows for memory that grew by `count` things, each row named for what it is per thing. */
void measure_report_memory(const struct gauge_memory *before, const struct gauge_memory *after,
                           uint32_t count, struct report *report);

#endif
