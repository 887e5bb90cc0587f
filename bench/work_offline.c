/* offline and fetch: what happens to messages for sessions whose clients are away, and when they
 * come back. Two works, so that the broker may be stopped, or killed, in between.
 *
 * Session i is of client "offline-i", subscribed to the topic of pair i; publisher i publishes
 * `limit_of` messages there, numbered from 0. */
#include "bench/topics.h"
#include "bench/watch.h"
#include "bench/work.h"

#include <stdlib.h>
#include <string.h>

enum { USUAL_SESSIONS = 100, USUAL_COUNT = 1000000, FILL_S = 300, FETCH_S = 300 };
#define PROGRESS_NS 5000000000ull /* without any for so long, the rest is lost */

static const char client_name[] = "offline";

static uint32_t limit_of(uint32_t session, uint32_t sessions, uint32_t count)
{
    return (count - session + sessions - 1) / sessions;
}

static int add_sessions(struct crowd *crowd, uint32_t sessions)
{
    for (uint32_t i = 0; i < sessions; i++) {
        struct client *client = crowd_add(crowd);
        if (!client)
            return -1;
        client->name = client_name;
        client->kept = true;
    }
    return crowd_connect(crowd);
}

/* ---- offline ---- */

static int make_absent(struct crowd *crowd, uint32_t sessions)
{
    if (add_sessions(crowd, sessions) < 0 ||
        crowd_subscribe(crowd, 0, sessions, 0, sessions, topics_pair) < 0)
        return -1;
    for (uint32_t i = 0; i < sessions; i++)
        client_close(crowd->members[i]);
    return work_add(crowd, sessions);
}

static int make_flows(struct crowd *crowd, uint32_t sessions, uint32_t count)
{
    char text[TOPICS_MAX];

    if (crowd_make_flows(crowd, sessions) < 0)
        return -1;
    for (uint32_t i = 0; i < sessions; i++) {
        struct flow_shape shape = {.version = crowd->options->version,
                                   .qos = crowd->options->qos,
                                   .topic = slice_of(text, topics_pair(i, text)),
                                   .payload_len = crowd->options->payload_len,
                                   .window = crowd->options->window};
        if (flow_init(&crowd->flows[i], i, crowd->members[sessions + i], &shape) < 0) {
            crowd_fail(crowd, "out of memory");
            return -1;
        }
        crowd->flows[i].limit = limit_of(i, sessions, count);
    }
    return 0;
}

static bool all_acked(const struct crowd *crowd)
{
    for (uint32_t i = 0; i < crowd->flow_count; i++) {
        if (crowd->flows[i].acked != crowd->flows[i].limit)
            return false;
    }
    return true;
}

static int publish_all(struct crowd *crowd, struct measure *storing)
{
    struct measure start;

    crowd->pause_us = crowd->options->pause_us;
    measure_now(crowd, &start);
    crowd_resume(crowd);
    if (!crowd_run(crowd, crowd_clock_ns() + FILL_S * 1000000000ull, all_acked))
        crowd_fail(crowd, "not all messages were acknowledged within %d s", FILL_S);
    *storing = measure_since(crowd, &start);
    return crowd->failure[0] ? -1 : 0;
}

int work_offline(struct crowd *crowd, struct report *report)
{
    uint32_t sessions = options_clients(crowd->options, USUAL_SESSIONS);
    uint32_t count = options_count(crowd->options, USUAL_COUNT);
    struct gauge_memory before, after;
    struct measure storing;

    if (crowd->options->qos == 0) {
        crowd_fail(crowd, "messages of QoS 0 do not wait for anybody: --qos 1 or 2");
        return -1;
    }
    if (make_absent(crowd, sessions) < 0 || make_flows(crowd, sessions, count) < 0 ||
        measure_memory(crowd, &before) < 0 || watch_start(crowd) < 0 ||
        publish_all(crowd, &storing) < 0 || watch_end(crowd) < 0 ||
        measure_memory(crowd, &after) < 0)
        return -1;
    double wall_s = (double)storing.wall_ns / 1e9;
    report_section(report, "%s", crowd->options->work);
    report_add(report, "queued", count, "messages, all acknowledged");
    report_add(report, "sessions", sessions, "that are away");
    report_add(report, "queued_per_s", count / wall_s, "1/s");
    if (crowd->options->broker) {
        report_add(report, "queued_cpu_us", (double)storing.broker_ns / count / 1e3,
                   "us of the broker each");
        measure_report_memory(&before, &after, count, report);
        report_add(report, "memory_grown_mib", ((double)after.pss - (double)before.pss) / 1048576,
                   "MiB of PSS");
    }
    watch_report(crowd, report);
    report_add(report, "refused", (double)crowd->refused, "messages, by reason code");
    return 0;
}

/* ---- fetch ---- */

struct fetch {
    uint32_t *next; /* owned: of each session, the message that must come now */
    uint32_t sessions, present;
    uint64_t count, came, last_ns, first_ns;
};

static void note(struct crowd *crowd, struct client *client, const struct packet_publish *publish)
{
    struct fetch *fetch = crowd->work;
    struct flow_stamp stamp;

    if (publish->payload.len < sizeof stamp) {
        crowd->foreign++;
        return;
    }
    memcpy(&stamp, publish->payload.at, sizeof stamp);
    if (stamp.flow != client->number || client->number >= fetch->sessions) {
        crowd->foreign++;
    } else if (stamp.seq < fetch->next[client->number]) {
        crowd->duplicated++;
    } else {
        fetch->next[client->number] = stamp.seq + 1; /* a gap is found in the count */
        fetch->came++;
        fetch->last_ns = crowd->now_ns;
        if (fetch->came == 1)
            fetch->first_ns = crowd->now_ns;
    }
}

static bool no_more(const struct crowd *crowd)
{
    const struct fetch *fetch = crowd->work;

    return fetch->came >= fetch->count || crowd->now_ns - fetch->last_ns > PROGRESS_NS;
}

static int receive_all(struct crowd *crowd, struct fetch *fetch, struct measure *fetching)
{
    struct measure start;

    crowd->work = fetch;
    crowd->delivered = note;
    crowd->pause_us = crowd->options->pause_us;
    measure_now(crowd, &start);
    fetch->last_ns = start.wall_ns;
    if (add_sessions(crowd, fetch->sessions) < 0)
        return -1;
    for (uint32_t i = 0; i < fetch->sessions; i++)
        fetch->present += crowd->members[i]->present;
    crowd_run(crowd, crowd_clock_ns() + FETCH_S * 1000000000ull, no_more);
    *fetching = measure_since(crowd, &start);
    fetching->wall_ns = fetch->last_ns - start.wall_ns;
    fetch->first_ns -= fetch->came ? start.wall_ns : 0;
    return crowd->failure[0] ? -1 : 0;
}

static int run_fetch(struct crowd *crowd, struct fetch *fetch, struct report *report)
{
    struct measure fetching;

    if (receive_all(crowd, fetch, &fetching) < 0)
        return -1;
    crowd->lost += fetch->count - fetch->came;
    report_section(report, "%s", crowd->options->work);
    report_add(report, "present", fetch->present, "sessions that were still there");
    report_add(report, "fetched", (double)fetch->came, "messages");
    report_add(report, "fetch_first_ms", (double)fetch->first_ns / 1e6,
               "ms from the first connection until the first came");
    report_add(report, "fetched_per_s", (double)fetch->came / ((double)fetching.wall_ns / 1e9),
               "1/s");
    if (crowd->options->broker && fetch->came)
        report_add(report, "fetched_cpu_us", (double)fetching.broker_ns / (double)fetch->came / 1e3,
                   "us of the broker each");
    measure_report_faults(crowd, report);
    return 0;
}

int work_fetch(struct crowd *crowd, struct report *report)
{
    struct fetch fetch = {.sessions = options_clients(crowd->options, USUAL_SESSIONS),
                          .count = options_count(crowd->options, USUAL_COUNT)};
    int result = -1;

    fetch.next = calloc(fetch.sessions, sizeof *fetch.next);
    if (fetch.next)
        result = run_fetch(crowd, &fetch, report);
    else
        crowd_fail(crowd, "out of memory");
    free(fetch.next);
    return result;
}
