/* A client of the core that remembers what it was told: the sink the broker's tests look at. */
#ifndef SIOTD_TESTS_FAKE_CLIENT_H
#define SIOTD_TESTS_FAKE_CLIENT_H

#include "broker/broker.h"

enum { FAKE_MOST = 4096 };

struct fake_delivery {
    char topic[128], payload[128];
    uint32_t identifiers[8];
    uint16_t identifier_count, packet_id;
    uint8_t qos;
    bool retain, dup;
};

struct fake_client {
    struct sink sink;
    struct session *session;
    bool present;     /* what broker_connect said */
    bool full;        /* answer SINK_FULL */
    size_t too_large; /* answer SINK_TOO_LARGE for payloads above this; 0: never */
    struct fake_delivery got[FAKE_MOST];
    size_t count;
    uint16_t released[FAKE_MOST];
    size_t released_count;
    int expelled; /* times; the last reason: */
    enum expel_reason expel_reason;
};

/* One broker, its wheel, its limits, and a virtual clock. */
struct world {
    struct broker_limits limits;
    struct timers wheel;
    struct broker *broker;
    uint64_t mono_ms;
    int64_t wall_ms;
};

struct world *world_new(void);
void world_free(struct world *world);
void world_pass(struct world *world, uint64_t ms); /* time goes on, timers fire, work is done */
void world_work(struct world *world);              /* turns until there is no more to do */

struct fake_client *client_new(void);

/* Connects with usual values; the request may be changed first. */
struct connect_request usual_request(const char *id);
enum verdict client_connect_as(struct world *world, struct fake_client *client,
                               struct connect_request request);
void client_connect(struct world *world, struct fake_client *client, const char *id);
/* Persistent: keeps its session for an hour. */
void client_connect_persistent(struct world *world, struct fake_client *client, const char *id);
void client_leave(struct world *world, struct fake_client *client);
void client_vanish(struct world *world, struct fake_client *client);

enum verdict client_subscribe(struct world *world, struct fake_client *client, const char *filter,
                              int qos);
enum verdict client_publish(struct world *world, struct fake_client *client, const char *topic,
                            const char *payload, int qos, bool retain);

struct will *make_will(const char *topic, const char *payload, uint32_t delay_s);

/* Forgets what was told so far. */
void client_forget(struct fake_client *client);

#endif
