/* credentials_cert: see credentials_cert.h. Asked during a handshake in which a client shows a
 * certificate, and when the server's own is loaded. */
#include "transports/credentials_cert.h"

#include "base/log.h"
#include "base/utf8.h"
#include "transports/tls_wolfssl.h"
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <wolfssl/wolfcrypt/asn.h>
#include <wolfssl/wolfcrypt/sha256.h>

/* DecodedCert is large; one at a time, on the one thread that has handshakes. */
static DecodedCert *parse(struct slice der)
{
    static DecodedCert cert;
    InitDecodedCert(&cert, der.at, (word32)der.len, NULL);
    if (ParseCert(&cert, CERT_TYPE, NO_VERIFY, NULL) == 0)
        return &cert;
    FreeDecodedCert(&cert);
    return NULL;
}

/* The first alternative name of a type. */
static struct slice alternative(const DecodedCert *cert, int type)
{
    for (const DNS_entry *name = cert->altNames; name; name = name->next)
        if (name->type == type && name->name && name->len > 0)
            return slice_of((const uint8_t *)name->name, (size_t)name->len);
    return SLICE_EMPTY;
}

static struct slice name_of(const DecodedCert *cert, enum tls_identity kind)
{
    if (kind == TLS_IDENTITY_CN)
        return cert->subjectCN
                   ? slice_of((const uint8_t *)cert->subjectCN, (size_t)cert->subjectCNLen)
                   : SLICE_EMPTY;
    static const int types[] = {ASN_DNS_TYPE, ASN_URI_TYPE, ASN_RFC822_TYPE};
    struct slice name = SLICE_EMPTY;
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]) && name.len == 0; i++)
        name = alternative(cert, types[i]);
    return name;
}

static size_t fingerprint(struct slice der, char to[CERT_NAME_MAX])
{
    uint8_t sum[WC_SHA256_DIGEST_SIZE];
    if (wc_Sha256Hash(der.at, (word32)der.len, sum) != 0)
        return 0;
    for (size_t i = 0; i < sizeof(sum); i++)
        snprintf(to + 2 * i, 3, "%02x", sum[i]);
    return 2 * sizeof(sum);
}

size_t cert_identity(struct slice der, enum tls_identity kind, char to[CERT_NAME_MAX])
{
    if (kind == TLS_IDENTITY_FINGERPRINT)
        return fingerprint(der, to);
    DecodedCert *cert = parse(der);
    if (!cert)
        return 0;
    struct slice name = name_of(cert, kind);
    size_t length = name.len <= CERT_NAME_MAX && utf8_clean(name) ? name.len : 0;
    if (length)
        memcpy(to, name.at, length);
    FreeDecodedCert(cert);
    return length;
}

/* ---- dates ---- */

static int two(const uint8_t *digits)
{
    return (digits[0] - '0') * 10 + digits[1] - '0';
}

/* A Time of RFC 5280 section 4.1.2.5, tag and length included; -1 when it is none. */
static int64_t read_time(const uint8_t *date, size_t length)
{
    bool general = length == 17 && date[0] == ASN_GENERALIZED_TIME;
    if (!general && !(length == 15 && date[0] == ASN_UTC_TIME))
        return -1;
    const uint8_t *at = date + 2;
    for (size_t i = 2; i + 1 < length; i++)
        if (date[i] < '0' || date[i] > '9')
            return -1;
    int year = general ? two(at) * 100 + two(at + 2) : two(at) + (two(at) < 50 ? 2000 : 1900);
    at += general ? 4 : 2;
    struct tm tm = {.tm_year = year - 1900,
                    .tm_mon = two(at) - 1,
                    .tm_mday = two(at + 2),
                    .tm_hour = two(at + 4),
                    .tm_min = two(at + 6),
                    .tm_sec = two(at + 8)};
    return timegm(&tm);
}

static void show_span(int64_t seconds, char *to, size_t size)
{
    static const struct {
        const char *name;
        int64_t length;
    } units[] = {{"day", 86400}, {"hour", 3600}, {"minute", 60}, {"second", 1}};
    size_t i = 0;
    while (i < 3 && seconds < units[i].length)
        i++;
    long long count = seconds / units[i].length;
    snprintf(to, size, "%lld %s%s", count, units[i].name, count == 1 ? "" : "s");
}

char *cert_describe(struct slice der, int64_t now_s, char to[CERT_WORDS_SIZE])
{
    char escaped[LOG_ESCAPED_SIZE], span[48];
    to[0] = '\0';
    DecodedCert *cert = parse(der);
    if (!cert) {
        snprintf(to, CERT_WORDS_SIZE, "that is malformed");
        return to;
    }
    struct slice name = name_of(cert, TLS_IDENTITY_CN);
    int used = snprintf(to, CERT_WORDS_SIZE, "of CN=%s",
                        log_escape(escaped, sizeof(escaped) < 160 ? sizeof(escaped) : 160, name));
    int64_t after = cert->afterDate ? read_time(cert->afterDate, (size_t)cert->afterDateLen) : -1;
    int64_t before =
        cert->beforeDate ? read_time(cert->beforeDate, (size_t)cert->beforeDateLen) : -1;
    if (after >= 0 && after < now_s) {
        show_span(now_s - after, span, sizeof(span));
        snprintf(to + used, CERT_WORDS_SIZE - (size_t)used, " expired %s ago", span);
    } else if (before > now_s) {
        show_span(before - now_s, span, sizeof(span));
        snprintf(to + used, CERT_WORDS_SIZE - (size_t)used, " is not valid for another %s", span);
    }
    FreeDecodedCert(cert);
    return to;
}

static int64_t expires(struct slice der)
{
    DecodedCert *cert = parse(der);
    if (!cert)
        return -1;
    int64_t at = cert->afterDate ? read_time(cert->afterDate, (size_t)cert->afterDateLen) : -1;
    FreeDecodedCert(cert);
    return at;
}

int64_t cert_chain_expires(struct slice pem)
{
    static const char begin[] = "-----BEGIN CERTIFICATE-----";
    int64_t first = INT64_MAX;
    const uint8_t *at = pem.at, *end = pem.at + pem.len;
    while ((at = memmem(at, (size_t)(end - at), begin, sizeof(begin) - 1))) {
        DerBuffer *der = NULL;
        if (wc_PemToDer(at, (long)(end - at), CERT_TYPE, &der, NULL, NULL, NULL) == 0) {
            int64_t until = expires(slice_of(der->buffer, der->length));
            if (until >= 0 && until < first)
                first = until;
        }
        wc_FreeDer(&der);
        at += sizeof(begin) - 1;
    }
    return first;
}
