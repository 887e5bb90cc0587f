/* limits: every bound of the routing core has a name, a default and a row (the `limits:` section).
 */
#ifndef SIOTD_BROKER_LIMITS_H
#define SIOTD_BROKER_LIMITS_H

#include "config/option.h"

enum queue_policy {
    QUEUE_REFUSE, /* a publish that some subscriber's full queue cannot take is refused before it is
                     acknowledged */
    QUEUE_DROP,   /* it is acknowledged, and dropped and counted for that subscriber only */
};

struct broker_limits {
    uint64_t packet_size;     /* bytes of one packet or message, either way */
    uint64_t inflight;        /* unacknowledged QoS 1 and 2 messages, each way, per session */
    uint64_t unreleased;      /* QoS 2 ids a client may have open that cannot be told `inflight` */
    uint64_t queued_messages; /* per session, waiting for window or connection */
    uint64_t queued_bytes;    /* per session, payload and topic bytes of those */
    bool queue_qos0_offline;  /* keep QoS 0 messages for sessions that are away */
    int queue_full;           /* enum queue_policy */
    uint64_t subscriptions;   /* per session */
    uint64_t topic_levels;    /* of a topic name or filter */
    uint64_t topic_length;    /* bytes of a topic name or filter */
    uint64_t sessions;        /* online and offline, whole broker */
    uint64_t queued_total;    /* bytes, as queued_bytes, of all sessions together */
    uint64_t
        queued_memory;     /* and of those in memory; the rest only in the store, if there is one */
    uint64_t filter_nodes; /* levels of all filters, each counted once where they share them */
    uint64_t retained_nodes;    /* levels of all retained topics, likewise */
    uint64_t retained_messages; /* whole broker */
    uint64_t retained_bytes;    /* topic and payload bytes of those */
    uint64_t retained_per_turn; /* replayed to one session per turn of the loop */
    uint64_t wills_per_second;  /* delayed and connection-loss wills fired, whole broker */
    uint64_t wills_bytes;       /* of those that wait for that, whole broker */
};

extern const struct option_table broker_limit_options;

#endif
