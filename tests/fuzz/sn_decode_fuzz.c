/* sn_decode_fuzz: one MQTT-SN datagram, as it arrives.
 *
 * What the decoder takes is written again and must come out the same, but for the form of its
 * length field; slices lie inside the datagram. */
#include "protocols/mqtt_sn/decode.h"
#include "protocols/mqtt_sn/encode.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void demand(bool held)
{
    if (!held)
        abort();
}

static bool inside(struct slice part, struct slice whole)
{
    return part.len == 0 || (part.at >= whole.at && part.at + part.len <= whole.at + whole.len);
}

static void write_again(const struct sn_packet *packet, struct slice message)
{
    struct sn_packet again;
    size_t size = sn_size(packet);
    demand(size && size <= message.len);
    uint8_t *to = malloc(size);
    demand(to != NULL);
    struct writer w = writer_of(to, size);
    sn_encode(&w, packet);
    demand(!w.overflow && writer_len(&w) == size);
    demand(sn_decode(slice_of(to, size), &again) == SN_GOOD);
    demand(again.type == packet->type && slice_equal(again.text, packet->text));
    demand(again.flags == packet->flags && again.topic_id == packet->topic_id);
    demand(again.msg_id == packet->msg_id && again.duration_s == packet->duration_s);
    free(to);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct slice datagram = slice_of(bytes, size);
    struct sn_frame frame;
    struct sn_packet packet;
    if (size > UINT16_MAX || sn_unwrap(datagram, &frame) != SN_GOOD)
        return 0;
    demand(inside(frame.node, datagram) && inside(frame.message, datagram));
    demand(frame.node.len <= SN_NODE_MAX);
    if (sn_decode(frame.message, &packet) != SN_GOOD)
        return 0;
    demand(inside(packet.text, frame.message));
    write_again(&packet, frame.message);
    return 0;
}
