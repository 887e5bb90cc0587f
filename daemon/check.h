/* check: `siotd -t`: what a configuration would open, and to whom, without opening it. */
#ifndef SIOTD_DAEMON_CHECK_H
#define SIOTD_DAEMON_CHECK_H

#include "config/config.h"
#include <stdio.h>

/* Writes one line for each listener, and a warning for each thing that would fail now but need not
 * fail later: a port in use, a log file that cannot be written. Returns whether the certificates,
 * keys and lists that it names are good; those that are not are named on stderr. */
bool check_print(FILE *to, const struct config *config);

#endif
