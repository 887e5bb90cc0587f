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
#include "base/hash.h"
#include "base/random.h"
#include "broker/auth.h"
#include "transports/credentials.h"
#include "transports/credentials_cert.h"
#include "transports/peer_state.h"
#include "transports/tls_cause.h"
#include "transports/tls_hello.h"
#include "transports/tls_keylog.h"
#include "transports/tls_psk.h"
#include "transports/tls_ticket.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum {
    STEPS_PER_TURN = 64, /* about a millisecond of signatures */
    RECORD_MAX = 16384,
    FAILURES_LOGGED = 10, /* a second */
    REFUSALS_LOGGED = 1,
};

/* What the peers of a listener share. */
struct tls_home {
    struct credentials *credentials; /* for handshakes that begin now */
    struct tickets tickets;
    struct tls_counts counts;
    uint64_t turn, steps; /* handshake steps in that turn */
    /* logged at a bounded rate: strangers cause them */
    struct log_rate failures, refusals;
    struct slice wire; /* what receive was given and wolfSSL has not read yet */
};

/* What has proven the peer's identity, to be judged again when credentials change. */
struct evidence {
    uint64_t key;   /* the hash of its pre-shared key; 0 for a certificate */
    size_t der_len; /* of its certificate */
    uint8_t der[];
};

struct handshake {
    struct timer timer;
    struct peer *peer;
    struct credentials *credentials; /* a reference */
    struct identity *identity;       /* to be proven by the end; owned; may be NULL */
    struct evidence *evidence;       /* of it; owned */
    struct buffer hello;             /* what there is of it, until it is whole */
    bool heard;                      /* the hello has been read */
    bool extended_master_secret;     /* and offers it */
    bool by_key;
    uint8_t first_len;
    uint8_t first[TLS_FIRST_SIZE];
    char certificate[CERT_WORDS_SIZE]; /* of the client, when it was refused */
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

static struct tls_home *home_of(const struct peer *peer)
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

/* Keeps what may turn out to be proven; false when there was no memory for it. */
static bool take_identity(struct handshake *handshake, struct identity *identity,
                          struct slice certificate, struct slice key)
{
    struct evidence *evidence = malloc(sizeof(*evidence) + certificate.len);
    identity_unref(handshake->identity);
    buffer_clear(&handshake->hello);
    free(handshake->evidence);
    handshake->identity = identity;
    handshake->evidence = evidence;
    if (!evidence)
        return false;
    evidence->key = key.len ? hash_slice(key) : 0;
    evidence->der_len = certificate.len;
    if (certificate.len)
        memcpy(evidence->der, certificate.at, certificate.len);
    return identity != NULL;
}

/* The user name of a good certificate, with its common name behind it for rules that name that. */
static bool take_certificate(struct handshake *handshake, struct slice der)
{
    enum tls_identity kind = (enum tls_identity)handshake->credentials->wish.identity;
    char name[CERT_NAME_MAX], common[CERT_NAME_MAX];
    size_t length = cert_identity(der, kind, name);
    size_t common_length = cert_identity(der, TLS_IDENTITY_CN, common);
    return length > 0 &&
           take_identity(handshake,
                         identity_of_certificate(slice_of((const uint8_t *)name, length),
                                                 slice_of((const uint8_t *)common, common_length)),
                         der, SLICE_EMPTY);
}

/* A certificate of the client has been judged: says whose it is, or what is wrong with it. A ticket
 * would let in again whoever has it, without the certificate being looked at: so there is none. */
static int on_certificate(int good, WOLFSSL_X509_STORE_CTX *store)
{
    struct handshake *handshake = store->userCtx;
    if (!handshake)
        return 0;
    if (store->totalCerts == 0) /* there is none to judge */
        return good && handshake->credentials->wish.client_certificate == TLS_CLIENT_OPTIONAL;
    if (store->error_depth < 0 || store->error_depth >= store->totalCerts)
        return 0;
    const WOLFSSL_BUFFER_INFO *shown = &store->certs[store->error_depth];
    struct slice der = slice_of(shown->buffer, shown->length);
    if (good && store->error_depth > 0)
        return 1;
    /* Asked about the client's own only once all above it are found good: so all of them here. */
    for (int i = 0; good && i < store->totalCerts; i++)
        good = cert_sound(slice_of(store->certs[i].buffer, store->certs[i].length));
    if (!good || !take_certificate(handshake, der)) {
        cert_describe(der, time(NULL), handshake->certificate);
        return 0;
    }
    struct tls *tls = peer_layer_state(handshake->peer);
    wolfSSL_no_ticket_TLSv13(tls->ssl);
    return 1;
}

/* The key of an identity, into `to`. For one that is not known there is a key that nobody has: the
 * handshake then fails where it would with a wrong key, and nobody learns which identities exist.
 */
static unsigned key_of(WOLFSSL *ssl, const char *text, unsigned char *to, unsigned size)
{
    struct handshake *handshake = wolfSSL_get_psk_callback_ctx(ssl);
    struct slice identity = slice_of_str(text);
    if (!handshake || !handshake->credentials->keys || size < PSK_KEY_MAX)
        return 0;
    struct slice key = psk_table_find(handshake->credentials->keys, identity);
    if (key.len == 0) {
        random_bytes(to, 32);
        return 32;
    }
    if (!take_identity(handshake, identity_new(identity, false), SLICE_EMPTY, key))
        return 0;
    handshake->by_key = true;
    wolfSSL_no_ticket_TLSv13(ssl);
    memcpy(to, key.at, key.len);
    return (unsigned)key.len;
}

static unsigned int on_key(WOLFSSL *ssl, const char *identity, unsigned char *key,
                           unsigned int size)
{
    return key_of(ssl, identity, key, size);
}

/* TLS 1.3 offers tickets and identities in one list: what cannot be an identity is a ticket whose
 * key is gone, and its owner may go on without it. */
static unsigned int on_key_13(WOLFSSL *ssl, const char *identity, unsigned char *key,
                              unsigned int size, const char **suite)
{
    *suite = "TLS13-AES128-GCM-SHA256";
    if (!psk_identity_valid(slice_of_str(identity)))
        return 0;
    return key_of(ssl, identity, key, size);
}

/* ---- of a listener ---- */

static void equip(struct tls_home *home, struct credentials *credentials)
{
    WOLFSSL_CTX *profile = credentials->profile;
    wolfSSL_CTX_SetIORecv(profile, on_read);
    wolfSSL_CTX_SetIOSend(profile, on_write);
    int verify = WOLFSSL_VERIFY_NONE;
    if (credentials->asks) {
        verify = WOLFSSL_VERIFY_PEER;
        if (credentials->wish.client_certificate == TLS_CLIENT_REQUIRED)
            verify |= credentials->keys ? WOLFSSL_VERIFY_FAIL_EXCEPT_PSK
                                        : WOLFSSL_VERIFY_FAIL_IF_NO_PEER_CERT;
    }
    wolfSSL_CTX_set_verify(profile, verify, credentials->asks ? on_certificate : NULL);
    if (credentials->keys) {
        wolfSSL_CTX_set_psk_server_callback(profile, on_key);
        wolfSSL_CTX_set_psk_server_tls13_callback(profile, on_key_13);
    }
    if (credentials->wish.ticket_lifetime == 0) {
        tickets_none(profile);
        return;
    }
    home->tickets.lifetime_ms = credentials->wish.ticket_lifetime;
    tickets_use(&home->tickets, profile);
    /* TLS 1.2 promises the ticket before it knows who is there. */
    if (credentials->asks || credentials->keys)
        wolfSSL_CTX_NoTicketTLSv12(profile);
}

static int tls_share(const struct listener_settings *settings, void **shared, char *why,
                     size_t why_size)
{
    char reason[CREDENTIALS_WHY_SIZE];
    struct tls_home *home = calloc(1, sizeof(*home));
    int error = home ? credentials_load(&settings->tls, &home->credentials, reason) : -ENOMEM;
    if (error) {
        snprintf(why, why_size, "%s", home ? reason : "out of memory");
        free(home);
        return error;
    }
    equip(home, home->credentials);
    *shared = home;
    return 0;
}

/* Handshakes that are under way keep what they began with; tickets stay good, but those that were
 * issued before. */
static void tls_adopt(void *shared, void *fresh)
{
    struct tls_home *home = shared, *next = fresh;
    credentials_unref(home->credentials);
    home->credentials = next->credentials;
    next->credentials = NULL;
    equip(home, home->credentials);
    free(next);
}

static void tls_unshare(void *shared)
{
    struct tls_home *home = shared;
    credentials_unref(home->credentials);
    tickets_clear(&home->tickets);
    free(home);
}

enum { EXPIRY_WARNING_S = 30 * 86400 };

static void tls_inspect(const void *shared, int64_t now_s, void (*warn)(void *to, const char *text),
                        void *to)
{
    const struct credentials *credentials = ((const struct tls_home *)shared)->credentials;
    char text[CREDENTIALS_WHY_SIZE + 64];
    int64_t left_s = credentials->expires_s - now_s;
    if (credentials->loose) {
        snprintf(text, sizeof(text), "%s: others may read it; chmod 600", credentials->loose);
        warn(to, text);
    }
    if (credentials->expires_s == INT64_MAX || left_s > EXPIRY_WARNING_S)
        return;
    if (left_s < 0)
        snprintf(text, sizeof(text), "the certificate has expired");
    else
        snprintf(text, sizeof(text), "the certificate expires in %lld days",
                 (long long)(left_s / 86400));
    warn(to, text);
}

struct tls_counts tls_counts(const struct listener *listener)
{
    return ((const struct tls_home *)listener->shared)->counts;
}

static void tls_count(const void *shared, struct handshake_counts *to)
{
    const struct tls_home *home = shared;
    *to = (struct handshake_counts){.done = home->counts.done,
                                    .resumed = home->counts.resumed,
                                    .failed = home->counts.refused,
                                    .expires_s = home->credentials->expires_s};
    for (int i = 0; i < TLS_FAILURES; i++)
        to->failed += home->counts.failed[i];
}

int64_t tls_expires_s(const struct listener *listener)
{
    return ((const struct tls_home *)listener->shared)->credentials->expires_s;
}

/* ---- the handshake ---- */

/* The end of what only a handshake needs, however it went. */
static void forget_handshake(struct peer *peer, struct tls *tls)
{
    struct handshake *handshake = tls->handshake;
    if (!handshake)
        return;
    tls->handshake = NULL;
    home_of(peer)->counts.half_open--;
    timer_cancel(&peer_loop(peer)->wheel, &handshake->timer);
    wolfSSL_SetCertCbCtx(tls->ssl, NULL);
    wolfSSL_set_psk_callback_ctx(tls->ssl, NULL);
    credentials_unref(handshake->credentials);
    identity_unref(handshake->identity);
    buffer_clear(&handshake->hello);
    free(handshake->evidence);
    free(handshake);
}

/* One line for the log, one count, and the end of the peer. */
static void give_up(struct peer *peer, struct tls *tls, enum tls_failure kind, const char *cause)
{
    struct tls_home *home = home_of(peer);
    uint32_t missed;
    home->counts.failed[kind]++;
    if (log_rate_allows(&home->failures, peer_now_ms(peer), FAILURES_LOGGED, &missed)) {
        peer_log(peer, LOG_INFO, "TLS handshake failed: %s", cause);
        if (missed)
            peer_log(peer, LOG_INFO, "%u more failed handshakes were not logged", missed);
    }
    peer_close(peer, "TLS handshake failed: %s", cause);
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
             (unsigned long long)handshake->credentials->wish.handshake_timeout);
    give_up(peer, peer_layer_state(peer), TLS_FAILED_TIMEOUT, cause);
}

static struct handshake *handshake_new(struct peer *peer)
{
    struct tls_home *home = home_of(peer);
    struct handshake *handshake = calloc(1, sizeof(*handshake));
    if (!handshake)
        return NULL;
    handshake->peer = peer;
    handshake->credentials = credentials_ref(home->credentials);
    timer_init(&handshake->timer, on_timeout);
    timer_set(&peer_loop(peer)->wheel, &handshake->timer,
              peer_now_ms(peer) + home->credentials->wish.handshake_timeout);
    home->counts.half_open++;
    return handshake;
}

static void log_full(struct peer *peer, struct tls_home *home)
{
    uint32_t missed;
    if (!log_rate_allows(&home->refusals, peer_now_ms(peer), REFUSALS_LOGGED, &missed))
        return;
    peer_log(peer, LOG_WARNING, "refused: %llu handshakes are under way, and half_open is no more",
             (unsigned long long)home->counts.half_open);
    if (missed)
        peer_log(peer, LOG_WARNING, "%u more refusals like this were not logged", missed);
}

static int tls_open(struct peer *peer, void *state)
{
    struct tls *tls = state;
    struct tls_home *home = home_of(peer);
    /* ALPN is the protocol's own name: "mqtt". A client that offers others only is refused with
     * no_application_protocol (RFC 7301 section 3.2); one that offers none is welcome. */
    char alpn[32];
    snprintf(alpn, sizeof(alpn), "%s", peer_protocol(peer)->name);
    if (home->counts.half_open >= home->credentials->wish.half_open) {
        home->counts.refused++;
        log_full(peer, home);
        return -EBUSY;
    }
    tls->ssl = wolfSSL_new(home->credentials->profile);
    if (!tls->ssl)
        return -ENOMEM;
    tls->handshake = handshake_new(peer);
    if (!tls->handshake || wolfSSL_UseALPN(tls->ssl, alpn, (unsigned)strlen(alpn),
                                           WOLFSSL_ALPN_FAILED_ON_MISMATCH) != WOLFSSL_SUCCESS)
        return -ENOMEM;
    wolfSSL_SetIOReadCtx(tls->ssl, peer);
    wolfSSL_SetIOWriteCtx(tls->ssl, peer);
    wolfSSL_SetCertCbCtx(tls->ssl, tls->handshake);
    wolfSSL_set_psk_callback_ctx(tls->ssl, tls->handshake);
    tls_keylog_watch(tls->ssl);
    return 0;
}

/* By the credentials of now: a key must be the same, a certificate not be revoked. */
static bool tls_entitled(struct peer *peer, const void *state)
{
    const struct evidence *evidence = ((const struct tls *)state)->evidence;
    const struct credentials *now = home_of(peer)->credentials;
    if (!evidence)
        return true;
    if (evidence->der_len)
        return now->asks &&
               wolfSSL_CertManagerCheckCRL(wolfSSL_CTX_GetCertManager(now->profile), evidence->der,
                                           (int)evidence->der_len) == WOLFSSL_SUCCESS;
    struct slice key =
        now->keys ? psk_table_find(now->keys, identity_name(peer_identity(peer))) : SLICE_EMPTY;
    return key.len && hash_slice(key) == evidence->key;
}

static bool tls_ready(struct peer *peer, const void *state)
{
    struct tls_home *home = home_of(peer);
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
    struct handshake *handshake = tls->handshake;
    struct tls_counts *counts = &home_of(peer)->counts;
    bool resumed = wolfSSL_session_reused(tls->ssl);
    tls->version_13 = wolfSSL_version(tls->ssl) == TLS1_3_VERSION;
    counts->done++;
    counts->resumed += resumed;
    counts->version_12 += !tls->version_13;
    counts->version_13 += tls->version_13;
    if (handshake->identity) {
        counts->by_key += handshake->by_key;
        counts->by_certificate += !handshake->by_key;
        layer_identify(peer, handshake->identity);
        tls->evidence = handshake->evidence;
        handshake->evidence = NULL;
    }
    peer_log(peer, LOG_DEBUG, "%s, %s%s%s", wolfSSL_get_version(tls->ssl),
             wolfSSL_get_cipher_name(tls->ssl), wolfSSL_get_curve_name(tls->ssl) ? ", " : "",
             wolfSSL_get_curve_name(tls->ssl) ? wolfSSL_get_curve_name(tls->ssl) : "");
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
                  handshake->certificate, cause);
    give_up(peer, tls, kind, cause);
}

static const char no_master_secret[] = "client offered TLS 1.2 without the extended master secret";

/* RFC 9325 wants TLS 1.2 only with the extended master secret, which wolfSSL offers but does not
 * ask for; RFC 7627 section 5.2 has the abort. The alert is ours: nothing is encrypted yet. */
static void refuse_master_secret(struct peer *peer, struct tls *tls)
{
    static const uint8_t handshake_failure[] = {21, 3, 3, 0, 2, 2, 40};
    layer_emit(peer, slice_of(handshake_failure, sizeof(handshake_failure)));
    char cause[TLS_CAUSE_SIZE];
    snprintf(cause, sizeof(cause), "%s (sent alert handshake_failure)", no_master_secret);
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
    const struct credentials *credentials = handshake->credentials;
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
    struct tls_home *home = home_of(peer);
    if (!hear_hello(peer, tls))
        return false;
    home->steps++;
    home->tickets.now_ms = peer_now_ms(peer);
    note_first(tls->handshake, home->wire);
    int ret = wolfSSL_accept(tls->ssl);
    if (ret == WOLFSSL_SUCCESS && wolfSSL_version(tls->ssl) != TLS1_3_VERSION &&
        !tls->handshake->extended_master_secret) {
        /* a hello that only wolfSSL could read */
        give_up(peer, tls, TLS_FAILED_PARAMETERS, no_master_secret);
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
    struct tls_home *home = home_of(peer);
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
    const struct tls_settings *wish = &home_of(peer)->credentials->wish;
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
        home_of(peer)->counts.rekeyed++;
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
        home_of(peer)->counts.failed[TLS_FAILED_CLOSED]++;
    else if (orderly && tls->done)
        wolfSSL_shutdown(tls->ssl);
    forget_handshake(peer, tls);
    wolfSSL_free(tls->ssl);
    free(tls->evidence);
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
