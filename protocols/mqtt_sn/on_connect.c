/* on_connect: CONNECT, from whoever says it, in every state (MQTT-SN 1.2 sections 6.2 and 6.14).
 *
 *   who is it -> may it come in -> is its place free -> [will dialogue, on_will.c] -> sn_enter
 *
 *   state       CONNECT
 *   none        a new connection
 *   connecting  the dialogue begins anew
 *   active      at once after CONNACK: the datagram came twice, CONNACK again; later: it begins
 *               anew, as another connection of the same client would
 *   asleep,     without CleanSession: it is active again, nothing else changes; with it: it begins
 *   awake       anew
 *
 * Everything is judged before anything changes, so a refused CONNECT disturbs nobody. */
#include "protocols/mqtt_sn/packets.h"

#include "base/utf8.h"
#include "protocols/mqtt_sn/clients.h"

#include <stdlib.h>

struct identity *sn_identity(const struct sn_visit *visit, const char **why)
{
    struct identity *proven = (struct identity *)peer_identity(visit->gate->peer);
    if (proven)
        return proven;
    if (!peer_listener(visit->gate->peer)->anonymous) {
        *why = "this listener lets nobody in unproven";
        return NULL;
    }
    *why = "out of memory";
    return identity_of_nobody();
}

enum { CLIENT_ID_MOST = 512 }; /* bytes; who waits for a will keeps a copy, proven or not */

/* Under what name. The specification wants 1 to 23 characters (section 5.3.1); somewhat longer ones
 * do no harm, and who has proven a name and gives none gets that one. */
static const char *wrong_with_name(struct sn_arrival *arrival, const struct identity *identity)
{
    if (arrival->client_id.len == 0 && !identity->anonymous)
        arrival->client_id = identity_name(identity);
    if (arrival->client_id.len == 0)
        return "no client id";
    if (arrival->client_id.len > CLIENT_ID_MOST)
        return "client id is too long";
    return utf8_clean(arrival->client_id) ? NULL : "control or non-characters in the client id";
}

static bool is_same(const struct identity *a, const struct identity *b)
{
    return a->anonymous == b->anonymous && slice_equal(identity_name(a), identity_name(b));
}

/* PINGREQ and CONNECT are easily forged. Who has proven who it is may come from anywhere, and the
 * core says whose place it is. */
bool sn_place_is_free(const struct sn_visit *visit, struct slice client_id,
                      const struct identity *identity)
{
    const struct sn_connection *holder = sn_clients_find(client_id);
    if (!identity->anonymous || sn_options_of(visit->gate)->takeover)
        return true;
    if (holder)
        return holder == visit->client || !sn_is_listening(holder);
    return !broker_has_client(visit->gate->broker, client_id);
}

/* A sleeping client that comes back from another address, or takes its first steps there. */
static bool comes_back(struct sn_visit *visit, struct sn_connection *holder,
                       const struct sn_arrival *arrival, const struct identity *identity)
{
    struct sn_connection *former = visit->client;
    if (!holder || holder == former || sn_is_listening(holder) || (arrival->flags & SN_CLEAN) ||
        !is_same(session_identity(holder->session), identity) || !sn_connection_move(holder, visit))
        return false;
    if (former)
        sn_connection_end(former, DEPART_WITH_WILL, "closed: another client is at its address");
    sn_topics_doubt(holder->topics);
    sn_stay_awake(holder, arrival->duration_s);
    return true;
}

/* The same client on the connection that it has. True: that was all. */
static bool is_known_here(struct sn_visit *visit, const struct sn_arrival *arrival)
{
    struct sn_connection *c = visit->client;
    if (!c || !c->session || !slice_equal(session_client_id(c->session), arrival->client_id))
        return false;
    if (c->fresh && c->clean == ((arrival->flags & SN_CLEAN) != 0)) {
        sn_welcome(c);
        return true;
    }
    if (c->state == SN_ACTIVE || (arrival->flags & SN_CLEAN))
        return false;
    sn_stay_awake(c, arrival->duration_s);
    return true;
}

void sn_greeting_free(struct sn_greeting *greeting)
{
    if (!greeting)
        return;
    free(greeting->topic);
    free(greeting);
}

/* Asks for the will; the client is kept until it answers. */
static void begin_dialogue(struct sn_visit *visit, const struct sn_arrival *arrival)
{
    size_t len = arrival->client_id.len;
    struct sn_greeting *greeting = calloc(1, sizeof *greeting + len);
    struct sn_connection *c = visit->client;
    if (greeting && !c)
        c = sn_connection_new(visit);
    if (!greeting || !c) {
        free(greeting);
        sn_refuse(visit, SN_CONGESTION, "out of memory, or too many behind one address");
        return;
    }
    greeting->flags = arrival->flags;
    greeting->duration_s = arrival->duration_s;
    greeting->id_len = (uint16_t)len;
    memcpy(greeting->id, arrival->client_id.at, len);
    sn_greeting_free(c->greeting);
    c->greeting = greeting;
    c->heard_ms = peer_now_ms(visit->gate->peer);
    sn_gate_due(c->gate, sn_due_ms(c));
    sn_answer_plain(visit, SN_WILLTOPICREQ);
}

void sn_on_connect(struct sn_visit *visit, const struct sn_packet *packet)
{
    struct sn_arrival arrival = {
        .flags = packet->flags, .duration_s = packet->duration_s, .client_id = packet->text};
    const char *why = NULL;
    if (packet->protocol_id != SN_PROTOCOL_ID) { /* section 5.3.8 */
        sn_refuse(visit, SN_NOT_SUPPORTED, "another protocol id");
        return;
    }
    struct identity *identity = sn_identity(visit, &why);
    if (identity)
        why = wrong_with_name(&arrival, identity);
    if (why || !broker_may_connect(visit->gate->broker, identity, arrival.client_id, &why)) {
        sn_refuse(visit, SN_NOT_SUPPORTED, why);
        return;
    }
    if (is_known_here(visit, &arrival))
        return;
    if (!sn_place_is_free(visit, arrival.client_id, identity)) {
        sn_refuse(visit, SN_CONGESTION, SN_PLACE_TAKEN);
        return;
    }
    if (comes_back(visit, sn_clients_find(arrival.client_id), &arrival, identity))
        return;
    if (visit->client)
        sn_connection_leave(visit->client, DEPART_WITH_WILL, "connects anew");
    if (arrival.flags & SN_WILL)
        begin_dialogue(visit, &arrival);
    else
        sn_enter(visit, &arrival);
}
