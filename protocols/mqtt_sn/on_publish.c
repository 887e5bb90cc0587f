/* on_publish: a message from a client to the core (MQTT-SN 1.2 sections 6.6 to 6.8).
 *
 *   id -> topic -> QoS 2: seen before? -> broker_publish -> PUBACK or PUBREC
 *
 * Nothing is copied and nothing allocated here. The core decides whether it is permitted, also for
 * QoS -1, which comes without any connection: then the identity is what the transport has proven,
 * or the anonymous one, and without either nothing is published. */
#include "protocols/mqtt_sn/packets.h"

#include "base/utf8.h"
#include "protocols/mqtt_sn/recent.h"
#include "protocols/mqtt_sn/traffic.h"

#include <stdio.h>

enum { REFUSALS_PER_SECOND = 10 };

enum sn_code sn_code_of(enum verdict verdict)
{
    switch (verdict) {
    case VERDICT_OK:
    case VERDICT_NO_SUBSCRIBERS:
    case VERDICT_NO_SUBSCRIPTION:
        return SN_ACCEPTED;
    case VERDICT_QUOTA:
    case VERDICT_NO_MEMORY:
        return SN_CONGESTION;
    case VERDICT_BAD_TOPIC:
        return SN_INVALID_TOPIC_ID;
    case VERDICT_DENIED:
    case VERDICT_BAD_FILTER:
    case VERDICT_TOO_LARGE:
    case VERDICT_COUNT:
        break;
    }
    return SN_NOT_SUPPORTED; /* there is no code for "not authorised": the log has the reason */
}

static struct message message_of(const struct sn_packet *packet, struct slice topic, uint8_t qos)
{
    return (struct message){
        .topic = topic.at,
        .topic_len = (uint16_t)topic.len,
        .payload = packet->text.at,
        .payload_len = (uint32_t)packet->text.len,
        .qos = qos,
        .retain = packet->flags & SN_RETAIN,
    };
}

static void log_refused(const struct sn_gate *gate, struct slice topic, const char *why)
{
    static struct log_rate rate; /* of all clients together */
    char escaped[LOG_ESCAPED_SIZE], more[64] = "";
    uint32_t missed = 0;
    if (!log_rate_allows(&rate, peer_now_ms(gate->peer), REFUSALS_PER_SECOND, &missed))
        return;
    if (missed)
        snprintf(more, sizeof more, " (%u more like this were not logged)", (unsigned)missed);
    peer_log(gate->peer, LOG_INFO, "publish to \"%s\" refused: %s%s",
             log_escape(escaped, sizeof escaped, topic), why, more);
}

/* ---- QoS -1 ---- */

/* Without a session rules know it by what it has proven, or by this name, which is nobody's. */
static enum verdict publish_unconnected(struct sn_visit *visit, struct message *message)
{
    const char *mountpoint = peer_listener(visit->gate->peer)->mountpoint, *why;
    struct identity *identity = sn_identity(visit, &why);
    if (!identity)
        return VERDICT_DENIED;
    struct slice name = identity->anonymous ? SLICE("qos-1") : identity_name(identity);
    if (!broker_may_connect(visit->gate->broker, identity, name, &why))
        return VERDICT_DENIED;
    struct principal *who = principal_new(identity, name, strlen(mountpoint));
    enum verdict verdict = broker_publish_as(visit->gate->broker, who, mountpoint, message);
    principal_unref(who);
    return verdict;
}

/* Never answered, whatever becomes of it (section 6.8). Only ids that need no REGISTER. */
static void on_qos_minus_1(struct sn_visit *visit, const struct sn_packet *packet)
{
    struct sn_gate *gate = visit->gate;
    const struct sn_connection *c = visit->client && visit->client->session ? visit->client : NULL;
    enum sn_id_type type = sn_id_type(packet);
    struct slice client_id = c ? session_client_id(c->session) : SLICE_EMPTY;
    uint8_t two[2];
    if (!sn_options_of(gate)->qos_minus_1 || (type != SN_ID_PREDEFINED && type != SN_ID_SHORT)) {
        broker_stats(gate->broker)->publish_refused++;
        return;
    }
    struct slice topic = sn_name_of(gate, c, client_id, type, packet->topic_id, two);
    if (topic.len == 0 || !utf8_clean(topic)) {
        broker_stats(gate->broker)->publish_refused++;
        return;
    }
    struct message message = message_of(packet, topic, 0);
    enum verdict verdict = c ? broker_publish(gate->broker, c->session, &message)
                             : publish_unconnected(visit, &message);
    message_end(&message);
    if (sn_code_of(verdict) != SN_ACCEPTED)
        log_refused(gate, topic, verdict_name(verdict));
}

/* ---- QoS 0 to 2 ---- */

static void puback(struct sn_connection *c, const struct sn_packet *packet, enum sn_code code)
{
    struct sn_packet answer = {.type = SN_PUBACK,
                               .topic_id = packet->topic_id,
                               .msg_id = packet->msg_id,
                               .code = (uint8_t)code};
    if (code == SN_ACCEPTED)
        sn_tell_after(c, &answer);
    else
        sn_tell(c, &answer);
}

static void acknowledge(struct sn_connection *c, const struct sn_packet *packet, uint8_t qos)
{
    struct sn_packet pubrec = {.type = SN_PUBREC, .msg_id = packet->msg_id};
    if (qos == 1)
        puback(c, packet, SN_ACCEPTED);
    else if (qos == 2)
        sn_tell_after(c, &pubrec);
}

/* The message came in an earlier packet, so what it had to wait for is not known any more: for all
 * that is recorded. */
static void repeat_pubrec(struct sn_connection *c, const struct sn_packet *packet)
{
    struct sn_packet pubrec = {.type = SN_PUBREC, .msg_id = packet->msg_id};
    sn_send(c->gate, c->wrapped, sn_node(c), &pubrec, broker_promise(c->gate->broker));
}

/* Whether a QoS 2 message is to be published. */
static bool admit(struct sn_connection *c, const struct sn_packet *packet)
{
    switch (session_received(c->session, packet->msg_id)) {
    case INBOUND_NEW:
        if (!sn_recent_is_over(c->recent, packet, peer_now_ms(c->gate->peer),
                               sn_options_of(c->gate)->retry))
            return true;
        session_forget(c->session, packet->msg_id);
        repeat_pubrec(c, packet);
        return false;
    case INBOUND_DUPLICATE: /* PUBREC has been lost */
        repeat_pubrec(c, packet);
        return false;
    case INBOUND_OVER_LIMIT:
    case INBOUND_NO_MEMORY:
        puback(c, packet, SN_CONGESTION);
        return false;
    }
    return false;
}

static void publish(struct sn_connection *c, const struct sn_packet *packet, struct slice topic)
{
    uint8_t qos = (uint8_t)sn_qos(packet);
    if (qos == 2 && !admit(c, packet))
        return;
    struct message message = message_of(packet, topic, qos);
    enum verdict verdict = broker_publish(c->gate->broker, c->session, &message);
    enum sn_code code = sn_code_of(verdict);
    message_end(&message);
    if (code == SN_ACCEPTED) {
        if (qos == 2)
            sn_recent_taken(&c->recent, packet);
        acknowledge(c, packet, qos);
        return;
    }
    if (qos == 2)
        session_forget(c->session, packet->msg_id); /* PUBACK ends the exchange (section 5.4.13) */
    puback(c, packet, code);
    log_refused(c->gate, topic, verdict_name(verdict));
}

void sn_on_publish(struct sn_visit *visit, const struct sn_packet *packet)
{
    struct sn_connection *c = visit->client;
    uint8_t two[2];
    if (sn_qos(packet) == SN_QOS_MINUS_1) {
        on_qos_minus_1(visit, packet);
        return;
    }
    if (!c || !c->session) { /* not connected, perhaps not any more (section 5.4.21) */
        broker_stats(visit->gate->broker)->publish_refused++;
        if (!c)
            sn_answer_plain(visit, SN_DISCONNECT);
        return;
    }
    enum sn_id_type type = sn_id_type(packet);
    if (type == SN_ID_RESERVED) {
        broker_stats(visit->gate->broker)->publish_refused++;
        puback(c, packet, SN_NOT_SUPPORTED);
        return;
    }
    struct slice topic =
        sn_name_of(visit->gate, c, session_client_id(c->session), type, packet->topic_id, two);
    if (topic.len && utf8_clean(topic)) {
        publish(c, packet, topic);
        return;
    }
    broker_stats(visit->gate->broker)->publish_refused++;
    puback(c, packet, SN_INVALID_TOPIC_ID); /* whatever the QoS: it has to register (section 6.6) */
}
