/* peer: what peer.h promises to protocols. On the way out of every message: peer_reserve and its
 * like append, peer_output.c sends. Nothing in this file makes a system call. */
#include "transports/peer.h"

#include "transports/datagram_state.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* From here on a reference to the payload is cheaper than a copy. */
enum { SHARE_FROM = 2048 };

static inline void appended(struct peer *peer, size_t len)
{
    struct listener *listener = peer_home(peer);
    listener->loop->appended += len;
    peer_output_due(peer);
}

static uint8_t *reserve_specially(struct peer *peer, size_t len)
{
    if (peer->flags & PEER_CLOSING)
        return NULL;
    if (peer->flags & PEER_DATAGRAM)
        return datagram_output_reserve(peer, len, 0);
    return hold_reserve_behind(peer, len);
}

uint8_t *peer_reserve(struct peer *peer, size_t len)
{
    if (peer->flags & (PEER_CLOSING | PEER_BARRED | PEER_DATAGRAM))
        return reserve_specially(peer, len);
    uint8_t *at = outgoing_reserve(&peer_stream(peer)->out, &peer_loop(peer)->chunks, len);
    if (!at) {
        peer_close(peer, "out of memory");
        return NULL;
    }
    appended(peer, len);
    return at;
}

uint8_t *peer_reserve_after(struct peer *peer, size_t len, uint64_t promise)
{
    if (peer->flags & PEER_DATAGRAM) {
        uint64_t awaited = peer_datagram(peer)->awaited;
        if (peer->flags & PEER_CLOSING)
            return NULL;
        return datagram_output_reserve(peer, len, promise > awaited ? promise : awaited);
    }
    if (!peer_hold(peer) && promise <= peer_loop(peer)->kept)
        return peer_reserve(peer, len);
    return peer->flags & PEER_CLOSING ? NULL : hold_reserve(peer, len, promise);
}

void peer_send(struct peer *peer, struct slice bytes)
{
    if (bytes.len == 0)
        return;
    uint8_t *to = peer_reserve(peer, bytes.len);
    if (to)
        memcpy(to, bytes.at, bytes.len);
}

void peer_send_shared(struct peer *peer, struct slice bytes, struct message *owner)
{
    if (bytes.len < SHARE_FROM || peer->flags & PEER_DATAGRAM) {
        peer_send(peer, bytes);
        return;
    }
    if (peer->flags & PEER_CLOSING)
        return;
    if (peer->flags & PEER_BARRED)
        hold_share_behind(peer, bytes, owner);
    else if (outgoing_share(&peer_stream(peer)->out, &peer_loop(peer)->chunks, bytes, owner) != 0)
        peer_close(peer, "out of memory");
    else
        appended(peer, bytes.len);
}

size_t peer_backlog(const struct peer *peer)
{
    if (peer->flags & PEER_DATAGRAM)
        return peer_datagram(peer)->backlog;
    return peer_unsent(peer) + hold_len(peer_hold(peer));
}

bool peer_is_full(const struct peer *peer)
{
    const uint64_t limit = peer_home(peer)->settings.out_buffer;
    if (peer->flags & PEER_DATAGRAM)
        return peer_datagram(peer)->backlog > limit;
    return peer_unsent(peer) + hold_behind(peer_hold(peer)) > limit;
}

void peer_close(struct peer *peer, const char *why, ...)
{
    if (peer->flags & PEER_CLOSING)
        return;
    va_list arguments;
    va_start(arguments, why);
    char *text = NULL;
    if (vasprintf(&text, why, arguments) < 0)
        text = NULL;
    va_end(arguments);
    peer_life_relax(peer);
    peer->why = text;
    peer->flags |= PEER_CLOSING;
    list_remove(&peer->turn);
    list_append(&peer_loop(peer)->ending, &peer->turn);
}

bool peer_is_closing(const struct peer *peer)
{
    return peer->flags & PEER_CLOSING;
}

void peer_known(struct peer *peer)
{
    struct listener *listener = peer_home(peer);
    if (peer->flags & PEER_DATAGRAM) {
        datagram_peer_known(peer);
        return;
    }
    if (peer->flags & PEER_KNOWN)
        return;
    peer->flags |= PEER_KNOWN;
    listener->stranger_count--;
    list_remove(&peer->siblings);
    list_append(&listener->peers, &peer->siblings);
}

void peer_deadline(struct peer *peer, uint64_t due_ms)
{
    if (peer->flags & PEER_ENDED) /* the timer is ours now */
        return;
    struct timers *wheel = &peer_loop(peer)->wheel;
    if (due_ms == 0)
        timer_cancel(wheel, &peer->deadline);
    else
        timer_set(wheel, &peer->deadline, due_ms);
}

uint64_t peer_now_ms(const struct peer *peer)
{
    return peer_loop(peer)->now_ms;
}

struct broker *peer_broker(const struct peer *peer)
{
    return peer_home(peer)->service.broker;
}

const struct listener_settings *peer_listener(const struct peer *peer)
{
    return &peer_home(peer)->settings;
}

const void *peer_options(const struct peer *peer)
{
    return peer_home(peer)->service.options;
}

static const struct sockaddr_storage *address_of(const struct peer *peer,
                                                 struct sockaddr_storage *name)
{
    *name = (struct sockaddr_storage){.ss_family = AF_UNIX};
    if (peer->flags & PEER_IPV6) {
        struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)name;
        in6->sin6_family = AF_INET6;
        in6->sin6_port = htons(peer->port);
        memcpy(&in6->sin6_addr, *peer->address.ipv6, sizeof(in6->sin6_addr));
    } else if (peer_home(peer)->socket.family != AF_UNIX) {
        struct sockaddr_in *in = (struct sockaddr_in *)name;
        in->sin_family = AF_INET;
        in->sin_port = htons(peer->port);
        memcpy(&in->sin_addr, peer->address.ipv4, sizeof(in->sin_addr));
    }
    return name;
}

char *peer_address(const struct peer *peer, char to[PEER_ADDRESS_SIZE])
{
    struct sockaddr_storage name;
    return socket_address(to, PEER_ADDRESS_SIZE, address_of(peer, &name));
}

bool peer_is_entitled(struct peer *peer)
{
    const struct datagram_layer *datagrams = peer_home(peer)->stack->datagram_layer;
    if (datagrams)
        return !datagrams->entitled || datagrams->entitled(peer, peer_layer_state(peer));
    const struct layer *layer = peer_layer(peer);
    return !layer || !layer->entitled || layer->entitled(peer, peer_layer_state(peer));
}

bool peer_is_private(const struct peer *peer)
{
    return peer_home(peer)->stack->private || peer_home(peer)->socket.family == AF_UNIX;
}

const struct identity *peer_identity(const struct peer *peer)
{
    const struct stack *stack = peer_home(peer)->stack;
    return stack->layer || stack->datagram_layer ? peer_layered(peer)->identity : NULL;
}

bool peer_is_datagram(const struct peer *peer)
{
    return peer->flags & PEER_DATAGRAM;
}

size_t peer_datagram_most(const struct peer *peer)
{
    return peer->flags & PEER_DATAGRAM ? datagram_output_most(peer) : SIZE_MAX;
}

bool peer_is_verified(const struct peer *peer)
{
    return !(peer->flags & PEER_DATAGRAM) || peer->flags & PEER_VERIFIED ||
           peer_home(peer)->stack->datagram_layer;
}

void peer_verify(struct peer *peer)
{
    if (!peer_is_verified(peer))
        datagram_peer_verify(peer);
}

bool peer_may_give_way(const struct peer *peer)
{
    const struct listener *listener = peer_home(peer);
    return peer->flags & PEER_STRANGER && listener->stranger_count > listener->strangers_max / 2;
}

size_t peer_allowance(const struct peer *peer)
{
    return peer->flags & PEER_DATAGRAM ? datagram_output_allowance(peer) : SIZE_MAX;
}

uint64_t peer_allowed_ms(const struct peer *peer)
{
    return peer->flags & PEER_DATAGRAM ? datagram_output_allowed_ms(peer) : 0;
}

size_t peer_endpoint(const struct peer *peer, uint8_t to[PEER_ENDPOINT_SIZE])
{
    struct sockaddr_storage name;
    struct endpoint endpoint = {.port = 0};
    if (peer->flags & PEER_DATAGRAM)
        endpoint = peer_datagram(peer)->at;
    else if (!endpoint_read(&endpoint, address_of(peer, &name)))
        return 0;
    memcpy(to, &endpoint, sizeof(endpoint));
    return sizeof(endpoint);
}

void peer_name(struct peer *peer, struct slice name)
{
    char escaped[LOG_ESCAPED_SIZE];
    free(peer->name);
    peer->name = strdup(log_escape(escaped, sizeof(escaped), name));
}

void peer_log(const struct peer *peer, enum log_level level, const char *format, ...)
{
    if (!log_enabled(level))
        return;
    char address[PEER_ADDRESS_SIZE], about[LOG_ESCAPED_SIZE + 2 * PEER_ADDRESS_SIZE], text[2048];
    const struct listener *listener = peer_home(peer);
    bool named = peer->name != NULL;
    snprintf(about, sizeof(about), "%s/%s %s%s%s%s", listener->service.protocol->name,
             listener->stack->name, peer_address(peer, address), named ? " \"" : "",
             named ? peer->name : "", named ? "\"" : "");
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    log_line(level, about, "%s", text);
}
