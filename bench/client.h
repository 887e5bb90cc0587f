/* client: one MQTT connection of the generator. */
#ifndef SIOTD_BENCH_CLIENT_H
#define SIOTD_BENCH_CLIENT_H

#include "bench/packet.h"
#include "bench/transport.h"

struct crowd;
struct flow;

enum {
    CLIENT_CHUNK = 256 * 1024,      /* bytes read at once */
    CLIENT_PACKET_MAX = 512 * 1024, /* the largest packet that is expected from a broker */
    CLIENT_SCRATCH = CLIENT_CHUNK + CLIENT_PACKET_MAX,
};

enum client_state { CLIENT_NEW, CLIENT_CONNECTING, CLIENT_GREETING, CLIENT_READY, CLIENT_CLOSED };

/* Bytes that wait: out for the socket, rest for the remainder of a packet. */
struct client_bytes {
    uint8_t *at; /* owned */
    uint32_t len, room;
};

struct client {
    struct crowd *crowd;
    struct wire wire;
    enum client_state state;
    uint32_t number;  /* its place among the members */
    const char *name; /* its client id is this and its number, or NULL: one of this run's own */
    bool kept;        /* its session outlives the connection */
    bool present;     /* and was there when it came */
    uint16_t receive_maximum;
    uint16_t next_id;    /* for SUBSCRIBE */
    bool dirty, blocked; /* in crowd's dirty list; waiting for EPOLLOUT */
    struct flow *flow;   /* what it publishes, or NULL */
    struct client_bytes rest, out;
    uint64_t *held; /* QoS 2 ids received and not released yet, one bit each; NULL until one is */
};

/* Starts connecting. Returns 0 or -errno. */
int client_connect(struct client *client);

/* What epoll said. Failures end the run through crowd_fail. */
void client_ready(struct client *client, uint32_t events);

/* Publishes what its flow allows and writes what waits. */
void client_flush(struct client *client);

/* Room for len bytes of packets, to be sent at the end of the turn; NULL (and a failure) without
 * memory. */
uint8_t *client_room(struct client *client, size_t len);

/* One SUBSCRIBE for `filters`, which packet_write_filter wrote. */
void client_subscribe(struct client *client, struct slice filters);

/* Says DISCONNECT and closes, if it is open. */
void client_close(struct client *client);

/* Closes it and frees what it owns; the struct is the crowd's. */
void client_clear(struct client *client);

#endif
