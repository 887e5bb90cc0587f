/* See fake_client.h. */
#include "fake_client.h"
#include "base/hash.h"
#include "tests/unit/usual_limits.h"
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

static void copy_text(char *to, size_t size, struct slice from)
{
    size_t len = from.len < size ? from.len : size - 1;
    if (len)
        memcpy(to, from.at, len);
    to[len] = 0;
}

static enum sink_answer deliver(struct sink *sink, const struct delivery *d)
{
    struct fake_client *client = (struct fake_client *)sink;
    if (client->full)
        return SINK_FULL;
    if (client->too_large && d->message->payload_len > client->too_large)
        return SINK_TOO_LARGE;
    assert(client->count < FAKE_MOST);
    struct fake_delivery *got = &client->got[client->count++];
    copy_text(got->topic, sizeof got->topic, d->topic);
    copy_text(got->payload, sizeof got->payload, message_payload(d->message));
    got->identifier_count = d->identifier_count;
    for (uint16_t i = 0; i < d->identifier_count && i < 8; i++)
        got->identifiers[i] = d->identifiers[i];
    got->packet_id = d->packet_id;
    got->qos = d->qos;
    got->retain = d->retain;
    got->dup = d->dup;
    return SINK_TAKEN;
}

static void release(struct sink *sink, uint16_t packet_id)
{
    struct fake_client *client = (struct fake_client *)sink;
    client->released[client->released_count++] = packet_id;
}

static void expel(struct sink *sink, enum expel_reason reason)
{
    struct fake_client *client = (struct fake_client *)sink;
    client->expelled++;
    client->expel_reason = reason;
    client->session = NULL;
}

static const struct sink_verbs verbs = {.deliver = deliver, .release = release, .expel = expel};

struct world *world_new(void)
{
    struct world *world = calloc(1, sizeof *world);
    hash_start(1);
    world->limits = usual_limits();
    world->limits.queued_memory = UINT64_MAX;
    world->mono_ms = 1000;
    world->wall_ms = 1700000000000;
    timers_init(&world->wheel, world->mono_ms);
    world->broker = broker_new(&world->limits, &world->wheel);
    assert(world->broker);
    broker_turn(world->broker, world->mono_ms, world->wall_ms);
    return world;
}

void world_free(struct world *world)
{
    broker_free(world->broker);
    free(world);
}

void world_pass(struct world *world, uint64_t ms)
{
    world->mono_ms += ms;
    world->wall_ms += (int64_t)ms;
    broker_turn(world->broker, world->mono_ms, world->wall_ms);
    timers_advance(&world->wheel, world->mono_ms);
    broker_work(world->broker);
}

void world_work(struct world *world)
{
    while (broker_work(world->broker))
        ;
}

struct fake_client *client_new(void)
{
    struct fake_client *client = calloc(1, sizeof *client);
    client->sink.verbs = &verbs;
    return client;
}

struct connect_request usual_request(const char *id)
{
    return (struct connect_request){.client_id = slice_of_str(id),
                                    .mountpoint = "",
                                    .protocol = "mqtt",
                                    .clean_start = true,
                                    .receive_maximum = 65535,
                                    .inbound_maximum = 32};
}

enum verdict client_connect_as(struct world *world, struct fake_client *client,
                               struct connect_request request)
{
    struct identity *anonymous = NULL;
    if (!request.identity)
        request.identity = anonymous = identity_new(SLICE_EMPTY, true);
    enum verdict verdict =
        broker_connect(world->broker, &request, &client->sink, &client->session, &client->present);
    if (verdict == VERDICT_OK)
        session_resume(client->session);
    identity_unref(anonymous);
    return verdict;
}

void client_connect(struct world *world, struct fake_client *client, const char *id)
{
    assert(client_connect_as(world, client, usual_request(id)) == VERDICT_OK);
}

void client_connect_persistent(struct world *world, struct fake_client *client, const char *id)
{
    struct connect_request request = usual_request(id);
    request.clean_start = false;
    request.expiry_s = 3600;
    assert(client_connect_as(world, client, request) == VERDICT_OK);
}

void client_leave(struct world *world, struct fake_client *client)
{
    broker_disconnect(world->broker, client->session, DEPART_CLEANLY);
    client->session = NULL;
}

void client_vanish(struct world *world, struct fake_client *client)
{
    broker_disconnect(world->broker, client->session, DEPART_WITH_WILL);
    client->session = NULL;
}

enum verdict client_subscribe(struct world *world, struct fake_client *client, const char *filter,
                              int qos)
{
    struct subscribe_options options = {.qos = (uint8_t)qos};
    return broker_subscribe(world->broker, client->session, slice_of_str(filter), &options);
}

enum verdict client_publish(struct world *world, struct fake_client *client, const char *topic,
                            const char *payload, int qos, bool retain)
{
    struct message m = {.topic = (const uint8_t *)topic,
                        .topic_len = (uint16_t)strlen(topic),
                        .payload = (const uint8_t *)payload,
                        .payload_len = (uint32_t)strlen(payload),
                        .qos = (uint8_t)qos,
                        .retain = retain};
    enum verdict verdict = broker_publish(world->broker, client->session, &m);
    message_end(&m);
    return verdict;
}

struct will *make_will(const char *topic, const char *payload, uint32_t delay_s)
{
    struct message m = {.topic = (const uint8_t *)topic,
                        .topic_len = (uint16_t)strlen(topic),
                        .payload = (const uint8_t *)payload,
                        .payload_len = (uint32_t)strlen(payload)};
    struct will *will = calloc(1, sizeof *will);
    will->message = message_hold(&m);
    will->delay_s = delay_s;
    message_end(&m);
    return will;
}

void client_forget(struct fake_client *client)
{
    client->count = client->released_count = 0;
}
