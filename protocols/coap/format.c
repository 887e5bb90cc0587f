/* format: see format.h. At the edge between requests and the core's messages. */
#include "protocols/coap/format.h"

#include "base/cursor.h"
#include "protocols/coap/wire.h"

/* From IANA's registry of CoAP Content-Formats: those without content coding. */
static const struct {
    uint16_t number;
    const char *type;
} formats[] = {
    {0, "text/plain"},
    {21, "image/gif"},
    {22, "image/jpeg"},
    {23, "image/png"},
    {40, "application/link-format"},
    {41, "application/xml"},
    {42, "application/octet-stream"},
    {47, "application/exi"},
    {50, "application/json"},
    {51, "application/json-patch+json"},
    {52, "application/merge-patch+json"},
    {60, "application/cbor"},
    {61, "application/cwt"},
    {62, "application/multipart-core"},
    {63, "application/cbor-seq"},
    {110, "application/senml+json"},
    {111, "application/sensml+json"},
    {112, "application/senml+cbor"},
    {113, "application/sensml+cbor"},
    {114, "application/senml-exi"},
    {115, "application/sensml-exi"},
    {310, "application/senml+xml"},
    {311, "application/sensml+xml"},
    {320, "application/senml-etch+json"},
    {322, "application/senml-etch+cbor"},
    {432, "application/td+json"},
    {606, "application/core-pubsub+cbor"},
    {20000, "text/css"},
    {30000, "image/svg+xml"},
};

#define UNNAMED "application/x-coap;ct="

enum {
    PAYLOAD_FORMAT = 0x01,
    CONTENT_TYPE = 0x03,
    RESPONSE_TOPIC = 0x08,
    CORRELATION = 0x09,
    USER_PROPERTY = 0x26
};

static struct slice type_of(uint16_t format)
{
    for (size_t i = 0; i < sizeof formats / sizeof formats[0]; i++)
        if (formats[i].number == format)
            return slice_of_str(formats[i].type);
    return SLICE_EMPTY;
}

static void write_decimal(struct writer *w, uint16_t number)
{
    uint8_t digits[5];
    size_t at = sizeof digits;
    do {
        digits[--at] = (uint8_t)('0' + number % 10);
        number /= 10;
    } while (number);
    writer_bytes(w, slice_of(digits + at, sizeof digits - at));
}

void coap_format_write(struct writer *w, uint16_t format)
{
    struct slice type = type_of(format);
    writer_u8(w, CONTENT_TYPE);
    uint8_t *len = writer_claim(w, 2), *start = w->at;
    if (type.len) {
        writer_bytes(w, type);
    } else {
        writer_bytes(w, SLICE(UNNAMED));
        write_decimal(w, format);
    }
    if (len) {
        len[0] = 0;
        len[1] = (uint8_t)(w->at - start);
    }
}

static uint8_t lower(uint8_t byte)
{
    return byte >= 'A' && byte <= 'Z' ? (uint8_t)(byte + 32) : byte;
}

static bool same_word(struct slice a, struct slice b)
{
    if (a.len != b.len)
        return false;
    for (size_t i = 0; i < a.len; i++)
        if (lower(a.at[i]) != lower(b.at[i]))
            return false;
    return true;
}

static uint32_t read_decimal(struct slice digits)
{
    uint32_t number = 0;
    if (digits.len == 0 || digits.len > 5)
        return COAP_NO_FORMAT;
    for (size_t i = 0; i < digits.len; i++) {
        if (digits.at[i] < '0' || digits.at[i] > '9')
            return COAP_NO_FORMAT;
        number = number * 10 + (uint32_t)(digits.at[i] - '0');
    }
    return number < COAP_NO_FORMAT ? number : COAP_NO_FORMAT;
}

uint32_t coap_format_of_type(struct slice type)
{
    if (slice_starts_with(type, SLICE(UNNAMED)))
        return read_decimal(slice_from(type, sizeof UNNAMED - 1));
    struct slice name = type;
    for (name.len = 0; name.len < type.len; name.len++)
        if (type.at[name.len] == ';' || type.at[name.len] == ' ')
            break;
    for (size_t i = 0; i < sizeof formats / sizeof formats[0]; i++)
        if (same_word(name, slice_of_str(formats[i].type)))
            return formats[i].number;
    return COAP_NO_FORMAT;
}

uint32_t coap_format_of(struct slice properties)
{
    struct cursor at = cursor_of(properties);
    while (at.at < at.end && !at.failed) {
        switch (cursor_u8(&at)) {
        case PAYLOAD_FORMAT:
            (void)cursor_u8(&at);
            break;
        case CONTENT_TYPE:
            return coap_format_of_type(cursor_take(&at, cursor_u16(&at)));
        case USER_PROPERTY:
            (void)cursor_take(&at, cursor_u16(&at));
            (void)cursor_take(&at, cursor_u16(&at));
            break;
        case RESPONSE_TOPIC:
        case CORRELATION:
            (void)cursor_take(&at, cursor_u16(&at));
            break;
        default:
            return COAP_NO_FORMAT;
        }
    }
    return COAP_NO_FORMAT;
}
