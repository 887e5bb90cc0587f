/* certificate: X.509 certificates made and read.
 *
 * What is made: version 3, key identifiers of subject and issuer, critical key usage, and only what
 * the use asks for. An authority may sign no other authority (pathlen 0); a server's or a client's
 * certificate may do only that. */
#include "siotctl/certificate.h"

#include "base/random.h"

#include <wolfssl/wolfcrypt/asn.h>

void certificate_draw_serial(uint8_t serial[INDEX_SERIAL_LEN])
{
    random_bytes(serial, INDEX_SERIAL_LEN);
    serial[0] = (serial[0] & 0x7f) | 0x40; /* 126 bits are left to chance */
}

static int set_time(time_t when, byte to[CTC_DATE_SIZE], int *size)
{
    struct der der;
    der_init(&der);
    der_put_time(&der, when);
    struct slice written = der_written(&der);
    if (written.len == 0 || written.len > CTC_DATE_SIZE) {
        der_clear(&der);
        return MEMORY_E;
    }
    memcpy(to, written.at, written.len);
    *size = (int)written.len;
    der_clear(&der);
    return 0;
}

static int set_alt(const struct certificate_plan *plan, Cert *cert)
{
    struct der der;
    if (plan->alt_count == 0)
        return 0;
    der_init(&der);
    name_put_alt(&der, plan->alt, plan->alt_count);
    struct slice written = der_written(&der);
    int failed = written.len == 0 || written.len > sizeof(cert->altNames) ? BUFFER_E : 0;
    if (!failed) {
        memcpy(cert->altNames, written.at, written.len);
        cert->altNamesSz = (int)written.len;
    }
    der_clear(&der);
    return failed;
}

static int set_use(enum certificate_use use, Cert *cert)
{
    if (use == CERTIFICATE_AUTHORITY) {
        cert->isCA = 1;
        cert->basicConstCrit = 1;
        cert->pathLen = 0;
        cert->pathLenSet = 1;
        cert->keyUsage = KEYUSE_KEY_CERT_SIGN | KEYUSE_CRL_SIGN;
        return 0;
    }
    cert->basicConstSet = 1;
    cert->basicConstCrit = 1;
    cert->keyUsage = KEYUSE_DIGITAL_SIG;
    return wc_SetExtKeyUsage(cert, use == CERTIFICATE_SERVER ? "serverAuth" : "clientAuth");
}

static int set_issuer(const struct certificate *issuer, Cert *cert)
{
    if (!issuer)
        return 0;
    cert->selfSigned = 0;
    memcpy(cert->akid, issuer->key_id, sizeof(issuer->key_id));
    cert->akidSz = sizeof(issuer->key_id);
    return wc_SetIssuerBuffer(cert, issuer->der.at, (int)issuer->der.len);
}

static int set_all(const struct certificate_plan *plan, struct key *subject,
                   const struct certificate_signer *signer, Cert *cert)
{
    cert->version = 2; /* which is called version 3 */
    memcpy(cert->serial, plan->serial, INDEX_SERIAL_LEN);
    cert->serialSz = INDEX_SERIAL_LEN;
    cert->sigType = key_signature(signer->key);
    snprintf(cert->subject.commonName, sizeof(cert->subject.commonName), "%s", plan->common_name);
    cert->subject.commonNameEnc = CTC_UTF8;
    int failed = set_time(plan->from, cert->beforeDate, &cert->beforeDateSz);
    if (!failed)
        failed = set_time(plan->until, cert->afterDate, &cert->afterDateSz);
    if (!failed)
        failed = set_use(plan->use, cert);
    if (!failed)
        failed = set_alt(plan, cert);
    if (!failed)
        failed = set_issuer(signer->certificate, cert);
    if (!failed)
        failed = wc_SetSubjectKeyIdFromPublicKey_ex(cert, key_type(subject), key_at(subject));
    return failed;
}

int certificate_make(const struct certificate_plan *plan, struct key *subject,
                     const struct certificate_signer *signer, WC_RNG *rng,
                     uint8_t der[CERTIFICATE_SIZE])
{
    Cert *cert = wc_CertNew(NULL);
    if (!cert)
        return MEMORY_E;
    int failed = set_all(plan, subject, signer, cert);
    int len = failed ? failed
                     : wc_MakeCert_ex(cert, der, CERTIFICATE_SIZE, key_type(subject),
                                      key_at(subject), rng);
    if (len > 0)
        len = wc_SignCert_ex(cert->bodySz, cert->sigType, der, CERTIFICATE_SIZE,
                             key_type(signer->key), key_at(signer->key), rng);
    wc_CertFree(cert);
    return len;
}

/* TBSCertificate (RFC 5280 section 4.1). */
static bool read_body(struct certificate *certificate, struct slice body)
{
    struct cursor cursor = cursor_of(body);
    struct slice skipped, validity;
    bool good = der_expect(&cursor, DER_CONSTRUCTED(0), &skipped, NULL) &&
                der_expect(&cursor, DER_INTEGER, &certificate->serial, NULL) &&
                der_expect(&cursor, DER_SEQUENCE, &skipped, NULL) &&
                der_expect(&cursor, DER_SEQUENCE, &skipped, &certificate->issuer) &&
                der_expect(&cursor, DER_SEQUENCE, &validity, NULL) &&
                der_expect(&cursor, DER_SEQUENCE, &skipped, &certificate->subject) &&
                der_expect(&cursor, DER_SEQUENCE, &skipped, &certificate->public);
    if (!good)
        return false;
    cursor = cursor_of(validity);
    return der_read_time(&cursor, &certificate->from) &&
           der_read_time(&cursor, &certificate->until);
}

static bool read_key_id(struct certificate *certificate)
{
    struct DecodedCert decoded;
    wc_InitDecodedCert(&decoded, certificate->der.at, (word32)certificate->der.len, NULL);
    bool good = wc_ParseCert(&decoded, CERT_TYPE, NO_VERIFY, NULL) == 0;
    if (good && decoded.extSubjKeyIdSet)
        memcpy(certificate->key_id, decoded.extSubjKeyId, sizeof(certificate->key_id));
    wc_FreeDecodedCert(&decoded);
    return good;
}

bool certificate_read(struct certificate *certificate, struct slice der)
{
    struct cursor cursor = cursor_of(der);
    struct slice content, body;
    *certificate = (struct certificate){.der = der};
    if (!der_expect(&cursor, DER_SEQUENCE, &content, &certificate->der))
        return false;
    cursor = cursor_of(content);
    return der_expect(&cursor, DER_SEQUENCE, &body, NULL) && read_body(certificate, body) &&
           read_key_id(certificate);
}
