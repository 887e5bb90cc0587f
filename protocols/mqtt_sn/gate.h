/* gate: one address that MQTT-SN comes from, and the clients behind it.
 *
 * Lives in the peer's state bytes (protocol.h). Mostly one client; behind a forwarder several,
 * told apart by their wireless node ids (MQTT-SN 1.2 section 5.5). Nothing is allocated for an
 * address until a CONNECT from it has been found good. */
#ifndef SIOTD_PROTOCOLS_MQTT_SN_GATE_H
#define SIOTD_PROTOCOLS_MQTT_SN_GATE_H

#include "base/list.h"
#include "broker/broker.h"
#include "protocols/mqtt_sn/options.h"
#include "protocols/mqtt_sn/wire.h"
#include "transports/listener_settings.h"
#include "transports/peer.h"

struct sn_connection;

/* Bytes of topic names, and of a will, that an address may leave here before it is proven: or
 * whoever forges addresses could fill the memory with them. */
enum { SN_UNPROVEN_MOST = 4096 };

struct sn_gate {
    struct peer *peer;
    struct broker *broker;
    struct list clients;  /* struct sn_connection */
    uint64_t deadline_ms; /* what peer_deadline was last told; 0: nothing */
    bool known;           /* peer_known has been called */
};

/* Who has sent the datagram under way. */
struct sn_visit {
    struct sn_gate *gate;
    struct sn_connection *client; /* NULL: nobody who is connected, or about to be */
    bool wrapped;                 /* it came through a forwarder */
    struct slice node;            /* its wireless node id then */
};

/* The section `mqtt_sn:` as of now. */
static inline const struct sn_options *sn_options_of(const struct sn_gate *gate)
{
    return peer_options(gate->peer);
}

/* Whose client that node is; NULL for nobody's. */
struct sn_connection *sn_gate_find(const struct sn_gate *gate, bool wrapped, struct slice node);

/* How many clients there are. */
size_t sn_gate_count(const struct sn_gate *gate);

/* Makes sure that the gate looks at its clients no later than that. */
void sn_gate_due(struct sn_gate *gate, uint64_t due_ms);

/* The deadline has passed: looks at every client. */
void sn_gate_expired(struct sn_gate *gate);

/* Sends one message, through the forwarder when `wrapped`, after `promise` is kept (peer.h); what
 * is longer than MQTT-SN can say is not sent. */
void sn_send(struct sn_gate *gate, bool wrapped, struct slice node, const struct sn_packet *packet,
             uint64_t promise);

/* The same, to whom the datagram under way came from, at once. */
void sn_answer(const struct sn_visit *visit, const struct sn_packet *packet);
/* A message that is its type and perhaps a return code. */
void sn_answer_plain(const struct sn_visit *visit, enum sn_type type);

#endif
