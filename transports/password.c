/* password: password records in Mosquitto's format, made and verified.
 *
 * Stands beside the way of a message: CONNECT's user name and password are judged here, on a worker
 * thread, before the broker hears of the client. Pure but for random salts. The file that records
 * come from belongs to the operator, yet its numbers are bounded: a typing mistake must not ask for
 * all the memory of the machine. */
#include "transports/password.h"

#include "base/base64.h"
#include "base/random.h"
#include "transports/password_sha512.h"

#include <argon2.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    SALT_LEN = 16,
    HASH_LEN = 32,
    PBKDF2_SALT_LEN = 12, /* Mosquitto 2.0 reads no other length, except 64 */
    SALT_LEN_MIN = 8,     /* for argon2id, what RFC 9106 asks for */
    SALT_LEN_MAX = 64,
    ARGON2_RECORD_LEN_MAX = 1024,
};

/* Well-formed, of the usual cost; its hash is no hash of anything that is known. */
const char password_of_nobody[] = "$argon2id$v=19$m=19456,t=2,p=1$bm9ib2R5J3Mgc2FsdC4"
                                  "$vkO1NCnGwoXbX7AlWuEx9iSPrgQNnJDJ9mMgjGpz0A8";

enum scheme { SCHEME_UNKNOWN, SCHEME_ARGON2ID, SCHEME_PBKDF2, SCHEME_SHA512 };

/* $7$ and $6$, decoded; iterations is 1 for $6$. */
struct sha512_record {
    unsigned iterations;
    size_t salt_len;
    uint8_t salt[SALT_LEN_MAX];
    uint8_t hash[PASSWORD_SHA512_LEN];
};

static enum scheme scheme_of(struct slice record)
{
    if (slice_starts_with(record, SLICE("$argon2id$")))
        return SCHEME_ARGON2ID;
    if (slice_starts_with(record, SLICE("$7$")))
        return SCHEME_PBKDF2;
    if (slice_starts_with(record, SLICE("$6$")))
        return SCHEME_SHA512;
    return SCHEME_UNKNOWN;
}

/* The part before the next '$', which is taken away too; all that is left when there is none. */
static struct slice next_part(struct slice *rest)
{
    const uint8_t *end = rest->len ? memchr(rest->at, '$', rest->len) : NULL;
    struct slice part = {rest->at, end ? (size_t)(end - rest->at) : rest->len};
    *rest = end ? slice_from(*rest, part.len + 1) : SLICE_EMPTY;
    return part;
}

/* A plain decimal number of 1 to max, without sign, blank or leading 0; 0 when it is none. */
static unsigned number_of(struct slice digits, unsigned max)
{
    unsigned long number = 0;
    if (digits.len == 0 || digits.len > 9 || digits.at[0] == '0')
        return 0;
    for (size_t i = 0; i < digits.len; i++) {
        if (digits.at[i] < '0' || digits.at[i] > '9')
            return 0;
        number = number * 10 + (unsigned long)(digits.at[i] - '0');
    }
    return number <= max ? (unsigned)number : 0;
}

/* ---- $7$ and $6$ ---- */

static const char *decode_sha512(struct slice record, enum scheme scheme, struct sha512_record *to)
{
    struct slice rest = slice_from(record, 3);
    to->iterations = 1;
    if (scheme == SCHEME_PBKDF2)
        to->iterations = number_of(next_part(&rest), PASSWORD_PBKDF2_ITERATIONS_MAX);
    if (to->iterations == 0)
        return "the number of iterations is no number or out of range";
    int salt_len = base64_decode(next_part(&rest), to->salt, sizeof(to->salt));
    if (salt_len <= 0)
        return "the salt is not base64 of 1 to 64 bytes";
    to->salt_len = (size_t)salt_len;
    if (base64_decode(rest, to->hash, sizeof(to->hash)) != PASSWORD_SHA512_LEN)
        return "the hash is not base64 of 64 bytes";
    if (!password_sha512_here())
        return "this siotd was built without TLS and so without this kind of password ($7$, $6$)";
    return NULL;
}

/* Same time wherever they differ. */
static bool same(const uint8_t *a, const uint8_t *b, size_t len)
{
    volatile uint8_t difference = 0;
    for (size_t i = 0; i < len; i++)
        difference |= a[i] ^ b[i];
    return difference == 0;
}

static bool verify_sha512(struct slice record, enum scheme scheme, struct slice password)
{
    struct sha512_record wanted;
    uint8_t hash[PASSWORD_SHA512_LEN];
    if (decode_sha512(record, scheme, &wanted))
        return false;
    struct slice salt = {wanted.salt, wanted.salt_len};
    int failed = scheme == SCHEME_PBKDF2
                     ? password_sha512_pbkdf2(password, salt, wanted.iterations, hash)
                     : password_sha512_once(password, salt, hash);
    bool fits = !failed && same(hash, wanted.hash, sizeof(hash));
    explicit_bzero(hash, sizeof(hash));
    return fits;
}

/* ---- $argon2id$ ---- */

/* The number after a letter and '=', which ends at a comma, or with the part. */
static unsigned parameter(struct slice *part, char letter, unsigned max)
{
    if (part->len < 3 || part->at[0] != (uint8_t)letter || part->at[1] != '=')
        return 0;
    const uint8_t *comma = memchr(part->at, ',', part->len);
    size_t end = comma ? (size_t)(comma - part->at) : part->len;
    unsigned number = number_of(slice_of(part->at + 2, end - 2), max);
    *part = slice_from(*part, comma ? end + 1 : end);
    return number;
}

/* Bytes that unpadded base64 of this length stands for; 0 when it is none. */
static size_t unpadded_len(struct slice text)
{
    char padded[128];
    uint8_t bytes[96];
    if (text.len == 0 || text.len > sizeof(padded) - 4 || text.len % 4 == 1)
        return 0;
    memcpy(padded, text.at, text.len);
    size_t len = text.len;
    while (len % 4 != 0)
        padded[len++] = '=';
    int decoded = base64_decode(slice_of(padded, len), bytes, sizeof(bytes));
    return decoded > 0 ? (size_t)decoded : 0;
}

static const char *argon2id_mistake(struct slice record)
{
    struct slice rest = slice_from(record, strlen("$argon2id$"));
    if (record.len > ARGON2_RECORD_LEN_MAX || !slice_equal(next_part(&rest), SLICE("v=19")))
        return "this is no argon2id record of version 19";
    struct slice parameters = next_part(&rest);
    unsigned kib = parameter(&parameters, 'm', PASSWORD_ARGON2_KIB_MAX);
    unsigned passes = parameter(&parameters, 't', PASSWORD_ARGON2_PASSES_MAX);
    unsigned lanes = parameter(&parameters, 'p', PASSWORD_ARGON2_LANES_MAX);
    if (lanes == 0 || kib < 8 * lanes || passes == 0 || parameters.len != 0)
        return "m, t or p of the argon2id record is missing or out of range";
    size_t salt_len = unpadded_len(next_part(&rest)), hash_len = unpadded_len(rest);
    if (salt_len < SALT_LEN_MIN || salt_len > SALT_LEN_MAX)
        return "the salt of the argon2id record is not base64 of 8 to 64 bytes";
    if (hash_len < 16)
        return "the hash of the argon2id record is not base64 of 16 to 93 bytes";
    return NULL;
}

/* ---- all of them ---- */

const char *password_mistake(const char *record)
{
    struct slice whole = slice_of_str(record);
    enum scheme scheme = scheme_of(whole);
    struct sha512_record decoded;
    switch (scheme) {
    case SCHEME_ARGON2ID:
        return argon2id_mistake(whole);
    case SCHEME_PBKDF2:
    case SCHEME_SHA512:
        return decode_sha512(whole, scheme, &decoded);
    case SCHEME_UNKNOWN:
        break;
    }
    return "this is no password record: it starts with none of $argon2id$, $7$ and $6$";
}

bool password_verify(const char *record, struct slice password)
{
    struct slice whole = slice_of_str(record);
    enum scheme scheme = scheme_of(whole);
    if (password.len == 0 || password.len > PASSWORD_LEN_MAX)
        return false;
    switch (scheme) {
    case SCHEME_ARGON2ID:
        return !argon2id_mistake(whole) &&
               argon2id_verify(record, password.at, password.len) == ARGON2_OK;
    case SCHEME_PBKDF2:
    case SCHEME_SHA512:
        return verify_sha512(whole, scheme, password);
    case SCHEME_UNKNOWN:
        break;
    }
    return false;
}

int password_make_argon2id(char record[PASSWORD_RECORD_SIZE], struct slice password)
{
    uint8_t salt[SALT_LEN];
    if (password.len == 0 || password.len > PASSWORD_LEN_MAX)
        return -EINVAL;
    random_bytes(salt, sizeof(salt));
    int failed = argon2id_hash_encoded(PASSWORD_ARGON2_PASSES, PASSWORD_ARGON2_KIB,
                                       PASSWORD_ARGON2_LANES, password.at, password.len, salt,
                                       sizeof(salt), HASH_LEN, record, PASSWORD_RECORD_SIZE);
    return failed ? -ENOMEM : 0; /* the parameters are sound: nothing else can fail */
}

int password_make_pbkdf2(char record[PASSWORD_RECORD_SIZE], struct slice password,
                         unsigned iterations)
{
    uint8_t salt[PBKDF2_SALT_LEN], hash[PASSWORD_SHA512_LEN];
    char salt_text[BASE64_SIZE(PBKDF2_SALT_LEN) + 1], hash_text[BASE64_SIZE(sizeof(hash)) + 1];
    if (password.len == 0 || password.len > PASSWORD_LEN_MAX || iterations == 0 ||
        iterations > PASSWORD_PBKDF2_ITERATIONS_MAX)
        return -EINVAL;
    random_bytes(salt, sizeof(salt));
    int failed = password_sha512_pbkdf2(password, slice_of(salt, sizeof(salt)), iterations, hash);
    if (failed)
        return failed;
    base64_encode(slice_of(salt, sizeof(salt)), salt_text);
    base64_encode(slice_of(hash, sizeof(hash)), hash_text);
    snprintf(record, PASSWORD_RECORD_SIZE, "$7$%u$%s$%s", iterations, salt_text, hash_text);
    return 0;
}
