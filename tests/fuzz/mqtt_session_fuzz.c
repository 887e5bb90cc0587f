/* mqtt_session_fuzz: four peers and the real core under whatever a fuzzer thinks of.
 *
 * The input is a row of deeds: one byte says which peer and what, then come its arguments. Peers
 * speak any bytes, and packets that are in order (so that deep states are near), vanish, stop to
 * read, and time passes. After each deed:
 *   - what was sent to a peer is whole packets that a server may send in its version, CONNACK
 * first, nothing behind a DISCONNECT;
 *   - as many clients are counted as connections have a session;
 *   - a connection with a session is not closed.
 * At the end nothing may be left (leak detection). Limits are small, so that they are met. */
#include "base/hash.h"
#include "protocols/mqtt/connection.h"
#include "protocols/mqtt/mqtt.h"
#include "tests/unit/protocols/fake_peer.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { PEERS = 4 };

enum deed { SAY, SAY_CONNECT, SAY_SUBSCRIBE, SAY_PUBLISH, SAY_ACK, VANISH, CLOG, WAIT };

struct seat {
    struct peer *peer;
    bool welcomed; /* CONNACK was seen */
    bool farewell; /* DISCONNECT was seen */
    uint8_t version;
};

struct play {
    struct world world;
    struct mqtt_options options;
    struct seat seats[PEERS];
};

static const struct mqtt_options options = {
    .max_qos = 2,
    .retain = true,
    .keep_alive_max = 30000,
    .session_expiry_max = 20000,
    .connect_timeout = 3000,
    .connect_packet_size = 512,
    .packet_timeout = 3000,
    .topic_alias_max = 4,
    .topic_alias_out_max = 4,
    .properties = 8,
    .property_bytes = 256,
    .wildcard_subscriptions = true,
    .shared_subscriptions = true,
    .subscription_identifiers = true,
};

static void start(struct play *play)
{
    play->options = options;
    world_init(&play->world, &mqtt_protocol, &play->options);
    struct broker_limits *limits = &play->world.limits;
    limits->packet_size = 8192;
    limits->inflight = 4;
    limits->unreleased = 6;
    limits->queued_messages = 4;
    limits->queued_bytes = 4096;
    limits->subscriptions = 8;
    limits->topic_levels = 8;
    limits->topic_length = 128;
    limits->sessions = 6;
    limits->retained_messages = 4;
    limits->retained_bytes = 4096;
    limits->retained_per_turn = 2;
    limits->wills_per_second = 2;
}

static void sit(struct play *play, struct seat *seat)
{
    if (seat->peer)
        peer_drop(seat->peer);
    *seat = (struct seat){.peer = peer_arrive(&play->world)};
}

/* ---- what must hold ---- */

static void check_packet(struct seat *seat, const struct mqtt_header *header)
{
    enum mqtt_version version = (enum mqtt_version)seat->version;
    if (seat->farewell || !mqtt_server_may_send((enum mqtt_type)header->type, version))
        abort();
    if (!seat->welcomed && header->type != MQTT_CONNACK)
        abort();
    if (seat->welcomed && header->type == MQTT_CONNACK)
        abort();
    seat->welcomed = true;
    seat->farewell = header->type == MQTT_DISCONNECT;
}

static void check_sent(struct seat *seat)
{
    struct peer *peer = seat->peer;
    const struct mqtt_connection *c = peer->state;
    if (c->version)
        seat->version = c->version;
    struct slice rest = buffer_slice(&peer->sent);
    while (rest.len) {
        struct mqtt_header header;
        struct mqtt_fault fault;
        if (mqtt_decode_header(rest, MQTT_5, &header, &fault) != MQTT_HEADER_KNOWN)
            abort();
        size_t whole = mqtt_packet_size(&header);
        if (whole > rest.len || (c->maximum_packet_size && whole > c->maximum_packet_size))
            abort();
        check_packet(seat, &header);
        rest = slice_from(rest, whole);
    }
    buffer_consume(&peer->sent, peer->sent.len);
}

static void check(struct play *play)
{
    size_t clients = 0;
    for (int i = 0; i < PEERS; i++) {
        struct seat *seat = &play->seats[i];
        const struct mqtt_connection *c = seat->peer->state;
        check_sent(seat);
        if (c->session && seat->peer->closed)
            abort();
        clients += c->session != NULL;
    }
    if (broker_stats(play->world.broker)->clients_connected != clients)
        abort();
}

/* ---- deeds ---- */

static uint8_t take(struct slice *input)
{
    if (input->len == 0)
        return 0;
    uint8_t byte = input->at[0];
    *input = slice_from(*input, 1);
    return byte;
}

static void say(struct seat *seat, struct writer *w)
{
    if (!w->overflow)
        peer_say(seat->peer, slice_of(w->start, writer_len(w)));
}

/* A packet around what `w` holds behind its first two bytes. */
static void say_packet(struct seat *seat, struct writer *w, uint8_t first)
{
    w->start[0] = first;
    w->start[1] = (uint8_t)(writer_len(w) - 2);
    say(seat, w);
}

static void say_connect(struct seat *seat, uint8_t how)
{
    uint8_t bytes[64];
    struct writer w = writer_of(bytes, sizeof bytes);
    unsigned version = 3 + how % 3;
    bool clean = how & 4, will = how & 8;
    writer_u16(&w, 0);
    writer_u16(&w, version == 3 ? 6 : 4);
    writer_bytes(&w, version == 3 ? SLICE("MQIsdp") : SLICE("MQTT"));
    writer_u8(&w, (uint8_t)version);
    writer_u8(&w, (uint8_t)((clean ? 2 : 0) | (will ? 4 | 8 : 0)));
    writer_u16(&w, how & 16 ? 2 : 0);
    if (version == 5) {
        static const uint8_t properties[] = {13,   0x11, 0, 0,    0, 5, /* session expiry 5 s */
                                             0x22, 0,    2, 0x27, 0, 0,
                                             1,    0}; /* aliases, 256 bytes */
        writer_bytes(&w, slice_of(properties, sizeof properties));
    }
    writer_u16(&w, 1);
    writer_u8(&w, (uint8_t)('a' + (how >> 5) % 3));
    if (will) {
        if (version == 5)
            writer_bytes(&w, SLICE("\5\x18\0\0\0\2"));
        writer_bytes(&w, SLICE("\0\3t/w\0\4gone"));
    }
    say_packet(seat, &w, 0x10);
}

static const struct slice *filter_of(uint8_t how)
{
    static const struct slice filters[] = {
        {(const uint8_t *)"t/#", 3},           {(const uint8_t *)"#", 1},
        {(const uint8_t *)"t/+", 3},           {(const uint8_t *)"t/sensor", 8},
        {(const uint8_t *)"$share/g/t/#", 12}, {(const uint8_t *)"$share/h/#", 10},
        {(const uint8_t *)"$SYS/#", 6},        {(const uint8_t *)"t/w", 3},
    };
    return &filters[how % 8];
}

static void say_subscribe(struct seat *seat, uint8_t how)
{
    uint8_t bytes[64];
    struct writer w = writer_of(bytes, sizeof bytes);
    const struct slice *filter = filter_of(how >> 2);
    bool five = seat->version == MQTT_5, unsubscribe = (how & 3) == 3;
    writer_u16(&w, 0);
    writer_u16(&w, 9);
    if (five)
        writer_bytes(&w, unsubscribe || how & 0x40 ? SLICE("\0") : SLICE("\2\x0b\7"));
    writer_u16(&w, (uint16_t)filter->len);
    writer_bytes(&w, *filter);
    if (!unsubscribe)
        writer_u8(&w, (uint8_t)((how & 3) | (five && how & 0x80 ? 0x08 : 0)));
    say_packet(seat, &w, unsubscribe ? 0xa2 : 0x82);
}

static void say_publish(struct seat *seat, uint8_t how, uint8_t id)
{
    static const struct slice topics[] = {
        {(const uint8_t *)"t/sensor", 8}, {(const uint8_t *)"t", 1}, {(const uint8_t *)"t/w", 3}};
    uint8_t bytes[2400];
    struct writer w = writer_of(bytes, sizeof bytes);
    unsigned qos = how % 3, retain = how >> 2 & 1;
    bool five = seat->version == MQTT_5, alias = five && how & 8, large = how & 0x80;
    struct slice topic = topics[(how >> 4) % 3];
    size_t body = 2 + topic.len + (qos ? 2 : 0) + (five ? 1 : 0) + (alias ? 3 : 0) +
                  (large ? 2100u : id % 8u);
    writer_u8(&w, (uint8_t)(0x30 | qos << 1 | retain));
    mqtt_write_varint(&w, (uint32_t)body);
    writer_u16(&w, (uint16_t)topic.len);
    writer_bytes(&w, topic);
    if (qos)
        writer_u16(&w, (uint16_t)(id + 1));
    if (five)
        writer_u8(&w, alias ? 3 : 0);
    if (alias)
        writer_bytes(&w, SLICE("\x23\0\1"));
    for (size_t i = large ? 2100u : id % 8u; i > 0; i--)
        writer_u8(&w, 'x');
    say(seat, &w);
}

static void say_ack(struct seat *seat, uint8_t how)
{
    static const uint8_t first[] = {0x40, 0x50, 0x62, 0x70};
    uint8_t bytes[8];
    struct writer w = writer_of(bytes, sizeof bytes);
    writer_u16(&w, 0);
    writer_u16(&w, (uint16_t)(1 + (how >> 2) % 16));
    say_packet(seat, &w, first[how & 3]);
}

static void act(struct play *play, struct slice *input)
{
    uint8_t what = take(input);
    struct seat *seat = &play->seats[what % PEERS];
    if (seat->peer->closed)
        sit(play, seat);
    switch ((enum deed)(what / PEERS % 8)) {
    case SAY: {
        size_t len = take(input);
        struct slice bytes = slice_of(input->at, len < input->len ? len : input->len);
        *input = slice_from(*input, bytes.len);
        if (bytes.len)
            peer_say(seat->peer, bytes);
        break;
    }
    case SAY_CONNECT:
        say_connect(seat, take(input));
        break;
    case SAY_SUBSCRIBE:
        say_subscribe(seat, take(input));
        break;
    case SAY_PUBLISH: {
        uint8_t how = take(input);
        say_publish(seat, how, take(input));
        break;
    }
    case SAY_ACK:
        say_ack(seat, take(input));
        break;
    case VANISH:
        peer_vanish(seat->peer);
        break;
    case CLOG:
        if (seat->peer->full)
            peer_drain(seat->peer);
        else
            seat->peer->full = true;
        break;
    case WAIT:
        world_wait(&play->world, 100u * (what / 32u + 1u));
        break;
    }
    world_turn(&play->world);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct play play = {0};
    struct slice input = slice_of(data, size);
    hash_start(1);
    start(&play);
    for (int i = 0; i < PEERS; i++)
        sit(&play, &play.seats[i]);
    for (int deeds = 0; input.len && deeds < 400; deeds++) {
        act(&play, &input);
        check(&play);
    }
    world_clear(&play.world);
    return 0;
}
