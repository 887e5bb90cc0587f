/* on_publish: a message from a client to the core. The way that nearly every byte takes.
 *
 *   decode -> what is on offer -> topic alias -> QoS 2: seen before? -> broker_publish ->
 * acknowledge
 *
 * Nothing is copied and nothing allocated here: the message is made of slices of the packet and
 * lives on the stack; who must keep it has the core make the one copy. */
#include "base/utf8.h"
#include "broker/topic.h"
#include "protocols/mqtt/aliases.h"
#include "protocols/mqtt/packets.h"
#include "protocols/mqtt/reasons.h"
#include "protocols/mqtt/refuse.h"

/* A reason that says no. */
static bool is_refusal(enum mqtt_reason reason)
{
    return reason >= MQTT_UNSPECIFIED_ERROR;
}

static bool check_offer(const struct mqtt_options *options, const struct mqtt_publish *p,
                        struct mqtt_fault *fault)
{
    if (p->qos > options->max_qos)
        return mqtt_fail(fault, MQTT_QOS_NOT_SUPPORTED, 0, "MQTT-3.2.2-11",
                         "QoS above the Maximum QoS");
    if (p->retain && !options->retain)
        return mqtt_fail(fault, MQTT_RETAIN_NOT_SUPPORTED, 0, "MQTT-3.2.2-14",
                         "retained messages are not on offer");
    if (!utf8_clean(p->topic)) /* what the specification lets a server refuse is refused */
        return mqtt_fail(fault, MQTT_TOPIC_NAME_INVALID, 0, "5.0 section 1.5.4",
                         "control or non-character in the topic");
    return true;
}

/* The topic of a PUBLISH that has an alias. */
static bool resolve_alias(struct mqtt_connection *c, struct mqtt_publish *p,
                          struct mqtt_fault *fault)
{
    const struct broker_limits *limits = broker_limits(c->broker);
    bool valid = topic_name_valid(p->topic, limits->topic_length, limits->topic_levels);
    return mqtt_aliases_resolve(&c->aliases_in, c->alias_in_max, p->properties.topic_alias, valid,
                                &p->topic, fault);
}

/* PUBREC for a QoS 2 message, PUBACK for QoS 1, nothing for QoS 0. */
static void acknowledge(struct mqtt_connection *c, const struct mqtt_publish *p,
                        enum mqtt_reason reason, const char *why)
{
    if (p->qos)
        mqtt_acknowledge(c, p->qos == 2 ? MQTT_PUBREC : MQTT_PUBACK, p->packet_id, reason, why);
}

/* Whether a QoS 2 message is to be published: not when its id has been seen and not released. */
enum admission { ADMITTED, ANSWERED, FAULTY };

static enum admission admit(struct mqtt_connection *c, const struct mqtt_publish *p,
                            struct mqtt_fault *fault)
{
    switch (session_received(c->session, p->packet_id)) {
    case INBOUND_NEW:
        return ADMITTED;
    case INBOUND_DUPLICATE: /* [MQTT-4.3.3-10] */
        acknowledge(c, p, MQTT_SUCCESS, NULL);
        return ANSWERED;
    case INBOUND_OVER_LIMIT: /* [MQTT-3.3.4-9] */
        mqtt_fail(fault, MQTT_RECEIVE_MAXIMUM_EXCEEDED, 0, "MQTT-3.3.4-7",
                  "more QoS 2 messages under way than the Receive Maximum");
        return FAULTY;
    case INBOUND_NO_MEMORY:
        break;
    }
    if (c->version == MQTT_5)
        acknowledge(c, p, MQTT_IMPLEMENTATION_SPECIFIC_ERROR, "out of memory");
    else
        mqtt_close(c, "closed: out of memory for its QoS 2 message");
    return ANSWERED;
}

static enum verdict route(struct mqtt_connection *c, const struct mqtt_publish *p)
{
    struct message message = {
        .topic = p->topic.at,
        .topic_len = (uint16_t)p->topic.len,
        .payload = p->payload.at,
        .payload_len = (uint32_t)p->payload.len,
        .qos = p->qos,
        .retain = p->retain,
    };
    if (p->properties.raw.len == 0) {
        enum verdict verdict = broker_publish(c->broker, c->session, &message);
        message_end(&message);
        return verdict;
    }
    struct mqtt_forward forward;
    if (!mqtt_forward(&p->properties, &forward))
        return VERDICT_NO_MEMORY;
    message.properties = forward.bytes.at;
    message.properties_len = (uint32_t)forward.bytes.len;
    if (mqtt_has(&p->properties, MQTT_MESSAGE_EXPIRY_INTERVAL)) /* [MQTT-3.3.2-5] */
        message.expires_ms =
            broker_wall_ms(c->broker) + (int64_t)p->properties.message_expiry_s * 1000;
    enum verdict verdict = broker_publish(c->broker, c->session, &message);
    message_end(&message);
    mqtt_forward_clear(&forward);
    return verdict;
}

/* Answers a message that the core has not accepted. */
static void refuse(struct mqtt_connection *c, const struct mqtt_publish *p, enum verdict verdict)
{
    mqtt_log_refused_publish(c, p->topic, verdict);
    if (p->qos == 0)
        return; /* QoS 0 promises nothing; the core has counted it */
    if (c->version != MQTT_5 && verdict == VERDICT_DENIED) {
        /* 3.x cannot say no: acknowledged as usual, or closed [3.1.1 MQTT-3.3.5-2]. Permission
         * will not come by trying again, so the client is spared the loop of reconnecting. */
        acknowledge(c, p, MQTT_SUCCESS, NULL);
        return;
    }
    if (p->qos == 2)
        session_forget(c->session, p->packet_id); /* a PUBREC >= 0x80 ends the exchange */
    if (c->version == MQTT_5)
        acknowledge(c, p, mqtt_publish_reason(verdict), verdict_name(verdict));
    else /* A message that could be delivered later must not be acknowledged. */
        mqtt_close(c, "closed: its message could not be accepted: %s", verdict_name(verdict));
}

bool mqtt_on_publish(struct mqtt_connection *c, const struct mqtt_header *header,
                     struct slice packet, struct mqtt_fault *fault)
{
    const struct mqtt_options *options = mqtt_options_of(c);
    struct mqtt_property_limits limits = mqtt_property_limits(options);
    struct mqtt_publish p;
    if (!mqtt_decode_publish(header, packet, (enum mqtt_version)c->version, &limits, &p, fault) ||
        !check_offer(options, &p, fault))
        return false;
    if (mqtt_has(&p.properties, MQTT_TOPIC_ALIAS) && !resolve_alias(c, &p, fault))
        return false;
    if (p.qos == 2) {
        enum admission admission = admit(c, &p, fault);
        if (admission != ADMITTED)
            return admission == ANSWERED;
    }
    enum verdict verdict = route(c, &p);
    enum mqtt_reason reason = mqtt_publish_reason(verdict);
    if (is_refusal(reason))
        refuse(c, &p, verdict);
    else
        acknowledge(c, &p, reason, NULL);
    return true;
}
