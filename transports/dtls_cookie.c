/* dtls_cookie: see dtls_cookie.h. wolfSSL draws a secret for each object, so that no other object
 * would take its cookies, and puts no time into them: both are mended by whoever sets the secret.
 */
#include "transports/dtls_cookie.h"

#include "base/random.h"
#include "transports/tls_wolfssl.h"
#include <string.h>
#include <wolfssl/wolfcrypt/hmac.h>

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

/* In constant time: how much of a guess was right is nobody's business. */
static bool same(const uint8_t a[WC_SHA256_DIGEST_SIZE], const uint8_t b[WC_SHA256_DIGEST_SIZE])
{
    unsigned differs = 0;
    for (int i = 0; i < WC_SHA256_DIGEST_SIZE; i++)
        differs |= a[i] ^ b[i];
    return !differs;
}

static int add(Hmac *hmac, struct slice bytes)
{
    return wc_HmacUpdate(hmac, bytes.at, (word32)bytes.len);
}

/* What it is made of: the hello, in DTLS 1.2; what it says itself, in 1.3. */
static bool make(Hmac *hmac, const struct dtls_hello *hello, const struct cookie_bond *bond,
                 uint8_t mac[WC_SHA256_DIGEST_SIZE])
{
    const struct tls_hello *offers = &hello->offers;
    struct slice bound = slice_of(bond, sizeof(*bond));
    struct slice said = {offers->cookie.at, offers->cookie.len - WC_SHA256_DIGEST_SIZE};
    int error = 0;
    if (offers->tls_13) {
        error = add(hmac, said) || add(hmac, bound);
    } else {
        error = add(hmac, bound) || add(hmac, hello->beginning) || add(hmac, offers->session) ||
                add(hmac, offers->suites) || add(hmac, offers->compression);
    }
    return !error && wc_HmacFinal(hmac, mac) == 0;
}

bool cookie_is_good(const struct dtls_hello *hello, const struct cookie_secret *secret,
                    const struct cookie_bond *bond)
{
    uint8_t mac[WC_SHA256_DIGEST_SIZE];
    struct slice cookie = hello->offers.cookie;
    Hmac hmac;
    if (secret->number == 0 || cookie.len < sizeof(mac) ||
        wc_HmacInit(&hmac, NULL, INVALID_DEVID) != 0)
        return false;
    bool made = wc_HmacSetKey(&hmac, WC_SHA256, secret->bytes, sizeof(secret->bytes)) == 0 &&
                make(&hmac, hello, bond, mac);
    wc_HmacFree(&hmac);
    return made && same(mac, cookie.at + cookie.len - sizeof(mac));
}
