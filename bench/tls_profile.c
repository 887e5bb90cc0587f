/* tls_profile: see tls_profile.h. The pre-shared key is the run's: there is one. */
#include "bench/tls_profile.h"

#include <stdio.h>
#include <string.h>

enum { KEY_MAX = 64 };

static char psk_identity[129];
static unsigned char psk_key[KEY_MAX];
static unsigned psk_len;

static const struct {
    const char *name;
    int number;
} groups[] = {{"X25519MLKEM768", WOLFSSL_X25519MLKEM768},
              {"X25519", WOLFSSL_ECC_X25519},
              {"P-256", WOLFSSL_ECC_SECP256R1}};

static int set_group(WOLFSSL_CTX *profile, const char *name, int *group)
{
    for (size_t i = 0; i < sizeof groups / sizeof *groups; i++) {
        if (strcmp(groups[i].name, name) != 0)
            continue;
        *group = groups[i].number;
        return wolfSSL_CTX_set_groups(profile, group, 1) == WOLFSSL_SUCCESS ? 0 : -1;
    }
    return -1;
}

static unsigned give_key(WOLFSSL *ssl, const char *hint, char *identity, unsigned identity_size,
                         unsigned char *key, unsigned key_size)
{
    (void)ssl;
    (void)hint;
    if (key_size < psk_len || identity_size < sizeof psk_identity)
        return 0;
    strcpy(identity, psk_identity);
    memcpy(key, psk_key, psk_len);
    return psk_len;
}

static unsigned give_key_13(WOLFSSL *ssl, const char *hint, char *identity, unsigned identity_size,
                            unsigned char *key, unsigned key_size, const char **suite)
{
    *suite = "TLS13-AES128-GCM-SHA256";
    return give_key(ssl, hint, identity, identity_size, key, key_size);
}

/* IDENTITY:HEX */
static int set_key(WOLFSSL_CTX *profile, const char *text)
{
    const char *colon = strchr(text, ':');

    if (!colon || (size_t)(colon - text) >= sizeof psk_identity)
        return -1;
    memcpy(psk_identity, text, (size_t)(colon - text));
    psk_len = 0;
    for (text = colon + 1; text[0] && psk_len < KEY_MAX; text += 2) {
        int used = 0;
        if (sscanf(text, "%2hhx%n", &psk_key[psk_len], &used) != 1 || used != 2)
            return -1;
        psk_len++;
    }
    wolfSSL_CTX_set_psk_client_callback(profile, give_key);
    wolfSSL_CTX_set_psk_client_tls13_callback(profile, give_key_13);
    return text[0] ? -1 : 0;
}

static WOLFSSL_METHOD *method_of(const struct options *options, bool datagrams)
{
    bool old = options->tls_version && strcmp(options->tls_version, "1.2") == 0;

    if (datagrams)
        return old ? wolfDTLSv1_2_client_method() : wolfDTLSv1_3_client_method();
    return old ? wolfTLSv1_2_client_method() : wolfTLSv1_3_client_method();
}

static bool one_of(const char *text, const char *one, const char *other)
{
    return !text || strcmp(text, one) == 0 || strcmp(text, other) == 0;
}

WOLFSSL_CTX *tls_profile_new(const struct options *options, bool datagrams, int *group)
{
    const char *wrong = NULL;

    wolfSSL_Init();
    *group = 0;
    WOLFSSL_CTX *profile = wolfSSL_CTX_new(method_of(options, datagrams));
    if (!profile)
        wrong = "memory";
    else if (options->tls_psk ? set_key(profile, options->tls_psk) < 0
                              : wolfSSL_CTX_load_verify_locations(profile, options->tls, NULL) !=
                                    WOLFSSL_SUCCESS)
        wrong = options->tls_psk ? "--tls-psk" : "--tls";
    else if (!one_of(options->tls_version, "1.2", "1.3"))
        wrong = "--tls-version";
    else if (options->tls_groups && set_group(profile, options->tls_groups, group) < 0)
        wrong = "--tls-groups";
    else if (!one_of(options->tls_session, "new", "resumed"))
        wrong = "--tls-session";
    if (!wrong)
        return profile;
    fprintf(stderr, "siotd-bench: %s: cannot be used\n", wrong);
    wolfSSL_CTX_free(profile);
    return NULL;
}
