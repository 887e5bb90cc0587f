/* dtls_greet: datagrams of strangers. Before any peer, on the way in.
 *
 * A ClientHello without a cookie is read by an object that all of them share (a greeter), which
 * answers with a cookie and forgets: nothing is allocated that stays. One with a good cookie leaves
 * its greeter in the state that the handshake goes on from, so the peer takes the greeter along and
 * the next stranger gets a new one.
 * Invariants: whoever has not returned a cookie gets nothing but a cookie, in one datagram that is
 * no longer than his; what is no ClientHello gets nothing at all. */
#include "transports/dtls_home.h"

#include "base/hash.h"
#include "transports/credentials.h"
#include "transports/dtls_cookie.h"
#include "transports/peer.h"
#include "transports/socket.h"
#include "transports/tls_cause.h"

/* What is judged. */
struct stranger {
    struct dtls_hello hello;
    struct slice datagram;
    struct cookie_bond bond;
    uint64_t now_ms;
    struct writer *answer;
};

enum {
    ADMISSIONS_PER_TURN = 64, /* about ten milliseconds of signatures */
    FAILURES_LOGGED = 10,     /* a second */
};

/* ---- greeters ---- */

static struct dtls_shake *greeter(struct dtls_home *home, bool hybrid)
{
    struct dtls_shake **which = hybrid ? &home->hybrid : &home->plain;
    int only = WOLFSSL_X25519MLKEM768;
    if (*which)
        return *which;
    struct dtls_shake *shake = dtls_shake_new(home);
    if (shake && hybrid && wolfSSL_set_groups(shake->ssl, &only, 1) != WOLFSSL_SUCCESS) {
        dtls_shake_free(shake);
        return NULL;
    }
    *which = shake;
    return shake;
}

static void drop(struct dtls_home *home, struct dtls_shake *shake)
{
    if (home->plain == shake)
        home->plain = NULL;
    if (home->hybrid == shake)
        home->hybrid = NULL;
    dtls_shake_free(shake);
}

static bool set_secret(struct dtls_shake *shake, const struct cookie_secret *secret)
{
    if (shake->secret == secret->number)
        return true;
    if (wolfSSL_DTLS_SetCookieSecret(shake->ssl, secret->bytes, sizeof(secret->bytes)) != 0 ||
        wolfSSL_send_hrr_cookie(shake->ssl, secret->bytes, sizeof(secret->bytes)) !=
            WOLFSSL_SUCCESS)
        return false;
    shake->secret = secret->number;
    return true;
}

/* What a greeter makes of a hello: WOLFSSL_SUCCESS when its cookie is good, WOLFSSL_FAILURE when it
 * has been dealt with, else the greeter is of no more use. */
static int hear(struct dtls_home *home, struct dtls_shake *shake, struct stranger *stranger,
                const struct cookie_secret *secret)
{
    if (!set_secret(shake, secret) ||
        wolfSSL_dtls_set_peer(shake->ssl, &stranger->bond, sizeof(stranger->bond)) !=
            WOLFSSL_SUCCESS)
        return WOLFSSL_FATAL_ERROR;
    tls_proof_forget(&shake->proof);
    dtls_home_begin(home, shake->ssl, stranger->datagram);
    home->answer = stranger->answer;
    int ret = wolfDTLS_accept_stateless(shake->ssl);
    dtls_home_end(home);
    return ret;
}

/* ---- without a cookie ---- */

/* For the hybrid a client must bring a share, and wolfSSL would take one of another group that has
 * come along: with nothing else to choose, it asks for the hybrid's. */
static bool wants_hybrid(const struct dtls_home *home, const struct tls_hello *offers)
{
    return home->common.credentials->hybrid_first && offers->tls_13 && offers->names_group &&
           !offers->shares_group;
}

/* Whether what has been written is a cookie, and no longer than the question. */
static enum greeting answer_if_fit(const struct stranger *stranger)
{
    const struct writer *answer = stranger->answer;
    struct slice said = slice_of(answer->start, writer_len(answer));
    return !answer->overflow && said.len <= stranger->datagram.len && dtls_record_asks_cookie(said)
               ? GREET_ANSWER
               : GREET_IGNORE;
}

static enum greeting answer_hello(struct dtls_home *home, struct stranger *stranger)
{
    struct dtls_shake *shake = greeter(home, wants_hybrid(home, &stranger->hello.offers));
    if (!shake)
        return GREET_IGNORE;
    shake->proof.deaf = true;
    int ret = hear(home, shake, stranger, cookie_secret_current(stranger->now_ms));
    if (ret == WOLFSSL_FAILURE)
        return answer_if_fit(stranger);
    drop(home, shake);
    return GREET_IGNORE;
}

/* ---- with a cookie ---- */

static bool too_many(struct dtls_home *home, uint64_t now_ms)
{
    if (home->common.counts.half_open >= home->common.credentials->wish.half_open) {
        home->common.counts.refused++;
        return true;
    }
    if (home->admitting_ms != now_ms)
        home->admissions = 0;
    home->admitting_ms = now_ms;
    return home->admissions >= ADMISSIONS_PER_TURN;
}

static void log_failure(struct dtls_home *home, const struct endpoint *from, uint64_t now_ms,
                        const char *cause)
{
    uint32_t missed;
    struct sockaddr_storage at;
    char about[5 + PEER_ADDRESS_SIZE] = "dtls ";
    if (!log_rate_allows(&home->common.failures, now_ms, FAILURES_LOGGED, &missed))
        return;
    endpoint_write(&at, AF_INET6, from);
    socket_address(about + 5, PEER_ADDRESS_SIZE, &at);
    log_line(LOG_INFO, about, "TLS handshake failed: %s", cause);
    if (missed)
        log_line(LOG_INFO, about, "%u more failed handshakes were not logged", missed);
}

/* Its address is proven, and what it says is unacceptable: it may be told so. */
static enum greeting refuse(struct dtls_home *home, struct dtls_shake *shake,
                            const struct stranger *stranger)
{
    const struct writer *answer = stranger->answer;
    char cause[TLS_CAUSE_SIZE];
    int error = wolfSSL_get_error(shake->ssl, WOLFSSL_FATAL_ERROR);
    enum tls_failure kind =
        tls_cause(shake->ssl, error, SLICE_EMPTY, shake->proof.certificate, cause);
    home->common.counts.failed[kind]++;
    log_failure(home, &stranger->bond.from, stranger->now_ms, cause);
    drop(home, shake);
    return writer_len(answer) > 0 && !answer->overflow ? GREET_ANSWER : GREET_IGNORE;
}

static enum greeting admit(struct dtls_home *home, struct dtls_shake *shake,
                           const struct stranger *stranger)
{
    const struct dtls_hello *hello = &stranger->hello;
    home->plain = NULL;
    shake->hello = hash_slice(hello->random);
    shake->whole = hello->whole;
    if (!hello->whole)
        dtls_shake_narrow(shake, stranger->datagram.len);
    shake->extended_master_secret = hello->offers.tls_13 || hello->offers.extended_master_secret;
    home->admitted = shake;
    home->admissions++;
    return GREET_ADMIT;
}

static enum greeting go_on(struct dtls_home *home, struct stranger *stranger,
                           const struct cookie_secret *secret)
{
    struct dtls_shake *shake = greeter(home, false);
    if (!shake)
        return GREET_IGNORE;
    shake->proof.deaf = false;
    int ret = hear(home, shake, stranger, secret);
    if (ret == WOLFSSL_SUCCESS)
        return admit(home, shake, stranger);
    if (ret != WOLFSSL_FAILURE && wolfSSL_is_stateful(shake->ssl))
        return refuse(home, shake, stranger);
    drop(home, shake);
    return GREET_IGNORE;
}

/* The secret that the stranger's cookie has been made with; NULL: it is not good. */
static const struct cookie_secret *secret_of(const struct stranger *stranger)
{
    const struct cookie_secret *secrets[] = {cookie_secret_current(stranger->now_ms),
                                             cookie_secret_previous(stranger->now_ms)};
    for (int i = 0; i < 2; i++)
        if (cookie_is_good(&stranger->hello, secrets[i], &stranger->bond))
            return secrets[i];
    return NULL;
}

/* ---- all ---- */

/* Whether it is to be told a cookie: it brings none, or (DTLS 1.2, RFC 6347 section 4.2.1) a stale
 * one. Where somebody is already, one that is not good has been made up by somebody else. */
static bool wants_cookie(const struct stranger *stranger)
{
    const struct dtls_hello *hello = &stranger->hello;
    bool may_be_stale = !hello->offers.tls_13 && stranger->bond.serial == 0;
    return hello->whole && (hello->offers.cookie.len == 0 || may_be_stale);
}

static enum greeting judge(struct dtls_home *home, struct stranger *stranger)
{
    const struct cookie_secret *secret =
        stranger->hello.offers.cookie.len ? secret_of(stranger) : NULL;
    if (!secret)
        return wants_cookie(stranger) ? answer_hello(home, stranger) : GREET_IGNORE;
    return too_many(home, stranger->now_ms) ? GREET_IGNORE : go_on(home, stranger, secret);
}

static enum greeting recognise(const struct dtls_home *home, struct slice cid, struct peer **moved)
{
    const struct dtls *dtls = map_find(&home->numbered, cid);
    *moved = dtls ? dtls->peer : NULL;
    return dtls ? GREET_MOVED : GREET_IGNORE;
}

enum greeting dtls_greet(void *shared, const struct endpoint *from, const void *former,
                         struct slice datagram, uint64_t now_ms, struct writer *answer,
                         struct peer **moved)
{
    struct dtls_home *home = shared;
    struct stranger stranger = {
        .datagram = datagram, .bond = {.from = *from}, .now_ms = now_ms, .answer = answer};
    struct slice cid = dtls_record_cid(datagram);
    if (cid.len > 0)
        return recognise(home, cid, moved);
    if (!dtls_hello_read(datagram, WOLFSSL_X25519MLKEM768, &stranger.hello))
        return GREET_IGNORE;
    if (former)
        stranger.bond.serial = ((const struct dtls *)former)->serial;
    dtls_shake_free(home->admitted); /* whom nobody opened a peer for */
    home->admitted = NULL;
    home->common.tickets.now_ms = now_ms;
    return judge(home, &stranger);
}
