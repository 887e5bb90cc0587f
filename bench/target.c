/* Where the load goes. Invariant: a struct target never holds anything but a loopback address. */
#include "bench/target.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

enum { PORTS_PER_SOURCE = 20000 }; /* fewer than the ephemeral ports of a default kernel */

int target_parse(struct target *target, const char *host, uint16_t port)
{
    struct sockaddr_in *v4 = (struct sockaddr_in *)&target->address;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&target->address;

    memset(target, 0, sizeof *target);
    if (strcmp(host, "localhost") == 0)
        host = "127.0.0.1";
    if (inet_pton(AF_INET, host, &v4->sin_addr) == 1 && ntohl(v4->sin_addr.s_addr) >> 24 == 127) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons(port);
        target->address_len = sizeof *v4;
        return 0;
    }
    memset(target, 0, sizeof *target);
    if (inet_pton(AF_INET6, host, &v6->sin6_addr) == 1 && IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr)) {
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons(port);
        target->address_len = sizeof *v6;
        return 0;
    }
    fprintf(stderr,
            "siotd-bench: %s is not this machine: only 127.0.0.0/8, ::1 and localhost are loaded\n",
            host);
    return -1;
}

socklen_t target_source(const struct target *target, uint32_t n, struct sockaddr_storage *source)
{
    struct sockaddr_in *v4 = (struct sockaddr_in *)source;

    if (target->address.ss_family != AF_INET || n < PORTS_PER_SOURCE)
        return 0;
    memset(source, 0, sizeof *source);
    v4->sin_family = AF_INET;
    v4->sin_addr.s_addr = htonl(INADDR_LOOPBACK + n / PORTS_PER_SOURCE);
    return sizeof *v4;
}
