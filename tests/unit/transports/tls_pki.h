/* tls_pki: certificates and keys for the tests, made afresh in a folder of their own. */
#ifndef SIOTD_TESTS_UNIT_TRANSPORTS_TLS_PKI_H
#define SIOTD_TESTS_UNIT_TRANSPORTS_TLS_PKI_H

#include "transports/tls_wolfssl.h"

struct listener_settings;

/* Makes ca, other-ca, server, client, expired, foreign (by other-ca), for-servers, nameless: .pem
 * and .key of each, and a psk file. */
void pki_make(void);
void pki_remove(void);

/* The same, as setup and teardown of a group of tests. */
int pki_setup(void **unused);
int pki_teardown(void **unused);

/* A listener with the server's certificate and nothing particular. */
void pki_server(struct listener_settings *settings);

/* A client shows that certificate. */
void pki_show_certificate(WOLFSSL *ssl, const char *name);
/* A client's half of a pre-shared key, and suites for it; the last one that was offered is
 * everybody's. */
void pki_offer_key(WOLFSSL *ssl, const char *identity, const void *key, unsigned len);

/* The path of a file in the folder; one of a few static buffers. */
char *pki_path(const char *name);

/* Writes a file into the folder, 0600. */
void pki_write(const char *name, const void *bytes, unsigned long len);

/* The key of identity "sensor-1" in keys.psk. */
extern const unsigned char pki_psk[16];

#endif
