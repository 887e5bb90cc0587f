/* password: password records in Mosquitto's format, made and verified.
 *
 * A record is what follows "user:" in a password file:
 *   $argon2id$v=19$m=KIB,t=PASSES,p=LANES$SALT$HASH   RFC 9106, as Mosquitto 2.1 writes it
 *   $7$ITERATIONS$SALT$HASH                           PBKDF2-HMAC-SHA512, Mosquitto 2.0
 *   $6$SALT$HASH                                      SHA-512(password SALT), Mosquitto 1.x; read
 * only Verifying costs time and memory on purpose (a tenth of a second, 19 MiB): never on the
 * loop's thread. Every function may be called from any thread. */
#ifndef SIOTD_TRANSPORTS_PASSWORD_H
#define SIOTD_TRANSPORTS_PASSWORD_H

#include "base/slice.h"

enum {
    PASSWORD_LEN_MAX = 65535,   /* what MQTT can carry */
    PASSWORD_RECORD_SIZE = 256, /* room for any record made here, its NUL included */

    /* What new records cost: RFC 9106 with 19 MiB and two passes; 210,000 iterations. */
    PASSWORD_ARGON2_KIB = 19456,
    PASSWORD_ARGON2_PASSES = 2,
    PASSWORD_ARGON2_LANES = 1,
    PASSWORD_PBKDF2_ITERATIONS = 210000,

    /* What a record of a file may cost at most. */
    PASSWORD_ARGON2_KIB_MAX = 1 << 20,
    PASSWORD_ARGON2_PASSES_MAX = 64,
    PASSWORD_ARGON2_LANES_MAX = 16,
    PASSWORD_PBKDF2_ITERATIONS_MAX = 10000000,
};

/* A record that no password fits and that costs as much as a new one: what to verify against when
 * the user is unknown, so that the answer takes as long as for one who is known. */
extern const char password_of_nobody[];

/* NULL when password_verify can judge by this record, else why not, in words for the operator that
 * quote nothing of the record. */
const char *password_mistake(const char *record);

/* Whether the password fits the record. Takes the same time for any wrong password, and compares
 * without stopping early. False for a record with a mistake, for the empty password, and when
 * memory is short. */
bool password_verify(const char *record, struct slice password);

/* Makes a record with a new random salt. 0, -EINVAL when the password is empty or longer than
 * PASSWORD_LEN_MAX or the iterations are out of range, -ENOMEM, -ENOTSUP when this build has no
 * PBKDF2 (SIOTD_TLS=OFF). */
int password_make_argon2id(char record[PASSWORD_RECORD_SIZE], struct slice password);
int password_make_pbkdf2(char record[PASSWORD_RECORD_SIZE], struct slice password,
                         unsigned iterations);

#endif
