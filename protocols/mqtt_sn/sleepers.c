/* sleepers: see sleepers.h.
 *
 * Invariant: a row of `sleepers` is a hint and nothing more. Whether somebody still sleeps, until
 * when and whose the session is stands in the session alone. */
#include "protocols/mqtt_sn/sleepers.h"

#include "base/map.h"
#include "protocols/mqtt_sn/clients.h"
#include "protocols/mqtt_sn/packets.h"

#include <stdlib.h>

enum {
    STAMP_MS = 1000, /* of its time that a restart may take from a sleeper, or: */
    STAMP_PART = 16, /* the part of it */
    NODE_MOST = 255,
    PLACE_MOST = PEER_ENDPOINT_SIZE + 2 + NODE_MOST + 256,
};

/* ---- while siotd runs ---- */

static void remember(struct sn_connection *c)
{
    struct sn_memory memory;
    sn_recall(c->session, &memory);
    (void)sn_remember(c, &memory); /* without memory it is as before: it was there, or slept */
}

void sn_sleep_begin(struct sn_connection *c)
{
    if (c->clean && broker_can_keep(c->gate->broker))
        session_set_expiry(c->session, 1); /* the least that is kept; sn_sleep_end takes it back */
    if (session_is_kept(c->session))
        remember(c);
}

void sn_sleep_goes_on(struct sn_connection *c)
{
    struct sn_memory memory;
    if (!c->session || !sn_is_sleeping(c) || !session_is_kept(c->session))
        return;
    sn_recall(c->session, &memory);
    int64_t until_ms = broker_wall_ms(c->gate->broker) + c->silence_ms;
    uint32_t step_ms =
        c->silence_ms / STAMP_PART < STAMP_MS ? c->silence_ms / STAMP_PART : STAMP_MS;
    if ((!memory.sleeps || until_ms - memory.sleep.until_ms > step_ms) &&
        broker_can_keep(c->gate->broker)) /* else it would only stand in the way */
        (void)sn_remember(c, &memory);
}

void sn_sleep_end(struct sn_connection *c)
{
    struct sn_memory memory;
    if (c->clean)
        session_set_expiry(c->session, 0);
    sn_recall(c->session, &memory);
    if (memory.sleeps)
        (void)sn_remember(c, &memory);
}

/* ---- who slept when it ended ---- */

struct sleeper {
    uint16_t place_len, id_len;
    uint8_t bytes[]; /* where it was, client id */
};

static struct slice place_of(const void *item)
{
    const struct sleeper *sleeper = item;
    return slice_of(sleeper->bytes, sleeper->place_len);
}

static struct slice id_of(const struct sleeper *sleeper)
{
    return slice_of(sleeper->bytes + sleeper->place_len, sleeper->id_len);
}

static struct map sleepers = {.key = place_of}; /* as there is one broker */
static int64_t recalled_ms; /* the wall clock when it was found out who sleeps */

void sn_sleepers_clear(void)
{
    size_t position = 0;
    struct sleeper *sleeper;
    while ((sleeper = map_next(&sleepers, &position)) != NULL)
        free(sleeper);
    map_clear(&sleepers);
}

static struct slice place(uint8_t to[PLACE_MOST], struct slice endpoint, bool wrapped,
                          struct slice node, struct slice listener)
{
    struct writer w = writer_of(to, PLACE_MOST);
    writer_bytes(&w, endpoint);
    writer_u8(&w, wrapped);
    writer_u8(&w, (uint8_t)node.len);
    writer_bytes(&w, node);
    writer_bytes(&w, listener);
    return w.overflow ? SLICE_EMPTY : slice_of(to, writer_len(&w));
}

/* Without memory it has to connect again. */
static void expect(struct slice at, struct slice client_id)
{
    struct sleeper *sleeper = malloc(sizeof *sleeper + at.len + client_id.len);
    if (!sleeper)
        return;
    *sleeper = (struct sleeper){(uint16_t)at.len, (uint16_t)client_id.len};
    memcpy(sleeper->bytes, at.at, at.len);
    memcpy(sleeper->bytes + at.len, client_id.at, client_id.len);
    free(map_take(&sleepers, at));
    if (map_put(&sleepers, sleeper) != 0)
        free(sleeper);
}

/* How long it still may sleep, ms; below 0: it should have woken. A clock that was set back does
 * not make it longer than it was. */
static int64_t left_ms(const struct broker *broker, const struct sn_sleep *sleep)
{
    int64_t most_ms = recalled_ms + sleep->silence_ms;
    int64_t until_ms = sleep->until_ms < most_ms ? sleep->until_ms : most_ms;
    return (until_ms > 0 ? until_ms : 1) - broker_wall_ms(broker);
}

static void recall(void *to, struct session *session)
{
    const struct broker *broker = to;
    struct sn_memory memory;
    uint8_t room[PLACE_MOST];
    sn_recall(session, &memory);
    if (!memory.sleeps)
        return;
    int64_t left = left_ms(broker, &memory.sleep);
    session_await(session, broker_wall_ms(broker) + left);
    struct slice at = place(room, memory.sleep.endpoint, memory.sleep.wrapped, memory.sleep.node,
                            memory.sleep.listener);
    if (left > 0 && !memory.sleep.private && at.len)
        expect(at, session_client_id(session));
}

void sn_sleepers_recall(struct broker *broker, struct loop *loop)
{
    (void)loop;
    sn_sleepers_clear();
    recalled_ms = broker_wall_ms(broker);
    broker_each_session(broker, "mqtt-sn", recall, broker);
}

/* ---- it comes back ---- */

static bool bind(struct sn_connection *c, struct session *session, struct identity *identity)
{
    const struct connect_request request = {
        .client_id = session_client_id(session),
        .identity = identity,
        .mountpoint = peer_listener(c->gate->peer)->mountpoint,
        .protocol = "mqtt-sn",
    };
    struct session *bound;
    if (broker_rejoin(c->gate->broker, &request, &c->sink, &bound) != VERDICT_OK)
        return false;
    c->session = bound;
    return true;
}

/* What the connection was. False when out of memory. */
static bool restore(struct sn_connection *c, const struct sn_memory *memory)
{
    c->clean = memory->sleep.clean;
    c->keep_alive_s = memory->sleep.keep_alive_s;
    c->silence_ms = memory->sleep.silence_ms;
    if (memory->topics.len) {
        c->topics = sn_topics_new();
        if (!c->topics)
            return false;
        (void)sn_topics_read(c->topics, memory->topics); /* what is not read is told anew */
        sn_topics_read_known(c->topics, memory->sleep.known);
    }
    return sn_clients_add(c) == 0;
}

static void announce(const struct sn_connection *c)
{
    char address[PEER_ADDRESS_SIZE];
    if (!c->wrapped)
        peer_name(c->gate->peer, session_client_id(c->session));
    sn_log(c, LOG_INFO, "sleeps on, after a restart");
    broker_client_event(c->gate->broker, c->session, true,
                        slice_of_str(peer_address(c->gate->peer, address)), NULL);
}

/* A connection, asleep, of the visitor and that session. NULL: it does not sleep, or is not the
 * visitor's, or there is no memory. */
static struct sn_connection *revive(struct sn_visit *visit, struct session *session)
{
    const char *why;
    struct sn_memory memory;
    struct identity *identity = sn_identity(visit, &why);
    sn_recall(session, &memory);
    int64_t left = memory.sleeps ? left_ms(visit->gate->broker, &memory.sleep) : 0;
    if (!identity || left <= 0 || sn_clients_find(session_client_id(session)))
        return NULL;
    struct sn_connection *c = sn_connection_new(visit);
    if (c && bind(c, session, identity)) {
        if (restore(c, &memory)) {
            sn_become(c, SN_ASLEEP);
            announce(c);
            session_resume(c->session);
            sn_gate_due(c->gate, sn_due_ms(c));
            return c;
        }
        sn_connection_leave_asleep(c, broker_wall_ms(visit->gate->broker) + left);
    } else if (c) {
        sn_connection_end(c, DEPART_CLEANLY, "its session is not here");
    }
    visit->client = NULL;
    return NULL;
}

void sn_sleepers_meet(struct sn_visit *visit)
{
    uint8_t room[PLACE_MOST], endpoint[PEER_ENDPOINT_SIZE];
    struct peer *peer = visit->gate->peer;
    if (sleepers.count == 0 || peer_is_private(peer))
        return;
    struct slice at = place(room, slice_of(endpoint, peer_endpoint(peer, endpoint)), visit->wrapped,
                            visit->node, slice_of_str(peer_listener(peer)->name));
    struct sleeper *sleeper = map_take(&sleepers, at);
    if (!sleeper)
        return;
    struct session *session = broker_find_session(visit->gate->broker, id_of(sleeper));
    struct sn_memory memory = {0};
    if (session)
        sn_recall(session, &memory);
    bool verified = memory.sleep.verified;
    struct sn_connection *c = memory.sleeps ? revive(visit, session) : NULL;
    if (c && verified)
        peer_verify(c->gate->peer);
    free(sleeper);
    if (sleepers.count == 0)
        map_clear(&sleepers);
}

bool sn_sleeps_for(const struct sn_visit *visit, const struct identity *owner)
{
    const struct identity *proven = peer_identity(visit->gate->peer);
    if (proven)
        return !owner->anonymous && slice_equal(identity_name(proven), identity_name(owner));
    return owner->anonymous && sn_options_of(visit->gate)->rebind;
}

struct sn_connection *sn_sleepers_wake(struct sn_visit *visit, struct slice client_id)
{
    struct session *session = broker_find_session(visit->gate->broker, client_id);
    if (!session || !sn_sleeps_for(visit, session_identity(session)))
        return NULL;
    return revive(visit, session);
}

/* ---- siotd ends in good order ---- */

void sn_sleepers_leave(struct sn_connection *c)
{
    uint64_t silent_ms = peer_now_ms(c->gate->peer) - c->heard_ms;
    sn_connection_leave_asleep(c, broker_wall_ms(c->gate->broker) + (int64_t)c->silence_ms -
                                      (int64_t)silent_ms);
}
