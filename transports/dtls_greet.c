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
#include "transports/tls_cause.h"
#include <arpa/inet.h>
#include <stdio.h>

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
static int hear(struct dtls_home *home, struct dtls_shake *shake, const struct endpoint *from,
                struct slice datagram, const struct cookie_secret *secret, struct writer *answer)
{
    struct endpoint peer = *from;
    if (!set_secret(shake, secret) ||
        wolfSSL_dtls_set_peer(shake->ssl, &peer, sizeof(peer)) != WOLFSSL_SUCCESS)
        return WOLFSSL_FATAL_ERROR;
    tls_proof_forget(&shake->proof);
    dtls_home_begin(home, shake->ssl, datagram);
    home->answer = answer;
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

static enum greeting answer_hello(struct dtls_home *home, const struct endpoint *from,
                                  struct slice datagram, bool hybrid, uint64_t now_ms,
                                  struct writer *answer)
{
    struct dtls_shake *shake = greeter(home, hybrid);
    if (!shake)
        return GREET_IGNORE;
    shake->proof.deaf = true;
    int ret = hear(home, shake, from, datagram, cookie_secret_current(now_ms), answer);
    if (ret != WOLFSSL_FAILURE)
        drop(home, shake);
    struct slice said = slice_of(answer->start, writer_len(answer));
    return ret == WOLFSSL_FAILURE && !answer->overflow && said.len <= datagram.len &&
                   dtls_record_asks_cookie(said)
               ? GREET_ANSWER
               : GREET_IGNORE;
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
    char address[INET6_ADDRSTRLEN] = "", about[INET6_ADDRSTRLEN + 16];
    if (!log_rate_allows(&home->common.failures, now_ms, FAILURES_LOGGED, &missed))
        return;
    inet_ntop(AF_INET6, from->address, address, sizeof(address));
    snprintf(about, sizeof(about), "dtls [%s]:%u", address, from->port);
    log_line(LOG_INFO, about, "TLS handshake failed: %s", cause);
    if (missed)
        log_line(LOG_INFO, about, "%u more failed handshakes were not logged", missed);
}

/* Its address is proven, and what it says is unacceptable: it may be told so. */
static enum greeting refuse(struct dtls_home *home, struct dtls_shake *shake,
                            const struct endpoint *from, uint64_t now_ms, struct writer *answer)
{
    char cause[TLS_CAUSE_SIZE];
    int error = wolfSSL_get_error(shake->ssl, WOLFSSL_FATAL_ERROR);
    enum tls_failure kind =
        tls_cause(shake->ssl, error, SLICE_EMPTY, shake->proof.certificate, cause);
    home->common.counts.failed[kind]++;
    log_failure(home, from, now_ms, cause);
    drop(home, shake);
    return writer_len(answer) > 0 && !answer->overflow ? GREET_ANSWER : GREET_IGNORE;
}

static enum greeting admit(struct dtls_home *home, struct dtls_shake *shake,
                           const struct dtls_hello *hello, size_t len)
{
    home->plain = NULL;
    shake->hello = hash_slice(hello->random);
    shake->whole = hello->whole;
    if (!hello->whole)
        dtls_shake_narrow(shake, len);
    shake->extended_master_secret = hello->offers.tls_13 || hello->offers.extended_master_secret;
    home->admitted = shake;
    home->admissions++;
    return GREET_ADMIT;
}

static enum greeting judge_cookie(struct dtls_home *home, const struct endpoint *from,
                                  struct slice datagram, const struct dtls_hello *hello,
                                  uint64_t now_ms, struct writer *answer)
{
    const struct cookie_secret *secrets[] = {cookie_secret_previous(now_ms),
                                             cookie_secret_current(now_ms)};
    for (int i = 0; i < 2; i++) {
        struct dtls_shake *shake = greeter(home, false);
        if (!shake || secrets[i]->number == 0)
            continue;
        *answer = writer_of(answer->start, (size_t)(answer->end - answer->start));
        shake->proof.deaf = false;
        int ret = hear(home, shake, from, datagram, secrets[i], answer);
        if (ret == WOLFSSL_SUCCESS)
            return admit(home, shake, hello, datagram.len);
        if (ret == WOLFSSL_FAILURE)
            continue;
        if (wolfSSL_is_stateful(shake->ssl))
            return refuse(home, shake, from, now_ms, answer);
        drop(home, shake);
    }
    /* A stale cookie of DTLS 1.2 is answered with a fresh one (RFC 6347 section 4.2.1). */
    struct slice said = slice_of(answer->start, writer_len(answer));
    return !answer->overflow && said.len <= datagram.len && dtls_record_asks_cookie(said)
               ? GREET_ANSWER
               : GREET_IGNORE;
}

/* ---- all ---- */

enum greeting dtls_greet(void *shared, const struct endpoint *from, struct slice datagram,
                         uint64_t now_ms, struct writer *answer, struct peer **moved)
{
    struct dtls_home *home = shared;
    struct dtls_hello hello;
    struct slice cid = dtls_record_cid(datagram);
    if (cid.len > 0) {
        const struct dtls *dtls = map_find(&home->numbered, cid);
        *moved = dtls ? dtls->peer : NULL;
        return dtls ? GREET_MOVED : GREET_IGNORE;
    }
    if (!dtls_hello_read(datagram, WOLFSSL_X25519MLKEM768, &hello))
        return GREET_IGNORE;
    dtls_shake_free(home->admitted); /* whom nobody opened a peer for */
    home->admitted = NULL;
    home->common.tickets.now_ms = now_ms;
    if (hello.whole && !hello.offers.cookie)
        return answer_hello(home, from, datagram, wants_hybrid(home, &hello.offers), now_ms,
                            answer);
    return too_many(home, now_ms) ? GREET_IGNORE
                                  : judge_cookie(home, from, datagram, &hello, now_ms, answer);
}
