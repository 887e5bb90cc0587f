/* der: a writer and a reader of ASN.1's distinguished encoding rules (X.690), as far as names,
 * extensions and revocation lists need them.
 *
 * The writer works from back to front: when a length is due, what it counts stands there already.
 * So a caller adds the last field first, and wraps what it has added since. */
#ifndef SIOTD_SIOTCTL_DER_H
#define SIOTD_SIOTCTL_DER_H

#include "base/cursor.h"
#include "base/slice.h"
#include <time.h>

enum {
    DER_BOOLEAN = 0x01,
    DER_INTEGER = 0x02,
    DER_OCTET_STRING = 0x04,
    DER_UTC_TIME = 0x17,
    DER_GENERALIZED_TIME = 0x18,
    DER_SEQUENCE = 0x30,
    DER_TIME_SIZE = 17, /* the longest time, tag and length included */
};
#define DER_CONTEXT(n)     (0x80 | (n)) /* [n] IMPLICIT of a primitive */
#define DER_CONSTRUCTED(n) (0xa0 | (n)) /* [n] of something constructed */

/* What has been written is the last `len` bytes of `room`. Once out of memory it stays `failed`
 * and takes nothing more. */
struct der {
    uint8_t *bytes;
    size_t room, len;
    bool failed;
};

/* An empty one; der_clear frees what it grew to. */
void der_init(struct der *der);
void der_clear(struct der *der);

/* What has been written so far, borrowed until the next call; empty when failed. */
struct slice der_written(const struct der *der);

/* Puts bytes in front. */
void der_put(struct der *der, struct slice bytes);

/* Makes the first `len` bytes the content of an element of this tag. */
void der_wrap(struct der *der, uint8_t tag, size_t len);

/* Wraps all that was written since der->len was `mark`. */
void der_wrap_since(struct der *der, uint8_t tag, size_t mark);

/* A non-negative INTEGER from its big-endian bytes; leading zeros are dropped. */
void der_put_integer(struct der *der, struct slice magnitude);

/* A time as certificates and lists have it: UTCTime up to 2049, GeneralizedTime from 2050 on
 * (RFC 5280 section 4.1.2.5). */
void der_put_time(struct der *der, time_t when);

/* Reads the next element: its tag, its content and, unless NULL, all of it. False, with the cursor
 * failed, for what is no DER: a long tag, an indefinite length, a length longer than it need be. */
bool der_read(struct cursor *cursor, uint8_t *tag, struct slice *content, struct slice *whole);

/* Reads an element that must be of this tag. */
bool der_expect(struct cursor *cursor, uint8_t tag, struct slice *content, struct slice *whole);

/* Reads a time as der_put_time writes it. */
bool der_read_time(struct cursor *cursor, time_t *when);

#endif
