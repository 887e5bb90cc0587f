/* mqtt: MQTT 3.1, 3.1.1 and 5.0, all three on one port.
 *
 * The module's only face: daemon/modules.c lists it, nobody else names it. */
#ifndef SIOTD_PROTOCOLS_MQTT_MQTT_H
#define SIOTD_PROTOCOLS_MQTT_MQTT_H

#include "protocols/protocol.h"

extern const struct protocol mqtt_protocol;

#endif
