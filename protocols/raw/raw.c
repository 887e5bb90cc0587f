/* raw: the protocol as transports see it: a datagram in, one verb, each to whom it concerns.
 *
 * First room of the protocol on the way of a message: peer -> receive -> raw_on_*. What is no verb
 * is a payload where the listener has a topic for it, else it is counted and dropped. What siotd
 * itself says (OK, MSG, ERR) is never answered, so that two of them cannot talk to each other for
 * ever. */
#include "protocols/raw/raw.h"

#include "protocols/raw/connection.h"

/* A PING of an unproven device pays for one datagram: what waits for it goes first, and says as
 * well as PONG that siotd is there. What waits in the core comes later in this turn. */
static void on_ping(struct raw_connection *c)
{
    if (!c->subscribed) {
        raw_refuse(c, raw_verdict_reason(VERDICT_NO_SUBSCRIPTION));
        return;
    }
    if (!peer_is_verified(c->peer)) {
        c->answering = false;
        c->pinged = c->held_back && session_has_waiting(c->session);
        raw_catch_up(c, true);
    }
    if (!c->pinged)
        raw_pong(c);
}

static void obey(struct raw_connection *c, const struct raw_line *line, struct slice datagram)
{
    switch (line->verb) {
    case RAW_PUB:
        raw_on_publish(c, line, datagram);
        break;
    case RAW_SUB:
        raw_on_subscribe(c, line);
        break;
    case RAW_UNSUB:
        raw_on_unsubscribe(c, line);
        break;
    case RAW_PING:
        on_ping(c);
        break;
    case RAW_ACK:
        raw_on_ack(c, line);
        break;
    case RAW_BYE:
        raw_answer(c, &(struct raw_line){.verb = RAW_OK}, raw_promise(c));
        raw_detach(c, true, "said BYE");
        raw_close(c, "said BYE");
        break;
    default:
        broker_stats(c->broker)->protocol_errors++;
    }
}

/* Who has a proven identity is at home from its first word on, so that its right to be here ends
 * with its key or certificate, whatever it says. False: refused. */
static bool admit(struct raw_connection *c)
{
    enum verdict verdict = VERDICT_DENIED;
    if (raw_may_enter(c))
        verdict = peer_identity(c->peer) ? raw_attach(c) : VERDICT_OK;
    if (verdict != VERDICT_OK) {
        raw_refuse(c, raw_verdict_reason(verdict));
        return false;
    }
    if (!c->known && peer_is_private(c->peer)) {
        c->known = true;
        peer_known(c->peer);
    }
    return true;
}

static void hear(struct raw_connection *c, struct slice datagram)
{
    struct raw_line line;
    enum raw_fault fault = raw_decode(datagram, &line);
    const char *pattern = peer_listener(c->peer)->topic;
    struct stats *stats = broker_stats(c->broker);
    stats->messages_received++;
    if (fault == RAW_NO_VERB) {
        if (!pattern)
            stats->protocol_errors++;
        else if (admit(c))
            raw_on_template(c, pattern, datagram);
    } else if (fault != RAW_GOOD) {
        stats->protocol_errors++;
        raw_refuse(c, raw_fault_reason(fault));
    } else if (line.verb >= RAW_OK) {
        stats->protocol_errors++;
    } else if (admit(c)) {
        obey(c, &line, datagram);
    }
}

static int open_connection(struct peer *peer, void *state)
{
    struct raw_connection *c = state;
    c->sink.verbs = &raw_sink_verbs;
    c->peer = peer;
    c->broker = peer_broker(peer);
    return 0;
}

static ssize_t receive(struct peer *peer, void *state, struct slice bytes)
{
    struct raw_connection *c = state;
    c->heard_ms = peer_now_ms(peer);
    c->heard_len = (uint16_t)(bytes.len < UINT16_MAX ? bytes.len : UINT16_MAX);
    c->answering = true;
    c->pinged = false;
    hear(c, bytes);
    c->answering = false;
    if (c->session && !c->leaving) {
        raw_catch_up(c, true);
        raw_set_deadline(c);
    }
    return (ssize_t)bytes.len;
}

static void drained(struct peer *peer, void *state)
{
    struct raw_connection *c = state;
    (void)peer;
    if (c->session && !c->leaving)
        session_pump(c->session);
}

static void expired(struct peer *peer, void *state)
{
    struct raw_connection *c = state;
    c->deadline_ms = 0;
    if (!c->session || c->leaving)
        return;
    if (peer_now_ms(peer) >= c->heard_ms + raw_options_of(c)->idle_timeout) {
        raw_close(c, "nothing was heard for idle_timeout");
        return;
    }
    raw_catch_up(c, false);
    raw_set_deadline(c);
}

static void stopping(struct peer *peer, void *state)
{
    struct raw_connection *c = state;
    (void)peer;
    raw_say_goodbye(c);
    raw_close(c, "siotd is stopping");
}

/* Who had no session leaves no line: a datagram is no event. */
static void close_connection(struct peer *peer, void *state, const char *why)
{
    struct raw_connection *c = state;
    if (c->session || c->leaving)
        peer_log(peer, LOG_INFO, "%s%s", c->leaving ? "" : "closed: ", why);
    raw_detach(c, false, why);
}

const struct protocol raw_protocol = {
    .name = "raw",
    .carriers = CARRIER_DATAGRAM,
    .state_size = sizeof(struct raw_connection),
    .options = &raw_option_table,
    .open = open_connection,
    .receive = receive,
    .drained = drained,
    .expired = expired,
    .stopping = stopping,
    .close = close_connection,
};
