/* answer: what a resource says, and how that becomes a datagram.
 *
 * A resource fills in a struct coap_answer; from there on it is the same for all: the block that
 * was asked for is cut, and an address that has proven nothing gets no more than what it has sent
 * warrants, else the demand to prove it (RFC 9175 section 2.4, RFC 7252 section 11.3). */
#ifndef SIOTD_PROTOCOLS_COAP_ANSWER_H
#define SIOTD_PROTOCOLS_COAP_ANSWER_H

#include "protocols/coap/decode.h"
#include "protocols/coap/endpoint.h"

struct coap_answer {
    uint8_t code;
    bool has_etag, has_observe, has_max_age, has_block1, has_size1;
    bool echo;       /* carries a fresh Echo */
    uint32_t format; /* or COAP_NO_FORMAT */
    uint32_t observe, max_age, size1;
    uint64_t promise; /* it leaves when this one of the core's is kept; 0: at once */
    uint64_t etag;
    uint64_t location; /* of a topic that was created; 0: none */
    struct coap_block block1;
    struct slice payload; /* borrowed until it is sent */
    const char *why;      /* a diagnostic for a person, where there is no payload; static */
};

/* Just a code; `why` may be NULL. */
static inline struct coap_answer coap_answer_of(uint8_t code, const char *why)
{
    return (struct coap_answer){.code = code, .format = COAP_NO_FORMAT, .why = why};
}

/* Answers a request: piggybacked when it is confirmable, else with a message of its own. */
void coap_answer_send(struct coap_endpoint *e, struct coap_home *home,
                      const struct coap_request *request, struct coap_answer *answer);

/* Sends a notification, in one datagram: of a larger payload its first block of 16 << szx bytes. */
void coap_notification_send(struct coap_endpoint *e, enum coap_type type, uint16_t id,
                            struct slice token, struct coap_answer *answer, uint8_t szx);

/* Four bytes that say only that a message was received (ACK) or makes no sense (RST). */
void coap_empty_send(struct coap_endpoint *e, enum coap_type type, uint16_t id);

/* What tells a payload from another of the same resource. */
uint64_t coap_etag_of(struct slice payload, uint32_t format);

/* The exponent of the largest block to that endpoint: as the options say, or as its datagrams are
 * long. */
uint8_t coap_szx_of(const struct coap_endpoint *e);

#endif
