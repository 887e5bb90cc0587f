/* aliases: topic aliases of one connection, both ways (5.0 section 3.3.2.3.4).
 *
 * A client's own are a table by number; those that siotd sets are found by topic. Both are made
 * on first use and live as long as the connection. */
#ifndef SIOTD_PROTOCOLS_MQTT_ALIASES_H
#define SIOTD_PROTOCOLS_MQTT_ALIASES_H

#include "base/slice.h"
#include "protocols/mqtt/fault.h"

struct mqtt_aliases_in;
struct mqtt_aliases_out;

/* What a PUBLISH with a topic alias is about: a topic that is not empty is remembered under the
 * alias, an empty one is replaced by what stands there, good until the next call. A topic that is
 * not `valid` takes no memory: from then on the alias stands for an empty one, which is refused as
 * well. *table is made when needed. False with 0x94 for an alias above `max` [MQTT-3.3.2-9], 0x82
 * for one that was never set, 0x83 when out of memory. */
bool mqtt_aliases_resolve(struct mqtt_aliases_in **table, uint16_t max, uint16_t alias, bool valid,
                          struct slice *topic, struct mqtt_fault *fault);

/* NULL is allowed. */
void mqtt_aliases_in_free(struct mqtt_aliases_in *table);

/* The alias that the client knows for the topic, or 0; `table` may be NULL. */
uint16_t mqtt_aliases_known(const struct mqtt_aliases_out *table, struct slice topic);

/* The alias that a further topic may get, or 0 when all `max` are given. Nothing changes. */
uint16_t mqtt_aliases_next(const struct mqtt_aliases_out *table, uint16_t max);

/* The client has been told that mqtt_aliases_next means this topic. Out of memory is harmless: the
 * number is then given again, to another topic. */
void mqtt_aliases_told(struct mqtt_aliases_out **table, uint16_t max, struct slice topic);

/* NULL is allowed. */
void mqtt_aliases_out_free(struct mqtt_aliases_out *table);

#endif
