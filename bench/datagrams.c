/* datagrams: see datagrams.h. A closed loop, so that nothing is lost for want of room: whoever sent
 * a burst waits until its last datagram is answered. */
#include "bench/datagrams.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ANSWER_MS = 1000, BUFFER = 4 << 20 };

int datagrams_socket(const struct target *target, uint32_t n, int buffer)
{
    struct sockaddr_storage source;
    socklen_t length = target_source(target, n, &source);
    int fd = socket(target->address.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return -errno;
    if (buffer)
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof buffer);
    if ((length && bind(fd, (struct sockaddr *)&source, length) != 0) ||
        connect(fd, (const struct sockaddr *)&target->address, target->address_len) != 0) {
        int error = -errno;
        close(fd);
        return error;
    }
    return fd;
}

int datagrams_open(struct datagrams *datagrams, const struct target *target, uint32_t count)
{
    *datagrams = (struct datagrams){.sockets = calloc(count, sizeof(int))};
    if (!datagrams->sockets)
        return -ENOMEM;
    while (datagrams->count < count) {
        int fd = datagrams_socket(target, datagrams->count, BUFFER);
        if (fd < 0)
            return fd;
        datagrams->sockets[datagrams->count++] = fd;
    }
    return 0;
}

void datagrams_close(struct datagrams *datagrams)
{
    for (uint32_t i = 0; i < datagrams->count; i++)
        close(datagrams->sockets[i]);
    free(datagrams->sockets);
    *datagrams = (struct datagrams){0};
}

/* Whether it was a question, which has been replied to. */
static bool replied(int fd, const struct dialect *dialect, const uint8_t *at, size_t length)
{
    uint8_t reply[DATAGRAM_MOST];
    size_t said = dialect->reply ? dialect->reply(reply, at, length) : 0;

    return said && send(fd, reply, said, 0) == (ssize_t)said;
}

/* Takes `wanted` answers off a socket; how many came in time. */
static uint32_t take(struct datagrams *datagrams, const struct dialect *dialect, uint32_t device,
                     uint32_t wanted)
{
    int fd = datagrams->sockets[device];
    uint8_t answer[DATAGRAM_MOST];
    uint32_t came = 0;

    while (came < wanted) {
        ssize_t length = recv(fd, answer, sizeof answer, MSG_DONTWAIT);
        if (length < 0) {
            struct pollfd readable = {.fd = fd, .events = POLLIN};
            if (poll(&readable, 1, ANSWER_MS) <= 0)
                break;
            continue;
        }
        if (replied(fd, dialect, answer, (size_t)length))
            continue;
        datagrams->answered++;
        datagrams->bad += !dialect->good(device, answer, (size_t)length);
        came++;
    }
    datagrams->lost += wanted - came;
    return came;
}

static int send_burst(int fd, const struct dialect *dialect, uint32_t device, uint32_t burst,
                      uint32_t payload_len)
{
    static uint8_t bytes[BURST_MOST][DATAGRAM_MOST];
    static struct iovec parts[BURST_MOST];
    static struct mmsghdr messages[BURST_MOST];

    for (uint32_t n = 0; n < burst; n++) {
        parts[n] = (struct iovec){bytes[n],
                                  dialect->say(bytes[n], device, n, n + 1 == burst, payload_len)};
        messages[n].msg_hdr = (struct msghdr){.msg_iov = &parts[n], .msg_iovlen = 1};
    }
    for (uint32_t sent = 0; sent < burst;) {
        int done = sendmmsg(fd, messages + sent, burst - sent, 0);
        if (done < 0)
            return -errno;
        sent += (uint32_t)done;
    }
    return 0;
}

static bool greet(struct datagrams *datagrams, const struct dialect *dialect, uint32_t device)
{
    uint8_t greeting[DATAGRAM_MOST];

    for (int tries = 0; tries < 2; tries++) {
        uint64_t bad = datagrams->bad;
        size_t length = dialect->greet(greeting, device);
        if (send(datagrams->sockets[device], greeting, length, 0) == (ssize_t)length &&
            take(datagrams, dialect, device, 1) && datagrams->bad == bad)
            return true;
    }
    return false;
}

uint32_t datagrams_greet(struct datagrams *datagrams, const struct dialect *dialect, uint32_t from,
                         uint32_t to)
{
    uint32_t came = 0;

    for (uint32_t i = from; i < to; i++)
        came += greet(datagrams, dialect, i);
    return came;
}

int datagrams_round(struct datagrams *datagrams, const struct dialect *dialect, uint32_t burst,
                    uint32_t payload_len)
{
    for (uint32_t i = 0; i < datagrams->count; i++) {
        int error = send_burst(datagrams->sockets[i], dialect, i, burst, payload_len);
        if (error < 0)
            return error;
        datagrams->sent += burst;
    }
    for (uint32_t i = 0; i < datagrams->count; i++)
        take(datagrams, dialect, i, dialect->each ? burst : 1);
    return 0;
}
