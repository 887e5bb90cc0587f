/* on_sleep: DISCONNECT and PINGREQ: clients that go, clients that sleep, clients that wake for a
 * moment (MQTT-SN 1.2 sections 6.11, 6.12 and 6.14).
 *
 *   active --DISCONNECT(duration)--> asleep --PINGREQ(its id)--> awake --all acknowledged,
 *   PINGRESP--> asleep; CONNECT leads back to active from either
 *
 * For the core the client is there all the time; only its sink takes nothing while it sleeps, so
 * what comes is queued (and on disk before its publisher is told so, where there is a store). That
 * it sleeps outlives siotd: sleepers.c. */
#include "protocols/mqtt_sn/packets.h"

#include "protocols/mqtt_sn/clients.h"
#include "protocols/mqtt_sn/sleepers.h"
#include "protocols/mqtt_sn/traffic.h"

static void set_silence(struct sn_connection *c, uint16_t seconds)
{
    c->silence_ms = (uint32_t)(seconds * UINT64_C(10) * sn_options_of(c->gate)->tolerance);
    c->heard_ms = peer_now_ms(c->gate->peer);
    sn_gate_due(c->gate, sn_due_ms(c));
}

static void fall_asleep(struct sn_connection *c, uint16_t duration_s)
{
    struct sn_packet answer = {.type = SN_DISCONNECT, .empty = true};
    sn_traffic_pause(c);
    sn_become(c, SN_ASLEEP);
    set_silence(c, duration_s);
    sn_sleep_begin(c);
    sn_tell_after(c, &answer); /* which promises that it may sleep, whatever becomes of siotd */
}

/* Nobody who is not there is answered: what siotd answers with is DISCONNECT itself. */
void sn_on_disconnect(struct sn_visit *visit, const struct sn_packet *packet)
{
    struct sn_connection *c = visit->client;
    if (!c)
        return;
    if (c->session && packet->duration_s) {
        fall_asleep(c, packet->duration_s);
        return;
    }
    sn_answer_plain(visit, SN_DISCONNECT);
    sn_connection_end(c, DEPART_CLEANLY, "disconnected by the client");
    visit->client = NULL;
}

/* ---- awake ---- */

static void wake(struct sn_connection *c)
{
    c->woken_ms = peer_now_ms(c->gate->peer);
    sn_become(c, SN_AWAKE);
    sn_traffic_wake(c);
    session_pump(c->session);
    sn_gate_due(c->gate, sn_due_ms(c));
}

/* Whether there may be more to come: from the core, or in the peer's output. After T_retry nothing
 * is waited for any more. */
static bool expects_more(const struct sn_connection *c)
{
    if (sn_traffic_is_owed(c))
        return true;
    return (session_has_waiting(c->session) || peer_is_full(c->gate->peer)) &&
           peer_now_ms(c->gate->peer) - c->woken_ms < sn_options_of(c->gate)->retry;
}

void sn_rest(struct sn_connection *c)
{
    struct sn_packet packet = {.type = SN_PINGRESP};
    if (expects_more(c))
        return;
    sn_tell(c, &packet);
    sn_become(c, SN_ASLEEP);
}

void sn_stay_awake(struct sn_connection *c, uint16_t duration_s)
{
    uint64_t most = sn_options_of(c->gate)->keep_alive_max / 1000;
    c->keep_alive_s = duration_s && duration_s < most ? duration_s : (uint16_t)most;
    sn_become(c, SN_ACTIVE);
    set_silence(c, c->keep_alive_s);
    sn_sleep_end(c);
    sn_welcome(c);
    sn_traffic_wake(c);
    session_pump(c->session);
}

/* A sleeping client at a new address, whose former one nobody reads any more: an identity that the
 * transport has proven shows that it is the same; a name alone only where the option says so, since
 * whoever knows it could have what was queued. */
static struct sn_connection *come_back(struct sn_visit *visit, struct slice client_id)
{
    struct sn_connection *c = client_id.len ? sn_clients_find(client_id) : NULL;
    if (!c)
        return client_id.len ? sn_sleepers_wake(visit, client_id) : NULL;
    if (c->state != SN_ASLEEP || !sn_sleeps_for(visit, session_identity(c->session)) ||
        !sn_connection_move(c, visit))
        return NULL;
    if (!c->wrapped)
        peer_name(c->gate->peer, client_id);
    sn_log(c, LOG_INFO, "woke at another address");
    return c;
}

void sn_on_pingreq(struct sn_visit *visit, const struct sn_packet *packet)
{
    struct sn_connection *c = visit->client;
    if (!c)
        c = come_back(visit, packet->text);
    if (!c) {
        sn_answer_plain(visit, SN_DISCONNECT);
        return;
    }
    if (c->state == SN_ACTIVE || (c->state == SN_ASLEEP && packet->text.len == 0)) {
        sn_answer_plain(visit, SN_PINGRESP);
    } else if (c->state == SN_ASLEEP) {
        if (slice_equal(packet->text, session_client_id(c->session)))
            wake(c);
        else
            sn_log(c, LOG_DEBUG, "PINGREQ with another client id ignored");
    }
}
