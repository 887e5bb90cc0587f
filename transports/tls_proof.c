/* tls_proof: see tls_proof.h. wolfSSL asks here while a handshake goes on.
 *
 * Invariant: nobody is proven to be somebody before tls_proof_take. wolfSSL asks for the key of
 * each identity that a client names, also when it then goes on without any (no suite fits) and
 * shows its own certificate instead: whoever is believed at that moment is whoever he says he is.
 */
#include "transports/tls_proof.h"

#include "base/hash.h"
#include "base/random.h"
#include "broker/auth.h"
#include "transports/credentials.h"
#include "transports/tls_inside.h"
#include "transports/tls_psk.h"
#include <stdlib.h>
#include <time.h>

struct evidence {
    uint64_t key;   /* the hash of its pre-shared key; 0 for a certificate */
    size_t der_len; /* of its certificate */
    uint8_t der[];
};

void tls_proof_forget(struct tls_proof *proof)
{
    identity_unref(proof->identity);
    free(proof->evidence);
    proof->identity = NULL;
    proof->evidence = NULL;
    proof->by_key = false;
    proof->certificate[0] = '\0';
}

/* Keeps what may turn out to be proven; false when there was no memory for it. */
static bool suppose(struct tls_proof *proof, struct identity *identity, struct slice certificate,
                    struct slice key)
{
    struct evidence *evidence = malloc(sizeof(*evidence) + certificate.len);
    tls_proof_forget(proof);
    proof->identity = identity;
    proof->evidence = evidence;
    if (!evidence)
        return false;
    evidence->key = key.len ? hash_slice(key) : 0;
    evidence->der_len = certificate.len;
    if (certificate.len)
        memcpy(evidence->der, certificate.at, certificate.len);
    return identity != NULL;
}

/* ---- certificates ---- */

/* The user name of a good certificate, with its common name behind it for rules that name that. */
static bool take_certificate(struct tls_proof *proof, struct slice der)
{
    enum tls_identity kind = (enum tls_identity)proof->credentials->wish.identity;
    char name[CERT_NAME_MAX], common[CERT_NAME_MAX];
    size_t length = cert_identity(der, kind, name);
    size_t common_length = cert_identity(der, TLS_IDENTITY_CN, common);
    return length > 0 &&
           suppose(proof,
                   identity_of_certificate(slice_of((const uint8_t *)name, length),
                                           slice_of((const uint8_t *)common, common_length)),
                   der, SLICE_EMPTY);
}

/* A certificate of the client has been judged: says whose it is, or what is wrong with it. A ticket
 * would let in again whoever has it, without the certificate being looked at: so there is none. */
static int on_certificate(int good, WOLFSSL_X509_STORE_CTX *store)
{
    struct tls_proof *proof = store->userCtx;
    if (!proof)
        return 0;
    if (store->totalCerts == 0) /* there is none to judge */
        return good && proof->credentials->wish.client_certificate == TLS_CLIENT_OPTIONAL;
    if (store->error_depth < 0 || store->error_depth >= store->totalCerts)
        return 0;
    const WOLFSSL_BUFFER_INFO *shown = &store->certs[store->error_depth];
    struct slice der = slice_of(shown->buffer, shown->length);
    if (good && store->error_depth > 0)
        return 1;
    /* Asked about the client's own only once all above it are found good: so all of them here. */
    for (int i = 0; good && i < store->totalCerts; i++)
        good = cert_sound(slice_of(store->certs[i].buffer, store->certs[i].length));
    if (!good || !take_certificate(proof, der)) {
        cert_describe(der, time(NULL), proof->certificate);
        return 0;
    }
    wolfSSL_no_ticket_TLSv13(proof->ssl);
    return 1;
}

/* ---- pre-shared keys ---- */

/* The key of an identity, into `to`. For one that is not known there is a key that nobody has: the
 * handshake then fails where it would with a wrong key, and nobody learns which identities exist.
 */
static unsigned key_of(WOLFSSL *ssl, const char *text, unsigned char *to, unsigned size)
{
    struct tls_proof *proof = wolfSSL_get_psk_callback_ctx(ssl);
    struct slice identity = slice_of_str(text);
    if (!proof || !proof->credentials->keys || size < PSK_KEY_MAX)
        return 0;
    struct slice key = psk_table_find(proof->credentials->keys, identity);
    proof->asked |= !proof->deaf;
    if (key.len == 0) {
        random_bytes(to, 32);
        return 32;
    }
    memcpy(to, key.at, key.len);
    if (proof->deaf)
        return (unsigned)key.len;
    if (!suppose(proof, identity_new(identity, false), SLICE_EMPTY, key))
        return 0;
    proof->by_key = true;
    wolfSSL_no_ticket_TLSv13(ssl);
    return (unsigned)key.len;
}

static unsigned int on_key(WOLFSSL *ssl, const char *identity, unsigned char *key,
                           unsigned int size)
{
    return key_of(ssl, identity, key, size);
}

/* TLS 1.3 offers tickets and identities in one list: what cannot be an identity is a ticket whose
 * key is gone, and its owner may go on without it. */
static unsigned int on_key_13(WOLFSSL *ssl, const char *identity, unsigned char *key,
                              unsigned int size, const char **suite)
{
    *suite = "TLS13-AES128-GCM-SHA256";
    if (!psk_identity_valid(slice_of_str(identity)))
        return 0;
    return key_of(ssl, identity, key, size);
}

/* ---- the handshake ---- */

void tls_proof_equip(struct credentials *credentials)
{
    WOLFSSL_CTX *profile = credentials->profile;
    int verify = WOLFSSL_VERIFY_NONE;
    if (credentials->asks) {
        verify = WOLFSSL_VERIFY_PEER;
        if (credentials->wish.client_certificate == TLS_CLIENT_REQUIRED)
            verify |= credentials->keys ? WOLFSSL_VERIFY_FAIL_EXCEPT_PSK
                                        : WOLFSSL_VERIFY_FAIL_IF_NO_PEER_CERT;
    }
    wolfSSL_CTX_set_verify(profile, verify, credentials->asks ? on_certificate : NULL);
    if (credentials->keys) {
        wolfSSL_CTX_set_psk_server_callback(profile, on_key);
        wolfSSL_CTX_set_psk_server_tls13_callback(profile, on_key_13);
    }
}

void tls_proof_begin(struct tls_proof *proof, WOLFSSL *ssl, struct credentials *credentials)
{
    *proof = (struct tls_proof){.ssl = ssl, .credentials = credentials_ref(credentials)};
    wolfSSL_SetCertCbCtx(ssl, proof);
    wolfSSL_set_psk_callback_ctx(ssl, proof);
}

struct identity *tls_proof_take(struct tls_proof *proof, struct evidence **evidence)
{
    *evidence = NULL;
    if (proof->by_key != tls_inside_by_key(proof->ssl)) {
        tls_proof_forget(proof);
        return NULL;
    }
    *evidence = proof->evidence;
    proof->evidence = NULL;
    return proof->identity;
}

void tls_proof_end(struct tls_proof *proof)
{
    if (!proof->credentials)
        return;
    wolfSSL_SetCertCbCtx(proof->ssl, NULL);
    wolfSSL_set_psk_callback_ctx(proof->ssl, NULL);
    tls_proof_forget(proof);
    credentials_unref(proof->credentials);
    proof->credentials = NULL;
}

/* ---- later ---- */

bool evidence_holds(const struct evidence *evidence, const struct credentials *now,
                    struct slice name)
{
    if (evidence->der_len)
        return now->asks &&
               wolfSSL_CertManagerCheckCRL(wolfSSL_CTX_GetCertManager(now->profile), evidence->der,
                                           (int)evidence->der_len) == WOLFSSL_SUCCESS;
    struct slice key = now->keys ? psk_table_find(now->keys, name) : SLICE_EMPTY;
    return key.len && hash_slice(key) == evidence->key;
}

void evidence_free(struct evidence *evidence)
{
    free(evidence);
}
