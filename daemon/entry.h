/* entry: who may come in by a listener, in words. */
#ifndef SIOTD_DAEMON_ENTRY_H
#define SIOTD_DAEMON_ENTRY_H

#include "broker/access.h"
#include "transports/listener_settings.h"
#include <stddef.h>

enum { ENTRY_SIZE = 512 };

/* "mqtt: 127.0.0.1:1883, mqtt over tcp: open to everybody on this machine, without credentials".
 * `address` is where it listens, or will; returns `to`. */
const char *entry_text(const struct listener_settings *listener, const struct access *access,
                       const char *address, char to[ENTRY_SIZE]);

#endif
