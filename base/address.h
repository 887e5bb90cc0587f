/* address: where a listener listens, as it is written: address:port, [::]:port, *:port, unix:/path.
 *
 * Only numbers: what a name resolves to tomorrow is nothing to open a port on today. */
#ifndef SIOTD_BASE_ADDRESS_H
#define SIOTD_BASE_ADDRESS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>

enum address_family { ADDRESS_IPV4, ADDRESS_IPV6, ADDRESS_ANY, ADDRESS_UNIX };

struct address {
    enum address_family family; /* ADDRESS_ANY: "*", IPv4 and IPv6 alike */
    struct in_addr v4;
    struct in6_addr v6;
    char scope[16];   /* of a link-local IPv6 address: "eth0"; empty without */
    unsigned port;    /* 0: the kernel is to choose one, or a unix socket */
    const char *path; /* of a unix socket; points into the text that was read */
};

/* Reads an address. Returns false with a reason in `why`, which follows the text in a message
 * ("has no port"). */
bool address_read(const char *text, struct address *address, char *why, size_t why_size);

/* Whether two listeners cannot have both: the same socket file, or the same port on addresses that
 * are equal or contain each other. Port 0 is never taken. */
bool address_overlap(const struct address *a, const struct address *b);

#endif
