/* tls_hello: what the first words of a client offer, for decisions that wolfSSL leaves to nobody.
 * Pure. */
#ifndef SIOTD_TRANSPORTS_TLS_HELLO_H
#define SIOTD_TRANSPORTS_TLS_HELLO_H

#include "base/slice.h"

/* A longer hello is wolfSSL's alone to judge. */
enum { TLS_HELLO_MAX = 16384 };

enum tls_hello_state {
    TLS_HELLO_PART,  /* so far it may be one: more has to come */
    TLS_HELLO_WHOLE, /* it is one, and well-formed */
    TLS_HELLO_OTHER, /* something else, malformed, or too long */
};

struct tls_hello {
    uint16_t version; /* the oldest field for it: 0x0303 for TLS 1.2 and 1.3 */
    bool tls_13;      /* offers TLS 1.3, or DTLS 1.3 */
    struct slice session, suites, compression; /* as they stand in the hello; DTLS only, as is: */
    struct slice cookie;         /* brought back (RFC 6347 section 4.2.1, RFC 9147 5.1) */
    bool extended_master_secret; /* RFC 7627 */
    bool names_group;            /* the group that was asked about is among those offered */
    bool shares_group;           /* and its half of the key exchange has come along */
};

/* Reads the records of a ClientHello from their first byte (RFC 8446 sections 4.1.2 and 5.1), in
 * however many records it comes. Fills *hello when the answer is TLS_HELLO_WHOLE. */
enum tls_hello_state tls_hello_read(struct slice wire, uint16_t group, struct tls_hello *hello);

/* The same of the message behind its header. `datagram`: DTLS has one more field. False when it is
 * malformed or cut off; *hello is filled then as far as it goes. */
bool tls_hello_body(struct slice body, bool datagram, uint16_t group, struct tls_hello *hello);

#endif
