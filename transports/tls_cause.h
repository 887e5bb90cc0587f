/* tls_cause: why a handshake failed, in words for the log and in kinds for the metrics. */
#ifndef SIOTD_TRANSPORTS_TLS_CAUSE_H
#define SIOTD_TRANSPORTS_TLS_CAUSE_H

#include "base/slice.h"
#include "transports/tls.h"
#include "transports/tls_wolfssl.h"

/* Enough of the first bytes to tell a ClientHello and its version from something else. */
enum { TLS_FIRST_SIZE = 11, TLS_CAUSE_SIZE = 512 };

/* `first` is what the client said first, `error` of wolfSSL_get_error, `certificate` what is known
 * of the client's ("of CN=x expired 3 days ago"; "" for nothing). */
enum tls_failure tls_cause(WOLFSSL *ssl, int error, struct slice first, const char *certificate,
                           char to[TLS_CAUSE_SIZE]);

#endif
