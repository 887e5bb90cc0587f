/* dtls_home: what the peers of a DTLS listener share, and where wolfSSL meets datagrams.
 *
 * wolfSSL is never given more than one record at a time, and what it emits goes to whoever it is
 * busy with: dtls_home_begin and dtls_home_end stand around every call that may read or write. What
 * is emitted between them leaves in as few datagrams as the MTU allows. */
#ifndef SIOTD_TRANSPORTS_DTLS_HOME_H
#define SIOTD_TRANSPORTS_DTLS_HOME_H

#include "base/map.h"
#include "transports/datagram_layer.h"
#include "transports/dtls_path.h"
#include "transports/dtls_record.h"
#include "transports/tls_home.h"
#include "transports/tls_proof.h"

/* What only a handshake needs. Begins as a greeter, which belongs to the home and to no peer, and
 * becomes a peer's when its cookie has been found good. */
struct dtls_shake {
    WOLFSSL *ssl;
    struct tls_proof proof;
    uint8_t cid[DTLS_CID_SIZE]; /* ours, should the client ask for one */
    uint64_t secret;            /* the number of the cookie secret that is set */
    uint64_t hello;             /* the hash of the random of the ClientHello */
    bool whole;                 /* that hello came in one piece, and so is known: */
    bool extended_master_secret;
    uint16_t mtu;                   /* for what the handshake sends (dtls_shake_narrow) */
    uint64_t deadline_ms, again_ms; /* the end of patience; the next retransmission, 0: none */
    uint64_t repeated_ms;           /* when the last flight was last repeated unasked by a timer */
};

/* A peer. */
struct dtls {
    WOLFSSL *ssl;
    struct peer *peer;
    struct dtls_shake *shake;   /* owned; while the handshake is under way */
    struct evidence *evidence;  /* owned; NULL when nothing is proven */
    struct dtls_path *path;     /* owned; where it may have moved to; NULL: nowhere */
    struct endpoint at;         /* where it is */
    uint8_t cid[DTLS_CID_SIZE]; /* once `numbered`: what it is found by in home.numbered */
    bool done, version_13, numbered;
    bool fed;                /* the datagram that comes first has been read by the greeter */
    uint64_t hello;          /* as in shake */
    uint64_t serial;         /* no other of the process has it; what cookies are bound to */
    uint64_t keyed_ms;       /* when the keys began */
    uint64_t bytes;          /* of content since then, both ways */
    uint32_t received, sent; /* records since then */
};

struct dtls_home {
    struct tls_home common;
    struct map numbered;               /* struct dtls by connection id */
    struct dtls_shake *plain, *hybrid; /* greeters; NULL until one is needed */
    struct dtls_shake *admitted;       /* its hello was good; for the peer that opens next */
    uint64_t admitting_ms; /* the turn of the last admissions, and how many there were */
    unsigned admissions;

    /* what wolfSSL is busy with */
    WOLFSSL *reader;
    struct dtls *busy;     /* NULL: a greeter, and what it says goes to `answer` */
    struct writer *answer; /* NULL: nowhere */
    size_t gathered_len;   /* bytes of `gathered` that are to leave at the end; 0 unless busy */
    uint8_t gathered[1500];
    struct slice wire; /* the record to be read; empty: none */
    bool emitted;
    unsigned step;  /* of the handshake when it began; what is emitted in it is repeated */
    bool muted;     /* nothing is repeated now */
    bool repeating; /* all that is emitted is repeated */

    const struct peer *receiving; /* whose datagram `rest` is what is left of */
    struct slice rest;
    struct endpoint from; /* and where it came from */
};

/* wolfSSL's callbacks, with the home as their argument. */
int dtls_home_read(WOLFSSL *ssl, char *to, int size, void *home);
int dtls_home_write(WOLFSSL *ssl, char *bytes, int size, void *home);

/* wolfSSL is going to be called for that object, with that record to read. */
void dtls_home_begin(struct dtls_home *home, WOLFSSL *ssl, struct slice wire);
void dtls_home_end(struct dtls_home *home);

/* The client's first datagram with a cookie was a fragment that long: the handshake sends nothing
 * longer. What comes after it may be as long as the listener allows: the content's limit is what
 * the protocols know (the layer's room). */
void dtls_shake_narrow(struct dtls_shake *shake, size_t len);
void dtls_home_widen(struct dtls_home *home, WOLFSSL *ssl);

/* A new object in a new handshake; NULL when out of memory. */
struct dtls_shake *dtls_shake_new(struct dtls_home *home);
/* Frees it, with its object unless that has been taken (ssl set to NULL). NULL may be freed. */
void dtls_shake_free(struct dtls_shake *shake);

/* The layer's greet (datagram_layer.h). */
enum greeting dtls_greet(void *shared, const struct endpoint *from, const void *former,
                         struct slice datagram, uint64_t now_ms, struct writer *answer,
                         struct peer **moved);

#endif
