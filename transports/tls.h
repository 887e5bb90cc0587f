/* tls: TLS 1.2 and 1.3 on a stream socket, as a layer (layer.h). Knows nothing of what it carries.
 */
#ifndef SIOTD_TRANSPORTS_TLS_H
#define SIOTD_TRANSPORTS_TLS_H

#include "transports/layer.h"

struct listener;

extern const struct layer tls_layer;

/* Why a handshake failed, as metrics name it. */
enum tls_failure {
    TLS_FAILED_NOT_TLS,     /* something else was spoken: MQTT, HTTP, noise */
    TLS_FAILED_VERSION,     /* no version in common */
    TLS_FAILED_PARAMETERS,  /* no cipher suite, group or application protocol in common */
    TLS_FAILED_CERTIFICATE, /* the client's was refused, or missing */
    TLS_FAILED_KEY,         /* pre-shared key: unknown identity or wrong key, which look alike */
    TLS_FAILED_ALERT,       /* the client did not like us */
    TLS_FAILED_TIMEOUT,
    TLS_FAILED_CLOSED, /* the client went away in the middle */
    TLS_FAILED_OTHER,
    TLS_FAILURES
};

/* "not_tls", "version", ...: static. */
const char *tls_failure_name(enum tls_failure failure);

/* Never go down, but for half_open. */
struct tls_counts {
    uint64_t done, resumed; /* handshakes; resumed ones are among those done */
    uint64_t version_12, version_13, by_certificate, by_key; /* of those done */
    uint64_t failed[TLS_FAILURES];
    uint64_t refused;   /* half_open was reached */
    uint64_t rekeyed;   /* KeyUpdates sent */
    uint64_t half_open; /* now */
};

/* Of a listener on the TLS layer. */
struct tls_counts tls_counts(const struct listener *listener);

/* When the first of the listener's own certificates expires, seconds since 1970; INT64_MAX without
 * a certificate. */
int64_t tls_expires_s(const struct listener *listener);

#endif
