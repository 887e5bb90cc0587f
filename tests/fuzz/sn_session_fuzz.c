/* sn_session_fuzz: MQTT-SN devices and the real core under whatever a fuzzer thinks of.
 *
 * The input is a row of deeds: a byte says which device and what, a byte how long, then come the
 * bytes of a datagram. Two devices are on udp, two have a proven identity, one of those is a
 * forwarder's. Devices say any bytes, answer what they got as a client should, vanish, and time
 * passes. After each deed:
 *   - whatever siotd has sent is one good message that fits a datagram;
 *   - nobody unproven was sent more than three times what he sent;
 *   - every connected client has a peer.
 * At the end nothing may be left (leak detection). */
#include "base/hash.h"
#include "protocols/mqtt_sn/decode.h"
#include "protocols/mqtt_sn/encode.h"
#include "protocols/mqtt_sn/mqtt_sn.h"
#include "protocols/mqtt_sn/options.h"
#include "tests/unit/protocols/fake_datagram.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

enum { DEVICES = 4, DEEDS = 4, DEEDS_MAX = 300 };
enum deed { SAY, ANSWER, VANISH, WAIT };

static char predefined[] = "* 1 a/b,dev 2 c";
static const struct sn_options options = {
    .predefined = predefined,
    .qos_minus_1 = true,
    .search_gateway = true,
    .advertise = 30000,
    .gateway_id = 1,
    .retry = 1000,
    .retries = 2,
    .tolerance = 150,
    .keep_alive_max = 100000,
    .session_expiry = 90000,
    .topics = 8,
    .pending = 3,
    .nodes = 3,
    .rebind = true,
};

static void demand(bool held)
{
    if (!held)
        abort();
}

/* Says what a good client would to that message, through the same forwarder. */
static void answer(struct device *device, const struct sn_frame *frame, const struct sn_packet *got)
{
    struct sn_packet packet = {.msg_id = got->msg_id, .topic_id = got->topic_id};
    uint8_t bytes[512];
    struct writer w = writer_of(bytes, sizeof bytes);
    switch (got->type) {
    case SN_REGISTER:
        packet.type = SN_REGACK;
        break;
    case SN_PUBLISH:
        packet.type = sn_qos(got) == 2 ? SN_PUBREC : SN_PUBACK;
        break;
    case SN_PUBREL:
        packet.type = SN_PUBCOMP;
        break;
    default:
        return;
    }
    if (frame->encapsulated)
        sn_encode_wrap(&w, frame->node);
    sn_encode(&w, &packet);
    demand(!w.overflow);
    device_say(device, slice_of(bytes, writer_len(&w)));
}

/* Looks at all that the device got. */
static void look(struct device *device, bool answers)
{
    struct slice got;
    struct sn_frame frame;
    struct sn_packet packet;
    for (int i = 0; i < 100 && (got = device_hear(device)).at; i++) {
        demand(got.len <= AIR_MTU && sn_unwrap(got, &frame) == SN_GOOD);
        demand(sn_decode(frame.message, &packet) == SN_GOOD);
        if (answers)
            answer(device, &frame, &packet);
    }
    demand(device->identity || device->verified || device->sent <= 3 * device->received);
}

static void act(struct air *air, struct device *device, enum deed deed, struct slice argument)
{
    switch (deed) {
    case SAY:
        device_say(device, argument);
        break;
    case ANSWER:
        look(device, true);
        break;
    case VANISH:
        device_lose(device, "vanished");
        break;
    case WAIT:
        air_wait(air, argument.len * 400);
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static struct identity *sensor;
    static struct air air;
    struct device *devices[DEVICES];
    struct slice input = slice_of(bytes, size);
    hash_start(1);
    if (!sensor)
        sensor = identity_new(SLICE("dev"), false);
    air_init(&air, &mqtt_sn_protocol, &options);
    air.limits.queued_messages = 4;
    air.limits.queue_qos0_offline = true;
    for (int i = 0; i < DEVICES; i++)
        devices[i] = device_new(&air, i < 2 ? NULL : sensor);
    for (int deeds = 0; input.len >= 2 && deeds < DEEDS_MAX; deeds++) {
        struct device *device = devices[input.at[0] / DEEDS % DEVICES];
        enum deed deed = (enum deed)(input.at[0] % DEEDS);
        size_t len = input.at[1];
        input = slice_from(input, 2);
        struct slice argument = slice_of(input.at, len < input.len ? len : input.len);
        act(&air, device, deed, argument);
        input = slice_from(input, argument.len);
        for (int i = 0; i < DEVICES; i++)
            look(devices[i], false);
        demand(broker_stats(air.broker)->clients_connected <= air.peers * options.nodes);
    }
    air_clear(&air);
    return 0;
}
