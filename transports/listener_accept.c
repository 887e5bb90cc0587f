/* listener_accept: see listener_accept.h. Where peers on streams come from.
 *
 * Invariant: while `retry` is set or the listener is stopped, its socket is not polled. */
#include "transports/listener_accept.h"

#include "broker/stats.h"
#include "transports/peer_state.h"
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

enum {
    ACCEPTS_MAX = 256, /* per event, so that a flood of connections starves nobody */
    PAUSE_MIN_MS = 100,
    PAUSE_MAX_MS = 1000,
    LINES_PER_SECOND = 2, /* of each kind that strangers can cause */
};

static const char *about(const struct listener *listener, char to[PEER_ADDRESS_SIZE * 2])
{
    snprintf(to, PEER_ADDRESS_SIZE * 2, "listener %s", listener->settings.name);
    return to;
}

static void log_rated(struct listener *listener, struct log_rate *rate, const char *text)
{
    char whom[PEER_ADDRESS_SIZE * 2];
    uint32_t missed;
    if (!log_rate_allows(rate, listener->loop->now_ms, LINES_PER_SECOND, &missed))
        return;
    if (missed)
        log_line(LOG_WARNING, about(listener, whom), "%s (%u more like this were not logged)", text,
                 missed);
    else
        log_line(LOG_WARNING, about(listener, whom), "%s", text);
}

static void on_poll(uv_poll_t *poll, int status, int events);

static void on_retry(struct timer *timer)
{
    struct listener *listener = timer_owner(timer, struct listener, retry);
    uv_poll_start(&listener->poll, UV_READABLE, on_poll);
}

/* Without descriptors or memory the next accept would fail at once, and libuv would ask again and
 * again: so ask later. Connections wait in the kernel meanwhile. */
static void pause_accepting(struct listener *listener, int error)
{
    char text[160];
    listener->pause_ms = listener->pause_ms ? listener->pause_ms * 2 : PAUSE_MIN_MS;
    if (listener->pause_ms > PAUSE_MAX_MS)
        listener->pause_ms = PAUSE_MAX_MS;
    listener->counts.back_offs++;
    uv_poll_stop(&listener->poll);
    timer_set(&listener->loop->wheel, &listener->retry,
              listener->loop->now_ms + listener->pause_ms);
    snprintf(text, sizeof(text), "cannot accept: %s; next attempt in %llu ms", strerror(error),
             (unsigned long long)listener->pause_ms);
    log_rated(listener, &listener->pauses, text);
}

/* Closes the oldest stranger. False when there is none. */
static bool displace(struct listener *listener, const char *why)
{
    struct list *oldest = list_first(&listener->strangers);
    if (!oldest)
        return false;
    listener->counts.displaced++;
    peer_life_kill(list_item(oldest, struct peer, siblings), "gave way to a newer connection");
    log_rated(listener, &listener->displacements, why);
    return true;
}

static void refuse(struct listener *listener, int fd, const struct sockaddr_storage *from,
                   const char *why)
{
    char address[PEER_ADDRESS_SIZE * 2], text[PEER_ADDRESS_SIZE * 4];
    listener->counts.refused++;
    close(fd);
    snprintf(text, sizeof(text), "refused %s: %s", socket_address(address, sizeof(address), from),
             why);
    log_rated(listener, &listener->refusals, text);
}

static void admit(struct listener *listener, int fd, const struct sockaddr_storage *from)
{
    listener->pause_ms = 0;
    listener->counts.accepted++;
    listener->stats->connections_accepted++;
    if (listener->connections >= listener->settings.max_connections &&
        !displace(listener, "max_connections is reached: the oldest stranger gives way")) {
        refuse(listener, fd, from, "max_connections is reached");
        return;
    }
    int error = peer_life_admit(listener, fd, from);
    if (error)
        refuse(listener, fd, from, error == -EUSERS ? "per_source is reached" : strerror(-error));
    while (listener->stranger_count > listener->strangers_max)
        displace(listener, "too many connections that were not let in yet: the oldest gives way");
}

/* Whether as many as accept_rate allows have been accepted in this second; if so, the others wait
 * in the kernel for the next one. */
static bool is_hurried(struct listener *listener)
{
    uint64_t second = listener->loop->now_ms / 1000;
    if (listener->second != second)
        listener->accepted_in_second = 0;
    listener->second = second;
    if (listener->accepted_in_second < listener->settings.accept_rate)
        return false;
    listener->counts.hurried++;
    uv_poll_stop(&listener->poll);
    timer_set(&listener->loop->wheel, &listener->retry, (second + 1) * 1000);
    log_rated(listener, &listener->pauses, "accept_rate is reached: more are accepted next second");
    return true;
}

static bool lacks_descriptors(int error)
{
    return error == EMFILE || error == ENFILE;
}

/* Whether somebody gave up between connecting and being accepted, which is nobody's fault. */
static bool is_passing(int error)
{
    return error == EINTR || error == ECONNABORTED || error == EPROTO || error == ENETDOWN ||
           error == ENETUNREACH || error == EHOSTDOWN || error == EHOSTUNREACH || error == EPERM ||
           error == ENONET || error == ENOPROTOOPT;
}

static void accept_some(struct listener *listener)
{
    for (int n = 0; n < ACCEPTS_MAX && !listener->stopped && !is_hurried(listener); n++) {
        struct sockaddr_storage from = {.ss_family = AF_UNIX};
        socklen_t length = sizeof(from);
        int fd = accept4(listener->socket.fd, (struct sockaddr *)&from, &length,
                         SOCK_NONBLOCK | SOCK_CLOEXEC);
        listener->loop->counts.accepts++;
        int error = fd < 0 ? errno : 0;
        if (fd >= 0) {
            listener->accepted_in_second++;
            admit(listener, fd, &from);
            continue;
        }
        if (is_passing(error) ||
            (lacks_descriptors(error) &&
             displace(listener, "no descriptors are left: the oldest stranger gives way")))
            continue;
        if (error != EAGAIN)
            pause_accepting(listener, error);
        return;
    }
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct listener *listener = poll->data;
    (void)events;
    loop_enter(listener->loop);
    if (status < 0)
        pause_accepting(listener, -status); /* libuv has stopped to poll */
    else
        accept_some(listener);
    loop_leave(listener->loop);
}

int accept_open(struct listener *listener)
{
    timer_init(&listener->retry, on_retry);
    int error = uv_poll_init(&listener->loop->uv, &listener->poll, listener->socket.fd);
    if (error)
        return error;
    listener->poll.data = listener;
    uv_poll_start(&listener->poll, UV_READABLE, on_poll);
    return 0;
}

void accept_stop(struct listener *listener)
{
    timer_cancel(&listener->loop->wheel, &listener->retry);
    uv_poll_stop(&listener->poll);
    socket_close(&listener->socket);
}
