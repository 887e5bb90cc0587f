/* verify: siotctl pki verify, whether siotd would believe a certificate of this authority: its
 * chain, its time, its use and the revocation list, all as wolfSSL judges them, and its key. */
#include "siotctl/pem.h"
#include "siotctl/pki.h"
#include "siotctl/say.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

static int load_crl(WOLFSSL_CERT_MANAGER *judge, const struct authority *authority)
{
    uint8_t *der;
    size_t len;
    int status = authority_read(&authority->folder, authority->path, "ca.crl", PEM_CRL, &der, &len);
    if (status != ENDED_WELL)
        return status;
    int result = wolfSSL_CertManagerLoadCRLBuffer(judge, der, (long)len, WOLFSSL_FILETYPE_ASN1);
    free(der);
    if (result != WOLFSSL_SUCCESS)
        return say_failed("%s/ca.crl: %s; siotctl pki crl makes a new one", authority->path,
                          wolfSSL_ERR_reason_error_string((unsigned long)result));
    return ENDED_WELL;
}

static int judge_chain(const struct authority *authority, const char *what, struct slice der)
{
    WOLFSSL_CERT_MANAGER *judge = wolfSSL_CertManagerNew();
    const struct slice ca = authority->certificate.der;
    int status = ENDED_WELL;
    if (!judge || wolfSSL_CertManagerEnableCRL(judge, WOLFSSL_CRL_CHECKALL | WOLFSSL_CRL_CHECK) !=
                      WOLFSSL_SUCCESS)
        status = say_failed("out of memory");
    if (status == ENDED_WELL &&
        wolfSSL_CertManagerLoadCABuffer(judge, ca.at, (long)ca.len, WOLFSSL_FILETYPE_ASN1) !=
            WOLFSSL_SUCCESS)
        status = say_failed("%s/ca.pem: this is no authority's certificate, or it has expired",
                            authority->path);
    if (status == ENDED_WELL)
        status = load_crl(judge, authority);
    if (status == ENDED_WELL) {
        int result =
            wolfSSL_CertManagerVerifyBuffer(judge, der.at, (long)der.len, WOLFSSL_FILETYPE_ASN1);
        if (result != WOLFSSL_SUCCESS)
            status =
                say_failed("%s: %s", what, wolfSSL_ERR_reason_error_string((unsigned long)result));
    }
    wolfSSL_CertManagerFree(judge);
    return status;
}

/* Whether NAME.key, if it is there, is the key of the certificate. */
static int judge_key(const struct authority *authority, const char *name,
                     const struct certificate *certificate)
{
    char file[NAME_SIZE + 8];
    uint8_t *der, public[KEY_DER_SIZE];
    size_t len;
    struct key key;
    snprintf(file, sizeof(file), "%s.key", name);
    if (!folder_has(&authority->folder, file))
        return ENDED_WELL;
    int status =
        authority_read(&authority->folder, authority->path, file, PEM_PRIVATE_KEY, &der, &len);
    if (status != ENDED_WELL)
        return status;
    int failed = key_from_private(&key, slice_of(der, len));
    explicit_bzero(der, len);
    free(der);
    if (failed)
        return say_failed("%s/%s: this is no key that siotctl has made", authority->path, file);
    int public_len = key_to_public(&key, public);
    key_clear(&key);
    if (public_len <= 0 || !slice_equal(slice_of(public, (size_t)public_len), certificate->public))
        return say_failed("%s/%s is not the key of %s.pem", authority->path, file, name);
    return ENDED_WELL;
}

/* The argument is a name of the authority's, or else a file. */
static int verify(const struct authority *authority, const char *what)
{
    const struct folder here = {AT_FDCWD};
    struct certificate certificate;
    char file[NAME_SIZE + 8], until[INDEX_TIME_SIZE];
    uint8_t *der;
    size_t len;
    bool named = !name_mistake(what) &&
                 snprintf(file, sizeof(file), "%s.pem", what) < (int)sizeof(file) &&
                 folder_has(&authority->folder, file);
    int status = named ? authority_read(&authority->folder, authority->path, file, PEM_CERTIFICATE,
                                        &der, &len)
                       : authority_read(&here, ".", what, PEM_CERTIFICATE, &der, &len);
    if (status != ENDED_WELL)
        return status;
    if (!certificate_read(&certificate, slice_of(der, len)))
        status = say_failed("%s: this is no certificate", what);
    if (status == ENDED_WELL)
        status = judge_chain(authority, what, certificate.der);
    if (status == ENDED_WELL && named)
        status = judge_key(authority, what, &certificate);
    if (status == ENDED_WELL) {
        index_time_text(certificate.until, until);
        printf("%s: good until %s\n", what, until);
    }
    free(der);
    return status;
}

int pki_verify(const struct pki_options *options)
{
    struct authority authority;
    wolfSSL_Init();
    int status = authority_open(&authority, options->dir);
    if (status == ENDED_WELL) {
        status = verify(&authority, options->subject);
        authority_close(&authority);
    }
    wolfSSL_Cleanup();
    return status;
}
