/* on_connect: from a stranger to a client, or not.
 *
 *   decode -> may somebody unknown enter here -> identifier -> will -> broker_connect -> CONNACK ->
 *   what the session has waiting
 *
 * Everything is judged before the core hears of it, so a refused CONNECT leaves no trace and
 * disturbs no session [MQTT-3.1.4-2]. A password is verified elsewhere and takes its time: CONNECT
 * stays where it is and comes here again once its sender is proven. */
#include "base/random.h"
#include "base/utf8.h"
#include "protocols/mqtt/deadline.h"
#include "protocols/mqtt/packets.h"
#include "protocols/mqtt/reasons.h"
#include "protocols/mqtt/refuse.h"

#include <stdio.h>

/* "siotd-" and 128 random bits as hex: nobody takes over what he cannot guess. */
enum { ID_RANDOM = 16, ASSIGNED_ID_LEN = 6 + 2 * ID_RANDOM };

/* All that is found out about a CONNECT on its way. */
struct arrival {
    struct mqtt_connect packet;
    struct identity *identity; /* borrowed */
    uint16_t keep_alive_s;     /* as granted; 0: none */
    uint32_t expiry_s;         /* as granted */
    struct mqtt_welcome welcome;
    char assigned_id[ASSIGNED_ID_LEN + 1];
};

static void take_wishes(struct mqtt_connection *c, const struct mqtt_connect *packet)
{
    const struct mqtt_properties *p = &packet->properties;
    const struct mqtt_options *options = mqtt_options_of(c);
    bool five = packet->version == MQTT_5;
    c->maximum_packet_size =
        mqtt_has(p, MQTT_MAXIMUM_PACKET_SIZE) ? p->maximum_packet_size : UINT32_MAX;
    c->wants_reasons = five && !(mqtt_has(p, MQTT_REQUEST_PROBLEM_INFORMATION) &&
                                 p->request_problem_information == 0);
    c->expires = p->session_expiry_s != 0;
    c->alias_in_max = five ? (uint16_t)options->topic_alias_max : 0;
    uint64_t alias_out = p->topic_alias_maximum;
    if (alias_out > options->topic_alias_out_max)
        alias_out = options->topic_alias_out_max;
    c->alias_out_max = (uint16_t)alias_out; /* [MQTT-3.1.2-26], [MQTT-3.1.2-27] */
}

static void assign_client_id(struct arrival *arrival)
{
    uint8_t random[ID_RANDOM];
    random_bytes(random, sizeof random);
    int at = snprintf(arrival->assigned_id, sizeof arrival->assigned_id, "siotd-");
    for (size_t i = 0; i < sizeof random; i++)
        at += snprintf(arrival->assigned_id + at, sizeof arrival->assigned_id - (size_t)at, "%02x",
                       random[i]);
    arrival->packet.client_id = slice_of_str(arrival->assigned_id);
    arrival->welcome.assigned_client_id = arrival->packet.client_id;
}

/* With users there is nothing between a name with its password and neither of them: half of it is a
 * failed try. */
static void prove(struct mqtt_connection *c, const struct mqtt_connect *packet)
{
    if (!packet->has_username || packet->username.len == 0 || !packet->has_password) {
        peer_proof_failed(c->peer, packet->username);
        mqtt_turn_away(c, MQTT_BAD_USER_NAME_OR_PASSWORD,
                       packet->has_password ? "password without user name"
                                            : "user name without password");
    } else if (peer_prove(c->peer, broker_access(c->broker), packet->username, packet->password)) {
        c->waits = true;
    } else {
        mqtt_turn_away(c, MQTT_SERVER_BUSY, "too many passwords wait to be verified");
    }
}

/* By what the transport has proven, by password, or as anybody where the listener allows it. False:
 * turned away, or not known yet. */
static bool find_identity(struct mqtt_connection *c, struct arrival *arrival)
{
    const struct mqtt_connect *packet = &arrival->packet;
    const struct access *access = broker_access(c->broker);
    arrival->identity = c->proven ? c->proven : (struct identity *)peer_identity(c->peer);
    if (arrival->identity)
        return true;
    if (access && access->users && (packet->has_username || packet->has_password)) {
        prove(c, packet);
        return false;
    }
    if (!peer_listener(c->peer)->anonymous) {
        mqtt_turn_away(c, MQTT_NOT_AUTHORIZED, "this listener lets nobody in unproven");
        return false;
    }
    arrival->identity = identity_of_nobody();
    if (!arrival->identity)
        mqtt_turn_away(c, MQTT_SERVER_UNAVAILABLE, "out of memory");
    return arrival->identity != NULL;
}

/* Who it is and under what name. */
static bool identify(struct mqtt_connection *c, struct arrival *arrival)
{
    const struct mqtt_connect *packet = &arrival->packet;
    if (packet->client_id.len)
        peer_name(c->peer, packet->client_id);
    if (mqtt_has(&packet->properties, MQTT_AUTHENTICATION_METHOD)) { /* [MQTT-4.12.0-1] */
        mqtt_turn_away(c, MQTT_BAD_AUTHENTICATION_METHOD, "authentication method not offered");
        return false;
    }
    if (!utf8_clean(packet->client_id)) { /* [MQTT-3.1.3-8] */
        mqtt_turn_away(c, MQTT_CLIENT_IDENTIFIER_NOT_VALID,
                       "control or non-characters in the client identifier");
        return false;
    }
    if (!find_identity(c, arrival))
        return false;
    const struct access *access = broker_access(c->broker);
    if (packet->client_id.len == 0 && access && access->bind_client_id &&
        !arrival->identity->anonymous) {
        arrival->packet.client_id = identity_name(arrival->identity);
        arrival->welcome.assigned_client_id = arrival->packet.client_id;
    } else if (packet->client_id.len == 0) { /* [MQTT-3.1.3-6], [MQTT-3.1.3-7] */
        assign_client_id(arrival);
        peer_name(c->peer, arrival->packet.client_id);
    }
    const char *why;
    if (broker_may_connect(c->broker, arrival->identity, arrival->packet.client_id, &why))
        return true;
    mqtt_turn_away(c, MQTT_NOT_AUTHORIZED, why);
    return false;
}

/* Keep-alive as granted; 3.x cannot be told and is just held to it. */
static void grant_keep_alive(struct mqtt_connection *c, struct arrival *arrival)
{
    uint16_t wish = arrival->packet.keep_alive_s, most = mqtt_keep_alive_max_s(mqtt_options_of(c));
    arrival->keep_alive_s = wish;
    if (most && (wish == 0 || wish > most)) {
        arrival->keep_alive_s = most;
        arrival->welcome.server_keep_alive_s = most;
    }
    c->keep_alive_ms = arrival->keep_alive_s * UINT32_C(1500); /* [MQTT-3.1.2-22] */
}

/* How long the session stays; 3.x says "clean" or "as long as you can". */
static void grant_expiry(const struct mqtt_connection *c, struct arrival *arrival)
{
    const struct mqtt_connect *packet = &arrival->packet;
    uint32_t most = mqtt_session_expiry_max_s(mqtt_options_of(c));
    if (packet->version != MQTT_5) {
        arrival->expiry_s = packet->clean_start ? 0 : most; /* [3.1.1 MQTT-3.1.2-6] */
        return;
    }
    arrival->expiry_s = packet->properties.session_expiry_s;
    if (arrival->expiry_s > most) {
        arrival->expiry_s = most;
        arrival->welcome.has_session_expiry = true;
        arrival->welcome.session_expiry_s = most;
    }
}

/* Binds the session. False: turned away, and the core is as it was. */
static bool enter(struct mqtt_connection *c, struct arrival *arrival)
{
    const struct mqtt_connect *packet = &arrival->packet;
    const struct broker_limits *limits = broker_limits(c->broker);
    struct will *will = NULL;
    struct mqtt_objection no;
    if (packet->has_will && !(will = mqtt_will_new(c, packet, arrival->identity, &no))) {
        mqtt_turn_away(c, no.reason, no.why);
        return false;
    }
    struct connect_request request = {
        .client_id = packet->client_id,
        .identity = arrival->identity,
        .mountpoint = peer_listener(c->peer)->mountpoint,
        .protocol = "mqtt",
        .clean_start = packet->clean_start,
        .expiry_s = arrival->expiry_s,
        .receive_maximum = mqtt_has(&packet->properties, MQTT_RECEIVE_MAXIMUM)
                               ? packet->properties.receive_maximum
                               : UINT16_MAX,
        .inbound_maximum = (uint16_t)(c->version == MQTT_5 ? limits->inflight : limits->unreleased),
        .will = will,
    };
    struct session *session;
    enum verdict verdict =
        broker_connect(c->broker, &request, &c->sink, &session, &arrival->welcome.session_present);
    if (verdict != VERDICT_OK) {
        mqtt_will_free(will);
        mqtt_turn_away(c, mqtt_connect_reason(verdict), verdict_name(verdict));
        return false;
    }
    c->session = session;
    c->was_client = true;
    return true;
}

static void log_connected(const struct mqtt_connection *c, const struct arrival *arrival)
{
    const struct mqtt_connect *packet = &arrival->packet;
    char expiry[32];
    if (arrival->expiry_s == SESSION_NEVER_EXPIRES)
        snprintf(expiry, sizeof expiry, "never");
    else
        snprintf(expiry, sizeof expiry, "%u s", (unsigned)arrival->expiry_s);
    char user[LOG_ESCAPED_SIZE] = "";
    if (!arrival->identity->anonymous)
        log_escape(user, sizeof user, identity_name(arrival->identity));
    peer_log(c->peer, LOG_INFO,
             "connected: MQTT %s, %s%s%s, keep-alive %u s, %s, session expiry %s%s",
             mqtt_version_name((enum mqtt_version)packet->version), *user ? "user \"" : "anonymous",
             user, *user ? "\"" : "", (unsigned)arrival->keep_alive_s,
             packet->clean_start                ? "clean start"
             : arrival->welcome.session_present ? "session resumed"
                                                : "new session",
             expiry, packet->has_will ? ", with a will" : "");
    if (packet->has_username && arrival->identity->anonymous) {
        char name[LOG_ESCAPED_SIZE];
        peer_log(c->peer, LOG_DEBUG, "user name \"%s\" not asked for: the listener is anonymous",
                 log_escape(name, sizeof name, packet->username));
    }
}

bool mqtt_on_connect(struct mqtt_connection *c, const struct mqtt_header *header,
                     struct slice packet, struct mqtt_fault *fault)
{
    struct arrival arrival = {0};
    struct mqtt_property_limits limits = mqtt_property_limits(mqtt_options_of(c));
    bool good = mqtt_decode_connect(header, packet, &limits, &arrival.packet, fault);
    c->version = arrival.packet.version; /* so that a refusal is in the client's own words */
    if (!good)
        return false;
    take_wishes(c, &arrival.packet);
    if (!identify(c, &arrival))
        return true;
    grant_keep_alive(c, &arrival);
    grant_expiry(c, &arrival);
    if (!enter(c, &arrival))
        return true;
    if (!mqtt_send_connack(c, &arrival.welcome)) { /* [MQTT-3.1.2-24] */
        mqtt_close(c, "closed: CONNACK is above the client's Maximum Packet Size");
        return true;
    }
    log_connected(c, &arrival);
    identity_unref(c->proven); /* the session has its own */
    c->proven = NULL;
    mqtt_await_client(c);
    session_resume(c->session);
    mqtt_connection_announce(c); /* after what has waited: the client itself may listen */
    return true;
}
