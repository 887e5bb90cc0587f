/* mqtt_properties_fuzz: a block of MQTT 5.0 properties in any packet.
 *
 * Input: a byte that chooses the packet type (0 the will), then the block with its length. */
#include "mqtt_any.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    static const struct mqtt_property_limits limits = MQTT_PROPERTY_LIMITS_DEFAULT;
    struct mqtt_properties properties;
    struct mqtt_fault fault = {0};
    if (len == 0)
        return 0;
    unsigned place = bytes[0] % 16;
    struct slice block = slice_of(bytes + 1, len - 1);
    struct cursor c = cursor_of(block);
    if (mqtt_decode_properties(&c, place, &limits, &properties, &fault))
        mqtt_any_check_properties(&properties, place, block);
    else if (fault.reason < 0x80 || !fault.clause || !fault.what || fault.offset > block.len)
        abort();
    return 0;
}
