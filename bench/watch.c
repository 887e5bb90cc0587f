/* Figures are text. A retained one, from before, is heard first; watch_reset comes after it. */
#include "bench/watch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SPEAK_S = 30 }; /* the longest sys_interval worth waiting for */

static const char root[] = "$SYS/broker/loop/lag/";

static size_t filter(uint32_t n, char *text)
{
    (void)n;
    return (size_t)sprintf(text, "%s#", root);
}

int watch_start(struct crowd *crowd)
{
    if (!crowd->options->watch)
        return 0;
    if (!crowd_add(crowd) || crowd_connect(crowd) < 0 ||
        crowd_subscribe(crowd, crowd->count - 1, 1, 0, 1, filter) < 0)
        return -1;
    watch_reset(crowd);
    return 0;
}

void watch_reset(struct crowd *crowd)
{
    crowd->lag_heard = crowd->lag_p999_us = crowd->lag_max_us = 0;
}

static bool has_spoken(const struct crowd *crowd)
{
    return crowd->lag_heard > crowd->lag_wanted;
}

int watch_end(struct crowd *crowd)
{
    if (!crowd->options->watch)
        return 0;
    crowd->lag_wanted = crowd->lag_heard + 1; /* both figures, of an interval that has ended */
    if (!crowd_run(crowd, crowd_clock_ns() + SPEAK_S * 1000000000ull, has_spoken))
        crowd_fail(crowd, "nothing below %s for %d s", root, SPEAK_S);
    return crowd->failure[0] ? -1 : 0;
}

bool watch_take(struct crowd *crowd, const struct packet_publish *publish)
{
    char number[24] = "";
    size_t at = sizeof root - 1;

    if (publish->topic.len <= at || memcmp(publish->topic.at, root, at) != 0)
        return false;
    if (publish->payload.len < sizeof number)
        memcpy(number, publish->payload.at, publish->payload.len);
    uint64_t us = strtoull(number, NULL, 10);
    uint64_t *worst = publish->topic.at[at] == 'm' ? &crowd->lag_max_us : &crowd->lag_p999_us;
    if (us > *worst)
        *worst = us;
    crowd->lag_heard++;
    return true;
}

void watch_report(const struct crowd *crowd, struct report *report)
{
    if (!crowd->options->watch)
        return;
    report_add(report, "loop_lag_p999_ms", (double)crowd->lag_p999_us / 1e3,
               "ms, worst sys_interval");
    report_add(report, "loop_lag_max_ms", (double)crowd->lag_max_us / 1e3, "ms, longest turn");
}
