/* coap_decode_fuzz: the CoAP codec: datagrams, options, topic properties, content types.
 *
 * The first byte says which decoder gets the rest. What must hold:
 *   - slices of a message lie inside the datagram, in order;
 *   - the options of a whole message can be walked to their end, and written again they are the
 *     same options;
 *   - properties that were read are written and read again as the same. */
#include "protocols/coap/cbor.h"
#include "protocols/coap/decode.h"
#include "protocols/coap/encode.h"
#include "protocols/coap/format.h"
#include "protocols/coap/properties.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

enum { ROOM = 1 << 17 };

static uint8_t room[ROOM];

static void demand(bool held)
{
    if (!held)
        abort();
}

static void demand_inside(struct slice part, struct slice whole)
{
    demand(part.len == 0 || (part.at >= whole.at && part.at + part.len <= whole.at + whole.len));
}

static void try_message(struct slice datagram)
{
    struct coap_message m, again;
    struct coap_request request;
    struct coap_option option, other;
    if (coap_decode(datagram, &m) != COAP_WHOLE)
        return;
    demand_inside(m.token, datagram);
    demand_inside(m.options, datagram);
    demand_inside(m.payload, datagram);
    (void)coap_read_request(&m, &request);
    struct slice value;
    struct coap_option_walk path = request.path, query = request.query;
    for (unsigned i = 0; i < request.path_count; i++)
        demand(coap_next_of(&path, COAP_URI_PATH, &value));
    for (unsigned i = 0; i < request.query_count; i++)
        demand(coap_next_of(&query, COAP_URI_QUERY, &value));
    if (m.code == COAP_EMPTY)
        return;
    struct writer w = writer_of(room, sizeof room);
    uint32_t last = 0;
    coap_write_head(&w, (enum coap_type)m.type, m.code, m.id, m.token);
    struct coap_option_walk walk = coap_walk_of(m.options);
    while (coap_next_option(&walk, &option))
        coap_write_option(&w, &last, option.number, option.value);
    demand(!walk.at.failed && walk.at.at == walk.at.end);
    coap_write_payload(&w, m.payload);
    demand(!w.overflow && writer_len(&w) <= datagram.len);
    demand(coap_decode(slice_of(room, writer_len(&w)), &again) == COAP_WHOLE);
    demand(slice_equal(m.token, again.token) && slice_equal(m.payload, again.payload));
    struct coap_option_walk here = coap_walk_of(m.options), there = coap_walk_of(again.options);
    while (coap_next_option(&here, &option))
        demand(coap_next_option(&there, &other) && option.number == other.number &&
               slice_equal(option.value, other.value));
    demand(!coap_next_option(&there, &other));
}

static void try_properties(struct slice cbor)
{
    struct coap_properties p, again;
    struct cursor at = cursor_of(cbor);
    uint16_t wishes;
    (void)cbor_skip(&at);
    (void)coap_read_wishes(cbor, &wishes);
    if (!coap_read_properties(cbor, true, &p))
        return;
    struct writer w = writer_of(room, sizeof room);
    coap_write_properties(&w, &p, UINT16_MAX);
    demand(!w.overflow);
    demand(coap_read_properties(slice_of(room, writer_len(&w)), true, &again));
    demand(p.given == again.given && slice_equal(p.name, again.name) &&
           slice_equal(p.topic_type, again.topic_type) && p.expires_s == again.expires_s &&
           p.max_subscribers == again.max_subscribers && p.format == again.format);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    if (size == 0)
        return 0;
    struct slice rest = slice_of(bytes + 1, size - 1);
    if (bytes[0] % 3 == 0)
        try_message(rest);
    else if (bytes[0] % 3 == 1)
        try_properties(rest);
    else
        demand(coap_format_of(rest) <= COAP_NO_FORMAT);
    return 0;
}
