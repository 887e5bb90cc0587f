/* secrecy: see secrecy.h. */
#include "siotctl/secrecy.h"

#include "siotctl/say.h"
#include "transports/tls_wolfssl.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include <wolfssl/error-ssl.h>

/* Of a datagram that is sent, unless another size is asked for; of one that is received. */
enum { USUAL_MTU = 1400, LONGEST = 16384 };

struct secrecy {
    WOLFSSL_CTX *profile;
    WOLFSSL *ssl;
    const struct order *order;
    int fd, error;
    bool stream, told; /* why it cannot be made has been said */
    unsigned short mtu;
    char why[160];
    /* A datagram that wolfSSL has yet to ask for. Its length; or 0: none; or -errno. */
    ssize_t waiting;
    uint8_t datagram[LONGEST];
};

/* ---- the socket ---- */

static int not_given(int error)
{
    if (error == EAGAIN || error == EINTR)
        return WOLFSSL_CBIO_ERR_WANT_READ;
    return error == ECONNRESET ? WOLFSSL_CBIO_ERR_CONN_RST : WOLFSSL_CBIO_ERR_GENERAL;
}

static int give(WOLFSSL *ssl, char *to, int size, void *of)
{
    const struct secrecy *s = of;
    (void)ssl;
    ssize_t got = recv(s->fd, to, (size_t)size, 0);
    if (got > 0)
        return (int)got;
    return got == 0 ? WOLFSSL_CBIO_ERR_CONN_CLOSE : not_given(errno);
}

/* wolfSSL has room for a datagram of its MTU and 500 bytes more, and loses the end of a longer one.
 * But the MTU is for what goes out, and the broker's may be larger. So a datagram is fetched before
 * wolfSSL is called, one for each call, and the MTU is as large as that needs until it is given. */
static void fetch(struct secrecy *s)
{
    if (s->stream)
        return;
    if (s->waiting == 0) {
        s->waiting = recv(s->fd, s->datagram, sizeof(s->datagram), 0);
        if (s->waiting < 0)
            s->waiting = errno == EAGAIN || errno == EINTR ? 0 : -errno;
    }
    if (s->waiting > s->mtu)
        wolfSSL_dtls_set_mtu(s->ssl, (unsigned short)s->waiting);
}

/* After wolfSSL has been called, whether or not it has asked for the datagram. */
static void narrow(const struct secrecy *s)
{
    if (s->waiting > s->mtu)
        wolfSSL_dtls_set_mtu(s->ssl, s->mtu);
}

static int give_datagram(WOLFSSL *ssl, char *to, int size, void *of)
{
    struct secrecy *s = of;
    ssize_t len = s->waiting;
    (void)ssl;
    narrow(s);
    s->waiting = 0;
    if (len < 0)
        return not_given((int)-len);
    if (len == 0 || len > size)
        return WOLFSSL_CBIO_ERR_WANT_READ;
    memcpy(to, s->datagram, (size_t)len);
    return (int)len;
}

static int take(WOLFSSL *ssl, char *from, int size, void *of)
{
    const struct secrecy *s = of;
    (void)ssl;
    ssize_t sent = send(s->fd, from, (size_t)size, MSG_NOSIGNAL);
    if (sent >= 0)
        return (int)sent;
    if (errno == EAGAIN || errno == EINTR)
        return WOLFSSL_CBIO_ERR_WANT_WRITE;
    return WOLFSSL_CBIO_ERR_GENERAL;
}

/* ---- pre-shared keys ---- */

static unsigned give_key(WOLFSSL *ssl, const char *hint, char *identity, unsigned identity_size,
                         unsigned char *key, unsigned key_size)
{
    const struct order *order = wolfSSL_get_psk_callback_ctx(ssl);
    (void)hint;
    if (order->psk_len > key_size || strlen(order->psk_identity) >= identity_size)
        return 0;
    snprintf(identity, identity_size, "%s", order->psk_identity);
    memcpy(key, order->psk, order->psk_len);
    return (unsigned)order->psk_len;
}

static unsigned give_key_13(WOLFSSL *ssl, const char *hint, char *identity, unsigned identity_size,
                            unsigned char *key, unsigned key_size, const char **suite)
{
    *suite = "TLS13-AES128-GCM-SHA256";
    return give_key(ssl, hint, identity, identity_size, key, key_size);
}

/* ---- making one ---- */

static WOLFSSL_METHOD *method(const struct order *order, bool stream)
{
    if (order->version == 12)
        return stream ? wolfTLSv1_2_client_method() : wolfDTLSv1_2_client_method();
    if (order->version == 13)
        return stream ? wolfTLSv1_3_client_method() : wolfDTLSv1_3_client_method();
    return stream ? wolfTLS_client_method() : wolfDTLS_client_method();
}

static bool not_readable(struct secrecy *s, const char *path, const char *what)
{
    say_failed("%s: %s", path, what);
    s->told = true;
    return false;
}

static bool load(struct secrecy *s)
{
    WOLFSSL_CTX *profile = s->profile;
    const struct order *order = s->order;
    if (order->ca && wolfSSL_CTX_load_verify_locations(profile, order->ca, NULL) != WOLFSSL_SUCCESS)
        return not_readable(s, order->ca, "no certificates of an authority can be read from it");
    if (!order->certificate)
        return true;
    if (wolfSSL_CTX_use_certificate_chain_file(profile, order->certificate) != WOLFSSL_SUCCESS)
        return not_readable(s, order->certificate, "no certificate can be read from it");
    if (wolfSSL_CTX_use_PrivateKey_file(profile, order->key, WOLFSSL_FILETYPE_PEM) !=
            WOLFSSL_SUCCESS ||
        wolfSSL_CTX_check_private_key(profile) != WOLFSSL_SUCCESS)
        return not_readable(s, order->key, "is not the key of the certificate");
    return true;
}

/* Whom the certificate has to name. */
static bool expect_name(struct secrecy *s)
{
    struct in6_addr address;
    const char *host = s->order->host;
    bool is_address =
        inet_pton(AF_INET, host, &address) == 1 || inet_pton(AF_INET6, host, &address) == 1;
    if (!is_address)
        wolfSSL_UseSNI(s->ssl, WOLFSSL_SNI_HOST_NAME, host, (unsigned short)strlen(host));
    if (s->order->insecure || s->order->psk_identity)
        return true;
    if (is_address)
        return wolfSSL_check_ip_address(s->ssl, host) == WOLFSSL_SUCCESS;
    if (wolfSSL_check_domain_name(s->ssl, host) == WOLFSSL_SUCCESS)
        return true;
    return not_readable(s, host, "no certificate can be held to this name; say it in full");
}

/* A first ClientHello must fit one datagram (RFC 9147 section 5.2), so who begins with a large
 * key share lets the server ask for it. */
static bool choose_groups(struct secrecy *s)
{
    const struct order *order = s->order;
    int chosen[ORDER_GROUPS];
    if (order->group_count == 0)
        return true;
    memcpy(chosen, order->groups, sizeof(chosen));
    if (wolfSSL_set_groups(s->ssl, chosen, order->group_count) != WOLFSSL_SUCCESS)
        return false;
    if (order->version == 12)
        return true;
    if (!s->stream && chosen[0] == WOLFSSL_X25519MLKEM768)
        return wolfSSL_NoKeyShares(s->ssl) == WOLFSSL_SUCCESS;
    return wolfSSL_UseKeyShare(s->ssl, (unsigned short)chosen[0]) == WOLFSSL_SUCCESS;
}

static bool fit_datagrams(struct secrecy *s)
{
    wolfSSL_dtls_set_using_nonblock(s->ssl, 1);
    s->mtu = (unsigned short)(s->order->mtu ? s->order->mtu : USUAL_MTU);
    if (wolfSSL_dtls_set_mtu(s->ssl, s->mtu) != WOLFSSL_SUCCESS)
        return false;
    return !s->order->connection_id || wolfSSL_dtls_cid_use(s->ssl) == WOLFSSL_SUCCESS;
}

static bool prepare(struct secrecy *s)
{
    const struct order *order = s->order;
    wolfSSL_CTX_SetIORecv(s->profile, s->stream ? give : give_datagram);
    wolfSSL_CTX_SetIOSend(s->profile, take);
    wolfSSL_CTX_set_verify(
        s->profile,
        order->insecure || order->psk_identity ? WOLFSSL_VERIFY_NONE : WOLFSSL_VERIFY_PEER, NULL);
    if (!load(s))
        return false;
    s->ssl = wolfSSL_new(s->profile);
    if (!s->ssl)
        return false;
    wolfSSL_SetIOReadCtx(s->ssl, s);
    wolfSSL_SetIOWriteCtx(s->ssl, s);
    if (order->psk_identity) {
        wolfSSL_set_psk_client_callback(s->ssl, give_key);
        wolfSSL_set_psk_client_tls13_callback(s->ssl, give_key_13);
        wolfSSL_set_psk_callback_ctx(s->ssl, (void *)order);
        wolfSSL_set_cipher_list(s->ssl, "TLS13-AES128-GCM-SHA256:ECDHE-PSK-AES128-GCM-SHA256:"
                                        "PSK-AES128-GCM-SHA256:PSK-AES128-CCM-8");
    }
    return expect_name(s) && choose_groups(s) && (s->stream || fit_datagrams(s));
}

struct secrecy *secrecy_new(const struct order *order, bool stream, int fd)
{
    struct secrecy *s = calloc(1, sizeof(*s));
    if (!s)
        return NULL;
    s->order = order;
    s->stream = stream;
    s->fd = fd;
    wolfSSL_Init();
    s->profile = wolfSSL_CTX_new(method(order, stream));
    if (!s->profile || !prepare(s)) {
        if (!s->told)
            say_failed("TLS cannot be set up as asked for");
        secrecy_free(s);
        return NULL;
    }
    return s;
}

void secrecy_free(struct secrecy *s)
{
    if (!s)
        return;
    wolfSSL_free(s->ssl);
    wolfSSL_CTX_free(s->profile);
    wolfSSL_Cleanup();
    free(s);
}

/* ---- using it ---- */

/* The alerts (RFC 8446 section 6) that a broker has reason to send. */
static const char *alert_name(int code)
{
    switch (code) {
    case 20:
    case 47:
        return "the keys do not fit";
    case 40:
        return "there is nothing that both of us can use";
    case 42:
        return "the certificate is not accepted";
    case 44:
        return "the certificate has been revoked";
    case 45:
        return "the certificate has expired";
    case 48:
        return "it does not know who has signed the certificate";
    case 49:
        return "access is denied";
    case 51:
        return "what proves the key is wrong";
    case 70:
        return "it does not speak this version of TLS";
    case 71:
        return "what was offered is not safe enough";
    case 115:
        return "it does not know that identity";
    case 116:
        return "it wants a certificate";
    default:
        return "something else is wrong";
    }
}

/* Which alert says that a pre-shared key is wrong depends on version and broker, and a broker need
 * not tell an unknown identity from a wrong key (RFC 8446 section 6.2). */
static bool says_wrong_key(const struct secrecy *s, int code)
{
    return s->order->psk_identity && (code == 20 || code == 47 || code == 51 || code == 115);
}

/* What is wrong here, before the broker says a word. */
static const char *mistake(int error)
{
    switch (error) {
    case ASN_NO_SIGNER_E:
    case ASN_SELF_SIGNED_E:
        return "the broker's certificate is not signed by --cafile";
    case DOMAIN_NAME_MISMATCH:
    case IPADDR_MISMATCH:
        return "the broker's certificate is for another name than -h says";
    case ASN_AFTER_DATE_E:
        return "the broker's certificate has expired";
    default:
        return wolfSSL_ERR_reason_error_string((unsigned long)error);
    }
}

/* Whether it only waits; else notes why it is over. */
static bool only_waits(struct secrecy *s, int result)
{
    WOLFSSL_ALERT_HISTORY history;
    s->error = wolfSSL_get_error(s->ssl, result);
    if (s->error == WOLFSSL_ERROR_WANT_READ || s->error == WOLFSSL_ERROR_WANT_WRITE)
        return true;
    if (wolfSSL_get_alert_history(s->ssl, &history) == WOLFSSL_SUCCESS &&
        history.last_rx.code > 0 && history.last_rx.level == 2)
        snprintf(s->why, sizeof(s->why), "the broker says: %s (alert %d)",
                 says_wrong_key(s, history.last_rx.code)
                     ? "it does not know that identity, or not with this key"
                     : alert_name(history.last_rx.code),
                 history.last_rx.code);
    else if (s->error == WOLFSSL_ERROR_ZERO_RETURN)
        snprintf(s->why, sizeof(s->why), "the broker has closed the connection");
    else
        snprintf(s->why, sizeof(s->why), "%s", mistake(s->error));
    return false;
}

int secrecy_shake(struct secrecy *s)
{
    fetch(s);
    int result = wolfSSL_connect(s->ssl);
    narrow(s);
    if (result == WOLFSSL_SUCCESS)
        return 1;
    return only_waits(s, result) ? 0 : -1;
}

uint64_t secrecy_wait_ms(struct secrecy *s)
{
    return s->stream ? 60000 : 1000 * (uint64_t)wolfSSL_dtls_get_current_timeout(s->ssl);
}

int secrecy_late(struct secrecy *s)
{
    if (s->stream || wolfSSL_dtls_got_timeout(s->ssl) == WOLFSSL_SUCCESS)
        return 0;
    return only_waits(s, -1) ? 0 : -1;
}

int secrecy_receive(struct secrecy *s, uint8_t *room, size_t size, size_t *got)
{
    fetch(s);
    int result = wolfSSL_read(s->ssl, room, (int)size);
    narrow(s);
    if (result > 0) {
        *got = (size_t)result;
        return 1;
    }
    return only_waits(s, result) ? 0 : -1;
}

ssize_t secrecy_send(struct secrecy *s, struct slice bytes)
{
    int result = wolfSSL_write(s->ssl, bytes.at, (int)bytes.len);
    if (result > 0)
        return result;
    return only_waits(s, result) ? 0 : -1;
}

void secrecy_goodbye(struct secrecy *s)
{
    wolfSSL_shutdown(s->ssl);
}

const char *secrecy_why(const struct secrecy *s)
{
    return s->why;
}

/* A record that does not decrypt is dropped (RFC 6347 section 4.1.2.7), the proof of the key is
 * one. */
const char *secrecy_silence(const struct secrecy *s)
{
    return s->order->psk_identity && !s->stream ? "; a wrong key or identity may get none" : "";
}
