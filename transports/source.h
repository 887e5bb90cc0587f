/* source: where a connection comes from, as far as blame and limits go: an IPv4 address, an IPv6
 * network (the /64 that one customer gets), or this machine's unix sockets. */
#ifndef SIOTD_TRANSPORTS_SOURCE_H
#define SIOTD_TRANSPORTS_SOURCE_H

#include "base/map.h"

struct peer;

enum { SOURCE_KEY_SIZE = 9 };

/* 4 and an address, 6 and a network, 0 for unix sockets. */
void source_name(const struct peer *peer, uint8_t key[SOURCE_KEY_SIZE]);

/* How many connections each source has. */
void sources_init(struct map *sources);
void sources_clear(struct map *sources);

/* One more connection. Returns 0, -EUSERS when the source has `most` already, or -ENOMEM. Unix
 * sockets are not counted: all of them are one source. */
int sources_enter(struct map *sources, const struct peer *peer, uint64_t most);

/* One less; harmless for a source that is not counted. */
void sources_leave(struct map *sources, const struct peer *peer);

#endif
