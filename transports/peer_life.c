/* peer_life: how a peer comes and how it goes. See peer_state.h for the stations.
 *
 * A close must not take away what was said last: were a socket closed while unread bytes wait in
 * it, the kernel would answer with a reset, and a reset makes the other end forget what it has not
 * read yet. So we send what was appended, then our FIN, and read and discard until theirs, for a
 * second at most. */
#include "transports/datagram_state.h"
#include "transports/proof.h"
#include "transports/source.h"
#include "transports/watches.h"

#include "broker/auth.h"
#include "broker/stats.h"
#include <errno.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { FLUSH_WITHIN_MS = 3000, LINGER_MS = 1000, STRAIN_CHECK_MS = 1000 };

/* ---- coming ---- */

static void on_deadline(struct timer *timer)
{
    struct peer *peer = timer_owner(timer, struct peer, deadline);
    if (peer->flags & PEER_CLOSING)
        return;
    if (peer_protocol(peer)->expired)
        peer_protocol(peer)->expired(peer, peer_state(peer));
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct peer *peer = &((struct stream *)poll)->peer;
    struct loop *loop = peer_loop(peer);
    loop_enter(loop);
    if (status < 0) {
        peer->flags &= ~(PEER_WATCH_READ | PEER_WATCH_WRITE); /* libuv has stopped it */
        peer_input_drain(peer);
    } else {
        if (events & UV_WRITABLE)
            peer_output_flush(peer);
        if (events & UV_READABLE && !(peer->flags & PEER_GONE))
            peer_input_read(peer);
    }
    loop_leave(loop);
}

/* Keeps the other end's address, which cannot be asked for any more once the connection is lost. */
static int keep_address(struct peer *peer, const struct sockaddr_storage *from)
{
    static const uint8_t coat[12] = {[10] = 0xff, [11] = 0xff};
    if (from->ss_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)from;
        peer->port = ntohs(in->sin_port);
        memcpy(peer->address.ipv4, &in->sin_addr, sizeof(peer->address.ipv4));
    } else if (from->ss_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)from;
        const uint8_t *bytes = in6->sin6_addr.s6_addr;
        peer->port = ntohs(in6->sin6_port);
        if (memcmp(bytes, coat, sizeof(coat)) == 0) {
            memcpy(peer->address.ipv4, bytes + sizeof(coat), sizeof(peer->address.ipv4));
            return 0;
        }
        peer->address.ipv6 = malloc(sizeof(*peer->address.ipv6));
        if (!peer->address.ipv6)
            return -ENOMEM;
        memcpy(*peer->address.ipv6, bytes, sizeof(*peer->address.ipv6));
        peer->flags |= PEER_IPV6;
    }
    return 0;
}

static void release(struct peer *peer)
{
    if (peer->flags & PEER_IPV6)
        free(peer->address.ipv6);
    free(peer->name);
    free(peer_stream(peer));
}

static struct peer *make(struct listener *listener, int fd, const struct sockaddr_storage *from,
                         int *error)
{
    size_t size = sizeof(struct stream) + listener->service.protocol->state_size;
    const struct layer *layer = listener->stack->layer;
    if (layer)
        size = peer_aligned(size) + peer_aligned(sizeof(struct stream_layered)) + layer->state_size;
    bool limited = listener->settings.per_source != OPTION_UNLIMITED;
    struct stream *stream = calloc(1, size);
    *error = -ENOMEM;
    if (!stream)
        return NULL;
    struct peer *peer = &stream->peer;
    peer->home = listener;
    *error = keep_address(peer, from);
    if (*error == 0 && limited)
        *error = sources_enter(&listener->sources, peer, listener->settings.per_source);
    if (*error == 0) {
        *error = uv_poll_init(&listener->loop->uv, &stream->poll, fd);
        if (*error && limited)
            sources_leave(&listener->sources, peer);
    }
    if (*error) {
        release(peer);
        return NULL;
    }
    list_init(&peer->siblings);
    list_init(&peer->turn);
    timer_init(&peer->deadline, on_deadline);
    return peer;
}

static void open_up(struct peer *peer)
{
    const struct layer *layer = peer_layer(peer);
    int error = layer ? layer->open(peer, peer_layer_state(peer)) : 0;
    if (layer)
        peer_layered(peer)->open = true;
    if (error == 0) {
        peer->flags |= PEER_OPENED;
        error = peer_protocol(peer)->open(peer, peer_state(peer));
    }
    if (error)
        peer_close(peer, "cannot be opened: %s", strerror(-error));
}

int peer_life_admit(struct listener *listener, int fd, const struct sockaddr_storage *from)
{
    int error = -ENOMEM;
    struct peer *peer = watches_have_room() ? make(listener, fd, from, &error) : NULL;
    if (!peer)
        return error;
    list_append(&listener->strangers, &peer->siblings);
    listener->stranger_count++;
    listener->connections++;
    listener->stats->sockets++;
    open_up(peer);
    peer_life_watch(peer);
    return 0;
}

/* ---- being watched ---- */

void peer_life_watch(struct peer *peer)
{
    unsigned wanted = 0;
    bool readable =
        !(peer->flags & (PEER_EOF | PEER_PAUSED | PEER_HELD)) || peer->flags & PEER_BROKEN;
    if (readable)
        wanted |= PEER_WATCH_READ;
    if (peer->flags & PEER_BLOCKED)
        wanted |= PEER_WATCH_WRITE;
    unsigned watched = peer->flags & (PEER_WATCH_READ | PEER_WATCH_WRITE);
    if (wanted == watched || peer->flags & PEER_GONE)
        return;
    int events = (wanted & PEER_WATCH_READ ? UV_READABLE : 0) |
                 (wanted & PEER_WATCH_WRITE ? UV_WRITABLE : 0);
    uv_poll_start(&peer_stream(peer)->poll, events, on_poll); /* no events: stops */
    peer->flags = (peer->flags & ~watched) | wanted;
}

/* Whether the other end has taken something from the kernel. A socket becomes writable only when a
 * third of its buffer is free: for a slow reader that can be minutes after it has begun to read. */
static bool has_taken(struct strain *strain)
{
    int before = strain->queued;
    if (ioctl(peer_fd(strain->peer), SIOCOUTQ, &strain->queued) != 0)
        return false;
    return strain->queued != before;
}

/* Fires once a second while the peer is in trouble. */
static void on_strain(struct timer *timer)
{
    struct strain *strain = timer_owner(timer, struct strain, timer);
    struct peer *peer = strain->peer;
    struct listener *listener = peer_home(peer);
    if (has_taken(strain))
        strain->progress_ms = listener->loop->now_ms;
    uint64_t quiet_ms = listener->loop->now_ms - strain->progress_ms;
    if (peer->flags & PEER_BROKEN) {
        peer_life_lost(peer, EPIPE);
    } else if (listener->settings.stall_timeout != OPTION_UNLIMITED &&
               quiet_ms >= listener->settings.stall_timeout) {
        listener->counts.stalled++;
        size_t waiting = peer_unsent(peer);
        peer->flags |= PEER_BROKEN;
        peer_close(peer, "does not read (%zu bytes wait since %llu s)", waiting,
                   (unsigned long long)quiet_ms / 1000);
    } else {
        uint64_t left_ms = listener->settings.stall_timeout - quiet_ms;
        timer_set(&listener->loop->wheel, timer,
                  listener->loop->now_ms + (left_ms < STRAIN_CHECK_MS ? left_ms : STRAIN_CHECK_MS));
    }
}

struct strain *peer_life_strain(struct peer *peer)
{
    if (peer->flags & PEER_CLOSING)
        return NULL;
    if (peer->strain)
        return peer->strain;
    struct listener *listener = peer_home(peer);
    struct strain *strain = malloc(sizeof(*strain));
    if (!strain)
        return NULL;
    strain->peer = peer;
    strain->queued = 0;
    has_taken(strain);
    strain->progress_ms = listener->loop->now_ms;
    timer_init(&strain->timer, on_strain);
    uint64_t wait_ms = listener->settings.stall_timeout;
    if (wait_ms > STRAIN_CHECK_MS)
        wait_ms = STRAIN_CHECK_MS;
    timer_set(&listener->loop->wheel, &strain->timer, listener->loop->now_ms + wait_ms);
    peer->strain = strain;
    return strain;
}

void peer_life_relax(struct peer *peer)
{
    if (peer->flags & PEER_CLOSING || !peer->strain)
        return;
    timer_cancel(&peer_loop(peer)->wheel, &peer->strain->timer);
    free(peer->strain);
    peer->strain = NULL;
}

/* ---- going ---- */

void peer_life_lost(struct peer *peer, int error)
{
    peer->flags |= error ? PEER_BROKEN : PEER_EOF;
    if (error == 0)
        peer_close(peer, "peer closed the connection");
    else if (error == ECONNRESET || error == EPIPE)
        peer_close(peer, "peer reset the connection");
    else
        peer_close(peer, "connection lost: %s", strerror(error));
}

static void on_overdue(struct timer *timer)
{
    peer_life_drop(timer_owner(timer, struct peer, deadline));
}

static void end(struct peer *peer)
{
    struct loop *loop = peer_loop(peer);
    peer->flags = (peer->flags | PEER_ENDED) & ~(PEER_PAUSED | PEER_FULL);
    if (peer->flags & PEER_WAITS)
        proof_cancel(peer);
    if (peer->flags & PEER_AGAIN)
        peer_input_forget(peer);
    if (peer->flags & PEER_OPENED)
        peer_protocol(peer)->close(peer, peer_state(peer), peer->why ? peer->why : "out of memory");
    if (peer_layer(peer) && peer_hold(peer) && !(peer->flags & PEER_BROKEN))
        peer->flags |= PEER_UNSEALED;
    else if (peer_layer(peer))
        peer_output_seal(peer);
    buffer_clear(&peer_stream(peer)->in);
    peer->deadline.fired = on_overdue;
    timer_set(&loop->wheel, &peer->deadline, loop->now_ms + FLUSH_WITHIN_MS);
    if (!list_linked(&peer->turn))
        list_append(&loop->dirty, &peer->turn);
}

void peer_life_settle(struct loop *loop)
{
    struct list *first;
    while ((first = list_first(&loop->ending))) {
        struct peer *peer = list_item(first, struct peer, turn);
        list_remove(first);
        if (peer->flags & PEER_DATAGRAM)
            datagram_peer_end(peer);
        else
            end(peer);
    }
}

static void linger(struct peer *peer)
{
    struct loop *loop = peer_loop(peer);
    if (loop->lingering >= LOOP_LINGERING_MAX || shutdown(peer_fd(peer), SHUT_WR) != 0) {
        peer_life_drop(peer);
        return;
    }
    loop->lingering++;
    peer->flags |= PEER_SHUT;
    timer_set(&loop->wheel, &peer->deadline, loop->now_ms + LINGER_MS);
}

void peer_life_flushed(struct peer *peer)
{
    if (peer->flags & (PEER_SHUT | PEER_GONE))
        return;
    if (peer->flags & PEER_BROKEN)
        peer_life_drop(peer);
    else if (peer_backlog(peer) > 0)
        return; /* on_poll or on_overdue goes on */
    else if (peer->flags & PEER_EOF)
        peer_life_drop(peer);
    else
        linger(peer);
}

/* The layer's last words, which had to wait for what was held. */
static void seal_late(struct peer *peer)
{
    if (!(peer->flags & PEER_UNSEALED))
        return;
    peer->flags &= ~(unsigned)PEER_UNSEALED;
    peer_output_seal(peer);
}

void peer_life_unheld(struct peer *peer)
{
    seal_late(peer);
    if (peer->flags & PEER_ENDED)
        peer_output_due(peer);
}

static void on_closed(uv_handle_t *handle)
{
    release(&((struct stream *)handle)->peer);
}

void peer_life_drop(struct peer *peer)
{
    struct listener *listener = peer_home(peer);
    struct loop *loop = listener->loop;
    struct stream *stream = peer_stream(peer);
    int fd = peer_fd(peer);
    if (peer->flags & PEER_GONE)
        return;
    hold_drop(peer);
    if (peer->flags & PEER_UNSEALED)
        peer->flags |= PEER_BROKEN;
    seal_late(peer);
    peer->flags |= PEER_GONE;
    if (peer->flags & PEER_SHUT)
        loop->lingering--;
    list_remove(&peer->turn);
    list_remove(&peer->siblings);
    timer_cancel(&loop->wheel, &peer->deadline);
    outgoing_clear(&stream->out, &loop->chunks);
    if (listener->stack->layer)
        outgoing_clear(peer_wire(peer), &loop->chunks);
    if (listener->stack->layer)
        identity_unref(peer_layered(peer)->identity);
    free(peer->why);
    if (listener->settings.per_source != OPTION_UNLIMITED)
        sources_leave(&listener->sources, peer);
    listener->stranger_count -= !(peer->flags & PEER_KNOWN);
    listener->connections--;
    listener->stats->sockets--;
    uv_close((uv_handle_t *)&stream->poll,
             on_closed); /* before close(): it must not poll a dead fd */
    close(fd);
}

void peer_life_kill(struct peer *peer, const char *why)
{
    if (peer->flags & PEER_DATAGRAM) {
        datagram_peer_kill(peer, why);
        return;
    }
    peer_close(peer, "%s", why);
    if (!(peer->flags & PEER_ENDED)) {
        list_remove(&peer->turn);
        end(peer);
    }
    peer_life_drop(peer);
}
