/* mqtt_notation: bytes as a test can be read.
 *
 *   3f        one byte in hex            'abc'   the bytes of the text
 *   s'abc'    a string with its length   { ... } two bytes of length, then the content
 *   [ ... ]   a variable byte integer of length, then the content
 *   x*5       the byte or text x five times
 *
 * CONNECT of a 3.1.1 client "a":  10 [ s'MQTT' 04 02 003c s'a' ]
 * The same notation, with other quotes, stands in tests/transcripts. */
#ifndef SIOTD_TESTS_UNIT_PROTOCOLS_MQTT_NOTATION_H
#define SIOTD_TESTS_UNIT_PROTOCOLS_MQTT_NOTATION_H

#include "base/buffer.h"

/* The bytes; cleared by the caller. Aborts on what is not notation. */
struct buffer mqtt_bytes(const char *notation);

#endif
