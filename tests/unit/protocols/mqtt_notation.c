/* mqtt_notation: see mqtt_notation.h. Recursive descent over the text. */
#include "mqtt_notation.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

static void refuse(const char *at)
{
    fprintf(stderr, "not the notation of bytes: %s\n", at);
    abort();
}

static void append(struct buffer *to, struct slice bytes)
{
    if (buffer_append(to, bytes) != 0)
        abort();
}

static unsigned nibble(const char *at)
{
    if (!isxdigit((unsigned char)*at))
        refuse(at);
    return *at <= '9' ? (unsigned)(*at - '0') : (unsigned)(tolower(*at) - 'a' + 10);
}

static void append_u16(struct buffer *to, size_t value)
{
    uint8_t bytes[2] = {(uint8_t)(value >> 8), (uint8_t)value};
    append(to, slice_of(bytes, 2));
}

static void append_varint(struct buffer *to, size_t value)
{
    do {
        uint8_t byte = (uint8_t)((value & 0x7F) | (value > 0x7F ? 0x80 : 0));
        append(to, slice_of(&byte, 1));
        value >>= 7;
    } while (value);
}

static const char *parse(const char *at, char until, struct buffer *to);

static const char *parse_text(const char *at, struct slice *text)
{
    const char *end = strchr(at + 1, '\'');
    if (!end)
        refuse(at);
    *text = slice_of(at + 1, (size_t)(end - at - 1));
    return end + 1;
}

static const char *parse_item(const char *at, struct buffer *to)
{
    struct slice text;
    if (*at == '\'') {
        at = parse_text(at, &text);
        append(to, text);
    } else if (at[0] == 's' && at[1] == '\'') {
        at = parse_text(at + 1, &text);
        append_u16(to, text.len);
        append(to, text);
    } else if (*at == '[' || *at == '{') {
        struct buffer inner = {0};
        bool varint = *at == '[';
        at = parse(at + 1, varint ? ']' : '}', &inner);
        if (varint)
            append_varint(to, inner.len);
        else
            append_u16(to, inner.len);
        append(to, buffer_slice(&inner));
        buffer_clear(&inner);
    } else {
        uint8_t byte = (uint8_t)(nibble(at) << 4 | nibble(at + 1));
        append(to, slice_of(&byte, 1));
        at += 2;
    }
    return at;
}

static const char *parse(const char *at, char until, struct buffer *to)
{
    while (*at && *at != until) {
        if (isspace((unsigned char)*at)) {
            at++;
            continue;
        }
        struct buffer item = {0};
        at = parse_item(at, &item);
        unsigned long times = 1;
        if (*at == '*') {
            char *end;
            times = strtoul(at + 1, &end, 10);
            at = end;
        }
        while (times--)
            append(to, buffer_slice(&item));
        buffer_clear(&item);
    }
    if (*at != until)
        refuse(at);
    return until ? at + 1 : at;
}

struct buffer mqtt_bytes(const char *notation)
{
    struct buffer bytes = {0};
    parse(notation, '\0', &bytes);
    return bytes;
}
