/* options: the `mqtt_sn:` section of the configuration. */
#ifndef SIOTD_PROTOCOLS_MQTT_SN_OPTIONS_H
#define SIOTD_PROTOCOLS_MQTT_SN_OPTIONS_H

#include "config/option.h"

struct sn_options {
    char *predefined;    /* predefined.h; NULL for none */
    bool qos_minus_1;    /* PUBLISH without a connection */
    bool search_gateway; /* SEARCHGW is answered */
    uint64_t advertise;  /* ms between ADVERTISEs to those who are connected; unlimited: never */
    uint64_t gateway_id; /* of GWINFO and ADVERTISE */
    uint64_t retry;      /* ms: T_retry */
    uint64_t retries;    /* N_retry */
    uint64_t tolerance;  /* percent of keep-alive and sleep after which a client is lost */
    uint64_t keep_alive_max; /* ms; who asks for none gets this one */
    uint64_t session_expiry; /* ms that a session without CleanSession outlives its connection */
    uint64_t topics;         /* ids that one client may have */
    uint64_t pending;        /* messages of one client that wait for its REGACK */
    uint64_t nodes;          /* clients behind one forwarder's address */
    bool takeover;           /* an unproven client may take an active one's place */
    bool trust_sources;      /* an address needs no proof before it gets deliveries */
    bool rebind;             /* an unproven sleeping client may come back from another address */
};

extern const struct option_table sn_option_table;

#endif
