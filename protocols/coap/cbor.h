/* cbor: as much of RFC 8949 as a topic's configuration needs. Pure.
 *
 * Definite lengths only, which is what draft-ietf-core-coap-pubsub-21 uses; no tree is built and
 * nothing allocated. (libcbor, which Debian has, makes a tree on the heap of whatever arrives.) */
#ifndef SIOTD_PROTOCOLS_COAP_CBOR_H
#define SIOTD_PROTOCOLS_COAP_CBOR_H

#include "base/cursor.h"
#include "base/writer.h"

enum cbor_kind {
    CBOR_UINT,     /* number */
    CBOR_NEGATIVE, /* -1 - number */
    CBOR_BYTES,    /* bytes */
    CBOR_TEXT,     /* bytes; not checked to be UTF-8 */
    CBOR_ARRAY,    /* number items follow */
    CBOR_MAP,      /* number pairs follow */
    CBOR_TAG,      /* number; one item follows */
    CBOR_SIMPLE,   /* number: 20 false, 21 true, 22 null */
    CBOR_FLOAT,    /* number: its bits, widened to double */
};

struct cbor_item {
    enum cbor_kind kind;
    uint64_t number;
    struct slice bytes;
};

/* Reads the head of the next item, and its bytes if it is a string. False, with `at` failed, when
 * it is ill-formed, cut, or of indefinite length. */
bool cbor_read(struct cursor *at, struct cbor_item *item);

/* Passes over one whole item, whatever is in it; at most 16 levels deep. */
bool cbor_skip(struct cursor *at);

/* Writes one head: a number, or what announces an array, a map or a tag. */
void cbor_write(struct writer *w, enum cbor_kind kind, uint64_t number);

/* Writes a string of either kind. */
void cbor_write_string(struct writer *w, enum cbor_kind kind, struct slice bytes);

#endif
