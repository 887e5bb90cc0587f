/* modules: what this siotd is made of: the protocols it speaks, and with them the shape of its
 * configuration. */
#ifndef SIOTD_DAEMON_MODULES_H
#define SIOTD_DAEMON_MODULES_H

#include "config/config.h"
#include "protocols/protocol.h"

/* Every section, protocol and transport that a configuration may name. */
const struct config_schema *modules_schema(void);

/* The protocol of that name, or NULL. */
const struct protocol *modules_protocol(const char *name);

/* What each protocol remembers of peers from before the start comes back; once, when all listeners
 * are open. */
void modules_recall(struct broker *broker, struct loop *loop);

#endif
