/* socket: see socket.h. Before the way of a message: what listeners accept from. */
#include "transports/socket.h"

#include "base/address.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static int fail(char *why, size_t why_size, int error, const char *what)
{
    snprintf(why, why_size, "%s%s%s", what, *what ? ": " : "", strerror(error));
    return -error;
}

static void switch_on(int fd, int level, int option)
{
    int on = 1;
    setsockopt(fd, level, option, &on, sizeof(on));
}

/* ---- unix sockets ---- */

/* Whether somebody listens on the socket file; 0 when nobody, else an errno. */
static int socket_file_in_use(const struct sockaddr_un *name)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return errno;
    int error = connect(fd, (const struct sockaddr *)name, sizeof(*name)) == 0 ? 0 : errno;
    close(fd);
    if (error == ECONNREFUSED)
        return 0;
    return error == 0 || error == EAGAIN ? EADDRINUSE : error;
}

/* Makes sure that nothing is in the way at `path`: removes a socket file that nobody listens on,
 * and nothing else. Returns 0 or an errno. */
static int clear_path(const struct sockaddr_un *name)
{
    struct stat there;
    if (lstat(name->sun_path, &there) != 0)
        return errno == ENOENT ? 0 : errno;
    if (!S_ISSOCK(there.st_mode))
        return EEXIST;
    int error = socket_file_in_use(name);
    if (error)
        return error;
    return unlink(name->sun_path) == 0 || errno == ENOENT ? 0 : errno;
}

/* Group members may connect, the rest of the machine may not. */
static int bind_file(int fd, const struct sockaddr_un *name)
{
    mode_t before = umask(0117);
    int error = bind(fd, (const struct sockaddr *)name, sizeof(*name)) == 0 ? 0 : errno;
    umask(before);
    return error;
}

static int open_unix(struct socket *s, const char *path, char *why, size_t why_size)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    snprintf(name.sun_path, sizeof(name.sun_path), "%s", path);
    int error = clear_path(&name);
    if (error)
        return fail(why, why_size, error, error == EEXIST ? "something else is there" : "");
    s->path = strdup(path);
    if (!s->path)
        return fail(why, why_size, ENOMEM, "");
    s->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    error = s->fd < 0 ? errno : bind_file(s->fd, &name);
    struct stat made;
    if (error || stat(path, &made) != 0) {
        error = error ? error : errno;
        free(s->path); /* not made by us: not ours to remove */
        s->path = NULL;
        return fail(why, why_size, error, "");
    }
    s->device = made.st_dev;
    s->inode = made.st_ino;
    return 0;
}

/* ---- TCP and UDP ---- */

static socklen_t name_of(const struct address *address, int family, struct sockaddr_storage *name)
{
    memset(name, 0, sizeof(*name));
    if (family == AF_INET) {
        struct sockaddr_in *in = (struct sockaddr_in *)name;
        in->sin_family = AF_INET;
        in->sin_port = htons((uint16_t)address->port);
        if (address->family == ADDRESS_IPV4)
            in->sin_addr = address->v4;
        return sizeof(*in);
    }
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)name;
    in6->sin6_family = AF_INET6;
    in6->sin6_port = htons((uint16_t)address->port);
    if (address->family == ADDRESS_IPV6) {
        in6->sin6_addr = address->v6;
        if (address->scope[0])
            in6->sin6_scope_id = if_nametoindex(address->scope);
    }
    return sizeof(*in6);
}

static int try_ip(struct socket *s, const struct address *address, int family, int type)
{
    s->fd = socket(family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (s->fd < 0)
        return errno;
    if (type == SOCK_STREAM) /* on datagrams it would let others have the same address */
        switch_on(s->fd, SOL_SOCKET, SO_REUSEADDR);
    if (family == AF_INET6) {
        int only = address->family == ADDRESS_IPV6;
        setsockopt(s->fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof(only));
    }
    struct sockaddr_storage name;
    socklen_t length = name_of(address, family, &name);
    int error = bind(s->fd, (const struct sockaddr *)&name, length) == 0 ? 0 : errno;
    if (error) {
        close(s->fd);
        s->fd = -1;
    }
    return error;
}

static int open_ip(struct socket *s, const struct address *address, int type, char *why,
                   size_t why_size)
{
    int family = address->family == ADDRESS_IPV4 ? AF_INET : AF_INET6;
    int error = try_ip(s, address, family, type);
    /* "*" on a machine without IPv6 */
    if (address->family == ADDRESS_ANY && (error == EAFNOSUPPORT || error == EADDRNOTAVAIL))
        error = try_ip(s, address, AF_INET, type);
    return error ? fail(why, why_size, error, "") : 0;
}

/* ---- both ---- */

/* What accepted sockets inherit from the listening one. */
static void tune(struct socket *s)
{
    if (s->family != AF_UNIX)
        switch_on(s->fd, IPPROTO_TCP, TCP_NODELAY);
}

static int family_of(int fd)
{
    struct sockaddr_storage name = {.ss_family = AF_UNSPEC};
    socklen_t length = sizeof(name);
    getsockname(fd, (struct sockaddr *)&name, &length);
    return name.ss_family;
}

int socket_listen(struct socket *s, const char *bind, int backlog, char *why, size_t why_size)
{
    *s = (struct socket){.fd = -1};
    struct address address;
    if (!address_read(bind, &address, why, why_size))
        return -EINVAL;
    int error = address.family == ADDRESS_UNIX ? open_unix(s, address.path, why, why_size)
                                               : open_ip(s, &address, SOCK_STREAM, why, why_size);
    if (error == 0 && listen(s->fd, backlog) != 0)
        error = fail(why, why_size, errno, "");
    if (error) {
        socket_close(s);
        return error;
    }
    s->family = family_of(s->fd);
    tune(s);
    return 0;
}

int socket_bind(struct socket *s, const char *bind, char *why, size_t why_size)
{
    *s = (struct socket){.fd = -1};
    struct address address;
    if (!address_read(bind, &address, why, why_size))
        return -EINVAL;
    if (address.family == ADDRESS_UNIX)
        return fail(why, why_size, EAFNOSUPPORT, "");
    int error = open_ip(s, &address, SOCK_DGRAM, why, why_size);
    if (error == 0)
        s->family = family_of(s->fd);
    return error;
}

static bool is_bound_datagram(int fd)
{
    int type = 0;
    socklen_t length = sizeof(int);
    int family = family_of(fd);
    return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &length) == 0 && type == SOCK_DGRAM &&
           (family == AF_INET || family == AF_INET6);
}

static bool is_listening_stream(int fd)
{
    int type = 0, accepts = 0;
    socklen_t length = sizeof(int);
    if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &length) != 0)
        return false;
    length = sizeof(int);
    return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &accepts, &length) == 0 &&
           type == SOCK_STREAM && accepts;
}

static int take_over(struct socket *s, int fd, char *why, size_t why_size)
{
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0 ||
        fcntl(fd, F_SETFD, FD_CLOEXEC) != 0)
        return fail(why, why_size, errno, "");
    s->fd = fd;
    s->family = family_of(fd);
    return 0;
}

int socket_inherit(struct socket *s, int fd, char *why, size_t why_size)
{
    *s = (struct socket){.fd = -1};
    if (!is_listening_stream(fd)) {
        snprintf(why, why_size, "file descriptor %d is not a listening stream socket", fd);
        return -EINVAL;
    }
    int error = take_over(s, fd, why, why_size);
    if (error == 0)
        tune(s);
    return error;
}

int socket_inherit_bound(struct socket *s, int fd, char *why, size_t why_size)
{
    *s = (struct socket){.fd = -1};
    if (!is_bound_datagram(fd)) {
        snprintf(why, why_size, "file descriptor %d is not a UDP socket", fd);
        return -EINVAL;
    }
    return take_over(s, fd, why, why_size);
}

static void remove_file(struct socket *s)
{
    struct stat there;
    if (lstat(s->path, &there) == 0 && there.st_dev == s->device && there.st_ino == s->inode)
        unlink(s->path);
    free(s->path);
    s->path = NULL;
}

void socket_close(struct socket *s)
{
    if (s->path)
        remove_file(s);
    if (s->fd >= 0)
        close(s->fd);
    s->fd = -1;
}

void socket_acknowledge(int fd)
{
    switch_on(fd, IPPROTO_TCP, TCP_QUICKACK);
}

static char *ip_address(char *to, size_t size, int family, const void *bytes, unsigned port)
{
    static const uint8_t coat[12] = {[10] = 0xff, [11] = 0xff};
    char text[INET6_ADDRSTRLEN];
    if (family == AF_INET6 && memcmp(bytes, coat, sizeof(coat)) == 0) {
        family = AF_INET;
        bytes = (const uint8_t *)bytes + sizeof(coat);
    }
    inet_ntop(family, bytes, text, sizeof(text));
    snprintf(to, size, family == AF_INET6 ? "[%s]:%u" : "%s:%u", text, port);
    return to;
}

char *socket_address(char *to, size_t size, const struct sockaddr_storage *address)
{
    if (address->ss_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)address;
        return ip_address(to, size, AF_INET, &in->sin_addr, ntohs(in->sin_port));
    }
    if (address->ss_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)address;
        return ip_address(to, size, AF_INET6, &in6->sin6_addr, ntohs(in6->sin6_port));
    }
    const struct sockaddr_un *un = (const struct sockaddr_un *)address;
    bool named = address->ss_family == AF_UNIX && un->sun_path[0];
    snprintf(to, size, "%s%s", named ? "unix:" : "unix", named ? un->sun_path : "");
    return to;
}
