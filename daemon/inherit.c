/* inherit: see inherit.h. Stands beside the way of a message: it is used once, at start.
 *
 * Names go first: only when every listener has looked for its name are the rest matched by
 * address, so a socket is never taken from the listener that it is named after. A listener on
 * datagrams takes sockets for datagrams only, and one on streams the others: a unit may open both
 * under one name. */
#include "daemon/inherit.h"

#include "base/address.h"
#include "base/log.h"
#include "transports/stacks.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static long number(const char *name)
{
    const char *text = getenv(name);
    char *end;
    if (!text || text[0] < '0' || text[0] > '9')
        return 0;
    long value = strtol(text, &end, 10);
    return *end == '\0' ? value : 0;
}

/* The n-th of the names that colons separate; "" when there are not so many. */
static void name_of(const char *names, size_t n, char *to, size_t size)
{
    to[0] = '\0';
    while (names && n--) {
        names = strchr(names, ':');
        names = names ? names + 1 : NULL;
    }
    if (!names)
        return;
    size_t length = strcspn(names, ":");
    length = length < size ? length : size - 1;
    memcpy(to, names, length);
    to[length] = '\0';
}

void inherit_collect(struct inheritance *inheritance, int first)
{
    const char *names = getenv("LISTEN_FDNAMES");
    long count = number("LISTEN_PID") == (long)getpid() ? number("LISTEN_FDS") : 0;
    inheritance->count = 0;
    for (long i = 0; i < count && i < INHERIT_MAX; i++) {
        struct inherited *socket = &inheritance->sockets[inheritance->count];
        socket->fd = first + (int)i;
        if (fcntl(socket->fd, F_SETFD, FD_CLOEXEC) < 0)
            continue; /* no such descriptor, whatever the environment says */
        name_of(names, (size_t)i, socket->name, sizeof(socket->name));
        inheritance->count++;
    }
    unsetenv("LISTEN_PID");
    unsetenv("LISTEN_FDS");
    unsetenv("LISTEN_FDNAMES");
}

static int take(struct inherited *socket)
{
    int fd = socket->fd;
    socket->fd = -1;
    return fd;
}

/* Whether it is there, and of the kind that the listener needs. */
static bool is_fit(const struct inherited *socket, const struct listener_settings *listener)
{
    const struct stack *stack = stack_find(listener->transport);
    int wanted = stack && stack->carrier == CARRIER_DATAGRAM ? SOCK_DGRAM : SOCK_STREAM, type = 0;
    socklen_t length = sizeof(type);
    return socket->fd >= 0 && getsockopt(socket->fd, SOL_SOCKET, SO_TYPE, &type, &length) == 0 &&
           type == wanted;
}

static int take_by_name(struct inheritance *inheritance, const struct listener_settings *listener)
{
    for (size_t i = 0; i < inheritance->count; i++)
        if (is_fit(&inheritance->sockets[i], listener) &&
            strcmp(inheritance->sockets[i].name, listener->name) == 0)
            return take(&inheritance->sockets[i]);
    return -1;
}

/* Whether a socket has the address that `bind` says. */
static bool is_at(int fd, const struct address *bind)
{
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
        struct sockaddr_un path;
    } at = {.any = {.sa_family = AF_UNSPEC}};
    socklen_t length = sizeof(at);
    if (getsockname(fd, &at.any, &length) < 0)
        return false;
    bool any = bind->family == ADDRESS_ANY;
    switch (at.any.sa_family) {
    case AF_INET:
        return ntohs(at.v4.sin_port) == bind->port &&
               (any ? at.v4.sin_addr.s_addr == htonl(INADDR_ANY)
                    : bind->family == ADDRESS_IPV4 && at.v4.sin_addr.s_addr == bind->v4.s_addr);
    case AF_INET6:
        return ntohs(at.v6.sin6_port) == bind->port &&
               (any ? IN6_IS_ADDR_UNSPECIFIED(&at.v6.sin6_addr)
                    : bind->family == ADDRESS_IPV6 &&
                          IN6_ARE_ADDR_EQUAL(&at.v6.sin6_addr, &bind->v6));
    case AF_UNIX:
        return bind->family == ADDRESS_UNIX &&
               strncmp(at.path.sun_path, bind->path, sizeof(at.path.sun_path)) == 0;
    default:
        return false;
    }
}

static int take_by_address(struct inheritance *inheritance,
                           const struct listener_settings *listener)
{
    struct address address;
    char why[128];
    if (!address_read(listener->bind, &address, why, sizeof(why)))
        return -1;
    for (size_t i = 0; i < inheritance->count; i++)
        if (is_fit(&inheritance->sockets[i], listener) &&
            is_at(inheritance->sockets[i].fd, &address))
            return take(&inheritance->sockets[i]);
    return -1;
}

/* Whether a socket is left that is named after the listener: only one of the wrong kind is. */
static bool is_misfit_there(const struct inheritance *inheritance,
                            const struct listener_settings *listener)
{
    for (size_t i = 0; i < inheritance->count; i++)
        if (inheritance->sockets[i].fd >= 0 &&
            strcmp(inheritance->sockets[i].name, listener->name) == 0)
            return true;
    return false;
}

bool inherit_assign(struct inheritance *inheritance, const struct config *config, int *fds)
{
    for (size_t i = 0; i < config->listener_count; i++)
        fds[i] = take_by_name(inheritance, &config->listeners[i]);
    for (size_t i = 0; i < config->listener_count; i++)
        if (fds[i] < 0)
            fds[i] = take_by_address(inheritance, &config->listeners[i]);
    bool fit = true;
    for (size_t i = 0; i < config->listener_count; i++) {
        const struct listener_settings *listener = &config->listeners[i];
        if (fds[i] >= 0 || !is_misfit_there(inheritance, listener))
            continue;
        log_line(LOG_ERROR, "siotd",
                 "listener %s: the inherited socket of that name is not of the kind that %s needs",
                 listener->name, listener->transport);
        fit = false;
    }
    return fit;
}

void inherit_clear(struct inheritance *inheritance)
{
    for (size_t i = 0; i < inheritance->count; i++) {
        struct inherited *socket = &inheritance->sockets[i];
        if (socket->fd < 0)
            continue;
        char name[LOG_ESCAPED_SIZE];
        log_line(LOG_WARNING, "siotd",
                 "the inherited socket \"%s\" belongs to no listener; it is closed",
                 log_escape(name, sizeof(name), slice_of_str(socket->name)));
        close(take(socket));
    }
    inheritance->count = 0;
}
