/* tls_wolfssl: the one door to wolfSSL's headers, and what of it siotd builds on.
 *
 * A library that is too old, or that was built with what has made others vulnerable, is refused
 * here, at compile time, wherever it came from. */
#ifndef SIOTD_TRANSPORTS_TLS_WOLFSSL_H
#define SIOTD_TRANSPORTS_TLS_WOLFSSL_H

#ifndef WOLFSSL_USER_SETTINGS
#include <wolfssl/options.h>
#endif
#include <wolfssl/wolfcrypt/settings.h>

#include <wolfssl/ssl.h>
#include <wolfssl/version.h>

/* Earlier ones write beyond the heap before a peer has proven anything (CVE-2026-6679), accept
 * forged signatures (CVE-2026-5194) and missing ones (CVE-2026-55962). */
_Static_assert(LIBWOLFSSL_VERSION_HEX >= 0x05009002, "wolfSSL 5.9.2 or later is needed");

#if defined(OPENSSL_EXTRA) || defined(OPENSSL_ALL)
#error "wolfSSL must be built without its OpenSSL layer: its own verification has had holes"
#endif
#ifdef WOLFSSL_SESSION_EXPORT
#error "wolfSSL must be built without session export: what is imported twice uses its nonces twice"
#endif
#ifdef WOLFSSL_EARLY_DATA
#error "wolfSSL must be built without early data: a CONNECT can be replayed"
#endif
#if !defined(WOLFSSL_SEND_HRR_COOKIE) || defined(WOLFSSL_DTLS_NO_HVR_ON_RESUME) ||                 \
    defined(WOLFSSL_DTLS13_NO_HRR_ON_RESUME)
#error "wolfSSL must ask every DTLS client for a cookie, resumption included"
#endif
#if !defined(NO_OLD_TLS) || defined(WOLFSSL_ALLOW_TLSV10) || defined(WOLFSSL_ALLOW_SSLV3)
#error "wolfSSL must be built without TLS 1.1 and older"
#endif
#if defined(HAVE_SECURE_RENEGOTIATION) || defined(WOLFSSL_NO_TLS12)
#error "wolfSSL must be built with TLS 1.2 and without renegotiation"
#endif
#if !defined(WOLFSSL_HARDEN_TLS) || WOLFSSL_HARDEN_TLS < 112
#error "wolfSSL must be built with WOLFSSL_HARDEN_TLS"
#endif
#if defined(SHOW_SECRETS) || defined(WOLFSSL_SSLKEYLOGFILE)
#error "wolfSSL must not write secrets to a file by itself"
#endif
#ifndef SINGLE_THREADED
#error "wolfSSL must be built SINGLE_THREADED: each connection would seed a random generator"
#endif
#if !defined(WOLFSSL_TLS13) || !defined(WOLFSSL_DTLS13) || !defined(WOLFSSL_DTLS_CID) ||           \
    !defined(HAVE_ALPN) || !defined(HAVE_SNI) || !defined(HAVE_SESSION_TICKET) ||                  \
    !defined(HAVE_EXTENDED_MASTER) || !defined(HAVE_CRL) || defined(NO_PSK) ||                     \
    !defined(HAVE_SECRET_CALLBACK) || !defined(WOLFSSL_ALWAYS_VERIFY_CB) ||                        \
    !defined(WOLFSSL_HAVE_MLKEM) || !defined(HAVE_CURVE25519) || !defined(HAVE_ED25519) ||         \
    !defined(WOLFSSL_CERT_GEN) || !defined(WOLFSSL_CERT_REQ) || !defined(WOLFSSL_CERT_EXT) ||      \
    !defined(WOLFSSL_KEY_GEN)
#error "wolfSSL lacks something that siotd needs; cmake/user_settings.h has the list"
#endif

#endif
