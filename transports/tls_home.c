/* tls_home: see tls_home.h. Used at start, at reload, and at the end of each handshake. */
#include "transports/tls_home.h"

#include "transports/credentials.h"
#include "transports/listener_state.h"
#include "transports/peer.h"
#include "transports/tls_proof.h"
#include <errno.h>
#include <stdio.h>

enum {
    FAILURES_LOGGED = 10, /* a second */
    REFUSALS_LOGGED = 1,
    EXPIRY_WARNING_S = 30 * 86400,
};

const char tls_no_master_secret[] = "client offered TLS 1.2 without the extended master secret";

static void equip(struct tls_home *home)
{
    struct credentials *credentials = home->credentials;
    WOLFSSL_CTX *profile = credentials->profile;
    wolfSSL_CTX_SetIORecv(profile, home->read);
    wolfSSL_CTX_SetIOSend(profile, home->write);
    tls_proof_equip(credentials);
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

int tls_home_init(struct tls_home *home, const struct listener_settings *settings, bool datagrams,
                  char *why, size_t why_size)
{
    char reason[CREDENTIALS_WHY_SIZE];
    int error = credentials_load(&settings->tls, datagrams, &home->credentials, reason);
    if (error)
        snprintf(why, why_size, "%s", reason);
    else
        equip(home);
    return error;
}

void tls_home_clear(struct tls_home *home)
{
    credentials_unref(home->credentials);
    home->credentials = NULL;
    tickets_clear(&home->tickets);
}

void tls_home_adopt(struct tls_home *home, struct tls_home *next)
{
    credentials_unref(home->credentials);
    home->credentials = next->credentials;
    next->credentials = NULL;
    equip(home);
}

void tls_home_inspect(const struct tls_home *home, int64_t now_s,
                      void (*warn)(void *to, const char *text), void *to)
{
    const struct credentials *credentials = home->credentials;
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

void tls_home_count(const struct tls_home *home, struct handshake_counts *to)
{
    *to = (struct handshake_counts){.done = home->counts.done,
                                    .resumed = home->counts.resumed,
                                    .failed = home->counts.refused,
                                    .expires_s = home->credentials->expires_s};
    for (int i = 0; i < TLS_FAILURES; i++)
        to->failed += home->counts.failed[i];
}

struct tls_counts tls_counts(const struct listener *listener)
{
    return ((const struct tls_home *)listener->shared)->counts;
}

int64_t tls_expires_s(const struct listener *listener)
{
    return ((const struct tls_home *)listener->shared)->credentials->expires_s;
}

/* ---- how handshakes end ---- */

void tls_home_failed(struct tls_home *home, struct peer *peer, enum tls_failure kind,
                     const char *cause)
{
    uint32_t missed;
    home->counts.failed[kind]++;
    if (log_rate_allows(&home->failures, peer_now_ms(peer), FAILURES_LOGGED, &missed)) {
        peer_log(peer, LOG_INFO, "TLS handshake failed: %s", cause);
        if (missed)
            peer_log(peer, LOG_INFO, "%u more failed handshakes were not logged", missed);
    }
    peer_close(peer, "TLS handshake failed: %s", cause);
}

void tls_home_refused(struct tls_home *home, struct peer *peer)
{
    uint32_t missed;
    home->counts.refused++;
    if (!log_rate_allows(&home->refusals, peer_now_ms(peer), REFUSALS_LOGGED, &missed))
        return;
    peer_log(peer, LOG_WARNING, "refused: %llu handshakes are under way, and half_open is no more",
             (unsigned long long)home->counts.half_open);
    if (missed)
        peer_log(peer, LOG_WARNING, "%u more refusals like this were not logged", missed);
}

void tls_home_done(struct tls_home *home, struct peer *peer, WOLFSSL *ssl, bool proven, bool by_key)
{
    struct tls_counts *counts = &home->counts;
    int version = wolfSSL_version(ssl);
    bool version_13 = version == TLS1_3_VERSION || version == DTLS1_3_VERSION;
    const char *curve = wolfSSL_get_curve_name(ssl);
    counts->done++;
    counts->resumed += wolfSSL_session_reused(ssl) != 0;
    counts->version_12 += !version_13;
    counts->version_13 += version_13;
    counts->by_key += proven && by_key;
    counts->by_certificate += proven && !by_key;
    peer_log(peer, LOG_DEBUG, "%s, %s%s%s", wolfSSL_get_version(ssl), wolfSSL_get_cipher_name(ssl),
             curve ? ", " : "", curve ? curve : "");
}
