/* format: CoAP's Content-Format numbers and MQTT's content types, each said in the other's words.
 *
 * A message carries what MQTT 5.0 passes on, in that protocol's encoding (broker/message.h); CoAP
 * puts its Content-Format there as the content type property and takes it from there. Pure. */
#ifndef SIOTD_PROTOCOLS_COAP_FORMAT_H
#define SIOTD_PROTOCOLS_COAP_FORMAT_H

#include "base/slice.h"
#include "base/writer.h"

/* Room for what coap_format_write writes. */
enum { COAP_FORMAT_PROPERTY_MOST = 80 };

/* Writes the content type property (5.0 section 3.3.2.3.9) for a Content-Format. One that has no
 * media type here is written application/x-coap;ct=NUMBER. */
void coap_format_write(struct writer *w, uint16_t format);

/* The Content-Format of a message by its properties, or COAP_NO_FORMAT: when they have no content
 * type, or one that CoAP has no number for. */
uint32_t coap_format_of(struct slice properties);

/* The Content-Format of a media type, parameters aside, or COAP_NO_FORMAT. */
uint32_t coap_format_of_type(struct slice type);

#endif
