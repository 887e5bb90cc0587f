/* coap: CoAP publish and subscribe: topics as resources under /ps.
 *
 * The module's only face: daemon/modules.c lists it, nobody else names it. */
#ifndef SIOTD_PROTOCOLS_COAP_COAP_H
#define SIOTD_PROTOCOLS_COAP_COAP_H

#include "protocols/protocol.h"

extern const struct protocol coap_protocol;

#endif
