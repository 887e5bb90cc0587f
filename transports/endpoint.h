/* endpoint: where a datagram came from and where one goes, in a form that can be compared and
 * hashed (struct endpoint, datagram_layer.h), and the kernel's form of the same. Pure. */
#ifndef SIOTD_TRANSPORTS_ENDPOINT_H
#define SIOTD_TRANSPORTS_ENDPOINT_H

#include "transports/datagram_layer.h"

/* An address of this machine's that a datagram came to, and that the answer is to leave from. */
struct local {
    uint8_t address[16]; /* IPv6, or IPv4 mapped into it; all zero: the kernel chooses */
    uint32_t interface;  /* of a link-local address, else 0 */
};

/* The canonical form of a socket address; false when it is neither IPv4 nor IPv6. */
bool endpoint_read(struct endpoint *to, const struct sockaddr_storage *from);

/* The kernel's form for a socket of that family (AF_INET or AF_INET6); returns its length. */
socklen_t endpoint_write(struct sockaddr_storage *to, int family, const struct endpoint *from);

/* Whether 16 bytes are an IPv4 address mapped into IPv6. */
bool endpoint_is_ipv4(const uint8_t address[16]);

static inline bool endpoint_equal(const struct endpoint *a, const struct endpoint *b)
{
    return memcmp(a, b, sizeof(*a)) == 0;
}

static inline struct slice endpoint_slice(const struct endpoint *endpoint)
{
    return slice_of(endpoint, sizeof(*endpoint));
}

#endif
