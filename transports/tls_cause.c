/* tls_cause: see tls_cause.h. Asked when a handshake has failed; whoever debugs a board at midnight
 * has nothing but this line. */
#include "transports/tls_cause.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

enum { RECORD_HANDSHAKE = 22, RECORD_ALERT = 21, HELLO_VERSION_AT = 9 };

static const char *alert_name(int code)
{
    static const struct {
        int code;
        const char *name;
    } names[] = {
        {0, "close_notify"},
        {10, "unexpected_message"},
        {20, "bad_record_mac"},
        {22, "record_overflow"},
        {40, "handshake_failure"},
        {42, "bad_certificate"},
        {43, "unsupported_certificate"},
        {44, "certificate_revoked"},
        {45, "certificate_expired"},
        {46, "certificate_unknown"},
        {47, "illegal_parameter"},
        {48, "unknown_ca"},
        {49, "access_denied"},
        {50, "decode_error"},
        {51, "decrypt_error"},
        {70, "protocol_version"},
        {71, "insufficient_security"},
        {80, "internal_error"},
        {86, "inappropriate_fallback"},
        {90, "user_canceled"},
        {109, "missing_extension"},
        {110, "unsupported_extension"},
        {112, "unrecognized_name"},
        {113, "bad_certificate_status_response"},
        {115, "unknown_psk_identity"},
        {116, "certificate_required"},
        {120, "no_application_protocol"},
    };
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (names[i].code == code)
            return names[i].name;
    return "unknown";
}

static const char *version_name(uint16_t version)
{
    switch (version) {
    case 0x0300:
        return "SSL 3.0";
    case 0x0301:
        return "TLS 1.0";
    case 0x0302:
        return "TLS 1.1";
    default:
        return "TLS 1.2";
    }
}

/* What was spoken instead of TLS; NULL when it was TLS. */
static const char *not_tls(struct slice first)
{
    if (first.len == 0)
        return NULL;
    if (first.at[0] == RECORD_HANDSHAKE || first.at[0] == RECORD_ALERT)
        return first.len > 1 && first.at[1] != 3 ? "the client does not speak TLS" : NULL;
    if (first.at[0] == 0x10)
        return "the client speaks MQTT without TLS";
    if (first.len >= 4 && isupper(first.at[0]) && isupper(first.at[1]) && isupper(first.at[2]))
        return "the client speaks HTTP without TLS";
    return "the client does not speak TLS";
}

static bool is_certificate_error(int error)
{
    switch (error) {
    case ASN_AFTER_DATE_E:
    case ASN_BEFORE_DATE_E:
    case ASN_NO_SIGNER_E:
    case ASN_SELF_SIGNED_E:
    case ASN_SIG_CONFIRM_E:
    case ASN_SIG_OID_E:
    case ASN_SIG_KEY_E:
    case ASN_PARSE_E:
    case ASN_NAME_INVALID_E:
    case ASN_PATHLEN_SIZE_E:
    case ASN_PATHLEN_INV_E:
    case ASN_CRIT_EXT_E:
    case KEYUSAGE_E:
    case KEYUSE_ENCIPHER_E:
    case EXTKEYUSAGE_E:
    case EXTKEYUSE_AUTH_E:
    case NO_PEER_CERT:
    case VERIFY_CERT_ERROR:
    case CRL_CERT_REVOKED:
    case CRL_MISSING:
    case CRL_CERT_DATE_ERR:
    case MAX_CHAIN_ERROR:
    case PEER_KEY_ERROR:
    case ECC_KEY_SIZE_E:
    case RSA_KEY_SIZE_E:
    case NO_PEER_VERIFY:
        return true;
    default:
        return false;
    }
}

static const char *certificate_words(int error)
{
    switch (error) {
    case ASN_NO_SIGNER_E:
        return "is of no CA we know";
    case ASN_SELF_SIGNED_E:
        return "is signed by itself";
    case CRL_CERT_REVOKED:
        return "is revoked";
    case CRL_MISSING:
        return "cannot be checked: there is no revocation list of its issuer";
    case CRL_CERT_DATE_ERR:
        return "cannot be checked: the revocation list is out of date";
    case EXTKEYUSE_AUTH_E:
    case EXTKEYUSAGE_E:
    case KEYUSAGE_E:
        return "is not for clients";
    case ECC_KEY_SIZE_E:
    case RSA_KEY_SIZE_E:
        return "has a key that is too short";
    case VERIFY_CERT_ERROR:
        return "has no name that can be used, is signed with too weak a hash, or is malformed";
    case ASN_AFTER_DATE_E:
    case ASN_BEFORE_DATE_E:
        return "";
    default:
        return "is not good";
    }
}

static enum tls_failure kind_of(int error)
{
    switch (error) {
    case VERSION_ERROR:
    case UNSUPPORTED_PROTO_VERSION:
        return TLS_FAILED_VERSION;
    case MATCH_SUITE_ERROR:
    case UNSUPPORTED_SUITE:
    case ECC_CURVE_ERROR:
    case BAD_KEY_SHARE_DATA:
    case UNKNOWN_ALPN_PROTOCOL_NAME_E:
        return TLS_FAILED_PARAMETERS;
    case PSK_KEY_ERROR:
    case BAD_BINDER:
    case VERIFY_FINISHED_ERROR:
    case VERIFY_MAC_ERROR:
    case DECRYPT_ERROR:
        return TLS_FAILED_KEY;
    case FATAL_ERROR:
        return TLS_FAILED_ALERT;
    default:
        return is_certificate_error(error) ? TLS_FAILED_CERTIFICATE : TLS_FAILED_OTHER;
    }
}

static void say(char *to, enum tls_failure kind, int error, struct slice first,
                const char *certificate)
{
    uint16_t version = 0;
    if (first.len == TLS_FIRST_SIZE)
        version = (uint16_t)(first.at[HELLO_VERSION_AT] << 8 | first.at[HELLO_VERSION_AT + 1]);
    switch (kind) {
    case TLS_FAILED_VERSION:
        snprintf(to, TLS_CAUSE_SIZE, "client offered only %s",
                 version ? version_name(version) : "older versions");
        return;
    case TLS_FAILED_CERTIFICATE:
        if (error == NO_PEER_CERT || (error == VERIFY_CERT_ERROR && !certificate[0]))
            snprintf(to, TLS_CAUSE_SIZE, "client showed no certificate");
        else if (strstr(certificate, "expired") || strstr(certificate, "not valid"))
            snprintf(to, TLS_CAUSE_SIZE, "certificate %.300s", certificate);
        else
            snprintf(to, TLS_CAUSE_SIZE, "certificate %.300s%s%s", certificate,
                     certificate[0] ? " " : "", certificate_words(error));
        return;
    case TLS_FAILED_KEY:
        snprintf(to, TLS_CAUSE_SIZE,
                 "the keys do not fit: unknown PSK identity, wrong PSK, or a "
                 "damaged record");
        return;
    default:
        break;
    }
    if (error == UNKNOWN_ALPN_PROTOCOL_NAME_E)
        snprintf(to, TLS_CAUSE_SIZE, "client wants another application protocol");
    else if (error == MATCH_SUITE_ERROR || error == UNSUPPORTED_SUITE)
        snprintf(to, TLS_CAUSE_SIZE, "no cipher suite in common");
    else
        wolfSSL_ERR_error_string_n((unsigned long)error, to, TLS_CAUSE_SIZE);
}

static void add_alert(WOLFSSL *ssl, char *to)
{
    WOLFSSL_ALERT_HISTORY history;
    size_t used = strlen(to);
    if (wolfSSL_get_alert_history(ssl, &history) != WOLFSSL_SUCCESS)
        return;
    if (history.last_rx.code >= 0 && history.last_rx.level > 0)
        snprintf(to + used, TLS_CAUSE_SIZE - used, " (received alert %s)",
                 alert_name(history.last_rx.code));
    else if (history.last_tx.code >= 0 && history.last_tx.level > 0)
        snprintf(to + used, TLS_CAUSE_SIZE - used, " (sent alert %s)",
                 alert_name(history.last_tx.code));
}

enum tls_failure tls_cause(WOLFSSL *ssl, int error, struct slice first, const char *certificate,
                           char to[TLS_CAUSE_SIZE])
{
    const char *instead = not_tls(first);
    if (instead) {
        snprintf(to, TLS_CAUSE_SIZE, "%s", instead);
        return TLS_FAILED_NOT_TLS;
    }
    enum tls_failure kind = kind_of(error);
    WOLFSSL_ALERT_HISTORY history;
    if (wolfSSL_get_alert_history(ssl, &history) == WOLFSSL_SUCCESS && history.last_rx.level > 0) {
        kind = TLS_FAILED_ALERT;
        snprintf(to, TLS_CAUSE_SIZE, "the client gave up");
    } else {
        say(to, kind, error, first, certificate);
    }
    add_alert(ssl, to);
    return kind;
}

const char *tls_failure_name(enum tls_failure failure)
{
    static const char *const names[TLS_FAILURES] = {
        [TLS_FAILED_NOT_TLS] = "not_tls",
        [TLS_FAILED_VERSION] = "version",
        [TLS_FAILED_PARAMETERS] = "parameters",
        [TLS_FAILED_CERTIFICATE] = "certificate",
        [TLS_FAILED_KEY] = "key",
        [TLS_FAILED_ALERT] = "alert",
        [TLS_FAILED_TIMEOUT] = "timeout",
        [TLS_FAILED_CLOSED] = "closed",
        [TLS_FAILED_OTHER] = "other",
    };
    return names[failure];
}
