/* flood: ClientHellos without a cookie, from ever other addresses, which nobody means, and
 * meanwhile devices that do mean it.
 *
 * What a kernel drops before the broker has seen it says nothing of the broker. So the hellos come
 * in bursts, at no more than a rate (--rate), and the next burst waits until all of the last one
 * are answered: every answer is a hello that has been seen. What is sent to each address is
 * counted, and how long the longest was. */
#include "bench/datagrams.h"
#include "bench/dtls.h"
#include "bench/work.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
    HELLOS = 1000000,
    SOURCES = 50000,
    OPEN = 1984,       /* sockets at once */
    BURST = 32,        /* hellos under way; OPEN is a multiple */
    PATIENCE_MS = 500, /* for the answers to a burst */
    HONEST = 100,      /* devices, spread over the flood */
    SETTLE_MS = 100,
    LAST_S = 30, /* for the honest that are not through when it ends */
};

struct flood {
    struct crowd *crowd;
    uint8_t hello[DTLS_HELLO_MOST];
    size_t hello_len;
    int sockets[OPEN]; /* -1: closed */
    uint32_t per_source;
    uint64_t wanted, sent, bytes_out_there, bytes_back, back, longest;
    uint64_t given_up; /* hellos that nobody waits for any more */
    uint64_t start_ns, seed;
    struct dtls *honest[HONEST]; /* owned; NULL: not begun, or over */
    uint32_t begun, lived, failed;
};

/* ---- the honest ---- */

static void step_honest(struct flood *flood)
{
    uint64_t now_ns = crowd_clock_ns();

    if (flood->begun < HONEST && flood->sent * HONEST >= flood->begun * flood->wanted) {
        flood->honest[flood->begun] = dtls_new(&flood->crowd->target, flood->begun);
        flood->failed += !flood->honest[flood->begun];
        flood->begun++;
    }
    for (uint32_t i = 0; i < flood->begun; i++) {
        if (!flood->honest[i])
            continue;
        enum dtls_state state = dtls_step(flood->honest[i], now_ns);
        if (state == DTLS_SHAKES || state == DTLS_ASKS)
            continue;
        flood->lived += state == DTLS_LIVES;
        flood->failed += state == DTLS_FAILED;
        dtls_free(flood->honest[i]);
        flood->honest[i] = NULL;
    }
}

/* ---- the others ---- */

/* 127.x.y.z, another one for each. */
static int open_source(const struct target *target, uint32_t n)
{
    struct sockaddr_in source = {.sin_family = AF_INET,
                                 .sin_addr.s_addr = htonl(0x7f010000u + n * 251u)};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0)
        return -errno;
    if (bind(fd, (struct sockaddr *)&source, sizeof source) == 0 &&
        connect(fd, (const struct sockaddr *)&target->address, target->address_len) == 0)
        return fd;
    int error = -errno;
    close(fd);
    return error;
}

static void drain(struct flood *flood, int fd)
{
    uint8_t answer[2048];
    ssize_t got;

    while ((got = recv(fd, answer, sizeof answer, 0)) > 0) {
        flood->bytes_back += (uint64_t)got;
        flood->back++;
        if ((uint64_t)got > flood->longest)
            flood->longest = (uint64_t)got;
    }
}

/* Whatever the hello's random is, it is another one each time. */
static void say(struct flood *flood, int fd)
{
    uint64_t *seed = &flood->seed;

    for (int i = 0; i < DTLS_HELLO_RANDOM_SIZE; i += 8) {
        *seed ^= *seed << 13;
        *seed ^= *seed >> 7;
        *seed ^= *seed << 17;
        memcpy(flood->hello + DTLS_HELLO_RANDOM + i, seed, sizeof *seed);
    }
    if (send(fd, flood->hello, flood->hello_len, 0) == (ssize_t)flood->hello_len)
        flood->bytes_out_there += flood->hello_len;
    flood->sent++;
}

static void rest(uint64_t ns)
{
    struct timespec pause = {.tv_nsec = (long)ns};

    nanosleep(&pause, NULL);
}

/* Waits until the next burst is due. */
static void pace(struct flood *flood)
{
    uint64_t due_ns = flood->start_ns +
                      (uint64_t)((double)flood->sent * 1e9 / (double)flood->crowd->options->rate);

    step_honest(flood);
    for (uint64_t now_ns; (now_ns = crowd_clock_ns()) < due_ns;) {
        rest(due_ns - now_ns < 1000000 ? due_ns - now_ns : 1000000);
        step_honest(flood);
    }
}

/* Waits until all hellos are answered, those of the sockets [first, first + BURST) the last. */
static void await_answers(struct flood *flood, uint32_t first)
{
    struct pollfd sockets[BURST];
    uint64_t end_ns = crowd_clock_ns() + PATIENCE_MS * 1000000ull;

    for (uint32_t i = 0; i < BURST; i++)
        sockets[i] = (struct pollfd){.fd = flood->sockets[first + i], .events = POLLIN};
    for (;;) {
        for (uint32_t i = 0; i < BURST; i++)
            drain(flood, flood->sockets[first + i]);
        if (flood->back + flood->given_up >= flood->sent)
            return;
        if (crowd_clock_ns() >= end_ns)
            break;
        poll(sockets, BURST, 1);
        step_honest(flood);
    }
    flood->given_up = flood->sent - flood->back;
}

static void close_all(struct flood *flood)
{
    for (int i = 0; i < OPEN; i++) {
        if (flood->sockets[i] < 0)
            continue;
        drain(flood, flood->sockets[i]);
        close(flood->sockets[i]);
        flood->sockets[i] = -1;
    }
}

/* Sources [from, from + OPEN), each of which says its hellos. Returns 0, or -1 with a failure. */
static int wave(struct flood *flood, uint32_t from)
{
    for (uint32_t i = 0; i < OPEN; i++) {
        flood->sockets[i] = open_source(&flood->crowd->target, from + i);
        if (flood->sockets[i] < 0) {
            crowd_fail(flood->crowd, "a socket: %s", strerror(-flood->sockets[i]));
            return -1;
        }
    }
    for (uint32_t round = 0; round < flood->per_source; round++) {
        for (uint32_t i = 0; i < OPEN; i++) {
            say(flood, flood->sockets[i]);
            if ((i + 1) % BURST)
                continue;
            await_answers(flood, i + 1 - BURST);
            pace(flood);
        }
    }
    rest(SETTLE_MS * 1000000ull);
    close_all(flood);
    return 0;
}

static void finish_honest(struct flood *flood)
{
    uint64_t end_ns = crowd_clock_ns() + LAST_S * 1000000000ull;

    while (flood->lived + flood->failed < flood->begun && crowd_clock_ns() < end_ns) {
        step_honest(flood);
        rest(1000000);
    }
}

static void report_flood(const struct flood *flood, const struct measure *used,
                         const struct gauge_memory *before, const struct gauge_memory *after,
                         struct report *report)
{
    double sent = (double)flood->sent;

    report_section(report, "flood");
    report_add(report, "hellos", sent, "");
    report_add(report, "rate", sent * 1e9 / (double)used->wall_ns, "1/s");
    report_add(report, "answered", (double)flood->back, "");
    report_add(report, "answered_percent", 100 * (double)flood->back / sent,
               "% of the hellos, which the broker has seen then");
    report_add(report, "bytes_in", (double)flood->bytes_out_there,
               "bytes that the broker was sent");
    report_add(report, "bytes_out", (double)flood->bytes_back, "bytes that it sent");
    report_add(report, "hello_bytes", (double)flood->hello_len, "bytes of a hello");
    report_add(report, "longest_answer", (double)flood->longest, "bytes");
    report_add(report, "bytes_out_percent",
               100 * (double)flood->bytes_back / (double)flood->bytes_out_there, "% of bytes_in");
    report_add(report, "honest", flood->begun, "devices that shook hands meanwhile");
    report_add(report, "honest_percent", 100.0 * flood->lived / flood->begun, "% that could");
    if (!flood->crowd->options->broker)
        return;
    report_add(report, "cpu_us_per_message", (double)used->broker_ns / sent / 1e3,
               "µs of the broker per hello");
    report_add(report, "growth_kib", ((double)after->pss - (double)before->pss) / 1024,
               "KiB of PSS that remain");
}

/* One device first, so that what it makes the broker allocate for good is not counted. */
static int warm(struct flood *flood)
{
    struct dtls *first = dtls_new(&flood->crowd->target, 0);
    enum dtls_state state = first ? DTLS_SHAKES : DTLS_FAILED;

    for (int i = 0; i < 5000 && (state == DTLS_SHAKES || state == DTLS_ASKS); i++) {
        rest(1000000);
        state = dtls_step(first, crowd_clock_ns());
    }
    dtls_free(first);
    if (state != DTLS_LIVES)
        crowd_fail(flood->crowd, "nobody can shake hands, flood or not");
    return state == DTLS_LIVES ? 0 : -1;
}

static int run(struct flood *flood, struct report *report)
{
    struct gauge_memory before, after;
    struct measure start, used;

    flood->hello_len = dtls_hello(flood->hello);
    if (!flood->hello_len || warm(flood) < 0 || measure_memory(flood->crowd, &before) < 0)
        return -1;
    measure_now(flood->crowd, &start);
    flood->start_ns = crowd_clock_ns();
    for (uint32_t from = 0; flood->sent < flood->wanted; from += OPEN) {
        if (wave(flood, from) < 0)
            return -1;
    }
    finish_honest(flood);
    used = measure_since(flood->crowd, &start);
    if (measure_memory(flood->crowd, &after) < 0)
        return -1;
    report_flood(flood, &used, &before, &after, report);
    return 0;
}

int work_flood(struct crowd *crowd, struct report *report)
{
    struct flood *flood = calloc(1, sizeof *flood);
    int result = -1;

    if (!flood)
        return -1;
    flood->crowd = crowd;
    flood->seed = 0x9e3779b97f4a7c15ull;
    flood->wanted = options_count(crowd->options, HELLOS);
    flood->per_source = (uint32_t)(flood->wanted / SOURCES);
    flood->per_source += !flood->per_source;
    for (int i = 0; i < OPEN; i++)
        flood->sockets[i] = -1;
    if (dtls_start(crowd->options) < 0)
        crowd_fail(crowd, "no DTLS: it takes --tls or --tls-psk");
    else
        result = run(flood, report);
    close_all(flood);
    for (uint32_t i = 0; i < HONEST; i++)
        dtls_free(flood->honest[i]);
    free(flood);
    dtls_stop();
    return result;
}
