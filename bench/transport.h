/* transport: how bytes reach the broker: tcp, or tls on top of it. No work and no client knows
 * which of them it runs on. */
#ifndef SIOTD_BENCH_TRANSPORT_H
#define SIOTD_BENCH_TRANSPORT_H

#include "bench/options.h"
#include "bench/target.h"
#include <sys/types.h>
#include <sys/uio.h>

struct transport;

struct wire {
    const struct transport *transport;
    int fd;      /* -1 when closed */
    void *layer; /* what the transport keeps per connection; NULL for tcp */
};

struct transport {
    const char *name;
    /* Makes a non-blocking socket and starts connecting as connection number n. Sets fd; on failure
     * leaves it -1. Returns 0 or -errno. */
    int (*connect)(struct wire *wire, const struct target *target, uint32_t n);
    /* Called at each readiness until it returns 1: connected, handshake over. 0: not yet, wait for
     * what *events says (EPOLLIN, EPOLLOUT). Negative: -errno, the wire is to be closed. */
    int (*establish)(struct wire *wire, uint32_t *events);
    /* Up to len plain bytes. Returns the count, 0 at the end of the stream, -EAGAIN or -errno. */
    ssize_t (*read)(struct wire *wire, void *to, size_t len);
    /* As many of the bytes as go. Returns the count, -EAGAIN or -errno. */
    ssize_t (*writev)(struct wire *wire, const struct iovec *parts, int count);
    /* Closes and frees the layer; harmless twice. */
    void (*close)(struct wire *wire);
};

extern const struct transport transport_tcp;
extern const struct transport transport_tls;

/* Bytes that have come from the broker, as TCP counts them: what a layer adds included. */
uint64_t transport_received(const struct wire *wire);

/* Makes transport_tls ready for what the options say of it; once. Returns 0, or -1 after saying on
 * stderr what is wrong. */
int transport_tls_start(const struct options *options);

#endif
