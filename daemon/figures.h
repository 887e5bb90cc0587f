/* figures: what the transports have counted, for the $SYS tree. */
#ifndef SIOTD_DAEMON_FIGURES_H
#define SIOTD_DAEMON_FIGURES_H

struct daemon;

/* Publishes $SYS/broker/tls/... and $SYS/broker/datagrams/... where there are listeners of that
 * kind. In a turn. */
void figures_say(const struct daemon *daemon);

#endif
