/* utf8: what MQTT, MQTT-SN and CoAP call a UTF-8 string. */
#ifndef SIOTD_BASE_UTF8_H
#define SIOTD_BASE_UTF8_H

#include "base/slice.h"

/* Well-formed by RFC 3629 and without U+0000: no overlong form, no surrogate, nothing above
 * U+10FFFF [MQTT-1.5.4-1, MQTT-1.5.4-2]. The empty string is well-formed. */
bool utf8_well_formed(struct slice s);

/* Well-formed and also without what MQTT-1.5.4 lets a receiver refuse: control characters
 * U+0001..U+001F and U+007F..U+009F, and non-characters (U+FDD0..U+FDEF, U+nFFFE, U+nFFFF). */
bool utf8_clean(struct slice s);

/* Reads the first character of s, which must not be empty: its code point, U+0000 included, or -1
 * when ill-formed. *len is how many bytes it takes, or how many belong to the ill-formed part: the
 * longest that begins some well-formed sequence, at least 1 (what Unicode advises to replace by
 * one U+FFFD). Never looks past the end of s. */
int32_t utf8_next(struct slice s, size_t *len);

#endif
