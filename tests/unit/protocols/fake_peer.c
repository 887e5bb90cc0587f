/* fake_peer: see fake_peer.h. */
#include "fake_peer.h"

#include "tests/unit/usual_limits.h"
#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { STEP_MS = 100 };

/* One peer_reserve: stays where it is until the call into the protocol is over, as in the
 * transports. */
struct piece {
    struct list link;
    uint64_t promise; /* it waits for that one; 0: for none */
    bool answer;      /* came by peer_reserve_after */
    size_t len;
    uint8_t bytes[];
};

static void gather(struct peer *peer)
{
    struct list *link;
    while ((link = list_first(&peer->pieces)) != NULL) {
        struct piece *piece = list_item(link, struct piece, link);
        if (buffer_append(&peer->sent, slice_of(piece->bytes, piece->len)) != 0)
            abort();
        list_remove(link);
        free(piece);
    }
}

/* ---- the world ---- */

void world_init(struct world *world, const struct protocol *protocol, const void *options)
{
    static char empty[] = "", name[] = "test";
    *world = (struct world){.protocol = protocol, .options = options};
    world->limits = usual_limits();
    world->listener =
        (struct listener_settings){.name = name, .mountpoint = empty, .anonymous = true};
    world->now_ms = 1000000;
    world->wall_ms = 1800000000000;
    timers_init(&world->wheel, world->now_ms);
    list_init(&world->peers);
    world->broker = broker_new(&world->limits, &world->wheel);
    if (!world->broker)
        abort();
    broker_turn(world->broker, world->now_ms, world->wall_ms);
}

static void close_now(struct peer *peer)
{
    if (peer->closed)
        return;
    peer->closing = peer->closed = true;
    peer->world->protocol->close(peer, peer->state, peer->why);
    buffer_clear(&peer->pending);
}

/* What transports do after each callback. */
static void reap(struct world *world)
{
    list_each(link, &world->peers)
    {
        struct peer *peer = list_item(link, struct peer, link);
        if (peer->closing)
            close_now(peer);
    }
    /* Only now: closing one may have sent something to another. */
    list_each(link, &world->peers)
    {
        gather(list_item(link, struct peer, link));
    }
}

void world_turn(struct world *world)
{
    int rounds = 0;
    broker_turn(world->broker, world->now_ms, world->wall_ms);
    while (broker_work(world->broker) && rounds++ < 10000)
        ;
    reap(world);
    list_each(link, &world->peers)
    {
        struct peer *peer = list_item(link, struct peer, link);
        if (peer->again && !peer->closed) {
            peer->again = false;
            peer_say(peer, SLICE_EMPTY);
        }
    }
}

static void fire_deadlines(struct world *world)
{
    list_each(link, &world->peers)
    {
        struct peer *peer = list_item(link, struct peer, link);
        if (peer->closed || peer->deadline_ms == 0 || peer->deadline_ms > world->now_ms)
            continue;
        peer->deadline_ms = 0;
        world->protocol->expired(peer, peer->state);
    }
    reap(world);
}

void world_wait(struct world *world, uint64_t ms)
{
    while (ms) {
        uint64_t step = ms < STEP_MS ? ms : STEP_MS;
        ms -= step;
        world->now_ms += step;
        world->wall_ms += (int64_t)step;
        broker_turn(world->broker, world->now_ms, world->wall_ms);
        timers_advance(&world->wheel, world->now_ms);
        fire_deadlines(world);
        world_turn(world);
    }
}

/* Answers leave in order, so one that waits keeps all those behind it. */
static void release(struct peer *peer)
{
    bool blocked = false;
    list_each(link, &peer->held)
    {
        struct piece *piece = list_item(link, struct piece, link);
        if (piece->promise > peer->world->kept || (piece->answer && blocked)) {
            blocked |= piece->answer;
            continue;
        }
        list_remove(link);
        list_append(&peer->pieces, link);
    }
}

void world_keep(struct world *world, uint64_t promise)
{
    world->kept = promise;
    list_each(link, &world->peers)
    {
        release(list_item(link, struct peer, link));
    }
    reap(world);
}

void world_stop(struct world *world)
{
    list_each(link, &world->peers)
    {
        struct peer *peer = list_item(link, struct peer, link);
        if (peer->closed)
            continue;
        world->protocol->stopping(peer, peer->state);
        peer_close(peer, "stopped");
    }
    reap(world);
}

void world_clear(struct world *world)
{
    struct list *link;
    while ((link = list_first(&world->peers)) != NULL)
        peer_drop(list_item(link, struct peer, link));
    broker_free(world->broker);
    buffer_clear(&world->log);
}

bool world_logged(const struct world *world, const char *text)
{
    return world->log.len && memmem(world->log.at, world->log.len, text, strlen(text));
}

/* ---- the other end ---- */

struct peer *peer_arrive(struct world *world)
{
    struct peer *peer = calloc(1, sizeof *peer);
    if (!peer)
        abort();
    peer->world = world;
    peer->state = calloc(1, world->protocol->state_size);
    if (!peer->state)
        abort();
    list_init(&peer->pieces);
    list_init(&peer->held);
    list_init(&peer->link);
    list_append(&world->peers, &peer->link);
    if (world->protocol->open(peer, peer->state) != 0)
        peer_close(peer, "not opened");
    reap(world);
    return peer;
}

void peer_say(struct peer *peer, struct slice bytes)
{
    struct world *world = peer->world;
    if (peer->closed || buffer_append(&peer->pending, bytes) != 0)
        return;
    /* In a piece of memory of exactly that size, so that a look past the end is seen. */
    struct slice all = buffer_slice(&peer->pending);
    if (all.len == 0 || peer->proving || peer->again)
        return;
    uint8_t *exact = malloc(all.len);
    if (!exact)
        abort();
    memcpy(exact, all.at, all.len);
    ssize_t done = world->protocol->receive(peer, peer->state, slice_of(exact, all.len));
    free(exact);
    if (done < 0)
        peer_close(peer, "failed");
    else
        buffer_consume(&peer->pending, (size_t)done);
    reap(world);
}

void peer_known(struct peer *peer)
{
    assert(!peer->known);
    peer->known = true;
}

void peer_again(struct peer *peer)
{
    peer->again = true;
}

const struct identity *peer_identity(const struct peer *peer)
{
    return peer->identity;
}

bool peer_is_entitled(struct peer *peer)
{
    return !peer->revoked;
}

static void copy_text(char to[64], struct slice from)
{
    snprintf(to, 64, "%.*s", SLICE_FMT(from));
}

bool peer_prove(struct peer *peer, const struct access *access, struct slice user,
                struct slice password)
{
    assert(access && access->users);
    if (peer->busy)
        return false;
    copy_text(peer->user, user);
    copy_text(peer->password, password);
    peer->proving = true;
    return true;
}

void peer_proof_failed(struct peer *peer, struct slice user)
{
    copy_text(peer->user, user);
    peer->proofs_failed++;
}

void peer_judge(struct peer *peer, bool right)
{
    struct slice user = slice_of_str(peer->user);
    const char *record = users_record(broker_access(peer->world->broker)->users, user);
    struct identity *identity = right ? identity_of_user(user, record) : NULL;
    peer->proving = false;
    peer->world->protocol->proven(peer, peer->state, identity);
    identity_unref(identity);
    if (peer->closing)
        reap(peer->world);
    else
        peer_say(peer, SLICE_EMPTY);
}

void peer_vanish(struct peer *peer)
{
    peer_close(peer, "peer closed the connection");
    reap(peer->world);
}

void peer_drain(struct peer *peer)
{
    peer->full = false;
    peer->world->protocol->drained(peer, peer->state);
    reap(peer->world);
}

static void forget_held(struct peer *peer)
{
    struct list *link;
    while ((link = list_first(&peer->held)) != NULL) {
        list_remove(link);
        free(list_item(link, struct piece, link));
    }
}

void peer_drop(struct peer *peer)
{
    peer_close(peer, "dropped");
    close_now(peer);
    reap(peer->world);
    list_remove(&peer->link);
    forget_held(peer);
    buffer_clear(&peer->sent);
    free(peer->state);
    free(peer);
}

/* ---- transports/peer.h ---- */

static bool answers_wait(const struct peer *peer)
{
    list_each(link, &peer->held)
    {
        if (list_item(link, struct piece, link)->answer)
            return true;
    }
    return false;
}

static uint8_t *append(struct peer *peer, size_t len, uint64_t promise, bool answer)
{
    struct piece *piece = peer->out_of_memory ? NULL : malloc(sizeof *piece + len);
    if (!piece) {
        peer_close(peer, "out of memory");
        return NULL;
    }
    if (promise < peer->barrier)
        promise = peer->barrier;
    piece->len = len;
    piece->promise = promise;
    piece->answer = answer;
    list_init(&piece->link);
    bool waits = promise > peer->world->kept || (answer && answers_wait(peer));
    list_append(waits ? &peer->held : &peer->pieces, &piece->link);
    return piece->bytes;
}

uint8_t *peer_reserve(struct peer *peer, size_t len)
{
    return append(peer, len, 0, false);
}

uint8_t *peer_reserve_after(struct peer *peer, size_t len, uint64_t promise)
{
    return append(peer, len, promise, true);
}

void peer_barrier(struct peer *peer, uint64_t promise)
{
    if (peer->barrier < promise)
        peer->barrier = promise;
}

void peer_send(struct peer *peer, struct slice bytes)
{
    uint8_t *to = peer_reserve(peer, bytes.len);
    if (to && bytes.len)
        memcpy(to, bytes.at, bytes.len);
}

void peer_send_shared(struct peer *peer, struct slice bytes, struct message *owner)
{
    const uint8_t *start = (const uint8_t *)owner;
    if (owner->refs == 0 || bytes.at < start) /* not owned, or not inside */
        abort();
    peer->shared += bytes.len;
    peer_send(peer, bytes);
}

size_t peer_backlog(const struct peer *peer)
{
    return peer->sent.len;
}

bool peer_is_full(const struct peer *peer)
{
    return peer->full;
}

void peer_close(struct peer *peer, const char *why, ...)
{
    va_list arguments;
    if (peer->closing)
        return;
    peer->closing = true;
    va_start(arguments, why);
    vsnprintf(peer->why, sizeof peer->why, why, arguments);
    va_end(arguments);
}

bool peer_is_closing(const struct peer *peer)
{
    return peer->closing;
}

void peer_deadline(struct peer *peer, uint64_t due_ms)
{
    peer->deadline_ms = due_ms;
    peer->deadlines_set++;
}

uint64_t peer_now_ms(const struct peer *peer)
{
    return peer->world->now_ms;
}

struct broker *peer_broker(const struct peer *peer)
{
    return peer->world->broker;
}

const struct listener_settings *peer_listener(const struct peer *peer)
{
    return &peer->world->listener;
}

const void *peer_options(const struct peer *peer)
{
    return peer->world->options;
}

char *peer_address(const struct peer *peer, char to[PEER_ADDRESS_SIZE])
{
    (void)peer;
    snprintf(to, PEER_ADDRESS_SIZE, "192.0.2.7:50112");
    return to;
}

bool peer_is_private(const struct peer *peer)
{
    (void)peer;
    return false;
}

void peer_name(struct peer *peer, struct slice name)
{
    log_escape(peer->name, sizeof peer->name, name);
}

void peer_log(const struct peer *peer, enum log_level level, const char *format, ...)
{
    char line[1024];
    va_list arguments;
    (void)level;
    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    struct buffer *log = &peer->world->log;
    if (log->len > 65536)
        buffer_consume(log, log->len / 2);
    buffer_append(log, slice_of_str(peer->name));
    buffer_append(log, SLICE(": "));
    buffer_append(log, slice_of_str(line));
    buffer_append(log, SLICE("\n"));
}
