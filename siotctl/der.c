/* der: a writer and a reader of ASN.1's distinguished encoding rules.
 *
 * Invariant of the writer: bytes[room - len .. room) is a run of whole elements, or of the content
 * of one that is still to be wrapped. */
#include "siotctl/der.h"

#include <stdio.h>
#include <stdlib.h>

void der_init(struct der *der)
{
    *der = (struct der){NULL, 0, 0, false};
}

void der_clear(struct der *der)
{
    free(der->bytes);
    der_init(der);
}

struct slice der_written(const struct der *der)
{
    if (der->failed || der->len == 0)
        return SLICE_EMPTY;
    return slice_of(der->bytes + der->room - der->len, der->len);
}

/* More room, at the front. */
static bool grow(struct der *der, size_t more)
{
    size_t room = der->room ? der->room : 256;
    while (room - der->len < more)
        room *= 2;
    uint8_t *bytes = malloc(room);
    if (!bytes)
        return false;
    if (der->len)
        memcpy(bytes + room - der->len, der->bytes + der->room - der->len, der->len);
    free(der->bytes);
    der->bytes = bytes;
    der->room = room;
    return true;
}

void der_put(struct der *der, struct slice bytes)
{
    if (der->failed || bytes.len == 0)
        return;
    if (der->room - der->len < bytes.len && !grow(der, bytes.len)) {
        der->failed = true;
        return;
    }
    der->len += bytes.len;
    memcpy(der->bytes + der->room - der->len, bytes.at, bytes.len);
}

void der_wrap(struct der *der, uint8_t tag, size_t len)
{
    uint8_t head[2 + sizeof(size_t)];
    size_t at = sizeof(head);
    if (len < 0x80) {
        head[--at] = (uint8_t)len;
    } else {
        uint8_t count = 0;
        for (; len > 0; len >>= 8, count++)
            head[--at] = (uint8_t)len;
        head[--at] = 0x80 | count;
    }
    head[--at] = tag;
    der_put(der, slice_of(head + at, sizeof(head) - at));
}

void der_wrap_since(struct der *der, uint8_t tag, size_t mark)
{
    if (!der->failed)
        der_wrap(der, tag, der->len - mark);
}

void der_put_integer(struct der *der, struct slice magnitude)
{
    static const uint8_t zero;
    size_t mark = der->len;
    while (magnitude.len > 0 && magnitude.at[0] == 0)
        magnitude = slice_from(magnitude, 1);
    der_put(der, magnitude);
    if (magnitude.len == 0 || magnitude.at[0] >= 0x80) /* the first bit is the sign */
        der_put(der, slice_of(&zero, 1));
    der_wrap_since(der, DER_INTEGER, mark);
}

void der_put_time(struct der *der, time_t when)
{
    struct tm tm;
    char text[32];
    gmtime_r(&when, &tm);
    bool utc = tm.tm_year < 150; /* since 1900 */
    size_t len = strftime(text, sizeof(text), utc ? "%y%m%d%H%M%SZ" : "%Y%m%d%H%M%SZ", &tm);
    der_put(der, slice_of(text, len));
    der_wrap(der, utc ? DER_UTC_TIME : DER_GENERALIZED_TIME, len);
}

static bool read_len(struct cursor *cursor, size_t *len)
{
    uint8_t first = cursor_u8(cursor);
    *len = first;
    if (first < 0x80)
        return !cursor->failed;
    size_t count = first & 0x7f;
    if (count == 0 || count > 4)
        return false;
    *len = 0;
    for (size_t i = 0; i < count; i++) {
        uint8_t next = cursor_u8(cursor);
        if (i == 0 && next == 0)
            return false;
        *len = *len << 8 | next;
    }
    return !cursor->failed && *len >= 0x80;
}

bool der_read(struct cursor *cursor, uint8_t *tag, struct slice *content, struct slice *whole)
{
    const uint8_t *start = cursor->at;
    size_t len;
    *tag = cursor_u8(cursor);
    if (cursor->failed || (*tag & 0x1f) == 0x1f || !read_len(cursor, &len)) {
        cursor->failed = true;
        return false;
    }
    *content = cursor_take(cursor, len);
    if (whole)
        *whole = cursor->failed ? SLICE_EMPTY : slice_of(start, (size_t)(cursor->at - start));
    return !cursor->failed;
}

bool der_expect(struct cursor *cursor, uint8_t tag, struct slice *content, struct slice *whole)
{
    uint8_t found;
    if (der_read(cursor, &found, content, whole) && found == tag)
        return true;
    cursor->failed = true;
    return false;
}

bool der_read_time(struct cursor *cursor, time_t *when)
{
    uint8_t tag;
    struct slice content;
    struct tm tm = {.tm_year = 0};
    char text[24] = "";
    if (!der_read(cursor, &tag, &content, NULL))
        return false;
    bool utc = tag == DER_UTC_TIME;
    if ((!utc && tag != DER_GENERALIZED_TIME) || content.len != (utc ? 13u : 15u))
        return false;
    for (size_t i = 0; i + 1 < content.len; i++)
        if (content.at[i] < '0' || content.at[i] > '9')
            return false;
    if (utc) /* RFC 5280 section 4.1.2.5.1: 50 to 99 are of the last century */
        memcpy(text, content.at[0] >= '5' ? "19" : "20", 2);
    memcpy(text + (utc ? 2 : 0), content.at, content.len);
    const char *end = strptime(text, "%Y%m%d%H%M%SZ", &tm);
    if (!end || *end)
        return false;
    *when = timegm(&tm);
    return true;
}
