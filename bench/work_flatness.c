/* flatness: the cost of pairs while there are ever more connections and subscriptions that have
 * nothing to do with them. It is to stay what it was. */
#include "bench/topics.h"
#include "bench/work.h"

enum { DRAIN_S = 10 };

static int step(struct crowd *crowd, struct report *report, const char *what, uint32_t count)
{
    struct measure measure;

    crowd->pause_us = crowd->options->pause_us;
    crowd_resume(crowd);
    if (measure_traffic(crowd, &measure) < 0 || crowd_drain(crowd, DRAIN_S) < 0)
        return -1;
    crowd->pause_us = 0; /* what is added next is not timed */
    report_section(report, "%u %s", count, what);
    report_add(report, what, count, "");
    measure_report(crowd, &measure, report);
    return 0;
}

static int grow_idle(struct crowd *crowd, struct report *report)
{
    uint32_t most = work_room(crowd, crowd->options->idle, report), have = 0;

    /* Room is kept for those that will hold the subscriptions. */
    most = most > crowd->options->connections ? most - crowd->options->connections : 0;
    for (uint32_t next = 100; have < most; next *= 10) {
        uint32_t to = next < most ? next : most;
        if (work_add(crowd, to - have) < 0 || step(crowd, report, "idle_connections", to) < 0)
            return -1;
        have = to;
    }
    return 0;
}

static int grow_subscriptions(struct crowd *crowd, struct report *report)
{
    uint32_t most = options_count(crowd->options, 1000000), have = 0, first = crowd->count;
    uint32_t holders = crowd->options->connections;

    if (work_add(crowd, holders) < 0)
        return -1;
    for (uint32_t next = 1000; have < most; next *= 10) {
        uint32_t to = next < most ? next : most;
        if (crowd_subscribe(crowd, first, holders, have, to, topics_filter) < 0 ||
            step(crowd, report, "unrelated_subscriptions", to) < 0)
            return -1;
        have = to;
    }
    return 0;
}

int work_flatness(struct crowd *crowd, struct report *report)
{
    uint32_t pairs = options_clients(crowd->options, 100);

    if (work_make_pairs(crowd, pairs, crowd->options->window) < 0 ||
        step(crowd, report, "idle_connections", 0) < 0 || grow_idle(crowd, report) < 0 ||
        grow_subscriptions(crowd, report) < 0)
        return -1;
    report_section(report, "whole run");
    measure_report_faults(crowd, report);
    return 0;
}
