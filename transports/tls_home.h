/* tls_home: what the peers of a TLS or DTLS listener share: credentials, the keys of tickets,
 * counts, and how loud failures are. The first member of whatever else a layer shares. */
#ifndef SIOTD_TRANSPORTS_TLS_HOME_H
#define SIOTD_TRANSPORTS_TLS_HOME_H

#include "base/log.h"
#include "transports/tls.h"
#include "transports/tls_ticket.h"

struct credentials;
struct handshake_counts;
struct listener_settings;
struct peer;

struct tls_home {
    struct credentials *credentials; /* for handshakes that begin now; a reference */
    CallbackIORecv read;             /* how wolfSSL gets bytes, and gets rid of them */
    CallbackIOSend write;
    struct tickets tickets;
    struct tls_counts counts;
    /* logged at a bounded rate: strangers cause them */
    struct log_rate failures, refusals;
};

/* Fills a home (all zero but read and write) from the files that the settings name. `datagrams`:
 * for DTLS. 0, or -errno and a sentence in `why`, with nothing left behind. */
int tls_home_init(struct tls_home *home, const struct listener_settings *settings, bool datagrams,
                  char *why, size_t why_size);
void tls_home_clear(struct tls_home *home);

/* A reload: takes over the credentials of `next`, which keeps none. Handshakes that are under way
 * keep what they began with; tickets stay good, but those that were issued before. */
void tls_home_adopt(struct tls_home *home, struct tls_home *next);

/* As layer.h has them. */
void tls_home_inspect(const struct tls_home *home, int64_t now_s,
                      void (*warn)(void *to, const char *text), void *to);
void tls_home_count(const struct tls_home *home, struct handshake_counts *to);

/* A handshake has failed: one count, one line for the log, and the end of the peer. */
void tls_home_failed(struct tls_home *home, struct peer *peer, enum tls_failure kind,
                     const char *cause);
/* A handshake was not begun, because half_open are. */
void tls_home_refused(struct tls_home *home, struct peer *peer);
/* A handshake has succeeded; `proven`: whose it is is known. Counts, and writes the line. */
void tls_home_done(struct tls_home *home, struct peer *peer, WOLFSSL *ssl, bool proven,
                   bool by_key);

/* TLS 1.2 without the extended master secret, which RFC 9325 wants refused: the cause in words. */
extern const char tls_no_master_secret[];

#endif
