/* sn_stage: see sn_stage.h. */
#include "sn_stage.h"

#include "base/hash.h"
#include "protocols/mqtt_sn/clients.h"
#include "protocols/mqtt_sn/decode.h"
#include "protocols/mqtt_sn/encode.h"
#include "protocols/mqtt_sn/traffic.h"

#include <stdio.h>
#include <stdlib.h>

int sn_setup(void **state)
{
    struct sn_stage *stage = calloc(1, sizeof *stage);
    if (!stage)
        return -1;
    hash_start(42);
    sn_doubt_nobody();
    stage->options = (struct sn_options){
        .predefined = stage->predefined,
        .advertise = OPTION_UNLIMITED,
        .gateway_id = 1,
        .retry = 10000,
        .retries = 4,
        .tolerance = 150,
        .keep_alive_max = UINT64_C(65535) * 1000,
        .session_expiry = UINT64_C(7) * 24 * 3600 * 1000,
        .topics = 256,
        .pending = 16,
        .nodes = 64,
    };
    snprintf(stage->predefined, sizeof stage->predefined, "* 1 known/one,dev 1 known/dev");
    air_init(&stage->air, &mqtt_sn_protocol, &stage->options);
    stage->sensor = identity_new(SLICE("sensor-7"), false);
    *state = stage;
    return 0;
}

int sn_teardown(void **state)
{
    struct sn_stage *stage = *state;
    air_clear(&stage->air);
    identity_unref(stage->sensor);
    free(stage);
    return 0;
}

enum { SN_LONGEST = 8192 }; /* bytes of a message here */

/* ---- saying ---- */

void sn_says_bytes(struct device *device, const char *bytes, size_t len)
{
    device_say(device, slice_of(bytes, len));
}

static size_t write(uint8_t to[SN_LONGEST], const char *node, const struct sn_packet *packet)
{
    struct writer w = writer_of(to, SN_LONGEST);
    if (node)
        sn_encode_wrap(&w, slice_of_str(node));
    sn_encode(&w, packet);
    assert_false(w.overflow);
    return writer_len(&w);
}

void sn_says(struct device *device, struct sn_packet packet)
{
    sn_node_says(device, NULL, packet);
}

void sn_node_says(struct device *device, const char *node, struct sn_packet packet)
{
    uint8_t bytes[SN_LONGEST];
    device_say(device, slice_of(bytes, write(bytes, node, &packet)));
}

/* ---- hearing ---- */

static void print(const char *what, struct slice bytes)
{
    fprintf(stderr, "  %s (%zu):", what, bytes.len);
    for (size_t i = 0; i < bytes.len && i < 100; i++)
        fprintf(stderr, bytes.at[i] > 0x20 && bytes.at[i] < 0x7f ? " %02x'%c'" : " %02x",
                bytes.at[i], bytes.at[i]);
    fprintf(stderr, "\n");
}

void sn_hears_at(struct device *device, const char *node, struct sn_packet packet, const char *file,
                 int line)
{
    uint8_t bytes[SN_LONGEST];
    struct slice want = slice_of(bytes, write(bytes, node, &packet)), got = device_hear(device);
    if (slice_equal(want, got))
        return;
    print("expected", want);
    print("sent", got);
    _fail(file, line);
}

void sn_hears_nothing_at(struct device *device, const char *file, int line)
{
    struct slice got = device_hear(device);
    if (!got.at)
        return;
    print("sent", got);
    _fail(file, line);
}

struct sn_packet sn_next(struct device *device)
{
    struct sn_packet packet = {.type = SN_TYPES};
    struct sn_frame frame;
    struct slice got = device_hear(device);
    if (!got.at)
        return packet;
    assert_int_equal(sn_unwrap(got, &frame), SN_GOOD);
    assert_int_equal(sn_decode(frame.message, &packet), SN_GOOD);
    return packet;
}

/* ---- clients ---- */

void sn_connects(struct device *device, const char *id, uint8_t flags)
{
    sn_says(device, M(SN_CONNECT, .flags = flags, .protocol_id = 1, .duration_s = 60,
                      .text = slice_of_str(id)));
}

struct device *sn_client(struct sn_stage *stage, const char *id, uint8_t flags, bool proven)
{
    struct device *device = device_new(&stage->air, proven ? stage->sensor : NULL);
    sn_connects(device, id, flags);
    sn_hears(device, M(SN_CONNACK));
    return device;
}

uint16_t sn_subscribes(struct device *device, const char *filter, unsigned qos)
{
    sn_says(device, M(SN_SUBSCRIBE, .flags = (uint8_t)QOS(qos), .msg_id = 77,
                      .text = slice_of_str(filter)));
    struct sn_packet suback = sn_next(device);
    assert_int_equal(suback.type, SN_SUBACK);
    assert_int_equal(suback.code, SN_ACCEPTED);
    assert_int_equal(suback.msg_id, 77);
    assert_int_equal(suback.flags, QOS(qos));
    return suback.topic_id;
}

uint16_t sn_registers(struct device *device, const char *topic)
{
    sn_says(device, M(SN_REGISTER, .msg_id = 78, .text = slice_of_str(topic)));
    struct sn_packet regack = sn_next(device);
    assert_int_equal(regack.type, SN_REGACK);
    assert_int_equal(regack.code, SN_ACCEPTED);
    assert_int_equal(regack.msg_id, 78);
    return regack.topic_id;
}

void sn_published(struct sn_stage *stage, const char *topic, const char *payload, uint8_t qos)
{
    struct message message = {
        .topic = (const uint8_t *)topic,
        .topic_len = (uint16_t)strlen(topic),
        .payload = (const uint8_t *)payload,
        .payload_len = (uint32_t)strlen(payload),
        .qos = qos,
    };
    broker_publish_own(stage->air.broker, &message);
    message_end(&message);
    air_turn(&stage->air);
}

struct sn_connection *sn_of(const char *id)
{
    return sn_clients_find(slice_of_str(id));
}

static void no_mistake(void *to, unsigned line, unsigned column, const char *why)
{
    (void)to;
    fail_msg("%u:%u: %s", line, column, why);
}

void sn_rules(struct sn_stage *stage, const char *rules)
{
    struct access *access = access_new();
    assert_non_null(access);
    access->governs = true;
    assert_int_equal(acl_read_mosquitto(access->acl, "acl", slice_of_str(rules), no_mistake, NULL),
                     0);
    assert_true(acl_seal(access->acl));
    broker_set_access(stage->air.broker, access);
    access_unref(access);
}
