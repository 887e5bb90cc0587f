/* password_sha512: the two older schemes of password records, on wolfCrypt where the build has it
 * (password_wolfcrypt.c), else without (password_without.c). Only password.c asks. */
#ifndef SIOTD_TRANSPORTS_PASSWORD_SHA512_H
#define SIOTD_TRANSPORTS_PASSWORD_SHA512_H

#include "base/slice.h"

enum { PASSWORD_SHA512_LEN = 64 };

/* Whether this build has them. */
bool password_sha512_here(void);

/* 0 or -ENOMEM, -ENOTSUP. */
int password_sha512_pbkdf2(struct slice password, struct slice salt, unsigned iterations,
                           uint8_t hash[PASSWORD_SHA512_LEN]);
int password_sha512_once(struct slice password, struct slice salt,
                         uint8_t hash[PASSWORD_SHA512_LEN]);

#endif
