/* stats: see stats.h. */
#include "broker/stats.h"

const char *drop_reason_name(enum drop_reason reason)
{
    static const char *const names[DROP_REASONS] = {
        [DROP_QUEUE_FULL] = "queue_full",
        [DROP_SLOW] = "slow",
        [DROP_OFFLINE] = "offline",
        [DROP_EXPIRED] = "expired",
        [DROP_TOO_LARGE] = "too_large",
        [DROP_DENIED] = "denied",
        [DROP_SESSION_ENDED] = "session_ended",
        [DROP_NO_MEMORY] = "no_memory",
    };
    return names[reason];
}

uint64_t stats_dropped(const struct stats *stats)
{
    uint64_t sum = 0;
    for (int reason = 0; reason < DROP_REASONS; reason++)
        sum += stats->dropped[reason];
    return sum;
}
