/* speak_mqtt: siotctl as an MQTT 3.1.1 client. What only servers send is read here; the rest is the
 * broker's own codec. */
#include "base/buffer.h"
#include "protocols/mqtt/decode.h"
#include "protocols/mqtt/encode.h"
#include "siotctl/dialect.h"
#include "siotctl/say.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum { ANSWER_MS = 10000, PACKET_ID = 1 };

struct speech {
    struct buffer bytes; /* received and not dealt with */
    size_t done;         /* of them: the packet that was given out last */
    uint64_t spoke_ms;
};

struct packet {
    struct mqtt_header header;
    struct slice bytes; /* all of it */
};

static int lost(struct talk *talk, int error)
{
    return say_failed("%s: %s", road_name(talk->road), road_why(talk->road, error));
}

static int send_packet(struct talk *talk, struct slice packet)
{
    struct speech *speech = talk->state;
    int error = road_send(talk->road, packet);
    speech->spoke_ms = road_now_ms();
    return error ? lost(talk, error) : ENDED_WELL;
}

/* The next packet. 1; 0 when none has come in time; -1 after it has said what is wrong. */
static int next_packet(struct talk *talk, uint64_t wait_ms, struct packet *packet)
{
    struct speech *speech = talk->state;
    struct mqtt_fault fault;
    uint64_t until = road_now_ms() + wait_ms;
    buffer_consume(&speech->bytes, speech->done);
    speech->done = 0;
    for (;;) {
        struct slice got, all = buffer_slice(&speech->bytes);
        enum mqtt_header_state state =
            all.len ? mqtt_decode_header(all, MQTT_3_1_1, &packet->header, &fault)
                    : MQTT_HEADER_MORE;
        if (state == MQTT_HEADER_BAD) {
            say_failed("%s: does not speak MQTT", road_name(talk->road));
            return -1;
        }
        if (state == MQTT_HEADER_KNOWN && all.len >= mqtt_packet_size(&packet->header)) {
            speech->done = mqtt_packet_size(&packet->header);
            packet->bytes = slice_of(all.at, speech->done);
            return 1;
        }
        uint64_t now = road_now_ms();
        if (now >= until || road_interrupted)
            return 0;
        int result = road_receive(talk->road, until - now, &got);
        if (result < 0 || (result && buffer_append(&speech->bytes, got) != 0)) {
            lost(talk, result < 0 ? result : -ENOMEM);
            return -1;
        }
    }
}

/* ---- what the broker sends unasked ---- */

static int acknowledge(struct talk *talk, enum mqtt_type type, uint16_t packet_id)
{
    uint8_t room[MQTT_ACK_MAX];
    struct writer w = writer_of(room, sizeof(room));
    mqtt_encode_ack(&w, MQTT_3_1_1, type, packet_id, MQTT_SUCCESS, NULL);
    return send_packet(talk, slice_of(room, writer_len(&w)));
}

/* A PUBLISH is shown when it arrives, or with QoS 2 when its PUBREC leaves: once, since this client
 * does not come back to a session. */
static int take(struct talk *talk, const struct packet *packet)
{
    static const struct mqtt_property_limits limits = {0};
    struct mqtt_publish publish;
    struct mqtt_fault fault;
    if (packet->header.type == MQTT_PUBLISH) {
        if (!mqtt_decode_publish(&packet->header, packet->bytes, MQTT_3_1_1, &limits, &publish,
                                 &fault))
            return say_failed("%s: sends what is no PUBLISH", road_name(talk->road));
        talk_show(talk, publish.topic, publish.payload);
        if (publish.qos)
            return acknowledge(talk, publish.qos == 1 ? MQTT_PUBACK : MQTT_PUBREC,
                               publish.packet_id);
    } else if (packet->header.type == MQTT_PUBREL && packet->bytes.len >= 4) {
        return acknowledge(talk, MQTT_PUBCOMP,
                           (uint16_t)(packet->bytes.at[2] << 8 | packet->bytes.at[3]));
    }
    return ENDED_WELL;
}

/* Waits for a packet of that type, of at least `len` bytes. */
static int await_type(struct talk *talk, enum mqtt_type type, size_t len, struct packet *packet,
                      const char *what)
{
    for (int result; (result = next_packet(talk, ANSWER_MS, packet)) != 0;) {
        if (result < 0)
            return ENDED_FAILED;
        if (packet->header.type == type && packet->bytes.len >= len)
            return ENDED_WELL;
        if (take(talk, packet) != ENDED_WELL)
            return ENDED_FAILED;
    }
    return say_failed("%s: no answer to %s", road_name(talk->road), what);
}

/* ---- the verbs ---- */

static void write_text(struct writer *w, const char *text)
{
    size_t len = strlen(text);
    writer_u16(w, (uint16_t)len);
    writer_bytes(w, slice_of(text, len));
}

static int enter(struct talk *talk)
{
    static const char *const refusals[] = {
        "",
        "it does not speak MQTT 3.1.1",
        "the client id is not accepted",
        "it is not available",
        "wrong user name or password",
        "not authorised",
    };
    const struct order *order = talk->order;
    struct packet packet;
    size_t size = 12 + strlen(order->client_id) + (order->user ? 2 + strlen(order->user) : 0) +
                  (order->password ? 2 + strlen(order->password) : 0);
    uint8_t *room = malloc(MQTT_HEADER_MAX + size);
    if (!room)
        return say_failed("out of memory");
    struct writer w = writer_of(room, MQTT_HEADER_MAX + size);
    writer_u8(&w, MQTT_CONNECT << 4);
    mqtt_write_varint(&w, (uint32_t)size);
    write_text(&w, "MQTT");
    writer_u8(&w, MQTT_3_1_1);
    writer_u8(&w, (uint8_t)(0x02 | (order->user ? 0x80 : 0) | (order->password ? 0x40 : 0)));
    writer_u16(&w, order->keep_alive_s);
    write_text(&w, order->client_id);
    if (order->user)
        write_text(&w, order->user);
    if (order->password)
        write_text(&w, order->password);
    int status = send_packet(talk, slice_of(room, writer_len(&w)));
    free(room);
    if (status == ENDED_WELL)
        status = await_type(talk, MQTT_CONNACK, 4, &packet, "CONNECT");
    if (status != ENDED_WELL || packet.bytes.at[3] == 0)
        return status;
    return say_failed("%s: the broker refuses: %s", road_name(talk->road),
                      packet.bytes.at[3] < sizeof(refusals) / sizeof(refusals[0])
                          ? refusals[packet.bytes.at[3]]
                          : "it does not say why");
}

static int complete(struct talk *talk)
{
    struct packet packet;
    if (talk->order->qos == 1)
        return await_type(talk, MQTT_PUBACK, 4, &packet, "PUBLISH");
    if (await_type(talk, MQTT_PUBREC, 4, &packet, "PUBLISH") != ENDED_WELL ||
        acknowledge(talk, MQTT_PUBREL, PACKET_ID) != ENDED_WELL)
        return ENDED_FAILED;
    return await_type(talk, MQTT_PUBCOMP, 4, &packet, "PUBREL");
}

static int publish(struct talk *talk, struct slice payload)
{
    const struct order *order = talk->order;
    struct mqtt_publish_head head = {
        .topic = slice_of_str(order->topics[0]),
        .packet_id = PACKET_ID,
        .qos = (uint8_t)order->qos,
        .retain = order->retain,
        .payload_len = (uint32_t)payload.len,
    };
    size_t head_size = mqtt_publish_head_size(MQTT_3_1_1, &head);
    uint8_t *room = head_size ? malloc(head_size + payload.len) : NULL;
    if (!room)
        return say_failed("the message is too large");
    struct writer w = writer_of(room, head_size + payload.len);
    mqtt_encode_publish_head(&w, MQTT_3_1_1, &head);
    writer_bytes(&w, payload);
    int status = send_packet(talk, slice_of(room, writer_len(&w)));
    free(room);
    return status == ENDED_WELL && order->qos ? complete(talk) : status;
}

static int subscribe_to(struct talk *talk, const char *filter)
{
    struct packet packet;
    uint32_t size = (uint32_t)(5 + strlen(filter));
    uint8_t *room = malloc(MQTT_HEADER_MAX + size);
    if (!room)
        return say_failed("out of memory");
    struct writer w = writer_of(room, MQTT_HEADER_MAX + size);
    writer_u8(&w, MQTT_SUBSCRIBE << 4 | 2);
    mqtt_write_varint(&w, size);
    writer_u16(&w, PACKET_ID);
    write_text(&w, filter);
    writer_u8(&w, (uint8_t)talk->order->qos);
    int status = send_packet(talk, slice_of(room, writer_len(&w)));
    free(room);
    if (status == ENDED_WELL)
        status = await_type(talk, MQTT_SUBACK, 5, &packet, "SUBSCRIBE");
    if (status == ENDED_WELL && packet.bytes.at[4] > 2)
        return say_failed("the broker refuses the subscription to %s", filter);
    return status;
}

static int subscribe(struct talk *talk)
{
    int status = ENDED_WELL;
    for (size_t i = 0; i < talk->order->topic_count && status == ENDED_WELL; i++)
        status = subscribe_to(talk, talk->order->topics[i]);
    return status;
}

static int listen_for(struct talk *talk, uint64_t wait_ms)
{
    static const uint8_t ping[] = {MQTT_PINGREQ << 4, 0};
    struct speech *speech = talk->state;
    struct packet packet;
    uint64_t keep_alive_ms = talk->order->keep_alive_s * UINT64_C(1000);
    if (keep_alive_ms && road_now_ms() - speech->spoke_ms >= keep_alive_ms &&
        send_packet(talk, slice_of(ping, sizeof(ping))) != ENDED_WELL)
        return ENDED_FAILED;
    for (uint64_t until = road_now_ms() + wait_ms, now; !talk_is_over(talk);) {
        now = road_now_ms();
        int result = next_packet(talk, now < until ? until - now : 0, &packet);
        if (result <= 0)
            return result < 0 ? ENDED_FAILED : ENDED_WELL;
        if (take(talk, &packet) != ENDED_WELL)
            return ENDED_FAILED;
    }
    return ENDED_WELL;
}

static void leave(struct talk *talk)
{
    static const uint8_t goodbye[] = {MQTT_DISCONNECT << 4, 0};
    struct speech *speech = talk->state;
    road_send(talk->road, slice_of(goodbye, sizeof(goodbye)));
    buffer_clear(&speech->bytes);
}

const struct dialect mqtt_dialect = {
    .name = "mqtt",
    .stream = true,
    .port = 1883,
    .secure_port = 8883,
    .most_qos = 2,
    .state_size = sizeof(struct speech),
    .enter = enter,
    .publish = publish,
    .subscribe = subscribe,
    .listen = listen_for,
    .leave = leave,
};
