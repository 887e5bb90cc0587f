/* password_wolfcrypt: PBKDF2 and plain SHA-512 for password records, by wolfCrypt. */
#include "transports/password_sha512.h"
#include "transports/tls_wolfssl.h"

#include <errno.h>
#include <wolfssl/wolfcrypt/pwdbased.h>
#include <wolfssl/wolfcrypt/sha512.h>

bool password_sha512_here(void)
{
    return true;
}

int password_sha512_pbkdf2(struct slice password, struct slice salt, unsigned iterations,
                           uint8_t hash[PASSWORD_SHA512_LEN])
{
    int failed = wc_PBKDF2(hash, password.at, (int)password.len, salt.at, (int)salt.len,
                           (int)iterations, PASSWORD_SHA512_LEN, WC_SHA512);
    return failed ? -ENOMEM : 0; /* the arguments are sound: nothing else can fail */
}

int password_sha512_once(struct slice password, struct slice salt,
                         uint8_t hash[PASSWORD_SHA512_LEN])
{
    wc_Sha512 sha;
    if (wc_InitSha512(&sha) != 0)
        return -ENOMEM;
    int failed = wc_Sha512Update(&sha, password.at, (word32)password.len);
    if (!failed)
        failed = wc_Sha512Update(&sha, salt.at, (word32)salt.len);
    if (!failed)
        failed = wc_Sha512Final(&sha, hash);
    wc_Sha512Free(&sha);
    explicit_bzero(&sha, sizeof(sha));
    return failed ? -ENOMEM : 0;
}
