/* traffic: the message in flight, and sending again; see traffic.h. pending.c has what waits for
 * REGACK.
 *
 * Invariant: flight_type is 0 exactly when flight.message and its msg id mean nothing; a PUBREL
 * needs no message any more. */
#include "protocols/mqtt_sn/traffic.h"

#include <stdlib.h>

struct sn_traffic *sn_traffic_of(struct sn_connection *c)
{
    if (c->traffic)
        return c->traffic;
    c->traffic = calloc(1, sizeof *c->traffic);
    if (c->traffic)
        list_init(&c->traffic->pending);
    return c->traffic;
}

void sn_traffic_trim(struct sn_connection *c)
{
    struct sn_traffic *t = c->traffic;
    if (t && !t->flight_type && !t->register_id && list_empty(&t->pending)) {
        free(t);
        c->traffic = NULL;
    }
}

static uint64_t retry_at(const struct sn_connection *c)
{
    return peer_now_ms(c->gate->peer) + sn_options_of(c->gate)->retry;
}

static void send_parcel(struct sn_connection *c, const struct sn_parcel *parcel, uint8_t dup)
{
    struct sn_packet packet = {
        .type = SN_PUBLISH,
        .flags = parcel->flags | dup,
        .topic_id = parcel->topic_id,
        .msg_id = parcel->msg_id,
        .text = message_payload(parcel->message),
    };
    sn_tell(c, &packet);
}

static void send_pubrel(struct sn_connection *c, uint16_t msg_id)
{
    struct sn_packet packet = {.type = SN_PUBREL, .msg_id = msg_id};
    sn_tell_after(c, &packet);
}

static void forget_flight(struct sn_traffic *t)
{
    message_unref(t->flight.message);
    t->flight.message = NULL;
    t->flight_type = 0;
    t->retold = false;
}

bool sn_dispatch(struct sn_connection *c, const struct sn_parcel *parcel)
{
    if ((parcel->flags & SN_QOS) == 0) {
        send_parcel(c, parcel, 0);
        return true;
    }
    struct sn_traffic *t = sn_traffic_of(c);
    if (!t)
        return false;
    struct message *held = t->flight_type ? NULL : message_hold(parcel->message);
    if (!held) {
        sn_traffic_trim(c);
        return false;
    }
    t->flight = *parcel;
    t->flight.message = held;
    t->flight_type = SN_PUBLISH;
    t->flight_tries = 0;
    t->flight_due_ms = retry_at(c);
    send_parcel(c, parcel, 0);
    sn_gate_due(c->gate, t->flight_due_ms);
    return true;
}

void sn_release(struct sn_connection *c, uint16_t msg_id)
{
    struct sn_traffic *t = sn_traffic_of(c);
    if (t) {
        forget_flight(t);
        t->flight = (struct sn_parcel){.msg_id = msg_id};
        t->flight_type = SN_PUBREL;
        t->flight_tries = 0;
        t->flight_due_ms = retry_at(c);
        sn_gate_due(c->gate, t->flight_due_ms);
    }
    if (sn_is_listening(c)) /* without memory it is not sent again: a new connection does that */
        send_pubrel(c, msg_id);
}

bool sn_is_in_flight(const struct sn_connection *c, enum sn_type type, uint16_t msg_id)
{
    const struct sn_traffic *t = c->traffic;
    return t && t->flight_type == type && t->flight.msg_id == msg_id;
}

void sn_landed(struct sn_connection *c)
{
    forget_flight(c->traffic);
    sn_traffic_trim(c);
}

bool sn_retell(struct sn_connection *c)
{
    struct sn_traffic *t = c->traffic;
    struct sn_topic *topic = sn_topics_find(c->topics, t->flight.topic_id);
    if (t->retold || !topic || (t->flight.flags & SN_ID_TYPE) != SN_ID_NORMAL)
        return false;
    struct sn_parcel parcel = t->flight;
    parcel.register_id = topic->id;
    topic->known = false;
    if (!sn_wait_for_regack(c, &parcel)) {
        topic->known = true;
        return false;
    }
    t->flight.message = NULL; /* its reference waits now */
    t->flight_type = 0;
    t->retold = true;
    return true;
}

void sn_postpone(struct sn_connection *c)
{
    c->traffic->flight_due_ms = retry_at(c);
    sn_gate_due(c->gate, c->traffic->flight_due_ms);
}

bool sn_traffic_is_owed(const struct sn_connection *c)
{
    return c->traffic && (c->traffic->flight_type || !list_empty(&c->traffic->pending));
}

/* ---- sending again ---- */

uint64_t sn_traffic_due_ms(const struct sn_connection *c)
{
    const struct sn_traffic *t = c->traffic;
    uint64_t due = UINT64_MAX;
    if (!t || !sn_is_listening(c))
        return due;
    if (t->flight_type)
        due = t->flight_due_ms;
    if (t->register_id && t->register_due_ms < due)
        due = t->register_due_ms;
    return due;
}

static void flight_again(struct sn_connection *c)
{
    struct sn_traffic *t = c->traffic;
    t->flight_due_ms = retry_at(c);
    if (t->flight_type == SN_PUBLISH)
        send_parcel(c, &t->flight, SN_DUP);
    else
        send_pubrel(c, t->flight.msg_id);
}

bool sn_traffic_again(struct sn_connection *c)
{
    struct sn_traffic *t = c->traffic;
    uint64_t now = peer_now_ms(c->gate->peer), most = sn_options_of(c->gate)->retries;
    if (!t || !sn_is_listening(c))
        return true;
    if (t->flight_type && t->flight_due_ms <= now) {
        if (t->flight_tries++ >= most)
            return false;
        flight_again(c);
    }
    if (t->register_id && t->register_due_ms <= now) {
        if (t->register_tries <= most)
            sn_register_again(c);
        else if (!list_empty(&t->pending))
            return false;
        else /* it was asked for a proof only, and has none to give */
            t->register_id = 0;
    }
    sn_traffic_trim(c);
    return true;
}

void sn_traffic_wake(struct sn_connection *c)
{
    struct sn_traffic *t = c->traffic;
    if (!t)
        return;
    t->flight_tries = t->register_tries = 0;
    if (t->flight_type)
        flight_again(c);
    if (!t->register_id)
        sn_register_next(c);
    else if (!list_empty(&t->pending)) /* else for a proof only: PINGRESP is worth more */
        sn_register_again(c);
    sn_gate_due(c->gate, sn_traffic_due_ms(c));
}

void sn_traffic_pause(struct sn_connection *c)
{
    if (c->traffic)
        c->traffic->flight_tries = c->traffic->register_tries = 0;
}

void sn_traffic_clear(struct sn_connection *c)
{
    if (!c->traffic)
        return;
    forget_flight(c->traffic);
    sn_pending_clear(c->traffic);
    free(c->traffic);
    c->traffic = NULL;
}
