/* enter: from somebody who has said CONNECT, and perhaps its will, to a client; see packets.h.
 *
 * CONNACK promises that the session is there, so it waits until that is on disk, and nothing
 * overtakes it (peer_barrier). */
#include "protocols/mqtt_sn/packets.h"

#include "protocols/mqtt_sn/clients.h"

#include <stdio.h>

enum { REFUSALS_PER_SECOND = 10 };

static void log_refusal(const struct sn_visit *visit, enum sn_code code, const char *why)
{
    static struct log_rate rate; /* of all together */
    char more[64] = "";
    uint32_t missed = 0;
    if (!log_rate_allows(&rate, peer_now_ms(visit->gate->peer), REFUSALS_PER_SECOND, &missed))
        return;
    if (missed)
        snprintf(more, sizeof more, " (%u more like this were not logged)", (unsigned)missed);
    peer_log(visit->gate->peer, LOG_INFO, "not let in: %s (%s)%s", why, sn_code_name(code), more);
}

void sn_refuse(struct sn_visit *visit, enum sn_code code, const char *why)
{
    struct sn_packet packet = {.type = SN_CONNACK, .code = (uint8_t)code};
    broker_stats(visit->gate->broker)->connects_refused++;
    log_refusal(visit, code, why);
    sn_answer(visit, &packet);
    if (visit->client && !visit->client->session) {
        sn_connection_end(visit->client, DEPART_CLEANLY, why);
        visit->client = NULL;
    }
}

void sn_welcome(struct sn_connection *c)
{
    struct sn_packet packet = {.type = SN_CONNACK, .code = SN_ACCEPTED};
    peer_barrier(c->gate->peer, broker_promise_of_connect(c->gate->broker, c->session));
    sn_tell(c, &packet);
    c->fresh = true;
}

/* ---- what CONNECT asks for ---- */

/* Who asks for no keep-alive, or for a longer one than there is, is held to the longest. */
static void grant_keep_alive(struct sn_connection *c, uint16_t wish_s)
{
    const struct sn_options *options = sn_options_of(c->gate);
    uint64_t most = options->keep_alive_max / 1000;
    c->keep_alive_s = wish_s && wish_s < most ? wish_s : (uint16_t)most;
    c->silence_ms = (uint32_t)(c->keep_alive_s * UINT64_C(10) * options->tolerance);
}

static uint32_t expiry_s(const struct sn_connection *c)
{
    uint64_t expiry = sn_options_of(c->gate)->session_expiry;
    if (c->clean)
        return 0;
    if (expiry == OPTION_UNLIMITED || expiry / 1000 >= SESSION_NEVER_EXPIRES)
        return SESSION_NEVER_EXPIRES;
    return (uint32_t)(expiry / 1000);
}

/* The client's own will, or none. False: turned away. */
static bool take_will(struct sn_visit *visit, const struct sn_arrival *a, struct identity *identity,
                      struct will **will)
{
    const char *why;
    *will = NULL;
    if (!a->has_will)
        return true;
    enum sn_code code =
        sn_judge_will(visit->gate, identity, a->client_id, a->will_flags, a->will_topic, &why);
    if (code == SN_ACCEPTED && !sn_will_fits(visit->gate, a->will_topic, a->will_message)) {
        code = SN_NOT_SUPPORTED;
        why = "its will is too long for an address that has proven nothing";
    }
    if (code == SN_ACCEPTED) {
        *will = sn_will_new(a->will_flags, a->will_topic, a->will_message);
        if (*will)
            return true;
        code = SN_CONGESTION;
        why = "out of memory";
    }
    sn_refuse(visit, code, why);
    return false;
}

/* Without CleanSession all that was known of the client is still known, its will included, unless
 * CONNECT has brought another (section 6.3). False when out of memory. */
static bool recall(struct sn_connection *c, const struct sn_arrival *a, bool present)
{
    struct sn_memory memory = {0};
    if (present)
        sn_recall(c->session, &memory);
    if (memory.topics.len) {
        c->topics = sn_topics_new();
        if (!c->topics)
            return false;
        if (!sn_topics_read(c->topics, memory.topics))
            sn_log(c, LOG_WARNING, "not all of its topic ids could be restored");
    }
    if (a->has_will || a->forget_will) {
        memory.has_will = a->has_will;
        memory.will_flags = a->will_flags;
        memory.will_topic = a->will_topic;
        memory.will_message = a->will_message;
    } else if (memory.has_will) {
        session_set_will(c->session,
                         sn_will_new(memory.will_flags, memory.will_topic, memory.will_message));
    }
    return sn_remember(c, &memory) == 0;
}

static enum verdict bind(struct sn_connection *c, const struct sn_arrival *a,
                         struct identity *identity, struct will *will, bool *present)
{
    struct connect_request request = {
        .client_id = a->client_id,
        .identity = identity,
        .mountpoint = peer_listener(c->gate->peer)->mountpoint,
        .protocol = "mqtt-sn",
        .clean_start = c->clean,
        .expiry_s = expiry_s(c),
        .receive_maximum = 1, /* one QoS 1 or 2 PUBLISH at a time (section 6.6) */
        .inbound_maximum = (uint16_t)broker_limits(c->gate->broker)->inflight,
        .will = will,
    };
    struct session *session;
    enum verdict verdict = broker_connect(c->gate->broker, &request, &c->sink, &session, present);
    if (verdict == VERDICT_OK)
        c->session = session;
    return verdict;
}

static void log_connected(const struct sn_connection *c, const struct sn_arrival *a,
                          const struct identity *identity, bool present)
{
    char user[LOG_ESCAPED_SIZE] = "";
    if (!identity->anonymous)
        log_escape(user, sizeof user, identity_name(identity));
    sn_log(c, LOG_INFO, "connected: MQTT-SN 1.2, %s%s%s, keep-alive %u s, %s%s",
           *user ? "user \"" : "anonymous", user, *user ? "\"" : "", (unsigned)c->keep_alive_s,
           c->clean  ? "clean session"
           : present ? "session resumed"
                     : "new session",
           a->has_will ? ", with a will" : "");
}

static void begin(struct sn_connection *c)
{
    char address[PEER_ADDRESS_SIZE];
    c->heard_ms = c->advertised_ms = peer_now_ms(c->gate->peer);
    sn_become(c, SN_ACTIVE);
    sn_welcome(c);
    sn_gate_due(c->gate, sn_due_ms(c));
    session_resume(c->session);
    broker_client_event(c->gate->broker, c->session, true,
                        slice_of_str(peer_address(c->gate->peer, address)), NULL);
}

void sn_enter(struct sn_visit *visit, const struct sn_arrival *a)
{
    const char *why = "out of memory";
    struct identity *identity = sn_identity(visit, &why);
    struct will *will;
    bool present;
    if (!identity) {
        sn_refuse(visit, SN_NOT_SUPPORTED, why);
        return;
    }
    if (!sn_place_is_free(visit, a->client_id, identity)) { /* taken while it told its will */
        sn_refuse(visit, SN_CONGESTION, SN_PLACE_TAKEN);
        return;
    }
    if (!take_will(visit, a, identity, &will))
        return;
    struct sn_connection *c = visit->client ? visit->client : sn_connection_new(visit);
    if (!c) {
        sn_will_free(will);
        sn_refuse(visit, SN_CONGESTION, "out of memory, or too many behind one address");
        return;
    }
    c->clean = a->flags & SN_CLEAN;
    enum verdict verdict = bind(c, a, identity, will, &present);
    if (verdict != VERDICT_OK) {
        sn_will_free(will);
        sn_refuse(visit, sn_code_of(verdict), verdict_name(verdict));
        return;
    }
    if (!c->wrapped)
        peer_name(c->gate->peer, session_client_id(c->session));
    if (sn_clients_add(c) != 0 || !recall(c, a, present)) {
        sn_connection_leave(c, DEPART_CLEANLY, "out of memory");
        sn_refuse(visit, SN_CONGESTION, "out of memory");
        return;
    }
    grant_keep_alive(c, a->duration_s);
    log_connected(c, a, identity, present);
    begin(c);
    sn_greeting_free(c->greeting); /* `a` may lie in it */
    c->greeting = NULL;
}
