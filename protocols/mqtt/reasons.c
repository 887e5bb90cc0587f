/* reasons: one row per verdict; see reasons.h. Pure.
 *
 * Where a packet has no word for a verdict (a PUBACK cannot say "packet too large"), the nearest
 * that it may carry stands in. */
#include "protocols/mqtt/reasons.h"

static const struct {
    uint8_t connect, publish, subscribe, unsubscribe;
} rows[VERDICT_COUNT] = {
    [VERDICT_OK] = {MQTT_SUCCESS, MQTT_SUCCESS, MQTT_SUCCESS, MQTT_SUCCESS},
    [VERDICT_NO_SUBSCRIBERS] = {MQTT_SUCCESS, MQTT_NO_MATCHING_SUBSCRIBERS, MQTT_SUCCESS,
                                MQTT_SUCCESS},
    [VERDICT_NO_SUBSCRIPTION] = {MQTT_SUCCESS, MQTT_SUCCESS, MQTT_SUCCESS,
                                 MQTT_NO_SUBSCRIPTION_EXISTED},
    [VERDICT_DENIED] = {MQTT_NOT_AUTHORIZED, MQTT_NOT_AUTHORIZED, MQTT_NOT_AUTHORIZED,
                        MQTT_NOT_AUTHORIZED},
    [VERDICT_BAD_TOPIC] = {MQTT_TOPIC_NAME_INVALID, MQTT_TOPIC_NAME_INVALID,
                           MQTT_TOPIC_FILTER_INVALID, MQTT_TOPIC_FILTER_INVALID},
    [VERDICT_BAD_FILTER] = {MQTT_UNSPECIFIED_ERROR, MQTT_TOPIC_NAME_INVALID,
                            MQTT_TOPIC_FILTER_INVALID, MQTT_TOPIC_FILTER_INVALID},
    [VERDICT_TOO_LARGE] = {MQTT_PACKET_TOO_LARGE, MQTT_QUOTA_EXCEEDED, MQTT_QUOTA_EXCEEDED,
                           MQTT_UNSPECIFIED_ERROR},
    [VERDICT_QUOTA] = {MQTT_QUOTA_EXCEEDED, MQTT_QUOTA_EXCEEDED, MQTT_QUOTA_EXCEEDED,
                       MQTT_UNSPECIFIED_ERROR},
    [VERDICT_NO_MEMORY] = {MQTT_SERVER_UNAVAILABLE, MQTT_IMPLEMENTATION_SPECIFIC_ERROR,
                           MQTT_IMPLEMENTATION_SPECIFIC_ERROR, MQTT_IMPLEMENTATION_SPECIFIC_ERROR},
};

enum mqtt_reason mqtt_connect_reason(enum verdict verdict)
{
    return (enum mqtt_reason)rows[verdict].connect;
}

enum mqtt_reason mqtt_publish_reason(enum verdict verdict)
{
    return (enum mqtt_reason)rows[verdict].publish;
}

enum mqtt_reason mqtt_subscribe_reason(enum verdict verdict, unsigned qos)
{
    /* Granted QoS 0, 1 and 2 are the reasons 0, 1 and 2. */
    return verdict == VERDICT_OK ? (enum mqtt_reason)qos
                                 : (enum mqtt_reason)rows[verdict].subscribe;
}

enum mqtt_reason mqtt_unsubscribe_reason(enum verdict verdict)
{
    return (enum mqtt_reason)rows[verdict].unsubscribe;
}
