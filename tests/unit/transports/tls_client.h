/* tls_client: a TLS client in the test's own thread: each of its steps is followed by one of the
 * loop. */
#ifndef SIOTD_TESTS_UNIT_TRANSPORTS_TLS_CLIENT_H
#define SIOTD_TESTS_UNIT_TRANSPORTS_TLS_CLIENT_H

#include "stage.h"
#include "transports/tls.h"
#include "transports/tls_wolfssl.h"

struct tls_guest {
    int fd;
    WOLFSSL_CTX *profile;
    WOLFSSL *ssl;
    int error; /* of the handshake; 0 when it went well */
    int alert; /* the last one that was received; -1 */
};

/* A stage on TLS, and what its listener has counted. */
void tls_stage_open(void (*change)(struct listener_settings *settings));
struct tls_counts tls_stage_counts(void);

/* Besides pki_server: one that demands a certificate, and one that takes the keys of keys.psk. */
void tls_mutual_server(struct listener_settings *settings);
void tls_key_server(struct listener_settings *settings);

/* Connected, with the test's CA trusted, up to the handshake. `version` is WOLFSSL_TLSV1_2 or
 * WOLFSSL_TLSV1_3. */
void tls_client_open(struct tls_guest *client, int version);
/* Shows that certificate. */
void tls_client_certificate(struct tls_guest *client, const char *name);
/* Offers a pre-shared key, and no certificate is expected. */
void tls_client_key(struct tls_guest *client, const char *identity, const void *key, unsigned len);
/* Returns whether it went well. */
bool tls_client_shake(struct tls_guest *client);
/* A frame that asks for an echo, and the echo. */
void tls_client_echo(struct tls_guest *client, uint32_t len);
/* Shakes hands, which has to go well, and asks for an echo: now the server is through, too. */
void tls_client_enter(struct tls_guest *client);
/* Reads until the other end has closed. */
void tls_client_await_end(struct tls_guest *client);
void tls_client_close(struct tls_guest *client);

#endif
