/* TLS over TCP. The socket is transport_tcp's; wolfSSL reads and writes it itself. One profile
 * serves the whole run. With --tls-session resumed the first connection's ticket is what all others
 * come with, and one that is not resumed ends the run: it would be counted as what it is not. */
#include "bench/tls_profile.h"
#include "bench/transport.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

enum { RECORD = 16384 };

static WOLFSSL_CTX *profile;
static WOLFSSL_SESSION *session; /* of the first connection */
static bool resume;
static int first_group;

struct tls {
    WOLFSSL *ssl;
    bool connected;
    int held; /* bytes that wolfSSL has taken and not yet written: to be offered again */
};

int transport_tls_start(const struct options *options)
{
    profile = tls_profile_new(options, false, &first_group);
    resume = options->tls_session && strcmp(options->tls_session, "resumed") == 0;
    if (profile && resume)
        wolfSSL_CTX_UseSessionTicket(profile);
    return profile ? 0 : -1;
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
