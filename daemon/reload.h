/* reload: the configuration read again while the daemon runs (SIGHUP). */
#ifndef SIOTD_DAEMON_RELOAD_H
#define SIOTD_DAEMON_RELOAD_H

struct daemon;

/* Reads the whole file first; any mistake, or anything that cannot be had, and nothing changes,
 * which the log explains. Otherwise every key that may change while running is applied at once, and
 * the log says for each key that differs "applied" or "needs restart". */
void reload(struct daemon *daemon);

#endif
