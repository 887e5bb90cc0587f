/* connection: the few changes of state of an MQTT connection; see connection.h.
 *
 * Invariant: while session is set, the session's sink is this connection; whoever clears the one
 * has ended the other. */
#include "protocols/mqtt/connection.h"

#include <stdarg.h>
#include <stdio.h>

enum { WHY_MAX = 256 };

void mqtt_connection_announce(struct mqtt_connection *c)
{
    char address[PEER_ADDRESS_SIZE];
    peer_known(c->peer);
    broker_client_event(c->broker, c->session, true, slice_of_str(peer_address(c->peer, address)),
                        NULL);
}

/* The world hears that the client is gone, and why. */
static struct session *let_go(struct mqtt_connection *c, const char *why)
{
    struct session *session = c->session;
    char address[PEER_ADDRESS_SIZE];
    c->session = NULL;
    broker_client_event(c->broker, session, false, slice_of_str(peer_address(c->peer, address)),
                        why);
    return session;
}

void mqtt_connection_leave(struct mqtt_connection *c, enum departure how, const char *why)
{
    if (c->session)
        broker_disconnect(c->broker, let_go(c, why), how);
}

void mqtt_connection_dispossess(struct mqtt_connection *c, const char *why)
{
    (void)let_go(c, why);
}

uint8_t *mqtt_room(struct mqtt_connection *c, size_t size)
{
    uint8_t *to = peer_reserve(c->peer, size);
    if (to)
        broker_stats(c->broker)->messages_sent++;
    return to;
}

uint8_t *mqtt_room_after(struct mqtt_connection *c, size_t size, uint64_t promise)
{
    uint8_t *to = peer_reserve_after(c->peer, size, promise);
    if (to)
        broker_stats(c->broker)->messages_sent++;
    return to;
}

void mqtt_close(struct mqtt_connection *c, const char *why, ...)
{
    char text[WHY_MAX];
    va_list arguments;
    if (peer_is_closing(c->peer))
        return; /* the first reason is the one that counts */
    va_start(arguments, why);
    vsnprintf(text, sizeof text, why, arguments);
    va_end(arguments);
    c->explained = true;
    peer_close(c->peer, "%s", text);
}
