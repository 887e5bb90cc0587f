/* tls_proof: who the other end of a handshake has proven to be: by a certificate, by a pre-shared
 * key, or nobody. Serves TLS and DTLS alike. */
#ifndef SIOTD_TRANSPORTS_TLS_PROOF_H
#define SIOTD_TRANSPORTS_TLS_PROOF_H

#include "base/slice.h"
#include "transports/credentials_cert.h"
#include "transports/tls_wolfssl.h"

struct credentials;
struct identity;

/* What has proven an identity, to be judged again when credentials change. */
struct evidence;

/* Lives while a handshake does, all of it. */
struct tls_proof {
    WOLFSSL *ssl;
    struct credentials *credentials; /* a reference: those that the handshake began with */
    struct identity *identity;       /* what may turn out to be proven; owned; may be NULL */
    struct evidence *evidence;       /* of it; owned */
    bool deaf;  /* keys are looked up, and nothing is remembered: what is said proves nothing yet */
    bool asked; /* for a key, whether there was one or not */
    bool by_key;                       /* a key was looked up, and no certificate came since */
    char certificate[CERT_WORDS_SIZE]; /* of the client, when it was refused; else "" */
};

/* Makes the profile of the credentials ask for what they want proven. Tickets are issued to nobody
 * who has proven anything. */
void tls_proof_equip(struct credentials *credentials);

/* Before the first step of the handshake of `ssl`, which keeps the address of *proof. */
void tls_proof_begin(struct tls_proof *proof, WOLFSSL *ssl, struct credentials *credentials);

/* Forgets what was said so far, as if the handshake had just begun. */
void tls_proof_forget(struct tls_proof *proof);

/* The handshake has succeeded: what it has really proven. The identity, borrowed until
 * tls_proof_end, and its evidence, which the caller then owns; NULL for nobody. A key that was
 * named only, while the handshake was made with something else, proves nothing. */
struct identity *tls_proof_take(struct tls_proof *proof, struct evidence **evidence);

/* The handshake is over, however it went. */
void tls_proof_end(struct tls_proof *proof);

/* Whether by these credentials the evidence still proves that name: a key must be the same, a
 * certificate not be revoked. */
bool evidence_holds(const struct evidence *evidence, const struct credentials *now,
                    struct slice name);
/* NULL may be freed. */
void evidence_free(struct evidence *evidence);

#endif
