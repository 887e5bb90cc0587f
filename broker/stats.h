/* stats: what the core and the protocols count. Plain counters, written on the loop's thread. */
#ifndef SIOTD_BROKER_STATS_H
#define SIOTD_BROKER_STATS_H

#include <stdint.h>

/* Why a message did not reach a subscriber that had asked for it, or was not accepted. */
enum drop_reason {
    DROP_QUEUE_FULL,    /* the session's queue, or that of wills */
    DROP_SLOW,          /* QoS 0 to a client that does not read */
    DROP_OFFLINE,       /* QoS 0 to a client that is away */
    DROP_EXPIRED,       /* message expiry */
    DROP_TOO_LARGE,     /* above the client's maximum packet size */
    DROP_DENIED,        /* authorise() */
    DROP_SESSION_ENDED, /* was queued when the session ended */
    DROP_NO_MEMORY,
    DROP_REASONS
};

/* The reason as metrics and log lines spell it. */
const char *drop_reason_name(enum drop_reason reason);

enum { STATS_QOS = 3 };

struct stats {
    uint64_t bytes_received, bytes_sent;       /* on the wire, counted by transports */
    uint64_t messages_received, messages_sent; /* protocol packets of any kind */
    uint64_t publish_received, publish_sent;
    uint64_t publish_received_at[STATS_QOS], publish_sent_at[STATS_QOS]; /* the same by QoS */
    uint64_t publish_bytes_received, publish_bytes_sent;                 /* payload */
    uint64_t publish_refused; /* not accepted from a publisher */
    uint64_t dropped[DROP_REASONS];
    uint64_t publish_coalesced; /* states that a newer one replaced before they were said (CoAP) */
    uint64_t connections_accepted; /* sockets */
    uint64_t sockets;              /* open now */
    uint64_t connects;             /* successful CONNECTs */
    uint64_t connects_refused;
    uint64_t clients_connected;                     /* now */
    uint64_t clients_maximum;                       /* most at once */
    uint64_t clients_expired;                       /* sessions ended by their expiry */
    uint64_t sessions;                              /* now, online and offline */
    uint64_t subscriptions, shared_subscriptions;   /* now */
    uint64_t retained_messages, retained_bytes;     /* now; without those of $SYS */
    uint64_t queued_messages, queued_bytes;         /* now, all sessions */
    uint64_t store_batches, store_written;          /* committed; rows in them */
    uint64_t store_cancelled;                       /* messages over before they were written */
    uint64_t store_batch_last, store_batch_maximum; /* rows of one batch */
    uint64_t store_commit_last_ms, store_commit_maximum_ms; /* as the loop has seen it */
    uint64_t store_full;                                    /* 1: there is no room, now */
    uint64_t protocol_errors;
    uint64_t heap_current, heap_maximum; /* bytes, as the daemon last measured them */
    uint64_t loop_lag_max_us;            /* longest turn since the last report */
    uint64_t loop_lag_p999_us;           /* 99.9 % of the turns took at most this */
};

/* Messages dropped for any reason. */
uint64_t stats_dropped(const struct stats *stats);

#endif
