/* random: unguessable numbers from the kernel.
 *
 * Stands under whatever must not be foreseen: the secret of the hash tables, generated client
 * identifiers. Nothing is kept between calls, so a fork cannot repeat a number. */
#include "base/random.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/types.h>

void random_bytes(void *to, size_t len)
{
    uint8_t *at = to;
    while (len) {
        ssize_t got = getrandom(at, len, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0) {
            fprintf(stderr, "siotd: the kernel gives no random numbers: %s\n", strerror(errno));
            abort();
        }
        at += got;
        len -= (size_t)got;
    }
}

uint64_t random_u64(void)
{
    uint64_t v;
    random_bytes(&v, sizeof(v));
    return v;
}
