/* refuse: the last words; see refuse.h.
 *
 * Stands at the end of every way on which a packet fails. What is said here is made of the static
 * strings of faults, never of a client's bytes. */
#include "protocols/mqtt/refuse.h"

#include <stdio.h>

enum { REASON_MAX = 160, REFUSED_PUBLISHES_PER_SECOND = 10 };

struct mqtt_properties mqtt_reason_string(const struct mqtt_connection *c, const char *why)
{
    struct mqtt_properties properties = {0};
    if (why && c->wants_reasons) {
        properties.reason_string = slice_of_str(why);
        mqtt_set(&properties, MQTT_REASON_STRING);
    }
    return properties;
}

void mqtt_say_goodbye(struct mqtt_connection *c, enum mqtt_reason reason, const char *why)
{
    if (c->version != MQTT_5 || !mqtt_is_client(c) || peer_is_closing(c->peer))
        return; /* never before CONNACK [MQTT-3.14.0-1] */
    if (!mqtt_server_may_say(MQTT_DISCONNECT, (uint8_t)reason))
        reason = MQTT_UNSPECIFIED_ERROR;
    struct mqtt_properties properties = mqtt_reason_string(c, why);
    size_t size = mqtt_disconnect_size(reason, &properties);
    if (!mqtt_fits(c, size)) { /* [MQTT-3.14.2-3] */
        properties.present = 0;
        size = mqtt_disconnect_size(reason, &properties);
    }
    /* Behind the acknowledgements that wait: nothing follows a DISCONNECT [MQTT-3.14.4-1]. */
    uint8_t *to = mqtt_fits(c, size) ? mqtt_room_after(c, size, 0) : NULL;
    if (!to)
        return;
    struct writer w = writer_of(to, size);
    mqtt_encode_disconnect(&w, reason, &properties);
}

/* CONNACK with a refusal. Nothing is sent to somebody whose version is unknown or has no word. */
static void say_connack(struct mqtt_connection *c, enum mqtt_reason reason, const char *why)
{
    if (c->version == 0 || (c->version != MQTT_5 && mqtt_return_code(reason) < 0))
        return;
    if (c->version == MQTT_5 && !mqtt_server_may_say(MQTT_CONNACK, (uint8_t)reason))
        reason = MQTT_UNSPECIFIED_ERROR;
    struct mqtt_properties properties = mqtt_reason_string(c, why);
    size_t size = mqtt_connack_size((enum mqtt_version)c->version, &properties);
    if (!mqtt_fits(c, size)) { /* [MQTT-3.2.2-19] */
        properties.present = 0;
        size = mqtt_connack_size((enum mqtt_version)c->version, &properties);
    }
    /* While the CONNECT could not be read to its end the client's limit is unknown; the shortest
     * CONNACK is what every client must be ready for. */
    bool unknown = c->maximum_packet_size == 0;
    uint8_t *to = unknown || mqtt_fits(c, size) ? mqtt_room(c, size) : NULL;
    if (!to)
        return;
    struct writer w = writer_of(to, size);
    mqtt_encode_connack(&w, (enum mqtt_version)c->version, false, reason, &properties);
}

void mqtt_refuse(struct mqtt_connection *c, enum mqtt_type type, const struct mqtt_fault *fault)
{
    char why[REASON_MAX];
    snprintf(why, sizeof why, "%s [%s]", fault->what, fault->clause);
    broker_stats(c->broker)->protocol_errors++;
    if (mqtt_is_client(c)) {
        mqtt_say_goodbye(c, fault->reason, why);
    } else if (type == MQTT_CONNECT) {
        broker_stats(c->broker)->connects_refused++;
        say_connack(c, fault->reason, why);
    }
    mqtt_close(c, "protocol error: %s at offset %u: %s (0x%02X)", mqtt_type_name(type),
               (unsigned)fault->offset, why, (unsigned)fault->reason);
}

void mqtt_turn_away(struct mqtt_connection *c, enum mqtt_reason reason, const char *why)
{
    broker_stats(c->broker)->connects_refused++;
    say_connack(c, reason, why);
    mqtt_close(c, "refused: %s (0x%02X)", why, (unsigned)reason);
}

void mqtt_log_refused_publish(const struct mqtt_connection *c, struct slice topic,
                              enum verdict verdict)
{
    static struct log_rate rate; /* for all clients together */
    char escaped[LOG_ESCAPED_SIZE], more[64] = "";
    uint32_t missed = 0;
    if (!log_rate_allows(&rate, peer_now_ms(c->peer), REFUSED_PUBLISHES_PER_SECOND, &missed))
        return;
    if (missed)
        snprintf(more, sizeof more, " (%u more like this were not logged)", (unsigned)missed);
    peer_log(c->peer, LOG_INFO, "publish to \"%s\" refused: %s%s",
             log_escape(escaped, sizeof escaped, topic), verdict_name(verdict), more);
}
