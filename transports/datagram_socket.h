/* datagram_socket: batches of datagrams from and to the kernel. The first and the last step of
 * every message on datagrams; knows no peers.
 *
 * A socket that is bound to a wildcard is asked where each datagram came to, so that the answer
 * leaves from there: the other end knows no other address of ours. */
#ifndef SIOTD_TRANSPORTS_DATAGRAM_SOCKET_H
#define SIOTD_TRANSPORTS_DATAGRAM_SOCKET_H

#include "transports/endpoint.h"
#include "transports/socket.h"

enum {
    DATAGRAM_MAX = 65507, /* bytes of payload that IPv4 can carry; jumbograms do not come here */
    DATAGRAM_BATCH = 32,  /* received, or sent, by one system call */
};

/* Prepares a bound datagram socket. `receive_buffer` bytes are asked of the kernel, which may give
 * less (net.core.rmem_max). Returns whether datagrams must say where they came to (a wildcard). */
bool datagram_socket_tune(const struct socket *socket, size_t receive_buffer);

/* ---- in ---- */

struct inbox; /* room for one batch; some 2 MiB of address space, of which what is used is touched
               */

/* NULL when out of memory. */
struct inbox *inbox_new(void);
void inbox_free(struct inbox *inbox);

struct arrival {
    struct endpoint from;
    struct local to;
    struct slice bytes; /* borrowed until the next inbox_fill */
    bool truncated;     /* by the kernel: not whole, and no use */
};

/* One system call: fills the inbox anew. Returns how many datagrams it has, or -errno. */
int inbox_fill(struct inbox *inbox, int fd);

/* The i-th of them; false when its sender is nobody who could be answered. `missed` is set to how
 * many datagrams the socket has lost for want of room since it was opened, when the kernel says. */
bool inbox_read(const struct inbox *inbox, int i, struct arrival *arrival, uint32_t *missed);

/* ---- out ---- */

struct departure {
    const uint8_t *at;
    uint32_t len;
    struct endpoint to;
    struct local from;
};

/* Sends up to DATAGRAM_BATCH datagrams with one system call. Returns how many the kernel has taken
 * (at least one), or -errno of the first. */
int datagram_socket_send(const struct socket *socket, const struct departure *const *departures,
                         int count);

#endif
