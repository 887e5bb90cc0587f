/* answered: what has been dealt with not long ago, of all devices together.
 *
 * Who only publishes on udp has no peer, so that strangers cost no memory; that a PUB has come
 * before is remembered here, by a keyed hash, in a table of fixed size. The oldest of a bucket
 * gives way when it is full: then a PUB that comes again is published again, as at-least-once
 * allows. */
#ifndef SIOTD_PROTOCOLS_RAW_ANSWERED_H
#define SIOTD_PROTOCOLS_RAW_ANSWERED_H

#include "base/slice.h"

struct answered;
struct raw_connection;

/* A table for that many, at least 4; NULL when out of memory. */
struct answered *answered_new(uint64_t entries);
void answered_free(struct answered *answered); /* NULL allowed */

/* Whether the key was put and its time is not over; *promise (may be NULL) is what was put with it.
 */
bool answered_find(const struct answered *answered, uint64_t key, uint64_t now_ms,
                   uint64_t *promise);

/* Remembers a key until then, and the promise that its answer had to wait for (broker_promise). */
void answered_put(struct answered *answered, uint64_t key, uint64_t now_ms, uint64_t until_ms,
                  uint64_t promise);

/* ---- the two tables of this process, made on first use ---- */

enum raw_recently { RAW_PUBLISHED, RAW_REFUSED, RAW_RECENTS };

/* What tells a datagram of this device from all others: a keyed hash of the device (its proven
 * identity, else its address), the listener and the bytes. */
uint64_t raw_recent_key(const struct raw_connection *c, struct slice datagram);

/* As answered_find and answered_put, of one of them; without memory nothing is remembered.
 * `entries` is the size of a table that is made now. */
bool raw_recent_find(enum raw_recently what, uint64_t key, uint64_t now_ms, uint64_t *promise);
void raw_recent_put(enum raw_recently what, uint64_t entries, uint64_t key, uint64_t now_ms,
                    uint64_t until_ms, uint64_t promise);

/* Frees both: nothing has happened recently. */
void raw_recent_clear(void);

#endif
