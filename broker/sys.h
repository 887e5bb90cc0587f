/* sys: the $SYS tree, with the names that dashboards for Mosquitto know. */
#ifndef SIOTD_BROKER_SYS_H
#define SIOTD_BROKER_SYS_H

#include <stdint.h>

enum { SYS_LOADS = 10, SYS_LOAD_SPANS = 3 };

struct sys {
    uint64_t started_ms;                    /* monotonic */
    uint64_t last[SYS_LOADS];               /* counters at the last interval */
    double load[SYS_LOADS][SYS_LOAD_SPANS]; /* per minute, over 1, 5 and 15 minutes */
};

#endif
