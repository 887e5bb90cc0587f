/* figures: what the transports have counted, for the $SYS tree. */
#ifndef SIOTD_DAEMON_FIGURES_H
#define SIOTD_DAEMON_FIGURES_H

#include <stdbool.h>
#include <stddef.h>

struct daemon;

/* One number of struct datagram_counts, as $SYS and metrics name it. */
struct datagram_figure {
    const char *name;
    size_t offset;
    bool dropped; /* the name says why datagrams came to nothing */
};

extern const struct datagram_figure datagram_figures[];
extern const size_t datagram_figure_count;

/* Publishes $SYS/broker/tls/... and $SYS/broker/datagrams/... where there are listeners of that
 * kind. In a turn. */
void figures_say(const struct daemon *daemon);

#endif
