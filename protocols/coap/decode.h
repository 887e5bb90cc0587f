/* decode: a datagram to a message, a message's options to a request. Pure. */
#ifndef SIOTD_PROTOCOLS_COAP_DECODE_H
#define SIOTD_PROTOCOLS_COAP_DECODE_H

#include "base/cursor.h"
#include "protocols/coap/wire.h"

enum coap_decoded {
    COAP_WHOLE,
    COAP_ILL_FORMED, /* a message format error: type and id are known (RFC 7252 section 4.2, 4.3) */
    COAP_NOISE,      /* not of this protocol, to be ignored in silence (RFC 7252 section 3) */
};

/* Decodes one datagram. Allocates nothing; reads nothing outside of it. A token above
 * COAP_TOKEN_MOST counts as ill-formed. */
enum coap_decoded coap_decode(struct slice datagram, struct coap_message *message);

/* One option. */
struct coap_option {
    uint32_t number; /* at most COAP_OPTION_MOST */
    struct slice value;
};

/* A walk over options. */
struct coap_option_walk {
    struct cursor at;
    uint32_t number; /* of the option before */
};

static inline struct coap_option_walk coap_walk_of(struct slice options)
{
    return (struct coap_option_walk){cursor_of(options), 0};
}

/* The next option; false at the end, at a payload marker (not taken), or with at.failed set when
 * what follows is none (RFC 7252 section 3.1). */
bool coap_next_option(struct coap_option_walk *walk, struct coap_option *option);

/* A number in an option's value: as many bytes as it needs, or more (RFC 7252 section 3.2); the
 * caller has checked that there are at most four. */
uint32_t coap_uint(struct slice value);

/* What a request says in its options. What may be there several times is a walk that stands before
 * the first one. */
struct coap_request {
    struct coap_message message;
    struct coap_option_walk path, query, etag, if_match;
    uint16_t path_count, query_count, etag_count, if_match_count;
    bool has_observe, has_content_format, has_accept, has_max_age, has_block1, has_block2, has_echo,
        has_request_tag, has_size1, if_none_match;
    uint8_t no_response; /* RFC 7967: bit 1: no 2.xx, 3: no 4.xx, 4: no 5.xx */
    uint16_t content_format, accept;
    uint32_t observe, max_age, size1;
    struct coap_block block1, block2;
    struct slice echo, request_tag;
};

enum coap_fault {
    COAP_FINE,
    COAP_CRITICAL, /* a critical option that is unknown, ill-formed or too many: 4.02 */
    COAP_PROXYING, /* Proxy-Uri, Proxy-Scheme: 5.05 */
    COAP_BAD_BLOCK /* the reserved block size, RFC 7959 section 2.2: 4.00 */
};

/* Reads the options of a whole message. */
enum coap_fault coap_read_request(const struct coap_message *message, struct coap_request *request);

/* The next of a kind of option that `walk` of a request stands before; false when there is none.
 * `number` is the kind's. */
bool coap_next_of(struct coap_option_walk *walk, uint32_t number, struct slice *value);

#endif
