/* What a datagram costs: bursts from many devices, and one answer for each burst or each request.
 * And what a device costs that has said who it is and is silent. */
#include "bench/datagrams.h"
#include "bench/work.h"

#include <string.h>

enum { DEVICES = 50, BURST = 32, IDLE = 10000, IDLE_FIRST = 100 };

static int rounds(struct crowd *crowd, struct datagrams *datagrams, const struct dialect *dialect,
                  double seconds)
{
    const struct options *options = crowd->options;
    uint32_t burst = options->window ? options->window : BURST;
    uint64_t end_ns = crowd_clock_ns() + (uint64_t)(seconds * 1e9);

    burst = burst < BURST_MOST ? burst : BURST_MOST;
    while (crowd_clock_ns() < end_ns) {
        int error = datagrams_round(datagrams, dialect, burst, options->payload_len);
        if (error < 0) {
            crowd_fail(crowd, "%s: %s", dialect->name, strerror(-error));
            return -1;
        }
    }
    return 0;
}

static int run(struct crowd *crowd, struct datagrams *datagrams, const struct dialect *dialect,
               struct report *report)
{
    const struct options *options = crowd->options;
    struct measure start, used;
    int error = datagrams_open(datagrams, &crowd->target, options_clients(options, DEVICES));

    if (error < 0) {
        crowd_fail(crowd, "%s", strerror(-error));
        return -1;
    }
    if (dialect == &dialect_coap_get) /* there has to be something to be had */
        datagrams_greet(datagrams, &dialect_coap_put, 0, datagrams->count);
    if (datagrams_greet(datagrams, dialect, 0, datagrams->count) < datagrams->count) {
        crowd_fail(crowd, "%s: not every device was answered", dialect->name);
        return -1;
    }
    if (rounds(crowd, datagrams, dialect, options->warmup_s) < 0)
        return -1;
    datagrams->sent = datagrams->answered = datagrams->bad = datagrams->lost = 0;
    measure_now(crowd, &start);
    if (rounds(crowd, datagrams, dialect, options->seconds) < 0)
        return -1;
    used = measure_since(crowd, &start);
    report_section(report, "%s", options->work);
    report_add(report, "rate", (double)datagrams->sent * 1e9 / (double)used.wall_ns, "1/s");
    report_add(report, "cpu_us_per_message",
               (double)used.broker_ns / 1000 / (double)datagrams->sent, "µs of the broker");
    report_add(report, "own_us_per_message", (double)used.own_ns / 1000 / (double)datagrams->sent,
               "µs of the generator");
    report_add(report, "lost", (double)datagrams->lost, "answers");
    report_add(report, "refused", (double)datagrams->bad, "answers that say no");
    return 0;
}

static int work(struct crowd *crowd, const struct dialect *dialect, struct report *report)
{
    struct datagrams datagrams = {0};
    int result = run(crowd, &datagrams, dialect, report);
    datagrams_close(&datagrams);
    return result;
}

int work_raw(struct crowd *crowd, struct report *report)
{
    return work(crowd, &dialect_raw, report);
}

int work_sn(struct crowd *crowd, struct report *report)
{
    return work(crowd, &dialect_sn, report);
}

int work_coap_put(struct crowd *crowd, struct report *report)
{
    return work(crowd, &dialect_coap_put, report);
}

int work_coap_get(struct crowd *crowd, struct report *report)
{
    return work(crowd, &dialect_coap_get, report);
}

static int stay(struct crowd *crowd, struct datagrams *datagrams, const struct dialect *dialect,
                struct report *report)
{
    struct gauge_memory before, after;
    struct measure start, making;
    uint32_t count = work_room(crowd, options_clients(crowd->options, IDLE), report);

    if (count <= IDLE_FIRST || datagrams_open(datagrams, &crowd->target, count) < 0) {
        crowd_fail(crowd, "there is no room for %u sockets", count);
        return -1;
    }
    /* The first ones make the broker allocate what all share. */
    uint32_t came = datagrams_greet(datagrams, dialect, 0, IDLE_FIRST);
    if (measure_memory(crowd, &before) < 0)
        return -1;
    measure_now(crowd, &start);
    came += datagrams_greet(datagrams, dialect, IDLE_FIRST, count);
    making = measure_since(crowd, &start);
    if (measure_memory(crowd, &after) < 0)
        return -1;
    report_section(report, "%s", crowd->options->work);
    report_add(report, "devices", count - IDLE_FIRST, "");
    report_add(report, "lost", count - came, "devices that got no good answer");
    if (crowd->options->broker) {
        report_add(report, "made_cpu_us", (double)making.broker_ns / (count - IDLE_FIRST) / 1e3,
                   "µs of the broker each");
        measure_report_memory(&before, &after, count - IDLE_FIRST, report);
    }
    return 0;
}

static int idle(struct crowd *crowd, const struct dialect *dialect, struct report *report)
{
    struct datagrams datagrams = {0};
    int result = stay(crowd, &datagrams, dialect, report);
    datagrams_close(&datagrams);
    return result;
}

int work_idle_raw(struct crowd *crowd, struct report *report)
{
    return idle(crowd, &dialect_raw, report);
}

int work_idle_sn(struct crowd *crowd, struct report *report)
{
    return idle(crowd, &dialect_sn, report);
}

int work_idle_coap(struct crowd *crowd, struct report *report)
{
    return idle(crowd, &dialect_coap_observe, report);
}
