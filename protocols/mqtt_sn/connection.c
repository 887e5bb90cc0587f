/* connection: the changes of state of an MQTT-SN client; see connection.h.
 *
 * Invariants: while session is set, its sink is this connection and clients.c has it under its
 * client id; a gate's list holds each connection that is not freed. */
#include "protocols/mqtt_sn/connection.h"

#include "protocols/mqtt_sn/clients.h"
#include "protocols/mqtt_sn/packets.h"
#include "protocols/mqtt_sn/sleepers.h"
#include "protocols/mqtt_sn/traffic.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    LINE_MAX = 512,
    REST_POLL_MS = 50, /* how often it is seen whether one that is awake has got everything */
};

static const char *state_name(unsigned state)
{
    static const char *const names[] = {
        [SN_CONNECTING] = "connecting",
        [SN_ACTIVE] = "active",
        [SN_ASLEEP] = "asleep",
        [SN_AWAKE] = "awake",
    };
    return names[state];
}

void sn_log(const struct sn_connection *c, enum log_level level, const char *format, ...)
{
    char line[LINE_MAX], who[LOG_ESCAPED_SIZE] = "", node[16] = "";
    va_list arguments;
    if (!log_enabled(level))
        return;
    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    if (!c->wrapped) {
        peer_log(c->gate->peer, level, "%s", line);
        return;
    }
    for (size_t i = 0; i < c->node_len && i < 6; i++)
        snprintf(node + 2 * i, sizeof node - 2 * i, "%02x", c->node[i]);
    if (c->session)
        log_escape(who, sizeof who, session_client_id(c->session));
    peer_log(c->gate->peer, level, "node %s \"%s\": %s", node, who, line);
}

void sn_become(struct sn_connection *c, enum sn_state state)
{
    if (c->state == state)
        return;
    sn_log(c, LOG_DEBUG, "%s, was %s", state_name(state), state_name(c->state));
    c->state = (uint8_t)state;
}

/* ---- life ---- */

/* Keeps a copy of the node id. False when out of memory. */
static bool set_node(struct sn_connection *c, const struct sn_visit *visit)
{
    uint8_t *node = NULL;
    if (visit->node.len) {
        node = malloc(visit->node.len);
        if (!node)
            return false;
        memcpy(node, visit->node.at, visit->node.len);
    }
    free(c->node);
    c->node = node;
    c->node_len = (uint8_t)visit->node.len;
    c->wrapped = visit->wrapped;
    return true;
}

static void enter_gate(struct sn_connection *c, struct sn_visit *visit)
{
    struct sn_gate *gate = visit->gate;
    c->gate = gate;
    c->heard_ms = peer_now_ms(gate->peer);
    list_append(&gate->clients, &c->link);
    visit->client = c;
    if (gate->known)
        return;
    gate->known = true;
    peer_known(gate->peer);
    if (sn_options_of(gate)->trust_sources)
        peer_verify(gate->peer);
}

/* The last one has gone: so does the peer. */
static void close_if_empty(struct sn_gate *gate, const char *why)
{
    if (list_empty(&gate->clients) && gate->known)
        peer_close(gate->peer, "%s", why);
}

struct sn_connection *sn_connection_new(struct sn_visit *visit)
{
    if (visit->wrapped && sn_gate_count(visit->gate) >= sn_options_of(visit->gate)->nodes)
        return NULL;
    struct sn_connection *c = calloc(1, sizeof *c);
    if (!c || !set_node(c, visit)) {
        free(c);
        return NULL;
    }
    c->sink.verbs = &sn_sink_verbs;
    c->state = SN_CONNECTING;
    list_init(&c->link);
    enter_gate(c, visit);
    return c;
}

/* A session is of one mountpoint: taken along behind another, it would show what is behind the
 * former. */
static bool may_move(const struct sn_connection *c, const struct sn_gate *to)
{
    return strcmp(peer_listener(c->gate->peer)->mountpoint, peer_listener(to->peer)->mountpoint) ==
           0;
}

bool sn_connection_move(struct sn_connection *c, struct sn_visit *visit)
{
    struct sn_gate *left = c->gate;
    if (!may_move(c, visit->gate) || !set_node(c, visit))
        return false;
    list_remove(&c->link);
    enter_gate(c, visit);
    close_if_empty(left, "its client has moved to another address");
    return true;
}

/* What belonged to the session goes with it. */
static struct session *drop_session(struct sn_connection *c)
{
    struct session *session = c->session;
    sn_clients_remove(c);
    sn_traffic_clear(c);
    sn_topics_free(c->topics);
    c->topics = NULL;
    free(c->recent);
    c->recent = NULL;
    c->session = NULL;
    c->subscribed = 0;
    c->fresh = false;
    return session;
}

/* And the world hears of it. */
static struct session *let_go(struct sn_connection *c, const char *why)
{
    char address[PEER_ADDRESS_SIZE];
    bool slept = sn_is_sleeping(c);
    sn_become(c, SN_CONNECTING);
    if (slept)
        sn_sleep_end(c);
    struct session *session = drop_session(c);
    broker_client_event(c->gate->broker, session, false,
                        slice_of_str(peer_address(c->gate->peer, address)), why);
    return session;
}

void sn_connection_leave(struct sn_connection *c, enum departure how, const char *why)
{
    if (!c->session)
        return;
    struct session *session = let_go(c, why);
    broker_disconnect(c->gate->broker, session, how);
}

static void discard(struct sn_connection *c, const char *why)
{
    struct sn_gate *gate = c->gate;
    list_remove(&c->link);
    sn_greeting_free(c->greeting);
    free(c->node);
    free(c);
    close_if_empty(gate, why);
}

void sn_connection_end(struct sn_connection *c, enum departure how, const char *why)
{
    sn_log(c, c->session ? LOG_INFO : LOG_DEBUG, "%s", why);
    sn_connection_leave(c, how, why);
    discard(c, why);
}

void sn_connection_dispossess(struct sn_connection *c, const char *why)
{
    sn_log(c, LOG_INFO, "closed: %s", why);
    (void)let_go(c, why);
    discard(c, why);
}

void sn_connection_leave_asleep(struct sn_connection *c, int64_t until_ms)
{
    broker_leave_asleep(c->gate->broker, drop_session(c), until_ms);
    discard(c, "asleep");
}

void sn_lose(struct sn_connection *c, const char *why)
{
    if (c->state == SN_ACTIVE) { /* in case it is there after all: it may connect again */
        struct sn_packet packet = {.type = SN_DISCONNECT, .empty = true};
        sn_tell(c, &packet);
    }
    sn_connection_end(c, DEPART_WITH_WILL, why);
}

/* ---- sending ---- */

void sn_tell(struct sn_connection *c, const struct sn_packet *packet)
{
    sn_send(c->gate, c->wrapped, sn_node(c), packet, 0);
}

void sn_tell_after(struct sn_connection *c, const struct sn_packet *packet)
{
    sn_send(c->gate, c->wrapped, sn_node(c), packet,
            broker_promise_for(c->gate->broker, c->session));
}

/* ---- time ---- */

static uint64_t silence_due_ms(const struct sn_connection *c)
{
    const struct sn_options *options = sn_options_of(c->gate);
    if (c->state == SN_CONNECTING)
        return c->heard_ms + options->retry * (options->retries + 1);
    return c->heard_ms + c->silence_ms;
}

static bool is_to_be_advertised(const struct sn_connection *c)
{
    return c->state == SN_ACTIVE && sn_options_of(c->gate)->advertise != OPTION_UNLIMITED;
}

uint64_t sn_due_ms(const struct sn_connection *c)
{
    uint64_t due = silence_due_ms(c), again = sn_traffic_due_ms(c);
    if (again < due)
        due = again;
    if (c->state == SN_AWAKE && peer_now_ms(c->gate->peer) + REST_POLL_MS < due)
        due = peer_now_ms(c->gate->peer) + REST_POLL_MS;
    if (is_to_be_advertised(c) && c->advertised_ms + sn_options_of(c->gate)->advertise < due)
        due = c->advertised_ms + sn_options_of(c->gate)->advertise;
    return due;
}

void sn_look(struct sn_connection *c)
{
    uint64_t now = peer_now_ms(c->gate->peer);
    if (silence_due_ms(c) <= now) {
        sn_lose(c, c->state == SN_CONNECTING ? "closed: no answer about its will"
                   : c->state == SN_ACTIVE   ? "lost: keep-alive expired"
                                             : "lost: has not woken in time");
    } else if (!sn_traffic_again(c)) {
        sn_lose(c, "lost: does not answer");
    } else if (c->state == SN_AWAKE) {
        sn_rest(c);
    } else if (is_to_be_advertised(c) &&
               c->advertised_ms + sn_options_of(c->gate)->advertise <= now) {
        sn_advertise(c);
    }
}
