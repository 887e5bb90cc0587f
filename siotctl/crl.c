/* crl: certificate revocation lists (RFC 5280 section 5): version 2, with a number and the key
 * identifier of who signs. wolfCrypt's own writer of lists leaves that identifier out and signs
 * with neither Ed25519 nor reasons, so the list is written here and wolfCrypt signs it. */
#include "siotctl/authority.h"
#include "siotctl/pem.h"
#include "siotctl/say.h"

#include <errno.h>
#include <stdlib.h>

/* Room that a signature and what frames it take at most: RSA 4096. */
enum { SIGNATURE_ROOM = 1024 };

static const uint8_t ecdsa_sha256[] = {0x30, 10, 6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2};
static const uint8_t ed25519[] = {0x30, 5, 6, 3, 0x2b, 0x65, 0x70};
static const uint8_t sha256_rsa[] = {0x30, 13,   6, 9, 0x2a, 0x86, 0x48, 0x86,
                                     0xf7, 0x0d, 1, 1, 11,   5,    0};
static const uint8_t crl_number[] = {6, 3, 0x55, 0x1d, 20};
static const uint8_t authority_key_id[] = {6, 3, 0x55, 0x1d, 35};

static struct slice algorithm(const struct key *key)
{
    switch (key->kind) {
    case KEY_EC:
        return slice_of(ecdsa_sha256, sizeof(ecdsa_sha256));
    case KEY_ED25519:
        return slice_of(ed25519, sizeof(ed25519));
    case KEY_RSA:
        return slice_of(sha256_rsa, sizeof(sha256_rsa));
    }
    return SLICE_EMPTY;
}

/* Makes what was written since `mark` an extension that is not critical. */
static void put_extension(struct der *der, struct slice oid, size_t mark)
{
    der_wrap_since(der, DER_OCTET_STRING, mark);
    der_put(der, oid);
    der_wrap_since(der, DER_SEQUENCE, mark);
}

static void put_extensions(struct der *der, const struct certificate *signer, unsigned long number)
{
    uint8_t bytes[8];
    size_t start = der->len, mark = der->len;
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)((uint64_t)number >> (56 - 8 * i));
    der_put_integer(der, slice_of(bytes, sizeof(bytes)));
    put_extension(der, slice_of(crl_number, sizeof(crl_number)), mark);
    mark = der->len;
    der_put(der, slice_of(signer->key_id, sizeof(signer->key_id)));
    der_wrap(der, DER_CONTEXT(0), sizeof(signer->key_id));
    der_wrap_since(der, DER_SEQUENCE, mark);
    put_extension(der, slice_of(authority_key_id, sizeof(authority_key_id)), mark);
    der_wrap_since(der, DER_SEQUENCE, start);
    der_wrap_since(der, DER_CONSTRUCTED(0), start);
}

static void put_revoked(struct der *der, const struct index *index)
{
    size_t start = der->len;
    for (size_t i = index->count; i-- > 0;) {
        const struct index_entry *entry = &index->entries[i];
        if (!entry->revoked)
            continue;
        size_t mark = der->len;
        der_put_time(der, entry->since);
        der_put_integer(der, slice_of(entry->serial, sizeof(entry->serial)));
        der_wrap_since(der, DER_SEQUENCE, mark);
    }
    if (der->len > start) /* an empty list is left out (section 5.1.2.6) */
        der_wrap_since(der, DER_SEQUENCE, start);
}

/* TBSCertList, from its last field to its first. */
static void put_list(struct der *der, const struct authority *authority, time_t from, time_t until)
{
    static const uint8_t version_2 = 1;
    put_extensions(der, &authority->certificate, authority->index.crl_number);
    put_revoked(der, &authority->index);
    der_put_time(der, until);
    der_put_time(der, from);
    der_put(der, authority->certificate.subject);
    der_put(der, algorithm(&authority->key));
    der_put_integer(der, slice_of(&version_2, 1));
    der_wrap_since(der, DER_SEQUENCE, 0);
}

/* A new PEM text of the list, signed; NULL on failure. */
static char *sign(struct authority *authority, struct slice list)
{
    char *text = NULL;
    uint8_t *der = malloc(list.len + SIGNATURE_ROOM);
    if (!der)
        return NULL;
    memcpy(der, list.at, list.len);
    int len = wc_SignCert_ex((int)list.len, key_signature(&authority->key), der,
                             (word32)(list.len + SIGNATURE_ROOM), key_type(&authority->key),
                             key_at(&authority->key), &authority->rng);
    if (len > 0)
        text = pem_encode(PEM_CRL, slice_of(der, (size_t)len));
    free(der);
    return text;
}

int authority_write_crl(struct authority *authority, time_t now, unsigned days)
{
    struct der list;
    authority->index.crl_number++; /* on the disk before the list: never twice the same */
    int status = authority_save_index(authority);
    if (status != ENDED_WELL)
        return status;
    der_init(&list);
    put_list(&list, authority, now - AUTHORITY_BACKDATE_S, now + (time_t)days * AUTHORITY_DAY_S);
    char *text = list.failed ? NULL : sign(authority, der_written(&list));
    der_clear(&list);
    if (!text)
        return say_failed("%s/ca.crl: the list could not be signed", authority->path);
    int failed = folder_replace(&authority->folder, "ca.crl", slice_of_str(text), NULL);
    free(text);
    return failed ? say_failed("%s/ca.crl: %s", authority->path, strerror(-failed)) : ENDED_WELL;
}
