/* dtls: DTLS 1.2 and 1.3 on a datagram socket, as a layer (datagram_layer.h). Knows nothing of what
 * it carries. */
#ifndef SIOTD_TRANSPORTS_DTLS_H
#define SIOTD_TRANSPORTS_DTLS_H

#include "transports/datagram_layer.h"

extern const struct datagram_layer dtls_layer;

#endif
