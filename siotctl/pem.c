/* pem: DER in text. Text before and between blocks is passed over; inside a block only base64 and
 * line ends are taken, so that an encrypted key, which has headers there, is refused. */
#include "siotctl/pem.h"

#include "base/base64.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum { LINE_LEN = 64, LABEL_LEN_MAX = 40 };

char *pem_encode(const char *label, struct slice der)
{
    size_t base64_len = BASE64_SIZE(der.len), lines = base64_len / LINE_LEN + 1;
    char *base64 = malloc(base64_len + 1);
    char *text = malloc(base64_len + lines + 2 * (LABEL_LEN_MAX + 20));
    if (!base64 || !text) {
        free(base64);
        free(text);
        return NULL;
    }
    base64_encode(der, base64);
    char *at = text + sprintf(text, "-----BEGIN %s-----\n", label);
    for (size_t i = 0; i < base64_len; i += LINE_LEN)
        at += sprintf(at, "%.*s\n", LINE_LEN, base64 + i);
    sprintf(at, "-----END %s-----\n", label);
    explicit_bzero(base64, base64_len);
    free(base64);
    return text;
}

static struct slice find(struct slice text, const char *what)
{
    const uint8_t *at = text.len ? memmem(text.at, text.len, what, strlen(what)) : NULL;
    return at ? slice_from(text, (size_t)(at - text.at)) : SLICE_EMPTY;
}

int pem_decode(struct slice text, const char *label, uint8_t **der, size_t *len)
{
    char begin[LABEL_LEN_MAX + 20], end[LABEL_LEN_MAX + 20];
    snprintf(begin, sizeof(begin), "-----BEGIN %s-----", label);
    snprintf(end, sizeof(end), "-----END %s-----", label);
    struct slice block = find(text, begin);
    if (block.len == 0)
        return -ENOENT;
    block = slice_from(block, strlen(begin));
    struct slice rest = find(block, end);
    if (rest.len == 0)
        return -EINVAL;
    block.len -= rest.len;
    uint8_t *base64 = malloc(block.len + 1);
    uint8_t *bytes = malloc(block.len + 1);
    size_t base64_len = 0;
    int decoded = -ENOMEM;
    if (base64 && bytes) {
        for (size_t i = 0; i < block.len; i++)
            if (!strchr("\r\n\t ", block.at[i]) || block.at[i] == '\0')
                base64[base64_len++] = block.at[i];
        decoded = base64_decode(slice_of(base64, base64_len), bytes, block.len);
    }
    if (base64)
        explicit_bzero(base64, block.len);
    free(base64);
    if (decoded <= 0) {
        free(bytes);
        return decoded == 0 ? -EINVAL : decoded;
    }
    *der = bytes;
    *len = (size_t)decoded;
    return 0;
}
