/* sign: siotctl pki sign, a certificate for a key that its owner keeps (PKCS #10, RFC 2986).
 *
 * A request is a stranger's word. Its signature proves that the key is theirs, and nothing more:
 * the name has to be one that is still free, and none of the extensions it asks for is taken over.
 * A request that asks for other names than its own is refused, so that nobody believes to have got
 * them; --san grants names. */
#include "siotctl/pem.h"
#include "siotctl/pki.h"
#include "siotctl/say.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <wolfssl/wolfcrypt/asn.h>

enum { REQUEST_LEN_MAX = 65536 };

/* What of a request is heard. */
struct request {
    char name[NAME_SIZE];
    bool other_names; /* it asks for more than DNS:NAME */
    struct slice public;
};

static int read_request(const char *path, uint8_t **der, size_t *len)
{
    struct folder here = {AT_FDCWD};
    uint8_t *text;
    size_t text_len;
    int failed = folder_read(&here, path, &text, &text_len);
    if (failed)
        return say_failed("%s: %s", path, strerror(-failed));
    failed = text_len > REQUEST_LEN_MAX ? -EFBIG : 0;
    if (!failed)
        failed = pem_decode(slice_of(text, text_len), PEM_REQUEST, der, len);
    if (failed == -ENOENT)
        failed = pem_decode(slice_of(text, text_len), PEM_REQUEST_OLD, der, len);
    free(text);
    return failed ? say_failed("%s: this is no certificate request in PEM", path) : ENDED_WELL;
}

/* Whether it is nothing but a request: CertificationRequest ::= SEQUENCE { CertificationRequestInfo
 * ::= SEQUENCE { version, subject, public key, attributes }, ... } and no byte behind it. */
static bool find_public(struct slice der, struct slice *public)
{
    struct cursor cursor = cursor_of(der);
    struct slice content, skipped;
    if (!der_expect(&cursor, DER_SEQUENCE, &content, NULL) || cursor_left(&cursor) > 0)
        return false;
    cursor = cursor_of(content);
    if (!der_expect(&cursor, DER_SEQUENCE, &content, NULL))
        return false;
    cursor = cursor_of(content);
    return der_expect(&cursor, DER_INTEGER, &skipped, NULL) &&
           der_expect(&cursor, DER_SEQUENCE, &skipped, NULL) &&
           der_expect(&cursor, DER_SEQUENCE, &skipped, public);
}

static void hear(const struct DecodedCert *decoded, struct request *request)
{
    request->name[0] = '\0';
    if (decoded->subjectCN && decoded->subjectCNLen > 0 && decoded->subjectCNLen <= NAME_LEN_MAX &&
        !memchr(decoded->subjectCN, '\0', (size_t)decoded->subjectCNLen)) {
        memcpy(request->name, decoded->subjectCN, (size_t)decoded->subjectCNLen);
        request->name[decoded->subjectCNLen] = '\0';
    }
    request->other_names = false;
    for (const struct DNS_entry *alt = decoded->altNames; alt; alt = alt->next) {
        struct slice asked = slice_of(alt->name, (size_t)alt->len);
        if (alt->type != ASN_DNS_TYPE || !slice_equal(asked, slice_of_str(request->name)))
            request->other_names = true;
    }
}

/* Verifies the request's signature by the key in it. */
static int parse_request(const char *path, struct slice der, struct request *request)
{
    struct DecodedCert decoded;
    if (!find_public(der, &request->public))
        return say_failed("%s: this is no certificate request", path);
    wc_InitDecodedCert(&decoded, der.at, (word32)der.len, NULL);
    int failed = wc_ParseCert(&decoded, CERTREQ_TYPE, VERIFY, NULL);
    if (!failed)
        hear(&decoded, request);
    wc_FreeDecodedCert(&decoded);
    if (failed)
        return say_failed("%s: the request is broken or not signed by its own key: %s", path,
                          wc_GetErrorString(failed));
    return ENDED_WELL;
}

static int sign(struct authority *authority, const struct pki_options *options, const char *name,
                struct slice public)
{
    struct certificate_plan plan;
    struct pki_own_name own;
    struct key key;
    int status = pki_is_free(authority, name, options->now);
    if (status == ENDED_WELL)
        status = pki_plan(options, authority, name, &own, &plan);
    if (status != ENDED_WELL)
        return status;
    if (slice_equal(public, authority->certificate.public))
        return say_failed("%s: that is the authority's own key", options->subject);
    if (key_from_public(&key, public) != 0)
        return say_failed("%s: its key is of a kind or size that gets no certificate (EC P-256 to "
                          "P-521, Ed25519, RSA of %d to %d bits do)",
                          options->subject, KEY_RSA_BITS_MIN, KEY_RSA_BITS_MAX);
    status = authority_issue(authority, &plan, &key);
    key_clear(&key);
    if (status == ENDED_WELL)
        status = authority_write_crl(authority, options->now, options->crl_days);
    return status;
}

int pki_sign(const struct pki_options *options)
{
    struct authority authority;
    struct request request;
    uint8_t *der;
    size_t len;
    int status = read_request(options->subject, &der, &len);
    if (status != ENDED_WELL)
        return status;
    status = parse_request(options->subject, slice_of(der, len), &request);
    const char *name = options->name ? options->name : request.name;
    if (status == ENDED_WELL && name_mistake(name))
        status = say_failed("%s: the name it asks for cannot be given (%s); --name gives another",
                            options->subject, name_mistake(name));
    if (status == ENDED_WELL && request.other_names && options->alt_count == 0)
        status = say_failed("%s: it asks for other names than DNS:%s; give those it may have with "
                            "--san",
                            options->subject, request.name);
    if (status == ENDED_WELL)
        status = authority_open(&authority, options->dir);
    if (status == ENDED_WELL) {
        status = sign(&authority, options, name, request.public);
        authority_close(&authority);
    }
    free(der);
    return status;
}
