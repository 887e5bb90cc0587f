/* crowd: all connections of one run and the turn of the loop that serves them.
 *
 * One thread, one epoll. A turn reads from whoever is readable, into one shared buffer, and then
 * flushes each connection that has something to say once. So what a batch of deliveries allows to
 * be published leaves in one write, as a busy broker's batches do. */
#ifndef SIOTD_BENCH_CROWD_H
#define SIOTD_BENCH_CROWD_H

#include "bench/client.h"
#include "bench/flow.h"
#include "bench/options.h"

struct crowd {
    const struct options *options;
    const struct transport *transport;
    struct target target;
    int epoll;
    uint8_t *scratch; /* owned: what is being read */

    struct client **members; /* owned, in the order added */
    struct client **dirty;   /* to be flushed at the end of the turn; room for all members */
    uint32_t count, room, dirty_count;
    uint32_t started;    /* members that have begun to connect */
    uint32_t opening;    /* of those, not yet through */
    uint32_t unanswered; /* SUBSCRIBE packets without their SUBACK */

    struct flow *flows; /* owned; deliveries name them by index */
    uint32_t flow_count;

    uint64_t now_ns;  /* CLOCK_MONOTONIC after the last wait or read */
    uint64_t wake_ns; /* when `woken` wants to run; 0: never */
    void (*woken)(struct crowd *crowd);
    /* What a PUBLISH does; flow_delivered unless the work sets another. `work` is its owner's. */
    void (*delivered)(struct crowd *crowd, struct client *client,
                      const struct packet_publish *publish);
    void *work;

    uint32_t pause_us;   /* slept before each turn; 0: none */
    bool quiet;          /* no new messages: publishers drain */
    uint64_t deliveries; /* PUBLISH packets received, without repeated QoS 2 ids */
    uint64_t lost, duplicated, refused, foreign;
    uint64_t lag_heard, lag_wanted, lag_p999_us, lag_max_us; /* see watch.h */
    char failure[160];                                       /* empty while all is well */
};

/* Prepares an empty crowd and raises RLIMIT_NOFILE as far as it goes. Returns 0, or -1 after saying
 * why on stderr. */
int crowd_init(struct crowd *crowd, const struct options *options);

/* Closes and frees everything. */
void crowd_clear(struct crowd *crowd);

/* How many connections this process may still open. */
uint32_t crowd_capacity(const struct crowd *crowd);

/* Adds a connection that is not opened yet; owned by the crowd. NULL (and a failure) without
 * memory. */
struct client *crowd_add(struct crowd *crowd);

/* Makes `count` flows, zeroed, owned by the crowd. Returns 0, or -1 with a failure. */
int crowd_make_flows(struct crowd *crowd, uint32_t count);

/* Connects all that were added since the last call. Returns 0, or -1 with a failure. */
int crowd_connect(struct crowd *crowd);

/* Subscribes members [first, first + connections) to filters [from, to) in turn: number n goes to
 * member n % connections. name() writes filter n, at most 128 bytes, and returns its length.
 * Returns 0 when all are answered, or -1 with a failure. */
int crowd_subscribe(struct crowd *crowd, uint32_t first, uint32_t connections, uint32_t from,
                    uint32_t to, size_t (*name)(uint32_t n, char *text));

/* Turns until done() says so (true), or until deadline_ns or a failure (false). */
bool crowd_run(struct crowd *crowd, uint64_t deadline_ns, bool (*done)(const struct crowd *crowd));

/* Turns for that long; -1 when something failed. */
int crowd_run_for(struct crowd *crowd, double seconds);

/* Stops publishing and waits up to `seconds` for what is under way; what does not come is counted
 * as lost. Returns 0, or -1 with a failure. */
int crowd_drain(struct crowd *crowd, double seconds);

/* Lets publishing begin or go on. */
void crowd_resume(struct crowd *crowd);

/* Has the client flushed at the end of the turn. */
static inline void crowd_mark(struct crowd *crowd, struct client *client)
{
    if (client->dirty)
        return;
    client->dirty = true;
    crowd->dirty[crowd->dirty_count++] = client;
}

/* Notes what went wrong, the first time; the run ends with the turn. */
void crowd_fail(struct crowd *crowd, const char *format, ...) __attribute__((format(printf, 2, 3)));

uint64_t crowd_clock_ns(void);

#endif
