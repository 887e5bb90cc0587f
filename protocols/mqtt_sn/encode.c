/* encode: see encode.h. Last but one room on the way out: deliver or an answer -> sn_encode ->
 * peer_reserve. */
#include "protocols/mqtt_sn/encode.h"

#include "protocols/mqtt_sn/layout.h"

enum { SHORT_MAX = 255, LONG_MAX = 65535, LONG_MARK = 0x01 };

static bool topic_is_id(const struct sn_packet *packet)
{
    return sn_id_type(packet) == SN_ID_PREDEFINED || sn_id_type(packet) == SN_ID_SHORT;
}

static size_t field_size(const struct sn_packet *packet, enum sn_field field)
{
    switch (field) {
    case SN_FIELD_NONE:
        return 0;
    case SN_FIELD_FLAGS:
    case SN_FIELD_PROTOCOL:
    case SN_FIELD_CODE:
    case SN_FIELD_GATEWAY:
    case SN_FIELD_RADIUS:
        return 1;
    case SN_FIELD_DURATION:
    case SN_FIELD_TOPIC_ID:
    case SN_FIELD_MSG_ID:
        return 2;
    case SN_FIELD_TOPIC:
        return topic_is_id(packet) ? 2 : packet->text.len;
    case SN_FIELD_TEXT:
        return packet->text.len;
    }
    return 0;
}

static void write_field(struct writer *w, const struct sn_packet *packet, enum sn_field field)
{
    switch (field) {
    case SN_FIELD_NONE:
        return;
    case SN_FIELD_FLAGS:
        writer_u8(w, packet->flags);
        return;
    case SN_FIELD_PROTOCOL:
        writer_u8(w, packet->protocol_id);
        return;
    case SN_FIELD_CODE:
        writer_u8(w, packet->code);
        return;
    case SN_FIELD_GATEWAY:
        writer_u8(w, packet->gateway_id);
        return;
    case SN_FIELD_RADIUS:
        writer_u8(w, packet->radius);
        return;
    case SN_FIELD_DURATION:
        writer_u16(w, packet->duration_s);
        return;
    case SN_FIELD_TOPIC_ID:
        writer_u16(w, packet->topic_id);
        return;
    case SN_FIELD_MSG_ID:
        writer_u16(w, packet->msg_id);
        return;
    case SN_FIELD_TOPIC:
        if (topic_is_id(packet))
            writer_u16(w, packet->topic_id);
        else
            writer_bytes(w, packet->text);
        return;
    case SN_FIELD_TEXT:
        writer_bytes(w, packet->text);
        return;
    }
}

size_t sn_size(const struct sn_packet *packet)
{
    const struct sn_layout *layout = sn_layout(packet->type);
    size_t size = 2;
    if (!layout)
        return 0;
    for (size_t i = 0; i < SN_FIELDS_MAX && !packet->empty; i++)
        size += field_size(packet, (enum sn_field)layout->fields[i]);
    if (size > SHORT_MAX)
        size += 2;
    return size <= LONG_MAX ? size : 0;
}

void sn_encode(struct writer *w, const struct sn_packet *packet)
{
    const struct sn_layout *layout = sn_layout(packet->type);
    size_t size = sn_size(packet);
    if (!layout || size == 0) {
        w->overflow = true;
        return;
    }
    if (size > SHORT_MAX) {
        writer_u8(w, LONG_MARK);
        writer_u16(w, (uint16_t)size);
    } else {
        writer_u8(w, (uint8_t)size);
    }
    writer_u8(w, packet->type);
    for (size_t i = 0; i < SN_FIELDS_MAX && !packet->empty; i++)
        write_field(w, packet, (enum sn_field)layout->fields[i]);
}

void sn_encode_wrap(struct writer *w, struct slice node)
{
    writer_u8(w, (uint8_t)(SN_WRAP + node.len));
    writer_u8(w, SN_ENCAPSULATED);
    writer_u8(w, 0); /* to that node alone: no broadcast radius */
    writer_bytes(w, node);
}
