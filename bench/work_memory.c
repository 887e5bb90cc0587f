/* subscriptions and idle: what a thing costs that only stands there. */
#include "bench/topics.h"
#include "bench/work.h"

static void report_growth(struct crowd *crowd, struct report *report, const char *what,
                          uint32_t count, const struct measure *making,
                          const struct gauge_memory *before, const struct gauge_memory *after)
{
    report_section(report, "%s", crowd->options->work);
    report_add(report, what, count, "");
    report_add(report, "made_per_s", count / ((double)making->wall_ns / 1e9), "1/s");
    if (!crowd->options->broker)
        return;
    report_add(report, "made_cpu_us", (double)making->broker_ns / count / 1e3,
               "us of the broker each");
    measure_report_memory(before, after, count, report);
}

int work_subscriptions(struct crowd *crowd, struct report *report)
{
    uint32_t holders = crowd->options->connections;
    uint32_t count = options_count(crowd->options, 200000);
    struct gauge_memory before, after;
    struct measure start, making;

    if (work_add(crowd, holders) < 0 || measure_memory(crowd, &before) < 0)
        return -1;
    measure_now(crowd, &start);
    if (crowd_subscribe(crowd, 0, holders, 0, count, topics_filter) < 0)
        return -1;
    making = measure_since(crowd, &start);
    if (measure_memory(crowd, &after) < 0)
        return -1;
    report_growth(crowd, report, "subscriptions", count, &making, &before, &after);
    return 0;
}

int work_idle(struct crowd *crowd, struct report *report)
{
    uint32_t count = work_room(crowd, options_clients(crowd->options, 10000), report);
    struct gauge_memory before, after;
    struct measure start, making;

    /* One connection more, so that what the first one makes the broker allocate is not counted. */
    if (count < 2) {
        crowd_fail(crowd, "there is no room for connections");
        return -1;
    }
    if (work_add(crowd, 1) < 0 || measure_memory(crowd, &before) < 0)
        return -1;
    measure_now(crowd, &start);
    if (work_add(crowd, count - 1) < 0)
        return -1;
    making = measure_since(crowd, &start);
    if (measure_memory(crowd, &after) < 0)
        return -1;
    report_growth(crowd, report, "connections", count - 1, &making, &before, &after);
    return 0;
}
