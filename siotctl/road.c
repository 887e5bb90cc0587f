/* road: see road.h. */
#include "siotctl/road.h"

#include "siotctl/dialect.h"
#include "siotctl/say.h"
#include "siotctl/secrecy.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { PATIENCE_MS = 10000, NAME_SIZE = 300 };

struct road {
    int fd;
    bool stream;
    struct secrecy *secrecy; /* NULL: in the clear */
    char name[NAME_SIZE];
    uint8_t piece[ROAD_PIECE];
};

volatile sig_atomic_t road_interrupted;

static void note_signal(int number)
{
    (void)number;
    road_interrupted = 1;
}

void road_heed_signals(void)
{
    struct sigaction action = {.sa_handler = note_signal};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

uint64_t road_now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

const char *road_name(const struct road *road)
{
    return road->name;
}

/* Waits for the socket. True: something has happened to it. */
static bool await_socket(const struct road *road, short what, uint64_t wait_ms)
{
    struct pollfd socket = {.fd = road->fd, .events = what};
    int wait = wait_ms < INT32_MAX ? (int)wait_ms : INT32_MAX;
    return !road_interrupted && poll(&socket, 1, wait) > 0;
}

/* ---- opening ---- */

static int connect_in_time(struct road *road, const struct addrinfo *to)
{
    int error = 0;
    socklen_t size = sizeof(error);
    if (connect(road->fd, to->ai_addr, to->ai_addrlen) == 0)
        return 0;
    if (errno != EINPROGRESS)
        return -errno;
    if (!await_socket(road, POLLOUT, PATIENCE_MS))
        return -ETIMEDOUT;
    getsockopt(road->fd, SOL_SOCKET, SO_ERROR, &error, &size);
    return -error;
}

static int connect_to_any(struct road *road, const struct addrinfo *addresses)
{
    int error = -EADDRNOTAVAIL;
    for (const struct addrinfo *at = addresses; at; at = at->ai_next) {
        road->fd = socket(at->ai_family, at->ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        error = road->fd < 0 ? -errno : connect_in_time(road, at);
        if (error == 0)
            return 0;
        if (road->fd >= 0)
            close(road->fd);
        road->fd = -1;
    }
    return error;
}

static bool find_and_connect(struct road *road, const struct order *order)
{
    struct addrinfo *addresses, hints = {.ai_socktype = road->stream ? SOCK_STREAM : SOCK_DGRAM};
    char port[16];
    snprintf(port, sizeof(port), "%u", order->port);
    int unknown = getaddrinfo(order->host, port, &hints, &addresses);
    if (unknown) {
        say_failed("%s: %s", order->host, gai_strerror(unknown));
        return false;
    }
    int error = connect_to_any(road, addresses);
    freeaddrinfo(addresses);
    if (error)
        say_failed("%s: %s", road->name, strerror(-error));
    return error == 0;
}

static bool shake_hands(struct road *road)
{
    uint64_t until = road_now_ms() + PATIENCE_MS + (road->stream ? 0 : 2 * PATIENCE_MS);
    int step;
    while ((step = secrecy_shake(road->secrecy)) == 0) {
        uint64_t now = road_now_ms(), wait = secrecy_wait_ms(road->secrecy);
        if (now >= until || road_interrupted) {
            say_failed("%s: no answer to the handshake%s", road->name,
                       secrecy_silence(road->secrecy));
            return false;
        }
        if (!await_socket(road, POLLIN, wait < until - now ? wait : until - now) &&
            secrecy_late(road->secrecy) < 0)
            step = -1;
        if (step < 0)
            break;
    }
    if (step < 0)
        say_failed("%s: the handshake failed: %s", road->name, secrecy_why(road->secrecy));
    return step > 0;
}

struct road *road_open(const struct order *order)
{
    struct road *road = calloc(1, sizeof(*road));
    if (!road)
        return NULL;
    road->fd = -1;
    road->stream = order->dialect->stream;
    snprintf(road->name, sizeof(road->name), strchr(order->host, ':') ? "[%s]:%u" : "%s:%u",
             order->host, order->port);
    if (!find_and_connect(road, order)) {
        road_close(road);
        return NULL;
    }
    if (order->secure &&
        (!(road->secrecy = secrecy_new(order, road->stream, road->fd)) || !shake_hands(road))) {
        secrecy_free(road->secrecy);
        road->secrecy = NULL;
        road_close(road);
        return NULL;
    }
    return road;
}

void road_close(struct road *road)
{
    if (!road)
        return;
    if (road->secrecy)
        secrecy_goodbye(road->secrecy);
    secrecy_free(road->secrecy);
    if (road->fd >= 0)
        close(road->fd);
    free(road);
}

/* ---- using it ---- */

static ssize_t send_some(struct road *road, struct slice bytes)
{
    if (road->secrecy) {
        ssize_t sent = secrecy_send(road->secrecy, bytes);
        return sent < 0 ? -EPROTO : sent;
    }
    ssize_t sent = send(road->fd, bytes.at, bytes.len, MSG_NOSIGNAL);
    if (sent < 0)
        return errno == EAGAIN || errno == EINTR ? 0 : -errno;
    return sent;
}

int road_send(struct road *road, struct slice bytes)
{
    uint64_t until = road_now_ms() + PATIENCE_MS;
    while (bytes.len) {
        ssize_t sent = send_some(road, bytes);
        /* The port may have been closed for what was sent before: the next one may be heard. */
        if (sent == -ECONNREFUSED && !road->stream)
            sent = send_some(road, bytes);
        if (sent < 0)
            return (int)sent;
        bytes = slice_from(bytes, (size_t)sent);
        if (bytes.len && (road_now_ms() >= until || !await_socket(road, POLLOUT, PATIENCE_MS)))
            return -ETIMEDOUT;
    }
    return 0;
}

/* 1, 0 or -errno. */
static int receive_now(struct road *road, struct slice *got)
{
    if (road->secrecy) {
        size_t len = 0;
        int result = secrecy_receive(road->secrecy, road->piece, ROAD_PIECE, &len);
        *got = slice_of(road->piece, len);
        return result < 0 ? -EPROTO : result;
    }
    ssize_t len = recv(road->fd, road->piece, ROAD_PIECE, 0);
    if (len < 0)
        return errno == EAGAIN || errno == EINTR ? 0 : -errno;
    if (len == 0 && road->stream)
        return -ECONNRESET;
    *got = slice_of(road->piece, (size_t)len);
    return 1;
}

int road_receive(struct road *road, uint64_t wait_ms, struct slice *got)
{
    uint64_t until = road_now_ms() + wait_ms;
    for (;;) {
        int result = receive_now(road, got);
        uint64_t now = road_now_ms();
        if (result != 0 || now >= until || road_interrupted)
            return result;
        await_socket(road, POLLIN, until - now);
    }
}

const char *road_why(const struct road *road, int error)
{
    if (error == -EPROTO && road->secrecy)
        return secrecy_why(road->secrecy);
    if (error == -ECONNRESET)
        return "the broker has closed the connection";
    return strerror(-error);
}
