/* address: see address.h. Stands beside the way of a message: the configuration asks it. Pure. */
#include "base/address.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

/* The port at the end; -1 when it is none. */
static int read_port(const char *text)
{
    int port = 0;
    size_t length = strlen(text);
    if (length == 0 || length > 5)
        return -1;
    for (; *text; text++) {
        if (*text < '0' || *text > '9')
            return -1;
        port = port * 10 + (*text - '0');
    }
    return port <= 65535 ? port : -1;
}

static bool read_unix(const char *path, struct address *address, char *why, size_t why_size)
{
    struct sockaddr_un room;
    address->family = ADDRESS_UNIX;
    address->path = path;
    if (path[0] != '/') {
        snprintf(why, why_size, "has no absolute path after unix:");
        return false;
    }
    if (strlen(path) >= sizeof(room.sun_path)) {
        snprintf(why, why_size, "is longer than the %zu bytes that a socket's path may have",
                 sizeof(room.sun_path) - 1);
        return false;
    }
    return true;
}

/* "::1" or "fe80::1%eth0", without brackets. */
static bool read_ipv6(char *host, struct address *address)
{
    char *scope = strchr(host, '%');
    if (scope) {
        *scope++ = '\0';
        if (*scope == '\0' || strlen(scope) >= sizeof(address->scope))
            return false;
        strcpy(address->scope, scope);
    }
    address->family = ADDRESS_IPV6;
    return inet_pton(AF_INET6, host, &address->v6) == 1;
}

static bool read_host(const char *text, size_t length, struct address *address)
{
    char host[INET6_ADDRSTRLEN + sizeof(address->scope) + 1];
    if (length >= sizeof(host))
        return false;
    memcpy(host, text, length);
    host[length] = '\0';
    if (strcmp(host, "*") == 0) {
        address->family = ADDRESS_ANY;
        return true;
    }
    if (length >= 2 && host[0] == '[' && host[length - 1] == ']') {
        host[length - 1] = '\0';
        return read_ipv6(host + 1, address);
    }
    address->family = ADDRESS_IPV4;
    return inet_pton(AF_INET, host, &address->v4) == 1;
}

bool address_read(const char *text, struct address *address, char *why, size_t why_size)
{
    struct in6_addr probe;
    *address = (struct address){.port = 0};
    if (strncmp(text, "unix:", 5) == 0)
        return read_unix(text + 5, address, why, why_size);
    const char *colon = strrchr(text, ':');
    if (inet_pton(AF_INET6, text, &probe) == 1) {
        snprintf(why, why_size, "is an IPv6 address without [brackets]:port");
        return false;
    }
    if (!colon || (strchr(text, ']') && colon < strchr(text, ']'))) {
        snprintf(why, why_size, "has no port: write address:port, [::]:port, *:port or unix:/path");
        return false;
    }
    int port = read_port(colon + 1);
    if (port < 0) {
        snprintf(why, why_size, "has no port from 0 to 65535");
        return false;
    }
    address->port = (unsigned)port;
    if (!read_host(text, (size_t)(colon - text), address)) {
        snprintf(why, why_size,
                 "is no numeric address: write 127.0.0.1:port, [::1]:port, *:port or unix:/path");
        return false;
    }
    return true;
}

static bool covers(const struct address *wide, const struct address *narrow)
{
    if (wide->family == ADDRESS_ANY)
        return true;
    if (wide->family != narrow->family)
        return false;
    if (wide->family == ADDRESS_IPV4)
        return wide->v4.s_addr == htonl(INADDR_ANY) || wide->v4.s_addr == narrow->v4.s_addr;
    return IN6_IS_ADDR_UNSPECIFIED(&wide->v6) ||
           (IN6_ARE_ADDR_EQUAL(&wide->v6, &narrow->v6) && strcmp(wide->scope, narrow->scope) == 0);
}

bool address_overlap(const struct address *a, const struct address *b)
{
    if (a->family == ADDRESS_UNIX || b->family == ADDRESS_UNIX)
        return a->family == b->family && strcmp(a->path, b->path) == 0;
    return a->port == b->port && a->port != 0 && (covers(a, b) || covers(b, a));
}
