/* dtls: see dtls.h. wolfSSL as a client, one object for each device; it gets a datagram at a time.
 */
#include "bench/dtls.h"

#include "bench/datagrams.h"
#include "bench/tls_profile.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define NS_PER_S 1000000000ull

struct dtls {
    WOLFSSL *ssl;
    int fd;
    enum dtls_state state;
    uint64_t due_ns; /* when to repeat; 0: not known yet */
};

/* What a hello is caught in. */
struct catch
{
    uint8_t *to;
    size_t length;
};

static WOLFSSL_CTX *profile;
static int first_group;

static int take(WOLFSSL *ssl, char *to, int size, void *of)
{
    const struct dtls *dtls = of;
    ssize_t got = recv(dtls->fd, to, (size_t)size, MSG_DONTWAIT);

    (void)ssl;
    if (got > 0)
        return (int)got;
    return got == 0 || errno == EAGAIN || errno == EINTR || errno == ECONNREFUSED
               ? WOLFSSL_CBIO_ERR_WANT_READ
               : WOLFSSL_CBIO_ERR_GENERAL;
}

/* What the kernel does not take is lost, as datagrams are. */
static int give(WOLFSSL *ssl, char *from, int size, void *of)
{
    const struct dtls *dtls = of;

    (void)ssl;
    (void)!send(dtls->fd, from, (size_t)size, MSG_DONTWAIT | MSG_NOSIGNAL);
    return size;
}

int dtls_start(const struct options *options)
{
    static const char *const keyed = "TLS13-AES128-GCM-SHA256:ECDHE-PSK-AES128-GCM-SHA256:"
                                     "ECDHE-PSK-CHACHA20-POLY1305:PSK-AES128-GCM-SHA256";

    profile = tls_profile_new(options, true, &first_group);
    if (!profile)
        return -1;
    if (options->tls_psk)
        wolfSSL_CTX_set_cipher_list(profile, keyed);
    wolfSSL_CTX_SetIORecv(profile, take);
    wolfSSL_CTX_SetIOSend(profile, give);
    return 0;
}

void dtls_stop(void)
{
    wolfSSL_CTX_free(profile);
    profile = NULL;
}

static WOLFSSL *object(void *of)
{
    WOLFSSL *ssl = wolfSSL_new(profile);

    if (!ssl)
        return NULL;
    wolfSSL_SetIOReadCtx(ssl, of);
    wolfSSL_SetIOWriteCtx(ssl, of);
    wolfSSL_dtls_set_using_nonblock(ssl, 1);
    if (first_group && wolfSSL_version(ssl) == DTLS1_3_VERSION)
        wolfSSL_UseKeyShare(ssl, (uint16_t)first_group);
    return ssl;
}

struct dtls *dtls_new(const struct target *target, uint32_t n)
{
    struct dtls *dtls = calloc(1, sizeof *dtls);

    if (!dtls)
        return NULL;
    dtls->fd = datagrams_socket(target, n, 0);
    dtls->ssl = dtls->fd < 0 ? NULL : object(dtls);
    if (!dtls->ssl) {
        dtls_free(dtls);
        return NULL;
    }
    dtls_step(dtls, 0);
    return dtls;
}

void dtls_free(struct dtls *dtls)
{
    if (!dtls)
        return;
    if (dtls->ssl && dtls->state >= DTLS_ASKS && dtls->state != DTLS_FAILED)
        wolfSSL_shutdown(dtls->ssl);
    wolfSSL_free(dtls->ssl);
    if (dtls->fd >= 0)
        close(dtls->fd);
    free(dtls);
}

int dtls_socket(const struct dtls *dtls)
{
    return dtls->fd;
}

static bool only_waits(const struct dtls *dtls, int result)
{
    int error = wolfSSL_get_error(dtls->ssl, result);

    return error == WOLFSSL_ERROR_WANT_READ || error == WOLFSSL_ERROR_WANT_WRITE;
}

static void ask(struct dtls *dtls)
{
    static const uint8_t ping[] = {0x40, 0, 0x12, 0x34};

    dtls->state = wolfSSL_write(dtls->ssl, ping, sizeof ping) > 0 ? DTLS_ASKS : DTLS_FAILED;
}

/* A Reset with the message id of the ping. */
static void hear(struct dtls *dtls)
{
    static const uint8_t reset[] = {0x70, 0, 0x12, 0x34};
    uint8_t answer[DATAGRAM_MOST];
    int got = wolfSSL_read(dtls->ssl, answer, sizeof answer);

    if (got == sizeof reset && memcmp(answer, reset, sizeof reset) == 0)
        dtls->state = DTLS_LIVES;
    else if (got > 0 || !only_waits(dtls, got))
        dtls->state = DTLS_FAILED;
}

static void shake(struct dtls *dtls)
{
    int result = wolfSSL_connect(dtls->ssl);

    if (result == WOLFSSL_SUCCESS)
        ask(dtls);
    else if (!only_waits(dtls, result))
        dtls->state = DTLS_FAILED;
}

static void repeat(struct dtls *dtls)
{
    if (dtls->state == DTLS_ASKS)
        ask(dtls);
    else if (wolfSSL_dtls_got_timeout(dtls->ssl) != WOLFSSL_SUCCESS && !only_waits(dtls, -1))
        dtls->state = DTLS_FAILED;
}

enum dtls_state dtls_step(struct dtls *dtls, uint64_t now_ns)
{
    if (dtls->state == DTLS_SHAKES)
        shake(dtls);
    if (dtls->state == DTLS_ASKS || dtls->state == DTLS_LIVES)
        hear(dtls);
    if (dtls->state != DTLS_SHAKES && dtls->state != DTLS_ASKS)
        return dtls->state;
    if (dtls->due_ns && now_ns >= dtls->due_ns) {
        repeat(dtls);
        dtls->due_ns = 0;
    }
    if (!dtls->due_ns && now_ns)
        dtls->due_ns = now_ns + (uint64_t)wolfSSL_dtls_get_current_timeout(dtls->ssl) * NS_PER_S;
    return dtls->state;
}

/* ---- a hello ---- */

static int nothing(WOLFSSL *ssl, char *to, int size, void *of)
{
    (void)ssl;
    (void)to;
    (void)size;
    (void)of;
    return WOLFSSL_CBIO_ERR_WANT_READ;
}

static int catch_it(WOLFSSL *ssl, char *from, int size, void *of)
{
    struct catch *caught = of;

    (void)ssl;
    if (!caught->length && size <= DTLS_HELLO_MOST) {
        memcpy(caught->to, from, (size_t)size);
        caught->length = (size_t)size;
    }
    return size;
}

size_t dtls_hello(uint8_t to[DTLS_HELLO_MOST])
{
    struct catch caught = {.to = to};
    WOLFSSL *ssl = object(&caught);

    if (!ssl)
        return 0;
    wolfSSL_SSLSetIORecv(ssl, nothing);
    wolfSSL_SSLSetIOSend(ssl, catch_it);
    wolfSSL_connect(ssl);
    wolfSSL_free(ssl);
    return caught.length;
}
