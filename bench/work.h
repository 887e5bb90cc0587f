/* work: what the generator can do. Each work fills a report, or fails through crowd_fail. */
#ifndef SIOTD_BENCH_WORK_H
#define SIOTD_BENCH_WORK_H

#include "bench/measure.h"

struct work {
    const char *name;
    /* Returns 0, or -1 with a failure. */
    int (*run)(struct crowd *crowd, struct report *report);
};

int work_pairs(struct crowd *crowd, struct report *report);
int work_fan_in(struct crowd *crowd, struct report *report);
int work_fan_out(struct crowd *crowd, struct report *report);
int work_filters(struct crowd *crowd, struct report *report);
int work_subscriptions(struct crowd *crowd, struct report *report);
int work_retained(struct crowd *crowd, struct report *report);
int work_idle(struct crowd *crowd, struct report *report);
int work_steady(struct crowd *crowd, struct report *report);
int work_offline(struct crowd *crowd, struct report *report);
int work_fetch(struct crowd *crowd, struct report *report);
int work_flatness(struct crowd *crowd, struct report *report);
int work_raw(struct crowd *crowd, struct report *report);
int work_sn(struct crowd *crowd, struct report *report);
int work_coap_put(struct crowd *crowd, struct report *report);
int work_coap_get(struct crowd *crowd, struct report *report);
int work_idle_raw(struct crowd *crowd, struct report *report);
int work_idle_sn(struct crowd *crowd, struct report *report);
int work_idle_coap(struct crowd *crowd, struct report *report);
int work_dtls(struct crowd *crowd, struct report *report);
int work_flood(struct crowd *crowd, struct report *report);

/* Adds that many connections and opens them. Returns 0, or -1 with a failure. */
int work_add(struct crowd *crowd, uint32_t connections);

/* How many more connections both this process and the broker can hold, at most `wanted`; a smaller
 * number is explained in the report's note. */
uint32_t work_room(struct crowd *crowd, uint32_t wanted, struct report *report);

/* In an empty crowd: `pairs` publishers and as many subscribers behind them, subscribed and ready
 * to run with the window. Returns 0, or -1 with a failure. */
int work_make_pairs(struct crowd *crowd, uint32_t pairs, uint32_t window);

#endif
