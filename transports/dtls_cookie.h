/* dtls_cookie: the one secret that all cookies of the process are made with, and the one before;
 * and what a cookie is bound to. */
#ifndef SIOTD_TRANSPORTS_DTLS_COOKIE_H
#define SIOTD_TRANSPORTS_DTLS_COOKIE_H

#include "transports/datagram_layer.h"
#include "transports/dtls_record.h"
#include <stdint.h>

/* The secret changes every period: a cookie is good for one to two of them. */
enum { COOKIE_SECRET_SIZE = 32, COOKIE_PERIOD_MS = 90000 };

struct cookie_secret {
    uint8_t bytes[COOKIE_SECRET_SIZE];
    uint64_t number; /* no other secret has it; 0: none */
};

/* What wolfSSL binds a cookie to, byte by byte, as "the peer's address". The serial number is that
 * of the session which is at this address when the cookie is made, 0 for none. So a session can be
 * replaced by nothing but a cookie that was made while it lived: neither by the one that it began
 * with, nor by one of a session before it, whoever has seen them. */
struct cookie_bond {
    struct endpoint from;
    uint64_t serial;
};

/* Whether wolfSSL has made the hello's cookie with that secret for that bond. It will be asked,
 * too; but what is not good costs it a whole object. */
bool cookie_is_good(const struct dtls_hello *hello, const struct cookie_secret *secret,
                    const struct cookie_bond *bond);

/* The secret of now, and the one before, whose number is 0 when there is none: it has not been
 * made, or is too old. Borrowed until the next call. `now_ms` monotonic. */
const struct cookie_secret *cookie_secret_current(uint64_t now_ms);
const struct cookie_secret *cookie_secret_previous(uint64_t now_ms);

#endif
