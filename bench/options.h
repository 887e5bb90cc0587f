/* options: what the command line asked for, checked against its bounds. */
#ifndef SIOTD_BENCH_OPTIONS_H
#define SIOTD_BENCH_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum {
    OPTIONS_PAUSE_US = 100,
    OPTIONS_PAYLOAD_MIN = 16, /* the stamp of a message: flow, sequence number, time */
    OPTIONS_PAYLOAD_MAX = 256 * 1024,
    OPTIONS_WINDOW_MAX = 16384,
    OPTIONS_SECONDS_MAX = 600,
    OPTIONS_CLIENTS_MAX = 100000,
    OPTIONS_COUNT_MAX = 2000000,
    OPTIONS_RATE_MAX = 2000000,
    OPTIONS_RING_MAX = 1 << 30, /* bytes of frames under way */
};

struct options {
    const char *work;
    const char *host; /* a loopback address */
    uint16_t port;
    uint8_t version; /* enum packet_version */
    uint8_t qos;
    const char *session; /* "clean" or "kept" over the connection; NULL: clean */
    uint32_t clients;    /* pairs, publishers, subscribers or idle connections; 0: the work's own */
    uint32_t connections; /* that share the filters */
    uint32_t count; /* filters, subscriptions, retained or queued messages; 0: the work's own */
    uint32_t idle;  /* idle connections at most, flatness only */
    uint32_t payload_len; /* bytes */
    uint32_t window;      /* messages under way per publisher; 0: 100 for QoS 0, else 20 */
    uint32_t rate;        /* messages per second, steady only */
    uint32_t pause_us;    /* between turns of a closed loop, so that batches form */
    double seconds, warmup_s;
    uint64_t messages;       /* stop after so many deliveries; 0: after `seconds` */
    pid_t broker;            /* 0: nobody to measure */
    const char *tls;         /* file of the CA that the broker must be of; NULL: plain TCP */
    const char *tls_version; /* "1.2" or "1.3"; NULL: 1.3 */
    const char *tls_groups;  /* the group of the key exchange; NULL: wolfSSL's first */
    const char *tls_psk;     /* identity:hexkey in place of certificates; NULL: none */
    const char *tls_session; /* "new" or "resumed"; NULL: new */
    uint8_t watch;           /* listen to what the broker says of its loop */
    const char *json;        /* file, "-" for standard output, or NULL */
};

/* Reads the command line into *options (strings stay in argv). Returns 0, 1 when help was printed
 * and there is nothing to do, or -1 after saying on stderr what is wrong. */
int options_parse(struct options *options, int argc, char **argv);

/* Whether sessions outlive their connections. */
bool options_kept(const struct options *options);

/* --clients, or what the work takes without it. */
uint32_t options_clients(const struct options *options, uint32_t usual);

/* --count, or what the work takes without it. */
uint32_t options_count(const struct options *options, uint32_t usual);

#endif
