/* dtls_path: an address that a peer may have moved to. Pure but for memory, which is the caller's.
 *
 * A peer is known by its connection id, and the address it was last seen at is where it is (RFC
 * 9146 section 6), provided that the record that came from there is newer than all before it.
 * Somebody who holds records back could still send the newest one from elsewhere. So a new address
 * gets at most three times the bytes that came from it, and becomes the peer's own with the first
 * newer record that comes from it after something has been sent to it. */
#ifndef SIOTD_TRANSPORTS_DTLS_PATH_H
#define SIOTD_TRANSPORTS_DTLS_PATH_H

#include "transports/endpoint.h"

struct dtls_path {
    struct endpoint to;
    uint64_t heard, said; /* bytes, from there and to there */
};

enum { PATH_FACTOR = 3 };

/* A newer record of so many bytes came from there. Returns whether that is now where the peer is.
 */
bool dtls_path_heard(struct dtls_path *path, size_t bytes);

/* Whether so many bytes may be sent there; if so they count as sent. */
bool dtls_path_allows(struct dtls_path *path, size_t bytes);

#endif
