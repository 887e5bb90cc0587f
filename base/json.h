/* json: the one thing that needs care when JSON is written by hand, the inside of a string. */
#ifndef SIOTD_BASE_JSON_H
#define SIOTD_BASE_JSON_H

#include "base/slice.h"
#include "base/writer.h"

/* Writes `from` as the content of a JSON string (RFC 8259 section 7), without the quotes around
 * it. Any bytes are welcome: '"', '\\' and U+0000..U+001F are escaped, and each ill-formed part of
 * what is not UTF-8 becomes one U+FFFD, so the result is always well-formed.
 * Where room ends, writing stops between two characters, with to->overflow set. */
void json_escape(struct writer *to, struct slice from);

/* The bytes that json_escape writes, given room; never more than 6 * from.len. */
size_t json_escaped_len(struct slice from);

#endif
