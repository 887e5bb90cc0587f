/* recent: QoS 2 messages of a client that are over, in case one of their datagrams comes late.
 *
 * MQTT-SN inherits QoS 2 from a protocol whose bytes come in order. On datagrams a PUBLISH that the
 * network has doubled or delayed may come after its PUBREL, and would be a new message by its id.
 * So what was released is remembered for a while: the same id with the same content is the same
 * message. */
#ifndef SIOTD_PROTOCOLS_MQTT_SN_RECENT_H
#define SIOTD_PROTOCOLS_MQTT_SN_RECENT_H

#include "protocols/mqtt_sn/wire.h"

struct sn_recent;

/* Remembers a QoS 2 PUBLISH that has been taken, until later ones push it out. *recent is made when
 * it is NULL (malloc; the caller frees it); without memory nothing is remembered. */
void sn_recent_taken(struct sn_recent **recent, const struct sn_packet *publish);
/* Its PUBREL has come. NULL allowed. */
void sn_recent_released(struct sn_recent *recent, uint16_t msg_id, uint64_t now_ms);
/* Whether it has been taken and released, no longer ago than that. NULL allowed. */
bool sn_recent_is_over(const struct sn_recent *recent, const struct sn_packet *publish,
                       uint64_t now_ms, uint64_t window_ms);

#endif
