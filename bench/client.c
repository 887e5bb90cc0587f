/* One connection: CONNECT, then whatever its packets ask for.
 *
 * On the way in a packet is cut from the crowd's shared buffer and acted upon at once; only the
 * beginning of a packet whose end has not come is copied. On the way out acknowledgements are
 * collected and leave in one write together with the flow's frames.
 * Invariant: a frame of the flow that was written in part is finished before anything else. */
#include "bench/client.h"
#include "bench/watch.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

enum {
    KEEP_ALIVE_S = 3600, /* longer than any run, so that no PINGREQ disturbs a measurement */
    HELD_WORDS = 65536 / 64,
};

static int bytes_reserve(struct client_bytes *bytes, size_t more)
{
    size_t room = bytes->room ? bytes->room : 64;

    while (room < bytes->len + more)
        room *= 2;
    if (room == bytes->room)
        return 0;
    uint8_t *at = realloc(bytes->at, room);
    if (!at)
        return -ENOMEM;
    bytes->at = at;
    bytes->room = (uint32_t)room;
    return 0;
}

static void bytes_clear(struct client_bytes *bytes)
{
    free(bytes->at);
    *bytes = (struct client_bytes){0};
}

uint8_t *client_room(struct client *client, size_t len)
{
    if (bytes_reserve(&client->out, len) < 0) {
        crowd_fail(client->crowd, "out of memory");
        return NULL;
    }
    uint8_t *to = client->out.at + client->out.len;
    client->out.len += (uint32_t)len;
    crowd_mark(client->crowd, client);
    return to;
}

static void send_ack(struct client *client, enum packet_type type, uint16_t id)
{
    uint8_t *to = client_room(client, 4);

    if (to)
        packet_put_ack(to, type, id);
}

/* Whom epoll is asked about; what is asked is one of two things. */
static int watch(struct client *client, int operation, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = client};

    return epoll_ctl(client->crowd->epoll, operation, client->wire.fd, &event) < 0 ? -errno : 0;
}

int client_connect(struct client *client)
{
    struct crowd *crowd = client->crowd;

    client->wire.transport = crowd->transport;
    int result = crowd->transport->connect(&client->wire, &crowd->target, client->number);
    if (result == 0)
        result = watch(client, EPOLL_CTL_ADD, EPOLLOUT);
    client->state = CLIENT_CONNECTING;
    return result;
}

static void greet(struct client *client)
{
    uint8_t frame[64];
    char id[24];
    struct writer w = writer_of(frame, sizeof frame);

    if (client->name)
        snprintf(id, sizeof id, "%s-%u", client->name, client->number);
    else
        snprintf(id, sizeof id, "sb%x-%u", (unsigned)getpid(), client->number);
    packet_write_connect(&w, client->crowd->options->version, slice_of_str(id), KEEP_ALIVE_S,
                         client->kept);
    uint8_t *to = client_room(client, writer_len(&w));
    if (to)
        memcpy(to, frame, writer_len(&w));
    client->state = CLIENT_GREETING;
}

static void establish(struct client *client)
{
    uint32_t events = EPOLLIN;
    int result = client->wire.transport->establish(&client->wire, &events);

    if (result >= 0 && watch(client, EPOLL_CTL_MOD, events) < 0)
        result = -errno;
    if (result < 0)
        crowd_fail(client->crowd, "connection %u: %s", client->number, strerror(-result));
    else if (result == 1)
        greet(client);
}

static void on_connack(struct client *client, struct slice body)
{
    struct crowd *crowd = client->crowd;
    struct packet_connack connack;

    if (client->state != CLIENT_GREETING ||
        packet_read_connack(body, crowd->options->version, &connack) < 0) {
        crowd_fail(crowd, "connection %u: a CONNACK that is none", client->number);
    } else if (connack.reason) {
        crowd_fail(crowd, "connection %u: refused with 0x%02x", client->number, connack.reason);
    } else if (connack.maximum_qos < crowd->options->qos) {
        crowd_fail(crowd, "the broker offers QoS %u at most", connack.maximum_qos);
    } else if (connack.server_keep_alive_s && connack.server_keep_alive_s < KEEP_ALIVE_S) {
        crowd_fail(crowd, "the broker's keep alive of %u s is shorter than a run may take (%d s)",
                   connack.server_keep_alive_s, KEEP_ALIVE_S);
    } else {
        client->receive_maximum = connack.receive_maximum;
        client->present = connack.present;
        client->state = CLIENT_READY;
        crowd->opening--;
    }
}

/* Whether this QoS 2 id is new; a held one is the same message again [MQTT-4.3.3-10]. */
static bool hold(struct client *client, uint16_t id)
{
    if (!client->held)
        client->held = calloc(HELD_WORDS, sizeof *client->held);
    if (!client->held) {
        crowd_fail(client->crowd, "out of memory");
        return false;
    }
    uint64_t bit = UINT64_C(1) << (id % 64), *word = &client->held[id / 64];
    bool fresh = !(*word & bit);
    *word |= bit;
    return fresh;
}

static void on_publish(struct client *client, const struct packet *packet)
{
    struct crowd *crowd = client->crowd;
    struct packet_publish publish;

    if (packet_read_publish(packet, crowd->options->version, &publish) < 0) {
        crowd_fail(crowd, "connection %u: a PUBLISH that is none", client->number);
        return;
    }
    if (publish.qos == 2) {
        send_ack(client, PACKET_PUBREC, publish.id);
        if (!hold(client, publish.id)) {
            crowd->duplicated++;
            return;
        }
    } else if (publish.qos == 1) {
        send_ack(client, PACKET_PUBACK, publish.id);
    }
    if (crowd->options->watch && watch_take(crowd, &publish))
        return;
    crowd->deliveries++;
    crowd->delivered(crowd, client, &publish);
}

static void on_pubrel(struct client *client, uint16_t id)
{
    if (client->held)
        client->held[id / 64] &= ~(UINT64_C(1) << (id % 64));
    send_ack(client, PACKET_PUBCOMP, id); /* [MQTT-4.3.3-11] whether the id was held or not */
}

static void on_ack(struct client *client, enum packet_type type, struct slice body)
{
    uint16_t id;
    uint8_t reason;

    if (packet_read_ack(body, &id, &reason) < 0) {
        crowd_fail(client->crowd, "connection %u: an acknowledgement that is none", client->number);
    } else if (type == PACKET_PUBREL) {
        on_pubrel(client, id);
    } else if (!client->flow) {
        crowd_fail(client->crowd, "connection %u: an acknowledgement of nothing", client->number);
    } else {
        bool release = false;
        if (flow_acked(client->flow, type, id, reason, &release) < 0)
            crowd_fail(client->crowd, "connection %u: packet id %u was not to be acknowledged so",
                       client->number, id);
        else if (release)
            send_ack(client, PACKET_PUBREL, id);
        else
            crowd_mark(client->crowd, client);
    }
}

static void on_suback(struct client *client, struct slice body)
{
    struct crowd *crowd = client->crowd;
    uint32_t codes;
    int refused = packet_read_suback(body, crowd->options->version, &codes);

    if (refused < 0 || !crowd->unanswered)
        crowd_fail(crowd, "connection %u: a SUBACK that is none", client->number);
    else if (refused)
        crowd_fail(crowd, "connection %u: %d of %u subscriptions refused", client->number, refused,
                   codes);
    else
        crowd->unanswered--;
}

static void on_packet(struct client *client, const struct packet *packet)
{
    enum packet_type type = packet->first >> 4;

    switch (type) {
    case PACKET_PUBLISH:
        on_publish(client, packet);
        break;
    case PACKET_PUBACK:
    case PACKET_PUBREC:
    case PACKET_PUBREL:
    case PACKET_PUBCOMP:
        on_ack(client, type, packet->body);
        break;
    case PACKET_CONNACK:
        on_connack(client, packet->body);
        break;
    case PACKET_SUBACK:
        on_suback(client, packet->body);
        break;
    case PACKET_DISCONNECT:
        crowd_fail(client->crowd, "connection %u: DISCONNECT 0x%02x from the broker",
                   client->number, packet->body.len ? packet->body.at[0] : 0);
        break;
    default:
        crowd_fail(client->crowd, "connection %u: packet type %u from a broker", client->number,
                   type);
    }
}

static void keep_rest(struct client *client, struct slice rest)
{
    client->rest.len = 0;
    if (!rest.len)
        return;
    if (rest.len > CLIENT_PACKET_MAX || bytes_reserve(&client->rest, rest.len) < 0) {
        crowd_fail(client->crowd, "connection %u: a packet too large to hold", client->number);
        return;
    }
    memcpy(client->rest.at, rest.at, rest.len);
    client->rest.len = (uint32_t)rest.len;
}

static void receive(struct client *client, struct slice arrived)
{
    struct crowd *crowd = client->crowd;
    struct packet packet;
    ssize_t len;

    while ((len = packet_cut(arrived, &packet)) > 0 && !crowd->failure[0]) {
        on_packet(client, &packet);
        arrived = slice_from(arrived, (size_t)len);
    }
    if (len < 0)
        crowd_fail(crowd, "connection %u: a remaining length that is none", client->number);
    else if (arrived.len || client->rest.len)
        keep_rest(client, arrived);
}

static void read_some(struct client *client)
{
    struct crowd *crowd = client->crowd;
    uint32_t before = client->rest.len;

    if (before)
        memcpy(crowd->scratch, client->rest.at, before);
    ssize_t got =
        client->wire.transport->read(&client->wire, crowd->scratch + before, CLIENT_CHUNK);
    if (got == -EAGAIN)
        return;
    if (got <= 0)
        crowd_fail(crowd, "connection %u: closed by the broker%s%s", client->number,
                   got ? ": " : "", got ? strerror((int)-got) : "");
    else
        receive(client, slice_of(crowd->scratch, before + (size_t)got));
}

void client_ready(struct client *client, uint32_t events)
{
    if (client->state == CLIENT_CONNECTING) {
        establish(client);
        return;
    }
    if (events & (EPOLLIN | EPOLLHUP | EPOLLERR))
        read_some(client);
    if (events & EPOLLOUT) {
        client->blocked = false;
        crowd_mark(client->crowd, client);
        if (watch(client, EPOLL_CTL_MOD, EPOLLIN) < 0)
            crowd_fail(client->crowd, "epoll: %s", strerror(errno));
    }
}

/* What waits, in the order in which it may leave; returns the number of parts. */
static int gather(struct client *client, struct iovec parts[3], bool *acks_first)
{
    int count = 0;

    *acks_first = !client->flow || flow_at_boundary(client->flow);
    if (*acks_first && client->out.len)
        parts[count++] = (struct iovec){client->out.at, client->out.len};
    if (client->flow)
        count += flow_gather(client->flow, parts + count);
    if (!*acks_first && client->out.len)
        parts[count++] = (struct iovec){client->out.at, client->out.len};
    return count;
}

static void consume_out(struct client *client, size_t len)
{
    client->out.len -= (uint32_t)len;
    if (len && client->out.len)
        memmove(client->out.at, client->out.at + len, client->out.len);
}

static void consume(struct client *client, size_t written, bool acks_first)
{
    size_t acks = 0;

    if (acks_first) {
        acks = written < client->out.len ? written : client->out.len;
        written -= acks;
    }
    if (client->flow)
        written -= flow_written(client->flow, written);
    consume_out(client, acks_first ? acks : written);
}

void client_flush(struct client *client)
{
    struct crowd *crowd = client->crowd;
    struct iovec parts[3];
    size_t total = 0;
    bool acks_first;

    client->dirty = false;
    if (client->flow && client->state == CLIENT_READY && !crowd->quiet)
        flow_fill(client->flow, crowd->now_ns);
    if (client->blocked || client->state < CLIENT_GREETING)
        return;
    int count = gather(client, parts, &acks_first);
    if (!count)
        return;
    for (int i = 0; i < count; i++)
        total += parts[i].iov_len;
    ssize_t put = client->wire.transport->writev(&client->wire, parts, count);
    if (put < 0 && put != -EAGAIN) {
        crowd_fail(crowd, "connection %u: %s", client->number, strerror((int)-put));
        return;
    }
    if (put > 0)
        consume(client, (size_t)put, acks_first);
    if (put < 0 || (size_t)put < total) {
        client->blocked = true;
        if (watch(client, EPOLL_CTL_MOD, EPOLLIN | EPOLLOUT) < 0)
            crowd_fail(crowd, "epoll: %s", strerror(errno));
    }
}

void client_subscribe(struct client *client, struct slice filters)
{
    uint8_t start[16];
    struct writer w = writer_of(start, sizeof start);

    if (++client->next_id == 0)
        client->next_id = 1;
    packet_write_subscribe(&w, client->crowd->options->version, client->next_id, filters.len);
    uint8_t *to = client_room(client, writer_len(&w) + filters.len);
    if (!to)
        return;
    memcpy(to, start, writer_len(&w));
    memcpy(to + writer_len(&w), filters.at, filters.len);
    client->crowd->unanswered++;
}

void client_close(struct client *client)
{
    uint8_t frame[2];
    struct writer w = writer_of(frame, sizeof frame);

    if (client->state == CLIENT_READY && !client->blocked) {
        packet_write_disconnect(&w);
        struct iovec part = {frame, sizeof frame};
        client->wire.transport->writev(&client->wire, &part, 1); /* as good as it goes */
    }
    if (client->state != CLIENT_NEW && client->state != CLIENT_CLOSED)
        client->wire.transport->close(&client->wire);
    client->state = CLIENT_CLOSED;
}

void client_clear(struct client *client)
{
    client_close(client);
    bytes_clear(&client->rest);
    bytes_clear(&client->out);
    free(client->held);
    client->held = NULL;
}
