/* source: where a connection comes from, as far as blame and limits go: an IPv4 address, an IPv6
 * network (the /64 that one customer gets), or this machine's unix sockets. */
#ifndef SIOTD_TRANSPORTS_SOURCE_H
#define SIOTD_TRANSPORTS_SOURCE_H

#include "base/map.h"

struct peer;

enum { SOURCE_KEY_SIZE = 9 };

/* 4 and an address, 6 and a network, 0 for unix sockets. */
void source_name(const struct peer *peer, uint8_t key[SOURCE_KEY_SIZE]);

/* The same for a part of the net: 4 or 6, and the first bits of an IPv6 or mapped IPv4 address; at
 * most 32 and 64 of them, whole bytes. */
void source_prefix(uint8_t key[SOURCE_KEY_SIZE], const uint8_t address[16], unsigned bits_ipv4,
                   unsigned bits_ipv6);

/* How many connections each source has. */
void sources_init(struct map *sources);
void sources_clear(struct map *sources);

/* One more connection. Returns 0, -EUSERS when the source has `most` already, or -ENOMEM. Unix
 * sockets are not counted: all of them are one source. */
int sources_enter(struct map *sources, const struct peer *peer, uint64_t most);

/* The same for any key. */
int sources_enter_key(struct map *sources, const uint8_t key[SOURCE_KEY_SIZE], uint64_t most);
void sources_leave_key(struct map *sources, const uint8_t key[SOURCE_KEY_SIZE]);

/* One less; harmless for a source that is not counted. */
void sources_leave(struct map *sources, const struct peer *peer);

#endif
