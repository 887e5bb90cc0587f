/* refuse: how siotd ends a connection, or does not let it begin. */
#ifndef SIOTD_PROTOCOLS_MQTT_REFUSE_H
#define SIOTD_PROTOCOLS_MQTT_REFUSE_H

#include "protocols/mqtt/connection.h"

/* Answers a packet that breaks a rule, and closes: a 5.0 client is told the reason by DISCONNECT, a
 * CONNECT is told by CONNACK in its own version where that has a word for it, anybody else is just
 * closed [MQTT-4.13.1-1, MQTT-4.13.2-1]. One log line says packet, offset, rule and clause. The
 * will is published when the peer goes. */
void mqtt_refuse(struct mqtt_connection *c, enum mqtt_type type, const struct mqtt_fault *fault);

/* Answers a CONNECT that is in order and yet not welcome: CONNACK with that reason (3.x: its return
 * code, or none), then closes. `why` is for the log and for the 5.0 client's reason string. */
void mqtt_turn_away(struct mqtt_connection *c, enum mqtt_reason reason, const char *why);

/* DISCONNECT with that reason to a 5.0 client; 3.x has no such packet. Does not close. `why`, which
 * may be NULL, goes along where the client wants reasons and has room for them [MQTT-3.14.2-3]. */
void mqtt_say_goodbye(struct mqtt_connection *c, enum mqtt_reason reason, const char *why);

/* A reason string as the one property of a packet, unless the client does not want any. */
struct mqtt_properties mqtt_reason_string(const struct mqtt_connection *c, const char *why);

/* Logs that a message was not accepted; at a bounded rate, since the client decides how often. */
void mqtt_log_refused_publish(const struct mqtt_connection *c, struct slice topic,
                              enum verdict verdict);

#endif
