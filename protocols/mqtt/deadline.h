/* deadline: how long a client may keep silent, and how long a packet may take to arrive. */
#ifndef SIOTD_PROTOCOLS_MQTT_DEADLINE_H
#define SIOTD_PROTOCOLS_MQTT_DEADLINE_H

#include "protocols/mqtt/connection.h"

/* The peer is here: connect_timeout runs. */
void mqtt_await_connect(struct mqtt_connection *c);

/* The keep-alive of a new client begins, from now. */
void mqtt_await_client(struct mqtt_connection *c);

/* A packet has begun and is not complete: packet_timeout runs, plus a second per KiB, from its
 * first byte on, not from the latest. `fresh`: it began in this receive. `size` is 0 while its
 * header is incomplete. */
void mqtt_await_rest(struct mqtt_connection *c, bool fresh, size_t size);

/* protocol.expired: closes whoever is late, else sets the peer's deadline again. */
void mqtt_deadline_passed(struct mqtt_connection *c);

#endif
