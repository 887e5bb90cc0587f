/* speak_sn: siotctl as an MQTT-SN 1.2 client. */
#include "protocols/mqtt_sn/decode.h"
#include "protocols/mqtt_sn/encode.h"
#include "siotctl/dialect.h"
#include "siotctl/say.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* A topic id that stands for a name: told by SUBACK or by the gateway's REGISTER. */
struct told {
    struct told *next;
    uint16_t id;
    size_t len;
    uint8_t name[];
};

struct speech {
    struct told *told;
    uint64_t spoke_ms;
    uint16_t msg_id, topic_id; /* of what waits; told by its answer */
    uint8_t awaited;           /* enum sn_type */
};

/* As it is sent when it has not been answered (MQTT-SN 1.2 sections 5.3.4 and 6.13). */
static struct sn_packet repeated(const struct sn_packet *packet)
{
    struct sn_packet again = *packet;
    if (packet->type == SN_PUBLISH || packet->type == SN_SUBSCRIBE)
        again.flags |= SN_DUP;
    return again;
}

static int send_packet(struct talk *talk, const struct sn_packet *packet,
                       enum heard (*hear)(struct talk *, struct slice))
{
    struct speech *speech = talk->state;
    size_t size = sn_size(packet);
    struct sn_packet again = repeated(packet);
    uint8_t *room = size ? malloc(2 * size) : NULL;
    if (!room)
        return say_failed("the message is too large");
    struct writer w = writer_of(room, 2 * size);
    sn_encode(&w, packet);
    sn_encode(&w, &again);
    int error = 0, status = ENDED_WELL;
    if (hear)
        status = talk_ask(talk, slice_of(room, size), slice_of(room + size, size), hear,
                          sn_type_name(packet->type));
    else if ((error = road_send(talk->road, slice_of(room, size))) != 0)
        status = say_failed("%s: %s", road_name(talk->road), road_why(talk->road, error));
    speech->spoke_ms = road_now_ms();
    free(room);
    return status;
}

/* ---- names ---- */

static void remember(struct speech *speech, uint16_t id, struct slice name)
{
    struct told *told = malloc(sizeof(*told) + name.len);
    if (!told)
        return;
    *told = (struct told){.next = speech->told, .id = id, .len = name.len};
    memcpy(told->name, name.at, name.len);
    speech->told = told;
}

static struct slice name_of(const struct speech *speech, uint16_t id)
{
    for (const struct told *told = speech->told; told; told = told->next)
        if (told->id == id)
            return slice_of(told->name, told->len);
    return SLICE("?");
}

/* ---- hearing ---- */

static void answer(struct talk *talk, enum sn_type type, const struct sn_packet *to)
{
    send_packet(talk,
                &(struct sn_packet){.type = (uint8_t)type,
                                    .topic_id = to->topic_id,
                                    .msg_id = to->msg_id,
                                    .code = SN_ACCEPTED},
                NULL);
}

static void take_publish(struct talk *talk, const struct sn_packet *packet)
{
    uint8_t two[2] = {(uint8_t)(packet->topic_id >> 8), (uint8_t)packet->topic_id};
    struct slice name = sn_id_type(packet) == SN_ID_SHORT ? slice_of(two, 2)
                                                          : name_of(talk->state, packet->topic_id);
    talk_show(talk, name, packet->text);
    if (sn_qos(packet) == 1)
        answer(talk, SN_PUBACK, packet);
    if (sn_qos(packet) == 2)
        answer(talk, SN_PUBREC, packet);
}

/* Of an answer: whether it is a good one. */
static enum heard judge(struct talk *talk, const struct sn_packet *packet)
{
    struct speech *speech = talk->state;
    bool has_code = packet->type == SN_CONNACK || packet->type == SN_REGACK ||
                    packet->type == SN_PUBACK || packet->type == SN_SUBACK;
    if (packet->type != speech->awaited)
        return HEARD_OTHER;
    if (packet->type != SN_CONNACK && packet->type != SN_PINGRESP &&
        packet->msg_id != speech->msg_id)
        return HEARD_OTHER;
    if (has_code && packet->code != SN_ACCEPTED) {
        say_failed("%s: %s", road_name(talk->road), sn_code_name(packet->code));
        return HEARD_REFUSAL;
    }
    speech->topic_id = packet->topic_id;
    return HEARD_ANSWER;
}

static enum heard hear(struct talk *talk, struct slice datagram)
{
    const struct speech *speech = talk->state;
    struct sn_packet packet;
    if (sn_decode(datagram, &packet) != SN_GOOD)
        return HEARD_OTHER;
    switch (packet.type) {
    case SN_PUBLISH:
        take_publish(talk, &packet);
        return HEARD_OTHER;
    case SN_PUBREL:
        answer(talk, SN_PUBCOMP, &packet);
        return HEARD_OTHER;
    case SN_REGISTER:
        remember(talk->state, packet.topic_id, packet.text);
        answer(talk, SN_REGACK, &packet);
        return HEARD_OTHER;
    case SN_PUBACK: /* also the refusal of a QoS 2 message */
        if (speech->awaited == SN_PUBREC && packet.code != SN_ACCEPTED) {
            say_failed("%s: %s", road_name(talk->road), sn_code_name(packet.code));
            return HEARD_REFUSAL;
        }
        break;
    case SN_DISCONNECT:
        if (speech->awaited == SN_DISCONNECT)
            return HEARD_ANSWER;
        say_failed("%s: the broker has ended the session", road_name(talk->road));
        return HEARD_REFUSAL;
    default:
        break;
    }
    return judge(talk, &packet);
}

static int ask(struct talk *talk, struct sn_packet *packet, enum sn_type awaited)
{
    struct speech *speech = talk->state;
    if (packet->type != SN_PUBREL)
        speech->msg_id = speech->msg_id == UINT16_MAX ? 1 : (uint16_t)(speech->msg_id + 1);
    packet->msg_id = speech->msg_id;
    speech->awaited = (uint8_t)awaited;
    return send_packet(talk, packet, hear);
}

/* ---- the verbs ---- */

static int enter(struct talk *talk)
{
    struct speech *speech = talk->state;
    speech->awaited = SN_CONNACK;
    return send_packet(talk,
                       &(struct sn_packet){.type = SN_CONNECT,
                                           .flags = SN_CLEAN,
                                           .protocol_id = SN_PROTOCOL_ID,
                                           .duration_s = talk->order->keep_alive_s,
                                           .text = slice_of_str(talk->order->client_id)},
                       hear);
}

static int publish(struct talk *talk, struct slice payload)
{
    struct speech *speech = talk->state;
    const struct order *order = talk->order;
    struct sn_packet name = {.type = SN_REGISTER, .text = slice_of_str(order->topics[0])};
    uint8_t flags =
        (uint8_t)(order->qos << SN_QOS_SHIFT | (order->retain ? SN_RETAIN : 0) | SN_ID_NORMAL);
    if (ask(talk, &name, SN_REGACK) != ENDED_WELL)
        return ENDED_FAILED;
    struct sn_packet message = {
        .type = SN_PUBLISH, .flags = flags, .topic_id = speech->topic_id, .text = payload};
    if (order->qos == 0)
        return send_packet(talk, &message, NULL);
    int status = ask(talk, &message, order->qos == 1 ? SN_PUBACK : SN_PUBREC);
    if (order->qos == 1 || status != ENDED_WELL)
        return status;
    return ask(talk, &(struct sn_packet){.type = SN_PUBREL}, SN_PUBCOMP);
}

static int subscribe(struct talk *talk)
{
    struct speech *speech = talk->state;
    const struct order *order = talk->order;
    for (size_t i = 0; i < order->topic_count; i++) {
        struct slice filter = slice_of_str(order->topics[i]);
        struct sn_packet packet = {
            .type = SN_SUBSCRIBE, .flags = (uint8_t)(order->qos << SN_QOS_SHIFT), .text = filter};
        if (ask(talk, &packet, SN_SUBACK) != ENDED_WELL)
            return ENDED_FAILED;
        if (speech->topic_id) /* 0: a filter with wildcards (MQTT-SN 1.2 section 5.4.16) */
            remember(speech, speech->topic_id, filter);
    }
    return ENDED_WELL;
}

static int listen_for(struct talk *talk, uint64_t wait_ms)
{
    struct speech *speech = talk->state;
    uint64_t keep_alive_ms = talk->order->keep_alive_s * UINT64_C(1000);
    if (keep_alive_ms && road_now_ms() - speech->spoke_ms >= keep_alive_ms) {
        speech->awaited = SN_PINGRESP;
        int status = send_packet(talk, &(struct sn_packet){.type = SN_PINGREQ}, hear);
        if (status != ENDED_WELL || talk_is_over(talk))
            return status;
    }
    return talk_hear(talk, wait_ms, hear);
}

static void leave(struct talk *talk)
{
    struct speech *speech = talk->state;
    send_packet(talk, &(struct sn_packet){.type = SN_DISCONNECT, .empty = true}, NULL);
    while (speech->told) {
        struct told *told = speech->told;
        speech->told = told->next;
        free(told);
    }
}

const struct dialect sn_dialect = {
    .name = "mqtt-sn",
    .port = 1884,
    .secure_port = 8885,
    .most_qos = 2,
    .state_size = sizeof(struct speech),
    .enter = enter,
    .publish = publish,
    .subscribe = subscribe,
    .listen = listen_for,
    .leave = leave,
};
