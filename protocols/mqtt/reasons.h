/* reasons: what the core decided, in the words of each packet. */
#ifndef SIOTD_PROTOCOLS_MQTT_REASONS_H
#define SIOTD_PROTOCOLS_MQTT_REASONS_H

#include "broker/verdict.h"
#include "protocols/mqtt/wire.h"

/* For CONNACK; 3.x goes on with mqtt_return_code(). */
enum mqtt_reason mqtt_connect_reason(enum verdict verdict);

/* For PUBACK and PUBREC of 5.0, tables 3-4 and 3-5; also for the DISCONNECT that answers a QoS 0.
 */
enum mqtt_reason mqtt_publish_reason(enum verdict verdict);

/* For SUBACK of 5.0, table 3-8: `qos` when it is VERDICT_OK. */
enum mqtt_reason mqtt_subscribe_reason(enum verdict verdict, unsigned qos);

/* For UNSUBACK of 5.0, table 3-9. */
enum mqtt_reason mqtt_unsubscribe_reason(enum verdict verdict);

#endif
