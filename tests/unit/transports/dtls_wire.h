/* dtls_wire: transports/dtls*.c without a socket. A listener's side with the peers that it admits,
 * any number of wolfSSL clients, and between them a wire in memory with a clock of its own, which
 * loses, repeats and reorders by seed. */
#ifndef SIOTD_TESTS_UNIT_TRANSPORTS_DTLS_WIRE_H
#define SIOTD_TESTS_UNIT_TRANSPORTS_DTLS_WIRE_H

#include "transports/dtls.h"
#include "transports/dtls_home.h"
#include "transports/listener_settings.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { WIRE_PEERS = 64, WIRE_GUESTS = 16, WIRE_DATAGRAM = 17000 };

/* What a peer of the listener has come to. */
struct wire_peer {
    bool open;
    struct endpoint at;
    uint64_t alarm_ms; /* 0: none */
    bool closing;      /* the layer has called peer_close */
    char why[300];
    struct identity *identity;
    unsigned plain;       /* datagrams of content that came */
    uint64_t moved;       /* times that datagram_move was called */
    uint64_t sent_to_new; /* bytes by datagram_emit_to */
    uint64_t believed;    /* times that datagram_candidate was called */
    _Alignas(16) uint8_t state[sizeof(struct dtls)];
};

struct guest {
    WOLFSSL_CTX *profile;
    WOLFSSL *ssl;
    struct endpoint at;
    bool done;
    int error; /* of the handshake, once it has failed */
    int alert; /* the last one received; -1 */
    uint64_t due_ms;
    unsigned plain;
    char last[2048]; /* the last content */
    size_t last_len;
};

struct wire {
    uint64_t now_ms;
    void *home;
    struct listener_settings settings;
    struct wire_peer peers[WIRE_PEERS];
    struct guest *guests[WIRE_GUESTS];
    bool echo; /* content is sent back */

    /* The script: percents, drawn from the seed; or a judge, who may drop each (return false). */
    unsigned lose, repeat, reorder;
    uint64_t seed;
    bool (*judge)(bool to_server, struct slice datagram);

    uint64_t bytes_in, bytes_out;            /* of the listener */
    unsigned answers, admissions, datagrams; /* what greet said; datagrams that the listener got */
    size_t longest;                          /* that the listener sent */
};

extern struct wire wire;

/* A listener; `change` may set what differs from the defaults. */
void wire_open(void (*change)(struct tls_settings *settings));
/* All of it goes; checks that the listener counts nothing as half open. */
void wire_close(void);

/* An address: 10.0.0.x with that port. */
struct endpoint wire_endpoint(uint8_t host, uint16_t port);

/* A client at an address; version WOLFSSL_DTLSV1_2 or WOLFSSL_DTLSV1_3, trusting the test's CA. */
struct guest *guest_new(int version, struct endpoint at);
void guest_free(struct guest *guest);
void guest_key(struct guest *guest, const char *identity, const void *key, unsigned len);
void guest_certificate(struct guest *guest, const char *name);
/* Takes part with a connection id: offers one of so many bytes of its own, 0 for none. */
void guest_number(struct guest *guest, unsigned len);

/* Shakes hands until that is done or has failed or so many ms of the wire have passed. */
bool guest_shake(struct guest *guest, uint64_t within_ms);
/* Sends content; with `echo` on, expects it back. */
void guest_send(struct guest *guest, const char *text);
void guest_expect_echo(struct guest *guest, const char *text);

/* Delivers all that is on the wire. */
void wire_flush(void);
/* Lets time pass, with all the timers. */
void wire_pass(uint64_t ms);
/* The listener gets a datagram from there. */
void wire_inject(struct endpoint from, struct slice datagram);
/* While set, what guests send is put here instead of being delivered; returns how many there are.
 */
void wire_hold(bool on);
size_t wire_held(struct slice **datagrams);

/* The peer at that address; NULL. */
struct wire_peer *wire_peer_at(struct endpoint at);
/* Content from the listener to a peer. */
int wire_say(struct wire_peer *peer, const char *text);
struct tls_counts wire_counts(void);

#endif
