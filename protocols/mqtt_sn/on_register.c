/* on_register: topic ids given to a client's names, and its answers to ours (MQTT-SN 1.2 section
 * 6.5, section 6.10). */
#include "protocols/mqtt_sn/packets.h"

#include "base/utf8.h"
#include "broker/topic.h"
#include "protocols/mqtt_sn/traffic.h"

/* Only names: an id for a filter would mean many topics. What may be published is judged when it
 * is. The same name gets the same id again, so a REGISTER that comes twice does no harm. */
void sn_on_register(struct sn_visit *visit, const struct sn_packet *packet)
{
    struct sn_connection *c = visit->client;
    const struct broker_limits *limits = broker_limits(c->gate->broker);
    struct sn_packet answer = {.type = SN_REGACK, .msg_id = packet->msg_id};
    if (!topic_name_valid(packet->text, limits->topic_length, limits->topic_levels) ||
        !utf8_clean(packet->text)) {
        answer.code = SN_NOT_SUPPORTED;
    } else {
        struct sn_topic *topic = sn_row_of(c, packet->text);
        answer.code = topic ? SN_ACCEPTED : SN_CONGESTION;
        if (topic) {
            answer.topic_id = topic->id;
            topic->known = true;
        }
    }
    sn_tell(c, &answer);
}

void sn_on_regack(struct sn_visit *visit, const struct sn_packet *packet)
{
    sn_registered(visit->client, packet->topic_id, packet->msg_id, (enum sn_code)packet->code);
}
