/* notify: the service manager told how things stand, in the sd_notify protocol, without its
 * library.
 *
 * Without a NOTIFY_SOCKET in the environment every call does nothing. */
#ifndef SIOTD_DAEMON_NOTIFY_H
#define SIOTD_DAEMON_NOTIFY_H

#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

struct notify {
    int fd; /* -1: nobody wants to know */
    struct sockaddr_un to;
    socklen_t to_length;
    uint64_t watchdog_us; /* how often a sign of life is wanted; 0: never */
};

/* Reads NOTIFY_SOCKET (a path, or "@name" in the abstract namespace), WATCHDOG_USEC and
 * WATCHDOG_PID, and takes them out of the environment. The socket stays open, so that later
 * messages need no descriptor. */
void notify_open(struct notify *notify);
void notify_close(struct notify *notify);

/* Ready, with a line for `systemctl status`. Also says that a reload is over. */
void notify_ready(const struct notify *notify, const char *status);

/* The configuration is being read again; with the monotonic time, as Type=notify-reload wants it.
 */
void notify_reloading(const struct notify *notify);

/* On the way out. */
void notify_stopping(const struct notify *notify);

/* A sign of life. */
void notify_alive(const struct notify *notify);

#endif
