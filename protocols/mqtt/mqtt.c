/* mqtt: the protocol as transports see it: bytes in, packets cut, each to whom it concerns.
 *
 * First room of the protocol on the way of a message: peer -> mqtt_receive -> mqtt_on_*. One
 * receive may hold a thousand packets or a part of one; what a packet claims to be is judged at its
 * fixed header, before the rest of it is waited for.
 *
 * Invariant: nothing is dealt with after a packet that closed the peer. */
#include "protocols/mqtt/mqtt.h"

#include "protocols/mqtt/aliases.h"
#include "protocols/mqtt/deadline.h"
#include "protocols/mqtt/packets.h"
#include "protocols/mqtt/refuse.h"

#include <stdio.h>

enum { STRANGERS_PER_SECOND = 100 };

/* Who takes which packet; without a name: a packet that only servers send. */
static bool (*const receivers[16])(struct mqtt_connection *, const struct mqtt_header *,
                                   struct slice, struct mqtt_fault *) = {
    [MQTT_CONNECT] = mqtt_on_connect,     [MQTT_PUBLISH] = mqtt_on_publish,
    [MQTT_PUBACK] = mqtt_on_ack,          [MQTT_PUBREC] = mqtt_on_ack,
    [MQTT_PUBREL] = mqtt_on_ack,          [MQTT_PUBCOMP] = mqtt_on_ack,
    [MQTT_SUBSCRIBE] = mqtt_on_subscribe, [MQTT_UNSUBSCRIBE] = mqtt_on_unsubscribe,
    [MQTT_PINGREQ] = mqtt_on_pingreq,     [MQTT_DISCONNECT] = mqtt_on_disconnect,
    [MQTT_AUTH] = mqtt_on_auth,
};

/* What can be said of a packet by its fixed header alone: is it its turn, is it too large. */
static bool admit(const struct mqtt_connection *c, const struct mqtt_header *header,
                  struct mqtt_fault *fault)
{
    if (!mqtt_is_client(c)) {
        if (header->type != MQTT_CONNECT)
            return mqtt_fail(fault, MQTT_PROTOCOL_ERROR, 0, "MQTT-3.1.0-1",
                             "the first packet is not CONNECT");
        return mqtt_packet_size(header) <= mqtt_options_of(c)->connect_packet_size ||
               mqtt_fail(fault, MQTT_PACKET_TOO_LARGE, 1, "5.0 section 4.13", "CONNECT too large");
    }
    if (header->type == MQTT_CONNECT)
        return mqtt_fail(fault, MQTT_PROTOCOL_ERROR, 0, "MQTT-3.1.0-2", "a second CONNECT");
    if (!receivers[header->type])
        return mqtt_fail(fault, MQTT_PROTOCOL_ERROR, 0, "5.0 section 2.1.2",
                         "a packet that only a server sends");
    return mqtt_packet_size(header) <= broker_limits(c->broker)->packet_size ||
           mqtt_fail(fault, MQTT_PACKET_TOO_LARGE, 1, "MQTT-3.2.2-15",
                     "packet above the Maximum Packet Size");
}

enum step { STEP_DONE, STEP_MORE, STEP_FAILED, STEP_WAITS };

/* Deals with the first packet of `bytes`. DONE: header tells how long it was. MORE: it is not all
 * here; header->size is 0 while not even its header is. WAITS: it is to be offered again once the
 * password in it has been verified. */
static enum step take_packet(struct mqtt_connection *c, struct slice bytes,
                             struct mqtt_header *header)
{
    struct mqtt_fault fault;
    enum mqtt_version version = c->version ? (enum mqtt_version)c->version : MQTT_3_1_1;
    switch (mqtt_decode_header(bytes, version, header, &fault)) {
    case MQTT_HEADER_MORE:
        header->size = 0;
        return STEP_MORE;
    case MQTT_HEADER_BAD:
        break;
    case MQTT_HEADER_KNOWN:
        if (!admit(c, header, &fault))
            break;
        if (bytes.len < mqtt_packet_size(header))
            return STEP_MORE;
        bytes.len = mqtt_packet_size(header);
        if (receivers[header->type](c, header, bytes, &fault))
            return c->waits ? STEP_WAITS : STEP_DONE;
    }
    mqtt_refuse(c, (enum mqtt_type)(bytes.at[0] >> 4), &fault);
    return STEP_FAILED;
}

static ssize_t receive(struct peer *peer, void *state, struct slice bytes)
{
    struct mqtt_connection *c = state;
    struct mqtt_header header;
    enum step step = STEP_DONE;
    size_t done = 0, packets = 0;
    while (done < bytes.len) {
        step = take_packet(c, slice_from(bytes, done), &header);
        if (step != STEP_DONE)
            break;
        packets++;
        done += mqtt_packet_size(&header);
        if (peer_is_closing(peer)) {
            done = bytes.len; /* what follows a DISCONNECT is nobody's */
            break;
        }
        if (done < bytes.len && broker_is_tired(c->broker)) {
            peer_again(peer);
            break;
        }
    }
    broker_stats(c->broker)->messages_received += packets;
    if (step == STEP_FAILED)
        return -1;
    if (step == STEP_WAITS)
        return (ssize_t)done;
    if (packets)
        c->heard_ms = peer_now_ms(peer);
    if (step == STEP_MORE)
        mqtt_await_rest(c, packets > 0, header.size ? mqtt_packet_size(&header) : 0);
    else
        c->partial_ms = 0;
    return (ssize_t)done;
}

static int open_connection(struct peer *peer, void *state)
{
    struct mqtt_connection *c = state;
    c->sink.verbs = &mqtt_sink_verbs;
    c->peer = peer;
    c->broker = peer_broker(peer);
    mqtt_await_connect(c);
    return 0;
}

static void proven(struct peer *peer, void *state, struct identity *identity)
{
    struct mqtt_connection *c = state;
    (void)peer;
    c->waits = false;
    if (identity)
        c->proven = identity_ref(identity);
    else
        mqtt_turn_away(c, MQTT_BAD_USER_NAME_OR_PASSWORD, "wrong user name or password");
}

static void drained(struct peer *peer, void *state)
{
    struct mqtt_connection *c = state;
    if (mqtt_is_client(c) && !peer_is_closing(peer))
        session_pump(c->session);
}

static void expired(struct peer *peer, void *state)
{
    (void)peer;
    mqtt_deadline_passed(state);
}

static void stopping(struct peer *peer, void *state)
{
    struct mqtt_connection *c = state;
    (void)peer;
    mqtt_say_goodbye(c, MQTT_SERVER_SHUTTING_DOWN, NULL);
    mqtt_close(c, "closed: siotd is stopping");
}

/* One line about every client and about every stranger who broke a rule; who just looked in and
 * left is worth a line only to somebody who looks for him. Strangers come as often as they like, so
 * their lines have a limit. */
static void log_end(const struct mqtt_connection *c, const char *why)
{
    static struct log_rate rate; /* of all strangers together */
    char more[64] = "";
    uint32_t missed = 0;
    enum log_level level = c->explained || c->was_client ? LOG_INFO : LOG_DEBUG;
    if (!log_enabled(level) || (!c->was_client && !log_rate_allows(&rate, peer_now_ms(c->peer),
                                                                   STRANGERS_PER_SECOND, &missed)))
        return;
    if (missed)
        snprintf(more, sizeof more, " (%u more like this were not logged)", (unsigned)missed);
    peer_log(c->peer, level, "%s%s%s", c->explained ? "" : "closed: ", why, more);
}

static void close_connection(struct peer *peer, void *state, const char *why)
{
    struct mqtt_connection *c = state;
    (void)peer;
    log_end(c, why);
    mqtt_connection_leave(c, DEPART_WITH_WILL, why); /* [MQTT-3.1.2-8] */
    mqtt_aliases_in_free(c->aliases_in);
    mqtt_aliases_out_free(c->aliases_out);
    identity_unref(c->proven);
    c->proven = NULL;
    c->aliases_in = NULL;
    c->aliases_out = NULL;
}

const struct protocol mqtt_protocol = {
    .name = "mqtt",
    .carriers = CARRIER_STREAM,
    .state_size = sizeof(struct mqtt_connection),
    .options = &mqtt_option_table,
    .open = open_connection,
    .receive = receive,
    .proven = proven,
    .drained = drained,
    .expired = expired,
    .stopping = stopping,
    .close = close_connection,
};
