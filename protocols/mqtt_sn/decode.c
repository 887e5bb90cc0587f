/* decode: see decode.h. First room of MQTT-SN on the way of a message.
 *
 * The length is one byte, or 0x01 and two bytes more (MQTT-SN 1.2 section 5.2.1); it counts itself.
 * Invariant: nothing outside the slice is looked at, whatever the length field says. */
#include "protocols/mqtt_sn/decode.h"

#include "base/cursor.h"
#include "protocols/mqtt_sn/layout.h"

enum { LONG_LENGTH = 0x01, TYPE_UNKNOWN = 0xFF };

/* Reads length and type; `c` stands behind them. */
static enum sn_fault read_header(struct cursor *c, size_t size, uint8_t *type)
{
    size_t length = cursor_u8(c);
    if (length == LONG_LENGTH)
        length = cursor_u16(c);
    *type = cursor_u8(c);
    if (c->failed || length != size) {
        *type = TYPE_UNKNOWN;
        return SN_BAD_LENGTH;
    }
    return SN_GOOD;
}

/* An id in place of a name is exactly two bytes. */
static void read_topic(struct cursor *c, struct sn_packet *packet)
{
    enum sn_id_type type = sn_id_type(packet);
    if (type != SN_ID_PREDEFINED && type != SN_ID_SHORT) {
        packet->text = cursor_rest(c);
        return;
    }
    packet->topic_id = cursor_u16(c);
}

static void read_field(struct cursor *c, enum sn_field field, struct sn_packet *packet)
{
    switch (field) {
    case SN_FIELD_NONE:
        return;
    case SN_FIELD_FLAGS:
        packet->flags = cursor_u8(c);
        return;
    case SN_FIELD_PROTOCOL:
        packet->protocol_id = cursor_u8(c);
        return;
    case SN_FIELD_CODE:
        packet->code = cursor_u8(c);
        return;
    case SN_FIELD_GATEWAY:
        packet->gateway_id = cursor_u8(c);
        return;
    case SN_FIELD_RADIUS:
        packet->radius = cursor_u8(c);
        return;
    case SN_FIELD_DURATION:
        packet->duration_s = cursor_u16(c);
        return;
    case SN_FIELD_TOPIC_ID:
        packet->topic_id = cursor_u16(c);
        return;
    case SN_FIELD_MSG_ID:
        packet->msg_id = cursor_u16(c);
        return;
    case SN_FIELD_TOPIC:
        read_topic(c, packet);
        return;
    case SN_FIELD_TEXT:
        packet->text = cursor_rest(c);
        return;
    }
}

enum sn_fault sn_decode(struct slice message, struct sn_packet *packet)
{
    struct cursor c = cursor_of(message);
    memset(packet, 0, sizeof *packet);
    enum sn_fault fault = read_header(&c, message.len, &packet->type);
    if (fault != SN_GOOD)
        return fault;
    const struct sn_layout *layout = sn_layout(packet->type);
    if (!layout)
        return SN_BAD_TYPE;
    if (layout->may_be_empty && cursor_left(&c) == 0) {
        packet->empty = true;
        return SN_GOOD;
    }
    for (size_t i = 0; i < SN_FIELDS_MAX && layout->fields[i] != SN_FIELD_NONE; i++)
        read_field(&c, (enum sn_field)layout->fields[i], packet);
    return c.failed || cursor_left(&c) ? SN_BAD_FIELDS : SN_GOOD;
}

/* Length covers all up to the end of the node id: type, control byte, node id (section 5.5). */
enum sn_fault sn_unwrap(struct slice datagram, struct sn_frame *frame)
{
    struct cursor c = cursor_of(datagram);
    *frame = (struct sn_frame){.message = datagram};
    if (datagram.len < 2 || datagram.at[1] != SN_ENCAPSULATED || datagram.at[0] == LONG_LENGTH)
        return SN_GOOD;
    size_t length = cursor_u8(&c);
    if (length < 3)
        return SN_BAD_LENGTH;
    cursor_take(&c, 2); /* type, and the radius of a broadcast */
    frame->node = cursor_take(&c, length - 3);
    frame->message = cursor_rest(&c);
    frame->encapsulated = true;
    return c.failed ? SN_BAD_LENGTH : SN_GOOD;
}
