/* encode: a message's head and options. Pure.
 *
 * Options are written in the order of their numbers; a writer that is too small is set to
 * `overflow` and nothing is written past its end (base/writer.h). */
#ifndef SIOTD_PROTOCOLS_COAP_ENCODE_H
#define SIOTD_PROTOCOLS_COAP_ENCODE_H

#include "base/writer.h"
#include "protocols/coap/wire.h"

/* The four bytes every message begins with, the length of the token and the token itself. */
void coap_write_head(struct writer *w, enum coap_type type, uint8_t code, uint16_t id,
                     struct slice token);

/* One option. `*last` is the number of the one before, 0 at first; `number` is not below it. */
void coap_write_option(struct writer *w, uint32_t *last, uint32_t number, struct slice value);

/* One option that is a number, in as few bytes as it takes. */
void coap_write_uint(struct writer *w, uint32_t *last, uint32_t number, uint32_t value);

/* A Block1 or Block2 option. */
void coap_write_block(struct writer *w, uint32_t *last, uint32_t number, struct coap_block block);

/* The marker and the payload; nothing when it is empty. */
void coap_write_payload(struct writer *w, struct slice payload);

#endif
