/* mqtt_decode_fuzz: what a client of some version sends, one packet after the other.
 *
 * Input: a byte that chooses the version (3.1, 3.1.1, 5.0 by its remainder), then the bytes of the
 * connection. mqtt_any checks what holds for each packet; the loop is that of a connection. */
#include "mqtt_any.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    if (len == 0)
        return 0;
    enum mqtt_version version = (enum mqtt_version)(MQTT_3_1 + bytes[0] % 3);
    struct slice rest = slice_of(bytes + 1, len - 1);
    for (;;) {
        struct mqtt_any any = mqtt_any_decode(rest, version);
        if (!any.accepted)
            return 0;
        size_t size = mqtt_packet_size(&any.header);
        rest = slice_of(rest.at + size, rest.len - size);
    }
}
