/* dtls: see dtls.h. Between a datagram socket and the protocol, on the way in and on the way out;
 * dtls_greet has let the peer in, dtls_home stands between this and wolfSSL.
 *
 * Records are given to wolfSSL one by one. Once the handshake is done, only encrypted ones: what is
 * in the clear can be from anybody and is dropped, so that nobody can end a session who has not its
 * keys. Invariant: `shake` is there until the handshake is done or has failed; content passes only
 * once it is done. */
#include "transports/dtls.h"

#include "base/hash.h"
#include "broker/auth.h"
#include "transports/credentials.h"
#include "transports/dtls_home.h"
#include "transports/layer.h"
#include "transports/peer.h"
#include "transports/tls_cause.h"
#include "transports/tls_inside.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    PATIENCE_S = 32,     /* what the other end has not acknowledged by then, it never will */
    REPETITION_MS = 250, /* between two answers to a flight that comes again */
};

static struct dtls_home *home_of(const struct peer *peer)
{
    return datagram_shared(peer);
}

/* ---- of a listener ---- */

static struct slice number_of(const void *item)
{
    return slice_of(((const struct dtls *)item)->cid, DTLS_CID_SIZE);
}

static int dtls_share(const struct listener_settings *settings, void **shared, char *why,
                      size_t why_size)
{
    struct dtls_home *home = calloc(1, sizeof(*home));
    if (!home) {
        snprintf(why, why_size, "out of memory");
        return -ENOMEM;
    }
    home->common.read = dtls_home_read;
    home->common.write = dtls_home_write;
    map_init(&home->numbered, number_of);
    int error = tls_home_init(&home->common, settings, true, why, why_size);
    if (error) {
        free(home);
        return error;
    }
    *shared = home;
    return 0;
}

static void forget_greeters(struct dtls_home *home)
{
    dtls_shake_free(home->plain);
    dtls_shake_free(home->hybrid);
    dtls_shake_free(home->admitted);
    home->plain = home->hybrid = home->admitted = NULL;
}

static void dtls_unshare(void *shared)
{
    struct dtls_home *home = shared;
    forget_greeters(home);
    map_clear(&home->numbered);
    tls_home_clear(&home->common);
    free(home);
}

static void dtls_adopt(void *shared, void *fresh)
{
    struct dtls_home *home = shared, *next = fresh;
    forget_greeters(home);
    tls_home_adopt(&home->common, &next->common);
    dtls_unshare(next);
}

static void dtls_inspect(const void *shared, int64_t now_s,
                         void (*warn)(void *to, const char *text), void *to)
{
    tls_home_inspect(&((const struct dtls_home *)shared)->common, now_s, warn, to);
}

static void dtls_count(const void *shared, struct handshake_counts *to)
{
    tls_home_count(&((const struct dtls_home *)shared)->common, to);
}

/* ---- the handshake ---- */

static uint64_t serials; /* given out so far */

/* The end of what only a handshake needs, however it went. */
static void forget_shake(struct peer *peer, struct dtls *dtls)
{
    if (!dtls->shake)
        return;
    home_of(peer)->common.counts.half_open--;
    tls_proof_end(&dtls->shake->proof);
    dtls->shake->ssl = NULL; /* stays */
    dtls_shake_free(dtls->shake);
    dtls->shake = NULL;
    datagram_alarm(peer, 0);
}

static void give_up(struct peer *peer, struct dtls *dtls, enum tls_failure kind, const char *cause)
{
    tls_home_failed(&home_of(peer)->common, peer, kind, cause);
    forget_shake(peer, dtls);
}

static int dtls_open(struct peer *peer, void *state)
{
    struct dtls *dtls = state;
    struct dtls_home *home = home_of(peer);
    struct dtls_shake *shake = home->admitted;
    if (!shake)
        return -EPROTO; /* only who has been greeted comes in */
    home->admitted = NULL;
    home->common.counts.half_open++;
    shake->deadline_ms = peer_now_ms(peer) + home->common.credentials->wish.handshake_timeout;
    dtls->shake = shake;
    dtls->ssl = shake->ssl;
    dtls->hello = shake->hello;
    dtls->serial = ++serials;
    dtls->peer = peer;
    dtls->fed = true;
    return 0;
}

static void start_keys(struct peer *peer, struct dtls *dtls)
{
    dtls->keyed_ms = peer_now_ms(peer);
    dtls->bytes = 0;
    dtls->received = dtls->sent = 0;
}

/* From now on the peer is found by the connection id that it was given, if it wanted one. */
static void number(struct dtls_home *home, struct dtls *dtls)
{
    if (!wolfSSL_dtls_cid_is_enabled(dtls->ssl) || !home->common.credentials->wish.connection_id)
        return;
    memcpy(dtls->cid, dtls->shake->cid, sizeof(dtls->cid));
    if (!map_find(&home->numbered, number_of(dtls)))
        dtls->numbered = map_put(&home->numbered, dtls) == 0;
}

static void handshake_done(struct peer *peer, struct dtls *dtls)
{
    struct dtls_home *home = home_of(peer);
    struct tls_proof *proof = &dtls->shake->proof;
    struct identity *identity = tls_proof_take(proof, &dtls->evidence);
    dtls->version_13 = wolfSSL_version(dtls->ssl) == DTLS1_3_VERSION;
    tls_home_done(&home->common, peer, dtls->ssl, identity != NULL, proof->by_key);
    if (identity)
        layer_identify(peer, identity);
    number(home, dtls);
    forget_shake(peer, dtls);
    dtls_home_widen(home, dtls->ssl);
    tls_inside_rest(dtls->ssl);
    wolfSSL_dtls_set_peer(dtls->ssl, NULL, 0); /* it was for the cookie */
    dtls->done = true;
    start_keys(peer, dtls);
}

static void handshake_failed(struct peer *peer, struct dtls *dtls, int error)
{
    char cause[TLS_CAUSE_SIZE];
    enum tls_failure kind =
        tls_cause(dtls->ssl, error, SLICE_EMPTY, dtls->shake->proof.certificate, cause);
    give_up(peer, dtls, kind, cause);
}

/* As tls.c has it, in a record of its own; the hello's answer before had number 0 or 1. */
static void refuse_master_secret(struct peer *peer, struct dtls *dtls)
{
    static const uint8_t handshake_failure[] = {21, 0xfe, 0xfd, 0, 0, 0, 0, 0,
                                                0,  0,    9,    0, 2, 2, 40};
    datagram_emit(peer, slice_of(handshake_failure, sizeof(handshake_failure)));
    char cause[TLS_CAUSE_SIZE];
    snprintf(cause, sizeof(cause), "%s (sent alert handshake_failure)", tls_no_master_secret);
    give_up(peer, dtls, TLS_FAILED_PARAMETERS, cause);
}

/* ---- time ---- */

static uint64_t patience_ms(WOLFSSL *ssl)
{
    uint64_t whole_ms = (uint64_t)wolfSSL_dtls_get_current_timeout(ssl) * 1000;
    return wolfSSL_dtls13_use_quick_timeout(ssl) ? whole_ms / 4 : whole_ms;
}

static void set_alarm(struct peer *peer, const struct dtls_shake *shake)
{
    bool again = shake->again_ms && shake->again_ms < shake->deadline_ms;
    datagram_alarm(peer, again ? shake->again_ms : shake->deadline_ms);
}

/* After the handshake only tickets and new keys wait to be acknowledged. */
static void watch(struct peer *peer, struct dtls *dtls)
{
    if (dtls->version_13 && tls_inside_waits(dtls->ssl))
        datagram_alarm(peer, peer_now_ms(peer) + patience_ms(dtls->ssl));
}

static bool repeat(struct dtls_home *home, struct dtls *dtls)
{
    home->busy = dtls;
    dtls_home_begin(home, dtls->ssl, SLICE_EMPTY);
    home->repeating = true;
    bool good = wolfSSL_dtls_got_timeout(dtls->ssl) == WOLFSSL_SUCCESS;
    dtls_home_end(home);
    return good;
}

/* What has been encrypted with a wrong key cannot be told from noise, and is waited for in vain. */
static void too_late(struct peer *peer, struct dtls *dtls)
{
    const struct tls_proof *proof = &dtls->shake->proof;
    char cause[TLS_CAUSE_SIZE];
    snprintf(cause, sizeof(cause), "not done within %llu ms%s",
             (unsigned long long)proof->credentials->wish.handshake_timeout,
             proof->asked ? "; unknown PSK identity or wrong PSK, perhaps" : "");
    give_up(peer, dtls, TLS_FAILED_TIMEOUT, cause);
}

static enum datagram_result dtls_expired(struct peer *peer, void *state)
{
    struct dtls *dtls = state;
    struct dtls_home *home = home_of(peer);
    struct dtls_shake *shake = dtls->shake;
    uint64_t now_ms = peer_now_ms(peer);
    if (!shake) {
        if (dtls->done && tls_inside_waits(dtls->ssl) &&
            wolfSSL_dtls_get_current_timeout(dtls->ssl) < PATIENCE_S && repeat(home, dtls))
            watch(peer, dtls);
        return DATAGRAM_NOTHING;
    }
    if (now_ms >= shake->deadline_ms) {
        too_late(peer, dtls);
        return DATAGRAM_FAILED;
    }
    if (!repeat(home, dtls)) {
        handshake_failed(peer, dtls, wolfSSL_get_error(dtls->ssl, WOLFSSL_FATAL_ERROR));
        return DATAGRAM_FAILED;
    }
    shake->again_ms = now_ms + patience_ms(dtls->ssl);
    set_alarm(peer, shake);
    return DATAGRAM_NOTHING;
}

/* ---- records in ---- */

/* One step. A flight of the client's that comes again makes wolfSSL repeat its own at once, and a
 * client that does the same would keep both busy until the deadline: so not too often. */
static int accept_step(struct peer *peer, struct dtls *dtls, struct slice record)
{
    struct dtls_home *home = home_of(peer);
    struct dtls_shake *shake = dtls->shake;
    uint64_t now_ms = peer_now_ms(peer);
    home->common.tickets.now_ms = now_ms;
    home->busy = dtls;
    dtls_home_begin(home, dtls->ssl, record);
    if (shake->again_ms) /* else nothing has been said that could be repeated */
        home->step = tls_inside_step(dtls->ssl);
    home->muted = shake->repeated_ms && now_ms - shake->repeated_ms < REPETITION_MS;
    int ret = wolfSSL_accept(dtls->ssl);
    if (home->emitted && tls_inside_step(dtls->ssl) == home->step)
        shake->repeated_ms = now_ms;
    dtls_home_end(home);
    return ret;
}

static enum datagram_result shake_hands(struct peer *peer, struct dtls *dtls, struct slice record)
{
    struct dtls_home *home = home_of(peer);
    int ret = accept_step(peer, dtls, record);
    if (ret == WOLFSSL_SUCCESS) {
        handshake_done(peer, dtls);
        watch(peer, dtls);
        return DATAGRAM_NOTHING;
    }
    int error = wolfSSL_get_error(dtls->ssl, ret);
    if (error != WOLFSSL_ERROR_WANT_READ) {
        handshake_failed(peer, dtls, error);
        return DATAGRAM_FAILED;
    }
    if (home->emitted)
        dtls->shake->again_ms = peer_now_ms(peer) + patience_ms(dtls->ssl);
    set_alarm(peer, dtls->shake);
    return DATAGRAM_NOTHING;
}

/* A record that is newer than all before has come from `from`. */
static void heard_from(struct peer *peer, struct dtls *dtls, const struct endpoint *from,
                       size_t bytes)
{
    if (endpoint_equal(from, &dtls->at)) {
        free(dtls->path); /* so it has not moved */
        dtls->path = NULL;
        return;
    }
    datagram_candidate(peer);
    if (dtls->path && endpoint_equal(from, &dtls->path->to)) {
        if (!dtls_path_heard(dtls->path, bytes))
            return;
        free(dtls->path);
        dtls->path = NULL;
        dtls->at = *from;
        datagram_move(peer, from);
        return;
    }
    if (!dtls->path)
        dtls->path = malloc(sizeof(*dtls->path));
    if (dtls->path) /* without memory it stays where it was */
        *dtls->path = (struct dtls_path){.to = *from, .heard = bytes};
}

/* DTLS 1.2: what comes encrypted before any content is the client's last flight once more, so ours
 * was lost (RFC 6347 section 4.2.4). What comes in the clear is not asked: it can be from anybody.
 */
static void repeat_last(struct dtls_home *home, struct dtls *dtls)
{
    if (!dtls->version_13 && dtls->received == 0 &&
        wolfSSL_dtls_get_current_timeout(dtls->ssl) < PATIENCE_S)
        repeat(home, dtls);
}

static enum datagram_result decode(struct peer *peer, struct dtls *dtls, struct slice record,
                                   struct writer *plain)
{
    struct dtls_home *home = home_of(peer);
    uint64_t newest = tls_inside_newest(dtls->ssl);
    dtls_home_begin(home, dtls->ssl, record);
    home->busy = dtls;
    int got = wolfSSL_read(dtls->ssl, plain->at, (int)(plain->end - plain->at));
    int error = got > 0 ? 0 : wolfSSL_get_error(dtls->ssl, got);
    dtls_home_end(home);
    tls_inside_rest(dtls->ssl);
    bool authentic = tls_inside_newest(dtls->ssl) > newest;
    if (authentic)
        heard_from(peer, dtls, &home->from, record.len);
    if (got > 0) {
        writer_claim(plain, (size_t)got);
        dtls->bytes += (uint64_t)got;
        dtls->received++;
        return DATAGRAM_PLAIN;
    }
    if (error == WOLFSSL_ERROR_WANT_READ) {
        if (authentic)
            repeat_last(home, dtls);
        return DATAGRAM_NOTHING;
    }
    if (error == WOLFSSL_ERROR_ZERO_RETURN)
        return DATAGRAM_END;
    char reason[WOLFSSL_MAX_ERROR_SZ];
    wolfSSL_ERR_error_string_n((unsigned long)error, reason, sizeof(reason));
    peer_close(peer, "DTLS: %s", reason);
    return DATAGRAM_FAILED;
}

static enum datagram_result take_record(struct peer *peer, struct dtls *dtls, struct slice record,
                                        struct writer *plain)
{
    if (dtls->done)
        return dtls_record_protected(record) ? decode(peer, dtls, record, plain) : DATAGRAM_NOTHING;
    return dtls->shake ? shake_hands(peer, dtls, record) : DATAGRAM_FAILED;
}

/* The greeter has read the first datagram: what is left is to answer it. */
static enum datagram_result begin(struct peer *peer, struct dtls *dtls, const struct endpoint *from)
{
    const struct dtls_shake *shake = dtls->shake;
    dtls->fed = false;
    dtls->at = *from;
    if (!shake->whole || shake->extended_master_secret)
        return shake_hands(peer, dtls, SLICE_EMPTY);
    refuse_master_secret(peer, dtls);
    return DATAGRAM_FAILED;
}

static enum datagram_result dtls_receive(struct peer *peer, void *state,
                                         const struct endpoint *from, struct slice *wire,
                                         struct writer *plain)
{
    struct dtls *dtls = state;
    struct dtls_home *home = home_of(peer);
    struct slice record;
    bool fresh = wire->len > 0;
    if (fresh) {
        home->receiving = peer;
        home->rest = *wire;
        home->from = *from;
        *wire = SLICE_EMPTY;
    }
    if (home->receiving != peer)
        return DATAGRAM_NOTHING;
    if (dtls->fed) {
        home->rest = SLICE_EMPTY;
        return begin(peer, dtls, from);
    }
    while (dtls_record_take(&home->rest, &record)) {
        enum datagram_result result = take_record(peer, dtls, record, plain);
        if (result != DATAGRAM_NOTHING)
            return result;
    }
    home->receiving = NULL;
    if (dtls->done)
        watch(peer, dtls);
    return DATAGRAM_NOTHING;
}

/* The hello that a session began with comes twice when an answer is lost: it is the session's. One
 * that has another random has to bring a cookie that was made since the session began
 * (dtls_cookie.h), so that nobody ends it by changing what he has seen. */
static bool dtls_begins(const struct peer *peer, const void *state, struct slice datagram)
{
    struct dtls_hello hello;
    (void)peer;
    return dtls_hello_read(datagram, WOLFSSL_X25519MLKEM768, &hello) &&
           hash_slice(hello.random) != ((const struct dtls *)state)->hello;
}

/* ---- records out ---- */

/* Whether the keys have done enough (RFC 9147 section 4.5.3 knows limits; a user may want less). */
static bool keys_worn(const struct peer *peer, const struct dtls *dtls)
{
    const struct tls_settings *wish = &home_of(peer)->common.credentials->wish;
    uint32_t records = dtls->received > dtls->sent ? dtls->received : dtls->sent;
    if (wish->rekey_messages && records >= wish->rekey_messages)
        return true;
    if (wish->rekey_bytes && dtls->bytes >= wish->rekey_bytes)
        return true;
    return wish->rekey_after && peer_now_ms(peer) - dtls->keyed_ms >= wish->rekey_after;
}

static void renew_keys(struct peer *peer, struct dtls *dtls)
{
    if (!dtls->version_13 || !keys_worn(peer, dtls) || tls_inside_waits(dtls->ssl))
        return;
    int ret = wolfSSL_update_keys(dtls->ssl); /* asks the other end to do the same */
    if (ret == WOLFSSL_SUCCESS)
        home_of(peer)->common.counts.rekeyed++;
    start_keys(peer, dtls);
    watch(peer, dtls);
}

static int dtls_send(struct peer *peer, void *state, struct slice plain)
{
    struct dtls *dtls = state;
    struct dtls_home *home = home_of(peer);
    if (!dtls->done)
        return -EAGAIN;
    dtls_home_begin(home, dtls->ssl, SLICE_EMPTY);
    home->busy = dtls;
    renew_keys(peer, dtls);
    int done = wolfSSL_write(dtls->ssl, plain.at, (int)plain.len);
    dtls_home_end(home);
    if (done > 0) {
        dtls->bytes += (uint64_t)done;
        dtls->sent++;
        return 0;
    }
    int error = wolfSSL_get_error(dtls->ssl, done);
    if (error == DTLS_SIZE_ERROR)
        return -EMSGSIZE;
    peer_close(peer, "DTLS: cannot encrypt (%d)", error);
    return -EIO;
}

/* Header, explicit nonce and tag of the larger of the two versions, and what a connection id adds
 * (RFC 9146 section 4). */
static size_t dtls_room(const struct peer *peer, const void *state, size_t mtu)
{
    enum { HEADER = 13, NONCE = 8, TAG = 16, KIND = 1 };
    const struct dtls *dtls = state;
    const struct tls_settings *wish = &home_of(peer)->common.credentials->wish;
    unsigned cid = 0;
    if (dtls->ssl)
        wolfSSL_dtls_cid_get_tx_size(dtls->ssl, &cid);
    size_t most = mtu < wish->mtu ? mtu : (size_t)wish->mtu;
    size_t more = HEADER + NONCE + TAG + KIND + cid;
    return most > more ? most - more : 0;
}

/* ---- the end ---- */

/* By the credentials of now. */
static bool dtls_entitled(struct peer *peer, const void *state)
{
    const struct evidence *evidence = ((const struct dtls *)state)->evidence;
    return !evidence || evidence_holds(evidence, home_of(peer)->common.credentials,
                                       identity_name(peer_identity(peer)));
}

static void say_goodbye(struct dtls_home *home, struct dtls *dtls)
{
    dtls_home_begin(home, dtls->ssl, SLICE_EMPTY);
    home->busy = dtls;
    wolfSSL_shutdown(dtls->ssl);
    dtls_home_end(home);
}

static void dtls_close(struct peer *peer, void *state, bool orderly)
{
    struct dtls *dtls = state;
    struct dtls_home *home = home_of(peer);
    if (!dtls->ssl)
        return;
    if (dtls->shake)
        home->common.counts.failed[TLS_FAILED_CLOSED]++;
    else if (orderly && dtls->done)
        say_goodbye(home, dtls);
    forget_shake(peer, dtls);
    if (dtls->numbered)
        map_take(&home->numbered, number_of(dtls));
    if (home->receiving == peer)
        home->receiving = NULL;
    datagram_alarm(peer, 0);
    wolfSSL_free(dtls->ssl);
    evidence_free(dtls->evidence);
    free(dtls->path);
    *dtls = (struct dtls){.ssl = NULL};
}

const struct datagram_layer dtls_layer = {
    .name = "dtls",
    .state_size = sizeof(struct dtls),
    .share = dtls_share,
    .adopt = dtls_adopt,
    .unshare = dtls_unshare,
    .inspect = dtls_inspect,
    .count = dtls_count,
    .greet = dtls_greet,
    .open = dtls_open,
    .entitled = dtls_entitled,
    .begins = dtls_begins,
    .receive = dtls_receive,
    .send = dtls_send,
    .expired = dtls_expired,
    .room = dtls_room,
    .close = dtls_close,
};
