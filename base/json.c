/* json: the inside of a JSON string.
 *
 * Stands behind whatever leaves as JSON: log lines and the client events under $SYS. Pure. */
#include "base/json.h"
#include "base/utf8.h"

enum { ESCAPE_MAX = 6 }; /* the longest, \u001f */

/* How one character is written: its escape, U+FFFD, or itself. Returns the bytes put to `out`;
 * *used is what it took from s. */
static size_t escape_one(uint8_t out[ESCAPE_MAX], struct slice s, size_t *used)
{
    static const char hex[] = "0123456789abcdef";
    static const char short_forms[0x20] = {
        ['\b'] = 'b', ['\f'] = 'f', ['\n'] = 'n', ['\r'] = 'r', ['\t'] = 't',
    };
    int32_t rune = utf8_next(s, used);
    if (rune < 0) {
        memcpy(out, "\xef\xbf\xbd", 3);
        return 3;
    }
    char short_form = rune < 0x20                   ? short_forms[rune]
                      : rune == '"' || rune == '\\' ? (char)rune
                                                    : 0;
    if (short_form) {
        out[0] = '\\';
        out[1] = (uint8_t)short_form;
        return 2;
    }
    if (rune < 0x20) {
        memcpy(out, "\\u00", 4);
        out[4] = (uint8_t)hex[rune >> 4];
        out[5] = (uint8_t)hex[rune & 15];
        return 6;
    }
    memcpy(out, s.at, *used);
    return *used;
}

void json_escape(struct writer *to, struct slice from)
{
    while (from.len && !to->overflow) {
        uint8_t out[ESCAPE_MAX];
        size_t used, len = escape_one(out, from, &used);
        writer_bytes(to, slice_of(out, len));
        from = slice_from(from, used);
    }
}

size_t json_escaped_len(struct slice from)
{
    size_t sum = 0;
    while (from.len) {
        uint8_t out[ESCAPE_MAX];
        size_t used;
        sum += escape_one(out, from, &used);
        from = slice_from(from, used);
    }
    return sum;
}
