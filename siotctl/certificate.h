/* certificate: X.509 certificates made and read (RFC 5280). */
#ifndef SIOTD_SIOTCTL_CERTIFICATE_H
#define SIOTD_SIOTCTL_CERTIFICATE_H

#include "siotctl/index.h"
#include "siotctl/key.h"

enum { CERTIFICATE_SIZE = 32768, CERTIFICATE_KEY_ID_LEN = 20 };

enum certificate_use { CERTIFICATE_AUTHORITY, CERTIFICATE_SERVER, CERTIFICATE_CLIENT };

/* What of a certificate is needed here; the slices are borrowed from its DER. */
struct certificate {
    struct slice der, serial, issuer, subject, public; /* names and key as whole elements */
    time_t from, until;
    uint8_t key_id[CERTIFICATE_KEY_ID_LEN]; /* zeros when it has none */
};

/* Who signs: its key pair and certificate. */
struct certificate_signer {
    struct key *key;
    const struct certificate *certificate; /* NULL: signs itself */
};

struct certificate_plan {
    enum certificate_use use;
    const char *common_name; /* at most NAME_LEN_MAX */
    const char *const *alt;  /* subject alternative names, each without a mistake */
    size_t alt_count;
    uint8_t serial[INDEX_SERIAL_LEN];
    time_t from, until;
};

/* A serial number that nobody can guess: 126 random bits, never negative, always as long. */
void certificate_draw_serial(uint8_t serial[INDEX_SERIAL_LEN]);

/* Makes the certificate of a public key. Its length in `der`, or wolfCrypt's error. */
int certificate_make(const struct certificate_plan *plan, struct key *subject,
                     const struct certificate_signer *signer, WC_RNG *rng,
                     uint8_t der[CERTIFICATE_SIZE]);

/* Reads a certificate without judging it. False when it is none. */
bool certificate_read(struct certificate *certificate, struct slice der);

#endif
