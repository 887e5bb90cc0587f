/* gate: see gate.h. Between the peer and its clients, both ways.
 *
 * The one deadline of a peer serves all clients behind it and is lazy: who is heard only notes the
 * time; when the deadline comes, all are looked at and it is set again. */
#include "protocols/mqtt_sn/gate.h"

#include "protocols/mqtt_sn/connection.h"
#include "protocols/mqtt_sn/encode.h"

static struct sn_connection *client_of(struct list *link)
{
    return list_item(link, struct sn_connection, link);
}

struct sn_connection *sn_gate_find(const struct sn_gate *gate, bool wrapped, struct slice node)
{
    for (struct list *link = gate->clients.next; link != &gate->clients; link = link->next) {
        struct sn_connection *c = client_of(link);
        if (c->wrapped == wrapped && slice_equal(sn_node(c), node))
            return c;
    }
    return NULL;
}

size_t sn_gate_count(const struct sn_gate *gate)
{
    size_t count = 0;
    for (struct list *link = gate->clients.next; link != &gate->clients; link = link->next)
        count++;
    return count;
}

void sn_gate_due(struct sn_gate *gate, uint64_t due_ms)
{
    if (due_ms == UINT64_MAX || (gate->deadline_ms && gate->deadline_ms <= due_ms))
        return;
    gate->deadline_ms = due_ms;
    peer_deadline(gate->peer, due_ms);
}

void sn_gate_expired(struct sn_gate *gate)
{
    gate->deadline_ms = 0;
    list_each(link, &gate->clients)
    {
        sn_look(client_of(link));
    }
    list_each(link, &gate->clients)
    {
        sn_gate_due(gate, sn_due_ms(client_of(link)));
    }
}

void sn_send(struct sn_gate *gate, bool wrapped, struct slice node, const struct sn_packet *packet,
             uint64_t promise)
{
    size_t size = sn_size(packet);
    if (size == 0)
        return;
    if (wrapped)
        size += SN_WRAP + node.len;
    uint8_t *to = peer_reserve_after(gate->peer, size, promise);
    if (!to)
        return;
    struct writer w = writer_of(to, size);
    if (wrapped)
        sn_encode_wrap(&w, node);
    sn_encode(&w, packet);
    broker_stats(gate->broker)->messages_sent++;
}

void sn_answer(const struct sn_visit *visit, const struct sn_packet *packet)
{
    sn_send(visit->gate, visit->wrapped, visit->node, packet, 0);
}

void sn_answer_plain(const struct sn_visit *visit, enum sn_type type)
{
    struct sn_packet packet = {.type = (uint8_t)type, .empty = type == SN_DISCONNECT};
    sn_answer(visit, &packet);
}
