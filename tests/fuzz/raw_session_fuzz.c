/* raw_session_fuzz: four devices and the real core under whatever a fuzzer thinks of.
 *
 * The input is a row of deeds: a byte says which device and what, a byte how long, then come the
 * bytes of a datagram. Two of the devices are on udp, one of those trusted after its first ACK, two
 * have a proven identity. Devices send any bytes, acknowledge what they got, vanish, and time
 * passes. After each deed:
 *   - whatever siotd has sent is a line of its own language and fits a datagram;
 *   - nobody unproven was sent more than three times what he sent;
 *   - a device that has no peer has no session.
 * At the end nothing may be left (leak detection). */
#include "base/cursor.h"
#include "base/hash.h"
#include "protocols/raw/answered.h"
#include "protocols/raw/connection.h"
#include "protocols/raw/raw.h"
#include "tests/unit/protocols/fake_datagram.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

enum { DEVICES = 4, DEEDS = 4 };
enum deed { SAY, ACKNOWLEDGE, VANISH, WAIT };

static const struct raw_options options = {
    .idle_timeout = 60000,
    .session_expiry = 90000,
    .retry = 1000,
    .tries = 2,
    .window = 2,
    .duplicate_window = 2000,
    .remembered = 64,
};

static void demand(bool held)
{
    if (!held)
        abort();
}

/* Looks at all that the device got; with `acknowledge` it answers what asks for it. */
static void look(struct device *device, bool acknowledge)
{
    struct slice got;
    struct raw_line line;
    while ((got = device_hear(device)).at) {
        demand(raw_decode(got, &line) == RAW_GOOD && got.len <= AIR_MTU);
        demand(line.verb == RAW_OK || line.verb == RAW_ACK || line.verb == RAW_MSG ||
               line.verb == RAW_PONG || line.verb == RAW_ERR || line.verb == RAW_BYE);
        if (!acknowledge || line.verb != RAW_MSG || !line.has_id)
            continue;
        uint8_t room[32];
        struct writer w = writer_of(room, sizeof room);
        raw_encode(&w, &(struct raw_line){.verb = RAW_ACK, .id = line.id});
        device_say(device, slice_of(room, writer_len(&w)));
    }
    demand(device->refused == 0);
    demand(device->identity || device->verified || device->sent <= 3 * device->received ||
           !device->peer);
}

static void act(struct air *air, struct device *device, enum deed deed, struct slice argument)
{
    switch (deed) {
    case SAY:
        device_say(device, argument);
        break;
    case ACKNOWLEDGE:
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
    static char pattern[] = "plain/${device}";
    struct air air;
    struct device *devices[DEVICES];
    struct identity *proven[2] = {identity_new(SLICE("one"), false),
                                  identity_new(SLICE("two"), false)};
    struct cursor input = cursor_of(slice_of(bytes, size));
    hash_start(1);
    air_init(&air, &raw_protocol, &options);
    air.listener.topic = pattern;
    air.limits.queued_messages = 4;
    air.limits.subscriptions = 4;
    air.limits.retained_messages = 3;
    for (size_t i = 0; i < DEVICES; i++)
        devices[i] = device_new(&air, i < 2 ? NULL : proven[i - 2]);
    while (cursor_left(&input) > 1) {
        uint8_t what = cursor_u8(&input);
        size_t len = cursor_u8(&input);
        struct slice argument =
            cursor_take(&input, len < cursor_left(&input) ? len : cursor_left(&input));
        act(&air, devices[what % DEVICES], (enum deed)(what / DEVICES % DEEDS), argument);
        for (size_t i = 0; i < DEVICES; i++)
            look(devices[i], false);
        size_t peers = 0;
        for (size_t i = 0; i < DEVICES; i++)
            peers += devices[i]->peer != NULL;
        demand(broker_stats(air.broker)->clients_connected <= peers);
    }
    air_clear(&air);
    raw_recent_clear();
    identity_unref(proven[0]);
    identity_unref(proven[1]);
    return 0;
}
