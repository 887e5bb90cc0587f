/* datagrams: sockets that send bursts and wait for the answer to the last of each, and what the
 * devices on them say. */
#ifndef SIOTD_BENCH_DATAGRAMS_H
#define SIOTD_BENCH_DATAGRAMS_H

#include "bench/target.h"
#include <stdbool.h>
#include <stddef.h>

enum { DATAGRAM_MOST = 1280, BURST_MOST = 256 };

/* One way to speak. Datagram `n` of a burst of `burst`, of device `device`; the last one is to be
 * answered, or each of them where `each` says so. */
struct dialect {
    const char *name;
    bool each; /* every datagram is answered: bursts are windows of requests */
    /* Writes the datagram and returns its length. */
    size_t (*say)(uint8_t *to, uint32_t device, uint32_t n, bool last, uint32_t payload_len);
    /* Writes what opens a device's life, to be answered, and returns its length; NULL: nothing. */
    size_t (*greet)(uint8_t *to, uint32_t device);
    /* Whether an answer is a good one. May learn from it what to say next time. */
    bool (*good)(uint32_t device, const uint8_t *at, size_t length);
    /* When this is no answer but a question: writes what is to be said to it and returns its
     * length. 0: it is an answer. NULL: nobody asks. */
    size_t (*reply)(uint8_t *to, const uint8_t *at, size_t length);
};

extern const struct dialect dialect_raw, dialect_sn, dialect_coap_put, dialect_coap_get,
    dialect_coap_observe;

/* A socket that is connected to the target, the n-th of the run; `buffer` bytes of what has come
 * may wait in it, 0: as many as usual. Returns it or -errno. */
int datagrams_socket(const struct target *target, uint32_t n, int buffer);

struct datagrams {
    int *sockets; /* owned */
    uint32_t count;
    uint64_t sent, answered, bad, lost;
};

/* Opens `count` connected sockets. Returns 0 or -errno. */
int datagrams_open(struct datagrams *datagrams, const struct target *target, uint32_t count);
void datagrams_close(struct datagrams *datagrams);

/* Greets from the sockets [from, to) until there is a good answer, twice at most. Returns how many
 * came. */
uint32_t datagrams_greet(struct datagrams *datagrams, const struct dialect *dialect, uint32_t from,
                         uint32_t to);

/* Sends one burst from each socket and waits for the answers, at most a second for each. Returns 0
 * or -errno. */
int datagrams_round(struct datagrams *datagrams, const struct dialect *dialect, uint32_t burst,
                    uint32_t payload_len);

#endif
