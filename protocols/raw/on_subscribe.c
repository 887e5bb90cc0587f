/* on_subscribe: SUB, UNSUB, and the ACK of what SUB has brought.
 *
 * SUB may come any number of times: it answers OK each time and brings the retained values again,
 * which is how a device that has lost its memory gets them. */
#include "protocols/raw/connection.h"

#include <stdlib.h>

enum { FILTER_ROOM = 1024 };

static const struct raw_line ok = {.verb = RAW_OK};

/* Calls one of the two with the filter as it is meant. */
static enum verdict with_filter(struct raw_connection *c, const struct raw_line *line,
                                enum verdict (*then)(struct raw_connection *, struct slice,
                                                     uint8_t))
{
    uint8_t room[FILTER_ROOM], *larger = NULL;
    if (line->topic.len > sizeof room && !(larger = malloc(line->topic.len)))
        return VERDICT_NO_MEMORY;
    enum verdict verdict = then(c, raw_read_topic(line->topic, larger ? larger : room), line->qos);
    free(larger);
    return verdict;
}

static enum verdict subscribe(struct raw_connection *c, struct slice filter, uint8_t qos)
{
    struct subscribe_options options = {.qos = qos};
    return broker_subscribe(c->broker, c->session, filter, &options);
}

static enum verdict unsubscribe(struct raw_connection *c, struct slice filter, uint8_t qos)
{
    (void)qos;
    enum verdict verdict = broker_unsubscribe(c->broker, c->session, filter);
    if (verdict == VERDICT_OK)
        raw_forget_newest(c, filter);
    return verdict;
}

/* Who leaves room for it behind his line gets an id at once, to prove his address with. */
static void welcome(struct raw_connection *c, const struct raw_line *line)
{
    struct raw_line answer = {.verb = RAW_OK, .id = raw_wire_id(c, 0)};
    answer.has_id = line->payload.len && !peer_is_verified(c->peer);
    if (answer.has_id && raw_size(&answer) > c->heard_len)
        answer.has_id = false;
    raw_answer(c, &answer, raw_promise(c));
}

void raw_on_subscribe(struct raw_connection *c, const struct raw_line *line)
{
    bool fresh = !c->session;
    enum verdict verdict = raw_attach(c);
    if (verdict == VERDICT_OK)
        verdict = with_filter(c, line, subscribe);
    if (verdict == VERDICT_OK) {
        raw_subscribed(c);
        welcome(c, line);
        return;
    }
    raw_refuse(c, raw_verdict_reason(verdict));
    if (fresh)
        raw_detach(c, true, raw_verdict_reason(verdict));
}

void raw_on_unsubscribe(struct raw_connection *c, const struct raw_line *line)
{
    enum verdict verdict = c->session ? with_filter(c, line, unsubscribe) : VERDICT_NO_SUBSCRIPTION;
    if (verdict == VERDICT_OK || verdict == VERDICT_NO_SUBSCRIPTION)
        raw_answer(c, &ok, raw_promise(c));
    else
        raw_refuse(c, raw_verdict_reason(verdict));
}

void raw_on_ack(struct raw_connection *c, const struct raw_line *line)
{
    uint16_t packet_id = (uint16_t)line->id;
    if (!c->session || line->id != raw_wire_id(c, packet_id))
        return; /* a guess, or late: of a session that is over */
    if (!peer_is_verified(c->peer))
        peer_verify(c->peer);
    if (raw_forget(c, packet_id))
        session_acknowledged(c->session, packet_id, ACK_PUBACK);
}
