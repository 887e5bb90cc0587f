/* encode: from a message to bytes. Pure. */
#ifndef SIOTD_PROTOCOLS_MQTT_SN_ENCODE_H
#define SIOTD_PROTOCOLS_MQTT_SN_ENCODE_H

#include "base/writer.h"
#include "protocols/mqtt_sn/wire.h"

/* Bytes of the message, length field included; 0 when it is longer than MQTT-SN can say (65,535
 * bytes) or of a reserved type. */
size_t sn_size(const struct sn_packet *packet);

/* Writes it; the writer has room for sn_size. */
void sn_encode(struct writer *w, const struct sn_packet *packet);

/* What a forwarder is to be told in front of a message: at most 252 bytes of node id (MQTT-SN 1.2
 * section 5.5). */
enum { SN_NODE_MAX = 252, SN_WRAP = 3 };
void sn_encode_wrap(struct writer *w, struct slice node);

#endif
