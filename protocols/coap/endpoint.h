/* endpoint: whoever is at the other end, for as long as it is remembered.
 *
 * Lives in the peer's state bytes (protocol.h). A stranger's lasts for one datagram: requests need
 * no memory of who asks. An endpoint stays (peer_known) when it observes something or has proven
 * its address, and on DTLS, where it has a handshake behind it.
 *
 * Observing needs a session of the core, made with the first observation and ended with the last.
 */
#ifndef SIOTD_PROTOCOLS_COAP_ENDPOINT_H
#define SIOTD_PROTOCOLS_COAP_ENDPOINT_H

#include "broker/broker.h"
#include "protocols/coap/exchanges.h"
#include "protocols/coap/options.h"
#include "transports/listener_settings.h"
#include "transports/peer.h"

struct coap_home;
struct coap_observation;

struct coap_endpoint {
    struct sink sink; /* the session delivers here (observe.c) */
    struct peer *peer;
    struct principal *who;   /* a reference; NULL: not asked yet, or one of the anonymous */
    struct session *session; /* while it observes */
    struct list observations;
    /* Its one confirmable notification under way (RFC 7252 section 4.7, NSTART 1). */
    struct coap_observation *unacked; /* whose; NULL: none is */
    uint64_t due_ms;                  /* when it is sent again */
    uint64_t serial;                  /* of an endpoint that is more than its address; else 0 */
    uint32_t timeout_ms;
    uint16_t unacked_id;
    uint16_t next_id;
    uint8_t tries;
    bool has_id;   /* next_id is drawn */
    bool known;    /* peer_known has been called */
    bool stale;    /* some observation waits to be let go */
    bool expelled; /* the core has taken the session away */
    bool stopping; /* siotd is: what is kept of it stays */
    bool recalled; /* it is being brought back from before a restart */
};

static inline const struct coap_options *coap_options_of(const struct coap_endpoint *e)
{
    return peer_options(e->peer);
}

static inline struct slice coap_mountpoint_of(const struct coap_endpoint *e)
{
    return slice_of_str(peer_listener(e->peer)->mountpoint);
}

/* Who it is for the core; borrowed. NULL: the listener lets in nobody unproven, or the identity is
 * not (or no longer) let in, or out of memory (*denied is false then). */
struct principal *coap_endpoint_who(struct coap_endpoint *e, struct coap_home *home, bool *denied);

/* Remembers it after this datagram. */
void coap_endpoint_keep(struct coap_endpoint *e);

/* Its mark in tables that all endpoints share. */
struct coap_where coap_endpoint_where(const struct coap_endpoint *e);

/* The id of the next message that siotd sends it of its own accord: it counts up from a random one
 * (RFC 7252 section 4.4). */
uint16_t coap_endpoint_next_id(struct coap_endpoint *e);

/* Binds a session, when there is none. The verdict of broker_connect. */
enum verdict coap_endpoint_connect(struct coap_endpoint *e, struct coap_home *home);

/* Ends the session, if there is one; `why` as protocol.close says it. */
void coap_endpoint_disconnect(struct coap_endpoint *e, const char *why);

#endif
