/* The loop. Invariant: between turns nobody is dirty, so whatever could be written has been offered
 * to the kernel. */
#include "bench/crowd.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum {
    EVENTS = 1024,
    OPENING_MAX = 64, /* connections under way; a listener's backlog may be 100 */
    OPEN_S = 120,     /* for all connections, or all subscriptions */
    CHECK_MS = 2000,  /* without progress for so long, a QoS 0 message is lost */
    SPARE_FILES = 32,
    FILTERS_PER_PACKET = 50,
    FILTER_MAX = 128, /* bytes */
};
#define NS_PER_S  1000000000ull
#define NS_PER_MS 1000000ull

uint64_t crowd_clock_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

void crowd_fail(struct crowd *crowd, const char *format, ...)
{
    va_list arguments;

    if (crowd->failure[0])
        return;
    va_start(arguments, format);
    vsnprintf(crowd->failure, sizeof crowd->failure, format, arguments);
    va_end(arguments);
}

static rlim_t raise_files(void)
{
    struct rlimit files;

    if (getrlimit(RLIMIT_NOFILE, &files) < 0)
        return 1024;
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files); /* whatever is got is asked for again by crowd_capacity */
    return files.rlim_cur;
}

int crowd_init(struct crowd *crowd, const struct options *options)
{
    *crowd = (struct crowd){
        .options = options, .transport = &transport_tcp, .delivered = flow_delivered, .epoll = -1};
    if (options->tls || options->tls_psk) {
        crowd->transport = &transport_tls;
        if (transport_tls_start(options) < 0)
            return -1;
    }
    if (target_parse(&crowd->target, options->host, options->port) < 0)
        return -1;
    raise_files();
    prctl(PR_SET_TIMERSLACK, 1ul); /* for the works that send at given times */
    crowd->epoll = epoll_create1(EPOLL_CLOEXEC);
    crowd->scratch = malloc(CLIENT_SCRATCH);
    if (crowd->epoll < 0 || !crowd->scratch) {
        perror("siotd-bench");
        crowd_clear(crowd);
        return -1;
    }
    return 0;
}

void crowd_clear(struct crowd *crowd)
{
    for (uint32_t i = 0; i < crowd->flow_count; i++)
        flow_clear(&crowd->flows[i]);
    for (uint32_t i = 0; i < crowd->count; i++) {
        client_clear(crowd->members[i]);
        free(crowd->members[i]);
    }
    free(crowd->flows);
    free(crowd->members);
    free(crowd->dirty);
    free(crowd->scratch);
    if (crowd->epoll >= 0)
        close(crowd->epoll);
    *crowd = (struct crowd){.epoll = -1};
}

uint32_t crowd_capacity(const struct crowd *crowd)
{
    struct rlimit files = {.rlim_cur = 1024};

    getrlimit(RLIMIT_NOFILE, &files);
    rlim_t taken = crowd->count + SPARE_FILES;
    if (files.rlim_cur <= taken)
        return 0;
    return files.rlim_cur - taken > OPTIONS_CLIENTS_MAX ? OPTIONS_CLIENTS_MAX
                                                        : (uint32_t)(files.rlim_cur - taken);
}

static int grow(struct crowd *crowd)
{
    uint32_t room = crowd->room ? crowd->room * 2 : 256;
    struct client **members = realloc(crowd->members, room * sizeof *members);

    if (members)
        crowd->members = members;
    struct client **dirty = realloc(crowd->dirty, room * sizeof *dirty);
    if (dirty)
        crowd->dirty = dirty;
    if (!members || !dirty)
        return -ENOMEM;
    crowd->room = room;
    return 0;
}

struct client *crowd_add(struct crowd *crowd)
{
    struct client *client = NULL;

    if (crowd->count < crowd->room || grow(crowd) == 0)
        client = calloc(1, sizeof *client);
    if (!client) {
        crowd_fail(crowd, "out of memory");
        return NULL;
    }
    client->crowd = crowd;
    client->wire.fd = -1;
    client->number = crowd->count;
    client->receive_maximum = UINT16_MAX;
    client->kept = options_kept(crowd->options);
    crowd->members[crowd->count++] = client;
    return client;
}

int crowd_make_flows(struct crowd *crowd, uint32_t count)
{
    crowd->flows = calloc(count, sizeof *crowd->flows);
    if (!crowd->flows) {
        crowd_fail(crowd, "out of memory");
        return -1;
    }
    crowd->flow_count = count;
    return 0;
}

static void start_some(struct crowd *crowd)
{
    while (crowd->started < crowd->count && crowd->opening < OPENING_MAX && !crowd->failure[0]) {
        int result = client_connect(crowd->members[crowd->started]);
        if (result == -EMFILE || result == -ENFILE)
            crowd_fail(crowd, "%u connections are open and the limit on files allows no more",
                       crowd->started);
        else if (result < 0)
            crowd_fail(crowd, "connection %u: %s", crowd->started, strerror(-result));
        crowd->started++;
        crowd->opening++;
    }
}

static bool all_open(const struct crowd *crowd)
{
    return crowd->started == crowd->count && crowd->opening == 0;
}

int crowd_connect(struct crowd *crowd)
{
    start_some(crowd);
    if (crowd_run(crowd, crowd_clock_ns() + OPEN_S * NS_PER_S, all_open))
        return 0;
    crowd_fail(crowd, "%u of %u connections open after %d s", crowd->started - crowd->opening,
               crowd->count, OPEN_S);
    return -1;
}

static bool all_answered(const struct crowd *crowd)
{
    return crowd->unanswered == 0;
}

/* The next packet's worth of the filters that belong to one member; returns where it stopped. */
static uint32_t subscribe_some(struct client *client, uint32_t next, uint32_t to, uint32_t step,
                               size_t (*name)(uint32_t n, char *text))
{
    uint8_t filters[FILTERS_PER_PACKET * (FILTER_MAX + 3)];
    struct writer w = writer_of(filters, sizeof filters);
    char text[FILTER_MAX];

    for (int i = 0; i < FILTERS_PER_PACKET && next < to; i++, next += step)
        packet_write_filter(&w, slice_of(text, name(next, text)), client->crowd->options->qos);
    if (writer_len(&w))
        client_subscribe(client, slice_of(filters, writer_len(&w)));
    return next;
}

int crowd_subscribe(struct crowd *crowd, uint32_t first, uint32_t connections, uint32_t from,
                    uint32_t to, size_t (*name)(uint32_t n, char *text))
{
    uint64_t deadline_ns = crowd_clock_ns() + OPEN_S * NS_PER_S;

    /* Number n is member n % connections; a round gives each member one packet. */
    for (uint32_t round = from; round < to; round += FILTERS_PER_PACKET * connections) {
        uint32_t end = to - round < FILTERS_PER_PACKET * connections
                           ? to
                           : round + FILTERS_PER_PACKET * connections;
        for (uint32_t i = 0; i < connections; i++)
            subscribe_some(crowd->members[first + (round + i) % connections], round + i, end,
                           connections, name);
        if (!crowd_run(crowd, deadline_ns, all_answered)) {
            crowd_fail(crowd, "subscriptions not answered within %d s", OPEN_S);
            return -1;
        }
    }
    return 0;
}

static void check_flows(struct crowd *crowd)
{
    for (uint32_t i = 0; i < crowd->flow_count; i++) {
        struct flow *flow = &crowd->flows[i];
        uint64_t lost = flow->publisher ? flow_check(flow) : 0;
        crowd->lost += lost;
        if (lost)
            crowd_mark(crowd, flow->publisher);
    }
}

static void flush_dirty(struct crowd *crowd)
{
    /* A flush marks nobody, so the list is what the turn has made it. */
    for (uint32_t i = 0; i < crowd->dirty_count && !crowd->failure[0]; i++)
        client_flush(crowd->dirty[i]);
    crowd->dirty_count = 0;
}

/* A pause lets what the broker writes gather in the sockets. Without it this program, woken by
 * every single write, is part of what a write costs the broker, and the result depends on where the
 * scheduler puts the two. */
static void pause_turn(const struct crowd *crowd)
{
    struct timespec pause = {.tv_nsec = (long)crowd->pause_us * 1000};

    if (crowd->pause_us)
        clock_nanosleep(CLOCK_MONOTONIC, 0, &pause, NULL);
}

static void turn(struct crowd *crowd, uint64_t until_ns)
{
    struct epoll_event events[EVENTS];
    uint64_t wake_ns = crowd->wake_ns && crowd->wake_ns < until_ns ? crowd->wake_ns : until_ns;
    uint64_t now_ns = crowd_clock_ns();
    uint64_t left_ns = wake_ns > now_ns ? wake_ns - now_ns : 0;
    struct timespec wait = {.tv_sec = (time_t)(left_ns / NS_PER_S),
                            .tv_nsec = (long)(left_ns % NS_PER_S)};

    int count = epoll_pwait2(crowd->epoll, events, EVENTS, &wait, NULL);
    if (count < 0 && errno != EINTR)
        crowd_fail(crowd, "epoll: %s", strerror(errno));
    crowd->now_ns = crowd_clock_ns();
    for (int i = 0; i < count && !crowd->failure[0]; i++)
        client_ready(events[i].data.ptr, events[i].events);
    if (crowd->wake_ns && crowd->now_ns >= crowd->wake_ns)
        crowd->woken(crowd);
    if (crowd->started < crowd->count)
        start_some(crowd);
    flush_dirty(crowd);
}

bool crowd_run(struct crowd *crowd, uint64_t deadline_ns, bool (*done)(const struct crowd *crowd))
{
    uint64_t check_ns = crowd_clock_ns() + CHECK_MS * NS_PER_MS;

    crowd->now_ns = crowd_clock_ns();
    flush_dirty(crowd);
    while (!crowd->failure[0]) {
        pause_turn(crowd);
        if (done && done(crowd))
            return true;
        if (crowd->now_ns >= deadline_ns)
            return false;
        turn(crowd, deadline_ns < check_ns ? deadline_ns : check_ns);
        if (crowd->now_ns >= check_ns) {
            check_flows(crowd);
            flush_dirty(crowd);
            check_ns = crowd->now_ns + CHECK_MS * NS_PER_MS;
        }
    }
    return false;
}

int crowd_run_for(struct crowd *crowd, double seconds)
{
    crowd_run(crowd, crowd_clock_ns() + (uint64_t)(seconds * 1e9), NULL);
    return crowd->failure[0] ? -1 : 0;
}

static bool all_quiet(const struct crowd *crowd)
{
    for (uint32_t i = 0; i < crowd->flow_count; i++) {
        if (flow_under_way(&crowd->flows[i]))
            return false;
    }
    return true;
}

int crowd_drain(struct crowd *crowd, double seconds)
{
    crowd->quiet = true;
    bool drained = crowd_run(crowd, crowd_clock_ns() + (uint64_t)(seconds * 1e9), all_quiet);
    for (uint32_t i = 0; !drained && i < crowd->flow_count; i++)
        crowd->lost += flow_missing(&crowd->flows[i]);
    return crowd->failure[0] ? -1 : 0;
}

void crowd_resume(struct crowd *crowd)
{
    crowd->quiet = false;
    for (uint32_t i = 0; i < crowd->flow_count; i++)
        crowd_mark(crowd, crowd->flows[i].publisher);
}
