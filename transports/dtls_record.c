/* dtls_record: see dtls_record.h. Before anything else of a datagram is looked at. */
#include "transports/dtls_record.h"

#include "base/cursor.h"

enum { HANDSHAKE = 22, WITH_CID = 25 };
enum { CLIENT_HELLO = 1, SERVER_HELLO = 2, HELLO_VERIFY_REQUEST = 3 };
enum { PLAIN_HEADER = 13, MESSAGE_HEADER = 12, RANDOM_SIZE = 32, CID_AT = 11 };

/* RFC 9147 section 4: 001CSLEE */
enum {
    UNIFIED_MASK = 0xe0,
    UNIFIED = 0x20,
    UNIFIED_CID = 0x10,
    UNIFIED_SEQ = 0x08,
    UNIFIED_LEN = 0x04
};

static bool is_unified(struct slice bytes)
{
    return (bytes.at[0] & UNIFIED_MASK) == UNIFIED;
}

bool dtls_record_take(struct slice *datagram, struct slice *record)
{
    struct cursor c = cursor_of(*datagram);
    uint8_t first = cursor_u8(&c);
    if (c.failed)
        return false;
    if (is_unified(*datagram)) {
        cursor_take(&c, first & UNIFIED_CID ? DTLS_CID_SIZE : 0);
        cursor_take(&c, first & UNIFIED_SEQ ? 2 : 1);
        if (first & UNIFIED_LEN)
            cursor_take(&c, cursor_u16(&c));
        else
            cursor_rest(&c);
    } else {
        cursor_take(&c, CID_AT - 1); /* version, epoch, number */
        cursor_take(&c, first == WITH_CID ? DTLS_CID_SIZE : 0);
        cursor_take(&c, cursor_u16(&c));
    }
    if (c.failed)
        return false;
    *record = slice_of(datagram->at, cursor_offset(&c));
    *datagram = slice_from(*datagram, cursor_offset(&c));
    return true;
}

bool dtls_record_protected(struct slice record)
{
    if (record.len < PLAIN_HEADER || is_unified(record))
        return record.len > 0 && is_unified(record);
    return record.at[3] || record.at[4]; /* an epoch with keys */
}

struct slice dtls_record_cid(struct slice datagram)
{
    struct cursor c = cursor_of(datagram);
    uint8_t first = cursor_u8(&c);
    if (c.failed)
        return SLICE_EMPTY;
    if (is_unified(datagram))
        return first & UNIFIED_CID ? cursor_take(&c, DTLS_CID_SIZE) : SLICE_EMPTY;
    cursor_take(&c, CID_AT - 1);
    return first == WITH_CID ? cursor_take(&c, DTLS_CID_SIZE) : SLICE_EMPTY;
}

static uint32_t take_u24(struct cursor *c)
{
    uint32_t high = cursor_u8(c);
    return high << 16 | cursor_u16(c);
}

/* The body of the one handshake message in the first record, which is unencrypted. */
static struct slice message_of(struct slice datagram, uint8_t *kind, bool *whole)
{
    struct cursor c = cursor_of(datagram);
    if (cursor_u8(&c) != HANDSHAKE || cursor_u8(&c) != 0xfe)
        return SLICE_EMPTY;
    cursor_u8(&c);
    if (cursor_u16(&c) != 0) /* epoch */
        return SLICE_EMPTY;
    cursor_take(&c, 6);
    struct cursor message = cursor_of(cursor_take(&c, cursor_u16(&c)));
    *kind = cursor_u8(&message);
    uint32_t length = take_u24(&message);
    cursor_u16(&message); /* number */
    uint32_t offset = take_u24(&message), part = take_u24(&message);
    struct slice body = cursor_take(&message, part);
    if (message.failed || cursor_left(&message) > 0 || offset != 0 || part > length)
        return SLICE_EMPTY;
    *whole = part == length;
    return body;
}

bool dtls_hello_read(struct slice datagram, uint16_t group, struct dtls_hello *hello)
{
    uint8_t kind = 0;
    *hello = (struct dtls_hello){.whole = false};
    struct slice body = message_of(datagram, &kind, &hello->whole);
    if (kind != CLIENT_HELLO || body.len < 2 + RANDOM_SIZE || body.at[0] != 0xfe)
        return false;
    hello->random = slice_of(body.at + 2, RANDOM_SIZE);
    hello->beginning = slice_of(body.at, 2 + RANDOM_SIZE);
    return tls_hello_body(body, true, group, &hello->offers) || !hello->whole;
}

bool dtls_record_asks_cookie(struct slice datagram)
{
    /* the random of every HelloRetryRequest begins like this (RFC 8446 section 4.1.3) */
    static const uint8_t again[] = {0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11};
    uint8_t kind = 0;
    bool whole = false;
    struct slice body = message_of(datagram, &kind, &whole);
    if (!whole || body.len + PLAIN_HEADER + MESSAGE_HEADER != datagram.len)
        return false;
    return kind == HELLO_VERIFY_REQUEST ||
           (kind == SERVER_HELLO &&
            slice_starts_with(slice_from(body, 2), slice_of(again, sizeof(again))));
}
