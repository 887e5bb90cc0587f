/* properties: what a topic is configured by, as CBOR. Pure.
 *
 * draft-ietf-core-coap-pubsub-21 sections 2.2.1 and 4. The same form keeps a topic over a restart,
 * with one key more: the mountpoint it was made behind. */
#ifndef SIOTD_PROTOCOLS_COAP_PROPERTIES_H
#define SIOTD_PROTOCOLS_COAP_PROPERTIES_H

#include "base/slice.h"
#include "base/writer.h"

/* The keys of section 4, in the order in which they are written. */
enum coap_property {
    COAP_TOPIC_NAME,
    COAP_TOPIC_DATA,
    COAP_RESOURCE_TYPE,
    COAP_TOPIC_FORMAT,
    COAP_TOPIC_TYPE,
    COAP_EXPIRATION,
    COAP_MAX_SUBSCRIBERS,
    COAP_OBSERVER_CHECK,
    COAP_INITIALIZE,
    COAP_PROPERTIES,
    COAP_MOUNTPOINT = COAP_PROPERTIES, /* key -1, private use: never on the wire */
};

enum { COAP_EVERY_PROPERTY = (1 << COAP_PROPERTIES) - 1 };

/* Slices are borrowed. */
struct coap_properties {
    uint16_t given; /* bits 1 << enum coap_property: which of the following mean something */
    uint16_t format;
    struct slice name, place, resource_type, topic_type, initialize, mountpoint;
    uint64_t expires_s; /* since 1970 */
    uint64_t max_subscribers;
    uint64_t observer_check_s;
};

static inline bool coap_has(const struct coap_properties *properties, enum coap_property which)
{
    return properties->given >> which & 1;
}

/* Reads a map of properties. False when it is none, when a key is unknown or there twice, a value
 * is of another type or out of range, or text is not UTF-8 (section 2.4.3: 4.00). `kept`: the
 * private key is welcome. */
bool coap_read_properties(struct slice cbor, bool kept, struct coap_properties *properties);

/* Reads an array of keys (FETCH, section 2.5.2) to bits; keys that nobody knows are passed over.
 * False when it is none. */
bool coap_read_wishes(struct slice cbor, uint16_t *wishes);

/* Writes a map of those properties that are given and among `which`. */
void coap_write_properties(struct writer *w, const struct coap_properties *properties,
                           uint16_t which);

#endif
