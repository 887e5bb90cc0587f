/* raw: datagrams of one readable line and a payload, for devices of three lines.
 *
 * The module's only face: daemon/modules.c lists it, nobody else names it. */
#ifndef SIOTD_PROTOCOLS_RAW_RAW_H
#define SIOTD_PROTOCOLS_RAW_RAW_H

#include "protocols/protocol.h"

extern const struct protocol raw_protocol;

#endif
