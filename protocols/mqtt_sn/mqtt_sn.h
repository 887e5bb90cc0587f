/* mqtt_sn: MQTT-SN 1.2, for devices that speak in datagrams.
 *
 * The module's only face: daemon/modules.c lists it, nobody else names it. */
#ifndef SIOTD_PROTOCOLS_MQTT_SN_MQTT_SN_H
#define SIOTD_PROTOCOLS_MQTT_SN_MQTT_SN_H

#include "protocols/protocol.h"

extern const struct protocol mqtt_sn_protocol;

#endif
