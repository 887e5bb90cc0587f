/* tls_psk: pre-shared keys by identity. Pure but for memory. */
#ifndef SIOTD_TRANSPORTS_TLS_PSK_H
#define SIOTD_TRANSPORTS_TLS_PSK_H

#include "base/slice.h"

/* A key has at least 128 bits, an identity is UTF-8 of at most 128 bytes (RFC 7925 section 4.2). */
enum { PSK_KEY_MIN = 16, PSK_KEY_MAX = 64, PSK_IDENTITY_MAX = 128 };

struct psk_table;

/* Reads `identity:hexkey`, one a line; empty lines and those that begin with # are skipped. A
 * mistake anywhere refuses the whole: NULL with "line 3: ..." in `why`, which never quotes a key.
 */
struct psk_table *psk_table_read(struct slice text, char *why, size_t why_size);
void psk_table_free(struct psk_table *table);

/* The key of that identity, borrowed; empty when there is none. */
struct slice psk_table_find(const struct psk_table *table, struct slice identity);

/* Whether the bytes could be an identity: what cannot is a stale ticket, or nonsense. */
bool psk_identity_valid(struct slice identity);

/* How many identities there are. */
size_t psk_table_count(const struct psk_table *table);

#endif
