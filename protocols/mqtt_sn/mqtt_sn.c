/* mqtt_sn: the protocol as transports see it: a datagram in, one message, to whom it concerns.
 *
 *   peer -> receive -> sn_unwrap -> sn_decode -> the row of its type -> sn_on_*
 *
 * What every type does in every state stands in `rows` and in `take`: a message that needs a
 * session and comes from somebody without one is answered with DISCONNECT, so that a client whose
 * gateway has forgotten it connects again; what only gateways send, and what makes no sense, is
 * counted and gets no answer, and so does DISCONNECT itself, or two gateways could talk for ever.
 */
#include "protocols/mqtt_sn/mqtt_sn.h"

#include "protocols/mqtt_sn/decode.h"
#include "protocols/mqtt_sn/packets.h"
#include "protocols/mqtt_sn/sleepers.h"
#include "protocols/mqtt_sn/traffic.h"

#include <stdio.h>

enum { STRANGE_PER_SECOND = 10 };

enum needs { FROM_ANYBODY, WITH_SESSION };

static const struct {
    void (*take)(struct sn_visit *visit, const struct sn_packet *packet);
    enum needs needs;
} rows[SN_TYPES] = {
    [SN_SEARCHGW] = {sn_on_searchgw, FROM_ANYBODY},
    [SN_CONNECT] = {sn_on_connect, FROM_ANYBODY},
    [SN_WILLTOPIC] = {sn_on_willtopic, FROM_ANYBODY},
    [SN_WILLMSG] = {sn_on_willmsg, FROM_ANYBODY},
    [SN_REGISTER] = {sn_on_register, WITH_SESSION},
    [SN_REGACK] = {sn_on_regack, WITH_SESSION},
    [SN_PUBLISH] = {sn_on_publish, FROM_ANYBODY},
    [SN_PUBACK] = {sn_on_puback, WITH_SESSION},
    [SN_PUBCOMP] = {sn_on_pubcomp, WITH_SESSION},
    [SN_PUBREC] = {sn_on_pubrec, WITH_SESSION},
    [SN_PUBREL] = {sn_on_pubrel, WITH_SESSION},
    [SN_SUBSCRIBE] = {sn_on_subscribe, WITH_SESSION},
    [SN_UNSUBSCRIBE] = {sn_on_unsubscribe, WITH_SESSION},
    [SN_PINGREQ] = {sn_on_pingreq, FROM_ANYBODY},
    [SN_DISCONNECT] = {sn_on_disconnect, FROM_ANYBODY},
    [SN_WILLTOPICUPD] = {sn_on_willtopicupd, WITH_SESSION},
    [SN_WILLMSGUPD] = {sn_on_willmsgupd, WITH_SESSION},
};

/* Counted, and told to somebody who looks for it. */
static void note_strange(const struct sn_gate *gate, const char *type, const char *what)
{
    static struct log_rate rate; /* of all together */
    uint32_t missed;
    broker_stats(gate->broker)->protocol_errors++;
    if (log_enabled(LOG_DEBUG) &&
        log_rate_allows(&rate, peer_now_ms(gate->peer), STRANGE_PER_SECOND, &missed))
        peer_log(gate->peer, LOG_DEBUG, "%s ignored: %s", type, what);
}

static void take(struct sn_visit *visit, const struct sn_packet *packet)
{
    const char *name = sn_type_name(packet->type);
    bool has_session = visit->client && visit->client->session;
    if (!rows[packet->type].take) {
        note_strange(visit->gate, name, "only a gateway sends it");
        return;
    }
    if (rows[packet->type].needs == WITH_SESSION && !has_session) {
        note_strange(visit->gate, name, "not connected");
        if (!visit->client)
            sn_answer_plain(visit, SN_DISCONNECT);
        return;
    }
    if (has_session && packet->type != SN_CONNECT && packet->type != SN_WILLMSG)
        visit->client->fresh = false;
    rows[packet->type].take(visit, packet);
}

/* After each datagram of a client. */
static void settle(const struct sn_visit *visit)
{
    struct sn_connection *c = visit->client;
    if (!c)
        return;
    c->heard_ms = peer_now_ms(visit->gate->peer);
    sn_sleep_goes_on(c);
    sn_traffic_heard(c);
    if (c->state == SN_ACTIVE && peer_may_give_way(visit->gate->peer))
        sn_probe(c);
    if (c->state == SN_AWAKE)
        sn_rest(c);
}

static ssize_t receive(struct peer *peer, void *state, struct slice bytes)
{
    struct sn_gate *gate = state;
    struct sn_frame frame;
    struct sn_packet packet = {.type = SN_TYPES};
    enum sn_fault fault = sn_unwrap(bytes, &frame);
    (void)peer;
    if (fault == SN_GOOD)
        fault = sn_decode(frame.message, &packet);
    if (fault != SN_GOOD) {
        note_strange(gate, sn_type_name(packet.type), sn_fault_name(fault));
        return (ssize_t)bytes.len;
    }
    struct sn_visit visit = {
        .gate = gate,
        .client = sn_gate_find(gate, frame.encapsulated, frame.node),
        .wrapped = frame.encapsulated,
        .node = frame.node,
    };
    broker_stats(gate->broker)->messages_received++;
    if (!visit.client)
        sn_sleepers_meet(&visit);
    take(&visit, &packet);
    settle(&visit);
    return (ssize_t)bytes.len;
}

static int open_gate(struct peer *peer, void *state)
{
    struct sn_gate *gate = state;
    gate->peer = peer;
    gate->broker = peer_broker(peer);
    list_init(&gate->clients);
    return 0;
}

static void drained(struct peer *peer, void *state)
{
    struct sn_gate *gate = state;
    list_each(link, &gate->clients)
    {
        struct sn_connection *c = list_item(link, struct sn_connection, link);
        if (sn_is_listening(c) && !peer_is_closing(peer))
            session_pump(c->session);
    }
}

static void expired(struct peer *peer, void *state)
{
    (void)peer;
    sn_gate_expired(state);
}

/* DISCONNECT tells a client to connect again (section 5.4.21); one that sleeps, or is awake for a
 * moment only, need not: siotd will know it, and still have what it has not acknowledged. */
static void stopping(struct peer *peer, void *state)
{
    struct sn_gate *gate = state;
    (void)peer;
    list_each(link, &gate->clients)
    {
        struct sn_connection *c = list_item(link, struct sn_connection, link);
        struct sn_packet packet = {.type = SN_DISCONNECT, .empty = true};
        if (sn_is_sleeping(c) && session_is_kept(c->session))
            sn_sleepers_leave(c);
        else if (sn_is_listening(c))
            sn_tell(c, &packet);
    }
}

static void close_gate(struct peer *peer, void *state, const char *why)
{
    struct sn_gate *gate = state;
    char line[256];
    struct list *link;
    (void)peer;
    snprintf(line, sizeof line, "closed: %s", why);
    while ((link = list_first(&gate->clients)) != NULL)
        sn_connection_end(list_item(link, struct sn_connection, link), DEPART_WITH_WILL, line);
}

const struct protocol mqtt_sn_protocol = {
    .name = "mqtt-sn",
    .carriers = CARRIER_DATAGRAM,
    .state_size = sizeof(struct sn_gate),
    .options = &sn_option_table,
    .open = open_gate,
    .receive = receive,
    .drained = drained,
    .expired = expired,
    .recall = sn_sleepers_recall,
    .stopping = stopping,
    .close = close_gate,
};
