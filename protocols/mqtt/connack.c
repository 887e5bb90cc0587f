/* connack: the welcome; see packets.h.
 *
 * A 5.0 client is told everything in which this server is less than the specification allows, so
 * that it need not find out by being refused (5.0 section 3.2.2.3). */
#include "protocols/mqtt/packets.h"

/* The widest packet that MQTT can express. */
#define PACKET_SIZE_MAX (MQTT_VARINT_MAX + MQTT_HEADER_MAX)

static void add_limits(struct mqtt_properties *p, const struct broker_limits *limits)
{
    if (limits->inflight < UINT16_MAX) { /* [MQTT-3.3.4-9] is what it asks for */
        p->receive_maximum = (uint16_t)limits->inflight;
        mqtt_set(p, MQTT_RECEIVE_MAXIMUM);
    }
    if (limits->packet_size < PACKET_SIZE_MAX) {
        p->maximum_packet_size = (uint32_t)limits->packet_size;
        mqtt_set(p, MQTT_MAXIMUM_PACKET_SIZE);
    }
}

/* All these flags say "available" when absent; they are set to 0 or left out. */
static void add_offer(struct mqtt_properties *p, const struct mqtt_options *options)
{
    if (options->max_qos < 2) { /* [MQTT-3.2.2-9] */
        p->maximum_qos = (uint8_t)options->max_qos;
        mqtt_set(p, MQTT_MAXIMUM_QOS);
    }
    if (!options->retain)
        mqtt_set(p, MQTT_RETAIN_AVAILABLE);
    if (!options->wildcard_subscriptions)
        mqtt_set(p, MQTT_WILDCARD_SUBSCRIPTION_AVAILABLE);
    if (!options->subscription_identifiers)
        mqtt_set(p, MQTT_SUBSCRIPTION_IDENTIFIER_AVAILABLE);
    if (!options->shared_subscriptions)
        mqtt_set(p, MQTT_SHARED_SUBSCRIPTION_AVAILABLE);
}

static void add_welcome(struct mqtt_properties *p, const struct mqtt_welcome *welcome)
{
    if (welcome->has_session_expiry) { /* 5.0 section 3.2.2.3.2 */
        p->session_expiry_s = welcome->session_expiry_s;
        mqtt_set(p, MQTT_SESSION_EXPIRY_INTERVAL);
    }
    if (welcome->assigned_client_id.len) { /* [MQTT-3.2.2-16] */
        p->assigned_client_identifier = welcome->assigned_client_id;
        mqtt_set(p, MQTT_ASSIGNED_CLIENT_IDENTIFIER);
    }
    if (welcome->server_keep_alive_s) { /* [MQTT-3.2.2-21] is what it asks for */
        p->server_keep_alive_s = welcome->server_keep_alive_s;
        mqtt_set(p, MQTT_SERVER_KEEP_ALIVE);
    }
}

bool mqtt_send_connack(struct mqtt_connection *c, const struct mqtt_welcome *welcome)
{
    struct mqtt_properties properties = {0};
    enum mqtt_version version = (enum mqtt_version)c->version;
    if (version == MQTT_5) {
        add_limits(&properties, broker_limits(c->broker));
        add_offer(&properties, mqtt_options_of(c));
        add_welcome(&properties, welcome);
        if (c->alias_in_max) {
            properties.topic_alias_maximum = c->alias_in_max;
            mqtt_set(&properties, MQTT_TOPIC_ALIAS_MAXIMUM);
        }
    }
    size_t size = mqtt_connack_size(version, &properties);
    if (!mqtt_fits(c, size))
        return false;
    uint64_t promise = broker_promise_of_connect(c->broker, c->session);
    uint8_t *to = mqtt_room_after(c, size, promise);
    if (!to)
        return true; /* the peer is being closed */
    struct writer w = writer_of(to, size);
    mqtt_encode_connack(&w, version, welcome->session_present, MQTT_SUCCESS, &properties);
    peer_barrier(c->peer, promise); /* nothing may come before it [MQTT-3.2.0-1] */
    return true;
}
