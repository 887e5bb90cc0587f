/* clients: who is connected by MQTT-SN, by client id, wherever it is: for takeover and for those
 * who come back from another address. */
#ifndef SIOTD_PROTOCOLS_MQTT_SN_CLIENTS_H
#define SIOTD_PROTOCOLS_MQTT_SN_CLIENTS_H

#include "protocols/mqtt_sn/connection.h"

/* Adds one that has a session. Returns 0 or -ENOMEM. */
int sn_clients_add(struct sn_connection *c);
/* Takes it out, while it still has its session; harmless when it is not in. */
void sn_clients_remove(const struct sn_connection *c);
/* NULL: nobody of that name. */
struct sn_connection *sn_clients_find(struct slice client_id);

#endif
