/* options: the rows of the `coap:` section; see options.h. All apply at once after a reload. */
#include "protocols/coap/options.h"

#define AT(member) offsetof(struct coap_options, member)

enum { SECOND = 1000 };

static const char *const notify_choices[] = {"qos", "con", "non", NULL};

static const struct option_row rows[] = {
    {.name = "echo",
     .type = OPTION_BOOL,
     .offset = AT(echo),
     .fallback = "true",
     .reloadable = true,
     .help =
         "on udp, have an address proven (Echo, RFC 9175) before it may observe, send blocks or "
         "get large answers; false: believe all addresses"},
    {.name = "notify",
     .type = OPTION_CHOICE,
     .offset = AT(notify),
     .fallback = "qos",
     .choices = notify_choices,
     .reloadable = true,
     .help = "which notifications are confirmable: of messages above QoS 0, all, or as few as "
             "possible"},
    {.name = "block_size",
     .type = OPTION_SIZE,
     .offset = AT(block_size),
     .fallback = "1024",
     .min = 16,
     .max = 1024,
     .reloadable = true,
     .help = "largest payload in one datagram; larger ones go in blocks (a power of two)"},
    {.name = "observations",
     .type = OPTION_COUNT,
     .offset = AT(observations),
     .fallback = "64",
     .min = 0,
     .max = 10000,
     .reloadable = true,
     .help = "resources that one endpoint may observe"},
    {.name = "observer_check",
     .type = OPTION_DURATION,
     .offset = AT(observer_check),
     .fallback = "24h",
     .min = 10 * SECOND,
     .max = 24 * 3600 * (uint64_t)SECOND,
     .reloadable = true,
     .help = "longest time between two confirmable notifications, which show who is still there"},
    {.name = "exchanges",
     .type = OPTION_COUNT,
     .offset = AT(exchanges),
     .fallback = "65536",
     .min = 256,
     .max = 16 * 1024 * 1024,
     .reloadable = true,
     .help = "requests remembered for 247 s, so that one that arrives twice is obeyed once"},
    {.name = "uploads",
     .type = OPTION_COUNT,
     .offset = AT(uploads),
     .fallback = "64",
     .min = 1,
     .max = 100000,
     .reloadable = true,
     .help = "bodies that may be arriving in blocks at once; the oldest gives way"},
    {.name = "upload_bytes",
     .type = OPTION_SIZE,
     .offset = AT(upload_bytes),
     .fallback = "8MiB",
     .min = 1024,
     .max = UINT64_C(4) * 1024 * 1024 * 1024,
     .reloadable = true,
     .help = "bytes of all those"},
    {.name = "topics",
     .type = OPTION_COUNT,
     .offset = AT(topics),
     .fallback = "1000",
     .min = 0,
     .max = 1000000,
     .reloadable = true,
     .help = "topics that may be created through the collection /ps"},
    {.name = "publish_rate",
     .type = OPTION_COUNT,
     .offset = AT(publish_rate),
     .fallback = "unlimited",
     .min = 1,
     .max = 10000000,
     .unlimited = true,
     .reloadable = true,
     .help = "messages that one address may publish in a second; more are answered 4.29"},
    {.name = "retry_after",
     .type = OPTION_DURATION,
     .offset = AT(retry_after),
     .fallback = "5s",
     .min = 1 * SECOND,
     .max = 3600 * SECOND,
     .reloadable = true,
     .help = "what who is refused for want of room is told to wait (Max-Age of 4.29 and 5.03)"},
};

const struct option_table coap_option_table = OPTION_TABLE("coap", rows, struct coap_options);

uint32_t coap_retry_after_s(const struct coap_options *options)
{
    return (uint32_t)((options->retry_after + SECOND - 1) / SECOND);
}
