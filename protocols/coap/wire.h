/* wire: the numbers of CoAP: types, codes, options, times.
 *
 * RFC 7252 (the protocol), 7641 (Observe), 7959 (blocks), 8132 (FETCH, iPATCH), 8516 (4.29), 8974
 * (long tokens), 9175 (Echo, Request-Tag), 7967 (No-Response). */
#ifndef SIOTD_PROTOCOLS_COAP_WIRE_H
#define SIOTD_PROTOCOLS_COAP_WIRE_H

#include "base/slice.h"

enum coap_type { COAP_CON, COAP_NON, COAP_ACK, COAP_RST };

/* c.dd as RFC 7252 section 3 writes it. */
#define COAP_CODE(class_, detail) ((class_) << 5 | (detail))

enum coap_code {
    COAP_EMPTY = 0,
    COAP_GET = 1,
    COAP_POST = 2,
    COAP_PUT = 3,
    COAP_DELETE = 4,
    COAP_FETCH = 5,
    COAP_PATCH = 6,
    COAP_IPATCH = 7,
    COAP_CREATED = COAP_CODE(2, 1),
    COAP_DELETED = COAP_CODE(2, 2),
    COAP_VALID = COAP_CODE(2, 3),
    COAP_CHANGED = COAP_CODE(2, 4),
    COAP_CONTENT = COAP_CODE(2, 5),
    COAP_CONTINUE = COAP_CODE(2, 31),
    COAP_BAD_REQUEST = COAP_CODE(4, 0),
    COAP_UNAUTHORIZED = COAP_CODE(4, 1),
    COAP_BAD_OPTION = COAP_CODE(4, 2),
    COAP_FORBIDDEN = COAP_CODE(4, 3),
    COAP_NOT_FOUND = COAP_CODE(4, 4),
    COAP_METHOD_NOT_ALLOWED = COAP_CODE(4, 5),
    COAP_NOT_ACCEPTABLE = COAP_CODE(4, 6),
    COAP_INCOMPLETE = COAP_CODE(4, 8),
    COAP_PRECONDITION_FAILED = COAP_CODE(4, 12),
    COAP_TOO_LARGE = COAP_CODE(4, 13),
    COAP_UNSUPPORTED_FORMAT = COAP_CODE(4, 15),
    COAP_TOO_MANY_REQUESTS = COAP_CODE(4, 29),
    COAP_INTERNAL_ERROR = COAP_CODE(5, 0),
    COAP_UNAVAILABLE = COAP_CODE(5, 3),
    COAP_PROXYING_NOT_SUPPORTED = COAP_CODE(5, 5),
};

static inline unsigned coap_class(uint8_t code)
{
    return code >> 5;
}

enum coap_option_number {
    COAP_IF_MATCH = 1,
    COAP_URI_HOST = 3,
    COAP_ETAG = 4,
    COAP_IF_NONE_MATCH = 5,
    COAP_OBSERVE = 6,
    COAP_URI_PORT = 7,
    COAP_LOCATION_PATH = 8,
    COAP_URI_PATH = 11,
    COAP_CONTENT_FORMAT = 12,
    COAP_MAX_AGE = 14,
    COAP_URI_QUERY = 15,
    COAP_HOP_LIMIT = 16,
    COAP_ACCEPT = 17,
    COAP_BLOCK2 = 23,
    COAP_BLOCK1 = 27,
    COAP_SIZE2 = 28,
    COAP_PROXY_URI = 35,
    COAP_PROXY_SCHEME = 39,
    COAP_SIZE1 = 60,
    COAP_ECHO = 252,
    COAP_NO_RESPONSE = 258,
    COAP_REQUEST_TAG = 292,
};

/* Content-Formats that siotd itself speaks. */
enum coap_format {
    COAP_TEXT = 0,
    COAP_LINK_FORMAT = 40,
    COAP_OCTETS = 42,
    COAP_CBOR = 60,
    COAP_PUBSUB_CBOR = 606, /* draft-ietf-core-coap-pubsub-21 section 6.1 */
    COAP_NO_FORMAT = 0x10000,
};

/* RFC 7252 section 4.8. */
enum {
    COAP_ACK_TIMEOUT_MS = 2000,
    COAP_MAX_RETRANSMIT = 4,
    COAP_EXCHANGE_LIFETIME_S = 247,
};

/* Bounds of the codec's own. */
enum {
    COAP_TOKEN_MOST = 1024,  /* of the 65804 that RFC 8974 could say */
    COAP_OPTION_MOST = 65535 /* the largest option number there is, RFC 7252 section 12.2 */
};

/* One message, as decoded; slices lie in the datagram. */
struct coap_message {
    uint8_t type, code;
    uint16_t id;
    struct slice token;
    struct slice options; /* well-formed, without the payload marker */
    struct slice payload;
};

/* The value of a Block1 or Block2 option, RFC 7959 section 2.2. */
struct coap_block {
    uint32_t number; /* 20 bits */
    bool more;
    uint8_t szx; /* the size is 16 << szx; 7 is none on datagrams */
};

static inline uint32_t coap_block_size(struct coap_block block)
{
    return UINT32_C(16) << block.szx;
}

/* Where the block begins in its body, bytes. */
static inline uint64_t coap_block_offset(struct coap_block block)
{
    return (uint64_t)block.number << (block.szx + 4);
}

#endif
