/* properties: see properties.h. Between the payload of a request and a topic (topics.c). */
#include "protocols/coap/properties.h"

#include "base/utf8.h"
#include "protocols/coap/cbor.h"

enum { EPOCH_TAG = 1, KEYS_MOST = 64 };

/* Seconds of a double's bits, fractions cut off; false for what is no date to come. */
static bool seconds_of(uint64_t bits, uint64_t *seconds)
{
    int64_t exponent = (int64_t)(bits >> 52) - 1023; /* a set sign makes it huge */
    if (exponent < 0 || exponent > 52)
        return false;
    *seconds = ((bits & ((UINT64_C(1) << 52) - 1)) | UINT64_C(1) << 52) >> (52 - exponent);
    return true;
}

/* An epoch-based date: tag 1 around a number (RFC 8949 section 3.4.2). */
static bool read_date(struct cursor *at, uint64_t *seconds)
{
    struct cbor_item item;
    if (!cbor_read(at, &item) || item.kind != CBOR_TAG || item.number != EPOCH_TAG ||
        !cbor_read(at, &item))
        return false;
    *seconds = item.number;
    return item.kind == CBOR_UINT ? item.number <= INT64_MAX / 1000
                                  : item.kind == CBOR_FLOAT && seconds_of(item.number, seconds);
}

static bool read_string(struct cursor *at, enum cbor_kind kind, struct slice *string)
{
    struct cbor_item item;
    if (!cbor_read(at, &item) || item.kind != kind)
        return false;
    *string = item.bytes;
    return kind != CBOR_TEXT || utf8_well_formed(item.bytes);
}

static bool read_number(struct cursor *at, uint64_t least, uint64_t most, uint64_t *number)
{
    struct cbor_item item;
    if (!cbor_read(at, &item) || item.kind != CBOR_UINT)
        return false;
    *number = item.number;
    return item.number >= least && item.number <= most;
}

static bool read_value(struct cursor *at, enum coap_property key, struct coap_properties *p)
{
    uint64_t format;
    switch (key) {
    case COAP_TOPIC_NAME:
        return read_string(at, CBOR_TEXT, &p->name);
    case COAP_TOPIC_DATA:
        return read_string(at, CBOR_TEXT, &p->place);
    case COAP_RESOURCE_TYPE:
        return read_string(at, CBOR_TEXT, &p->resource_type);
    case COAP_TOPIC_FORMAT:
        if (!read_number(at, 0, UINT16_MAX, &format))
            return false;
        p->format = (uint16_t)format;
        return true;
    case COAP_TOPIC_TYPE:
        return read_string(at, CBOR_TEXT, &p->topic_type);
    case COAP_EXPIRATION:
        return read_date(at, &p->expires_s);
    case COAP_MAX_SUBSCRIBERS:
        return read_number(at, 0, UINT64_MAX, &p->max_subscribers);
    case COAP_OBSERVER_CHECK:
        return read_number(at, 1, UINT32_MAX, &p->observer_check_s);
    case COAP_INITIALIZE:
        return read_string(at, CBOR_BYTES, &p->initialize);
    case COAP_MOUNTPOINT:
        return read_string(at, CBOR_TEXT, &p->mountpoint);
    }
    return false;
}

bool coap_read_properties(struct slice cbor, bool kept, struct coap_properties *p)
{
    struct cursor at = cursor_of(cbor);
    struct cbor_item map, key;
    *p = (struct coap_properties){0};
    if (!cbor_read(&at, &map) || map.kind != CBOR_MAP || map.number > COAP_PROPERTIES + 1)
        return false;
    for (uint64_t i = 0; i < map.number; i++) {
        if (!cbor_read(&at, &key))
            return false;
        bool known = key.kind == CBOR_UINT && key.number < COAP_PROPERTIES;
        bool private = kept && key.kind == CBOR_NEGATIVE && key.number == 0;
        enum coap_property which = private ? COAP_MOUNTPOINT : (enum coap_property)key.number;
        if ((!known && !private) || coap_has(p, which) || !read_value(&at, which, p))
            return false;
        p->given |= (uint16_t)(1 << which);
    }
    return at.at == at.end;
}

bool coap_read_wishes(struct slice cbor, uint16_t *wishes)
{
    struct cursor at = cursor_of(cbor);
    struct cbor_item array, key;
    *wishes = 0;
    if (!cbor_read(&at, &array) || array.kind != CBOR_ARRAY || array.number > KEYS_MOST)
        return false;
    for (uint64_t i = 0; i < array.number; i++) {
        if (!cbor_read(&at, &key) || (key.kind != CBOR_UINT && key.kind != CBOR_NEGATIVE))
            return false;
        if (key.kind == CBOR_UINT && key.number < COAP_PROPERTIES)
            *wishes |= (uint16_t)(1 << key.number);
    }
    return at.at == at.end;
}

void coap_write_properties(struct writer *w, const struct coap_properties *p, uint16_t which)
{
    unsigned bits = p->given & which, count = 0;
    for (unsigned key = 0; key <= COAP_PROPERTIES; key++)
        count += bits >> key & 1;
    cbor_write(w, CBOR_MAP, count);
    for (unsigned key = 0; key <= COAP_PROPERTIES; key++) {
        if (!(bits >> key & 1))
            continue;
        if (key == COAP_MOUNTPOINT)
            cbor_write(w, CBOR_NEGATIVE, 0);
        else
            cbor_write(w, CBOR_UINT, key);
        switch ((enum coap_property)key) {
        case COAP_TOPIC_NAME:
            cbor_write_string(w, CBOR_TEXT, p->name);
            break;
        case COAP_TOPIC_DATA:
            cbor_write_string(w, CBOR_TEXT, p->place);
            break;
        case COAP_RESOURCE_TYPE:
            cbor_write_string(w, CBOR_TEXT, p->resource_type);
            break;
        case COAP_TOPIC_FORMAT:
            cbor_write(w, CBOR_UINT, p->format);
            break;
        case COAP_TOPIC_TYPE:
            cbor_write_string(w, CBOR_TEXT, p->topic_type);
            break;
        case COAP_EXPIRATION:
            cbor_write(w, CBOR_TAG, EPOCH_TAG);
            cbor_write(w, CBOR_UINT, p->expires_s);
            break;
        case COAP_MAX_SUBSCRIBERS:
            cbor_write(w, CBOR_UINT, p->max_subscribers);
            break;
        case COAP_OBSERVER_CHECK:
            cbor_write(w, CBOR_UINT, p->observer_check_s);
            break;
        case COAP_INITIALIZE:
            cbor_write_string(w, CBOR_BYTES, p->initialize);
            break;
        case COAP_MOUNTPOINT:
            cbor_write_string(w, CBOR_TEXT, p->mountpoint);
            break;
        }
    }
}
