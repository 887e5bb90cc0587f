/* on_ack: PUBACK, PUBREC, PUBREL and PUBCOMP (MQTT-SN 1.2 section 6.6). What nobody waits for is
 * ignored, except where the other side could not finish without an answer. */
#include "protocols/mqtt_sn/packets.h"

#include "protocols/mqtt_sn/recent.h"
#include "protocols/mqtt_sn/traffic.h"

static void note_unknown(const struct sn_connection *c, const struct sn_packet *packet)
{
    sn_log(c, LOG_DEBUG, "%s for message id %u, which nothing waits for",
           sn_type_name(packet->type), (unsigned)packet->msg_id);
}

/* The client has forgotten the id, or has never heard of it: also of a QoS 0 message. */
static void doubt(struct sn_connection *c, uint16_t topic_id)
{
    struct sn_topic *topic = sn_topics_find(c->topics, topic_id);
    if (topic)
        topic->known = false;
}

/* The message in flight is refused: for now, or until its topic is known, or for ever. */
static void refused(struct sn_connection *c, const struct sn_packet *packet)
{
    unsigned qos = (c->traffic->flight.flags & SN_QOS) >> SN_QOS_SHIFT;
    if (packet->code == SN_CONGESTION) {
        sn_postpone(c);
        return;
    }
    if (packet->code == SN_INVALID_TOPIC_ID && sn_retell(c))
        return;
    sn_log(c, LOG_INFO, "message not taken by the client: %s", sn_code_name(packet->code));
    broker_stats(c->gate->broker)->dropped[DROP_DENIED]++;
    sn_landed(c);
    session_acknowledged(c->session, packet->msg_id, qos == 2 ? ACK_PUBREC_REFUSED : ACK_PUBACK);
}

void sn_on_puback(struct sn_visit *visit, const struct sn_packet *packet)
{
    struct sn_connection *c = visit->client;
    bool in_flight = sn_is_in_flight(c, SN_PUBLISH, packet->msg_id);
    if (packet->code != SN_ACCEPTED && in_flight) {
        refused(c, packet);
    } else if (packet->code == SN_INVALID_TOPIC_ID) {
        doubt(c, packet->topic_id);
    } else if (packet->code == SN_ACCEPTED && in_flight &&
               (c->traffic->flight.flags & SN_QOS) >> SN_QOS_SHIFT == 1) {
        sn_landed(c);
        session_acknowledged(c->session, packet->msg_id, ACK_PUBACK);
    } else {
        note_unknown(c, packet);
    }
}

void sn_on_pubrec(struct sn_visit *visit, const struct sn_packet *packet)
{
    struct sn_connection *c = visit->client;
    struct sn_packet pubrel = {.type = SN_PUBREL, .msg_id = packet->msg_id};
    if (session_acknowledged(c->session, packet->msg_id, ACK_PUBREC))
        return; /* the core has asked for the PUBREL (deliver.c) */
    note_unknown(c, packet);
    sn_tell_after(c, &pubrel); /* lets the client finish */
}

void sn_on_pubrel(struct sn_visit *visit, const struct sn_packet *packet)
{
    struct sn_connection *c = visit->client;
    struct sn_packet pubcomp = {.type = SN_PUBCOMP, .msg_id = packet->msg_id};
    if (session_forget(c->session, packet->msg_id))
        sn_recent_released(c->recent, packet->msg_id, peer_now_ms(c->gate->peer));
    else
        note_unknown(c, packet); /* PUBCOMP was lost: again */
    sn_tell_after(c, &pubcomp);
}

void sn_on_pubcomp(struct sn_visit *visit, const struct sn_packet *packet)
{
    struct sn_connection *c = visit->client;
    if (sn_is_in_flight(c, SN_PUBREL, packet->msg_id))
        sn_landed(c);
    if (!session_acknowledged(c->session, packet->msg_id, ACK_PUBCOMP))
        note_unknown(c, packet);
}
