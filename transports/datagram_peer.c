/* datagram_peer: how a peer on datagrams comes and how it goes. See datagram_state.h.
 *
 * Who has not proven its address is among the listener's strangers, and gives way when they are too
 * many: so those who lie about where they are cannot keep anybody out. */
#include "transports/datagram_state.h"

#include "broker/auth.h"
#include "broker/stats.h"
#include "transports/source.h"
#include <errno.h>
#include <stdlib.h>

enum {
    RECENT_MS = 1000, /* whoever was heard so lately gives way later */
    CHANCES = 8,      /* strangers looked at for that */
    RELEASE_WITHIN_MS = 3000,
    SWEEPS = 64, /* in an idle_timeout; each looks at a sixteenth of all peers */
    SWEEP_SHARE = 16,
    SWEEP_MIN_MS = 100,
    SWEEP_MAX_MS = 10000,
};

/* ---- coming ---- */

static void on_deadline(struct timer *timer)
{
    struct peer *peer = timer_owner(timer, struct peer, deadline);
    if (!(peer->flags & PEER_CLOSING) && peer_protocol(peer)->expired)
        peer_protocol(peer)->expired(peer, peer_state(peer));
}

static void place(struct peer *peer, const struct endpoint *at)
{
    struct datagram *datagram = peer_datagram(peer);
    datagram->at = *at;
    peer->port = at->port;
    peer->flags &= ~(unsigned)PEER_IPV6;
    if (endpoint_is_ipv4(at->address)) {
        memcpy(peer->address.ipv4, at->address + 12, sizeof(peer->address.ipv4));
    } else {
        peer->address.ipv6 = &datagram->at.address;
        peer->flags |= PEER_IPV6;
    }
}

static struct peer *prepare(struct datagram *datagram, struct port *port,
                            const struct arrival *arrival)
{
    struct peer *peer = &datagram->peer;
    peer->home = port->listener;
    peer->flags = PEER_DATAGRAM;
    place(peer, &arrival->from);
    list_init(&peer->siblings);
    list_init(&peer->turn);
    timer_init(&peer->deadline, on_deadline);
    return peer;
}

static void open_protocol(struct peer *peer)
{
    peer->flags |= PEER_OPENED;
    int error = peer_protocol(peer)->open(peer, peer_state(peer));
    if (error)
        peer_close(peer, "cannot be opened: %s", strerror(-error));
}

/* ---- those who give way ---- */

static void leave_strangers(struct peer *peer)
{
    struct listener *listener = peer_home(peer);
    if (!(peer->flags & PEER_STRANGER))
        return;
    peer->flags &= ~(unsigned)PEER_STRANGER;
    listener->stranger_count--;
    list_remove(&peer->siblings);
    list_append(&listener->peers, &peer->siblings);
}

/* Closes the oldest stranger, or one nearly as old that has not been heard lately. */
static bool displace(struct listener *listener)
{
    struct list *strangers = &listener->strangers;
    for (int i = 0; i < CHANCES && !list_empty(strangers); i++) {
        struct list *first = list_first(strangers);
        struct peer *peer = list_item(first, struct peer, siblings);
        if (listener->loop->now_ms - peer_datagram(peer)->heard_ms >= RECENT_MS)
            break;
        list_remove(first);
        list_append(strangers, first);
    }
    if (list_empty(strangers))
        return false;
    struct peer *oldest = list_item(list_first(strangers), struct peer, siblings);
    listener->counts.displaced++;
    leave_strangers(oldest);
    peer_close(oldest, "gave way to a newer one");
    return true;
}

static void start_sweep(struct port *port);

/* Counts one more peer, or says what is in the way. */
static const char *enter(struct peer *peer)
{
    struct listener *listener = peer_home(peer);
    const struct listener_settings *settings = &listener->settings;
    bool limited = settings->per_source != OPTION_UNLIMITED;
    if (listener->connections >= settings->max_connections && !displace(listener))
        return "max_connections is reached";
    int error = limited ? sources_enter(&listener->sources, peer, settings->per_source) : 0;
    if (error)
        return error == -EUSERS ? "per_source is reached" : "out of memory";
    if (map_put(&listener->port->table, peer_datagram(peer)) != 0) {
        if (limited)
            sources_leave(&listener->sources, peer);
        return "out of memory";
    }
    listener->connections++;
    listener->counts.accepted++;
    listener->stats->connections_accepted++;
    listener->stats->sockets++;
    return NULL;
}

static void join(struct peer *peer)
{
    struct listener *listener = peer_home(peer);
    peer->flags |= PEER_TABLED;
    if (peer->flags & PEER_VERIFIED) {
        list_append(&listener->peers, &peer->siblings);
    } else {
        peer->flags |= PEER_STRANGER;
        list_append(&listener->strangers, &peer->siblings);
        listener->stranger_count++;
        while (listener->stranger_count > listener->strangers_max && displace(listener))
            ;
    }
    start_sweep(listener->port);
}

/* ---- without a layer ---- */

struct peer *datagram_peer_meet(struct port *port, const struct arrival *arrival)
{
    size_t size = sizeof(struct datagram) + port->listener->service.protocol->state_size;
    if (!port->stranger)
        port->stranger = malloc(size);
    if (!port->stranger)
        return NULL;
    memset(port->stranger, 0, size);
    struct peer *peer = prepare(port->stranger, port, arrival);
    port->greeting = true;
    datagram_input_heard(peer, arrival);
    open_protocol(peer);
    return peer;
}

void datagram_peer_known(struct peer *peer)
{
    struct port *port = peer_port(peer);
    if (peer->flags & (PEER_KNOWN | PEER_CLOSING))
        return;
    peer->flags |= PEER_KNOWN;
    if (peer->flags & PEER_TABLED)
        return;
    const char *obstacle = enter(peer);
    if (obstacle) {
        peer->flags &= ~(unsigned)PEER_KNOWN;
        port->counts.refused++;
        port->listener->counts.refused++;
        peer_close(peer, "%s", obstacle);
        return;
    }
    port->stranger = NULL; /* the next one gets another */
    join(peer);
}

void datagram_peer_part(struct peer *peer)
{
    peer_port(peer)->greeting = false;
    if (peer->flags & PEER_KNOWN)
        return;
    list_remove(&peer->turn);
    bool closing = peer->flags & PEER_CLOSING;
    peer->flags |= PEER_CLOSING | PEER_ENDED;
    peer_protocol(peer)->close(peer, peer_state(peer),
                               closing && peer->why ? peer->why : "has nothing more to say");
    timer_cancel(&peer_loop(peer)->wheel, &peer->deadline);
    if (closing)
        free(peer->why);
    free(peer->name);
}

void datagram_peer_verify(struct peer *peer)
{
    peer->flags |= PEER_VERIFIED;
    leave_strangers(peer);
}

/* ---- with one ---- */

/* Counts one more handshake of that part of the net; false when there are too many. */
static bool enter_prefix(struct peer *peer)
{
    struct datagram_layered *layered = datagram_layered(peer);
    struct port *port = peer_port(peer);
    source_prefix(layered->prefix, peer_datagram(peer)->at.address, PREFIX_IPV4, PREFIX_IPV6);
    layered->shaking = sources_enter_key(&port->prefixes, layered->prefix,
                                         port->listener->settings.handshakes_per_prefix) == 0;
    return layered->shaking;
}

static void leave_prefix(struct peer *peer)
{
    struct datagram_layered *layered = datagram_layered(peer);
    if (layered->shaking)
        sources_leave_key(&peer_port(peer)->prefixes, layered->prefix);
    layered->shaking = false;
}

void datagram_peer_settle(struct peer *peer)
{
    if (!(peer->flags & PEER_STRANGER))
        return;
    leave_strangers(peer);
    leave_prefix(peer);
}

static void on_alarm(struct timer *timer)
{
    struct datagram_layered *layered = timer_owner(timer, struct datagram_layered, alarm);
    struct peer *peer = layered->peer;
    const struct datagram_layer *layer = port_layer(peer_port(peer));
    if (peer->flags & PEER_CLOSING)
        return;
    enum datagram_result result = layer->expired(peer, peer_layer_state(peer));
    if (result == DATAGRAM_FAILED || result == DATAGRAM_END)
        peer_close(peer, "%s failed", layer->name);
}

static struct peer *make_layered(struct port *port, const struct arrival *arrival)
{
    size_t size = sizeof(struct datagram) +
                  peer_aligned(port->listener->service.protocol->state_size) +
                  peer_aligned(sizeof(struct datagram_layered)) + port_layer(port)->state_size;
    struct datagram *datagram = calloc(1, size);
    if (!datagram)
        return NULL;
    struct peer *peer = prepare(datagram, port, arrival);
    struct datagram_layered *layered = datagram_layered(peer);
    timer_init(&layered->alarm, on_alarm);
    layered->peer = peer;
    layered->admitted_ms = port->listener->loop->now_ms;
    return peer;
}

struct peer *datagram_peer_admit(struct port *port, const struct arrival *arrival)
{
    const struct datagram_layer *layer = port_layer(port);
    struct peer *peer = make_layered(port, arrival);
    bool entered = peer && enter_prefix(peer) && !enter(peer);
    if (!entered) {
        port->counts.refused++;
        port->listener->counts.refused++;
        if (peer)
            leave_prefix(peer);
        free(peer ? peer_datagram(peer) : NULL);
        return NULL;
    }
    join(peer);
    int error = layer->open(peer, peer_layer_state(peer));
    peer_layered(peer)->open = true;
    if (error)
        peer_close(peer, "cannot be opened: %s", strerror(-error));
    else
        open_protocol(peer);
    return peer;
}

/* ---- going ---- */

static void seal(struct peer *peer)
{
    const struct datagram_layer *layer = port_layer(peer_port(peer));
    if (!layer || !peer_layered(peer)->open)
        return;
    datagram_output_encode(peer_port(peer));
    layer->close(peer, peer_layer_state(peer), !(peer->flags & PEER_BROKEN));
    peer_layered(peer)->open = false;
    timer_cancel(&peer_loop(peer)->wheel, &datagram_layered(peer)->alarm);
    identity_unref(peer_layered(peer)->identity);
}

/* Its address is free for somebody else. */
static void leave_table(struct peer *peer)
{
    if (peer->flags & PEER_TABLED)
        map_take(&peer_port(peer)->table, endpoint_slice(&peer_datagram(peer)->at));
    peer->flags &= ~(unsigned)PEER_TABLED;
}

static void drop(struct peer *peer)
{
    struct listener *listener = peer_home(peer);
    seal(peer);
    list_remove(&peer->turn);
    timer_cancel(&listener->loop->wheel, &peer->deadline);
    leave_table(peer);
    if (port_layer(listener->port))
        leave_prefix(peer);
    leave_strangers(peer);
    list_remove(&peer->siblings);
    if (listener->settings.per_source != OPTION_UNLIMITED)
        sources_leave(&listener->sources, peer);
    listener->connections--;
    listener->stats->sockets--;
    free(peer->why);
    free(peer->name);
    datagram_output_bury(peer);
}

void datagram_peer_release(struct peer *peer)
{
    peer->flags &= ~(unsigned)PEER_UNSEALED;
    drop(peer);
}

static void on_overdue(struct timer *timer)
{
    datagram_peer_release(timer_owner(timer, struct peer, deadline));
}

/* The protocol's end. */
static void end(struct peer *peer)
{
    peer->flags |= PEER_ENDED;
    datagram_input_forget(peer);
    if (peer->flags & PEER_OPENED)
        peer_protocol(peer)->close(peer, peer_state(peer), peer->why ? peer->why : "out of memory");
}

void datagram_peer_end(struct peer *peer)
{
    struct loop *loop = peer_loop(peer);
    bool layered = port_layer(peer_port(peer)) != NULL;
    if (peer->flags & PEER_ENDED)
        return;
    end(peer);
    /* Without a layer what is held needs no peer. */
    if (!layered || !peer_datagram(peer)->held || peer->flags & PEER_BROKEN) {
        drop(peer);
        return;
    }
    peer->flags |= PEER_UNSEALED;
    peer->deadline.fired = on_overdue;
    timer_set(&loop->wheel, &peer->deadline, loop->now_ms + RELEASE_WITHIN_MS);
}

void datagram_peer_kill(struct peer *peer, const char *why)
{
    peer_close(peer, "%s", why);
    if (!(peer->flags & PEER_ENDED))
        end(peer);
    drop(peer);
}

/* ---- being idle ---- */

static uint64_t sweep_after_ms(const struct port *port)
{
    const struct listener *listener = port->listener;
    uint64_t idle_ms = listener->settings.idle_timeout;
    uint64_t after_ms = idle_ms == OPTION_UNLIMITED ? SWEEP_MAX_MS : idle_ms / SWEEPS;
    if (after_ms < SWEEP_MIN_MS)
        after_ms = SWEEP_MIN_MS;
    uint64_t most_ms = port_layer(port) && listener->stranger_count ? 1000 : SWEEP_MAX_MS;
    return after_ms < most_ms ? after_ms : most_ms;
}

static void start_sweep(struct port *port)
{
    struct loop *loop = port->listener->loop;
    if (!timer_is_set(&port->sweep) && port->listener->connections)
        timer_set(&loop->wheel, &port->sweep, loop->now_ms + sweep_after_ms(port));
}

/* Closes a peer that has said nothing for idle_timeout and whose protocol waits for nothing. */
static void look_at(struct peer *peer)
{
    const struct listener *listener = peer_home(peer);
    uint64_t now_ms = listener->loop->now_ms, idle_ms = listener->settings.idle_timeout;
    if (peer->flags & PEER_CLOSING)
        return;
    if (peer->flags & PEER_STRANGER && port_layer(listener->port)) {
        if (now_ms - datagram_layered(peer)->admitted_ms >= listener->handshake_ms)
            peer_close(peer, "handshake took too long");
        return;
    }
    if (idle_ms != OPTION_UNLIMITED && now_ms - peer_datagram(peer)->heard_ms >= idle_ms &&
        !timer_is_set(&peer->deadline))
        peer_close(peer, "idle for %llu s", (unsigned long long)idle_ms / 1000);
}

void datagram_peer_sweep(struct timer *timer)
{
    struct port *port = timer_owner(timer, struct port, sweep);
    struct listener *listener = port->listener;
    size_t count = (listener->connections - listener->stranger_count) / SWEEP_SHARE + 1;
    /* Strangers stand in the order in which they came, and not many: all of them. */
    list_each(link, &listener->strangers) look_at(list_item(link, struct peer, siblings));
    for (size_t i = 0; i < count && !list_empty(&listener->peers); i++) {
        struct list *first = list_first(&listener->peers);
        look_at(list_item(first, struct peer, siblings));
        list_remove(first);
        list_append(&listener->peers, first);
    }
    start_sweep(port);
}

/* ---- moving ---- */

void datagram_move(struct peer *peer, const struct endpoint *to)
{
    struct datagram *datagram = peer_datagram(peer);
    struct port *port = peer_port(peer);
    struct datagram_layered *layered = datagram_layered(peer);
    if (endpoint_equal(&datagram->at, to))
        return;
    /* Who is there now has proven less: the layer has just seen that it is this peer. */
    struct datagram *other = map_find(&port->table, endpoint_slice(to));
    if (other) {
        peer_close(&other->peer, "its address belongs to somebody else now");
        leave_table(&other->peer);
    }
    map_take(&port->table, endpoint_slice(&datagram->at));
    bool limited = peer_home(peer)->settings.per_source != OPTION_UNLIMITED;
    if (limited)
        sources_leave(&peer_home(peer)->sources, peer);
    place(peer, to);
    if (limited)
        (void)sources_enter(&peer_home(peer)->sources, peer, OPTION_UNLIMITED);
    if (endpoint_equal(&layered->candidate, to))
        datagram->local = layered->candidate_local;
    layered->candidate_credit = 0;
    (void)map_put(&port->table, datagram); /* cannot fail: there was room for it */
}
