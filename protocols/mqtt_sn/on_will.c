/* on_will: wills, as CONNECT's dialogue brings them (MQTT-SN 1.2 section 6.2) and as they change
 * later (section 6.4).
 *
 * A will is held to the same rules as a PUBLISH of the same client would be, and is asked again
 * when it fires: it must be no way around them. */
#include "protocols/mqtt_sn/packets.h"

#include "base/utf8.h"
#include "broker/topic.h"

#include <stdlib.h>

enum sn_code sn_judge_will(const struct sn_gate *gate, struct identity *identity,
                           struct slice client_id, uint8_t flags, struct slice topic,
                           const char **why)
{
    const struct broker_limits *limits = broker_limits(gate->broker);
    *why = NULL;
    if ((flags & SN_QOS) >> SN_QOS_SHIFT == SN_QOS_MINUS_1)
        *why = "will with QoS -1";
    else if (!topic_name_valid(topic, limits->topic_length, limits->topic_levels) ||
             !utf8_clean(topic))
        *why = "will topic is no topic, or too long or too deep";
    else if (!broker_may(gate->broker, identity, client_id, ACTION_WILL, topic))
        *why = "will topic not permitted";
    return *why ? SN_NOT_SUPPORTED : SN_ACCEPTED;
}

bool sn_will_fits(const struct sn_gate *gate, struct slice topic, struct slice message)
{
    return peer_is_verified(gate->peer) || topic.len + message.len <= SN_UNPROVEN_MOST;
}

struct will *sn_will_new(uint8_t flags, struct slice topic, struct slice message)
{
    struct message borrowed = {
        .topic = topic.at,
        .topic_len = (uint16_t)topic.len,
        .payload = message.at,
        .payload_len = (uint32_t)message.len,
        .qos = (flags & SN_QOS) >> SN_QOS_SHIFT,
        .retain = flags & SN_RETAIN,
    };
    struct will *will = calloc(1, sizeof *will);
    if (!will)
        return NULL;
    will->message = message_hold(&borrowed);
    message_end(&borrowed);
    if (!will->message) {
        free(will);
        return NULL;
    }
    return will;
}

void sn_will_free(struct will *will)
{
    if (!will)
        return;
    message_unref(will->message);
    free(will);
}

/* ---- the dialogue ---- */

static struct sn_arrival arrival_of(const struct sn_greeting *greeting)
{
    return (struct sn_arrival){
        .flags = greeting->flags,
        .duration_s = greeting->duration_s,
        .client_id = slice_of(greeting->id, greeting->id_len),
        .will_flags = greeting->will_flags,
        .will_topic = slice_of(greeting->topic, greeting->topic_len),
    };
}

static struct sn_greeting *greeting_of(const struct sn_visit *visit)
{
    return visit->client ? visit->client->greeting : NULL;
}

static bool keep_topic(struct sn_greeting *greeting, const struct sn_packet *packet)
{
    uint8_t *topic = malloc(packet->text.len);
    if (!topic)
        return false;
    memcpy(topic, packet->text.at, packet->text.len);
    free(greeting->topic);
    greeting->topic = topic;
    greeting->topic_len = (uint16_t)packet->text.len;
    greeting->will_flags = packet->flags;
    return true;
}

/* Out of the dialogue it is late or lost, and there is no word for it. */
void sn_on_willtopic(struct sn_visit *visit, const struct sn_packet *packet)
{
    struct sn_greeting *greeting = greeting_of(visit);
    if (!greeting)
        return;
    if (packet->text.len == 0) { /* there is none after all (section 5.4.7) */
        struct sn_arrival arrival = arrival_of(greeting);
        arrival.forget_will = true;
        sn_enter(visit, &arrival);
    } else if (packet->text.len > broker_limits(visit->gate->broker)->topic_length) {
        sn_refuse(visit, SN_NOT_SUPPORTED, "will topic is too long"); /* before it is kept */
    } else if (keep_topic(greeting, packet)) {
        sn_answer_plain(visit, SN_WILLMSGREQ);
    } else {
        sn_refuse(visit, SN_CONGESTION, "out of memory");
    }
}

void sn_on_willmsg(struct sn_visit *visit, const struct sn_packet *packet)
{
    const struct sn_greeting *greeting = greeting_of(visit);
    if (greeting && greeting->topic) {
        struct sn_arrival arrival = arrival_of(greeting);
        arrival.has_will = true;
        arrival.will_message = packet->text;
        sn_enter(visit, &arrival);
    } else if (visit->client && visit->client->fresh) {
        sn_welcome(visit->client); /* sent again: CONNACK has not arrived */
    }
}

/* ---- changes later ---- */

static enum sn_code change(struct sn_connection *c, const struct sn_memory *will)
{
    struct will *made = NULL;
    if (will->has_will && !sn_will_fits(c->gate, will->will_topic, will->will_message))
        return SN_NOT_SUPPORTED;
    if (will->has_will) {
        made = sn_will_new(will->will_flags, will->will_topic, will->will_message);
        if (!made)
            return SN_CONGESTION;
    }
    if (sn_remember(c, will) != 0) {
        sn_will_free(made);
        return SN_CONGESTION;
    }
    session_set_will(c->session, made);
    return SN_ACCEPTED;
}

static enum sn_code change_topic(struct sn_connection *c, const struct sn_packet *packet)
{
    struct identity *identity = (struct identity *)session_identity(c->session);
    struct sn_memory memory;
    const char *why = NULL;
    sn_recall(c->session, &memory);
    memory.has_will = packet->text.len > 0;
    if (memory.has_will) {
        enum sn_code code = sn_judge_will(c->gate, identity, session_client_id(c->session),
                                          packet->flags, packet->text, &why);
        if (code != SN_ACCEPTED) {
            sn_log(c, LOG_INFO, "will not changed: %s", why);
            return code;
        }
    }
    memory.will_flags = packet->flags;
    memory.will_topic = packet->text;
    return change(c, &memory);
}

/* Without a topic there is nothing whose message could change. */
static enum sn_code change_message(struct sn_connection *c, const struct sn_packet *packet)
{
    struct sn_memory memory;
    sn_recall(c->session, &memory);
    if (!memory.has_will)
        return SN_NOT_SUPPORTED;
    memory.will_message = packet->text;
    return change(c, &memory);
}

void sn_on_willtopicupd(struct sn_visit *visit, const struct sn_packet *packet)
{
    struct sn_packet answer = {.type = SN_WILLTOPICRESP,
                               .code = (uint8_t)change_topic(visit->client, packet)};
    sn_tell_after(visit->client, &answer);
}

void sn_on_willmsgupd(struct sn_visit *visit, const struct sn_packet *packet)
{
    struct sn_packet answer = {.type = SN_WILLMSGRESP,
                               .code = (uint8_t)change_message(visit->client, packet)};
    sn_tell_after(visit->client, &answer);
}
