/* watch: one more connection that hears what the broker says of its own loop.
 *
 * siotd publishes how long the turns of its loop took below $SYS/broker/loop/lag, once in each
 * sys_interval. With --watch the worst of these intervals is reported. */
#ifndef SIOTD_BENCH_WATCH_H
#define SIOTD_BENCH_WATCH_H

#include "bench/crowd.h"
#include "bench/report.h"

/* Adds the connection, when the options ask for it. After all that the work adds itself. Returns
 * 0, or -1 with a failure. */
int watch_start(struct crowd *crowd);

/* What was heard before no longer counts: measuring begins. */
void watch_reset(struct crowd *crowd);

/* Waits until the broker has spoken once more. Returns 0, or -1 with a failure. */
int watch_end(struct crowd *crowd);

/* Takes a PUBLISH that is such a figure. False: it is another. */
bool watch_take(struct crowd *crowd, const struct packet_publish *publish);

/* Rows for what was heard; none when nobody listened. */
void watch_report(const struct crowd *crowd, struct report *report);

#endif
