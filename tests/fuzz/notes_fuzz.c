/* notes_fuzz: what MQTT-SN and CoAP have noted, as a store might give it back, whatever has become
 * of it (its sums are right, or nobody would see it), and a siotd that starts from that.
 *
 * The first byte chooses: the note of one MQTT-SN session; or CoAP's notes, each an owner, and a
 * key and a value with their lengths. Then a device is there where the notes may say that it was,
 * and says what such devices say. At the end nothing may be left (leak detection). */
#include "base/cursor.h"
#include "base/hash.h"
#include "broker/record.h"
#include "protocols/coap/coap.h"
#include "protocols/coap/home.h"
#include "protocols/coap/options.h"
#include "protocols/mqtt_sn/mqtt_sn.h"
#include "protocols/mqtt_sn/options.h"
#include "protocols/mqtt_sn/sleepers.h"
#include "tests/unit/protocols/fake_datagram.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

enum { ENDPOINT = 'E', ROOM = 1 << 16 };

static char predefined[] = "* 1 a/b";
static const struct sn_options sn_options = {
    .predefined = predefined,
    .advertise = OPTION_UNLIMITED,
    .retry = 1000,
    .retries = 2,
    .tolerance = 150,
    .keep_alive_max = 100000,
    .session_expiry = 90000,
    .topics = 8,
    .pending = 3,
    .nodes = 3,
};
static const struct coap_options coap_options = {
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

static void demand(bool held)
{
    if (!held)
        abort();
}

/* ---- a siotd that starts ---- */

struct idle_store {
    struct store store;
    bool under_way;
};

static void commit(struct store *store, const struct batch *batch)
{
    (void)batch;
    ((struct idle_store *)store)->under_way = true;
}

static void fetch(struct store *store, uint64_t session, uint64_t from, uint32_t most)
{
    (void)store, (void)session, (void)from, (void)most;
    abort(); /* nothing is queued */
}

static const struct store_verbs verbs = {.commit = commit, .fetch = fetch};

struct start {
    struct air air;
    struct idle_store store;
    struct device *device;
};

static void begin(struct start *s, const struct protocol *protocol, const void *options)
{
    air_init(&s->air, protocol, options);
    s->store = (struct idle_store){.store = {.verbs = &verbs}};
    broker_set_store(s->air.broker, &s->store.store);
    s->device = device_new(&s->air, NULL);
    memset(s->device->endpoint, ENDPOINT, sizeof s->device->endpoint);
}

static void restored(struct start *s)
{
    broker_restored(s->air.broker);
    s->air.protocol->recall(s->air.broker, (struct loop *)&s->air);
}

static void pass(struct start *s, uint64_t ms)
{
    while (device_hear(s->device).at)
        ;
    air_wait(&s->air, ms);
    if (s->store.under_way) {
        s->store.under_way = false;
        broker_committed(s->air.broker, COMMIT_DONE);
    }
    demand(broker_stats(s->air.broker)->clients_connected <= 1);
}

/* ---- MQTT-SN ---- */

static void restore_session(struct broker *broker, struct slice note)
{
    static uint8_t room[ROOM];
    struct record_session session = {.client_id = SLICE("dev"),
                                     .mountpoint = SLICE_EMPTY,
                                     .protocol = SLICE("mqtt-sn"),
                                     .note = note,
                                     .identity = {.anonymous = true},
                                     .expiry_s = 1000,
                                     .window = 1,
                                     .inbound_maximum = 10};
    struct writer w = writer_of(room, sizeof room);
    record_session_encode(&session, &w);
    if (w.overflow)
        return;
    struct kept kept = {.kind = ROW_SESSION, .session = 1, .body = slice_of(room, writer_len(&w))};
    demand(broker_restore(broker, &kept));
}

static void start_sn(struct slice note)
{
    static struct start s;
    begin(&s, &mqtt_sn_protocol, &sn_options);
    restore_session(s.air.broker, note);
    restored(&s);
    device_say(s.device, SLICE("\x05\x16"
                               "dev")); /* PINGREQ */
    pass(&s, 5000);
    device_say(s.device, SLICE("\x02\x16"));
    pass(&s, 3000);
    device_say(s.device, SLICE("\x09\x04\x00\x01\x00\x3c"
                               "dev")); /* CONNECT */
    pass(&s, 1000);
    device_say(s.device, SLICE("\x04\x18\x00\x05")); /* DISCONNECT for 5 s */
    pass(&s, 10000);
    air_clear(&s.air);
    sn_sleepers_clear();
}

/* ---- CoAP ---- */

static void restore_note(struct broker *broker, struct cursor *c)
{
    static const char *const owners[] = {"coap", "coap observe", "coap numbers"};
    uint8_t key[512];
    struct writer w = writer_of(key, sizeof key);
    writer_bytes(&w, slice_of_str(owners[cursor_u8(c) % 3]));
    writer_u8(&w, 0);
    struct slice name = cursor_take(c, cursor_u8(c)), value = cursor_take(c, cursor_u8(c));
    if (c->failed)
        return;
    writer_bytes(&w, name);
    struct kept kept = {.kind = ROW_NOTE, .key = slice_of(key, writer_len(&w)), .body = value};
    (void)broker_restore(broker, &kept);
}

static void start_coap(struct slice bytes)
{
    static struct start s;
    struct cursor c = cursor_of(bytes);
    begin(&s, &coap_protocol, &coap_options);
    while (cursor_left(&c) && !c.failed)
        restore_note(s.air.broker, &c);
    restored(&s);
    for (int i = 0; i < 3; i++) {
        struct message m = {.topic = (const uint8_t *)"a",
                            .topic_len = 1,
                            .payload = (const uint8_t *)"x",
                            .payload_len = 1,
                            .retain = true};
        broker_publish_own(s.air.broker, &m);
        message_end(&m);
        pass(&s, i ? 200000 : 2000); /* until all have not acknowledged it, one after the other */
    }
    demand(broker_stats(s.air.broker)->clients_connected == 0);
    air_clear(&s.air);
    coap_home_clear();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    hash_start(1);
    if (size == 0)
        return 0;
    struct slice rest = slice_of(bytes + 1, size - 1);
    if (bytes[0] % 2 == 0)
        start_sn(rest);
    else
        start_coap(rest);
    return 0;
}
