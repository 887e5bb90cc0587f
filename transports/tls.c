/* tls: see tls.h. Between the socket and the protocol, on the way in and on the way out.
 *
 * wolfSSL reads from the wire bytes that receive was given and writes with layer_emit: it sees no
 * socket and never waits. What only a handshake needs is in struct handshake and goes with it, so
 * that an idle connection costs little. One handshake step makes a signature: each listener does a
 * bounded number of them per turn, and the bytes of the others stay in the kernel until the next.
 * Invariant: `handshake` is there until the handshake is done or has failed; content passes only
 * once it is done. */
#include "transports/tls.h"

#include "base/buffer.h"
#include "broker/auth.h"
#include "transports/credentials.h"
#include "transports/peer_state.h"
#include "transports/tls_cause.h"
#include "transports/tls_hello.h"
#include "transports/tls_home.h"
#include "transports/tls_keylog.h"
#include "transports/tls_proof.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    STEPS_PER_TURN = 64, /* about a millisecond of signatures */
    RECORD_MAX = 16384,
};

/* What the peers of a listener share. */
struct stream_home {
    struct tls_home common;
    uint64_t turn, steps; /* handshake steps in that turn */
    struct slice wire;    /* what receive was given and wolfSSL has not read yet */
};

struct handshake {
    struct timer timer;
    struct peer *peer;
    struct tls_proof proof;
    struct buffer hello;         /* what there is of it, until it is whole */
    bool heard;                  /* the hello has been read */
    bool extended_master_secret; /* and offers it */
    uint8_t first_len;
    uint8_t first[TLS_FIRST_SIZE];
};

struct tls {
    WOLFSSL *ssl;
    struct handshake *handshake; /* while it is under way */
    struct evidence *evidence;   /* owned; NULL when nothing is proven */
    bool done;                   /* it has succeeded */
    bool version_13;
    uint64_t keyed_ms;       /* when the keys began */
    uint64_t bytes;          /* of content since then, both ways */
    uint32_t received, sent; /* records since then */
};

static struct stream_home *home_of(const struct peer *peer)
{
    return peer_home(peer)->shared;
}

/* ---- wolfSSL's callbacks ---- */

static int on_read(WOLFSSL *ssl, char *to, int size, void *owner)
{
    struct slice *wire = &home_of(owner)->wire;
    size_t length = wire->len < (size_t)size ? wire->len : (size_t)size;
    (void)ssl;
    if (length == 0)
        return WOLFSSL_CBIO_ERR_WANT_READ;
    memcpy(to, wire->at, length);
    *wire = slice_from(*wire, length);
    return (int)length;
}

static int on_write(WOLFSSL *ssl, char *bytes, int size, void *owner)
{
    (void)ssl;
    layer_emit(owner, slice_of((const uint8_t *)bytes, (size_t)size));
    return size; /* out of memory has closed the peer */
}

/* ---- of a listener ---- */

static int tls_share(const struct listener_settings *settings, void **shared, char *why,
                     size_t why_size)
{
    struct stream_home *home = calloc(1, sizeof(*home));
    if (!home) {
        snprintf(why, why_size, "out of memory");
        return -ENOMEM;
    }
    home->common.read = on_read;
    home->common.write = on_write;
    int error = tls_home_init(&home->common, settings, false, why, why_size);
    if (error) {
        free(home);
        return error;
    }
    *shared = home;
    return 0;
}

static void tls_unshare(void *shared)
{
    struct stream_home *home = shared;
    tls_home_clear(&home->common);
    free(home);
}

static void tls_adopt(void *shared, void *fresh)
{
    struct stream_home *home = shared, *next = fresh;
    tls_home_adopt(&home->common, &next->common);
    tls_unshare(next);
}

static void tls_inspect(const void *shared, int64_t now_s, void (*warn)(void *to, const char *text),
                        void *to)
{
    tls_home_inspect(&((const struct stream_home *)shared)->common, now_s, warn, to);
}

static void tls_count(const void *shared, struct handshake_counts *to)
{
    tls_home_count(&((const struct stream_home *)shared)->common, to);
}

/* ---- the handshake ---- */

/* The end of what only a handshake needs, however it went. */
static void forget_handshake(struct peer *peer, struct tls *tls)
{
    struct handshake *handshake = tls->handshake;
    if (!handshake)
        return;
    tls->handshake = NULL;
    home_of(peer)->common.counts.half_open--;
    timer_cancel(&peer_loop(peer)->wheel, &handshake->timer);
    tls_proof_end(&handshake->proof);
    buffer_clear(&handshake->hello);
    free(handshake);
}

static void give_up(struct peer *peer, struct tls *tls, enum tls_failure kind, const char *cause)
{
    tls_home_failed(&home_of(peer)->common, peer, kind, cause);
    forget_handshake(peer, tls);
}

static void on_timeout(struct timer *timer)
{
    struct handshake *handshake = timer_owner(timer, struct handshake, timer);
    struct peer *peer = handshake->peer;
    if (peer_is_closing(peer))
        return;
    char cause[TLS_CAUSE_SIZE];
    snprintf(cause, sizeof(cause), "not done within %llu ms",
             (unsigned long long)handshake->proof.credentials->wish.handshake_timeout);
    give_up(peer, peer_layer_state(peer), TLS_FAILED_TIMEOUT, cause);
}

static struct handshake *handshake_new(struct peer *peer, WOLFSSL *ssl)
{
    struct tls_home *home = &home_of(peer)->common;
    struct handshake *handshake = calloc(1, sizeof(*handshake));
    if (!handshake)
        return NULL;
    handshake->peer = peer;
    tls_proof_begin(&handshake->proof, ssl, home->credentials);
    timer_init(&handshake->timer, on_timeout);
    timer_set(&peer_loop(peer)->wheel, &handshake->timer,
              peer_now_ms(peer) + home->credentials->wish.handshake_timeout);
    home->counts.half_open++;
    return handshake;
}

static int tls_open(struct peer *peer, void *state)
{
    struct tls *tls = state;
    struct tls_home *home = &home_of(peer)->common;
    /* ALPN is the protocol's own name: "mqtt". A client that offers others only is refused with
     * no_application_protocol (RFC 7301 section 3.2); one that offers none is welcome. */
    char alpn[32];
    snprintf(alpn, sizeof(alpn), "%s", peer_protocol(peer)->name);
    if (home->counts.half_open >= home->credentials->wish.half_open) {
        tls_home_refused(home, peer);
        return -EBUSY;
    }
    tls->ssl = wolfSSL_new(home->credentials->profile);
    if (!tls->ssl)
        return -ENOMEM;
    tls->handshake = handshake_new(peer, tls->ssl);
    if (!tls->handshake || wolfSSL_UseALPN(tls->ssl, alpn, (unsigned)strlen(alpn),
                                           WOLFSSL_ALPN_FAILED_ON_MISMATCH) != WOLFSSL_SUCCESS)
        return -ENOMEM;
    wolfSSL_SetIOReadCtx(tls->ssl, peer);
    wolfSSL_SetIOWriteCtx(tls->ssl, peer);
    tls_keylog_watch(tls->ssl);
    return 0;
}

static bool tls_entitled(struct peer *peer, const void *state)
{
    const struct evidence *evidence = ((const struct tls *)state)->evidence;
    return !evidence || evidence_holds(evidence, home_of(peer)->common.credentials,
                                       identity_name(peer_identity(peer)));
}

static bool tls_ready(struct peer *peer, const void *state)
{
    struct stream_home *home = home_of(peer);
    if (!((const struct tls *)state)->handshake)
        return true;
    uint64_t turn = peer_loop(peer)->counts.turns;
    if (home->turn != turn) {
        home->turn = turn;
        home->steps = 0;
    }
    return home->steps < STEPS_PER_TURN;
}

static void note_first(struct handshake *handshake, struct slice wire)
{
    size_t room = sizeof(handshake->first) - handshake->first_len;
    size_t length = wire.len < room ? wire.len : room;
    memcpy(handshake->first + handshake->first_len, wire.at, length);
    handshake->first_len = (uint8_t)(handshake->first_len + length);
}

static void start_keys(struct peer *peer, struct tls *tls)
{
    tls->keyed_ms = peer_now_ms(peer);
    tls->bytes = 0;
    tls->received = tls->sent = 0;
}

static void handshake_done(struct peer *peer, struct tls *tls)
{
    struct tls_proof *proof = &tls->handshake->proof;
    struct identity *identity = tls_proof_take(proof, &tls->evidence);
    tls->version_13 = wolfSSL_version(tls->ssl) == TLS1_3_VERSION;
    tls_home_done(&home_of(peer)->common, peer, tls->ssl, identity != NULL, proof->by_key);
    if (identity)
        layer_identify(peer, identity);
    forget_handshake(peer, tls);
    tls->done = true;
    start_keys(peer, tls);
}

static void handshake_failed(struct peer *peer, struct tls *tls, int error)
{
    char cause[TLS_CAUSE_SIZE];
    struct handshake *handshake = tls->handshake;
    enum tls_failure kind =
        tls_cause(tls->ssl, error, slice_of(handshake->first, handshake->first_len),
                  handshake->proof.certificate, cause);
    give_up(peer, tls, kind, cause);
}

/* RFC 9325 wants TLS 1.2 only with the extended master secret, which wolfSSL offers but does not
 * ask for; RFC 7627 section 5.2 has the abort. The alert is ours: nothing is encrypted yet. */
static void refuse_master_secret(struct peer *peer, struct tls *tls)
{
    static const uint8_t handshake_failure[] = {21, 3, 3, 0, 2, 2, 40};
    layer_emit(peer, slice_of(handshake_failure, sizeof(handshake_failure)));
    char cause[TLS_CAUSE_SIZE];
    snprintf(cause, sizeof(cause), "%s (sent alert handshake_failure)", tls_no_master_secret);
    give_up(peer, tls, TLS_FAILED_PARAMETERS, cause);
}

/* wolfSSL takes a group that the client has sent a share of before one that it only names. For the
 * hybrid, another round trip is worth it: with nothing else to choose, wolfSSL asks for its share.
 */
static bool prefer_hybrid(struct tls *tls)
{
    int only = WOLFSSL_X25519MLKEM768;
    return wolfSSL_set_groups(tls->ssl, &only, 1) == WOLFSSL_SUCCESS;
}

/* Judges the hello once it is whole; until then it is kept. Returns whether wolfSSL may go on. */
static bool hear_hello(struct peer *peer, struct tls *tls)
{
    struct handshake *handshake = tls->handshake;
    struct slice *wire = &home_of(peer)->wire;
    struct tls_hello hello = {0};
    if (handshake->heard)
        return true;
    if (handshake->hello.len > 0) {
        if (buffer_append(&handshake->hello, *wire) != 0) {
            peer_close(peer, "out of memory");
            return false;
        }
        *wire = buffer_slice(&handshake->hello);
    }
    enum tls_hello_state state = tls_hello_read(*wire, WOLFSSL_X25519MLKEM768, &hello);
    if (state == TLS_HELLO_PART) {
        if (handshake->hello.len == 0 && buffer_append(&handshake->hello, *wire) != 0)
            peer_close(peer, "out of memory");
        *wire = SLICE_EMPTY;
        return false;
    }
    handshake->heard = true;
    handshake->extended_master_secret = hello.extended_master_secret;
    const struct credentials *credentials = handshake->proof.credentials;
    if (state == TLS_HELLO_WHOLE && hello.version == 0x0303 && !hello.tls_13 &&
        !hello.extended_master_secret && credentials->wish.min_version == TLS_VERSION_12) {
        refuse_master_secret(peer, tls);
        return false;
    }
    return !credentials->hybrid_first || !hello.tls_13 || !hello.names_group ||
           hello.shares_group || prefer_hybrid(tls);
}

/* As far as the bytes reach. Returns whether the handshake is done. */
static bool shake_hands(struct peer *peer, struct tls *tls)
{
    struct stream_home *home = home_of(peer);
    if (!hear_hello(peer, tls))
        return false;
    home->steps++;
    home->common.tickets.now_ms = peer_now_ms(peer);
    note_first(tls->handshake, home->wire);
    int ret = wolfSSL_accept(tls->ssl);
    if (ret == WOLFSSL_SUCCESS && wolfSSL_version(tls->ssl) != TLS1_3_VERSION &&
        !tls->handshake->extended_master_secret) {
        /* a hello that only wolfSSL could read */
        give_up(peer, tls, TLS_FAILED_PARAMETERS, tls_no_master_secret);
        return false;
    }
    if (ret == WOLFSSL_SUCCESS) {
        handshake_done(peer, tls);
        return true;
    }
    int error = wolfSSL_get_error(tls->ssl, ret);
    if (error != WOLFSSL_ERROR_WANT_READ)
        handshake_failed(peer, tls, error);
    else
        buffer_clear(&tls->handshake->hello); /* all of it has been read */
    return false;
}

/* ---- content ---- */

static enum layer_result decode(struct peer *peer, struct tls *tls, struct writer *plain)
{
    while (plain->at < plain->end) {
        int got = wolfSSL_read(tls->ssl, plain->at, (int)(plain->end - plain->at));
        if (got > 0) {
            writer_claim(plain, (size_t)got);
            tls->bytes += (uint64_t)got;
            tls->received++;
            continue;
        }
        int error = wolfSSL_get_error(tls->ssl, got);
        if (error == WOLFSSL_ERROR_WANT_READ)
            return LAYER_DONE;
        if (error == WOLFSSL_ERROR_ZERO_RETURN)
            return LAYER_END;
        char reason[WOLFSSL_MAX_ERROR_SZ];
        wolfSSL_ERR_error_string_n((unsigned long)error, reason, sizeof(reason));
        peer_close(peer, "TLS: %s", reason);
        return LAYER_FAILED;
    }
    return LAYER_MORE;
}

static enum layer_result tls_receive(struct peer *peer, void *state, struct slice *wire,
                                     struct writer *plain)
{
    struct tls *tls = state;
    struct stream_home *home = home_of(peer);
    enum layer_result result = LAYER_DONE;
    home->wire = *wire;
    if (tls->done || (tls->handshake && shake_hands(peer, tls)))
        result = decode(peer, tls, plain);
    else if (peer_is_closing(peer))
        result = LAYER_FAILED;
    *wire = home->wire;
    home->wire = SLICE_EMPTY;
    return result;
}

/* Whether the keys have done enough (RFC 8446 section 5.5 knows a limit; a user may want less). */
static bool keys_worn(const struct peer *peer, const struct tls *tls)
{
    const struct tls_settings *wish = &home_of(peer)->common.credentials->wish;
    uint32_t records = tls->received > tls->sent ? tls->received : tls->sent;
    if (wish->rekey_messages && records >= wish->rekey_messages)
        return true;
    if (wish->rekey_bytes && tls->bytes >= wish->rekey_bytes)
        return true;
    return wish->rekey_after && peer_now_ms(peer) - tls->keyed_ms >= wish->rekey_after;
}

static void renew_keys(struct peer *peer, struct tls *tls)
{
    if (!tls->version_13 || !keys_worn(peer, tls))
        return;
    int ret = wolfSSL_update_keys(tls->ssl); /* asks the other end to do the same */
    if (ret == WOLFSSL_SUCCESS)
        home_of(peer)->common.counts.rekeyed++;
    start_keys(peer, tls);
}

static ssize_t tls_send(struct peer *peer, void *state, struct slice plain)
{
    struct tls *tls = state;
    if (!tls->done)
        return 0;
    renew_keys(peer, tls);
    int length = plain.len < RECORD_MAX ? (int)plain.len : RECORD_MAX;
    int done = wolfSSL_write(tls->ssl, plain.at, length);
    if (done <= 0) {
        peer_close(peer, "TLS: cannot encrypt (%d)", wolfSSL_get_error(tls->ssl, done));
        return -1;
    }
    tls->bytes += (uint64_t)done;
    tls->sent++;
    return done;
}

static void tls_close(struct peer *peer, void *state, bool orderly)
{
    struct tls *tls = state;
    if (!tls->ssl)
        return;
    if (tls->handshake)
        home_of(peer)->common.counts.failed[TLS_FAILED_CLOSED]++;
    else if (orderly && tls->done)
        wolfSSL_shutdown(tls->ssl);
    forget_handshake(peer, tls);
    wolfSSL_free(tls->ssl);
    evidence_free(tls->evidence);
    tls->ssl = NULL;
    tls->evidence = NULL;
}

const struct layer tls_layer = {
    .name = "tls",
    .state_size = sizeof(struct tls),
    .share = tls_share,
    .adopt = tls_adopt,
    .unshare = tls_unshare,
    .inspect = tls_inspect,
    .count = tls_count,
    .open = tls_open,
    .entitled = tls_entitled,
    .ready = tls_ready,
    .receive = tls_receive,
    .send = tls_send,
    .close = tls_close,
};
