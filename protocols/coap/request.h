/* request: requests, from datagram to answer. */
#ifndef SIOTD_PROTOCOLS_COAP_REQUEST_H
#define SIOTD_PROTOCOLS_COAP_REQUEST_H

#include "protocols/coap/decode.h"
#include "protocols/coap/endpoint.h"

struct coap_home;

/* Deals with one request, and answers it where it is to be answered. */
void coap_on_request(struct coap_endpoint *e, struct coap_home *home,
                     const struct coap_message *message);

#endif
