/* endpoint: see endpoint.h. */
#include "transports/endpoint.h"

#include <netinet/in.h>

static const uint8_t coat[12] = {[10] = 0xff, [11] = 0xff};

_Static_assert(sizeof(struct endpoint) == 24, "an endpoint has no padding");

bool endpoint_is_ipv4(const uint8_t address[16])
{
    return memcmp(address, coat, sizeof(coat)) == 0;
}

bool endpoint_read(struct endpoint *to, const struct sockaddr_storage *from)
{
    *to = (struct endpoint){.port = 0};
    if (from->ss_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)from;
        memcpy(to->address, coat, sizeof(coat));
        memcpy(to->address + sizeof(coat), &in->sin_addr, 4);
        to->port = ntohs(in->sin_port);
        return true;
    }
    if (from->ss_family != AF_INET6)
        return false;
    const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)from;
    memcpy(to->address, &in6->sin6_addr, sizeof(to->address));
    to->port = ntohs(in6->sin6_port);
    if (IN6_IS_ADDR_LINKLOCAL(&in6->sin6_addr))
        to->scope = in6->sin6_scope_id;
    return true;
}

socklen_t endpoint_write(struct sockaddr_storage *to, int family, const struct endpoint *from)
{
    if (family == AF_INET) {
        struct sockaddr_in *in = (struct sockaddr_in *)to;
        *in = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(from->port)};
        memcpy(&in->sin_addr, from->address + sizeof(coat), 4);
        return sizeof(*in);
    }
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)to;
    *in6 = (struct sockaddr_in6){
        .sin6_family = AF_INET6, .sin6_port = htons(from->port), .sin6_scope_id = from->scope};
    memcpy(&in6->sin6_addr, from->address, sizeof(in6->sin6_addr));
    return sizeof(*in6);
}
