/* dtls_cookie: see dtls_cookie.h. wolfSSL draws a secret for each object, so that no other object
 * would take its cookies, and puts no time into them: both are mended by whoever sets the secret.
 */
#include "transports/dtls_cookie.h"

#include "base/random.h"
#include <string.h>

static struct cookie_secret current, previous;
static uint64_t made_ms;

static void turn(uint64_t now_ms)
{
    uint64_t age_ms = now_ms - made_ms;
    uint64_t number = current.number + 1;
    if (current.number && age_ms < COOKIE_PERIOD_MS)
        return;
    if (current.number && age_ms < 2 * COOKIE_PERIOD_MS)
        previous = current;
    else
        explicit_bzero(&previous, sizeof(previous));
    random_bytes(current.bytes, sizeof(current.bytes));
    current.number = number;
    made_ms = now_ms;
}

const struct cookie_secret *cookie_secret_current(uint64_t now_ms)
{
    turn(now_ms);
    return &current;
}

const struct cookie_secret *cookie_secret_previous(uint64_t now_ms)
{
    turn(now_ms);
    return &previous;
}
