/* checksum: one number over all that a row says, by which it is believed or not.
 *
 * Stored with the row when it is written and computed again when it is read, so that bytes that a
 * disk, a cable or a stranger has changed are noticed before anybody acts on them. It covers the
 * row's kind and keys too: a sound body under another key is no sound row. */
#ifndef SIOTD_STORE_CHECKSUM_H
#define SIOTD_STORE_CHECKSUM_H

#include "broker/store.h"

/* The sum of a row: XXH3 with 64 bits, the same on every machine. Fields that a kind does not have
 * must be 0 and empty. */
uint64_t checksum_row(const struct kept *row);

#endif
