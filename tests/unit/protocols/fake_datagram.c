/* fake_datagram: see fake_datagram.h. */
#include "fake_datagram.h"

#include "tests/unit/usual_limits.h"
#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { STEP_MS = 100, FACTOR = 3, PAUSE_MS = 1000 };

struct peer {
    struct device *device;
    void *state;
    uint64_t deadline_ms, barrier;
    bool known, closing, closed;
    char name[200], why[200];
};

/* ---- the store ---- */

static void commit(struct store *store, const struct batch *batch)
{
    struct slow_store *slow = (struct slow_store *)store;
    (void)batch;
    assert(!slow->under_way);
    slow->commits++;
    slow->under_way = true;
}

/* Queues are so short here that nothing is ever read back. */
static void fetch(struct store *store, uint64_t session, uint64_t from, uint32_t most)
{
    (void)store, (void)session, (void)from, (void)most;
    abort();
}

void air_keep(struct air *air)
{
    static const struct store_verbs verbs = {.commit = commit, .fetch = fetch};
    air->slow = (struct slow_store){.store = {.verbs = &verbs}};
    broker_set_store(air->broker, &air->slow.store);
    broker_restored(air->broker);
}

void air_written(struct air *air, enum commit_outcome outcome)
{
    if (!air->slow.under_way)
        abort();
    air->slow.under_way = false;
    broker_committed(air->broker, outcome);
    air_turn(air);
}

/* ---- the world ---- */

void air_init(struct air *air, const struct protocol *protocol, const void *options)
{
    static char empty[] = "", name[] = "test";
    *air = (struct air){.protocol = protocol, .options = options};
    air->limits = usual_limits();
    air->limits.subscriptions = 100;
    air->listener =
        (struct listener_settings){.name = name, .mountpoint = empty, .anonymous = true};
    air->now_ms = 1000000;
    air->wall_ms = 1800000000000;
    timers_init(&air->wheel, air->now_ms);
    list_init(&air->devices);
    air->broker = broker_new(&air->limits, &air->wheel);
    assert(air->broker);
    broker_turn(air->broker, air->now_ms, air->wall_ms);
}

static void end_peer(struct peer *peer)
{
    struct device *device = peer->device;
    if (peer->closed)
        return;
    peer->closing = peer->closed = true;
    device->air->protocol->close(peer, peer->state, *peer->why ? peer->why : "gone");
    if (device->peer == peer) {
        device->peer = NULL;
        device->verified = false;
        device->air->peers--;
    }
    free(peer->state);
    free(peer);
}

static void reap(struct air *air)
{
    list_each(link, &air->devices)
    {
        struct device *device = list_item(link, struct device, link);
        if (device->peer && device->peer->closing)
            end_peer(device->peer);
    }
}

void air_turn(struct air *air)
{
    broker_turn(air->broker, air->now_ms, air->wall_ms);
    while (broker_work(air->broker))
        ;
    reap(air);
}

static void fire(struct air *air)
{
    list_each(link, &air->devices)
    {
        struct peer *peer = list_item(link, struct device, link)->peer;
        if (!peer || peer->deadline_ms == 0 || peer->deadline_ms > air->now_ms)
            continue;
        peer->deadline_ms = 0;
        air->protocol->expired(peer, peer->state);
    }
    reap(air);
}

void air_wait(struct air *air, uint64_t ms)
{
    while (ms) {
        uint64_t step = ms < STEP_MS ? ms : STEP_MS;
        ms -= step;
        air->now_ms += step;
        air->wall_ms += (int64_t)step;
        broker_turn(air->broker, air->now_ms, air->wall_ms);
        timers_advance(&air->wheel, air->now_ms);
        fire(air);
        air_turn(air);
    }
}

void air_stop(struct air *air)
{
    list_each(link, &air->devices)
    {
        struct peer *peer = list_item(link, struct device, link)->peer;
        if (peer && air->protocol->stopping)
            air->protocol->stopping(peer, peer->state);
    }
    reap(air);
}

static void free_datagrams(struct list *list)
{
    struct list *link;
    while ((link = list_first(list)) != NULL) {
        list_remove(link);
        free(list_item(link, struct datagram, link));
    }
}

void air_clear(struct air *air)
{
    list_each(link, &air->devices)
    {
        struct device *device = list_item(link, struct device, link);
        if (device->peer)
            end_peer(device->peer);
    }
    struct list *link;
    while ((link = list_first(&air->devices)) != NULL) {
        struct device *device = list_item(link, struct device, link);
        list_remove(link);
        free_datagrams(&device->inbox);
        free(device->taken);
        free(device);
    }
    assert(air->peers == 0);
    broker_free(air->broker);
}

bool air_logged(const struct air *air, const char *text)
{
    return strstr(air->log, text) != NULL;
}

/* ---- the other end ---- */

static struct peer *new_peer(struct device *device)
{
    struct peer *peer = calloc(1, sizeof *peer);
    assert(peer);
    peer->device = device;
    peer->state = calloc(1, device->air->protocol->state_size);
    assert(peer->state);
    int opened = device->air->protocol->open(peer, peer->state);
    assert(opened == 0);
    (void)opened;
    return peer;
}

struct device *device_new(struct air *air, const struct identity *identity)
{
    static uint16_t port = 40000;
    struct device *device = calloc(1, sizeof *device);
    assert(device);
    *device = (struct device){.air = air, .port = ++port, .identity = identity};
    memcpy(device->endpoint, &device->port, sizeof device->port);
    list_init(&device->inbox);
    list_init(&device->link);
    list_append(&air->devices, &device->link);
    if (identity) {
        device->peer = new_peer(device);
        air->peers++;
    }
    return device;
}

void device_lose(struct device *device, const char *why)
{
    if (!device->peer)
        return;
    peer_close(device->peer, "%s", why);
    end_peer(device->peer);
    reap(device->air);
}

void device_forget(struct device *device)
{
    free_datagrams(&device->inbox);
}

void device_say(struct device *device, struct slice datagram)
{
    struct air *air = device->air;
    bool provisional = !device->peer;
    struct peer *peer = provisional ? new_peer(device) : device->peer;
    uint8_t *exact = malloc(datagram.len ? datagram.len : 1);
    assert(exact);
    if (datagram.len)
        memcpy(exact, datagram.at, datagram.len);
    device->received += datagram.len;
    device->heard_ms = air->now_ms;
    device->unanswered = true;
    device->followed = false;
    ssize_t done = air->protocol->receive(peer, peer->state, slice_of(exact, datagram.len));
    free(exact);
    if (done < 0)
        peer_close(peer, "failed");
    if (provisional && peer->known && !peer->closing) {
        device->peer = peer;
        air->peers++;
    } else if (provisional) {
        end_peer(peer);
    }
    reap(air);
    air_turn(air);
}

struct slice device_hear(struct device *device)
{
    struct list *link = list_first(&device->inbox);
    free(device->taken);
    device->taken = NULL;
    if (!link)
        return SLICE_EMPTY;
    struct datagram *datagram = list_item(link, struct datagram, link);
    if (datagram->promise > broker_promise_kept(device->air->broker))
        return SLICE_EMPTY;
    list_remove(link);
    device->taken = datagram;
    return slice_of(datagram->bytes, datagram->len);
}

/* ---- transports/peer.h ---- */

uint8_t *peer_reserve_after(struct peer *peer, size_t len, uint64_t promise)
{
    struct device *device = peer->device;
    assert(len <= peer_datagram_most(peer));
    if (peer->closing)
        return NULL;
    struct datagram *datagram = device->air->out_of_memory ? NULL : malloc(sizeof *datagram + len);
    if (!datagram) {
        peer_close(peer, "out of memory");
        return NULL;
    }
    datagram->promise = promise > peer->barrier ? promise : peer->barrier;
    datagram->len = len;
    list_init(&datagram->link);
    if (len > peer_allowance(peer)) {
        static uint8_t waste[AIR_MTU];
        free(datagram);
        device->refused++;
        return waste;
    }
    device->sent += len;
    device->unanswered = false;
    device->followed = device->air->now_ms - device->heard_ms >= PAUSE_MS;
    list_append(&device->inbox, &datagram->link);
    return datagram->bytes;
}

void peer_barrier(struct peer *peer, uint64_t promise)
{
    if (promise > peer->barrier)
        peer->barrier = promise;
}

uint8_t *peer_reserve(struct peer *peer, size_t len)
{
    return peer_reserve_after(peer, len, 0);
}

void peer_send(struct peer *peer, struct slice bytes)
{
    uint8_t *to = peer_reserve(peer, bytes.len);
    if (to && bytes.len)
        memcpy(to, bytes.at, bytes.len);
}

bool peer_is_full(const struct peer *peer)
{
    (void)peer;
    return false;
}

void peer_close(struct peer *peer, const char *why, ...)
{
    va_list arguments;
    if (peer->closing)
        return;
    peer->closing = true;
    va_start(arguments, why);
    vsnprintf(peer->why, sizeof peer->why, why, arguments);
    va_end(arguments);
}

bool peer_is_closing(const struct peer *peer)
{
    return peer->closing;
}

void peer_deadline(struct peer *peer, uint64_t due_ms)
{
    peer->deadline_ms = due_ms;
}

uint64_t peer_now_ms(const struct peer *peer)
{
    return peer->device->air->now_ms;
}

struct broker *peer_broker(const struct peer *peer)
{
    return peer->device->air->broker;
}

const struct listener_settings *peer_listener(const struct peer *peer)
{
    return &peer->device->air->listener;
}

const void *peer_options(const struct peer *peer)
{
    return peer->device->air->options;
}

char *peer_address(const struct peer *peer, char to[PEER_ADDRESS_SIZE])
{
    snprintf(to, PEER_ADDRESS_SIZE, "192.0.2.7:%u", (unsigned)peer->device->port);
    return to;
}

bool peer_is_entitled(struct peer *peer)
{
    return !peer->device->revoked;
}

void peer_known(struct peer *peer)
{
    assert(!peer->known);
    peer->known = true;
}

bool peer_is_private(const struct peer *peer)
{
    return peer->device->identity || peer->device->air->private;
}

const struct identity *peer_identity(const struct peer *peer)
{
    return peer->device->identity;
}

bool peer_is_datagram(const struct peer *peer)
{
    (void)peer;
    return true;
}

size_t peer_datagram_most(const struct peer *peer)
{
    (void)peer;
    return AIR_MTU;
}

bool peer_is_verified(const struct peer *peer)
{
    return peer->device->verified || peer->device->identity;
}

void peer_verify(struct peer *peer)
{
    peer->device->verified = true;
}

bool peer_may_give_way(const struct peer *peer)
{
    return !peer_is_verified(peer) && peer->device->air->crowded;
}

uint64_t peer_allowed_ms(const struct peer *peer)
{
    const struct device *device = peer->device;
    if (peer_is_verified(peer))
        return 0;
    if (device->followed)
        return UINT64_MAX;
    return device->unanswered ? device->heard_ms : device->heard_ms + PAUSE_MS;
}

size_t peer_allowance(const struct peer *peer)
{
    const struct device *device = peer->device;
    if (peer_is_verified(peer))
        return SIZE_MAX;
    if (peer_allowed_ms(peer) > device->air->now_ms)
        return 0;
    return device->sent < FACTOR * device->received ? FACTOR * device->received - device->sent : 0;
}

size_t peer_endpoint(const struct peer *peer, uint8_t to[PEER_ENDPOINT_SIZE])
{
    memcpy(to, peer->device->endpoint, PEER_ENDPOINT_SIZE);
    return PEER_ENDPOINT_SIZE;
}

size_t peer_place(const struct peer *peer, uint8_t to[PEER_PLACE_SIZE])
{
    memset(to, 0, PEER_PLACE_SIZE);
    memcpy(to, peer->device->endpoint, PEER_ENDPOINT_SIZE);
    return PEER_PLACE_SIZE;
}

static struct device *device_at(struct air *air, struct slice place)
{
    for (struct list *link = air->devices.next; link != &air->devices; link = link->next) {
        struct device *device = list_item(link, struct device, link);
        if (slice_starts_with(place, slice_of(device->endpoint, PEER_ENDPOINT_SIZE)))
            return device;
    }
    return NULL;
}

struct peer *peer_recall(struct loop *loop, const struct protocol *protocol, struct slice listener,
                         struct slice place, void **state)
{
    struct air *air = (struct air *)loop;
    struct device *device = device_at(air, place);
    if (!device || protocol != air->protocol || air->private ||
        !slice_equal(slice_of_str(air->listener.name), listener))
        return NULL;
    if (!device->peer) {
        device->peer = new_peer(device);
        device->peer->known = device->verified = true;
        air->peers++;
    }
    *state = device->peer->state;
    return device->peer;
}

void peer_name(struct peer *peer, struct slice name)
{
    log_escape(peer->name, sizeof peer->name, name);
}

void peer_log(const struct peer *peer, enum log_level level, const char *format, ...)
{
    struct air *air = peer->device->air;
    size_t used = strlen(air->log);
    va_list arguments;
    (void)level;
    if (used > sizeof air->log / 2)
        used = 0;
    used += (size_t)snprintf(air->log + used, sizeof air->log - used, "%s: ", peer->name);
    va_start(arguments, format);
    vsnprintf(air->log + used, sizeof air->log - used, format, arguments);
    va_end(arguments);
    strncat(air->log, "\n", sizeof air->log - strlen(air->log) - 1);
}
