/* listener: see listener.h. Where peers come from: on streams they are accepted
 * (listener_accept.c), on datagrams they are met (datagram_port.c).
 *
 * Whoever has not been let in yet is a stranger. There is room for some, and when they are too many
 * the oldest goes: so those who come to say nothing cannot keep anybody out.
 *
 * Invariants: `peers` and `strangers` hold every peer that is not gone, `connections` counts them;
 * `sources` counts them by source, unless per_source is unlimited; `port` is there exactly
 * while a listener on datagrams is open. */
#include "transports/listener.h"

#include "broker/stats.h"
#include "transports/datagram_state.h"
#include "transports/listener_accept.h"
#include "transports/source.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

/* ---- what layers of both kinds do for a listener ---- */

struct sharing {
    int (*share)(const struct listener_settings *settings, void **shared, char *why,
                 size_t why_size);
    void (*adopt)(void *shared, void *fresh);
    void (*unshare)(void *shared);
    void (*inspect)(const void *shared, int64_t now_s, void (*warn)(void *to, const char *text),
                    void *to);
    void (*count)(const void *shared, struct handshake_counts *to);
};

/* All NULL without a layer, or with one whose peers share nothing. */
static struct sharing sharing_of(const struct stack *stack)
{
    const struct layer *stream = stack->layer;
    const struct datagram_layer *datagram = stack->datagram_layer;
    if (stream)
        return (struct sharing){stream->share, stream->adopt, stream->unshare, stream->inspect,
                                stream->count};
    if (datagram)
        return (struct sharing){datagram->share, datagram->adopt, datagram->unshare,
                                datagram->inspect, datagram->count};
    return (struct sharing){.share = NULL};
}

static bool is_datagram(const struct stack *stack)
{
    return stack->carrier == CARRIER_DATAGRAM;
}

/* ---- opening ---- */

/* Strangers of one listener take a fifth of all descriptors at most. */
static uint64_t strangers_max(const struct listener_settings *settings, const struct stack *stack)
{
    struct rlimit limit;
    uint64_t share = settings->strangers;
    if (is_datagram(stack)) /* they have none */
        return share;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur / 5 < share)
        share = limit.rlim_cur / 5;
    return share ? share : 1;
}

static int copy_text(char **to, const char *from)
{
    *to = from ? strdup(from) : NULL;
    return *to || !from ? 0 : -ENOMEM;
}

static void clear_settings(struct listener_settings *settings)
{
    free(settings->name);
    free(settings->protocol);
    free(settings->transport);
    free(settings->bind);
    free(settings->mountpoint);
    free(settings->topic);
}

static int copy_settings(struct listener_settings *to, const struct listener_settings *from)
{
    *to = *from;
    to->name = to->protocol = to->transport = to->bind = to->mountpoint = to->topic = NULL;
    to->tls = (struct tls_settings){0}; /* its layer has read them */
    if (copy_text(&to->name, from->name) || copy_text(&to->protocol, from->protocol) ||
        copy_text(&to->transport, from->transport) || copy_text(&to->bind, from->bind) ||
        copy_text(&to->mountpoint, from->mountpoint) || copy_text(&to->topic, from->topic))
        return -ENOMEM;
    return 0;
}

static int prepare_layer(struct listener *listener)
{
    struct loop *loop = listener->loop;
    if (!listener->stack->layer && !listener->stack->datagram_layer)
        return 0;
    if (!loop->plain)
        loop->plain = malloc(LOOP_INPUT_SIZE);
    if (!loop->gather)
        loop->gather = malloc(LOOP_GATHER_MAX);
    return loop->plain && loop->gather ? 0 : -ENOMEM;
}

static int share(const struct stack *stack, const struct listener_settings *settings, void **shared,
                 char *why, size_t why_size)
{
    struct sharing layer = sharing_of(stack);
    return layer.share ? layer.share(settings, shared, why, why_size) : 0;
}

static int open_socket(struct listener *listener, int inherited_fd, char *why, size_t why_size)
{
    const struct listener_settings *settings = &listener->settings;
    if (is_datagram(listener->stack))
        return inherited_fd >= 0
                   ? socket_inherit_bound(&listener->socket, inherited_fd, why, why_size)
                   : socket_bind(&listener->socket, settings->bind, why, why_size);
    if (inherited_fd >= 0)
        return socket_inherit(&listener->socket, inherited_fd, why, why_size);
    return socket_listen(&listener->socket, settings->bind, (int)settings->backlog, why, why_size);
}

static int start(struct listener *listener, int inherited_fd, char *why, size_t why_size)
{
    int error = prepare_layer(listener);
    if (error == 0)
        error = open_socket(listener, inherited_fd, why, why_size);
    if (error)
        return error;
    error = is_datagram(listener->stack) ? port_open(listener) : accept_open(listener);
    if (error && inherited_fd >= 0)
        listener->socket.fd = -1; /* still the caller's */
    return error;
}

static void release(struct listener *listener)
{
    if (listener->shared)
        sharing_of(listener->stack).unshare(listener->shared);
    if (listener->fresh)
        sharing_of(listener->stack).unshare(listener->fresh);
    socket_close(&listener->socket);
    sources_clear(&listener->sources);
    clear_settings(&listener->settings);
    free(listener);
}

static struct listener *make(struct loop *loop, const struct listener_settings *settings,
                             const struct service *service, const struct stack *stack)
{
    struct listener *listener = calloc(1, sizeof(*listener));
    if (!listener)
        return NULL;
    listener->loop = loop;
    listener->stack = stack;
    listener->service = *service;
    listener->stats = service->stats;
    listener->socket.fd = -1;
    list_init(&listener->peers);
    list_init(&listener->strangers);
    sources_init(&listener->sources);
    listener->strangers_max = strangers_max(settings, stack);
    listener->handshake_ms = settings->tls.handshake_timeout;
    if (copy_settings(&listener->settings, settings) != 0) {
        release(listener);
        return NULL;
    }
    return listener;
}

int listener_open_on(struct loop *loop, const struct listener_settings *settings,
                     const struct service *service, const struct stack *stack, int inherited_fd,
                     struct listener **out, char *error, size_t error_size)
{
    char why[600] = "out of memory";
    struct listener *listener = make(loop, settings, service, stack);
    int failed = listener ? share(stack, settings, &listener->shared, why, sizeof(why)) : -ENOMEM;
    if (!failed)
        failed = start(listener, inherited_fd, why, sizeof(why));
    if (failed) {
        snprintf(error, error_size, "listener %s: %s: %s", settings->name, settings->bind, why);
        if (listener)
            release(listener);
        return failed;
    }
    *out = listener;
    return 0;
}

int listener_open(struct loop *loop, const struct listener_settings *settings,
                  const struct service *service, int inherited_fd, struct listener **out,
                  char *error, size_t error_size)
{
    const struct stack *stack = stack_find(settings->transport);
    if (!stack || !(service->protocol->carriers & stack->carrier)) {
        snprintf(error, error_size, "listener %s: protocol %s does not run on transport %s",
                 settings->name, service->protocol->name, settings->transport);
        return -EINVAL;
    }
    return listener_open_on(loop, settings, service, stack, inherited_fd, out, error, error_size);
}

int listener_probe(const char *bind, const char *transport, char *error, size_t error_size)
{
    struct socket probe;
    char why[200];
    const struct stack *stack = stack_find(transport);
    int failed = stack && is_datagram(stack) ? socket_bind(&probe, bind, why, sizeof(why))
                                             : socket_listen(&probe, bind, 1, why, sizeof(why));
    socket_close(&probe);
    if (failed)
        snprintf(error, error_size, "%s: %s", bind, why);
    return failed;
}

int listener_check(const struct listener_settings *settings, int64_t now_s,
                   void (*warn)(void *to, const char *text), void *to, char *error,
                   size_t error_size)
{
    const struct stack *stack = stack_find(settings->transport);
    void *shared = NULL;
    int failed = stack ? share(stack, settings, &shared, error, error_size) : 0;
    if (shared) {
        sharing_of(stack).inspect(shared, now_s, warn, to);
        sharing_of(stack).unshare(shared);
    }
    return failed;
}

/* ---- living ---- */

int listener_prepare(struct listener *listener, const struct listener_settings *settings,
                     char *error, size_t error_size)
{
    char why[600];
    listener_discard(listener);
    int failed = share(listener->stack, settings, &listener->fresh, why, sizeof(why));
    if (failed)
        snprintf(error, error_size, "listener %s: %s", listener->settings.name, why);
    return failed;
}

void listener_discard(struct listener *listener)
{
    if (listener->fresh)
        sharing_of(listener->stack).unshare(listener->fresh);
    listener->fresh = NULL;
}

void listener_inspect(const struct listener *listener, int64_t now_s,
                      void (*warn)(void *to, const char *text), void *to)
{
    if (listener->shared)
        sharing_of(listener->stack).inspect(listener->shared, now_s, warn, to);
}

/* From no limit to one, who is here already must be counted; without memory some are not. */
static void change_per_source(struct listener *listener, uint64_t per_source)
{
    bool counted = listener->settings.per_source != OPTION_UNLIMITED;
    struct list *const lists[] = {&listener->peers, &listener->strangers};
    listener->settings.per_source = per_source;
    if (per_source == OPTION_UNLIMITED)
        sources_clear(&listener->sources);
    for (size_t i = 0; i < 2 && !counted && per_source != OPTION_UNLIMITED; i++)
        list_each(link, lists[i]) sources_enter(
            &listener->sources, list_item(link, struct peer, siblings), OPTION_UNLIMITED);
}

void listener_apply(struct listener *listener, const struct listener_settings *settings,
                    const void *options)
{
    listener->settings.anonymous = settings->anonymous;
    listener->settings.max_connections = settings->max_connections;
    listener->settings.strangers = settings->strangers;
    listener->strangers_max = strangers_max(settings, listener->stack);
    listener->settings.accept_rate = settings->accept_rate;
    change_per_source(listener, settings->per_source);
    listener->settings.out_buffer = settings->out_buffer;
    listener->settings.stall_timeout = settings->stall_timeout;
    listener->settings.idle_timeout = settings->idle_timeout;
    listener->settings.datagram_size = settings->datagram_size;
    listener->settings.handshakes_per_prefix = settings->handshakes_per_prefix;
    listener->handshake_ms = settings->tls.handshake_timeout;
    listener->service.options = options;
    if (listener->fresh)
        sharing_of(listener->stack).adopt(listener->shared, listener->fresh);
    listener->fresh = NULL;
}

size_t listener_connections(const struct listener *listener)
{
    return listener->connections;
}

const struct listener_settings *listener_settings(const struct listener *listener)
{
    return &listener->settings;
}

bool listener_handshakes(const struct listener *listener, struct handshake_counts *to)
{
    struct sharing layer = sharing_of(listener->stack);
    if (!layer.count)
        return false;
    layer.count(listener->shared, to);
    return true;
}

bool listener_datagrams(const struct listener *listener, struct datagram_counts *to)
{
    if (!listener->port)
        return false;
    *to = listener->port->counts;
    return true;
}

struct listener_counts listener_counts(const struct listener *listener)
{
    return listener->counts;
}

char *listener_address(const struct listener *listener, char *to, size_t size)
{
    struct sockaddr_storage name = {.ss_family = AF_UNSPEC};
    socklen_t length = sizeof(name);
    if (getsockname(listener->socket.fd, (struct sockaddr *)&name, &length) != 0)
        snprintf(to, size, "%s", listener->settings.bind);
    else
        socket_address(to, size, &name);
    return to;
}

/* ---- ending ---- */

static void stop_accepting(struct listener *listener)
{
    listener->stopped = true;
    if (listener->port)
        port_stop(listener->port); /* last words leave by the same socket */
    else
        accept_stop(listener);
}

static void stop_peer(struct peer *peer)
{
    const struct protocol *protocol = peer_protocol(peer);
    if (peer->flags & PEER_CLOSING)
        return;
    if (protocol->stopping)
        protocol->stopping(peer, peer_state(peer));
    peer_close(peer, "the server stops");
}

void listener_stop(struct listener *listener)
{
    if (listener->stopped)
        return;
    loop_enter(listener->loop);
    stop_accepting(listener);
    /* Nobody leaves a list before the turn ends. */
    list_each(link, &listener->peers) stop_peer(list_item(link, struct peer, siblings));
    list_each(link, &listener->strangers) stop_peer(list_item(link, struct peer, siblings));
}

static void on_closed(uv_handle_t *handle)
{
    release(handle->data);
}

void listener_close(struct listener *listener)
{
    struct list *first;
    if (!listener)
        return;
    loop_enter(listener->loop);
    if (!listener->stopped)
        stop_accepting(listener);
    while ((first = list_first(&listener->peers)) || (first = list_first(&listener->strangers)))
        peer_life_kill(list_item(first, struct peer, siblings), "the listener is closed");
    port_close(listener->port);
    uv_close((uv_handle_t *)&listener->poll, on_closed);
}
