/* session: see session.h. broker_connect and broker_disconnect bind and unbind it; nothing here
 * sends.
 *
 * Invariants: a session stands in broker.sessions from birth to session_free; its timer is set only
 * while it is away; away it has an expiry above 0. */
#include "broker/session.h"
#include "broker/core.h"
#include <stdlib.h>

enum { ENDING_MS = 1000 }; /* until one that there was no memory for ends after all */

struct slice session_key(const void *item)
{
    const struct session *session = item;
    return slice_of(session->id, session->id_len);
}

struct slice session_client_id(const struct session *session)
{
    return session_key(session);
}

const struct identity *session_identity(const struct session *session)
{
    return session->identity;
}

uint32_t session_window(const struct session *session)
{
    uint64_t most = session->broker->limits->inflight;
    return session->window < most ? session->window : (uint32_t)most;
}

struct slice session_topic(const struct session *session, const struct message *message)
{
    return slice_from(message_topic(message), strlen(session->mountpoint));
}

struct principal *session_principal(struct session *session)
{
    if (!session->principal)
        session->principal =
            principal_new(session->identity, session_key(session), strlen(session->mountpoint));
    return session->principal;
}

bool session_may(struct session *session, enum action action, struct slice topic)
{
    const struct authority *authority = &session->broker->authority;
    /* The topic that is the mountpoint itself has no name in there [MQTT-4.7.3-1]. */
    if (topic.len == 0 && session->mountpoint[0])
        return false;
    struct principal *who = authority_governs(authority) ? session_principal(session) : NULL;
    return authorise(authority, who, action, topic);
}

/* ---- life ---- */

static void timer_fired(struct timer *timer);

/* Bytes of one with an id of that length, which begins where the last member ends. */
static size_t session_size(size_t id_len)
{
    size_t size = offsetof(struct session, id) + id_len;
    return size > sizeof(struct session) ? size : sizeof(struct session);
}

struct session_row *session_row(struct session *session)
{
    if (session->row)
        return session->row;
    struct session_row *row = calloc(1, sizeof *row);
    if (!row)
        return NULL;
    row->session = session;
    list_init(&row->record);
    session->row = row;
    return row;
}

/* After durable_session_end. */
static void drop_row(struct session *session)
{
    if (session->row)
        free(session->row->note);
    free(session->row);
    session->row = NULL;
}

struct session *session_new(struct broker *broker, struct slice client_id)
{
    if (client_id.len > UINT16_MAX || broker->sessions.count >= broker->limits->sessions)
        return NULL;
    struct session *session = calloc(1, session_size(client_id.len));
    if (!session)
        return NULL;
    session->broker = broker;
    session->id_len = (uint16_t)client_id.len;
    memcpy(session->id, client_id.at, client_id.len);
    list_init(&session->roll);
    list_init(&session->subscriptions);
    timer_init(&session->timer, timer_fired);
    if (map_put(&broker->sessions, session) != 0) {
        free(session);
        return NULL;
    }
    broker->stats.sessions++;
    list_append(&broker->checked, &session->roll);
    return session;
}

static void drop_subscriptions(struct session *session)
{
    list_each(link, &session->subscriptions)
    {
        struct subscription *s = list_item(link, struct subscription, on_session);
        if (s->share)
            session->broker->stats.shared_subscriptions--;
        else
            session->broker->stats.subscriptions--;
        router_remove(&session->broker->router, s);
    }
    session->subscription_count = 0;
}

/* Forgets what a session has accumulated, keeping the session itself. False when there is no memory
 * for what others are to inherit: it keeps that. */
static bool wipe(struct session *session)
{
    outbox_detach(session); /* what is in flight may go to others as well [MQTT-4.8.2-5] */
    if (!outbox_hand_on(session, NULL, false))
        return false;
    durable_session_end(session);
    replay_free(session);
    drop_subscriptions(session);
    outbox_free(session, DROP_SESSION_ENDED);
    free(session->inbound);
    session->inbound = NULL;
    drop_row(session);
    return true;
}

void session_free(struct session *session)
{
    struct broker *broker = session->broker;
    timer_cancel(broker->wheel, &session->timer);
    durable_session_end(session);
    map_take(&broker->sessions, session_key(session));
    list_remove(&session->roll);
    broker->stats.sessions--;
    replay_free(session);
    drop_subscriptions(session);
    outbox_free(session, DROP_SESSION_ENDED);
    free(session->inbound);
    drop_row(session);
    will_free(session->will);
    principal_unref(session->principal);
    identity_unref(session->identity);
    free(session);
}

/* The rest of it waits for memory: nothing new joins that. */
static void end_later(struct session *session)
{
    session->ending = true;
    replay_free(session);
    drop_subscriptions(session);
    timer_set(session->broker->wheel, &session->timer, session->broker->mono_ms + ENDING_MS);
}

void session_end(struct session *session)
{
    will_fire(session); /* at the latest when the session ends [MQTT-3.1.2-8] */
    if (wipe(session))
        session_free(session);
    else
        end_later(session);
}

/* ---- away ---- */

static uint64_t since_away_ms(const struct session *session, uint32_t seconds)
{
    int64_t at_ms = session->away_ms + (int64_t)seconds * 1000;
    return at_ms > 0 ? (uint64_t)at_ms : 0;
}

static uint64_t ends_ms(const struct session *session)
{
    return session->expiry_s == SESSION_NEVER_EXPIRES ? TIMERS_NEVER
                                                      : since_away_ms(session, session->expiry_s);
}

void session_set_timer(struct session *session)
{
    uint64_t due = ends_ms(session);
    if (session->will) {
        uint64_t will = since_away_ms(session, session->will->delay_s);
        due = will < due ? will : due;
    }
    if (due == TIMERS_NEVER)
        timer_cancel(session->broker->wheel, &session->timer);
    else
        timer_set(session->broker->wheel, &session->timer, due);
}

static void timer_fired(struct timer *timer)
{
    struct session *session = timer_owner(timer, struct session, timer);
    if (session->broker->mono_ms < session->broker->wheel->now_ms)
        session->broker->mono_ms = session->broker->wheel->now_ms;
    if (session->ending) {
        session_end(session);
        return;
    }
    if (session->broker->mono_ms >= ends_ms(session)) {
        session->broker->stats.clients_expired++;
        session_end(session);
        return;
    }
    will_fire(session);
    session_set_timer(session);
}

void session_set_expiry(struct session *session, uint32_t expiry_s)
{
    session->expiry_s = expiry_s;
    if (expiry_s && !session_number(session))
        (void)durable_adopt(session); /* without memory it lasts as long as the process */
    else
        durable_session(session, true);
}

void session_set_will(struct session *session, struct will *will)
{
    will_free(session->will);
    session->will = will;
    durable_session(session, true);
}

void session_expel(struct session *session, enum expel_reason reason)
{
    struct sink *sink = session->sink;
    session->sink = NULL; /* what is said of it in there is not for itself */
    session->broker->stats.clients_connected--;
    sink->verbs->expel(sink, reason);
}

/* What a session does when its connection has ended and it goes on. */
static void step_aside(struct session *session)
{
    if (session->replay)
        list_remove(&session->replay->link);
    outbox_detach(session);
    outbox_hand_on(session, NULL, true);
}

void broker_disconnect(struct broker *broker, struct session *session, enum departure how)
{
    session->sink = NULL;
    session->away_ms = (int64_t)broker->mono_ms;
    broker->stats.clients_connected--;
    if (how == DEPART_CLEANLY) { /* [MQTT-3.14.4-3] */
        will_free(session->will);
        session->will = NULL;
    }
    if (session->expiry_s == 0) {
        session_end(session);
        return;
    }
    if (session->will && session->will->delay_s == 0)
        will_fire(session);
    step_aside(session);
    durable_session(session, false);
    session_set_timer(session);
}

void session_await(struct session *session, int64_t until_ms)
{
    const struct broker *broker = session->broker;
    session->away_ms = (int64_t)broker->mono_ms + (until_ms - broker->wall_ms);
    durable_session(session, false);
    session_set_timer(session);
}

void broker_leave_asleep(struct broker *broker, struct session *session, int64_t until_ms)
{
    session->sink = NULL;
    broker->stats.clients_connected--;
    step_aside(session);
    session_await(session, until_ms);
}

/* ---- connect ---- */

/* Another connection of the same client id is still there: it goes, and its will is said
 * [MQTT-3.1.4-3] unless it is delayed and the session goes on [MQTT-3.1.3-9]. */
static void take_over(struct session *session, bool goes_on)
{
    session_expel(session, EXPEL_TAKEN_OVER);
    if (session->will && (session->will->delay_s == 0 || !goes_on))
        will_fire(session);
    outbox_detach(session);
}

static void attach(struct session *session, const struct connect_request *request,
                   struct sink *sink)
{
    struct stats *stats = &session->broker->stats;
    struct identity *former = session->identity;
    session->identity = identity_ref(request->identity);
    identity_unref(former);
    principal_unref(session->principal); /* made anew for who it is now */
    session->principal = NULL;
    timer_cancel(session->broker->wheel, &session->timer);
    session->sink = sink;
    session->mountpoint = request->mountpoint;
    session->protocol = request->protocol;
    session->stalled = session->asleep = false;
    if (++stats->clients_connected > stats->clients_maximum)
        stats->clients_maximum = stats->clients_connected;
}

static void bind(struct session *session, const struct connect_request *request, struct sink *sink)
{
    attach(session, request, sink);
    will_free(session->will); /* resumed before the delay was over: not said [MQTT-3.1.3-9] */
    session->will = request->will;
    session->expiry_s = request->expiry_s;
    session->window = request->receive_maximum;
    session->inbound_maximum = request->inbound_maximum;
    if (session_number(session) || !session->expiry_s) /* stuck: it is as the store has it */
        durable_session(session, !durable_is_stuck(session->broker));
    else
        (void)durable_adopt(session); /* it has its row, or else it is as before */
    session->broker->stats.connects++;
}

/* A session without expiry ends with its connection; a clean start ends any [MQTT-3.1.2-4]. A
 * subscription under another mountpoint would be another topic: such a session starts anew. */
static bool is_over(const struct session *session, const struct connect_request *request)
{
    return request->clean_start || session->ending || (session->sink && session->expiry_s == 0) ||
           strcmp(session->mountpoint, request->mountpoint) != 0;
}

/* Whether its row says all that an answer to the request would promise: all but since when it is
 * here. */
static bool is_as_stored(const struct session *session, const struct connect_request *request)
{
    bool will_goes = session->sink && session->will && session->will->delay_s == 0;
    return durable_session_saved(session) && !will_goes && session->expiry_s == request->expiry_s &&
           identity_equal(session->identity, request->identity) &&
           will_equal(session->will, request->will);
}

/* Whether it would be promised something that there is no room for. */
static bool lacks_room(const struct broker *broker, const struct session *session,
                       const struct connect_request *request)
{
    if (!durable_is_full(broker))
        return false;
    if (session && session_number(session) && !is_over(session, request))
        return durable_is_stuck(broker) && !is_as_stored(session, request);
    return request->expiry_s > 0;
}

enum verdict broker_connect(struct broker *broker, const struct connect_request *request,
                            struct sink *sink, struct session **result, bool *present)
{
    struct session *session = map_find(&broker->sessions, request->client_id);
    durable_begin(&broker->durable);
    if (!authorise_connect(&broker->authority, request->identity, request->client_id, NULL) ||
        (session && !authorise_takeover(request->identity, session->identity)))
        return VERDICT_DENIED;
    if (lacks_room(broker, session, request))
        return VERDICT_QUOTA;
    *present = false;
    if (!session) {
        session = session_new(broker, request->client_id);
        if (!session)
            return broker->sessions.count >= broker->limits->sessions ? VERDICT_QUOTA
                                                                      : VERDICT_NO_MEMORY;
    } else {
        bool ends = is_over(session, request);
        if (session->sink)
            take_over(session, !ends);
        if (ends) {
            will_fire(session);
            session->ending = false;
            if (!wipe(session)) {
                end_later(session);
                return VERDICT_NO_MEMORY;
            }
            durable_begin(&broker->durable); /* nobody waits for the end of that */
        }
        *present = !ends;
    }
    if (!*present && !durable_provide(session, request->expiry_s)) {
        session_free(session);
        return VERDICT_NO_MEMORY;
    }
    bind(session, request, sink);
    session_recheck(session); /* what it left behind may be more than it may have now */
    *result = session;
    return VERDICT_OK;
}

enum verdict broker_rejoin(struct broker *broker, const struct connect_request *request,
                           struct sink *sink, struct session **result)
{
    struct session *session = map_find(&broker->sessions, request->client_id);
    durable_begin(&broker->durable);
    if (!session || session->sink || session->ending ||
        strcmp(session->protocol, request->protocol) != 0 ||
        strcmp(session->mountpoint, request->mountpoint) != 0 ||
        !authorise_connect(&broker->authority, request->identity, request->client_id, NULL) ||
        !authorise_takeover(request->identity, session->identity))
        return VERDICT_DENIED;
    attach(session, request, sink);
    durable_session(session, false);
    session_recheck(session);
    *result = session;
    return VERDICT_OK;
}

struct session *broker_find_session(const struct broker *broker, struct slice client_id)
{
    return map_find(&broker->sessions, client_id);
}

void broker_each_session(const struct broker *broker, const char *protocol,
                         void (*each)(void *to, struct session *session), void *to)
{
    size_t position = 0;
    struct session *session;
    while ((session = map_next(&broker->sessions, &position)) != NULL)
        if (strcmp(session->protocol, protocol) == 0)
            each(to, session);
}

bool broker_kick(struct broker *broker, struct slice client_id, enum expel_reason reason)
{
    struct session *session = map_find(&broker->sessions, client_id);
    if (!session)
        return false;
    if (session->sink)
        session_expel(session, reason);
    session_end(session);
    return true;
}

/* ---- QoS 2, receiver's side ---- */

static bool inbound_grow(struct session *session)
{
    struct inbound_ids *in = session->inbound;
    uint32_t capacity = in ? in->capacity * 2 : 8;
    struct inbound_ids *grown = realloc(in, sizeof *in + capacity * sizeof in->ids[0]);
    if (!grown)
        return false;
    if (!in)
        grown->count = 0;
    grown->capacity = capacity;
    session->inbound = grown;
    return true;
}

static uint32_t inbound_find(const struct inbound_ids *in, uint16_t packet_id)
{
    uint32_t i = 0;
    while (i < in->count && in->ids[i] != packet_id)
        i++;
    return i;
}

enum inbound session_received(struct session *session, uint16_t packet_id)
{
    struct inbound_ids *in = session->inbound;
    if (in && inbound_find(in, packet_id) < in->count)
        return INBOUND_DUPLICATE; /* [MQTT-4.3.3-10] */
    if (in && in->count >= session->inbound_maximum)
        return INBOUND_OVER_LIMIT; /* [MQTT-3.3.4-7] */
    if ((!in || in->count == in->capacity) && !inbound_grow(session))
        return INBOUND_NO_MEMORY;
    if (!durable_inbound(session, packet_id))
        return INBOUND_NO_MEMORY;
    in = session->inbound;
    in->ids[in->count++] = packet_id;
    return INBOUND_NEW;
}

void session_restore_inbound(struct session *session, uint16_t packet_id)
{
    struct inbound_ids *in = session->inbound;
    if ((in && inbound_find(in, packet_id) < in->count) || !durable_owe(session->broker) ||
        ((!in || in->count == in->capacity) && !inbound_grow(session)))
        return;
    in = session->inbound;
    in->ids[in->count++] = packet_id;
}

bool session_forget(struct session *session, uint16_t packet_id)
{
    struct inbound_ids *in = session->inbound;
    if (!in)
        return false;
    uint32_t i = inbound_find(in, packet_id);
    if (i == in->count)
        return false;
    memmove(&in->ids[i], &in->ids[i + 1], (in->count - i - 1) * sizeof in->ids[0]);
    in->count--;
    durable_inbound_end(session, packet_id); /* else a new message of that id would be swallowed */
    return true;
}
