/* on_publish: PUB, and datagrams that are nothing but a payload.
 *
 *   line -> duplicate? -> a struct message on the stack that borrows the datagram -> broker_publish
 *
 * With an id it is QoS 1: the ACK leaves when the core has taken the message as surely as it takes
 * any (broker_promise_for). A device that has not got it sends the same datagram again, byte by
 * byte, and is acknowledged without a second publication, but no earlier than the first. The whole
 * datagram is compared, so that a device which wakes up and counts its ids from 1 again is not
 * taken for one that repeats itself.
 */
#include "protocols/raw/answered.h"
#include "protocols/raw/connection.h"

#include <stdlib.h>

enum { TOPIC_ROOM = 1024 };

static enum verdict publish(struct raw_connection *c, struct slice topic, struct slice payload,
                            uint8_t qos, bool retain)
{
    if (topic.len > UINT16_MAX)
        return VERDICT_BAD_TOPIC;
    struct message message = {
        .topic = topic.at,
        .payload = payload.at,
        .topic_len = (uint16_t)topic.len,
        .payload_len = (uint32_t)payload.len,
        .qos = qos,
        .retain = retain,
    };
    enum verdict verdict = c->session
                               ? broker_publish(c->broker, c->session, &message)
                               : broker_publish_as(c->broker, raw_principal(c),
                                                   peer_listener(c->peer)->mountpoint, &message);
    message_end(&message);
    return verdict;
}

/* Publishes a topic that may be written with %XX. */
static enum verdict publish_line(struct raw_connection *c, const struct raw_line *line)
{
    uint8_t room[TOPIC_ROOM], *larger = NULL;
    if (line->topic.len > sizeof room && !(larger = malloc(line->topic.len)))
        return VERDICT_NO_MEMORY;
    struct slice topic = raw_read_topic(line->topic, larger ? larger : room);
    enum verdict verdict = publish(c, topic, line->payload, line->has_id, line->retain);
    free(larger);
    return verdict;
}

static void acknowledge(struct raw_connection *c, uint64_t id, uint64_t promise)
{
    raw_answer(c, &(struct raw_line){.verb = RAW_ACK, .id = id}, promise);
}

void raw_on_publish(struct raw_connection *c, const struct raw_line *line, struct slice datagram)
{
    const struct raw_options *options = raw_options_of(c);
    uint64_t now = peer_now_ms(c->peer), key = 0, promise = 0;
    if (line->has_id && options->duplicate_window) {
        key = raw_recent_key(c, datagram);
        if (raw_recent_find(RAW_PUBLISHED, key, now, &promise)) {
            acknowledge(c, line->id, promise);
            return;
        }
    }
    enum verdict verdict = publish_line(c, line);
    if (verdict != VERDICT_OK && verdict != VERDICT_NO_SUBSCRIBERS) {
        raw_refuse(c, raw_verdict_reason(verdict));
        return;
    }
    if (!line->has_id)
        return;
    promise = raw_promise(c);
    if (options->duplicate_window)
        raw_recent_put(RAW_PUBLISHED, options->remembered, key, now,
                       now + options->duplicate_window, promise);
    acknowledge(c, line->id, promise);
}

void raw_on_template(struct raw_connection *c, const char *pattern, struct slice datagram)
{
    uint8_t room[TOPIC_ROOM];
    struct writer topic = writer_of(room, sizeof room);
    const struct identity *identity = peer_identity(c->peer);
    struct slice device = identity ? identity_name(identity) : SLICE_EMPTY;
    if (raw_fill_template(slice_of_str(pattern), device, &topic))
        publish(c, slice_of(room, writer_len(&topic)), datagram, 0, false);
    else
        broker_stats(c->broker)->publish_refused++;
}
