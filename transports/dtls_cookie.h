/* dtls_cookie: the one secret that all cookies of the process are made with, and the one before. */
#ifndef SIOTD_TRANSPORTS_DTLS_COOKIE_H
#define SIOTD_TRANSPORTS_DTLS_COOKIE_H

#include <stdint.h>

/* The secret changes every period: a cookie is good for one to two of them. */
enum { COOKIE_SECRET_SIZE = 32, COOKIE_PERIOD_MS = 90000 };

struct cookie_secret {
    uint8_t bytes[COOKIE_SECRET_SIZE];
    uint64_t number; /* no other secret has it; 0: none */
};

/* The secret of now, and the one before, whose number is 0 when there is none: it has not been
 * made, or is too old. Borrowed until the next call. `now_ms` monotonic. */
const struct cookie_secret *cookie_secret_current(uint64_t now_ms);
const struct cookie_secret *cookie_secret_previous(uint64_t now_ms);

#endif
