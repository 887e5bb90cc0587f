/* pairs, fan-in, fan-out: closed loops in which a message may be published when an earlier one has
 * arrived. They differ in who subscribes to what. */
#include "bench/topics.h"
#include "bench/work.h"

#include <stdio.h>

enum { DRAIN_S = 10 };

int work_add(struct crowd *crowd, uint32_t connections)
{
    for (uint32_t i = 0; i < connections; i++) {
        if (!crowd_add(crowd))
            return -1;
    }
    return crowd_connect(crowd);
}

uint32_t work_room(struct crowd *crowd, uint32_t wanted, struct report *report)
{
    enum { BROKER_SPARE = 64 };
    uint64_t room = crowd_capacity(crowd), broker = UINT64_MAX;

    if (crowd->options->broker)
        broker = gauge_open_files(crowd->options->broker);
    uint64_t taken = crowd->count + BROKER_SPARE;
    if (broker != UINT64_MAX && broker > 0)
        broker = broker > taken ? broker - taken : 0;
    if (broker > 0 && broker < room)
        room = broker;
    if (wanted <= room)
        return wanted;
    snprintf(report->note, sizeof report->note,
             "the limits on open files leave room for %u of %u connections", (uint32_t)room,
             wanted);
    return (uint32_t)room;
}

/* Flow i is published by member i. */
static int make_flows(struct crowd *crowd, uint32_t publishers, uint32_t window, uint32_t receivers,
                      size_t (*topic)(uint32_t n, char *text))
{
    char text[TOPICS_MAX];

    if (crowd_make_flows(crowd, publishers) < 0)
        return -1;
    for (uint32_t i = 0; i < publishers; i++) {
        struct flow_shape shape = {.version = crowd->options->version,
                                   .qos = crowd->options->qos,
                                   .topic = slice_of(text, topic(i, text)),
                                   .payload_len = crowd->options->payload_len,
                                   .window = window,
                                   .receivers = receivers};
        if (flow_init(&crowd->flows[i], i, crowd->members[i], &shape) < 0) {
            crowd_fail(crowd, "out of memory");
            return -1;
        }
    }
    return 0;
}

int work_make_pairs(struct crowd *crowd, uint32_t pairs, uint32_t window)
{
    if (work_add(crowd, 2 * pairs) < 0 ||
        crowd_subscribe(crowd, pairs, pairs, 0, pairs, topics_pair) < 0)
        return -1;
    return make_flows(crowd, pairs, window, 1, topics_pair);
}

static int run_flows(struct crowd *crowd, struct report *report)
{
    struct measure measure;

    crowd->pause_us = crowd->options->pause_us;
    crowd_resume(crowd);
    if (measure_traffic(crowd, &measure) < 0 || crowd_drain(crowd, DRAIN_S) < 0)
        return -1;
    report_section(report, "%s", crowd->options->work);
    measure_report(crowd, &measure, report);
    measure_report_faults(crowd, report);
    return 0;
}

int work_pairs(struct crowd *crowd, struct report *report)
{
    if (work_make_pairs(crowd, options_clients(crowd->options, 100), crowd->options->window) < 0)
        return -1;
    return run_flows(crowd, report);
}

int work_fan_in(struct crowd *crowd, struct report *report)
{
    uint32_t publishers = options_clients(crowd->options, 100);

    if (work_add(crowd, publishers + 1) < 0 ||
        crowd_subscribe(crowd, publishers, 1, 0, 1, topics_fan) < 0 ||
        make_flows(crowd, publishers, crowd->options->window, 1, topics_fan) < 0)
        return -1;
    return run_flows(crowd, report);
}

int work_fan_out(struct crowd *crowd, struct report *report)
{
    uint32_t subscribers = options_clients(crowd->options, 500);

    if (work_add(crowd, 1 + subscribers) < 0 ||
        crowd_subscribe(crowd, 1, subscribers, 0, subscribers, topics_fan) < 0 ||
        make_flows(crowd, 1, crowd->options->window, subscribers, topics_fan) < 0)
        return -1;
    return run_flows(crowd, report);
}
