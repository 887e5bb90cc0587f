/* options: the rows of the `mqtt:` section; see options.h.
 *
 * All may change at a reload. What a 5.0 client was told in its CONNACK and what would make its
 * packets wrong afterwards (topic_alias_max) is kept by its connection; the rest applies at once.
 */
#include "protocols/mqtt/options.h"

#define AT(member) offsetof(struct mqtt_options, member)

enum { SECOND = 1000, DAY = 24 * 3600 * SECOND };

static const struct option_row rows[] = {
    {.name = "max_qos",
     .type = OPTION_COUNT,
     .offset = AT(max_qos),
     .fallback = "2",
     .min = 0,
     .max = 2,
     .reloadable = true,
     .help = "highest QoS accepted from publishers and granted to subscribers"},
    {.name = "retain",
     .type = OPTION_BOOL,
     .offset = AT(retain),
     .fallback = "true",
     .reloadable = true,
     .help = "accept retained messages"},
    {.name = "keep_alive_max",
     .type = OPTION_DURATION,
     .offset = AT(keep_alive_max),
     .fallback = "3600s",
     .min = 1 * SECOND,
     .max = 65535 * (uint64_t)SECOND,
     .unlimited = true,
     .reloadable = true,
     .help = "longest keep-alive; a client that asks for more, or for none, gets this one"},
    {.name = "session_expiry_max",
     .type = OPTION_DURATION,
     .offset = AT(session_expiry_max),
     .fallback = "7d",
     .min = 0,
     .max = UINT64_C(36500) * DAY,
     .unlimited = true,
     .reloadable = true,
     .help = "longest time a session is kept after its connection has ended"},
    {.name = "connect_timeout",
     .type = OPTION_DURATION,
     .offset = AT(connect_timeout),
     .fallback = "10s",
     .min = SECOND / 10,
     .max = 600 * SECOND,
     .reloadable = true,
     .help = "time from the first contact to a complete CONNECT"},
    {.name = "connect_packet_size",
     .type = OPTION_SIZE,
     .offset = AT(connect_packet_size),
     .fallback = "16KiB",
     .min = 128,
     .max = 1024 * 1024,
     .reloadable = true,
     .help = "largest CONNECT; nothing larger is read from somebody unknown"},
    {.name = "packet_timeout",
     .type = OPTION_DURATION,
     .offset = AT(packet_timeout),
     .fallback = "10s",
     .min = SECOND / 10,
     .max = 3600 * SECOND,
     .reloadable = true,
     .help = "time for one packet to arrive whole; one second more for each KiB of it"},
    {.name = "topic_alias_max",
     .type = OPTION_COUNT,
     .offset = AT(topic_alias_max),
     .fallback = "16",
     .min = 0,
     .max = 65535,
     .reloadable = true,
     .help = "topic aliases that a client may set (new connections)"},
    {.name = "topic_alias_out_max",
     .type = OPTION_COUNT,
     .offset = AT(topic_alias_out_max),
     .fallback = "16",
     .min = 0,
     .max = 256,
     .reloadable = true,
     .help = "topic aliases used towards a client that offers to keep some (new connections)"},
    {.name = "properties",
     .type = OPTION_COUNT,
     .offset = AT(properties),
     .fallback = "64",
     .min = 8,
     .max = 10000,
     .reloadable = true,
     .help = "properties of one packet"},
    {.name = "property_bytes",
     .type = OPTION_SIZE,
     .offset = AT(property_bytes),
     .fallback = "8KiB",
     .min = 128,
     .max = 1024 * 1024,
     .reloadable = true,
     .help = "bytes of the properties of one packet"},
    {.name = "wildcard_subscriptions",
     .type = OPTION_BOOL,
     .offset = AT(wildcard_subscriptions),
     .fallback = "true",
     .reloadable = true,
     .help = "accept subscriptions with + and #"},
    {.name = "shared_subscriptions",
     .type = OPTION_BOOL,
     .offset = AT(shared_subscriptions),
     .fallback = "true",
     .reloadable = true,
     .help = "accept subscriptions to $share/NAME/FILTER"},
    {.name = "subscription_identifiers",
     .type = OPTION_BOOL,
     .offset = AT(subscription_identifiers),
     .fallback = "true",
     .reloadable = true,
     .help = "accept subscription identifiers"},
};

const struct option_table mqtt_option_table = OPTION_TABLE("mqtt", rows, struct mqtt_options);

uint32_t mqtt_session_expiry_max_s(const struct mqtt_options *options)
{
    uint64_t seconds = options->session_expiry_max / SECOND;
    if (options->session_expiry_max == OPTION_UNLIMITED)
        return UINT32_MAX;
    return seconds < UINT32_MAX ? (uint32_t)seconds : UINT32_MAX - 1;
}

uint16_t mqtt_keep_alive_max_s(const struct mqtt_options *options)
{
    if (options->keep_alive_max == OPTION_UNLIMITED)
        return 0;
    uint64_t seconds = options->keep_alive_max / SECOND;
    return seconds < UINT16_MAX ? (uint16_t)seconds : UINT16_MAX;
}
