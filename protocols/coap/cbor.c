/* cbor: see cbor.h. Between the payload of a request and a topic's configuration. */
#include "protocols/coap/cbor.h"

enum { SIMPLE = 7, DEPTH_MOST = 16 };

/* The number behind an initial byte; sets failed for 28 to 31 (reserved, indefinite). */
static uint64_t argument(struct cursor *at, uint8_t low)
{
    if (low < 24)
        return low;
    switch (low) {
    case 24:
        return cursor_u8(at);
    case 25:
        return cursor_u16(at);
    case 26:
        return cursor_u32(at);
    case 27:
        return cursor_u64(at);
    default:
        at->failed = true;
        return 0;
    }
}

/* Half and single precision as a double's bits (RFC 8949 appendix D); subnormal halves count as 0,
 * which no date is near. */
static uint64_t widened(uint64_t bits, uint8_t low)
{
    if (low == 27)
        return bits;
    unsigned exponent_bits = low == 25 ? 5 : 8, fraction_bits = low == 25 ? 10 : 23;
    uint64_t sign = bits >> (exponent_bits + fraction_bits) & 1;
    uint64_t exponent = bits >> fraction_bits & ((UINT64_C(1) << exponent_bits) - 1);
    uint64_t fraction = bits & ((UINT64_C(1) << fraction_bits) - 1);
    uint64_t most = (UINT64_C(1) << exponent_bits) - 1;
    if (exponent == 0)
        return sign << 63;
    uint64_t moved = exponent == most ? 2047 : exponent + 1023 - (most >> 1);
    return sign << 63 | moved << 52 | fraction << (52 - fraction_bits);
}

bool cbor_read(struct cursor *at, struct cbor_item *item)
{
    uint8_t first = cursor_u8(at), low = first & 31;
    item->bytes = SLICE_EMPTY;
    item->number = argument(at, low);
    item->kind = (enum cbor_kind)(first >> 5);
    if (item->kind == CBOR_BYTES || item->kind == CBOR_TEXT) {
        if (item->number > cursor_left(at))
            at->failed = true;
        item->bytes = cursor_take(at, at->failed ? 0 : (size_t)item->number);
    }
    if (first >> 5 == SIMPLE && low >= 25) {
        item->kind = CBOR_FLOAT;
        item->number = widened(item->number, low);
    }
    return !at->failed;
}

bool cbor_skip(struct cursor *at)
{
    uint64_t left[DEPTH_MOST];
    unsigned depth = 0;
    left[0] = 1;
    for (;;) {
        struct cbor_item item;
        if (!cbor_read(at, &item))
            return false;
        left[depth]--;
        uint64_t inside = 0;
        if (item.kind == CBOR_ARRAY || item.kind == CBOR_MAP) {
            inside = item.number;
            if (inside > cursor_left(at)) /* each takes a byte at least */
                at->failed = true;
            inside *= item.kind == CBOR_MAP ? 2 : 1;
        } else if (item.kind == CBOR_TAG) {
            inside = 1;
        }
        if (inside && (at->failed || ++depth == DEPTH_MOST)) {
            at->failed = true;
            return false;
        }
        if (inside)
            left[depth] = inside;
        while (left[depth] == 0) {
            if (depth == 0)
                return !at->failed;
            depth--;
        }
    }
}

void cbor_write(struct writer *w, enum cbor_kind kind, uint64_t number)
{
    uint8_t major = (uint8_t)(kind << 5);
    if (number < 24) {
        writer_u8(w, (uint8_t)(major | number));
    } else if (number <= UINT8_MAX) {
        writer_u8(w, major | 24);
        writer_u8(w, (uint8_t)number);
    } else if (number <= UINT16_MAX) {
        writer_u8(w, major | 25);
        writer_u16(w, (uint16_t)number);
    } else if (number <= UINT32_MAX) {
        writer_u8(w, major | 26);
        writer_u32(w, (uint32_t)number);
    } else {
        writer_u8(w, major | 27);
        writer_u64(w, number);
    }
}

void cbor_write_string(struct writer *w, enum cbor_kind kind, struct slice bytes)
{
    cbor_write(w, kind, bytes.len);
    writer_bytes(w, bytes);
}
