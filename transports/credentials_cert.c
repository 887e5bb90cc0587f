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

/* The first alternative name of a type; wolfSSL keeps mail addresses apart. */
static struct slice alternative(const DecodedCert *cert, int type)
{
    const DNS_entry *first = type == ASN_RFC822_TYPE ? cert->altEmailNames : cert->altNames;
    for (const DNS_entry *name = first; name; name = name->next)
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

static bool within(const uint8_t *digits, int min, int max)
{
    return two(digits) >= min && two(digits) <= max;
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
    if (date[length - 1] != 'Z' || !within(at, 1, 12) || !within(at + 2, 1, 31) ||
        !within(at + 4, 0, 23) || !within(at + 6, 0, 59) || !within(at + 8, 0, 59))
        return -1;
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

/* ---- what wolfSSL lets pass ---- */

/* The content of the next DER element, taken off `rest`; SLICE_EMPTY and an empty rest when there
 * is none of that tag. */
static struct slice element(struct slice *rest, uint8_t tag)
{
    size_t length = rest->len > 1 ? rest->at[1] : 0, header = 2;
    if (length & 0x80) {
        size_t count = length & 0x7f;
        for (length = 0; count && count <= 4 && header < rest->len; count--)
            length = length << 8 | rest->at[header++];
        if (count)
            length = SIZE_MAX;
    }
    struct slice content = SLICE_EMPTY;
    bool there = rest->len >= header && rest->at[0] == tag && length <= rest->len - header;
    if (there)
        content = slice_of(rest->at + header, length);
    *rest = there ? slice_from(*rest, header + length) : SLICE_EMPTY;
    return content;
}

/* One certificate and nothing behind it, both its signature algorithms the same and its serial
 * number above 0 (RFC 5280 sections 4.1.1.2 and 4.1.2.2): no byte of it can be changed. */
static bool is_framed(struct slice der)
{
    enum { SEQUENCE = 0x30, VERSION = 0xa0, INTEGER = 0x02, BIT_STRING = 0x03 };
    struct slice rest = der, whole = element(&rest, SEQUENCE);
    struct slice inner = element(&whole, SEQUENCE), outer_algorithm = element(&whole, SEQUENCE);
    struct slice signature = element(&whole, BIT_STRING);
    if (rest.len > 0 || whole.len > 0 || signature.len == 0)
        return false;
    element(&inner, VERSION);
    struct slice serial = element(&inner, INTEGER), algorithm = element(&inner, SEQUENCE);
    return serial.len > 0 && serial.at[0] < 0x80 && algorithm.len > 0 &&
           slice_equal(algorithm, outer_algorithm);
}

/* RFC 9325 section 4.5: no hash below SHA-256. */
static bool is_signed_well(const DecodedCert *cert)
{
    switch (cert->signatureOID) {
    case CTC_SHA256wECDSA:
    case CTC_SHA384wECDSA:
    case CTC_SHA512wECDSA:
    case CTC_SHA256wRSA:
    case CTC_SHA384wRSA:
    case CTC_SHA512wRSA:
    case CTC_RSASSAPSS:
    case CTC_ED25519:
        return true;
    default:
        return false;
    }
}

static bool is_dated(const DecodedCert *cert)
{
    return cert->beforeDate && cert->afterDate &&
           read_time(cert->beforeDate, (size_t)cert->beforeDateLen) >= 0 &&
           read_time(cert->afterDate, (size_t)cert->afterDateLen) >= 0;
}

bool cert_sound(struct slice der)
{
    DecodedCert *cert = is_framed(der) ? parse(der) : NULL;
    if (!cert)
        return false;
    bool sound = is_signed_well(cert) && is_dated(cert);
    FreeDecodedCert(cert);
    return sound;
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
