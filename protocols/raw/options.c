/* options: see options.h. */
#include "protocols/raw/options.h"

#define AT(member) offsetof(struct raw_options, member)

enum { SECOND = 1000 };

static const struct option_row rows[] = {
    {.name = "idle_timeout",
     .type = OPTION_DURATION,
     .offset = AT(idle_timeout),
     .fallback = "10m",
     .min = SECOND,
     .max = UINT64_C(7) * 86400 * SECOND,
     .reloadable = true,
     .help = "a subscriber that has sent nothing for so long is gone; PING keeps it"},
    {.name = "session_expiry",
     .type = OPTION_DURATION,
     .offset = AT(session_expiry),
     .fallback = "1d",
     .min = 0,
     .max = UINT64_C(365) * 86400 * SECOND,
     .unlimited = true,
     .reloadable = true,
     .help = "how long what a device with a proven identity has subscribed to outlives that"},
    {.name = "retry",
     .type = OPTION_DURATION,
     .offset = AT(retry),
     .fallback = "2s",
     .min = 100,
     .max = 60 * SECOND,
     .reloadable = true,
     .help = "until a MSG with an id is sent again when no ACK comes; doubles each time"},
    {.name = "tries",
     .type = OPTION_COUNT,
     .offset = AT(tries),
     .fallback = "5",
     .min = 1,
     .max = 16,
     .reloadable = true,
     .help = "that a MSG with an id is sent; after that not before its subscriber is heard again"},
    {.name = "window",
     .type = OPTION_COUNT,
     .offset = AT(window),
     .fallback = "4",
     .min = 1,
     .max = 1000,
     .reloadable = true,
     .help = "MSG with an id under way to one subscriber (new subscribers)"},
    {.name = "duplicate_window",
     .type = OPTION_DURATION,
     .offset = AT(duplicate_window),
     .fallback = "30s",
     .min = 0,
     .max = 3600 * SECOND,
     .reloadable = true,
     .help = "for how long a PUB with an id is not published again when it comes again"},
    {.name = "remembered",
     .type = OPTION_COUNT,
     .offset = AT(remembered),
     .fallback = "16384",
     .min = 64,
     .max = 16 * 1024 * 1024,
     .help = "PUB with an id that are remembered for that, of all devices together"},
    {.name = "trust_sources",
     .type = OPTION_BOOL,
     .offset = AT(trust_sources),
     .fallback = "false",
     .reloadable = true,
     .help = "on udp, send to subscribers that have not proven their address with an ACK; only "
             "where nobody can forge one"},
};

const struct option_table raw_option_table = OPTION_TABLE("raw", rows, struct raw_options);

uint32_t raw_session_expiry_s(const struct raw_options *options)
{
    uint64_t seconds = options->session_expiry / SECOND;
    if (options->session_expiry == OPTION_UNLIMITED)
        return UINT32_MAX;
    return seconds < UINT32_MAX ? (uint32_t)seconds : UINT32_MAX - 1;
}
