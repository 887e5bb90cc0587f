/* password_without: what a build without TLS, and so without wolfCrypt, has of the older schemes of
 * password records: nothing, and it says so. */
#include "transports/password_sha512.h"

#include <errno.h>

bool password_sha512_here(void)
{
    return false;
}

int password_sha512_pbkdf2(struct slice password, struct slice salt, unsigned iterations,
                           uint8_t hash[PASSWORD_SHA512_LEN])
{
    (void)password, (void)salt, (void)iterations, (void)hash;
    return -ENOTSUP;
}

int password_sha512_once(struct slice password, struct slice salt,
                         uint8_t hash[PASSWORD_SHA512_LEN])
{
    (void)password, (void)salt, (void)hash;
    return -ENOTSUP;
}
