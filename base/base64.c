/* base64: bytes as text, for password records and PEM. Nothing of a message comes by here.
 *
 * Decoding looks at every character in the same way, without a table, so that the time it takes
 * says nothing about a salt or a key. */
#include "base/base64.h"

#include <errno.h>
#include <limits.h>

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void base64_encode(struct slice bytes, char *text)
{
    for (size_t i = 0; i < bytes.len; i += 3) {
        size_t left = bytes.len - i;
        uint32_t group = (uint32_t)bytes.at[i] << 16;
        if (left > 1)
            group |= (uint32_t)bytes.at[i + 1] << 8;
        if (left > 2)
            group |= bytes.at[i + 2];
        *text++ = alphabet[group >> 18];
        *text++ = alphabet[group >> 12 & 63];
        *text++ = left > 1 ? alphabet[group >> 6 & 63] : '=';
        *text++ = left > 2 ? alphabet[group & 63] : '=';
    }
    *text = '\0';
}

/* All ones when low <= c <= high, else 0. */
static uint32_t within(uint32_t c, uint32_t low, uint32_t high)
{
    return ~(uint32_t)0 * (1 ^ ((c - low) >> 31 | (high - c) >> 31));
}

/* What a character stands for plus one; 0 when for nothing. */
static uint32_t value_plus_one(uint8_t character)
{
    uint32_t c = character;
    return (within(c, 'A', 'Z') & (c - 'A' + 1)) | (within(c, 'a', 'z') & (c - 'a' + 27)) |
           (within(c, '0', '9') & (c - '0' + 53)) | (within(c, '+', '+') & 63) |
           (within(c, '/', '/') & 64);
}

int base64_decode(struct slice text, uint8_t *bytes, size_t size)
{
    if (text.len % 4 != 0 || text.len / 4 * 3 > INT_MAX)
        return -EINVAL;
    size_t padding = 0;
    while (padding < 2 && padding < text.len && text.at[text.len - 1 - padding] == '=')
        padding++;
    size_t len = text.len / 4 * 3 - padding;
    if (len > size)
        return -ENOSPC;
    uint32_t group = 0;
    size_t done = 0;
    for (size_t i = 0; i < text.len - padding; i++) {
        uint32_t value = value_plus_one(text.at[i]);
        if (value == 0)
            return -EINVAL;
        group = group << 6 | (value - 1);
        if (i % 4 != 0)
            bytes[done++] = (uint8_t)(group >> (6 - i % 4 * 2));
    }
    /* Of the last character only some bits are part of a byte; the others must be 0. */
    if (padding > 0 && (group & (padding == 1 ? 3 : 15)) != 0)
        return -EINVAL;
    return (int)len;
}
