/* credentials: see credentials.h. Stands beside the way of a message: it is used at start and at
 * reload. */
#include "transports/credentials.h"

#include "transports/credentials_cert.h"
#include "transports/credentials_file.h"
#include "transports/tls_groups.h"
#include "transports/tls_psk.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <wolfssl/wolfcrypt/cpuid.h>

/* RFC 9325 section 4.2: ephemeral key exchange and authenticated encryption, nothing else. */
static const char suites[] =
    "TLS13-AES128-GCM-SHA256:TLS13-AES256-GCM-SHA384:TLS13-CHACHA20-POLY1305-SHA256:"
    "TLS13-AES128-CCM-SHA256:"
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:"
    "ECDHE-RSA-AES128-GCM-SHA256:ECDHE-RSA-AES256-GCM-SHA384:ECDHE-RSA-CHACHA20-POLY1305";
static const char psk_suites[] = ":ECDHE-PSK-AES128-GCM-SHA256:ECDHE-PSK-CHACHA20-POLY1305";

enum { GROUPS_MAX = 8, CHAIN_DEPTH = 3 };

/* A set that is being put together. */
struct loading {
    const struct tls_settings *settings;
    struct credentials *credentials;
    bool datagrams;
    char *why; /* CREDENTIALS_WHY_SIZE */
};

static int refuse(const struct loading *loading, const char *path, const char *what, int wolf)
{
    char reason[WOLFSSL_MAX_ERROR_SZ] = "";
    if (wolf < 0)
        wolfSSL_ERR_error_string_n((unsigned long)wolf, reason, sizeof(reason));
    snprintf(loading->why, CREDENTIALS_WHY_SIZE, "%s%s%s%s%s", path ? path : "", path ? ": " : "",
             what, reason[0] ? ": " : "", reason);
    return wolf == MEMORY_E ? -ENOMEM : -EINVAL;
}

static int read_file(const struct loading *loading, const char *path, struct credentials_file *file)
{
    return credentials_file_read(path, file, loading->why, CREDENTIALS_WHY_SIZE);
}

static void note_loose(const struct loading *loading, const char *path,
                       const struct credentials_file *file)
{
    if (file->loose && !loading->credentials->loose)
        loading->credentials->loose = strdup(path);
}

/* ---- one part after the other ---- */

static int parse_groups(const struct loading *loading, int numbers[GROUPS_MAX])
{
    int count = 0;
    char copy[1024], *rest = copy;
    snprintf(copy, sizeof(copy), "%s", loading->settings->groups);
    for (char *name; (name = strsep(&rest, ", "));) {
        int number = tls_group(name);
        if (name[0] == '\0')
            continue;
        if (number == 0 || count == GROUPS_MAX) {
            snprintf(loading->why, CREDENTIALS_WHY_SIZE, "tls.groups: there is no %s; known: %s",
                     name, tls_group_names);
            return -EINVAL;
        }
        numbers[count++] = number;
    }
    return count ? count : refuse(loading, NULL, "tls.groups: names no group", 0);
}

static int load_profile(const struct loading *loading)
{
    const struct tls_settings *settings = loading->settings;
    WOLFSSL_CTX *profile = loading->credentials->profile;
    char list[sizeof(suites) + sizeof(psk_suites)];
    int numbers[GROUPS_MAX];
    int count = parse_groups(loading, numbers);
    if (count < 0)
        return count;
    snprintf(list, sizeof(list), "%s%s", settings->certificate ? suites : "TLS13-AES128-GCM-SHA256",
             settings->psk_file ? psk_suites : "");
    if (wolfSSL_CTX_set_cipher_list(profile, list) != WOLFSSL_SUCCESS)
        return refuse(loading, NULL, "the cipher suites are not to be had", 0);
    static const int oldest[][2] = {[TLS_VERSION_12] = {WOLFSSL_TLSV1_2, WOLFSSL_DTLSV1_2},
                                    [TLS_VERSION_13] = {WOLFSSL_TLSV1_3, WOLFSSL_DTLSV1_3}};
    if (wolfSSL_CTX_SetMinVersion(profile, oldest[settings->min_version][loading->datagrams]) !=
        WOLFSSL_SUCCESS)
        return refuse(loading, NULL, "the version is not to be had", 0);
    loading->credentials->hybrid_first = numbers[0] == WOLFSSL_X25519MLKEM768;
    if (wolfSSL_CTX_set_groups(profile, numbers, count) != WOLFSSL_SUCCESS)
        return refuse(loading, NULL, "tls.groups: cannot be set", 0);
    /* One generator for all connections: to seed and to test one is a tenth of a handshake. */
    if (wolfSSL_CTX_new_rng(profile) != WOLFSSL_SUCCESS)
        return refuse(loading, NULL, "no random numbers", 0);
    wolfSSL_CTX_set_session_cache_mode(profile, WOLFSSL_SESS_CACHE_OFF);
    /* Never keys without an exchange: whoever learns one would read all that was recorded. */
    return wolfSSL_CTX_only_dhe_psk(profile) == 0 ? 0 : refuse(loading, NULL, "psk_dhe_ke", 0);
}

static int load_certificate(const struct loading *loading)
{
    const char *path = loading->settings->certificate;
    struct credentials_file file;
    int error = read_file(loading, path, &file);
    if (error)
        return error;
    int ret = wolfSSL_CTX_use_certificate_chain_buffer(loading->credentials->profile, file.at,
                                                       (long)file.len);
    if (ret != WOLFSSL_SUCCESS)
        error = refuse(loading, path, "is no certificate chain (PEM)", ret);
    else
        loading->credentials->expires_s = cert_chain_expires(slice_of(file.at, file.len));
    credentials_file_clear(&file);
    return error;
}

static int load_key(const struct loading *loading)
{
    const char *path = loading->settings->key;
    struct credentials_file file;
    int error = read_file(loading, path, &file);
    if (error)
        return error;
    int ret = wolfSSL_CTX_use_PrivateKey_buffer(loading->credentials->profile, file.at,
                                                (long)file.len, WOLFSSL_FILETYPE_PEM);
    if (ret != WOLFSSL_SUCCESS)
        error = refuse(loading, path, "is no private key (PEM, not encrypted)", ret);
    else if (wolfSSL_CTX_check_private_key(loading->credentials->profile) != WOLFSSL_SUCCESS)
        error = refuse(loading, path, "is not the key of the certificate", 0);
    note_loose(loading, path, &file);
    credentials_file_clear(&file);
    return error;
}

static int load_ca(const struct loading *loading)
{
    const char *path = loading->settings->ca;
    struct credentials_file file;
    int error = read_file(loading, path, &file);
    if (error)
        return error;
    int ret = wolfSSL_CTX_load_verify_buffer(loading->credentials->profile, file.at, (long)file.len,
                                             WOLFSSL_FILETYPE_PEM);
    if (ret != WOLFSSL_SUCCESS)
        error = refuse(loading, path, "is no certificate of a CA (PEM)", ret);
    credentials_file_clear(&file);
    return error;
}

/* Each list of the text: wolfSSL alone would read the first. */
static int add_lists(WOLFSSL_CTX *profile, const struct credentials_file *file)
{
    static const char begin[] = "-----BEGIN X509 CRL-----";
    const uint8_t *at = file->at, *end = file->at + file->len;
    int ret = ASN_NO_PEM_HEADER;
    while ((at = memmem(at, (size_t)(end - at), begin, sizeof(begin) - 1))) {
        ret = wolfSSL_CTX_LoadCRLBuffer(profile, at, (long)(end - at), WOLFSSL_FILETYPE_PEM);
        if (ret != WOLFSSL_SUCCESS)
            return ret;
        at += sizeof(begin) - 1;
    }
    return ret;
}

/* Every certificate of a chain is looked up, and one whose issuer has no fresh list is refused. */
static int load_crl(const struct loading *loading)
{
    const char *path = loading->settings->crl;
    struct credentials_file file;
    int error = read_file(loading, path, &file);
    if (error)
        return error;
    WOLFSSL_CTX *profile = loading->credentials->profile;
    int ret = wolfSSL_CTX_EnableCRL(profile, WOLFSSL_CRL_CHECKALL);
    if (ret == WOLFSSL_SUCCESS)
        ret = add_lists(profile, &file);
    if (ret == CRL_CERT_DATE_ERR)
        error = refuse(loading, path, "is out of date: nobody could be let in by it", 0);
    else if (ret != WOLFSSL_SUCCESS)
        error = refuse(loading, path, "is no revocation list of the CA (PEM)", ret);
    credentials_file_clear(&file);
    return error;
}

static int load_psk(const struct loading *loading)
{
    const char *path = loading->settings->psk_file;
    char why[256];
    struct credentials_file file;
    int error = read_file(loading, path, &file);
    if (error)
        return error;
    loading->credentials->keys = psk_table_read(slice_of(file.at, file.len), why, sizeof(why));
    if (!loading->credentials->keys)
        error = refuse(loading, path, why, 0);
    note_loose(loading, path, &file);
    credentials_file_clear(&file);
    return error;
}

static int load_parts(const struct loading *loading)
{
    const struct tls_settings *settings = loading->settings;
    int error = load_profile(loading);
    if (!error && settings->certificate)
        error = load_certificate(loading);
    if (!error && settings->certificate)
        error = load_key(loading);
    if (!error && settings->ca)
        error = load_ca(loading);
    if (!error && settings->crl)
        error = load_crl(loading);
    if (!error && settings->psk_file)
        error = load_psk(loading);
    return error;
}

static void copy_numbers(struct tls_settings *to, const struct tls_settings *from)
{
    *to = *from;
    to->certificate = to->key = to->ca = to->crl = to->psk_file = to->groups = NULL;
}

/* wolfSSL's P-256 leaves the upper halves of the vector registers in use, and its SHA-256 for
 * processors with SHA instructions is of the older encoding, which crawls then: five times the
 * CPU for a P-256 handshake. The AVX2 form of SHA-256 does not mind, and puts them in order. Our
 * own build of wolfSSL (cmake/build-wolfssl) leaves nothing in use. */
#if defined(CPUID_SHA) && !defined(SIOTD_CLEAN_VECTORS)
static void avoid_slow_sha256(void)
{
    (void)cpuid_get_flags(); /* so that there are some to clear */
    cpuid_clear_flag(CPUID_SHA);
}
#else
static void avoid_slow_sha256(void)
{
}
#endif

static bool start_wolfssl(void)
{
    static bool started;
    if (started)
        return true;
    avoid_slow_sha256(); /* before anything is hashed: the choice is made once */
    started = wolfSSL_Init() == WOLFSSL_SUCCESS;
    return started;
}

int credentials_load(const struct tls_settings *settings, bool datagrams, struct credentials **out,
                     char why[CREDENTIALS_WHY_SIZE])
{
    if (!start_wolfssl()) {
        snprintf(why, CREDENTIALS_WHY_SIZE, "wolfSSL does not start");
        return -EIO;
    }
    struct credentials *credentials = calloc(1, sizeof(*credentials));
    if (credentials)
        credentials->profile =
            wolfSSL_CTX_new(datagrams ? wolfDTLS_server_method() : wolfSSLv23_server_method());
    if (!credentials || !credentials->profile) {
        free(credentials);
        snprintf(why, CREDENTIALS_WHY_SIZE, "out of memory");
        return -ENOMEM;
    }
    credentials->refs = 1;
    credentials->expires_s = INT64_MAX;
    credentials->asks = settings->ca && settings->client_certificate != TLS_CLIENT_NONE;
    copy_numbers(&credentials->wish, settings);
    wolfSSL_CTX_set_verify_depth(credentials->profile, CHAIN_DEPTH);
    const struct loading loading = {settings, credentials, datagrams, why};
    int error = load_parts(&loading);
    if (error) {
        credentials_unref(credentials);
        return error;
    }
    *out = credentials;
    return 0;
}

struct credentials *credentials_ref(struct credentials *credentials)
{
    credentials->refs++;
    return credentials;
}

void credentials_unref(struct credentials *credentials)
{
    if (!credentials || --credentials->refs > 0)
        return;
    wolfSSL_CTX_free(credentials->profile);
    psk_table_free(credentials->keys);
    free(credentials->loose);
    free(credentials);
}
