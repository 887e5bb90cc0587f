/* on_subscribe: SUBSCRIBE and UNSUBSCRIBE, by name, by id known beforehand, by short name
 * (MQTT-SN 1.2 section 6.9). SUBACK leaves before the first retained message: those follow in later
 * turns. */
#include "protocols/mqtt_sn/packets.h"

#include "base/utf8.h"
#include "broker/topic.h"

#include <stdio.h>

enum { REFUSALS_PER_SECOND = 10, MSG_ID_SET = 0x10000 };

/* The filter that is meant; empty: the id is unknown. */
static struct slice filter_of(const struct sn_visit *visit, const struct sn_packet *packet,
                              uint8_t two[2])
{
    if (sn_id_type(packet) == SN_ID_NORMAL)
        return packet->text;
    return sn_name_of(visit->gate, visit->client, session_client_id(visit->client->session),
                      sn_id_type(packet), packet->topic_id, two);
}

static void log_refused(const struct sn_connection *c, struct slice filter, const char *why)
{
    static struct log_rate rate; /* for all clients together */
    char escaped[LOG_ESCAPED_SIZE], more[64] = "";
    uint32_t missed = 0;
    if (!log_rate_allows(&rate, peer_now_ms(c->gate->peer), REFUSALS_PER_SECOND, &missed))
        return;
    if (missed)
        snprintf(more, sizeof more, " (%u more like this were not logged)", (unsigned)missed);
    sn_log(c, LOG_INFO, "subscription to \"%s\" refused: %s%s",
           log_escape(escaped, sizeof escaped, filter), why, more);
}

/* The id under which the messages will come, where one can be told now: of a filter without
 * wildcards that is a topic's name (section 5.4.16). */
static uint16_t id_of(struct sn_connection *c, const struct sn_packet *packet, struct slice filter)
{
    if (sn_id_type(packet) == SN_ID_PREDEFINED)
        return packet->topic_id;
    if (sn_id_type(packet) == SN_ID_SHORT || topic_has_wildcard(filter) ||
        slice_starts_with(filter, SLICE("$share/")))
        return 0;
    struct sn_topic *topic = sn_row_of(c, filter);
    if (!topic)
        return 0; /* no more ids: its messages are lost, or come by an id known beforehand */
    topic->known = true;
    return topic->id;
}

/* A SUBSCRIBE that comes twice is not answered with all retained messages twice. */
static enum verdict subscribe(struct sn_connection *c, const struct sn_packet *packet,
                              struct slice filter)
{
    bool again = c->subscribed == (uint32_t)(packet->msg_id | MSG_ID_SET);
    struct subscribe_options options = {.qos = (uint8_t)sn_qos(packet),
                                        .retain_handling = again ? 1 : 0};
    c->subscribed = packet->msg_id | MSG_ID_SET;
    return broker_subscribe(c->gate->broker, c->session, filter, &options);
}

static enum sn_code judge(struct sn_connection *c, const struct sn_packet *packet,
                          struct slice filter)
{
    if (sn_qos(packet) == SN_QOS_MINUS_1 || sn_id_type(packet) == SN_ID_RESERVED) {
        log_refused(c, filter, "QoS or type of topic id that there is none of");
        return SN_NOT_SUPPORTED;
    }
    if (sn_id_type(packet) != SN_ID_NORMAL && filter.len == 0)
        return SN_INVALID_TOPIC_ID;
    enum verdict verdict = utf8_clean(filter) ? subscribe(c, packet, filter) : VERDICT_BAD_FILTER;
    if (sn_code_of(verdict) != SN_ACCEPTED)
        log_refused(c, filter, verdict_name(verdict));
    return sn_code_of(verdict);
}

void sn_on_subscribe(struct sn_visit *visit, const struct sn_packet *packet)
{
    struct sn_connection *c = visit->client;
    uint8_t two[2];
    struct slice filter = filter_of(visit, packet, two);
    struct sn_packet answer = {
        .type = SN_SUBACK, .msg_id = packet->msg_id, .code = (uint8_t)judge(c, packet, filter)};
    if (answer.code == SN_ACCEPTED) {
        answer.flags = packet->flags & SN_QOS; /* granted as asked for */
        answer.topic_id = id_of(c, packet, filter);
    }
    sn_tell_after(c, &answer);
}

/* UNSUBACK has no return code: afterwards there is no such subscription, either way. */
void sn_on_unsubscribe(struct sn_visit *visit, const struct sn_packet *packet)
{
    struct sn_connection *c = visit->client;
    struct sn_packet answer = {.type = SN_UNSUBACK, .msg_id = packet->msg_id};
    uint8_t two[2];
    struct slice filter = filter_of(visit, packet, two);
    if (filter.len)
        broker_unsubscribe(c->gate->broker, c->session, filter);
    sn_tell_after(c, &answer);
}
