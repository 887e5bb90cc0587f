/* observe: see observe.h. The last room but one on the way of a message: session -> sink.deliver ->
 * notify.c.
 *
 * Invariants: e->unacked is one of e's observations, and its flight is what was sent with
 * e->unacked_id; `waiting` is empty while nothing keeps it from being said; nothing is freed from
 * within a sink: what is over is marked, and let go by coap_observe_tidy. */
#include "protocols/coap/observe.h"

#include "broker/topic.h"
#include "protocols/coap/kept.h"
#include "protocols/coap/notify.h"

#include <stdlib.h>

static struct coap_endpoint *endpoint_of(struct sink *sink)
{
    return (struct coap_endpoint *)((char *)sink - offsetof(struct coap_endpoint, sink));
}

static struct slice name_of(const struct coap_observation *o)
{
    return slice_of(o->text + o->token_len, o->name_len);
}

/* ---- time ---- */

uint64_t coap_check_ms(const struct coap_observation *o)
{
    uint64_t most = coap_options_of(o->e)->observer_check; /* RFC 7641 section 4.5: a day */
    uint64_t own =
        o->topic && o->topic->observer_check_s ? o->topic->observer_check_s * 1000 : most;
    return own < most ? own : most;
}

/* When it has to show that somebody is there. */
static uint64_t check_due_ms(const struct coap_observation *o)
{
    uint64_t due = o->checked_ms + coap_check_ms(o);
    return o->probe_ms && o->probe_ms < due ? o->probe_ms : due;
}

/* Sets the one deadline to what comes first. */
void coap_observe_deadline(struct coap_endpoint *e)
{
    uint64_t due = e->unacked ? e->due_ms : UINT64_MAX, now = peer_now_ms(e->peer);
    int64_t wall_ms = broker_wall_ms(peer_broker(e->peer));
    each_observation(o, e)
    {
        uint64_t check = check_due_ms(o);
        if (!e->unacked && check < due) /* one at a time */
            due = check;
        if (!o->topic || !o->topic->expires_s)
            continue;
        int64_t left = (int64_t)o->topic->expires_s * 1000 - wall_ms;
        if (now + (uint64_t)(left > 0 ? left : 1) < due)
            due = now + (uint64_t)(left > 0 ? left : 1);
    }
    if (e->stale)
        due = now;
    peer_deadline(e->peer, due == UINT64_MAX ? 0 : due ? due : 1);
}

/* ---- letting go ---- */

static void leave_topic(struct coap_observation *o)
{
    if (!o->topic)
        return;
    list_remove(&o->topic_link);
    o->topic->observer_count--;
    o->topic = NULL;
}

/* Out of sight for whoever looks for observations; freed by tidy. */
static void finish(struct coap_observation *o)
{
    struct coap_endpoint *e = o->e;
    o->over = true;
    coap_keep_no_more(o);
    leave_topic(o);
    coap_news_clear(&o->waiting);
    if (e->unacked == o)
        e->unacked = NULL;
    e->stale = true;
    peer_deadline(e->peer, peer_now_ms(e->peer));
}

static bool is_observed(const struct coap_endpoint *e, struct slice name)
{
    each_observation(o, e)
    {
        if (!o->over && slice_equal(name_of(o), name))
            return true;
    }
    return false;
}

static void release(struct coap_observation *o)
{
    leave_topic(o);
    list_remove(&o->link);
    coap_news_clear(&o->waiting);
    coap_news_clear(&o->flight);
    message_unref(o->held);
    free(o);
}

void coap_observe_tidy(struct coap_endpoint *e)
{
    if (!e->stale)
        return;
    e->stale = false;
    each_observation(o, e)
    {
        if (!o->over)
            continue;
        if (e->session && !is_observed(e, name_of(o)))
            broker_unsubscribe(peer_broker(e->peer), e->session, name_of(o));
        release(o);
    }
    if (list_empty(&e->observations))
        coap_endpoint_disconnect(e, "the last observation has ended");
    coap_observe_deadline(e);
}

void coap_observe_close(struct coap_endpoint *e, const char *why)
{
    e->unacked = NULL;
    e->stale = false;
    each_observation(o, e)
    {
        if (!e->stopping)
            coap_keep_no_more(o);
        release(o);
    }
    coap_endpoint_disconnect(e, why);
}

/* ---- the sink ---- */

static enum sink_answer deliver(struct sink *sink, const struct delivery *d)
{
    struct coap_endpoint *e = endpoint_of(sink);
    /* An empty retained message is the end of the value [MQTT-3.3.1-6]. */
    bool removed = d->retain && d->message->payload_len == 0;
    each_observation(o, e)
    {
        if (!o->over && slice_equal(name_of(o), d->topic))
            coap_tell(o, removed ? COAP_NOT_FOUND : COAP_CONTENT, removed ? NULL : d->message);
    }
    return SINK_TAKEN;
}

static void release_id(struct sink *sink, uint16_t packet_id)
{
    (void)sink; /* of QoS 2 only, which is never subscribed to */
    (void)packet_id;
}

static void expel(struct sink *sink, enum expel_reason reason)
{
    static const char *const whys[] = {
        [EXPEL_TAKEN_OVER] = "taken over by another connection",
        [EXPEL_DENIED] = "its right to be here has ended",
        [EXPEL_CURTAILED] = "a subscription is no longer permitted",
    };
    struct coap_endpoint *e = endpoint_of(sink);
    struct coap_news last = {.code = COAP_FORBIDDEN};
    each_observation(o, e)
    {
        if (!o->over) /* RFC 7641 section 3.2 */
            coap_transmit(o, COAP_NON, coap_endpoint_next_id(e), 0, &last);
        o->over = true;
    }
    e->unacked = NULL;
    e->stale = true;
    e->expelled = true;
    coap_endpoint_disconnect(e, whys[reason]);
    peer_close(e->peer, "closed: %s", whys[reason]);
}

static bool entitled(struct sink *sink)
{
    struct coap_endpoint *e = endpoint_of(sink);
    bool anonymous = session_identity(e->session)->anonymous;
    return (!anonymous || peer_listener(e->peer)->anonymous) && peer_is_entitled(e->peer);
}

const struct sink_verbs coap_sink_verbs = {
    .deliver = deliver, .release = release_id, .expel = expel, .entitled = entitled};

/* ---- beginning and end of an observation ---- */

static struct coap_observation *find(const struct coap_endpoint *e, struct slice token)
{
    each_observation(o, e)
    {
        if (!o->over && slice_equal(coap_token_of(o), token))
            return o;
    }
    return NULL;
}

static struct coap_observation *make(struct coap_endpoint *e, struct slice token, struct slice name)
{
    struct coap_observation *o = calloc(1, sizeof *o + token.len + name.len);
    if (!o)
        return NULL;
    o->e = e;
    o->format = COAP_NO_FORMAT;
    o->token_len = (uint8_t)token.len;
    o->name_len = (uint16_t)name.len;
    struct writer w = writer_of(o->text, token.len + name.len);
    writer_bytes(&w, token);
    writer_bytes(&w, name);
    list_init(&o->link);
    list_init(&o->topic_link);
    return o;
}

static bool is_room(const struct coap_endpoint *e, const struct coap_topic *topic)
{
    uint64_t count = 0;
    each_observation(o, e)
    {
        count += !o->over;
    }
    return count < coap_options_of(e)->observations &&
           (!topic || topic->observer_count < topic->max_subscribers);
}

static enum verdict subscribe(struct coap_endpoint *e, struct coap_home *home, struct slice name)
{
    struct subscribe_options options = {.retain_as_published = true, .retain_handling = 2};
    enum verdict verdict = coap_endpoint_connect(e, home);
    if (verdict == VERDICT_OK && !is_observed(e, name))
        verdict = broker_subscribe(peer_broker(e->peer), e->session, name, &options);
    return verdict;
}

static void enrol(struct coap_observation *o, struct coap_topic *topic)
{
    list_append(&o->e->observations, &o->link);
    if (!topic)
        return;
    o->topic = topic;
    o->topic->observer_count++;
    list_append(&o->topic->observers, &o->topic_link);
}

/* What the answer of the call is, as a first notification. */
static void begin(struct coap_call *call, struct coap_observation *o, struct message *message)
{
    const struct coap_request *r = call->request;
    struct coap_news news = {.message = message};
    o->szx = coap_szx_of(call->e);
    if (r->has_block2 && r->block2.szx < o->szx) /* RFC 7959 section 3.4 */
        o->szx = r->block2.szx;
    o->checked_ms = peer_now_ms(call->e->peer);
    if (call->answer.format != COAP_NO_FORMAT)
        o->format = call->answer.format;
    else if (r->has_accept)
        o->format = r->accept;
    coap_hold_large(o, &news);
    coap_keep(o);
    call->answer.has_observe = true;
    call->answer.observe = (uint32_t)coap_next_number(o);
    if (o->kept) /* an answer with Observe promises both (section 4.1) */
        call->answer.promise = broker_promise(call->broker);
    coap_observe_deadline(call->e);
}

void coap_observe(struct coap_call *call, struct message *message)
{
    struct slice token = call->request->message.token;
    struct coap_observation *o = find(call->e, token);
    if (o && slice_equal(name_of(o), call->topic)) { /* again: it goes on (section 4.1) */
        coap_news_clear(&o->waiting);
        begin(call, o, message);
        return;
    }
    if (o) /* the token is for something else now */
        finish(o);
    if (token.len > COAP_OBSERVE_TOKEN_MOST || !is_room(call->e, call->configuration) ||
        slice_starts_with(call->topic, SLICE("$share/")))
        return;
    o = make(call->e, token, call->topic);
    if (!o)
        return;
    enum verdict verdict = subscribe(call->e, call->home, call->topic);
    if (verdict != VERDICT_OK) {
        free(o);
        call->e->stale = true; /* a session without observations ends */
        if (verdict == VERDICT_DENIED)
            coap_say_denied(call);
        return;
    }
    enrol(o, call->configuration);
    begin(call, o, message);
}

/* The topic's configuration; *fits: it may have one more observer, and there was memory to tell. */
static struct coap_topic *configuration(const struct coap_endpoint *e, struct coap_home *home,
                                        struct slice name, bool *fits)
{
    struct buffer *full = &home->topic;
    full->len = 0;
    *fits = buffer_append(full, coap_mountpoint_of(e)) == 0 && buffer_append(full, name) == 0;
    struct coap_topic *topic = *fits ? coap_topics_find(&home->topics, buffer_slice(full)) : NULL;
    *fits = *fits && is_room(e, topic);
    return topic;
}

bool coap_observe_again(struct coap_endpoint *e, struct coap_home *home,
                        const struct coap_relation *relation, uint64_t probe_ms)
{
    bool fits;
    struct coap_topic *topic = configuration(e, home, relation->name, &fits);
    const struct broker_limits *limits = broker_limits(peer_broker(e->peer));
    fits = fits && topic_name_valid(relation->name, limits->topic_length, limits->topic_levels);
    if (!fits || relation->token.len > COAP_OBSERVE_TOKEN_MOST || find(e, relation->token))
        return false;
    struct coap_observation *o = make(e, relation->token, relation->name);
    if (!o)
        return false;
    enum verdict verdict = subscribe(e, home, relation->name);
    if (verdict != VERDICT_OK) {
        struct coap_news last = {.code = COAP_FORBIDDEN};
        if (verdict == VERDICT_DENIED) /* RFC 7641 section 3.2 */
            coap_transmit(o, COAP_NON, coap_endpoint_next_id(e), 0, &last);
        free(o);
        e->stale = true;
        coap_observe_tidy(e);
        return false;
    }
    o->szx = relation->szx < coap_szx_of(e) ? relation->szx : coap_szx_of(e);
    o->format = relation->format;
    o->checked_ms = peer_now_ms(e->peer);
    o->probe_ms = probe_ms;
    o->kept = true;
    enrol(o, topic);
    coap_observe_deadline(e);
    return true;
}

bool coap_observe_no_more(struct coap_endpoint *e, struct slice token)
{
    struct coap_observation *o = find(e, token);
    if (o)
        finish(o);
    return o != NULL;
}

void coap_observe_end_all(struct coap_topic *topic, uint64_t from, uint8_t code)
{
    uint64_t at = 0;
    list_each(link, &topic->observers)
    {
        struct coap_observation *o = list_item(link, struct coap_observation, topic_link);
        if (at++ < from)
            continue;
        leave_topic(o);
        coap_tell(o, code, NULL);
    }
}

struct message *coap_observe_held(const struct coap_endpoint *e, struct slice topic)
{
    each_observation(o, e)
    {
        if (!o->over && o->held && slice_equal(name_of(o), topic))
            return o->held;
    }
    return NULL;
}

/* ---- what the other end answers ---- */

void coap_observe_acknowledged(struct coap_endpoint *e, uint16_t id)
{
    struct coap_observation *o = e->unacked;
    if (!o || e->unacked_id != id)
        return;
    peer_verify(e->peer); /* the id was drawn at random, or followed one that was */
    e->unacked = NULL;
    o->checked_ms = peer_now_ms(e->peer);
    o->probe_ms = 0;
    if (coap_class(o->flight.code) != 2)
        finish(o);
    coap_news_clear(&o->flight);
    coap_go_on(e);
    coap_observe_deadline(e);
}

void coap_observe_reset(struct coap_endpoint *e, uint16_t id)
{
    each_observation(o, e)
    {
        bool unacked = o == e->unacked && e->unacked_id == id;
        if (!o->over && (unacked || (o->has_last_id && o->last_id == id)))
            finish(o); /* RFC 7641 section 3.6 */
    }
    coap_go_on(e);
}

/* Sends again what nobody has acknowledged, or what is newer by now (RFC 7641 section 4.5.2); gives
 * up after MAX_RETRANSMIT. */
static void retransmit(struct coap_endpoint *e)
{
    struct coap_observation *o = e->unacked;
    if (e->tries == COAP_MAX_RETRANSMIT) {
        coap_news_clear(&o->flight);
        finish(o);
        peer_log(e->peer, LOG_INFO, "an observer does not answer");
        coap_go_on(e);
        return;
    }
    e->tries++;
    e->timeout_ms *= 2;
    e->due_ms = peer_now_ms(e->peer) + e->timeout_ms;
    if (o->waiting.code) {
        struct coap_news newer = o->waiting;
        o->waiting = (struct coap_news){0};
        coap_hold_large(o, &newer);
        coap_news_clear(&o->flight);
        o->flight = newer;
        o->flight_sequence = coap_next_number(o);
        e->unacked_id = coap_endpoint_next_id(e);
    }
    coap_transmit(o, COAP_CON, e->unacked_id, o->flight_sequence, &o->flight);
}

/* Asks whether somebody is still there, with the state as it is now. */
static void check(struct coap_observation *o)
{
    struct coap_endpoint *e = o->e;
    struct message *now = NULL;
    bool denied;
    struct coap_home *home = coap_home_of(peer_broker(e->peer));
    struct principal *who = home ? coap_endpoint_who(e, home, &denied) : NULL;
    if (who)
        (void)broker_latest(peer_broker(e->peer), who, peer_listener(e->peer)->mountpoint,
                            name_of(o), &now);
    if (o->held)
        now = o->held;
    coap_tell(o, COAP_CONTENT, now);
}

void coap_observe_expired(struct coap_endpoint *e)
{
    uint64_t now = peer_now_ms(e->peer);
    struct coap_home *home = coap_home_of(peer_broker(e->peer));
    struct coap_topic *over;
    while (home &&
           (over = coap_topics_expired(&home->topics, broker_wall_ms(home->broker))) != NULL)
        coap_topic_end(home, over);
    if (e->unacked && e->due_ms <= now)
        retransmit(e);
    each_observation(o, e)
    {
        if (!e->unacked && !o->over && now >= check_due_ms(o))
            check(o);
    }
    coap_observe_tidy(e);
    coap_observe_deadline(e);
}

void coap_observe_drained(struct coap_endpoint *e)
{
    coap_go_on(e);
    coap_observe_deadline(e);
}
