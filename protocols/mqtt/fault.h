/* fault: why a decoder refused a packet, for the answer and for the one log line. */
#ifndef SIOTD_PROTOCOLS_MQTT_FAULT_H
#define SIOTD_PROTOCOLS_MQTT_FAULT_H

#include "protocols/mqtt/wire.h"

#include <stddef.h>

/* Filled by every decode that fails, left alone by every decode that succeeds. The strings are
 * static and hold nothing that a stranger sent. */
struct mqtt_fault {
    enum mqtt_reason
        reason;      /* what a 5.0 peer is told; 3.x peers are closed or get mqtt_return_code() */
    uint32_t offset; /* bytes from the first byte of the packet (its fixed header) */
    const char
        *clause; /* "MQTT-3.3.1-4", or a section when no clause has a number: "5.0 section 4.13" */
    const char *what; /* "QoS 3" */
};

/* Fills *fault and returns false, so that a guard is one line. */
static inline bool mqtt_fail(struct mqtt_fault *fault, enum mqtt_reason reason, size_t offset,
                             const char *clause, const char *what)
{
    *fault = (struct mqtt_fault){reason, (uint32_t)offset, clause, what};
    return false;
}

#endif
