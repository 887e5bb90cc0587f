/* dtls: devices on DTLS: each shakes hands on a socket of its own, then asks the broker for a sign
 * of life (an empty confirmable CoAP message, RFC 7252 section 4.3), and stays. */
#ifndef SIOTD_BENCH_DTLS_H
#define SIOTD_BENCH_DTLS_H

#include "bench/options.h"
#include "bench/target.h"
#include <stddef.h>

enum { DTLS_HELLO_MOST = 1500 };

struct dtls;

enum dtls_state {
    DTLS_SHAKES,
    DTLS_ASKS,  /* its session stands, the sign of life has not come */
    DTLS_LIVES, /* it has come */
    DTLS_FAILED,
};

/* Reads the options; once, before all else. Returns 0, or -1 after saying on stderr what is wrong.
 */
int dtls_start(const struct options *options);
void dtls_stop(void);

/* Device number n, which has said its first ClientHello; NULL when it cannot be made. */
struct dtls *dtls_new(const struct target *target, uint32_t n);
/* Says goodbye, and frees. NULL may be freed. */
void dtls_free(struct dtls *dtls);

int dtls_socket(const struct dtls *dtls);

/* Goes on with what has come, and repeats what has been waited for too long. */
enum dtls_state dtls_step(struct dtls *dtls, uint64_t now_ns);

/* A ClientHello without a cookie, as a device would say it. Returns its length, 0 when there is
 * none; its random is at DTLS_HELLO_RANDOM. */
enum { DTLS_HELLO_RANDOM = 13 + 12 + 2, DTLS_HELLO_RANDOM_SIZE = 32 };
size_t dtls_hello(uint8_t to[DTLS_HELLO_MOST]);

#endif
