/* options: the `raw:` section of the configuration. */
#ifndef SIOTD_PROTOCOLS_RAW_OPTIONS_H
#define SIOTD_PROTOCOLS_RAW_OPTIONS_H

#include "config/option.h"

struct raw_options {
    uint64_t idle_timeout;     /* ms without a datagram after which a subscriber is gone */
    uint64_t session_expiry;   /* ms that the subscriptions of a proven device outlive that */
    uint64_t retry;            /* ms until a MSG with an id is sent again, doubled each time */
    uint64_t tries;            /* that a MSG is sent until its subscriber is heard of again */
    uint64_t window;           /* MSG with an id under way to one subscriber */
    uint64_t duplicate_window; /* ms for which a PUB with an id is known when it comes again */
    uint64_t remembered;       /* PUB with an id that are known at once */
    bool trust_sources;        /* nobody on this network sends from an address not his own */
};

extern const struct option_table raw_option_table;

/* session_expiry in seconds; UINT32_MAX: for ever. */
uint32_t raw_session_expiry_s(const struct raw_options *options);

#endif
