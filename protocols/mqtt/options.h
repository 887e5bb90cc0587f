/* options: the `mqtt:` section of the configuration. */
#ifndef SIOTD_PROTOCOLS_MQTT_OPTIONS_H
#define SIOTD_PROTOCOLS_MQTT_OPTIONS_H

#include "config/option.h"
#include "protocols/mqtt/properties.h"

struct mqtt_options {
    uint64_t max_qos;             /* 0, 1, 2: the most that is accepted and granted */
    bool retain;                  /* whether retained messages are on offer */
    uint64_t keep_alive_max;      /* ms; a client that asks for more, or for none, gets this */
    uint64_t session_expiry_max;  /* ms */
    uint64_t connect_timeout;     /* ms from accept to a complete CONNECT */
    uint64_t connect_packet_size; /* bytes of a CONNECT; nothing longer is read from a stranger */
    uint64_t packet_timeout;      /* ms for one packet to arrive, and a second more per KiB */
    uint64_t topic_alias_max;     /* aliases that a client may set */
    uint64_t
        topic_alias_out_max; /* aliases that siotd sets for a client that offers to keep them */
    uint64_t properties;     /* of one packet */
    uint64_t property_bytes; /* of one packet */
    bool wildcard_subscriptions, shared_subscriptions, subscription_identifiers;
};

extern const struct option_table mqtt_option_table;

/* What the decoders are to be held to. */
static inline struct mqtt_property_limits mqtt_property_limits(const struct mqtt_options *options)
{
    return (struct mqtt_property_limits){(uint32_t)options->properties,
                                         (uint32_t)options->property_bytes};
}

/* The longest that a session may outlive its connection, seconds; UINT32_MAX: for ever. */
uint32_t mqtt_session_expiry_max_s(const struct mqtt_options *options);

/* The longest keep-alive granted, seconds 1..65535; 0: any, none included. */
uint16_t mqtt_keep_alive_max_s(const struct mqtt_options *options);

#endif
