/* forward: the properties that a message takes with it; see packets.h.
 *
 * On the way of a message between decoding and broker_publish. Nearly always they are a part of
 * the packet as it stands and nothing is copied. */
#include "protocols/mqtt/packets.h"

#include <stdlib.h>

/* What does not travel on. */
#define STAYS                                                                                      \
    (UINT64_C(1) << MQTT_TOPIC_ALIAS | UINT64_C(1) << MQTT_MESSAGE_EXPIRY_INTERVAL |               \
     UINT64_C(1) << MQTT_SUBSCRIPTION_IDENTIFIER | UINT64_C(1) << MQTT_WILL_DELAY_INTERVAL)

bool mqtt_forward(const struct mqtt_properties *properties, struct mqtt_forward *forward)
{
    size_t len = properties->raw.len;
    forward->owned = NULL;
    forward->bytes = properties->raw;
    if (!(properties->present & STAYS))
        return true;
    if (len > sizeof forward->small) {
        forward->owned = malloc(len);
        if (!forward->owned)
            return false;
    }
    struct writer cut = writer_of(forward->owned ? forward->owned : forward->small, len);
    forward->bytes = mqtt_forwardable_properties(properties, &cut);
    return true;
}

void mqtt_forward_clear(struct mqtt_forward *forward)
{
    free(forward->owned);
}
