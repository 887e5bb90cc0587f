/* privileges: what the process may do and how much it may open. */
#ifndef SIOTD_DAEMON_PRIVILEGES_H
#define SIOTD_DAEMON_PRIVILEGES_H

#include "config/config.h"

/* Raises the limit of open descriptors as far as it goes, and warns when that is less than the
 * listeners' max_connections need, and when the process runs as root, which it never needs to. */
void privileges_prepare(const struct config *config);

#endif
