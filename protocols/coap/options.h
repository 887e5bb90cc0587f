/* options: the `coap:` section of the configuration. */
#ifndef SIOTD_PROTOCOLS_COAP_OPTIONS_H
#define SIOTD_PROTOCOLS_COAP_OPTIONS_H

#include "config/option.h"

/* Which notifications ask for an acknowledgement. */
enum coap_notify {
    COAP_NOTIFY_QOS, /* those of messages published at QoS 1 and 2 */
    COAP_NOTIFY_CON, /* all */
    COAP_NOTIFY_NON, /* none but the regular ones that show whether somebody is still there */
};

struct coap_options {
    bool echo;  /* who has not proven its address proves it before it may observe, send blocks, or
                   get more than three times what it has sent */
    int notify; /* enum coap_notify */
    uint64_t block_size;     /* bytes of a payload in one datagram */
    uint64_t observations;   /* of one endpoint */
    uint64_t observer_check; /* ms between two confirmable notifications at most */
    uint64_t exchanges;      /* requests remembered, so that a repeated one is not obeyed twice */
    uint64_t uploads;        /* bodies that arrive in blocks at once */
    uint64_t upload_bytes;   /* of all of those */
    uint64_t topics;         /* created through the collection */
    uint64_t publish_rate;   /* a second and source address; OPTION_UNLIMITED */
    uint64_t retry_after;    /* ms that who is refused for want of room is told to wait */
};

extern const struct option_table coap_option_table;

/* Seconds to wait, as Max-Age says them. */
uint32_t coap_retry_after_s(const struct coap_options *options);

#endif
