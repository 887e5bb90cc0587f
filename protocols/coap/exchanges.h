/* exchanges: requests that have been obeyed, so that one that arrives twice is not obeyed twice.
 *
 * RFC 7252 section 4.5. A request that is repeated is the same byte by byte: one with other content
 * under an id that was used is of a client that counts anew, as devices do that have lost their
 * power, and is obeyed. Not what was answered is kept, only how: a repeated request brings along
 * all else that its answer is made of. Requests that change nothing are not remembered, they are
 * just answered again. One table for all endpoints, so that strangers cost no more than their
 * share: it holds so many, and forgets the oldest. */
#ifndef SIOTD_PROTOCOLS_COAP_EXCHANGES_H
#define SIOTD_PROTOCOLS_COAP_EXCHANGES_H

#include "protocols/coap/wire.h"

enum { COAP_WHERE_SIZE = 32 };

/* Who has asked: an address with what makes it unique (endpoint.h). */
struct coap_where {
    uint8_t bytes[COAP_WHERE_SIZE];
};

/* How a request was answered. */
struct coap_outcome {
    uint64_t topic;   /* the topic it has created, or 0 */
    uint64_t promise; /* what the answer had to wait for, and so has each that repeats it */
    uint8_t code;
};

struct coap_exchange {
    struct coap_where where;
    uint64_t topic, promise;
    uint32_t at_s; /* when */
    uint32_t next; /* 1 + index of the next one in its bucket; 0: none */
    uint32_t sum;  /* of what the request says */
    uint16_t id;
    uint8_t code;
};

/* All zero is empty, and owns nothing. */
struct coap_exchanges {
    struct coap_exchange *ring; /* owned; `count` of them from `first` on, oldest first */
    uint32_t *buckets;          /* owned; `capacity` of them */
    uint32_t capacity, first, count;
};

/* Whether `where` has sent that request within the last 247 s; *outcome then. */
bool coap_exchanges_find(struct coap_exchanges *exchanges, const struct coap_where *where,
                         const struct coap_message *request, uint32_t now_s,
                         struct coap_outcome *outcome);

/* Remembers one; grows up to `most` (at least 1). Without memory for more, or at `most`, the
 * oldest is forgotten. */
void coap_exchanges_note(struct coap_exchanges *exchanges, const struct coap_where *where,
                         const struct coap_message *request, uint32_t now_s,
                         const struct coap_outcome *outcome, uint32_t most);

/* Frees all; as new. */
void coap_exchanges_clear(struct coap_exchanges *exchanges);

#endif
