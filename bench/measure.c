/* Differences of counters that run all the time; nothing is sampled inside a stretch. */
#include "bench/measure.h"
#include "bench/watch.h"

#include <string.h>

enum { SETTLE_MS = 250, SETTLE_TRIES = 20 };

void measure_now(struct crowd *crowd, struct measure *measure)
{
    pid_t broker = crowd->options->broker;

    *measure = (struct measure){
        .wall_ns = crowd_clock_ns(), .own_ns = gauge_own_cpu_ns(), .deliveries = crowd->deliveries};
    for (uint32_t i = 0; i < crowd->flow_count; i++)
        measure->published += crowd->flows[i].sent;
    /* Of flows only: to ask each of 100,000 idle connections would be a load of its own. */
    for (uint32_t i = 0; crowd->flow_count && i < crowd->count; i++)
        measure->wire_bytes += transport_received(&crowd->members[i]->wire);
    if (!broker)
        return;
    int result = gauge_cpu(broker, &measure->broker_ns);
    if (result == 0)
        result = gauge_ticks(broker, &measure->user_ticks, &measure->system_ticks);
    if (result < 0)
        crowd_fail(crowd, "process %d: %s", (int)broker, strerror(-result));
}

struct measure measure_since(struct crowd *crowd, const struct measure *start)
{
    struct measure end;

    measure_now(crowd, &end);
    return (struct measure){.wall_ns = end.wall_ns - start->wall_ns,
                            .broker_ns = end.broker_ns - start->broker_ns,
                            .own_ns = end.own_ns - start->own_ns,
                            .deliveries = end.deliveries - start->deliveries,
                            .published = end.published - start->published,
                            .user_ticks = end.user_ticks - start->user_ticks,
                            .system_ticks = end.system_ticks - start->system_ticks,
                            .wire_bytes = end.wire_bytes - start->wire_bytes};
}

static uint64_t deliveries_wanted;

static bool delivered_enough(const struct crowd *crowd)
{
    return crowd->deliveries >= deliveries_wanted;
}

int measure_traffic(struct crowd *crowd, struct measure *measure)
{
    const struct options *options = crowd->options;
    struct measure start;

    if (watch_start(crowd) < 0 || crowd_run_for(crowd, options->warmup_s) < 0)
        return -1;
    watch_reset(crowd);
    measure_now(crowd, &start);
    if (options->messages) {
        deliveries_wanted = crowd->deliveries + options->messages;
        crowd_run(crowd, crowd_clock_ns() + OPTIONS_SECONDS_MAX * 1000000000ull, delivered_enough);
    } else {
        crowd_run_for(crowd, options->seconds);
    }
    *measure = measure_since(crowd, &start);
    if (!measure->deliveries)
        crowd_fail(crowd, "nothing was delivered");
    else if (watch_end(crowd) < 0)
        return -1;
    return crowd->failure[0] ? -1 : 0;
}

void measure_report(struct crowd *crowd, const struct measure *measure, struct report *report)
{
    double messages = (double)measure->deliveries, wall_s = (double)measure->wall_ns / 1e9;
    uint64_t ticks = measure->user_ticks + measure->system_ticks;

    report_add(report, "delivered_per_s", messages / wall_s, "1/s");
    report_add(report, "published_per_s", (double)measure->published / wall_s, "1/s");
    if (crowd->options->broker) {
        report_add(report, "cpu_us_per_message", (double)measure->broker_ns / messages / 1e3,
                   "us of the broker per delivery");
        report_add(report, "cpu_percent",
                   100 * (double)measure->broker_ns / (double)measure->wall_ns, "% of one core");
        report_add(report, "cpu_system_percent",
                   ticks ? 100 * (double)measure->system_ticks / (double)ticks : 0,
                   "% of that in the kernel");
    }
    report_add(report, "wire_bytes_per_message", (double)measure->wire_bytes / messages,
               "bytes of TCP received per delivery");
    report_add(report, "generator_cpu_us_per_message", (double)measure->own_ns / messages / 1e3,
               "us of this program per delivery");
    watch_report(crowd, report);
}

void measure_report_faults(const struct crowd *crowd, struct report *report)
{
    report_add(report, "lost", (double)crowd->lost, "deliveries");
    report_add(report, "duplicated", (double)crowd->duplicated, "deliveries");
    report_add(report, "refused", (double)crowd->refused, "messages, by reason code");
    report_add(report, "foreign", (double)crowd->foreign, "messages that nobody sent");
}

static bool same(const struct gauge_memory *a, const struct gauge_memory *b)
{
    uint64_t difference = a->pss > b->pss ? a->pss - b->pss : b->pss - a->pss;

    return difference <= a->pss / 2000;
}

int measure_memory(struct crowd *crowd, struct gauge_memory *memory)
{
    struct gauge_memory before;
    pid_t broker = crowd->options->broker;

    *memory = (struct gauge_memory){0};
    for (int i = 0; broker && i < SETTLE_TRIES; i++) {
        before = *memory;
        int result = gauge_memory(broker, memory);
        if (result < 0)
            crowd_fail(crowd, "memory of process %d: %s", (int)broker, strerror(-result));
        if (i > 0 && same(&before, memory))
            break;
        if (crowd_run_for(crowd, SETTLE_MS / 1e3) < 0)
            return -1;
    }
    return crowd->failure[0] ? -1 : 0;
}

static double growth(uint64_t before, uint64_t after, uint32_t count)
{
    return ((double)after - (double)before) / count;
}

void measure_report_memory(const struct gauge_memory *before, const struct gauge_memory *after,
                           uint32_t count, struct report *report)
{
    report_add(report, "memory_bytes_each", growth(before->pss, after->pss, count),
               "bytes of PSS each");
    report_add(report, "memory_rss_bytes_each", growth(before->rss, after->rss, count),
               "bytes of RSS each");
    report_add(report, "memory_before_mib", (double)before->pss / 1048576, "MiB of PSS");
    report_add(report, "memory_after_mib", (double)after->pss / 1048576, "MiB of PSS");
}
