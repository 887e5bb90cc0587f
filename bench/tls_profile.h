/* tls_profile: what the options say of TLS, made into what wolfSSL starts from; for connections and
 * for datagrams. */
#ifndef SIOTD_BENCH_TLS_PROFILE_H
#define SIOTD_BENCH_TLS_PROFILE_H

#include "bench/options.h"
#include <wolfssl/ssl.h>

/* A client's profile, the caller's to free: TLS, or DTLS where `datagrams`, of the version, group,
 * authority or key that the options name. *group is the one of the key exchange, 0 for wolfSSL's
 * own choice. NULL after saying on stderr what is wrong. */
WOLFSSL_CTX *tls_profile_new(const struct options *options, bool datagrams, int *group);

#endif
