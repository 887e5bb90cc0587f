/* user_settings: what of wolfSSL is built for siotd, and what is not.
 *
 * wolfSSL reads this file while it is built (cmake/build-wolfssl) and whenever one of its headers
 * is included: the two must agree, so the file is installed beside the library it made. It holds
 * little but macros, because wolfSSL's assembly reads it as well. transports/tls_wolfssl.h refuses
 * a library that was built otherwise. */
#ifndef WOLFSSL_USER_SETTINGS_SIOTD
#define WOLFSSL_USER_SETTINGS_SIOTD

#ifndef __ASSEMBLER__ /* what wolfSSL uses and leaves to its user to have */
#include <netdb.h>
#include <stdint.h>
#include <sys/time.h>
#endif

/* ---- protocols: TLS and DTLS, 1.2 and 1.3 ---- */
#define WOLFSSL_TLS13
#define WOLFSSL_DTLS
#define WOLFSSL_DTLS13
#define WOLFSSL_DTLS_CID
#define WOLFSSL_DTLS_MTU
#define WOLFSSL_DTLS_CH_FRAG
#define WOLFSSL_SEND_HRR_COOKIE
#define NO_OLD_TLS
#define WOLFSSL_HARDEN_TLS 112 /* RFC 9325: no key below 112 bits, no truncated MAC, RFC 5746 */
#define HAVE_SERVER_RENEGOTIATION_INFO
#define WOLFSSL_EXTRA_ALERTS
#define WOLFSSL_CHECK_ALERT_ON_ERR

/* ---- extensions ---- */
#define HAVE_TLS_EXTENSIONS
#define HAVE_SUPPORTED_CURVES
#define HAVE_EXTENDED_MASTER
#define HAVE_SNI
#define HAVE_ALPN
#define HAVE_SESSION_TICKET
#define WOLFSSL_NO_DEF_TICKET_ENC_CB /* the keys of tickets are ours to make and to rotate */
#define MICRO_SESSION_CACHE          /* and only they resume: a server remembers nothing */
#define WOLFSSL_TLS_NO_MLKEM_STANDALONE

/* ---- certificates ---- */
#define WOLFSSL_ASN_TEMPLATE
#define WOLFSSL_ALWAYS_VERIFY_CB /* the peer's identity is read while its chain is judged */
#define WOLFSSL_CERT_EXT
#define WOLFSSL_CERT_GEN
#define WOLFSSL_CERT_REQ
#define WOLFSSL_ALT_NAMES
#define WOLFSSL_IP_ALT_NAME
#define WOLFSSL_KEY_GEN
#define WOLFSSL_PEM_TO_DER
#define WOLFSSL_DER_TO_PEM
#define WOLFSSL_BASE64_ENCODE
#define HAVE_CRL
#define HAVE_OCSP
#define MAX_CHAIN_DEPTH 3 /* bounds what a half-open DTLS handshake may hold */

/* ---- algorithms ---- */
#define HAVE_AESGCM
#define HAVE_AESCCM
#define WOLFSSL_AES_DIRECT
#ifdef __x86_64__
#define GCM_SMALL /* the processor does it, and each key would carry a table of 512 bytes for nothing */
#else
#define GCM_TABLE_4BIT
#endif
#define HAVE_CHACHA
#define HAVE_POLY1305
#define HAVE_ECC
#define HAVE_ECC384
#define HAVE_ECC521
#define ECC_SHAMIR
#define ECC_MIN_KEY_SZ 256
#define HAVE_CURVE25519
#define HAVE_ED25519
#define WC_RSA_PSS
#define WOLFSSL_PSS_LONG_SALT
#define RSA_MIN_SIZE 2048
#define WOLFSSL_HAVE_MLKEM
#define WOLFSSL_PQC_HYBRIDS
#define WOLFSSL_SHA224
#define WOLFSSL_SHA384
#define WOLFSSL_SHA512
#define WOLFSSL_SHA3
#define WOLFSSL_SHAKE128
#define WOLFSSL_SHAKE256
#define HAVE_HKDF
#define HAVE_HASHDRBG
#define HAVE_PBKDF2
#define NO_DH
#define NO_DSA
#define NO_DES3
#define NO_DES3_TLS_SUITES
#define NO_RC4
#define NO_MD4
#define NO_MD5
#define NO_PKCS12
#define NO_PKCS7

/* ---- no side channels by time ---- */
#define TFM_TIMING_RESISTANT
#define ECC_TIMING_RESISTANT
#define WC_RSA_BLINDING

/* ---- fast ---- */
#define WOLFSSL_SP_MATH_ALL
#define WOLFSSL_HAVE_SP_ECC
#define WOLFSSL_HAVE_SP_RSA
#define WOLFSSL_SP_384
#define WOLFSSL_SP_521
#define WOLFSSL_SP_4096
#define WOLFSSL_SP_LARGE_CODE
#ifdef __x86_64__
#define WOLFSSL_X86_64_BUILD
#define WOLFSSL_SP_X86_64
#define WOLFSSL_SP_X86_64_ASM
#define WOLFSSL_SP_ASM
#define WOLFSSL_AESNI
#define USE_INTEL_SPEEDUP
#define SIOTD_CLEAN_VECTORS /* see build-wolfssl: the processor's SHA instructions may be used */
#define WOLFSSL_USE_ALIGN
#endif

/* ---- the machine ---- */
#define SINGLE_THREADED /* one thread shakes hands: one random generator serves all connections */
#define WC_NO_ASYNC_THREADING
#define NO_WOLFSSL_STUB
#define HAVE_SECRET_CALLBACK /* what a key log is made of; nothing is written by wolfSSL itself */
#define NO_OLD_WC_NAMES
#define NO_OLD_SSL_NAMES

#endif
