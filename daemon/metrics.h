/* metrics: all that siotd counts, as text for Prometheus (base/exposition.h). Only renders: who
 * asked for it (a file, a listener) is no concern of it. */
#ifndef SIOTD_DAEMON_METRICS_H
#define SIOTD_DAEMON_METRICS_H

#include "base/buffer.h"
#include <stdbool.h>

struct daemon;

/* Puts the figures as they are now into `text`, which is empty. False when out of memory: `text` is
 * then not whole, and to be cleared all the same. On the loop's thread. */
bool metrics_render(const struct daemon *daemon, struct buffer *text);

#endif
