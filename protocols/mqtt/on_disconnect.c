/* on_disconnect: DISCONNECT, and the two other packets that are about the connection alone. */
#include "protocols/mqtt/packets.h"
#include "protocols/mqtt/refuse.h"

#include <stdio.h>

/* A session that was to end with its connection cannot be prolonged at the last moment. */
static bool check_expiry(const struct mqtt_connection *c, const struct mqtt_disconnect *d,
                         struct mqtt_fault *fault)
{
    if (mqtt_has(&d->properties, MQTT_SESSION_EXPIRY_INTERVAL) && !c->expires &&
        d->properties.session_expiry_s != 0)
        return mqtt_fail(fault, MQTT_PROTOCOL_ERROR, 0, "MQTT-3.14.2-2",
                         "Session Expiry Interval after one of 0 in CONNECT");
    return true;
}

static void set_expiry(struct mqtt_connection *c, uint32_t wish_s)
{
    uint32_t most = mqtt_session_expiry_max_s(mqtt_options_of(c));
    session_set_expiry(c->session, wish_s < most ? wish_s : most);
}

bool mqtt_on_disconnect(struct mqtt_connection *c, const struct mqtt_header *header,
                        struct slice packet, struct mqtt_fault *fault)
{
    struct mqtt_property_limits limits = mqtt_property_limits(mqtt_options_of(c));
    struct mqtt_disconnect d;
    if (!mqtt_decode_disconnect(header, packet, (enum mqtt_version)c->version, &limits, &d,
                                fault) ||
        !check_expiry(c, &d, fault))
        return false;
    if (mqtt_has(&d.properties, MQTT_SESSION_EXPIRY_INTERVAL))
        set_expiry(c, d.properties.session_expiry_s);
    char why[96] = "disconnected by the client";
    if (d.reason != MQTT_SUCCESS)
        snprintf(why, sizeof why, "disconnected by the client: %s (0x%02X)",
                 mqtt_reason_name((enum mqtt_reason)d.reason), (unsigned)d.reason);
    /* Only a normal disconnection takes the will along [MQTT-3.14.4-3]. */
    mqtt_connection_leave(c, d.reason == MQTT_SUCCESS ? DEPART_CLEANLY : DEPART_WITH_WILL, why);
    mqtt_close(c, "%s", why);
    return true;
}

bool mqtt_on_pingreq(struct mqtt_connection *c, const struct mqtt_header *header,
                     struct slice packet, struct mqtt_fault *fault)
{
    if (!mqtt_decode_pingreq(header, packet, fault))
        return false;
    uint8_t *to = mqtt_room(c, MQTT_PINGRESP_SIZE); /* [MQTT-3.12.4-1] */
    if (to) {
        struct writer w = writer_of(to, MQTT_PINGRESP_SIZE);
        mqtt_encode_pingresp(&w);
    }
    return true;
}

/* A client may send AUTH only when its CONNECT named a method, and such a CONNECT is turned away
 * (0x8C): no method is on offer [MQTT-4.12.0-6]. */
bool mqtt_on_auth(struct mqtt_connection *c, const struct mqtt_header *header, struct slice packet,
                  struct mqtt_fault *fault)
{
    struct mqtt_property_limits limits = mqtt_property_limits(mqtt_options_of(c));
    struct mqtt_auth auth;
    return mqtt_decode_auth(header, packet, &limits, &auth, fault) &&
           mqtt_fail(fault, MQTT_PROTOCOL_ERROR, 0, "MQTT-4.12.0-6",
                     "AUTH without an authentication method in CONNECT");
}
