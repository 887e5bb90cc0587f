/* relation: an observation as it is written down to outlive siotd. Pure.
 *
 * A relation is an endpoint of a listener and a token (RFC 7641 section 4.1); what it observes, and
 * how it is notified, is what is noted under these. */
#ifndef SIOTD_PROTOCOLS_COAP_RELATION_H
#define SIOTD_PROTOCOLS_COAP_RELATION_H

#include "base/slice.h"
#include "base/writer.h"
#include <stdbool.h>

struct coap_relation {
    struct slice listener, endpoint, token; /* its key: by name; as peer_endpoint has it */
    struct slice place;                     /* as peer_place has it */
    struct slice mountpoint, name;          /* the topic */
    uint32_t format;                        /* of its notifications, or COAP_NO_FORMAT */
    uint8_t szx;
};

/* At least the bytes that each takes. */
size_t coap_relation_key_room(const struct coap_relation *relation);
size_t coap_relation_room(const struct coap_relation *relation);

/* Writes key and content; the writer overflows when something is too long for the form. */
void coap_relation_write_key(const struct coap_relation *relation, struct writer *w);
void coap_relation_write(const struct coap_relation *relation, struct writer *w);

/* Reads both back; false when they make no sense. Borrowed from them. */
bool coap_relation_read(struct slice key, struct slice content, struct coap_relation *relation);

#endif
