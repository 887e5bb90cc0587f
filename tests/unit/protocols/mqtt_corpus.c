/* mqtt_corpus: the list of good packets; see the header. */
#include "mqtt_corpus.h"
#include "mqtt_client_codec.h"

#include <stdio.h>
#include <stdlib.h>

enum { SAMPLES_MAX = 160, STORE_MAX = 64 * 1024 };

static uint8_t store[STORE_MAX];
static struct writer stored;
static struct mqtt_sample samples[SAMPLES_MAX];
static size_t sample_count;
static struct mqtt_block_sample blocks[SAMPLES_MAX];
static size_t block_count;

enum { VERSIONS = 3 };
static const enum mqtt_version versions[VERSIONS] = {MQTT_3_1, MQTT_3_1_1, MQTT_5};

#define LONGEST                                                                                    \
    "a long topic of several levels/with spaces/and/\xc3\xbc\xe2\x82\xac\xf0\x9f\x8c\xa1/end"

/* What lies between two marks of the store. */
static struct slice since(const uint8_t *mark)
{
    if (stored.overflow)
        abort();
    return slice_of(mark, (size_t)(stored.at - mark));
}

static void keep(const char *name, enum mqtt_version version, const uint8_t *mark)
{
    if (sample_count == SAMPLES_MAX)
        abort();
    struct mqtt_sample *sample = &samples[sample_count++];
    snprintf(sample->name, sizeof(sample->name), "%s-%d", name, (int)version);
    sample->version = version;
    sample->packet = since(mark);
}

/* Properties, written into the store ahead of the packet that they go into. */
static struct slice connect_properties(void)
{
    const uint8_t *mark = stored.at;
    client_u32(&stored, MQTT_SESSION_EXPIRY_INTERVAL, 3600);
    client_u16(&stored, MQTT_RECEIVE_MAXIMUM, 20);
    client_u32(&stored, MQTT_MAXIMUM_PACKET_SIZE, 100000);
    client_u16(&stored, MQTT_TOPIC_ALIAS_MAXIMUM, 10);
    client_u8(&stored, MQTT_REQUEST_RESPONSE_INFORMATION, 1);
    client_u8(&stored, MQTT_REQUEST_PROBLEM_INFORMATION, 0);
    client_pair(&stored, SLICE("made by"), SLICE("a test"));
    client_text(&stored, MQTT_AUTHENTICATION_METHOD, SLICE("PLAIN"));
    client_text(&stored, MQTT_AUTHENTICATION_DATA, SLICE("\0user\0secret\xff"));
    return since(mark);
}

static struct slice message_properties(bool alias, bool will)
{
    const uint8_t *mark = stored.at;
    client_u8(&stored, MQTT_PAYLOAD_FORMAT_INDICATOR, 1);
    client_u32(&stored, MQTT_MESSAGE_EXPIRY_INTERVAL, 60);
    client_text(&stored, MQTT_CONTENT_TYPE, SLICE("text/plain"));
    if (alias)
        client_u16(&stored, MQTT_TOPIC_ALIAS, 1);
    client_text(&stored, MQTT_RESPONSE_TOPIC, SLICE("answers/to/me"));
    client_text(&stored, MQTT_CORRELATION_DATA, SLICE("\x00\x01\xfe\xff"));
    client_pair(&stored, SLICE("k"), SLICE("v1"));
    if (will)
        client_u32(&stored, MQTT_WILL_DELAY_INTERVAL, 5);
    client_pair(&stored, SLICE("k"), SLICE("v2"));
    return since(mark);
}

static struct slice reason_properties(void)
{
    const uint8_t *mark = stored.at;
    client_text(&stored, MQTT_REASON_STRING, SLICE("because"));
    client_pair(&stored, SLICE("code"), SLICE("17"));
    return since(mark);
}

static void add_connects(enum mqtt_version version)
{
    struct client_connect c = {.version = version, .clean_start = true, .keep_alive_s = 60};
    const uint8_t *mark;
    c.client_id = SLICE("sensor-7");
    mark = stored.at, client_connect(&stored, &c), keep("connect-plain", version, mark);
    if (version != MQTT_3_1) {
        c.client_id = SLICE_EMPTY;
        mark = stored.at, client_connect(&stored, &c), keep("connect-no-id", version, mark);
    }
    c = (struct client_connect){.version = version, .client_id = SLICE("s"), .has_will = true};
    c.will_topic = SLICE("w");
    mark = stored.at, client_connect(&stored, &c), keep("connect-will", version, mark);
    c.has_username = c.has_password = c.will_retain = true;
    c.will_qos = 2;
    c.keep_alive_s = 65535;
    c.client_id = SLICE("a client identifier of more than 23 bytes, \xc3\xa4");
    c.will_topic = SLICE(LONGEST);
    c.will_payload = SLICE("gone\0\xff");
    c.username = SLICE("user");
    c.password = SLICE("\xff\xfe\0secret");
    c.properties = connect_properties();
    c.will_properties = message_properties(false, true);
    mark = stored.at, client_connect(&stored, &c), keep("connect-all", version, mark);
    c = (struct client_connect){.version = version, .client_id = SLICE("s"), .has_username = true};
    mark = stored.at, client_connect(&stored, &c), keep("connect-user", version, mark);
}

static void add_publishes(enum mqtt_version version)
{
    const uint8_t *mark;
    for (uint8_t qos = 0; qos <= 2; qos++) {
        char name[32];
        struct client_publish p = {.version = version, .qos = qos, .packet_id = 1};
        p.topic = SLICE("sensors/hall/temperature");
        p.payload = SLICE("21.5");
        snprintf(name, sizeof(name), "publish-qos%d", qos);
        mark = stored.at, client_publish(&stored, &p), keep(name, version, mark);
        p.topic = SLICE(LONGEST);
        p.packet_id = 65535;
        p.payload = SLICE_EMPTY;
        p.dup = qos > 0;
        p.retain = true;
        p.properties = message_properties(true, false);
        snprintf(name, sizeof(name), "publish-all-qos%d", qos);
        mark = stored.at, client_publish(&stored, &p), keep(name, version, mark);
    }
    if (version != MQTT_5)
        return;
    struct client_publish p = {.version = version, .properties = SLICE("\x23\0\x07")};
    mark = stored.at, client_publish(&stored, &p), keep("publish-alias-only", version, mark);
}

static void add_acks(enum mqtt_version version)
{
    static const struct {
        const char *name;
        enum mqtt_type type;
        uint8_t refusal;
    } acks[] = {{"puback", MQTT_PUBACK, 0x97},
                {"pubrec", MQTT_PUBREC, 0x87},
                {"pubrel", MQTT_PUBREL, 0x92},
                {"pubcomp", MQTT_PUBCOMP, 0x92}};
    for (size_t i = 0; i < 4; i++) {
        char name[32];
        enum mqtt_type type = acks[i].type;
        const uint8_t *mark = stored.at;
        client_ack(&stored, version, type, 1, 0, SLICE_EMPTY);
        keep(acks[i].name, version, mark);
        if (version != MQTT_5)
            continue;
        mark = stored.at, client_ack(&stored, version, type, 2, acks[i].refusal, SLICE_EMPTY);
        snprintf(name, sizeof(name), "%s-reason", acks[i].name);
        keep(name, version, mark);
        struct slice properties = reason_properties();
        mark = stored.at, client_ack(&stored, version, type, 3, acks[i].refusal, properties);
        snprintf(name, sizeof(name), "%s-all", acks[i].name);
        keep(name, version, mark);
    }
}

static void add_subscribes(enum mqtt_version version)
{
    static const struct client_filter one = {SLICE("sensors/#"), 1};
    static const struct client_filter many[] = {
        {SLICE("+/+/temperature"), 0}, {SLICE("$SYS/#"), 2}, {SLICE(LONGEST), 1}, {SLICE("#"), 0}};
    static const struct client_filter options[] = {
        {SLICE("a"), 0x04}, {SLICE("b"), 0x09}, {SLICE("c"), 0x12}, {SLICE("$share/g/d"), 0x2a}};
    static const struct slice filters[] = {SLICE("sensors/#"), SLICE("+"), SLICE(LONGEST)};
    struct slice number = SLICE("\x0b\xff\xff\xff\x7f"), pair = SLICE("\x26\0\x01k\0\x01v");
    const uint8_t *mark = stored.at;
    client_subscribe(&stored, version, 10, SLICE_EMPTY, &one, 1);
    keep("subscribe", version, mark);
    mark = stored.at, client_subscribe(&stored, version, 11, number, many, 4);
    keep("subscribe-many", version, mark);
    mark = stored.at, client_unsubscribe(&stored, version, 12, SLICE_EMPTY, filters, 1);
    keep("unsubscribe", version, mark);
    mark = stored.at, client_unsubscribe(&stored, version, 13, pair, filters, 3);
    keep("unsubscribe-many", version, mark);
    if (version != MQTT_5)
        return;
    mark = stored.at, client_subscribe(&stored, version, 14, pair, options, 4);
    keep("subscribe-options", version, mark);
}

static void add_endings(enum mqtt_version version)
{
    const uint8_t *mark = stored.at;
    client_pingreq(&stored), keep("pingreq", version, mark);
    mark = stored.at, client_disconnect(&stored, version, 0, SLICE_EMPTY);
    keep("disconnect", version, mark);
    if (version != MQTT_5)
        return;
    mark = stored.at, client_disconnect(&stored, version, 4, SLICE_EMPTY);
    keep("disconnect-will", version, mark);
    mark = stored.at, client_disconnect(&stored, version, 0, SLICE("\x11\0\0\x0e\x10"));
    keep("disconnect-expiry", version, mark);
    struct slice properties = reason_properties();
    mark = stored.at, client_disconnect(&stored, version, 0x82, properties);
    keep("disconnect-all", version, mark);
    mark = stored.at, client_auth(&stored, 0x18, SLICE("\x15\0\x05PLAIN\x16\0\x02\0\xff"));
    keep("auth-continue", version, mark);
    mark = stored.at, client_auth(&stored, 0x19, SLICE("\x15\0\x05PLAIN"));
    keep("auth-again", version, mark);
}

const struct mqtt_sample *mqtt_corpus(size_t *count)
{
    if (!stored.start)
        stored = writer_of(store, sizeof(store));
    for (size_t i = sample_count ? VERSIONS : 0; i < VERSIONS; i++) {
        add_connects(versions[i]);
        add_publishes(versions[i]);
        add_acks(versions[i]);
        add_subscribes(versions[i]);
        add_endings(versions[i]);
    }
    *count = sample_count;
    return samples;
}

static void keep_block(const char *name, unsigned place, struct slice properties)
{
    if (block_count == SAMPLES_MAX)
        abort();
    const uint8_t *mark = stored.at;
    client_varint(&stored, (uint32_t)properties.len);
    writer_bytes(&stored, properties);
    struct mqtt_block_sample *sample = &blocks[block_count++];
    snprintf(sample->name, sizeof(sample->name), "%s", name);
    sample->place = place;
    sample->block = since(mark);
}

static struct slice connack_properties(void)
{
    const uint8_t *mark = stored.at;
    client_u32(&stored, MQTT_SESSION_EXPIRY_INTERVAL, 60);
    client_u16(&stored, MQTT_RECEIVE_MAXIMUM, 64);
    client_u8(&stored, MQTT_MAXIMUM_QOS, 1);
    client_u8(&stored, MQTT_RETAIN_AVAILABLE, 0);
    client_u32(&stored, MQTT_MAXIMUM_PACKET_SIZE, 1 << 20);
    client_text(&stored, MQTT_ASSIGNED_CLIENT_IDENTIFIER, SLICE("siotd-1"));
    client_u16(&stored, MQTT_TOPIC_ALIAS_MAXIMUM, 16);
    client_u8(&stored, MQTT_WILDCARD_SUBSCRIPTION_AVAILABLE, 1);
    client_u8(&stored, MQTT_SUBSCRIPTION_IDENTIFIER_AVAILABLE, 1);
    client_u8(&stored, MQTT_SHARED_SUBSCRIPTION_AVAILABLE, 0);
    client_u16(&stored, MQTT_SERVER_KEEP_ALIVE, 3600);
    client_text(&stored, MQTT_RESPONSE_INFORMATION, SLICE("answers/"));
    client_text(&stored, MQTT_SERVER_REFERENCE, SLICE("other:1883"));
    client_text(&stored, MQTT_REASON_STRING, SLICE("so"));
    return since(mark);
}

const struct mqtt_block_sample *mqtt_block_corpus(size_t *count)
{
    if (!stored.start)
        stored = writer_of(store, sizeof(store));
    if (block_count == 0) {
        for (unsigned place = 0; place < 16; place++) {
            char name[32];
            snprintf(name, sizeof(name), "empty-%u", place);
            keep_block(name, place, SLICE_EMPTY);
        }
        keep_block("will", 0, message_properties(false, true));
        keep_block("connect", MQTT_CONNECT, connect_properties());
        keep_block("connack", MQTT_CONNACK, connack_properties());
        keep_block("publish", MQTT_PUBLISH, message_properties(true, false));
        keep_block("publish-plain", MQTT_PUBLISH, SLICE("\x01\x01\x03\0\x04json"));
        keep_block("publish-ids", MQTT_PUBLISH, SLICE("\x0b\x01\x26\0\x01k\0\x01v\x0b\xff\x7f"));
        keep_block("puback", MQTT_PUBACK, reason_properties());
        keep_block("subscribe", MQTT_SUBSCRIBE, SLICE("\x0b\x80\x01\x26\0\x01k\0\x01v"));
        keep_block("unsubscribe", MQTT_UNSUBSCRIBE, SLICE("\x26\0\x01k\0\x01v"));
        keep_block("disconnect", MQTT_DISCONNECT, SLICE("\x11\0\0\0\x01\x1f\0\x01r"));
        keep_block("auth", MQTT_AUTH, SLICE("\x15\0\x01m\x16\0\x02\0\xff"));
    }
    *count = block_count;
    return blocks;
}
