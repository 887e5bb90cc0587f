/* key: a key pair, or the public half of one, of a kind that certificates here may have. */
#ifndef SIOTD_SIOTCTL_KEY_H
#define SIOTD_SIOTCTL_KEY_H

#include "base/slice.h"
#include "transports/tls_wolfssl.h"

#include <wolfssl/wolfcrypt/asn_public.h>
#include <wolfssl/wolfcrypt/ecc.h>
#include <wolfssl/wolfcrypt/ed25519.h>
#include <wolfssl/wolfcrypt/rsa.h>

enum key_kind { KEY_EC, KEY_ED25519, KEY_RSA };

enum { KEY_DER_SIZE = 4096, KEY_RSA_BITS_MIN = 2048, KEY_RSA_BITS_MAX = 4096 };

struct key {
    enum key_kind kind;
    union {
        ecc_key ec;
        ed25519_key ed25519;
        RsaKey rsa;
    };
};

/* A new pair: P-256, Ed25519, or RSA of so many bits (else `bits` says nothing). 0 or wolfCrypt's
 * error, and then there is nothing to clear; so for the next two. */
int key_generate(struct key *key, enum key_kind kind, int bits, WC_RNG *rng);

/* A pair from PKCS #8 (RFC 5958). */
int key_from_private(struct key *key, struct slice pkcs8);

/* The public half from a SubjectPublicKeyInfo. BAD_FUNC_ARG for a kind or a size that is not for
 * certificates: RSA of less than 2048 or more than 4096 bits, other curves than P-256, P-384
 * and P-521. */
int key_from_public(struct key *key, struct slice spki);

/* Wipes it. */
void key_clear(struct key *key);

/* As PKCS #8, as SubjectPublicKeyInfo: how many bytes of KEY_DER_SIZE, or a negative error. */
int key_to_private(struct key *key, uint8_t der[KEY_DER_SIZE]);
int key_to_public(struct key *key, uint8_t der[KEY_DER_SIZE]);

/* For wolfCrypt: what the key is, where it is, and the signature that it makes. */
int key_type(const struct key *key);
void *key_at(struct key *key);
int key_signature(const struct key *key);

/* "EC P-256", "Ed25519", "RSA 2048": to a buffer of 16. */
void key_describe(struct key *key, char text[16]);

#endif
