/* coap_session_fuzz: four endpoints and the real core under whatever a fuzzer thinks of.
 *
 * The input is a row of deeds: a byte says which endpoint and what, a byte how long, then come the
 * bytes of a datagram, or the arguments of a request in good order (so that deep states are near).
 * Two endpoints are on udp, one has a proven identity, one is trusted with its address. They say
 * any bytes, observe, publish, send blocks, create topics, acknowledge or reset what they got,
 * vanish; messages come from elsewhere; time passes. After each deed:
 *   - what siotd has sent is a message that a server sends, and fits a datagram;
 *   - nobody unproven was sent more than three times what he sent, nor was more tried;
 *   - as many clients are connected as peers hold a session.
 * At the end nothing may be left (leak detection). Limits are small, so that they are met. */
#include "base/cursor.h"
#include "base/hash.h"
#include "protocols/coap/coap.h"
#include "protocols/coap/encode.h"
#include "protocols/coap/home.h"
#include "tests/unit/protocols/fake_datagram.h"

#include "protocols/coap/decode.h"
#include "protocols/coap/options.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

enum { DEVICES = 4, DEEDS = 8, ROOM = 2048 };
enum deed { SAY, OBSERVE, PUBLISH, BLOCK, TOPIC, ANSWER, ELSEWHERE, TIME };

static const struct coap_options options = {
    .echo = true,
    .notify = COAP_NOTIFY_QOS,
    .block_size = 64,
    .observations = 3,
    .observer_check = 20000,
    .exchanges = 256,
    .uploads = 2,
    .upload_bytes = 1024,
    .topics = 3,
    .publish_rate = 100,
    .retry_after = 1000,
};

struct play {
    struct air air;
    struct device *devices[DEVICES];
    uint16_t last_id[DEVICES]; /* of what siotd has asked to be acknowledged */
    uint64_t topic;            /* the id of some topic that was created */
    uint16_t next_id;
};

static void demand(bool held)
{
    if (!held)
        abort();
}

/* ---- what siotd says ---- */

static void check_message(struct play *play, unsigned who, struct slice got)
{
    struct coap_message m;
    struct coap_option option;
    demand(got.len <= AIR_MTU && coap_decode(got, &m) == COAP_WHOLE);
    demand(m.code == COAP_EMPTY ? m.type == COAP_ACK || m.type == COAP_RST : m.type != COAP_RST);
    demand(m.code == COAP_EMPTY || coap_class(m.code) >= 2);
    if (m.type == COAP_CON || m.type == COAP_NON)
        play->last_id[who] = m.id;
    struct coap_option_walk walk = coap_walk_of(m.options);
    while (coap_next_option(&walk, &option))
        if (option.number == COAP_LOCATION_PATH && option.value.len == COAP_ID_LEN) {
            const struct coap_topic *topic =
                coap_topics_named(&coap_home_of(play->air.broker)->topics, option.value);
            play->topic = topic ? topic->id : 0;
        }
}

static void check(struct play *play)
{
    size_t sessions = 0;
    for (unsigned i = 0; i < DEVICES; i++) {
        struct device *device = play->devices[i];
        struct slice got;
        while ((got = device_hear(device)).at)
            check_message(play, i, got);
        demand(device->refused == 0);
        sessions += device->peer != NULL;
    }
    demand(broker_stats(play->air.broker)->clients_connected <= sessions);
    const struct coap_home *home = coap_home_of(play->air.broker);
    demand(home->uploads.count <= 3 && home->uploads.bytes <= options.upload_bytes + 1024);
    demand(home->topics.by_id.count <= options.topics);
    demand(home->exchanges.count <= options.exchanges);
}

/* ---- what endpoints say ---- */

static const char *path_of(uint8_t how)
{
    static const char *const paths[] = {"a", "b", "big", "t1", "t2", "a", "$SYS", "x"};
    return paths[how % 8];
}

/* The level of the topic that was created last, where one was. */
static void write_level(const struct play *play, struct writer *w, uint32_t *last)
{
    uint8_t level[COAP_ID_LEN];
    coap_topic_level(play->topic, level);
    coap_write_option(w, last, COAP_URI_PATH, slice_of(level, sizeof level));
}

static void begin(struct play *play, struct writer *w, uint8_t code, uint8_t how)
{
    static const uint8_t token[] = {1, 2, 3};
    coap_write_head(w, how & 0x80 ? COAP_NON : COAP_CON, code,
                    how & 0x40 ? play->next_id : ++play->next_id, slice_of(token, how % 4));
}

static void send(struct play *play, unsigned who, const struct writer *w)
{
    if (!w->overflow)
        device_say(play->devices[who], slice_of(w->start, writer_len(w)));
}

static void observe(struct play *play, unsigned who, uint8_t how, uint8_t what)
{
    uint8_t bytes[ROOM];
    struct writer w = writer_of(bytes, sizeof bytes);
    uint32_t last = 0;
    begin(play, &w, COAP_GET, how);
    if (what & 0x80)
        coap_write_uint(&w, &last, COAP_OBSERVE, what >> 6 & 1);
    coap_write_option(&w, &last, COAP_URI_PATH, SLICE("ps"));
    if (what & 0x20 && play->topic) {
        coap_write_option(&w, &last, COAP_URI_PATH, SLICE("data"));
        write_level(play, &w, &last);
    } else {
        coap_write_option(&w, &last, COAP_URI_PATH, slice_of_str(path_of(what)));
    }
    if (what & 0x10)
        coap_write_block(&w, &last, COAP_BLOCK2, (struct coap_block){what & 3, false, what & 3});
    send(play, who, &w);
}

static void publish(struct play *play, unsigned who, uint8_t how, uint8_t what)
{
    static const uint8_t codes[] = {COAP_PUT, COAP_POST, COAP_DELETE, COAP_PUT};
    uint8_t bytes[ROOM];
    struct writer w = writer_of(bytes, sizeof bytes);
    uint32_t last = 0;
    begin(play, &w, codes[what >> 3 & 3], how);
    coap_write_option(&w, &last, COAP_URI_PATH, SLICE("ps"));
    coap_write_option(&w, &last, COAP_URI_PATH, slice_of_str(path_of(what)));
    if (what & 0x20)
        coap_write_uint(&w, &last, COAP_CONTENT_FORMAT, what & 0x40 ? 50 : 60);
    if (what & 0x80)
        coap_write_uint(&w, &last, COAP_MAX_AGE, 3);
    coap_write_payload(&w, slice_of("0123456789012345678901234567890123456789", what & 31));
    send(play, who, &w);
}

static void send_block(struct play *play, unsigned who, uint8_t how, uint8_t what)
{
    static const uint8_t body[256];
    uint8_t bytes[ROOM];
    struct writer w = writer_of(bytes, sizeof bytes);
    uint32_t last = 0;
    struct coap_block block = {what & 7, what >> 3 & 1, what >> 4 & 3};
    begin(play, &w, COAP_PUT, how);
    coap_write_option(&w, &last, COAP_URI_PATH, SLICE("ps"));
    coap_write_option(&w, &last, COAP_URI_PATH, SLICE("big"));
    coap_write_block(&w, &last, COAP_BLOCK1, block);
    if (what & 0x40)
        coap_write_option(&w, &last, COAP_REQUEST_TAG, SLICE("t"));
    coap_write_payload(&w, slice_of(body, what & 0x80 ? 7 : coap_block_size(block)));
    send(play, who, &w);
}

/* Creates a topic, or does something to the one that was created last. */
static void topic(struct play *play, unsigned who, uint8_t how, uint8_t what)
{
    static const uint8_t codes[] = {COAP_GET, COAP_POST, COAP_IPATCH, COAP_DELETE, COAP_FETCH};
    uint8_t bytes[ROOM], cbor[256];
    struct writer w = writer_of(bytes, sizeof bytes), c = writer_of(cbor, sizeof cbor);
    uint32_t last = 0;
    bool creates = what % 2 || !play->topic;
    struct coap_properties p = {
        .given = creates ? 1 << COAP_TOPIC_NAME | 1 << COAP_RESOURCE_TYPE : 0,
        .name = slice_of_str(path_of(what >> 1)),
        .resource_type = SLICE("core.ps.data"),
        .max_subscribers = what & 1,
        .observer_check_s = 5,
        .expires_s = (uint64_t)play->air.wall_ms / 1000 + 10,
        .format = 50,
        .initialize = SLICE("{}"),
    };
    p.given |= (uint16_t)((what >> 4 & 15) << COAP_EXPIRATION);
    if (what & 0x80)
        p.given |= 1 << COAP_TOPIC_FORMAT;
    begin(play, &w, creates ? COAP_POST : codes[(what >> 1) % 5], how);
    coap_write_option(&w, &last, COAP_URI_PATH, SLICE("ps"));
    if (!creates)
        write_level(play, &w, &last);
    coap_write_properties(&c, &p, UINT16_MAX);
    coap_write_payload(&w, slice_of(cbor, writer_len(&c)));
    send(play, who, &w);
}

static void answer(struct play *play, unsigned who, uint8_t how)
{
    uint8_t bytes[4];
    struct writer w = writer_of(bytes, sizeof bytes);
    if (how % 8 == 7) {
        device_lose(play->devices[who], "vanished");
        return;
    }
    coap_write_head(&w, how & 1 ? COAP_RST : COAP_ACK, COAP_EMPTY,
                    (uint16_t)(play->last_id[who] + (how % 8 == 6)), SLICE_EMPTY);
    send(play, who, &w);
}

static void elsewhere(struct play *play, uint8_t how)
{
    static const uint8_t payload[200];
    const char *name = path_of(how);
    struct message m = {.topic = (const uint8_t *)name,
                        .topic_len = (uint16_t)strlen(name),
                        .payload = payload,
                        .payload_len = how & 0x08 ? how & 0x10 ? 200 : 3 : 0,
                        .qos = how >> 5 & 1,
                        .retain = how >> 6 & 1};
    broker_publish_own(play->air.broker, &m);
    message_end(&m);
    air_turn(&play->air);
}

static void act(struct play *play, struct cursor *input)
{
    uint8_t what = cursor_u8(input), how = cursor_u8(input);
    unsigned who = what % DEVICES;
    switch ((enum deed)(what / DEVICES % DEEDS)) {
    case SAY: {
        size_t len = how < cursor_left(input) ? how : cursor_left(input);
        device_say(play->devices[who], cursor_take(input, len));
        break;
    }
    case OBSERVE:
        observe(play, who, how, cursor_u8(input));
        break;
    case PUBLISH:
        publish(play, who, how, cursor_u8(input));
        break;
    case BLOCK:
        send_block(play, who, how, cursor_u8(input));
        break;
    case TOPIC:
        topic(play, who, how, cursor_u8(input));
        break;
    case ANSWER:
        answer(play, who, how);
        break;
    case ELSEWHERE:
        elsewhere(play, how);
        break;
    case TIME:
        air_wait(&play->air, how * 200u);
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct play play = {0};
    struct identity *proven = identity_new(SLICE("one"), false);
    struct cursor input = cursor_of(slice_of(bytes, size));
    hash_start(1);
    air_init(&play.air, &coap_protocol, &options);
    play.air.limits.packet_size = 600;
    play.air.limits.subscriptions = 2;
    play.air.limits.retained_messages = 3;
    play.air.limits.topic_length = 64;
    for (unsigned i = 0; i < DEVICES; i++)
        play.devices[i] = device_new(&play.air, i == 3 ? proven : NULL);
    for (int deeds = 0; cursor_left(&input) > 1 && deeds < 300; deeds++) {
        play.devices[2]->verified = true; /* its address needs no proof */
        act(&play, &input);
        check(&play);
    }
    air_clear(&play.air);
    coap_home_clear();
    identity_unref(proven);
    return 0;
}
