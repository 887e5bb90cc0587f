/* tls_unruly: a wolfSSL client that leaves out steps of its last flight, says them in another
 * order, or says something else between them, all of it encrypted and hashed as if it were right.
 *
 * The linker puts functions of this file in the place of wolfSSL's (--wrap, CMakeLists.txt); for
 * whoever is not unruly they call those. */
#ifndef SIOTD_TESTS_UNIT_TRANSPORTS_TLS_UNRULY_H
#define SIOTD_TESTS_UNIT_TRANSPORTS_TLS_UNRULY_H

#include "transports/tls_wolfssl.h"
#include <stddef.h>
#include <stdint.h>

/* From now on that client says its last flight like this, once: C Certificate, K ClientKeyExchange,
 * V CertificateVerify, H ChangeCipherSpec, F Finished, A content, X a handshake message as below.
 * C, K and V behind F are left out. DTLS 1.3 has no K and no H; TLS 1.3 is not for this. NULL ends
 * it. */
void unruly_begin(WOLFSSL *client, const char *steps);

/* What X says: a message of that type with so many bytes, 0 to 255 again and again. DTLS only. */
void unruly_message(uint8_t type, size_t len);

/* What A says; set once. */
void unruly_content(const void *content, size_t len);

/* Says A or X now, though the handshake is not over. */
void unruly_say(WOLFSSL *client, char step);

/* A client of TLS 1.3 that has a certificate to show, and leaves out that and its proof, or the
 * proof alone. `send` is how it sends (wolfSSL's callback), to be called instead of its own. */
void unruly_13_begin(WOLFSSL *client, int with_certificate, CallbackIOSend send);

#endif
