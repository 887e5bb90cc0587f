/* base64: bytes as text, RFC 4648 section 4 (with padding, without line breaks). */
#ifndef SIOTD_BASE_BASE64_H
#define SIOTD_BASE_BASE64_H

#include "base/slice.h"

/* Characters that `len` bytes become, without a terminating NUL. */
#define BASE64_SIZE(len) (((len) + 2) / 3 * 4)

/* Writes BASE64_SIZE(bytes.len) characters and a NUL to `text`. */
void base64_encode(struct slice bytes, char *text);

/* Writes what `text` stands for to `bytes`, which has room for `size`, and returns how many bytes
 * that is. Strict, so that one value has one spelling: -EINVAL for a character that does not
 * belong, a length that is no multiple of 4, wrong padding or bits left over; -ENOSPC when `size`
 * does not suffice. */
int base64_decode(struct slice text, uint8_t *bytes, size_t size);

#endif
