/* inherit: sockets that the service manager has opened for us (LISTEN_FDS).
 *
 * Each belongs to one listener of the configuration: the one it is named after, else the one whose
 * address it has. What belongs to nobody is closed, and said. A listener that has got none although
 * one is named after it ends the start: the unit that opens it is wrong, and who had it opened
 * there would wait for siotd in vain. */
#ifndef SIOTD_DAEMON_INHERIT_H
#define SIOTD_DAEMON_INHERIT_H

#include "config/config.h"

enum { INHERIT_MAX = 256 };

struct inherited {
    int fd;         /* -1 once a listener has it */
    char name[128]; /* from LISTEN_FDNAMES, cut; "" without */
};

struct inheritance {
    struct inherited sockets[INHERIT_MAX];
    size_t count;
};

/* Reads LISTEN_PID, LISTEN_FDS and LISTEN_FDNAMES and takes them out of the environment; the
 * descriptors begin at `first` (3 by the protocol) and become close-on-exec. */
void inherit_collect(struct inheritance *inheritance, int first);

/* Gives each listener its socket: fds[i] for config->listeners[i], -1 where there is none. The
 * caller owns what it was given. False: a listener's socket is of the wrong kind, datagrams for a
 * stream or the other way round, which has been logged. */
bool inherit_assign(struct inheritance *inheritance, const struct config *config, int *fds);

/* Closes what is left, with a warning for each. */
void inherit_clear(struct inheritance *inheritance);

#endif
