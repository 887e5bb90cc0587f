/* connection: one MQTT client at the other end of one peer, from CONNECT to close.
 *
 * Lives in the peer's state bytes (protocol.h). Kept small, since a broker holds mostly connections
 * that are silent: what few clients use stands behind a pointer and is made on first use.
 *
 *   stranger   session NULL, version 0: waits for CONNECT
 *   client     session set: between an accepted CONNECT and the end of the session's tie to this
 * peer leaving    session NULL, version set: DISCONNECT, takeover or refusal; the peer is being
 * closed
 *
 * mqtt_on_connect makes a client of a stranger; mqtt_connection_leave and
 * mqtt_connection_dispossess end that. */
#ifndef SIOTD_PROTOCOLS_MQTT_CONNECTION_H
#define SIOTD_PROTOCOLS_MQTT_CONNECTION_H

#include "broker/broker.h"
#include "protocols/mqtt/decode.h"
#include "protocols/mqtt/encode.h"
#include "protocols/mqtt/options.h"
#include "transports/listener_settings.h"
#include "transports/peer.h"

struct mqtt_aliases_in;
struct mqtt_aliases_out;

struct mqtt_connection {
    struct sink sink; /* the session delivers here (deliver.c) */
    struct peer *peer;
    struct broker *broker;
    struct session *session;              /* NULL: stranger or leaving */
    struct identity *proven;              /* owned; by password, until CONNECT is done with */
    struct mqtt_aliases_in *aliases_in;   /* owned; NULL until the client sets one */
    struct mqtt_aliases_out *aliases_out; /* owned; NULL until one is set for the client */
    uint64_t heard_ms;                    /* when the last complete packet came (monotonic) */
    uint64_t partial_ms;                  /* when the packet under way began; 0: none is */
    uint64_t deadline_ms;                 /* what peer_deadline was last told; 0: nothing */
    uint32_t partial_allowance_ms;        /* how long the packet under way may take */
    uint32_t partial_size;                /* bytes of it; 0 while unknown */
    uint32_t keep_alive_ms;               /* one and a half times the keep-alive; 0: none */
    uint32_t maximum_packet_size;         /* what the client takes; 0 while unknown */
    uint16_t alias_in_max;                /* as announced to the client */
    uint16_t alias_out_max;               /* aliases that may be set for the client */
    uint8_t version;                      /* enum mqtt_version; 0 before CONNECT told it */
    bool wants_reasons : 1;               /* 5.0, and Request Problem Information is not 0 */
    bool expires : 1;    /* the Session Expiry Interval in CONNECT was not 0 [MQTT-3.14.2-2] */
    bool waits : 1;      /* CONNECT is here and its password under examination */
    bool was_client : 1; /* there was a session once */
    bool explained : 1;  /* the reason given to peer_close is a whole log line */
};

/* Each connection pays for every byte here. */
_Static_assert(sizeof(struct mqtt_connection) <= 112, "a connection has grown");

/* The section `mqtt:` as of now. */
static inline const struct mqtt_options *mqtt_options_of(const struct mqtt_connection *c)
{
    return peer_options(c->peer);
}

static inline bool mqtt_is_client(const struct mqtt_connection *c)
{
    return c->session != NULL;
}

/* The CONNACK is out: the listener and the world hear of the new client. */
void mqtt_connection_announce(struct mqtt_connection *c);

/* Gives the session back to the core, with its will or without, and tells the world why. Harmless
 * when there is none. The caller closes the peer. */
void mqtt_connection_leave(struct mqtt_connection *c, enum departure how, const char *why);

/* The core has taken the session away (sink.expel): like leave, but it is not given back. */
void mqtt_connection_dispossess(struct mqtt_connection *c, const char *why);

/* Room for one packet of `size` bytes, counted as sent. NULL: out of memory, the peer closes. */
uint8_t *mqtt_room(struct mqtt_connection *c, size_t size);

/* The same for a packet that waits behind all acknowledgements that wait, and for `promise`: 0, or
 * what the core promises now (broker_promise). */
uint8_t *mqtt_room_after(struct mqtt_connection *c, size_t size, uint64_t promise);

/* Whether the client takes a packet of that size [MQTT-3.1.2-24]. */
static inline bool mqtt_fits(const struct mqtt_connection *c, size_t size)
{
    return size <= c->maximum_packet_size;
}

/* Closes the peer; the text is the whole line that the log gets about it. */
void mqtt_close(struct mqtt_connection *c, const char *why, ...)
    __attribute__((format(printf, 2, 3)));

#endif
