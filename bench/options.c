/* The command line of siotd-bench: rows of name, bounds and place, so that help, parsing and range
 * errors come from one table. Everything is bounded: a mistyped number must not become a flood. */
#include "bench/options.h"
#include "bench/packet.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum option_kind { OPTION_U8, OPTION_U16, OPTION_U32, OPTION_U64, OPTION_REAL, OPTION_TEXT };

struct option_row {
    const char *name;
    enum option_kind kind;
    size_t at; /* offset in struct options */
    double min, max;
    const char *help;
};

#define PLACE(field) offsetof(struct options, field)

static const struct option_row rows[] = {
    {"--host", OPTION_TEXT, PLACE(host), 0, 0, "loopback address of the broker (127.0.0.1)"},
    {"--port", OPTION_U16, PLACE(port), 1, 65535, "its port (1883)"},
    {"--version", OPTION_U8, PLACE(version), 4, 5, "MQTT version: 3.1.1 or 5 (3.1.1)"},
    {"--qos", OPTION_U8, PLACE(qos), 0, 2, "quality of service of publish and subscribe (0)"},
    {"--session", OPTION_TEXT, PLACE(session), 0, 0,
     "clean, or kept: sessions that outlive their connections (clean)"},
    {"--clients", OPTION_U32, PLACE(clients), 1, OPTIONS_CLIENTS_MAX,
     "pairs, publishers, receivers or idle connections"},
    {"--connections", OPTION_U32, PLACE(connections), 2, 10000,
     "connections that share the filters (100)"},
    {"--count", OPTION_U32, PLACE(count), 2, OPTIONS_COUNT_MAX,
     "filters, subscriptions, retained or queued messages"},
    {"--idle", OPTION_U32, PLACE(idle), 100, OPTIONS_CLIENTS_MAX,
     "idle connections at most, flatness (100000)"},
    {"--payload", OPTION_U32, PLACE(payload_len), OPTIONS_PAYLOAD_MIN, OPTIONS_PAYLOAD_MAX,
     "bytes per message (64)"},
    {"--window", OPTION_U32, PLACE(window), 1, OPTIONS_WINDOW_MAX,
     "messages under way per publisher (100 at QoS 0, else 20)"},
    {"--rate", OPTION_U32, PLACE(rate), 1, OPTIONS_RATE_MAX, "messages per second, steady (20000)"},
    {"--pause", OPTION_U32, PLACE(pause_us), 0, 10000,
     "microseconds between turns of a closed loop (100)"},
    {"--seconds", OPTION_REAL, PLACE(seconds), 0.1, OPTIONS_SECONDS_MAX,
     "length of a measurement (5)"},
    {"--warmup", OPTION_REAL, PLACE(warmup_s), 0, 60, "seconds before it that do not count (1)"},
    {"--messages", OPTION_U64, PLACE(messages), 1, 1e10,
     "end a measurement after so many deliveries"},
    {"--pid", OPTION_U32, PLACE(broker), 1, 4194304, "broker process, for its CPU and memory"},
    {"--tls", OPTION_TEXT, PLACE(tls), 0, 0, "speak TLS to a broker certified by this CA (PEM)"},
    {"--tls-version", OPTION_TEXT, PLACE(tls_version), 0, 0, "1.2 or 1.3 (1.3)"},
    {"--tls-groups", OPTION_TEXT, PLACE(tls_groups), 0, 0,
     "key exchange over X25519MLKEM768, X25519 or P-256 only"},
    {"--tls-psk", OPTION_TEXT, PLACE(tls_psk), 0, 0,
     "identity:hexkey, a pre-shared key in place of certificates"},
    {"--tls-session", OPTION_TEXT, PLACE(tls_session), 0, 0,
     "new, or resumed: all but the first connection (new)"},
    {"--watch", OPTION_U8, PLACE(watch), 0, 1,
     "1: also report the lag of the broker's loop, as siotd publishes it below $SYS (0)"},
    {"--json", OPTION_TEXT, PLACE(json), 0, 0, "also write the results as JSON (- for stdout)"},
};

static const char *const works = "\
  pairs          N publishers, each with a subscriber of its own\n\
  fan-in         N publishers into one subscriber\n\
  fan-out        one publisher to N subscribers\n\
  filters        publish against many filters, half with wildcards\n\
  subscriptions  memory per subscription\n\
  retained       memory per retained message, time of a wildcard replay\n\
  idle           memory per idle connection\n\
  steady         a fixed rate, latency percentiles\n\
  offline        publish at full speed to N kept sessions that are away (QoS 1 or 2)\n\
  fetch          the same sessions come back for what offline left them\n\
  flatness       cost of pairs beside ever more idle connections and subscriptions\n\
  raw, mqtt-sn   datagrams in bursts (--window) from --clients devices, QoS 0\n\
  coap-put, coap-get  confirmable requests, --window of them at once per device\n\
  idle-raw, idle-mqtt-sn, idle-coap  memory per subscriber, client, observer\n\
  dtls           coap devices on DTLS: CPU per handshake, memory per device\n\
  flood          ClientHellos without a cookie from 50,000 addresses, at most --rate of them\n";

static void usage(FILE *to)
{
    fprintf(to, "usage: siotd-bench WORK [options]\n\nworks\n%s\noptions\n", works);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        fprintf(to, "  %-14s %s\n", rows[i].name, rows[i].help);
}

/* "3.1.1" and "5.0" are what people write; 4 and 5 what stands on the wire. */
static const char *plain_version(const char *text)
{
    if (strcmp(text, "3.1.1") == 0 || strcmp(text, "311") == 0)
        return "4";
    return strcmp(text, "5.0") == 0 ? "5" : text;
}

static int store_number(const struct option_row *row, const char *text, void *to)
{
    char *end;

    if (strcmp(row->name, "--version") == 0)
        text = plain_version(text);
    errno = 0;
    double value = strtod(text, &end);
    bool whole = row->kind == OPTION_REAL || value == (double)(uint64_t)value;
    if (errno || end == text || *end || !(value >= row->min && value <= row->max) || !whole) {
        fprintf(stderr, "siotd-bench: %s: %s is not %s from %.10g to %.10g\n", row->name, text,
                row->kind == OPTION_REAL ? "a number" : "a whole number", row->min, row->max);
        return -1;
    }
    switch (row->kind) {
    case OPTION_U8:
        *(uint8_t *)to = (uint8_t)value;
        break;
    case OPTION_U16:
        *(uint16_t *)to = (uint16_t)value;
        break;
    case OPTION_U32:
        *(uint32_t *)to = (uint32_t)value;
        break;
    case OPTION_U64:
        *(uint64_t *)to = (uint64_t)value;
        break;
    case OPTION_REAL:
        *(double *)to = value;
        break;
    case OPTION_TEXT:
        break;
    }
    return 0;
}

static int store(struct options *options, const char *name, const char *text)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (strcmp(rows[i].name, name) != 0)
            continue;
        if (!text) {
            fprintf(stderr, "siotd-bench: %s needs a value\n", name);
            return -1;
        }
        void *to = (char *)options + rows[i].at;
        if (rows[i].kind != OPTION_TEXT)
            return store_number(&rows[i], text, to);
        *(const char **)to = text;
        return 0;
    }
    fprintf(stderr, "siotd-bench: %s is not an option; see --help\n", name);
    return -1;
}

/* Each publisher keeps its window as ready-made frames. */
static int check_ring(const struct options *options)
{
    uint64_t bytes =
        (uint64_t)options_clients(options, 100) * options->window * 2 * options->payload_len;

    bool publishes = strcmp(options->work, "idle") != 0; /* silent connections keep no window */
    if (!publishes || bytes <= OPTIONS_RING_MAX)
        return 0;
    fprintf(stderr, "siotd-bench: clients x window x payload would take %llu MiB; at most %d MiB\n",
            (unsigned long long)(bytes >> 20), OPTIONS_RING_MAX >> 20);
    return -1;
}

static int check_session(const struct options *options)
{
    if (!options->session || strcmp(options->session, "clean") == 0 || options_kept(options))
        return 0;
    fprintf(stderr, "siotd-bench: --session is clean or kept\n");
    return -1;
}

int options_parse(struct options *options, int argc, char **argv)
{
    *options = (struct options){.host = "127.0.0.1",
                                .port = 1883,
                                .version = PACKET_MQTT_3_1_1,
                                .connections = 100,
                                .idle = 100000,
                                .payload_len = 64,
                                .rate = 20000,
                                .pause_us = OPTIONS_PAUSE_US,
                                .seconds = 5,
                                .warmup_s = 1};
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            usage(stdout);
            return 1;
        }
        if (argv[i][0] != '-' && !options->work) {
            options->work = argv[i];
            continue;
        }
        if (store(options, argv[i], i + 1 < argc ? argv[i + 1] : NULL) < 0)
            return -1;
        i++;
    }
    if (!options->work) {
        usage(stderr);
        return -1;
    }
    if (!options->window)
        options->window = options->qos == 0 ? 100 : 20;
    return check_session(options) < 0 ? -1 : check_ring(options);
}

bool options_kept(const struct options *options)
{
    return options->session && strcmp(options->session, "kept") == 0;
}

uint32_t options_clients(const struct options *options, uint32_t usual)
{
    return options->clients ? options->clients : usual;
}

uint32_t options_count(const struct options *options, uint32_t usual)
{
    return options->count ? options->count : usual;
}
