/* tls_ticket: the keys that session tickets are sealed with. Each listener has its own, so that a
 * ticket is worth nothing elsewhere; they change with time and die with the process. */
#ifndef SIOTD_TRANSPORTS_TLS_TICKET_H
#define SIOTD_TRANSPORTS_TLS_TICKET_H

#include "transports/tls_wolfssl.h"
#include <stdbool.h>
#include <stdint.h>

struct ticket_key {
    uint8_t name[WOLFSSL_TICKET_NAME_SZ]; /* random too: says nothing to others */
    uint8_t secret[32];
    uint64_t made_ms; /* 0: there is none */
};

struct tickets {
    struct ticket_key current, previous;
    uint64_t lifetime_ms; /* of a ticket, and how long a key seals new ones; not 0 */
    uint64_t now_ms;      /* told by the owner before each step of a handshake */
};

/* Changes the key when it is due: tickets of the one before stay good, older ones do not. Expects
 * now_ms, not 0. */
void tickets_turn(struct tickets *tickets);

/* Makes the CTX seal its tickets with these; `tickets` must outlive its connections' handshakes. */
void tickets_use(struct tickets *tickets, WOLFSSL_CTX *profile);

/* For the CTX of a listener that has no tickets. */
void tickets_none(WOLFSSL_CTX *profile);

/* Forgets the keys: tickets that were sealed with them are worth nothing. */
void tickets_clear(struct tickets *tickets);

#endif
