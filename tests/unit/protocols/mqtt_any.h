/* mqtt_any: decodes whatever packet comes and checks what holds for every packet.
 *
 * For tests that bend packets and for the fuzzers: each accepted packet is checked for slices that
 * lie inside it and for values in range, and is encoded and decoded again where the server can
 * encode it; each refused one for a fault that says something. A violation aborts. */
#ifndef SIOTD_TESTS_MQTT_ANY_H
#define SIOTD_TESTS_MQTT_ANY_H

#include "protocols/mqtt/decode.h"

/* What came of it: the header's state, and when that is known and the packet whole, whether the
 * body was accepted. */
struct mqtt_any {
    enum mqtt_header_state state;
    struct mqtt_header header;
    bool whole, accepted; /* a server-only packet is never accepted */
    struct mqtt_fault fault;
};

/* Decodes the first packet of `bytes`. */
struct mqtt_any mqtt_any_decode(struct slice bytes, enum mqtt_version version);

/* Checks a block of properties that decoded well: encodes it again, walks it, filters it. */
void mqtt_any_check_properties(const struct mqtt_properties *p, unsigned place,
                               struct slice inside);

#endif
