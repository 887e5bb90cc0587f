/* hash: keyed hashing for tables whose keys strangers choose.
 *
 * XXH3 over a secret drawn at start, so that nobody can aim for one bucket. */
#ifndef SIOTD_BASE_HASH_H
#define SIOTD_BASE_HASH_H

#include "base/slice.h"

/* Sets the process's secret from `seed`; called once before the first table is used. Tests give a
 * constant, the daemon gives random_u64(). */
void hash_start(uint64_t seed);

/* Stops the process when hash_start was not called. */
uint64_t hash_slice(struct slice s);

#endif
