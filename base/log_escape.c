/* log_escape: what a stranger sent, made safe to print.
 *
 * Stands before every log line that names a client, a topic or a user. Whatever comes in, what
 * goes out is printable and on one line, and a reader can tell every byte of it. Pure. */
#include "base/log_escape.h"
#include "base/log.h"
#include "base/utf8.h"

enum { ESCAPE_MAX = 16 }; /* four bytes as \xNN */

/* What is not seen itself but moves what stands around it: the controls of bidirectional text, line
 * and paragraph separators, the zero-width no-break space. */
static bool is_disguise(int32_t rune)
{
    return rune == 0x061c || rune == 0x200e || rune == 0x200f ||
           (rune >= 0x2028 && rune <= 0x202e) || (rune >= 0x2066 && rune <= 0x2069) ||
           rune == 0xfeff;
}

static bool is_printable(int32_t rune, enum log_escaping escaping)
{
    if (rune < 0x20 || (rune >= 0x7f && rune <= 0x9f) || is_disguise(rune))
        return false; /* malformed is below 0 */
    return escaping == LOG_ESCAPE_CONTROLS || (rune != '"' && rune != '\\');
}

/* How one character, or one ill-formed part, is written. Returns the bytes put to `out`; *used is
 * what it took from s. */
static size_t escape_one(char out[ESCAPE_MAX], struct slice s, enum log_escaping escaping,
                         size_t *used)
{
    static const char hex[] = "0123456789abcdef";
    if (is_printable(utf8_next(s, used), escaping)) {
        memcpy(out, s.at, *used);
        return *used;
    }
    for (size_t i = 0; i < *used; i++) {
        out[4 * i] = '\\';
        out[4 * i + 1] = 'x';
        out[4 * i + 2] = hex[s.at[i] >> 4];
        out[4 * i + 3] = hex[s.at[i] & 15];
    }
    return 4 * *used;
}

void log_escape_to(struct writer *to, struct slice from, enum log_escaping escaping)
{
    while (from.len && !to->overflow) {
        char out[ESCAPE_MAX];
        size_t used, len = escape_one(out, from, escaping, &used);
        writer_bytes(to, slice_of(out, len));
        from = slice_from(from, used);
    }
}

/* The first LOG_ESCAPE_INPUT_MAX bytes, less those of a character that does not fit whole. */
static struct slice first_part(struct slice from)
{
    struct slice part = SLICE_EMPTY;
    part.at = from.at;
    while (part.len < from.len) {
        size_t used;
        (void)utf8_next(slice_from(from, part.len), &used);
        if (part.len + used > LOG_ESCAPE_INPUT_MAX)
            break;
        part.len += used;
    }
    return part;
}

char *log_escape(char *to, size_t size, struct slice from)
{
    static const struct slice dots = {(const uint8_t *)"...", 3};
    if (size == 0)
        return to;
    struct slice part = first_part(from);
    struct writer w = writer_of((uint8_t *)to, size - 1);
    if (part.len == from.len)
        log_escape_to(&w, part, LOG_ESCAPE_QUOTES);
    if (part.len < from.len || w.overflow) {
        w = writer_of((uint8_t *)to, size - 1 > dots.len ? size - 1 - dots.len : 0);
        log_escape_to(&w, part, LOG_ESCAPE_QUOTES);
        w = (struct writer){w.start, w.at, (uint8_t *)to + size - 1, false};
        writer_bytes(&w, dots);
    }
    *w.at = 0;
    return to;
}
