/* listener: one entry of `listeners:` come alive. Accepts peers and hands them to its protocol. */
#ifndef SIOTD_TRANSPORTS_LISTENER_H
#define SIOTD_TRANSPORTS_LISTENER_H

#include "protocols/protocol.h"
#include "transports/listener_settings.h"

struct broker;
struct stats;
struct listener;
struct loop;

/* What is behind the socket. */
struct service {
    struct broker *broker;           /* borrowed; outlives the listener; only handed on */
    struct stats *stats;             /* the broker's (broker_stats); borrowed like it, not NULL */
    const struct protocol *protocol; /* static */
    const void *options; /* the struct of protocol->options; borrowed until listener_apply or
                            listener_close; NULL when the protocol has none */
};

/* Binds and listens. `settings` is copied, strings included: peer_listener(peer) and the mountpoint
 * stay where they are until listener_close, whatever a reload does. `inherited_fd` is a listening
 * socket from systemd, whose ownership passes to the listener on success, or -1. Returns 0 and sets
 * *out, or -errno and a sentence in `error` that names listener and address. */
int listener_open(struct loop *loop, const struct listener_settings *settings,
                  const struct service *service, int inherited_fd, struct listener **out,
                  char *error, size_t error_size);

/* A reload, before anything is changed: reads all files that the new settings name (TLS). Returns 0
 * or -errno and a sentence in `error`; what was prepared goes with listener_apply or
 * listener_discard. */
int listener_prepare(struct listener *listener, const struct listener_settings *settings,
                     char *error, size_t error_size);
void listener_discard(struct listener *listener);

/* Takes over what was prepared, and what a reload may change: anonymous, max_connections,
 * strangers, per_source, accept_rate, out_buffer, stall_timeout, idle_timeout, datagram_size,
 * handshakes_per_prefix, and the protocol's options
 * (borrowed like the first ones). All else in `settings` is ignored. */
void listener_apply(struct listener *listener, const struct listener_settings *settings,
                    const void *options);

/* Stops to accept and lets go of the address (on datagrams listener_close does that); every peer is
 * told (protocol.stopping) and closed, which takes up to 3 s: listener_connections says when all
 * are gone. Idempotent. */
void listener_stop(struct listener *listener);

/* Drops whoever is left at once and frees the listener; its memory goes with the next steps of the
 * loop. NULL is allowed. */
void listener_close(struct listener *listener);

/* Sockets of this listener that are open now, those that are being closed included. */
size_t listener_connections(const struct listener *listener);

/* The listener's own copy; borrowed until listener_close. */
const struct listener_settings *listener_settings(const struct listener *listener);

/* The address that is really bound ("127.0.0.1:1883"; of port 0 the one the kernel chose;
 * "unix:/path"), into `to`; returns `to`. */
char *listener_address(const struct listener *listener, char *to, size_t size);

/* Never go down. */
struct listener_counts {
    uint64_t accepted;
    uint64_t refused;   /* accepted and closed at once: max_connections, per_source or no memory */
    uint64_t displaced; /* strangers closed to make room for newer ones */
    uint64_t hurried;   /* times that accepting paused because of accept_rate */
    uint64_t back_offs; /* times that accepting paused for want of descriptors or memory */
    uint64_t stalled;   /* closed because they did not read for stall_timeout */
};
struct listener_counts listener_counts(const struct listener *listener);

/* Of the datagrams of a listener; never go down. */
struct datagram_counts {
    uint64_t received, sent;
    uint64_t missed;   /* the kernel had no room for them (receive_buffer) */
    uint64_t useless;  /* truncated, empty, or from nobody who could be answered */
    uint64_t ignored;  /* from strangers, and nothing that a layer answers to */
    uint64_t refused;  /* max_connections, per_source, handshakes_per_prefix or no memory */
    uint64_t unproven; /* not sent: more than an unproven address may be sent */
    uint64_t crowded;  /* not sent: too many wait for the kernel, or for the store */
    uint64_t unready;  /* not sent or not handed on: the layer, or the turn, had no room for them */
    uint64_t send_failed;
};

/* False when it is not on datagrams. */
bool listener_datagrams(const struct listener *listener, struct datagram_counts *to);

/* Of the handshakes of a listener's peers; never go down. */
struct handshake_counts {
    uint64_t done, resumed; /* resumed ones are among those done */
    uint64_t failed;   /* for whatever reason; also those that were not begun, for want of room */
    int64_t expires_s; /* of the listener's certificate, since 1970; INT64_MAX without one */
};

/* False when its peers shake no hands. */
bool listener_handshakes(const struct listener *listener, struct handshake_counts *to);

/* Calls `warn` for each thing of its credentials that works but should not stay so: a certificate
 * that expires soon, a key file that others may read. `now_s` since 1970. */
void listener_inspect(const struct listener *listener, int64_t now_s,
                      void (*warn)(void *to, const char *text), void *to);

/* Reads the files that the settings name (TLS) as listener_open would; for `siotd -t`. 0, or -errno
 * and a sentence in `error`. Warnings as listener_inspect has them. */
int listener_check(const struct listener_settings *settings, int64_t now_s,
                   void (*warn)(void *to, const char *text), void *to, char *error,
                   size_t error_size);

/* Whether `bind` could be bound now for that transport: 0, or -errno and a sentence in `error`.
 * Nothing stays open; for `siotd -t`. */
int listener_probe(const char *bind, const char *transport, char *error, size_t error_size);

#endif
