/* filters: publishing while very many filters stand, few of which match. Each message is for
 * another device, and two filters match a device: one exact, one with a wildcard. */
#include "bench/topics.h"
#include "bench/work.h"

enum { DRAIN_S = 10, MATCHES = 2 };

static uint32_t devices; /* of this run; labels are made without a pointer to it */

/* Spreads messages over all devices, so that no broker can live off its cache. */
static void label(const struct flow *flow, uint32_t seq, uint8_t *topic)
{
    uint32_t mixed = (seq * 2654435761u) ^ (flow->index * 2246822519u);

    mixed = (mixed ^ mixed >> 15) * 3266489917u;
    topics_set_device(topic, (uint32_t)((uint64_t)(mixed ^ mixed >> 16) * devices >> 32));
}

static int make_flows(struct crowd *crowd, uint32_t publishers)
{
    char text[TOPICS_MAX];
    struct flow_shape shape = {.version = crowd->options->version,
                               .qos = crowd->options->qos,
                               .topic = slice_of(text, topics_device(0, text)),
                               .payload_len = crowd->options->payload_len,
                               .window = crowd->options->window,
                               .receivers = MATCHES};

    if (crowd_make_flows(crowd, publishers) < 0)
        return -1;
    for (uint32_t i = 0; i < publishers; i++) {
        if (flow_init(&crowd->flows[i], i, crowd->members[i], &shape) < 0) {
            crowd_fail(crowd, "out of memory");
            return -1;
        }
        crowd->flows[i].label = label;
    }
    return 0;
}

int work_filters(struct crowd *crowd, struct report *report)
{
    uint32_t publishers = options_clients(crowd->options, 100);
    uint32_t holders = crowd->options->connections;
    uint32_t filters = options_count(crowd->options, 200000) & ~1u;
    struct gauge_memory before, after;
    struct measure subscribing, traffic, start;

    devices = filters / MATCHES;
    if (work_add(crowd, publishers + holders) < 0 || measure_memory(crowd, &before) < 0)
        return -1;
    measure_now(crowd, &start);
    if (crowd_subscribe(crowd, publishers, holders, 0, filters, topics_filter) < 0)
        return -1;
    subscribing = measure_since(crowd, &start);
    if (measure_memory(crowd, &after) < 0 || make_flows(crowd, publishers) < 0)
        return -1;
    crowd->pause_us = crowd->options->pause_us;
    crowd_resume(crowd);
    if (measure_traffic(crowd, &traffic) < 0 || crowd_drain(crowd, DRAIN_S) < 0)
        return -1;
    report_section(report, "%s", crowd->options->work);
    report_add(report, "filters", filters, "");
    measure_report(crowd, &traffic, report);
    if (crowd->options->broker) {
        report_add(report, "subscribe_cpu_us", (double)subscribing.broker_ns / filters / 1e3,
                   "us of the broker per filter");
        measure_report_memory(&before, &after, filters, report);
    }
    measure_report_faults(crowd, report);
    return 0;
}
