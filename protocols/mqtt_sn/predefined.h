/* predefined: topic ids that both sides know beforehand (MQTT-SN 1.2 section 6.7), from the option
 * `predefined`: entries "CLIENT ID TOPIC", CLIENT "*" for everybody. Pure.
 *
 * A client's own entry goes before one for everybody. */
#ifndef SIOTD_PROTOCOLS_MQTT_SN_PREDEFINED_H
#define SIOTD_PROTOCOLS_MQTT_SN_PREDEFINED_H

#include "base/slice.h"

/* Whether the option's text (entries with commas between them) is in order: ids 1 to 65534, topics
 * that are topics, nothing said twice. `why` says what is wrong otherwise. */
bool sn_predefined_valid(const char *text, char *why, size_t why_size);

/* The topic of an id, as long as `text` lives, or an empty slice. `text` may be NULL and is in
 * order. */
struct slice sn_predefined_topic(const char *text, struct slice client_id, uint16_t id);

/* The id of a topic, or 0; one that means another topic to this client is not told. */
uint16_t sn_predefined_id(const char *text, struct slice client_id, struct slice topic);

#endif
