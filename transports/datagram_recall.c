/* datagram_recall: peers on datagrams from before a restart (peer_place, peer_recall). Stands
 * beside the way of a message: nothing has arrived when such a peer is made. */
#include "transports/datagram_state.h"

#include "base/cursor.h"
#include "base/writer.h"

size_t peer_place(const struct peer *peer, uint8_t to[PEER_PLACE_SIZE])
{
    const struct datagram *datagram = peer_datagram(peer);
    struct writer w = writer_of(to, PEER_PLACE_SIZE);
    if (!(peer->flags & PEER_DATAGRAM))
        return 0;
    writer_bytes(&w, slice_of(datagram->at.address, sizeof(datagram->at.address)));
    writer_u32(&w, datagram->at.scope);
    writer_u16(&w, datagram->at.port);
    writer_bytes(&w, slice_of(datagram->local.address, sizeof(datagram->local.address)));
    writer_u32(&w, datagram->local.interface);
    return writer_len(&w);
}

static bool read_place(struct slice place, struct arrival *arrival)
{
    struct cursor c = cursor_of(place);
    struct slice from = cursor_take(&c, sizeof(arrival->from.address));
    *arrival = (struct arrival){.bytes = SLICE_EMPTY};
    arrival->from.scope = cursor_u32(&c);
    arrival->from.port = cursor_u16(&c);
    struct slice to = cursor_take(&c, sizeof(arrival->to.address));
    arrival->to.interface = cursor_u32(&c);
    if (c.failed || cursor_left(&c) || arrival->from.port == 0)
        return false;
    memcpy(arrival->from.address, from.at, from.len);
    memcpy(arrival->to.address, to.at, to.len);
    return true;
}

static struct port *find_port(struct loop *loop, const struct protocol *protocol, struct slice name)
{
    list_each(link, &loop->ports)
    {
        struct port *port = list_item(link, struct port, siblings);
        const struct listener *listener = port->listener;
        if (listener->service.protocol == protocol && !port_layer(port) &&
            slice_equal(slice_of_str(listener->settings.name), name))
            return port;
    }
    return NULL;
}

/* It had proven its address. */
static struct peer *make(struct port *port, const struct arrival *arrival)
{
    struct peer *peer = datagram_peer_meet(port, arrival);
    if (!peer)
        return NULL;
    peer_verify(peer);
    peer_known(peer);
    bool stays = !(peer->flags & PEER_CLOSING);
    datagram_peer_part(peer);
    return stays ? peer : NULL;
}

struct peer *peer_recall(struct loop *loop, const struct protocol *protocol, struct slice listener,
                         struct slice place, void **state)
{
    struct arrival arrival;
    struct port *port = find_port(loop, protocol, listener);
    if (!port || !read_place(place, &arrival))
        return NULL;
    struct datagram *there = map_find(&port->table, endpoint_slice(&arrival.from));
    struct peer *peer = there ? &there->peer : make(port, &arrival);
    if (!peer || peer->flags & PEER_CLOSING)
        return NULL;
    *state = peer_state(peer);
    return peer;
}
