/* dtls: what a handshake over datagrams costs, and what a device costs that has shaken hands and
 * stays. */
#include "bench/dtls.h"
#include "bench/work.h"

#include <poll.h>
#include <stdlib.h>
#include <wolfssl/ssl.h>
#include <wolfssl/wolfcrypt/curve25519.h>

enum { DEVICES = 2000, AT_ONCE = 16, PATIENCE_S = 60, WAIT_MS = 50, AGREEMENTS = 500 };

/* Steps all until none has anything left to do. Returns how many live. */
static uint32_t settle(struct dtls **devices, uint32_t count)
{
    struct pollfd sockets[AT_ONCE];
    uint64_t end_ns = crowd_clock_ns() + PATIENCE_S * 1000000000ull;

    for (;;) {
        uint32_t live = 0, open = 0;
        uint64_t now_ns = crowd_clock_ns();
        for (uint32_t i = 0; i < count; i++) {
            enum dtls_state state = dtls_step(devices[i], now_ns);
            live += state == DTLS_LIVES;
            if (state == DTLS_SHAKES || state == DTLS_ASKS)
                sockets[open++] = (struct pollfd){.fd = dtls_socket(devices[i]), .events = POLLIN};
        }
        if (!open || now_ns >= end_ns)
            return live;
        poll(sockets, open, WAIT_MS);
    }
}

/* Makes devices [from, to). Returns 0, or -1 with a failure. */
static int make(struct crowd *crowd, struct dtls **devices, uint32_t from, uint32_t to)
{
    while (from < to) {
        uint32_t count = 0;
        while (count < AT_ONCE && from + count < to) {
            devices[from + count] = dtls_new(&crowd->target, from + count);
            if (!devices[from + count]) {
                crowd_fail(crowd, "device %u cannot be made", from + count);
                return -1;
            }
            count++;
        }
        if (settle(devices + from, count) < count) {
            crowd_fail(crowd, "of devices %u to %u not all could shake hands", from,
                       from + count - 1);
            return -1;
        }
        from += count;
    }
    return 0;
}

/* What one side of an X25519 exchange costs here, in µs: a key pair and an agreement. */
static double agreement_us(void)
{
    static curve25519_key mine, theirs;
    uint8_t secret[CURVE25519_KEYSIZE];
    WC_RNG random;

    if (wc_InitRng(&random) != 0)
        return 0;
    wc_curve25519_init(&theirs);
    wc_curve25519_make_key(&random, CURVE25519_KEYSIZE, &theirs);
    uint64_t start_ns = gauge_own_cpu_ns();
    for (int i = 0; i < AGREEMENTS; i++) {
        word32 length = sizeof secret;
        wc_curve25519_init(&mine);
        wc_curve25519_make_key(&random, CURVE25519_KEYSIZE, &mine);
        wc_curve25519_shared_secret(&mine, &theirs, secret, &length);
    }
    uint64_t used_ns = gauge_own_cpu_ns() - start_ns;
    wc_FreeRng(&random);
    return (double)used_ns / AGREEMENTS / 1e3;
}

static int run(struct crowd *crowd, struct dtls **devices, uint32_t count, struct report *report)
{
    struct gauge_memory before, after;
    struct measure start, making;

    /* The first ones make the broker allocate what all share. */
    if (make(crowd, devices, 0, AT_ONCE) < 0 || measure_memory(crowd, &before) < 0)
        return -1;
    measure_now(crowd, &start);
    if (make(crowd, devices, AT_ONCE, count) < 0)
        return -1;
    making = measure_since(crowd, &start);
    if (measure_memory(crowd, &after) < 0)
        return -1;
    uint32_t made = count - AT_ONCE;
    report_section(report, "dtls");
    report_add(report, "handshakes", made, "");
    report_add(report, "made_per_s", made / ((double)making.wall_ns / 1e9), "1/s");
    report_add(report, "own_cpu_us", (double)making.own_ns / made / 1e3, "µs of the generator");
    report_add(report, "agreement_us", agreement_us(), "µs of one side's X25519");
    if (crowd->options->broker) {
        report_add(report, "made_cpu_us", (double)making.broker_ns / made / 1e3,
                   "µs of the broker each");
        measure_report_memory(&before, &after, made, report);
    }
    return 0;
}

int work_dtls(struct crowd *crowd, struct report *report)
{
    uint32_t count = work_room(crowd, options_clients(crowd->options, DEVICES), report);
    struct dtls **devices = calloc(count, sizeof *devices);
    int result = -1;

    if (count <= AT_ONCE || !devices)
        crowd_fail(crowd, "there is no room for more than %d devices", AT_ONCE);
    else if (dtls_start(crowd->options) < 0)
        crowd_fail(crowd, "no DTLS: it takes --tls or --tls-psk");
    else
        result = run(crowd, devices, count, report);
    for (uint32_t i = 0; devices && i < count; i++)
        dtls_free(devices[i]);
    free(devices);
    dtls_stop();
    return result;
}
