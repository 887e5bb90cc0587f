/* mqtt_stage: see mqtt_stage.h. */
#include "mqtt_stage.h"

#include "base/hash.h"

#include <stdio.h>
#include <stdlib.h>

static void set_options(struct mqtt_options *options)
{
    *options = (struct mqtt_options){
        .max_qos = 2,
        .retain = true,
        .keep_alive_max = 3600 * 1000,
        .session_expiry_max = UINT64_C(7) * 24 * 3600 * 1000,
        .connect_timeout = 10000,
        .connect_packet_size = 16 * 1024,
        .packet_timeout = 10000,
        .topic_alias_max = 16,
        .topic_alias_out_max = 16,
        .properties = 64,
        .property_bytes = 8192,
        .wildcard_subscriptions = true,
        .shared_subscriptions = true,
        .subscription_identifiers = true,
    };
}

int stage_setup(void **state)
{
    struct stage *stage = calloc(1, sizeof *stage);
    if (!stage)
        return -1;
    hash_start(42);
    set_options(&stage->options);
    world_init(&stage->world, &mqtt_protocol, &stage->options);
    *state = stage;
    return 0;
}

int stage_teardown(void **state)
{
    struct stage *stage = *state;
    world_clear(&stage->world);
    free(stage);
    return 0;
}

void says(struct peer *peer, const char *notation)
{
    struct buffer bytes = mqtt_bytes(notation);
    peer_say(peer, buffer_slice(&bytes));
    buffer_clear(&bytes);
}

static void print_hex(const char *what, struct slice bytes)
{
    fprintf(stderr, "  %s (%zu):", what, bytes.len);
    for (size_t i = 0; i < bytes.len && i < 200; i++)
        fprintf(stderr, bytes.at[i] > 0x20 && bytes.at[i] < 0x7f ? " %02x'%c'" : " %02x",
                bytes.at[i], bytes.at[i]);
    fprintf(stderr, "\n");
}

void hears_at(struct peer *peer, const char *notation, const char *file, int line)
{
    struct buffer expected = mqtt_bytes(notation);
    struct slice want = buffer_slice(&expected), have = buffer_slice(&peer->sent);
    bool equal = slice_equal(want, have);
    if (!equal) {
        print_hex("expected", want);
        print_hex("sent", have);
        if (peer->closing)
            fprintf(stderr, "  and the peer is closed: %s\n", peer->why);
    }
    buffer_clear(&expected);
    ignore(peer);
    if (!equal)
        _fail(file, line);
}

void is_closed_at(struct peer *peer, const char *file, int line)
{
    hears_at(peer, "", file, line);
    if (!peer->closed) {
        fprintf(stderr, "  the peer is not closed\n");
        _fail(file, line);
    }
}

void ignore(struct peer *peer)
{
    buffer_consume(&peer->sent, peer->sent.len);
}

struct peer *stage_any(struct stage *stage, const char *packet)
{
    struct peer *peer = peer_arrive(&stage->world);
    says(peer, packet);
    return peer;
}

struct peer *stage_v3(struct stage *stage, const char *id)
{
    char packet[512];
    snprintf(packet, sizeof packet, "10 [ s'MQTT' 04 02 003c s'%s' ]", id);
    struct peer *peer = stage_any(stage, packet);
    hears(peer, "20 02 00 00");
    return peer;
}

struct peer *stage_v3_kept(struct stage *stage, const char *id, bool present)
{
    char packet[512];
    snprintf(packet, sizeof packet, "10 [ s'MQTT' 04 00 003c s'%s' ]", id);
    struct peer *peer = stage_any(stage, packet);
    assert_true(peer->sent.len >= 4);
    assert_memory_equal(peer->sent.at, present ? "\x20\x02\x01\x00" : "\x20\x02\x00\x00", 4);
    buffer_consume(&peer->sent, 4); /* what waited for the session may follow */
    return peer;
}

struct peer *stage_v5(struct stage *stage, const char *id)
{
    return stage_v5_with(stage, id, "");
}

struct peer *stage_v5_with(struct stage *stage, const char *id, const char *properties)
{
    char packet[1024];
    snprintf(packet, sizeof packet, "10 [ s'MQTT' 05 02 003c [ %s ] s'%s' ]", properties, id);
    struct peer *peer = stage_any(stage, packet);
    /* Receive Maximum 32, Maximum Packet Size 1 MiB, Topic Alias Maximum 16 */
    hears(peer, "20 [ 00 00 [ 21 0020 22 0010 27 00100000 ] ]");
    return peer;
}
