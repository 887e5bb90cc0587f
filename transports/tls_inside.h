/* tls_inside: what wolfSSL knows and does not tell by a function of its own. The one file that
 * reads its insides; the version is pinned (tls_wolfssl.h), and tests stand on what it says. */
#ifndef SIOTD_TRANSPORTS_TLS_INSIDE_H
#define SIOTD_TRANSPORTS_TLS_INSIDE_H

#include "transports/tls_wolfssl.h"
#include <stdbool.h>
#include <stdint.h>

/* Of a handshake that has succeeded: whether it was made with a pre-shared key, neither with a
 * certificate nor with a ticket. That a key was asked for (the PSK callbacks) does not say so. */
bool tls_inside_by_key(const WOLFSSL *ssl);

/* The newest record that has been received and was found authentic, as a number that grows: epoch
 * in the upper 16 bits, sequence number in the others. DTLS only. */
uint64_t tls_inside_newest(const WOLFSSL *ssl);

/* Whether something that was sent after the handshake waits to be acknowledged (RFC 9147 section
 * 5.8): a ticket, a KeyUpdate. */
bool tls_inside_waits(const WOLFSSL *ssl);

/* Gives back the buffer that wolfSSL keeps after it has asked for a record and there was none: 1.7
 * KB for each silent DTLS peer. Does nothing while something in it has not been read. */
void tls_inside_rest(WOLFSSL *ssl);

/* How far the handshake of a server has come: a number that changes with each step. */
unsigned tls_inside_step(const WOLFSSL *ssl);

#endif
