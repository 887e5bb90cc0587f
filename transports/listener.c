/* listener: see listener.h. Where peers come from.
 *
 * Whoever has not been let in yet is a stranger. There is room for some, and when they are too many
 * the oldest goes: so those who come to say nothing cannot keep anybody out.
 *
 * Invariants: `peers` and `strangers` hold every peer that is not gone, `connections` counts them;
 * `sources` counts them by source, unless per_source is unlimited; while `retry` is set or
 * the listener is stopped, its socket is not polled. */
#include "transports/listener.h"

#include "broker/stats.h"
#include "transports/peer_state.h"
#include "transports/source.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

enum {
    ACCEPTS_MAX = 256, /* per event, so that a flood of connections starves nobody */
    PAUSE_MIN_MS = 100,
    PAUSE_MAX_MS = 1000,
    LINES_PER_SECOND = 2, /* of each kind that strangers can cause */
};

static const char *about(const struct listener *listener, char to[PEER_ADDRESS_SIZE * 2])
{
    snprintf(to, PEER_ADDRESS_SIZE * 2, "listener %s", listener->settings.name);
    return to;
}

static void log_rated(struct listener *listener, struct log_rate *rate, const char *text)
{
    char whom[PEER_ADDRESS_SIZE * 2];
    uint32_t missed;
    if (!log_rate_allows(rate, listener->loop->now_ms, LINES_PER_SECOND, &missed))
        return;
    if (missed)
        log_line(LOG_WARNING, about(listener, whom), "%s (%u more like this were not logged)", text,
                 missed);
    else
        log_line(LOG_WARNING, about(listener, whom), "%s", text);
}

/* ---- accepting ---- */

static void on_poll(uv_poll_t *poll, int status, int events);

static void on_retry(struct timer *timer)
{
    struct listener *listener = timer_owner(timer, struct listener, retry);
    uv_poll_start(&listener->poll, UV_READABLE, on_poll);
}

/* Without descriptors or memory the next accept would fail at once, and libuv would ask again and
 * again: so ask later. Connections wait in the kernel meanwhile. */
static void pause_accepting(struct listener *listener, int error)
{
    char text[160];
    listener->pause_ms = listener->pause_ms ? listener->pause_ms * 2 : PAUSE_MIN_MS;
    if (listener->pause_ms > PAUSE_MAX_MS)
        listener->pause_ms = PAUSE_MAX_MS;
    listener->counts.back_offs++;
    uv_poll_stop(&listener->poll);
    timer_set(&listener->loop->wheel, &listener->retry,
              listener->loop->now_ms + listener->pause_ms);
    snprintf(text, sizeof(text), "cannot accept: %s; next attempt in %llu ms", strerror(error),
             (unsigned long long)listener->pause_ms);
    log_rated(listener, &listener->pauses, text);
}

/* Closes the oldest stranger. False when there is none. */
static bool displace(struct listener *listener, const char *why)
{
    struct list *oldest = list_first(&listener->strangers);
    if (!oldest)
        return false;
    listener->counts.displaced++;
    peer_life_kill(list_item(oldest, struct peer, siblings), "gave way to a newer connection");
    log_rated(listener, &listener->displacements, why);
    return true;
}

static void refuse(struct listener *listener, int fd, const struct sockaddr_storage *from,
                   const char *why)
{
    char address[PEER_ADDRESS_SIZE * 2], text[PEER_ADDRESS_SIZE * 4];
    listener->counts.refused++;
    close(fd);
    snprintf(text, sizeof(text), "refused %s: %s", socket_address(address, sizeof(address), from),
             why);
    log_rated(listener, &listener->refusals, text);
}

static void admit(struct listener *listener, int fd, const struct sockaddr_storage *from)
{
    listener->pause_ms = 0;
    listener->counts.accepted++;
    listener->stats->connections_accepted++;
    if (listener->connections >= listener->settings.max_connections &&
        !displace(listener, "max_connections is reached: the oldest stranger gives way")) {
        refuse(listener, fd, from, "max_connections is reached");
        return;
    }
    int error = peer_life_admit(listener, fd, from);
    if (error)
        refuse(listener, fd, from, error == -EUSERS ? "per_source is reached" : strerror(-error));
    while (listener->stranger_count > listener->strangers_max)
        displace(listener, "too many connections that were not let in yet: the oldest gives way");
}

/* Whether as many as accept_rate allows have been accepted in this second; if so, the others wait
 * in the kernel for the next one. */
static bool is_hurried(struct listener *listener)
{
    uint64_t second = listener->loop->now_ms / 1000;
    if (listener->second != second)
        listener->accepted_in_second = 0;
    listener->second = second;
    if (listener->accepted_in_second < listener->settings.accept_rate)
        return false;
    listener->counts.hurried++;
    uv_poll_stop(&listener->poll);
    timer_set(&listener->loop->wheel, &listener->retry, (second + 1) * 1000);
    log_rated(listener, &listener->pauses, "accept_rate is reached: more are accepted next second");
    return true;
}

static bool lacks_descriptors(int error)
{
    return error == EMFILE || error == ENFILE;
}

/* Whether somebody gave up between connecting and being accepted, which is nobody's fault. */
static bool is_passing(int error)
{
    return error == EINTR || error == ECONNABORTED || error == EPROTO || error == ENETDOWN ||
           error == ENETUNREACH || error == EHOSTDOWN || error == EHOSTUNREACH || error == EPERM ||
           error == ENONET || error == ENOPROTOOPT;
}

static void accept_some(struct listener *listener)
{
    for (int n = 0; n < ACCEPTS_MAX && !listener->stopped && !is_hurried(listener); n++) {
        struct sockaddr_storage from = {.ss_family = AF_UNIX};
        socklen_t length = sizeof(from);
        int fd = accept4(listener->socket.fd, (struct sockaddr *)&from, &length,
                         SOCK_NONBLOCK | SOCK_CLOEXEC);
        listener->loop->counts.accepts++;
        int error = fd < 0 ? errno : 0;
        if (fd >= 0) {
            listener->accepted_in_second++;
            admit(listener, fd, &from);
            continue;
        }
        if (is_passing(error) ||
            (lacks_descriptors(error) &&
             displace(listener, "no descriptors are left: the oldest stranger gives way")))
            continue;
        if (error != EAGAIN)
            pause_accepting(listener, error);
        return;
    }
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct listener *listener = poll->data;
    (void)events;
    loop_enter(listener->loop);
    if (status < 0)
        pause_accepting(listener, -status); /* libuv has stopped to poll */
    else
        accept_some(listener);
    loop_leave(listener->loop);
}

/* ---- opening ---- */

/* Strangers of one listener take a fifth of all descriptors at most. */
static uint64_t strangers_max(const struct listener_settings *settings)
{
    struct rlimit limit;
    uint64_t share = settings->strangers;
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
}

static int copy_settings(struct listener_settings *to, const struct listener_settings *from)
{
    *to = *from;
    to->name = to->protocol = to->transport = to->bind = to->mountpoint = NULL;
    to->tls = (struct tls_settings){0}; /* its layer has read them */
    if (copy_text(&to->name, from->name) || copy_text(&to->protocol, from->protocol) ||
        copy_text(&to->transport, from->transport) || copy_text(&to->bind, from->bind) ||
        copy_text(&to->mountpoint, from->mountpoint))
        return -ENOMEM;
    return 0;
}

static int prepare_layer(struct listener *listener)
{
    struct loop *loop = listener->loop;
    if (!listener->stack->layer)
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
    if (!stack->layer || !stack->layer->share)
        return 0;
    return stack->layer->share(settings, shared, why, why_size);
}

static int open_socket(struct listener *listener, int inherited_fd, char *why, size_t why_size)
{
    const struct listener_settings *settings = &listener->settings;
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
    error = uv_poll_init(&listener->loop->uv, &listener->poll, listener->socket.fd);
    if (error == 0) {
        listener->poll.data = listener;
        uv_poll_start(&listener->poll, UV_READABLE, on_poll);
        return 0;
    }
    if (inherited_fd >= 0)
        listener->socket.fd = -1; /* still the caller's */
    return error;
}

static void release(struct listener *listener)
{
    if (listener->shared)
        listener->stack->layer->unshare(listener->shared);
    if (listener->fresh)
        listener->stack->layer->unshare(listener->fresh);
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
    listener->strangers_max = strangers_max(settings);
    timer_init(&listener->retry, on_retry);
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

int listener_probe(const char *bind, char *error, size_t error_size)
{
    struct socket probe;
    char why[200];
    int failed = socket_listen(&probe, bind, 1, why, sizeof(why));
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
        stack->layer->inspect(shared, now_s, warn, to);
        stack->layer->unshare(shared);
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
        listener->stack->layer->unshare(listener->fresh);
    listener->fresh = NULL;
}

void listener_inspect(const struct listener *listener, int64_t now_s,
                      void (*warn)(void *to, const char *text), void *to)
{
    if (listener->shared)
        listener->stack->layer->inspect(listener->shared, now_s, warn, to);
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
    listener->strangers_max = strangers_max(settings);
    listener->settings.accept_rate = settings->accept_rate;
    change_per_source(listener, settings->per_source);
    listener->settings.out_buffer = settings->out_buffer;
    listener->settings.stall_timeout = settings->stall_timeout;
    listener->service.options = options;
    if (listener->fresh)
        listener->stack->layer->adopt(listener->shared, listener->fresh);
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
    const struct layer *layer = listener->stack->layer;
    if (!layer || !layer->count)
        return false;
    layer->count(listener->shared, to);
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
    timer_cancel(&listener->loop->wheel, &listener->retry);
    uv_poll_stop(&listener->poll);
    socket_close(&listener->socket);
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
    uv_close((uv_handle_t *)&listener->poll, on_closed);
}
