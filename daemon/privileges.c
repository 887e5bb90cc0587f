/* privileges: see privileges.h. A sandbox that refuses to have limits changed (systemd's
 * ~@resources) has set them as it wants them: that is no failure. */
#include "daemon/privileges.h"

#include "base/log.h"
#include "transports/stacks.h"
#include <inttypes.h>
#include <sys/resource.h>
#include <unistd.h>

enum { OTHER_DESCRIPTORS = 64 }; /* the loop's, the log's, the listeners' own */

/* Descriptors that the process may have after all that can be done. */
static uint64_t raise_descriptors(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return UINT64_MAX;
    if (limit.rlim_cur < limit.rlim_max) {
        struct rlimit raised = {limit.rlim_max, limit.rlim_max};
        if (setrlimit(RLIMIT_NOFILE, &raised) == 0)
            limit = raised;
    }
    return limit.rlim_cur == RLIM_INFINITY ? UINT64_MAX : (uint64_t)limit.rlim_cur;
}

static bool has_own_descriptors(const struct listener_settings *listener)
{
    const struct stack *stack = stack_find(listener->transport);
    return stack && stack->carrier == CARRIER_STREAM;
}

/* What all listeners together may take; unlimited ones are not counted, and peers on datagrams need
 * none. */
static uint64_t wanted_descriptors(const struct config *config)
{
    uint64_t sum = OTHER_DESCRIPTORS;
    for (size_t i = 0; i < config->listener_count; i++)
        if (config->listeners[i].max_connections != OPTION_UNLIMITED &&
            has_own_descriptors(&config->listeners[i]))
            sum += config->listeners[i].max_connections;
    return sum;
}

void privileges_prepare(const struct config *config)
{
    uint64_t have = raise_descriptors(), want = wanted_descriptors(config);
    if (have < want)
        log_line(LOG_WARNING, "siotd",
                 "only %" PRIu64 " descriptors may be open, max_connections would need %" PRIu64
                 ": clients beyond that will wait",
                 have, want);
    if (geteuid() == 0)
        log_line(LOG_WARNING, "siotd", "running as root, which nothing here needs");
}
