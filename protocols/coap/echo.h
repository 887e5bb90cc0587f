/* echo: proof that an address is where its datagrams come from (RFC 9175 section 2).
 *
 * What is demanded back is a keyed hash of the address and the minute, so that nothing has to be
 * remembered of whom it was demanded from. */
#ifndef SIOTD_PROTOCOLS_COAP_ECHO_H
#define SIOTD_PROTOCOLS_COAP_ECHO_H

#include "base/slice.h"

struct coap_endpoint;
struct coap_home;

enum { COAP_ECHO_SIZE = 8 };

/* The value to demand of an endpoint now. */
void coap_echo_make(const struct coap_home *home, const struct coap_endpoint *e,
                    uint8_t to[COAP_ECHO_SIZE]);

/* Whether it was demanded of this endpoint one to two minutes ago at most. */
bool coap_echo_proves(const struct coap_home *home, const struct coap_endpoint *e,
                      struct slice echo);

#endif
