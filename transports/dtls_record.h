/* dtls_record: what can be told of a DTLS datagram without any key. Pure. */
#ifndef SIOTD_TRANSPORTS_DTLS_RECORD_H
#define SIOTD_TRANSPORTS_DTLS_RECORD_H

#include "transports/tls_hello.h"

/* Connection ids that siotd gives out: random, of one length. */
enum { DTLS_CID_SIZE = 8 };

/* Takes the first record off the front of the datagram: of DTLS 1.2 (RFC 6347 section 4.1, RFC 9146
 * section 4) or 1.3 (RFC 9147 section 4); a record that carries a connection id is taken to carry
 * one of ours. False, with nothing taken, when what is there is no whole record. */
bool dtls_record_take(struct slice *datagram, struct slice *record);

/* Whether a record (dtls_record_take) is encrypted: nobody but the other end can have made it, once
 * it has been decrypted. */
bool dtls_record_protected(struct slice record);

/* The connection id in the first record of a datagram, DTLS_CID_SIZE bytes; empty when there is
 * none. */
struct slice dtls_record_cid(struct slice datagram);

struct dtls_hello {
    struct slice random;    /* its 32 bytes */
    struct slice beginning; /* the version, and the random */
    bool whole;             /* else the first of several fragments: `offers` is what stands in it */
    struct tls_hello offers;
};

/* Reads the beginning of a datagram as a ClientHello or the first fragment of one, unencrypted.
 * False when it is something else or malformed. */
bool dtls_hello_read(struct slice datagram, uint16_t group, struct dtls_hello *hello);

/* What an answer to a stranger may be: one record with a HelloVerifyRequest, or with a ServerHello
 * that is a HelloRetryRequest (RFC 9147 section 5.1). */
bool dtls_record_asks_cookie(struct slice datagram);

#endif
