/* notify: see notify.h. Stands beside the way of a message.
 *
 * A datagram that cannot be sent at once is lost: telling how one is must never hold one up. */
#include "daemon/notify.h"

#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { MESSAGE_SIZE = 512 };

/* A whole number from the environment; 0 when there is none. */
static uint64_t number(const char *name)
{
    const char *text = getenv(name);
    char *end;
    if (!text || text[0] < '0' || text[0] > '9')
        return 0;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    return *end == '\0' && errno == 0 ? value : 0;
}

static void open_socket(struct notify *notify)
{
    const char *path = getenv("NOTIFY_SOCKET");
    size_t length = path ? strlen(path) : 0;
    if (length < 2 || length >= sizeof(notify->to.sun_path) || (path[0] != '/' && path[0] != '@'))
        return;
    notify->to.sun_family = AF_UNIX;
    memcpy(notify->to.sun_path, path, length);
    if (path[0] == '@')
        notify->to.sun_path[0] = '\0';
    notify->to_length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
    notify->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
}

void notify_open(struct notify *notify)
{
    *notify = (struct notify){.fd = -1};
    open_socket(notify);
    uint64_t pid = number("WATCHDOG_PID");
    if (notify->fd >= 0 && (pid == 0 || pid == (uint64_t)getpid()))
        notify->watchdog_us = number("WATCHDOG_USEC");
    unsetenv("NOTIFY_SOCKET");
    unsetenv("WATCHDOG_USEC");
    unsetenv("WATCHDOG_PID");
}

void notify_close(struct notify *notify)
{
    if (notify->fd >= 0)
        close(notify->fd);
    notify->fd = -1;
}

static void tell(const struct notify *notify, const char *message)
{
    if (notify->fd < 0)
        return;
    ssize_t sent;
    do
        sent = sendto(notify->fd, message, strlen(message), MSG_NOSIGNAL,
                      (const struct sockaddr *)&notify->to, notify->to_length);
    while (sent < 0 && errno == EINTR);
}

void notify_ready(const struct notify *notify, const char *status)
{
    char message[MESSAGE_SIZE];
    snprintf(message, sizeof(message), "READY=1\nSTATUS=%s", status);
    tell(notify, message);
}

void notify_reloading(const struct notify *notify)
{
    char message[MESSAGE_SIZE];
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    uint64_t us = (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
    snprintf(message, sizeof(message),
             "RELOADING=1\nMONOTONIC_USEC=%" PRIu64 "\nSTATUS=reading the configuration again", us);
    tell(notify, message);
}

void notify_stopping(const struct notify *notify)
{
    tell(notify, "STOPPING=1\nSTATUS=stopping");
}

void notify_alive(const struct notify *notify)
{
    tell(notify, "WATCHDOG=1");
}
