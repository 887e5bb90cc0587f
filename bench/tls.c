/* TLS over TCP. The socket is transport_tcp's; wolfSSL reads and writes it itself. One profile (a
 * WOLFSSL_CTX) serves the whole run. With --tls-session resumed the first connection's ticket is
 * what all others come with, and one that is not resumed ends the run: it would be counted as what
 * it is not. */
#include "bench/transport.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <wolfssl/ssl.h>

enum { RECORD = 16384, KEY_MAX = 64 };

static WOLFSSL_CTX *profile;
static WOLFSSL_SESSION *session; /* of the first connection */
static bool resume;
static int first_group;
static char psk_identity[129];
static unsigned char psk_key[KEY_MAX];
static unsigned psk_len;

struct tls {
    WOLFSSL *ssl;
    bool connected;
    int held; /* bytes that wolfSSL has taken and not yet written: to be offered again */
};

/* ---- what the options say ---- */

static const struct {
    const char *name;
    int number;
} groups[] = {{"X25519MLKEM768", WOLFSSL_X25519MLKEM768},
              {"X25519", WOLFSSL_ECC_X25519},
              {"P-256", WOLFSSL_ECC_SECP256R1}};

static int set_group(const char *name)
{
    for (size_t i = 0; i < sizeof groups / sizeof *groups; i++) {
        if (strcmp(groups[i].name, name) != 0)
            continue;
        first_group = groups[i].number;
        return wolfSSL_CTX_set_groups(profile, &first_group, 1) == WOLFSSL_SUCCESS ? 0 : -1;
    }
    return -1;
}

static int set_version(const char *name)
{
    if (strcmp(name, "1.2") == 0)
        return wolfSSL_CTX_SetMinVersion(profile, WOLFSSL_TLSV1_2) == WOLFSSL_SUCCESS ? 0 : -1;
    if (strcmp(name, "1.3") == 0)
        return wolfSSL_CTX_SetMinVersion(profile, WOLFSSL_TLSV1_3) == WOLFSSL_SUCCESS ? 0 : -1;
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
static int set_key(const char *text)
{
    const char *colon = strchr(text, ':');

    if (!colon || (size_t)(colon - text) >= sizeof psk_identity)
        return -1;
    memcpy(psk_identity, text, (size_t)(colon - text));
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

static WOLFSSL_CTX *profile_of(const struct options *options)
{
    bool old = options->tls_version && strcmp(options->tls_version, "1.2") == 0;

    wolfSSL_Init();
    return wolfSSL_CTX_new(old ? wolfTLSv1_2_client_method() : wolfTLSv1_3_client_method());
}

int transport_tls_start(const struct options *options)
{
    const char *wrong = NULL;

    profile = profile_of(options);
    if (!profile)
        wrong = "memory";
    else if (options->tls_psk ? set_key(options->tls_psk) < 0
                              : wolfSSL_CTX_load_verify_locations(profile, options->tls, NULL) !=
                                    WOLFSSL_SUCCESS)
        wrong = options->tls_psk ? "--tls-psk" : "--tls";
    else if (options->tls_version && set_version(options->tls_version) < 0)
        wrong = "--tls-version";
    else if (options->tls_groups && set_group(options->tls_groups) < 0)
        wrong = "--tls-groups";
    else if (options->tls_session && strcmp(options->tls_session, "resumed") != 0 &&
             strcmp(options->tls_session, "new") != 0)
        wrong = "--tls-session";
    if (wrong) {
        fprintf(stderr, "siotd-bench: %s: cannot be used\n", wrong);
        return -1;
    }
    resume = options->tls_session && strcmp(options->tls_session, "resumed") == 0;
    if (resume)
        wolfSSL_CTX_UseSessionTicket(profile);
    return 0;
}

/* ---- the transport ---- */

static void tls_close(struct wire *wire)
{
    struct tls *tls = wire->layer;

    if (tls && tls->ssl && tls->connected)
        wolfSSL_shutdown(tls->ssl);
    if (tls)
        wolfSSL_free(tls->ssl);
    free(tls);
    wire->layer = NULL;
    transport_tcp.close(wire);
}

static int tls_connect(struct wire *wire, const struct target *target, uint32_t n)
{
    int result = transport_tcp.connect(wire, target, n);
    struct tls *tls = result < 0 ? NULL : calloc(1, sizeof *tls);

    if (result < 0)
        return result;
    wire->layer = tls;
    if (tls)
        tls->ssl = wolfSSL_new(profile);
    if (!tls || !tls->ssl || wolfSSL_set_fd(tls->ssl, wire->fd) != WOLFSSL_SUCCESS) {
        tls_close(wire);
        return -ENOMEM;
    }
    if (first_group)
        wolfSSL_UseKeyShare(tls->ssl, (uint16_t)first_group);
    if (session && wolfSSL_set_session(tls->ssl, session) != WOLFSSL_SUCCESS) {
        tls_close(wire);
        return -EPROTO;
    }
    return 0;
}

static int tls_establish(struct wire *wire, uint32_t *events)
{
    struct tls *tls = wire->layer;
    int result = transport_tcp.establish(wire, events);

    if (result != 1)
        return result;
    result = wolfSSL_connect(tls->ssl);
    if (result == WOLFSSL_SUCCESS) {
        tls->connected = true;
        return session && !wolfSSL_session_reused(tls->ssl) ? -ECONNABORTED : 1;
    }
    switch (wolfSSL_get_error(tls->ssl, result)) {
    case WOLFSSL_ERROR_WANT_READ:
        *events = EPOLLIN;
        return 0;
    case WOLFSSL_ERROR_WANT_WRITE:
        *events = EPOLLOUT;
        return 0;
    default:
        return -EPROTO;
    }
}

/* TLS 1.3 gives its ticket with the first content at the earliest. */
static void keep_session(const struct tls *tls)
{
    if (resume && !session)
        session = wolfSSL_get1_session(tls->ssl);
}

/* Stops while a whole record still fits, so that nothing waits where epoll cannot see it. */
static ssize_t tls_read(struct wire *wire, void *to, size_t len)
{
    struct tls *tls = wire->layer;
    size_t got = 0;

    while (len - got >= RECORD) {
        int result = wolfSSL_read(tls->ssl, (char *)to + got, (int)(len - got));
        if (result > 0) {
            got += (size_t)result;
            continue;
        }
        int error = wolfSSL_get_error(tls->ssl, result);
        if (error == WOLFSSL_ERROR_WANT_READ)
            break;
        if (got == 0)
            return error == WOLFSSL_ERROR_ZERO_RETURN ? 0 : -EPROTO;
        break;
    }
    if (got == 0)
        return -EAGAIN;
    keep_session(tls);
    return (ssize_t)got;
}

/* The next record's worth of the parts from `from` on, gathered. */
static int gather(const struct iovec *parts, int count, size_t from, int wanted, char *to)
{
    size_t len = 0;

    for (int i = 0; i < count && len < (size_t)wanted; i++) {
        if (from >= parts[i].iov_len) {
            from -= parts[i].iov_len;
            continue;
        }
        size_t take = parts[i].iov_len - from;
        if (take > (size_t)wanted - len)
            take = (size_t)wanted - len;
        memcpy(to + len, (char *)parts[i].iov_base + from, take);
        len += take;
        from = 0;
    }
    return (int)len;
}

static ssize_t tls_writev(struct wire *wire, const struct iovec *parts, int count)
{
    static char record[RECORD];
    struct tls *tls = wire->layer;
    size_t put = 0;

    for (;;) {
        int len = gather(parts, count, put, tls->held ? tls->held : RECORD, record);
        if (len == 0)
            return (ssize_t)put;
        int result = wolfSSL_write(tls->ssl, record, len);
        if (result > 0) {
            tls->held = 0;
            put += (size_t)result;
            continue;
        }
        if (wolfSSL_get_error(tls->ssl, result) != WOLFSSL_ERROR_WANT_WRITE)
            return -EPROTO;
        tls->held = len;
        return put ? (ssize_t)put : -EAGAIN;
    }
}

const struct transport transport_tls = {
    .name = "tls",
    .connect = tls_connect,
    .establish = tls_establish,
    .read = tls_read,
    .writev = tls_writev,
    .close = tls_close,
};
