/* dtls_home: see dtls_home.h. */
#include "transports/dtls_home.h"

#include "base/random.h"
#include "transports/credentials.h"
#include "transports/tls_inside.h"
#include "transports/tls_keylog.h"
#include <limits.h>
#include <stdlib.h>

enum { HANDSHAKE = 22 };

static uint16_t mtu_of(const struct dtls_home *home)
{
    const struct dtls_shake *shake = home->busy ? home->busy->shake : NULL;
    uint16_t mtu = (uint16_t)home->common.credentials->wish.mtu;
    return shake && shake->mtu < mtu ? shake->mtu : mtu;
}

int dtls_home_read(WOLFSSL *ssl, char *to, int size, void *owner)
{
    struct dtls_home *home = owner;
    struct slice wire = home->wire;
    home->wire = SLICE_EMPTY;
    wolfSSL_dtls_set_mtu(ssl, mtu_of(home)); /* for what is written from now on */
    if (wire.len == 0 || ssl != home->reader || wire.len > (size_t)size)
        return WOLFSSL_CBIO_ERR_WANT_READ;
    memcpy(to, wire.at, wire.len);
    return (int)wire.len;
}

/* To a new address only as much as it may have; what is more goes where the peer was. */
static void emit(struct dtls *dtls, struct slice wire)
{
    if (dtls->path && dtls_path_allows(dtls->path, wire.len))
        datagram_emit_to(dtls->peer, &dtls->path->to, wire);
    else
        datagram_emit(dtls->peer, wire);
}

static void emit_gathered(struct dtls_home *home)
{
    if (home->gathered_len > 0)
        emit(home->busy, slice_of(home->gathered, home->gathered_len));
    home->gathered_len = 0;
}

/* Records of one flight go into one datagram, as many as the MTU allows (RFC 6347 section 4.1.1,
 * RFC 9147 section 4.3): it is the datagrams that cost, here and at the other end. What is repeated
 * goes alone: some clients throw a datagram away whose first record they have had. */
static void gather(struct dtls_home *home, struct slice record)
{
    size_t mtu = mtu_of(home), most = mtu < sizeof(home->gathered) ? mtu : sizeof(home->gathered);
    bool again = home->repeating || tls_inside_step(home->busy->ssl) == home->step;
    if (again || home->gathered_len + record.len > most)
        emit_gathered(home);
    if (again || record.len > most) {
        emit(home->busy, record);
        return;
    }
    memcpy(home->gathered + home->gathered_len, record.at, record.len);
    home->gathered_len += record.len;
}

int dtls_home_write(WOLFSSL *ssl, char *bytes, int size, void *owner)
{
    struct dtls_home *home = owner;
    struct slice wire = slice_of(bytes, (size_t)size);
    if (home->muted && bytes[0] == HANDSHAKE && tls_inside_step(ssl) == home->step)
        return size;
    home->emitted = true;
    if (home->busy)
        gather(home, wire);
    else if (home->answer)
        writer_bytes(home->answer, wire);
    return size; /* a datagram that is lost is lost */
}

/* wolfSSL reads into room for one datagram of the MTU and a little: what arrived may be longer than
 * what we send. */
void dtls_home_begin(struct dtls_home *home, WOLFSSL *ssl, struct slice wire)
{
    enum { LONGEST = 16384 };
    home->reader = ssl;
    home->wire = wire;
    home->emitted = false;
    home->muted = false;
    home->repeating = false;
    home->step = UINT_MAX; /* none */
    if (wire.len > mtu_of(home))
        wolfSSL_dtls_set_mtu(ssl, (uint16_t)(wire.len < LONGEST ? wire.len : LONGEST));
}

void dtls_shake_narrow(struct dtls_shake *shake, size_t len)
{
    enum { LEAST = 256 }; /* so that nobody makes us cut a flight to crumbs */
    if (len < shake->mtu)
        shake->mtu = (uint16_t)(len > LEAST ? len : LEAST);
}

void dtls_home_widen(struct dtls_home *home, WOLFSSL *ssl)
{
    wolfSSL_dtls_set_mtu(ssl, (uint16_t)home->common.credentials->wish.mtu);
}

void dtls_home_end(struct dtls_home *home)
{
    emit_gathered(home);
    if (home->wire.len > mtu_of(home))
        wolfSSL_dtls_set_mtu(home->reader, mtu_of(home));
    home->wire = SLICE_EMPTY;
    home->reader = NULL;
    home->busy = NULL;
    home->answer = NULL;
}

static bool prepare(struct dtls_home *home, struct dtls_shake *shake)
{
    WOLFSSL *ssl = shake->ssl;
    const struct tls_settings *wish = &home->common.credentials->wish;
    wolfSSL_SetIOReadCtx(ssl, home);
    wolfSSL_SetIOWriteCtx(ssl, home);
    wolfSSL_dtls_set_using_nonblock(ssl, 1);
    tls_keylog_watch(ssl);
    /* The first ClientHello has to come in one piece; the one that brings a cookie need not, for a
     * share of X25519MLKEM768 does not fit everywhere. */
    if (wolfSSL_dtls_set_mtu(ssl, mtu_of(home)) != WOLFSSL_SUCCESS ||
        wolfSSL_dtls13_allow_ch_frag(ssl, 1) != WOLFSSL_SUCCESS)
        return false;
    if (!wish->connection_id)
        return true;
    random_bytes(shake->cid, sizeof(shake->cid));
    return wolfSSL_dtls_cid_use(ssl) == WOLFSSL_SUCCESS &&
           wolfSSL_dtls_cid_set(ssl, shake->cid, sizeof(shake->cid)) == WOLFSSL_SUCCESS;
}

struct dtls_shake *dtls_shake_new(struct dtls_home *home)
{
    struct dtls_shake *shake = calloc(1, sizeof(*shake));
    if (!shake)
        return NULL;
    shake->mtu = mtu_of(home);
    shake->ssl = wolfSSL_new(home->common.credentials->profile);
    if (!shake->ssl) {
        free(shake);
        return NULL;
    }
    tls_proof_begin(&shake->proof, shake->ssl, home->common.credentials);
    if (prepare(home, shake))
        return shake;
    dtls_shake_free(shake);
    return NULL;
}

void dtls_shake_free(struct dtls_shake *shake)
{
    if (!shake)
        return;
    WOLFSSL *ssl = shake->ssl;
    tls_proof_end(&shake->proof); /* it reaches into the object */
    wolfSSL_free(ssl);
    free(shake);
}
