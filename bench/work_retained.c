/* retained: what a stored message costs, and how long it takes to be sent all of them. */
#include "bench/topics.h"
#include "bench/work.h"

enum { STORERS = 4, STORE_WINDOW = 200, STORE_S = 300, REPLAY_S = 120 };

struct store {
    uint32_t count, replayed;
};

/* Storer i writes the retained messages i, i + STORERS, ... */
static void label(const struct flow *flow, uint32_t seq, uint8_t *topic)
{
    topics_set_retained(topic, seq * STORERS + flow->index);
}

static bool all_acked(const struct crowd *crowd)
{
    for (uint32_t i = 0; i < crowd->flow_count; i++) {
        if (crowd->flows[i].acked != crowd->flows[i].limit)
            return false;
    }
    return true;
}

/* Publishes to all topics with RETAIN at QoS 1, so that the last acknowledgement says that all are
 * stored; without payload it removes them [MQTT-3.3.1-6]. */
static int publish_all(struct crowd *crowd, uint32_t count, uint32_t payload_len)
{
    char text[TOPICS_MAX];
    struct flow_shape shape = {.version = crowd->options->version,
                               .qos = 1,
                               .retain = true,
                               .topic = slice_of(text, topics_retained(0, text)),
                               .payload_len = payload_len,
                               .window = STORE_WINDOW};

    for (uint32_t i = 0; i < STORERS; i++) {
        flow_clear(&crowd->flows[i]);
        if (flow_init(&crowd->flows[i], i, crowd->members[i], &shape) < 0) {
            crowd_fail(crowd, "out of memory");
            return -1;
        }
        crowd->flows[i].label = label;
        crowd->flows[i].limit = (count - i + STORERS - 1) / STORERS;
    }
    crowd_resume(crowd);
    if (!crowd_run(crowd, crowd_clock_ns() + STORE_S * 1000000000ull, all_acked))
        crowd_fail(crowd, "not all messages were acknowledged within %d s", STORE_S);
    return crowd->failure[0] ? -1 : 0;
}

static void count_replayed(struct crowd *crowd, struct client *client,
                           const struct packet_publish *publish)
{
    struct store *store = crowd->work;

    (void)client;
    (void)publish;
    store->replayed++;
}

static bool all_replayed(const struct crowd *crowd)
{
    const struct store *store = crowd->work;

    return store->replayed >= store->count;
}

static int replay(struct crowd *crowd, struct measure *replaying)
{
    struct store *store = crowd->work;
    struct measure start;

    crowd->delivered = count_replayed;
    measure_now(crowd, &start);
    if (crowd_subscribe(crowd, STORERS, 1, 0, 1, topics_all_retained) < 0)
        return -1;
    bool all = crowd_run(crowd, crowd_clock_ns() + REPLAY_S * 1000000000ull, all_replayed);
    *replaying = measure_since(crowd, &start);
    if (!all)
        crowd->lost += store->count - store->replayed;
    return crowd->failure[0] ? -1 : 0;
}

int work_retained(struct crowd *crowd, struct report *report)
{
    struct store store = {.count = options_count(crowd->options, 100000)};
    struct gauge_memory before, after, cleared;
    struct measure start, storing, replaying;

    crowd->work = &store;
    if (work_add(crowd, STORERS + 1) < 0 || crowd_make_flows(crowd, STORERS) < 0 ||
        measure_memory(crowd, &before) < 0)
        return -1;
    measure_now(crowd, &start);
    if (publish_all(crowd, store.count, crowd->options->payload_len) < 0)
        return -1;
    storing = measure_since(crowd, &start);
    if (measure_memory(crowd, &after) < 0 || replay(crowd, &replaying) < 0)
        return -1;
    uint32_t replayed = store.replayed;
    if (publish_all(crowd, store.count, 0) < 0 || measure_memory(crowd, &cleared) < 0)
        return -1;

    report_section(report, "%s", crowd->options->work);
    report_add(report, "retained", store.count, "");
    report_add(report, "stored_per_s", store.count / ((double)storing.wall_ns / 1e9), "1/s");
    report_add(report, "replayed", replayed, "messages to one new subscriber");
    report_add(report, "replay_ms", (double)replaying.wall_ns / 1e6, "ms until the last came");
    if (crowd->options->broker) {
        report_add(report, "stored_cpu_us", (double)storing.broker_ns / store.count / 1e3,
                   "us of the broker each");
        report_add(report, "replay_cpu_us",
                   replayed ? (double)replaying.broker_ns / replayed / 1e3 : 0,
                   "us of the broker each");
        measure_report_memory(&before, &after, store.count, report);
        report_add(report, "memory_removed_mib", (double)cleared.pss / 1048576,
                   "MiB of PSS after removing all");
    }
    report_add(report, "lost", (double)crowd->lost, "deliveries");
    return 0;
}
