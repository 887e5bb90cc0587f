/* Plain TCP: the wire is the socket. */
#include "bench/transport.h"

#include <errno.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <unistd.h>

static int bind_source(int fd, const struct target *target, uint32_t n)
{
    struct sockaddr_storage source;
    socklen_t len = target_source(target, n, &source);
    int on = 1;

    if (!len)
        return 0;
    /* Without this the kernel picks a port at bind, unique to the address rather than to the
     * connection, and runs out early. */
    if (setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on) < 0 ||
        bind(fd, (struct sockaddr *)&source, len) < 0)
        return -errno;
    return 0;
}

static int tcp_connect(struct wire *wire, const struct target *target, uint32_t n)
{
    int on = 1, result;

    wire->fd = -1;
    int fd = socket(target->address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    result = setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) < 0
                 ? -errno
                 : bind_source(fd, target, n);
    if (result == 0 &&
        connect(fd, (const struct sockaddr *)&target->address, target->address_len) < 0 &&
        errno != EINPROGRESS)
        result = -errno;
    if (result < 0) {
        close(fd);
        return result;
    }
    wire->fd = fd;
    return 0;
}

static int tcp_establish(struct wire *wire, uint32_t *events)
{
    int failure = 0;
    socklen_t len = sizeof failure;

    if (getsockopt(wire->fd, SOL_SOCKET, SO_ERROR, &failure, &len) < 0)
        return -errno;
    *events = EPOLLIN;
    return failure ? -failure : 1;
}

static ssize_t tcp_read(struct wire *wire, void *to, size_t len)
{
    ssize_t got;

    do {
        got = read(wire->fd, to, len);
    } while (got < 0 && errno == EINTR);
    return got < 0 ? -errno : got;
}

static ssize_t tcp_writev(struct wire *wire, const struct iovec *parts, int count)
{
    struct msghdr message = {.msg_iov = (struct iovec *)parts, .msg_iovlen = (size_t)count};
    ssize_t put;

    do {
        put = sendmsg(wire->fd, &message, MSG_NOSIGNAL);
    } while (put < 0 && errno == EINTR);
    return put < 0 ? -errno : put;
}

static void tcp_close(struct wire *wire)
{
    if (wire->fd >= 0)
        close(wire->fd);
    wire->fd = -1;
}

uint64_t transport_received(const struct wire *wire)
{
    struct tcp_info info = {0};
    socklen_t len = sizeof info;

    if (wire->fd < 0 || getsockopt(wire->fd, IPPROTO_TCP, TCP_INFO, &info, &len) < 0)
        return 0;
    return info.tcpi_bytes_received;
}

const struct transport transport_tcp = {
    .name = "tcp",
    .connect = tcp_connect,
    .establish = tcp_establish,
    .read = tcp_read,
    .writev = tcp_writev,
    .close = tcp_close,
};
