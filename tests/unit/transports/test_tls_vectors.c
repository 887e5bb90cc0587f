/* Tests that wolfSSL, as cmake/build-wolfssl makes it, leaves the upper halves of the vector
 * registers clear: with them in use its SHA-256 would crawl, and nothing but the time would say so.
 *
 * The processor says itself what is in use (XGETBV with 1), where it can. */
#include "transports/tls_wolfssl.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <wolfssl/wolfcrypt/aes.h>
#include <wolfssl/wolfcrypt/chacha20_poly1305.h>
#include <wolfssl/wolfcrypt/curve25519.h>
#include <wolfssl/wolfcrypt/ecc.h>
#include <wolfssl/wolfcrypt/rsa.h>
#include <wolfssl/wolfcrypt/wc_mlkem.h>

static WC_RNG rng;

#if defined(__x86_64__) && defined(SIOTD_CLEAN_VECTORS)
#include <cpuid.h>
#include <immintrin.h>

enum { UPPER_HALVES = 1 << 2, SAYS_WHAT_IS_IN_USE = 1 << 2 };

__attribute__((target("xsave"))) static bool in_use(void)
{
    return _xgetbv(1) & UPPER_HALVES;
}

__attribute__((target("avx2"))) static void use(void)
{
    static volatile long long to[4];
    __asm__ volatile("vpcmpeqd %%ymm5, %%ymm5, %%ymm5\n\tvmovdqu %%ymm5, %0" : "=m"(to) : : "xmm5");
}

__attribute__((target("avx"))) static void clear(void)
{
    _mm256_zeroupper();
}

/* Whether this machine can tell. */
static bool can_tell(void)
{
    unsigned a, b, c, d;
    if (!__builtin_cpu_supports("avx2") || !__get_cpuid_count(13, 1, &a, &b, &c, &d) ||
        !(a & SAYS_WHAT_IS_IN_USE))
        return false;
    use();
    bool seen = in_use();
    clear();
    return seen && !in_use();
}
#else
static bool in_use(void)
{
    return false;
}

static void clear(void)
{
}

static bool can_tell(void)
{
    return false;
}
#endif

#define expect_clear(what)                                                                         \
    do {                                                                                           \
        int result = (what);                                                                       \
        bool left = in_use();                                                                      \
        clear();                                                                                   \
        if (result < 0 || left)                                                                    \
            fail_msg("%s: %d, %s", #what, result, left ? "in use" : "clear");                      \
    } while (0)

static void elliptic_curves_leave_nothing_in_use(void **unused)
{
    (void)unused;
    static const int curves[] = {ECC_SECP256R1, ECC_SECP384R1, ECC_SECP521R1};
    static const int sizes[] = {32, 48, 66};
    if (!can_tell())
        skip();
    for (int i = 0; i < 3; i++) {
        ecc_key key;
        byte hash[32] = {1, 2, 3}, signature[160], secret[80];
        word32 len = sizeof(signature), secret_len = sizeof(secret);
        int good = 0;
        assert_int_equal(wc_ecc_init(&key), 0);
        assert_int_equal(wc_ecc_set_rng(&key, &rng), 0);
        expect_clear(wc_ecc_make_key_ex(&rng, sizes[i], &key, curves[i]));
        expect_clear(wc_ecc_sign_hash(hash, sizeof(hash), signature, &len, &rng, &key));
        expect_clear(wc_ecc_verify_hash(signature, len, hash, sizeof(hash), &good, &key));
        assert_int_equal(good, 1);
        expect_clear(wc_ecc_shared_secret(&key, &key, secret, &secret_len));
        expect_clear(wc_ecc_check_key(&key));
        wc_ecc_free(&key);
    }
}

static void rsa_leaves_nothing_in_use(void **unused)
{
    (void)unused;
    static const byte digest[32] = {9, 8, 7};
    static byte signature[512];
    byte plain[512];
    RsaKey key;
    if (!can_tell())
        skip();
    for (int bits = 2048; bits <= 3072; bits += 1024) {
        assert_int_equal(wc_InitRsaKey(&key, NULL), 0);
        assert_int_equal(wc_RsaSetRNG(&key, &rng), 0);
        expect_clear(wc_MakeRsaKey(&key, bits, WC_RSA_EXPONENT, &rng));
        expect_clear(
            wc_RsaSSL_Sign(digest, sizeof(digest), signature, sizeof(signature), &key, &rng));
        expect_clear(wc_RsaSSL_Verify(signature, (word32)bits / 8, plain, sizeof(plain), &key));
        wc_FreeRsaKey(&key);
    }
}

static void the_rest_leaves_nothing_in_use(void **unused)
{
    (void)unused;
    static MlKemKey kem;
    static byte cipher[2048];
    byte secret[32], key[32] = {1}, nonce[12] = {2}, text[300] = {3}, tag[16];
    curve25519_key x25519;
    word32 len = sizeof(secret);
    if (!can_tell())
        skip();
    assert_int_equal(wc_curve25519_init(&x25519), 0);
    expect_clear(wc_curve25519_make_key(&rng, CURVE25519_KEYSIZE, &x25519));
    expect_clear(wc_curve25519_shared_secret(&x25519, &x25519, secret, &len));
    assert_int_equal(wc_MlKemKey_Init(&kem, WC_ML_KEM_768, NULL, INVALID_DEVID), 0);
    expect_clear(wc_MlKemKey_MakeKey(&kem, &rng));
    expect_clear(wc_MlKemKey_Encapsulate(&kem, cipher, secret, &rng));
    wc_MlKemKey_Free(&kem);
    expect_clear(wc_ChaCha20Poly1305_Encrypt(key, nonce, NULL, 0, text, sizeof(text), cipher, tag));
    Aes aes;
    assert_int_equal(wc_AesInit(&aes, NULL, INVALID_DEVID), 0);
    expect_clear(wc_AesGcmSetKey(&aes, key, 16));
    expect_clear(wc_AesGcmEncrypt(&aes, cipher, text, sizeof(text), nonce, 12, tag, 16, NULL, 0));
    wc_AesFree(&aes);
    wc_Sha512 sha;
    byte digest[64];
    assert_int_equal(wc_InitSha512(&sha), 0);
    expect_clear(wc_Sha512Update(&sha, text, sizeof(text)));
    expect_clear(wc_Sha512Final(&sha, digest));
    wc_Sha512Free(&sha);
}

static int start(void **unused)
{
    (void)unused;
    return wolfSSL_Init() == WOLFSSL_SUCCESS && wc_InitRng(&rng) == 0 ? 0 : -1;
}

static int stop(void **unused)
{
    (void)unused;
    wc_FreeRng(&rng);
    return wolfSSL_Cleanup() == WOLFSSL_SUCCESS ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(elliptic_curves_leave_nothing_in_use),
        cmocka_unit_test(rsa_leaves_nothing_in_use),
        cmocka_unit_test(the_rest_leaves_nothing_in_use),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
