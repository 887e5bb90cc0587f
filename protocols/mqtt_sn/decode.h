/* decode: from a datagram to a message. Pure; allocates nothing, borrows everything. */
#ifndef SIOTD_PROTOCOLS_MQTT_SN_DECODE_H
#define SIOTD_PROTOCOLS_MQTT_SN_DECODE_H

#include "protocols/mqtt_sn/wire.h"

/* A datagram: maybe of a client behind a forwarder, then with its wireless node id (MQTT-SN 1.2
 * section 5.5). */
struct sn_frame {
    bool encapsulated;
    struct slice node;    /* empty without encapsulation, and maybe with one */
    struct slice message; /* length field included */
};

/* Takes the encapsulation off, if there is one. */
enum sn_fault sn_unwrap(struct slice datagram, struct sn_frame *frame);

/* Reads the one message that `message` is, whole. What is not SN_GOOD leaves *packet undefined
 * except for its type, which is 0xFF while not even that is known. A datagram holds one message and
 * nothing behind it. */
enum sn_fault sn_decode(struct slice message, struct sn_packet *packet);

#endif
