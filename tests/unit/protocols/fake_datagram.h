/* fake_datagram: fake_peer.h for protocols on datagrams: a world without sockets, in which tests
 * own the time.
 *
 * Implements transports/peer.h for one protocol over the real core, as udp and dtls do: each
 * reservation is one datagram; a stranger's datagram is received by a block of state that is used
 * again for the next stranger unless the protocol has said peer_known; who has not been verified is
 * sent three times what he has sent at most, one datagram after each of his, and one more after a
 * second of his silence. What siotd sends to a device is kept until the test takes it. */
#ifndef SIOTD_TESTS_UNIT_PROTOCOLS_FAKE_DATAGRAM_H
#define SIOTD_TESTS_UNIT_PROTOCOLS_FAKE_DATAGRAM_H

#include "broker/broker.h"
#include "broker/store.h"
#include "protocols/protocol.h"
#include "transports/listener_settings.h"
#include "transports/peer.h"

enum { AIR_MTU = 1200, AIR_LOG_SIZE = 16384 };

struct datagram {
    struct list link;
    uint64_t promise;
    size_t len;
    uint8_t bytes[];
};

/* A store that has written when the test says so. */
struct slow_store {
    struct store store;
    unsigned commits; /* handed over so far */
    bool under_way;
};

struct air {
    const struct protocol *protocol;
    const void *options; /* borrowed: what peer_options says */
    struct broker_limits limits;
    struct listener_settings listener;
    struct timers wheel;
    struct broker *broker;
    struct slow_store slow;
    uint64_t now_ms;
    int64_t wall_ms;
    struct list devices;
    size_t peers; /* that have been made to stay */
    bool private, out_of_memory;
    bool crowded;           /* so many have proven nothing that one of them may have to give way */
    char log[AIR_LOG_SIZE]; /* the last lines */
};

/* One address from which datagrams come, with a peer or without. */
struct device {
    struct air *air;
    struct list link;
    struct peer *peer; /* NULL: none stays for it */
    struct list inbox; /* datagrams that siotd has sent it */
    struct datagram *taken;
    uint8_t endpoint[PEER_ENDPOINT_SIZE];
    uint16_t port;
    const struct identity *identity; /* what a peer of it has proven; borrowed */
    bool verified, revoked;
    uint64_t received, sent, refused; /* bytes, bytes, datagrams beyond the allowance */
    uint64_t heard_ms;                /* when its last datagram came; since then: */
    bool unanswered;                  /* it has got nothing */
    bool followed;                    /* it has got something after a second */
};

/* Limits as their rows have them by default, an anonymous listener, time 1,000,000 ms. */
void air_init(struct air *air, const struct protocol *protocol, const void *options);
void air_clear(struct air *air);
/* Time passes: timers and deadlines fire in steps of 100 ms. */
void air_wait(struct air *air, uint64_t ms);
void air_turn(struct air *air);
void air_stop(struct air *air);
/* From now on what the core records is handed to air.slow. Nobody may have a session yet. */
void air_keep(struct air *air);
/* The batch under way is written, or is not. */
void air_written(struct air *air, enum commit_outcome outcome);
bool air_logged(const struct air *air, const char *text);

/* An address; `identity` (may be NULL): it is on dtls, its peer stays from the beginning. */
struct device *device_new(struct air *air, const struct identity *identity);
/* Its peer goes, as if it had been idle for the transport. */
void device_lose(struct device *device, const char *why);
/* It sends a datagram, in memory of exactly that size. */
void device_say(struct device *device, struct slice datagram);
/* The next datagram that it got; empty with at NULL when there is none. Valid until the next call.
 */
struct slice device_hear(struct device *device);
/* What it has not heard is lost. */
void device_forget(struct device *device);

#endif
