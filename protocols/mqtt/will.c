/* will: from the fields of a CONNECT to what the core keeps; see packets.h.
 *
 * A will is held to the same rules as a PUBLISH of the same client would be, and is asked again
 * when it fires: it must be no way around them. */
#include "protocols/mqtt/packets.h"

#include "base/utf8.h"
#include "broker/topic.h"

#include <stdlib.h>

static bool is_offered(const struct mqtt_options *options, const struct mqtt_connect *connect,
                       struct mqtt_objection *no)
{
    if (connect->will_qos > options->max_qos) { /* [MQTT-3.2.2-12] */
        *no = (struct mqtt_objection){MQTT_QOS_NOT_SUPPORTED, "will QoS above the Maximum QoS"};
        return false;
    }
    if (connect->will_retain && !options->retain) { /* [MQTT-3.2.2-13] */
        *no = (struct mqtt_objection){MQTT_RETAIN_NOT_SUPPORTED,
                                      "retained messages are not on offer"};
        return false;
    }
    return true;
}

static bool may_use(const struct broker *broker, struct identity *identity, struct slice client_id,
                    struct slice topic, struct mqtt_objection *no)
{
    const struct broker_limits *limits = broker_limits(broker);
    if (!topic_name_valid(topic, limits->topic_length, limits->topic_levels)) {
        *no = (struct mqtt_objection){MQTT_TOPIC_NAME_INVALID, "will topic too long or too deep"};
        return false;
    }
    if (!utf8_clean(topic)) {
        *no = (struct mqtt_objection){MQTT_TOPIC_NAME_INVALID,
                                      "control or non-character in the will topic"};
        return false;
    }
    if (!broker_may(broker, identity, client_id, ACTION_WILL, topic)) {
        *no = (struct mqtt_objection){MQTT_NOT_AUTHORIZED, "will topic not permitted"};
        return false;
    }
    return true;
}

static struct message *message_of(const struct mqtt_connect *connect)
{
    struct mqtt_forward forward;
    if (!mqtt_forward(&connect->will_properties, &forward))
        return NULL;
    struct message borrowed = {
        .topic = connect->will_topic.at,
        .topic_len = (uint16_t)connect->will_topic.len,
        .payload = connect->will_payload.at,
        .payload_len = (uint32_t)connect->will_payload.len,
        .properties = forward.bytes.at,
        .properties_len = (uint32_t)forward.bytes.len,
        .qos = connect->will_qos,
        .retain = connect->will_retain,
    };
    struct message *owned = message_hold(&borrowed);
    message_end(&borrowed);
    mqtt_forward_clear(&forward);
    return owned;
}

struct will *mqtt_will_new(const struct mqtt_connection *c, const struct mqtt_connect *connect,
                           struct identity *identity, struct mqtt_objection *no)
{
    if (!is_offered(mqtt_options_of(c), connect, no) ||
        !may_use(c->broker, identity, connect->client_id, connect->will_topic, no))
        return NULL;
    *no = (struct mqtt_objection){MQTT_SERVER_UNAVAILABLE, "out of memory"};
    struct will *will = malloc(sizeof *will);
    if (!will)
        return NULL;
    will->message = message_of(connect);
    will->delay_s = connect->will_properties.will_delay_s; /* [MQTT-3.1.3-9] */
    will->expires = mqtt_has(&connect->will_properties, MQTT_MESSAGE_EXPIRY_INTERVAL);
    will->expiry_s = connect->will_properties.message_expiry_s;
    if (!will->message) {
        free(will);
        return NULL;
    }
    return will;
}

void mqtt_will_free(struct will *will)
{
    if (!will)
        return;
    message_unref(will->message);
    free(will);
}
