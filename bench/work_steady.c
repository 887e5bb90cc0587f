/* steady: messages at a fixed rate, whether the broker keeps up or not, and how long each took.
 *
 * A latency counts from when the message was due, not from when it could be sent: a broker that
 * stalls for a second delays all that was due in that second, and all of them are counted. How late
 * the generator itself was is reported beside it. */
#include "bench/histogram.h"
#include "bench/topics.h"
#include "bench/work.h"

#include <stdlib.h>
#include <string.h>

enum { DRAIN_S = 10, WINDOW_S = 2, WINDOW_MIN = 64 };

struct steady {
    uint64_t start_ns, next; /* when message 0 is due, and the number of the next one in all */
    double interval_ns;      /* between two messages of the whole run */
    uint64_t from_ns, to_ns; /* messages due in between are counted */
    struct histogram latency, lateness;
};

static uint64_t due_ns(const struct steady *steady, uint64_t n)
{
    return steady->start_ns + (uint64_t)((double)n * steady->interval_ns);
}

/* Message n of the run belongs to flow n % flows: wakes those whose turn it is. */
static void publish_due(struct crowd *crowd)
{
    struct steady *steady = crowd->work;

    for (; due_ns(steady, steady->next) <= crowd->now_ns; steady->next++)
        crowd_mark(crowd, crowd->flows[steady->next % crowd->flow_count].publisher);
    crowd->wake_ns = due_ns(steady, steady->next);
}

static void note_latency(struct crowd *crowd, struct client *client,
                         const struct packet_publish *publish)
{
    struct steady *steady = crowd->work;
    struct flow_stamp stamp;

    flow_delivered(crowd, client, publish);
    if (publish->payload.len < sizeof stamp)
        return;
    memcpy(&stamp, publish->payload.at, sizeof stamp);
    if (stamp.due_ns >= steady->from_ns && stamp.due_ns < steady->to_ns)
        histogram_add(&steady->latency, crowd_clock_ns() - stamp.due_ns);
}

static void note_lateness(const struct flow *flow, uint64_t by_ns)
{
    struct steady *steady = flow->publisher->crowd->work;

    histogram_add(&steady->lateness, by_ns);
}

static void schedule(struct crowd *crowd, struct steady *steady)
{
    steady->start_ns = crowd_clock_ns() + 10000000;
    steady->interval_ns = 1e9 / crowd->options->rate;
    for (uint32_t i = 0; i < crowd->flow_count; i++) {
        struct flow *flow = &crowd->flows[i];
        flow->first_due_ns = due_ns(steady, i);
        flow->interval_ns = steady->interval_ns * crowd->flow_count;
        flow->late = note_lateness;
    }
    steady->from_ns = steady->start_ns + (uint64_t)(crowd->options->warmup_s * 1e9);
    steady->to_ns = UINT64_MAX;
    crowd->work = steady;
    crowd->delivered = note_latency;
    crowd->woken = publish_due;
    crowd->wake_ns = steady->start_ns;
}

static void report_times(struct report *report, const struct steady *steady)
{
    static const struct {
        const char *name;
        double share;
    } rows[] = {{"latency_p50_ms", 0.5},
                {"latency_p90_ms", 0.9},
                {"latency_p99_ms", 0.99},
                {"latency_p999_ms", 0.999}};

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        report_add(report, rows[i].name,
                   (double)histogram_percentile(&steady->latency, rows[i].share) / 1e6,
                   "ms after due");
    report_add(report, "latency_max_ms", (double)steady->latency.largest / 1e6, "ms after due");
    report_add(report, "lateness_p99_ms",
               (double)histogram_percentile(&steady->lateness, 0.99) / 1e6,
               "ms, of which by the generator");
    report_add(report, "measured", (double)steady->latency.count, "deliveries");
}

static int run(struct crowd *crowd, struct steady *steady, struct report *report)
{
    const struct options *options = crowd->options;
    uint32_t pairs = options_clients(options, 100);
    uint32_t window = options->rate / pairs * WINDOW_S;
    struct measure measure;

    window = window < WINDOW_MIN ? WINDOW_MIN : window;
    if (work_make_pairs(crowd, pairs, window < OPTIONS_WINDOW_MAX ? window : OPTIONS_WINDOW_MAX) <
        0)
        return -1;
    schedule(crowd, steady);
    if (measure_traffic(crowd, &measure) < 0)
        return -1;
    steady->to_ns = crowd_clock_ns();
    crowd->wake_ns = 0;
    if (crowd_drain(crowd, DRAIN_S) < 0)
        return -1;
    report_section(report, "%s", options->work);
    report_add(report, "rate", options->rate, "1/s asked for");
    report_times(report, steady);
    measure_report(crowd, &measure, report);
    measure_report_faults(crowd, report);
    return 0;
}

int work_steady(struct crowd *crowd, struct report *report)
{
    struct steady *steady = calloc(1, sizeof *steady); /* too large for the stack */
    int result = -1;

    if (steady)
        result = run(crowd, steady, report);
    else
        crowd_fail(crowd, "out of memory");
    free(steady);
    return result;
}
