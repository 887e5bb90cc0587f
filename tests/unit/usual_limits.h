/* usual_limits: what `limits:` is when the configuration says nothing, for tests of the core and of
 * protocols, which stand on a broker without a configuration. test_settings of daemon/ compares
 * them with the rows. */
#ifndef SIOTD_TESTS_UNIT_USUAL_LIMITS_H
#define SIOTD_TESTS_UNIT_USUAL_LIMITS_H

#include "broker/limits.h"

static inline struct broker_limits usual_limits(void)
{
    return (struct broker_limits){
        .packet_size = 1 << 20,
        .inflight = 32,
        .unreleased = 1000,
        .queued_messages = 1000,
        .queued_bytes = 1 << 20,
        .queue_full = QUEUE_REFUSE,
        .subscriptions = 1000,
        .topic_levels = 128,
        .topic_length = 4096,
        .sessions = 1000000,
        .queued_total = 1 << 30,
        .queued_memory = 64 << 20,
        .filter_nodes = 10000000,
        .retained_nodes = 1000000,
        .retained_messages = 100000,
        .retained_bytes = 256 << 20,
        .retained_per_turn = 64,
        .wills_per_second = 500,
        .wills_bytes = 64 << 20,
    };
}

#endif
