/* relation: see relation.h.
 *
 *   key      listener-length(2) listener endpoint-length(2) endpoint token
 *   content  version 1 | place-length(2) place mountpoint-length(2) mountpoint format(4) szx name
 */
#include "protocols/coap/relation.h"

#include "base/cursor.h"
#include "protocols/coap/wire.h"

enum { VERSION = 1, SZX_MOST = 6, REST = 10 };

size_t coap_relation_key_room(const struct coap_relation *relation)
{
    return 4 + relation->listener.len + relation->endpoint.len + relation->token.len;
}

size_t coap_relation_room(const struct coap_relation *relation)
{
    return REST + relation->place.len + relation->mountpoint.len + relation->name.len;
}

static void write_text(struct writer *w, struct slice text)
{
    if (text.len > UINT16_MAX) {
        w->overflow = true;
        return;
    }
    writer_u16(w, (uint16_t)text.len);
    writer_bytes(w, text);
}

void coap_relation_write_key(const struct coap_relation *relation, struct writer *w)
{
    write_text(w, relation->listener);
    write_text(w, relation->endpoint);
    writer_bytes(w, relation->token);
}

void coap_relation_write(const struct coap_relation *relation, struct writer *w)
{
    writer_u8(w, VERSION);
    write_text(w, relation->place);
    write_text(w, relation->mountpoint);
    writer_u32(w, relation->format);
    writer_u8(w, relation->szx);
    writer_bytes(w, relation->name);
}

bool coap_relation_read(struct slice key, struct slice content, struct coap_relation *relation)
{
    struct cursor k = cursor_of(key), c = cursor_of(content);
    relation->listener = cursor_take(&k, cursor_u16(&k));
    relation->endpoint = cursor_take(&k, cursor_u16(&k));
    relation->token = cursor_rest(&k);
    uint8_t version = cursor_u8(&c);
    relation->place = cursor_take(&c, cursor_u16(&c));
    relation->mountpoint = cursor_take(&c, cursor_u16(&c));
    relation->format = cursor_u32(&c);
    relation->szx = cursor_u8(&c);
    relation->name = cursor_rest(&c);
    return !k.failed && !c.failed && version == VERSION && relation->szx <= SZX_MOST &&
           relation->name.len > 0 && relation->name.len <= UINT16_MAX;
}
