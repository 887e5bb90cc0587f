/* credentials: certificate, key, CA, CRL and pre-shared keys of a TLS listener, as one thing.
 *
 * Loaded and checked as a whole, or not at all; counted, so that a handshake which began with one
 * set ends with it while the next one begins with another. Files are read in memory and judged
 * there; nothing is opened again later. */
#ifndef SIOTD_TRANSPORTS_CREDENTIALS_H
#define SIOTD_TRANSPORTS_CREDENTIALS_H

#include "base/slice.h"
#include "transports/tls_settings.h"
#include "transports/tls_wolfssl.h"

struct psk_table;

struct credentials {
    unsigned refs;
    WOLFSSL_CTX *profile;     /* owned */
    struct psk_table *keys;   /* owned; NULL without psk_file */
    struct tls_settings wish; /* numbers only: every text in it is NULL */
    bool asks;                /* whether clients are asked for a certificate */
    bool hybrid_first;        /* X25519MLKEM768 is the group of choice */
    int64_t expires_s;        /* when the first certificate of the chain expires, since 1970;
                                 INT64_MAX without one */
    char *loose;              /* a secret file that others may read; NULL: none. Owned */
};

enum { CREDENTIALS_WHY_SIZE = 512 };

/* Reads and checks all files that the settings name, for TLS or, on `datagrams`, DTLS. Returns 0
 * and one reference, or -errno and a sentence in `why` that names the file. */
int credentials_load(const struct tls_settings *settings, bool datagrams, struct credentials **out,
                     char why[CREDENTIALS_WHY_SIZE]);

/* One reference more, one reference less; the last one frees. NULL may be let go of. */
struct credentials *credentials_ref(struct credentials *credentials);
void credentials_unref(struct credentials *credentials);

#endif
