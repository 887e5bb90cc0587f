/* listener_settings: one entry of `listeners:` in the configuration. */
#ifndef SIOTD_TRANSPORTS_LISTENER_SETTINGS_H
#define SIOTD_TRANSPORTS_LISTENER_SETTINGS_H

#include "config/option.h"
#include "transports/tls_settings.h"

struct listener_settings {
    char *name;       /* unique; appears in logs and metrics */
    char *protocol;   /* a name from daemon/modules.c */
    char *transport;  /* a name from transports/stacks.c */
    char *bind;       /* address:port, [::]:port, *:port, unix:/path */
    char *mountpoint; /* prefix in front of every topic of this listener; "" for none */
    char *topic;    /* raw: where a datagram goes that is no verb; with ${device}; NULL: nowhere */
    bool anonymous; /* whether someone without credentials may enter */
    uint64_t max_connections;
    uint64_t strangers;     /* connections at once that their protocol does not know yet */
    uint64_t per_source;    /* connections at once of one IPv4 address or IPv6 /64 */
    uint64_t accept_rate;   /* connections accepted in a second */
    uint64_t backlog;       /* of listen(2) */
    uint64_t out_buffer;    /* bytes that a slow peer may leave unread before deliveries wait */
    uint64_t stall_timeout; /* ms without progress of a full peer before it is closed */
    uint64_t idle_timeout;  /* datagrams: ms of silence after which a peer goes whose protocol waits
                               for nothing */
    uint64_t datagram_size; /* datagrams: bytes of payload sent in one */
    uint64_t receive_buffer;        /* datagrams: bytes the kernel may keep for us */
    uint64_t handshakes_per_prefix; /* dtls: under way at once from one IPv4 /24 or IPv6 /64 */
    struct tls_settings tls;        /* means something on transports with TLS only */
};

/* The rows of a listener entry (transports/listener_settings.c). */
extern const struct option_table listener_options;

#endif
