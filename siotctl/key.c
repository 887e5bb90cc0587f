/* key: a key pair, or the public half of one, of a kind that certificates here may have.
 *
 * What a key is, is told from its AlgorithmIdentifier alone (RFC 5480, RFC 8410, RFC 3279), so that
 * no bytes are tried as a kind that they are not. */
#include "siotctl/key.h"

#include "siotctl/der.h"

#include <stdio.h>

/* OBJECT IDENTIFIERs, tag and length included. */
static const uint8_t ec_public_key[] = {6, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1};
static const uint8_t ed25519[] = {6, 3, 0x2b, 0x65, 0x70};
static const uint8_t rsa_encryption[] = {6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1};

/* The kind that an AlgorithmIdentifier's content names. */
static bool kind_of(struct slice algorithm, enum key_kind *kind)
{
    static const struct {
        enum key_kind kind;
        struct slice oid;
    } kinds[] = {
        {KEY_EC, {ec_public_key, sizeof(ec_public_key)}},
        {KEY_ED25519, {ed25519, sizeof(ed25519)}},
        {KEY_RSA, {rsa_encryption, sizeof(rsa_encryption)}},
    };
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (slice_starts_with(algorithm, kinds[i].oid)) {
            *kind = kinds[i].kind;
            return true;
        }
    }
    return false;
}

static int init(struct key *key, enum key_kind kind)
{
    memset(key, 0, sizeof(*key));
    key->kind = kind;
    switch (kind) {
    case KEY_EC:
        return wc_ecc_init(&key->ec);
    case KEY_ED25519:
        return wc_ed25519_init(&key->ed25519);
    case KEY_RSA:
        return wc_InitRsaKey(&key->rsa, NULL);
    }
    return BAD_FUNC_ARG;
}

void key_clear(struct key *key)
{
    switch (key->kind) {
    case KEY_EC:
        wc_ecc_free(&key->ec);
        break;
    case KEY_ED25519:
        wc_ed25519_free(&key->ed25519);
        break;
    case KEY_RSA:
        wc_FreeRsaKey(&key->rsa);
        break;
    }
    explicit_bzero(key, sizeof(*key));
}

static int generate(struct key *key, int bits, WC_RNG *rng)
{
    switch (key->kind) {
    case KEY_EC:
        return wc_ecc_make_key_ex(rng, 32, &key->ec, ECC_SECP256R1);
    case KEY_ED25519:
        return wc_ed25519_make_key(rng, ED25519_KEY_SIZE, &key->ed25519);
    case KEY_RSA:
        return wc_MakeRsaKey(&key->rsa, bits, WC_RSA_EXPONENT, rng);
    }
    return BAD_FUNC_ARG;
}

int key_generate(struct key *key, enum key_kind kind, int bits, WC_RNG *rng)
{
    int failed = init(key, kind);
    if (failed)
        return failed;
    failed = generate(key, bits, rng);
    if (failed)
        key_clear(key);
    return failed;
}

/* RFC 8410's private key alone says nothing of the public half, and RFC 5915's need not. */
static int complete(struct key *key)
{
    uint8_t public[ED25519_PUB_KEY_SIZE];
    if (key->kind == KEY_EC && key->ec.type == ECC_PRIVATEKEY_ONLY)
        return wc_ecc_make_pub(&key->ec, NULL);
    if (key->kind != KEY_ED25519 || key->ed25519.pubKeySet)
        return 0;
    int failed = wc_ed25519_make_public(&key->ed25519, public, sizeof(public));
    return failed ? failed : wc_ed25519_import_public(public, sizeof(public), &key->ed25519);
}

static int decode_private(struct key *key, struct slice pkcs8)
{
    word32 at = 0;
    switch (key->kind) {
    case KEY_EC:
        return wc_EccPrivateKeyDecode(pkcs8.at, &at, &key->ec, (word32)pkcs8.len);
    case KEY_ED25519:
        return wc_Ed25519PrivateKeyDecode(pkcs8.at, &at, &key->ed25519, (word32)pkcs8.len);
    case KEY_RSA:
        return wc_RsaPrivateKeyDecode(pkcs8.at, &at, &key->rsa, (word32)pkcs8.len);
    }
    return BAD_FUNC_ARG;
}

int key_from_private(struct key *key, struct slice pkcs8)
{
    struct cursor cursor = cursor_of(pkcs8);
    struct slice content, version, algorithm;
    enum key_kind kind;
    if (!der_expect(&cursor, DER_SEQUENCE, &content, NULL))
        return BAD_FUNC_ARG;
    cursor = cursor_of(content);
    if (!der_expect(&cursor, DER_INTEGER, &version, NULL) ||
        !der_expect(&cursor, DER_SEQUENCE, &algorithm, NULL) || !kind_of(algorithm, &kind))
        return BAD_FUNC_ARG;
    int failed = init(key, kind);
    if (failed)
        return failed;
    failed = decode_private(key, pkcs8);
    if (!failed)
        failed = complete(key);
    if (failed)
        key_clear(key);
    return failed;
}

static int decode_public(struct key *key, struct slice spki)
{
    word32 at = 0;
    switch (key->kind) {
    case KEY_EC:
        return wc_EccPublicKeyDecode(spki.at, &at, &key->ec, (word32)spki.len);
    case KEY_ED25519:
        return wc_Ed25519PublicKeyDecode(spki.at, &at, &key->ed25519, (word32)spki.len);
    case KEY_RSA:
        return wc_RsaPublicKeyDecode(spki.at, &at, &key->rsa, (word32)spki.len);
    }
    return BAD_FUNC_ARG;
}

static int check_strength(struct key *key)
{
    if (key->kind == KEY_EC) {
        int curve = key->ec.dp ? key->ec.dp->id : ECC_CURVE_INVALID;
        if (curve != ECC_SECP256R1 && curve != ECC_SECP384R1 && curve != ECC_SECP521R1)
            return BAD_FUNC_ARG;
        return wc_ecc_check_key(&key->ec);
    }
    if (key->kind == KEY_RSA) {
        int bits = wc_RsaEncryptSize(&key->rsa) * 8;
        return bits < KEY_RSA_BITS_MIN || bits > KEY_RSA_BITS_MAX ? BAD_FUNC_ARG : 0;
    }
    return 0;
}

int key_from_public(struct key *key, struct slice spki)
{
    struct cursor cursor = cursor_of(spki);
    struct slice content, algorithm;
    enum key_kind kind;
    if (!der_expect(&cursor, DER_SEQUENCE, &content, NULL))
        return BAD_FUNC_ARG;
    cursor = cursor_of(content);
    if (!der_expect(&cursor, DER_SEQUENCE, &algorithm, NULL) || !kind_of(algorithm, &kind))
        return BAD_FUNC_ARG;
    int failed = init(key, kind);
    if (failed)
        return failed;
    failed = decode_public(key, spki);
    if (!failed)
        failed = check_strength(key);
    if (failed)
        key_clear(key);
    return failed;
}

static int rsa_to_private(struct key *key, uint8_t der[KEY_DER_SIZE])
{
    uint8_t pkcs1[KEY_DER_SIZE];
    word32 size = KEY_DER_SIZE;
    int len = wc_RsaKeyToDer(&key->rsa, pkcs1, sizeof(pkcs1));
    if (len > 0)
        len = wc_CreatePKCS8Key(der, &size, pkcs1, (word32)len, RSAk, NULL, 0);
    explicit_bzero(pkcs1, sizeof(pkcs1));
    return len;
}

int key_to_private(struct key *key, uint8_t der[KEY_DER_SIZE])
{
    word32 size = KEY_DER_SIZE;
    switch (key->kind) {
    case KEY_EC:
        return wc_EccKeyToPKCS8(&key->ec, der, &size);
    case KEY_ED25519:
        return wc_Ed25519PrivateKeyToDer(&key->ed25519, der, size);
    case KEY_RSA:
        return rsa_to_private(key, der);
    }
    return BAD_FUNC_ARG;
}

int key_to_public(struct key *key, uint8_t der[KEY_DER_SIZE])
{
    switch (key->kind) {
    case KEY_EC:
        return wc_EccPublicKeyToDer(&key->ec, der, KEY_DER_SIZE, 1);
    case KEY_ED25519:
        return wc_Ed25519PublicKeyToDer(&key->ed25519, der, KEY_DER_SIZE, 1);
    case KEY_RSA:
        return wc_RsaKeyToPublicDer(&key->rsa, der, KEY_DER_SIZE);
    }
    return BAD_FUNC_ARG;
}

int key_type(const struct key *key)
{
    return key->kind == KEY_EC ? ECC_TYPE : key->kind == KEY_RSA ? RSA_TYPE : ED25519_TYPE;
}

void *key_at(struct key *key)
{
    return key->kind == KEY_EC    ? (void *)&key->ec
           : key->kind == KEY_RSA ? (void *)&key->rsa
                                  : (void *)&key->ed25519;
}

int key_signature(const struct key *key)
{
    return key->kind == KEY_EC    ? CTC_SHA256wECDSA
           : key->kind == KEY_RSA ? CTC_SHA256wRSA
                                  : CTC_ED25519;
}

void key_describe(struct key *key, char text[16])
{
    if (key->kind == KEY_ED25519)
        snprintf(text, 16, "Ed25519");
    else if (key->kind == KEY_RSA)
        snprintf(text, 16, "RSA %d", wc_RsaEncryptSize(&key->rsa) * 8);
    else
        snprintf(text, 16, "EC P-%d",
                 wc_ecc_size(&key->ec) == 66 ? 521 : wc_ecc_size(&key->ec) * 8);
}
