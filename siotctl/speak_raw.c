/* speak_raw: siotctl as a device that sends raw datagrams. */
#include "base/random.h"
#include "protocols/raw/wire.h"
#include "siotctl/dialect.h"
#include "siotctl/say.h"

#include <stdio.h>
#include <stdlib.h>

enum { PING_MS = 20000, PADDING = 48 };

struct speech {
    uint64_t asked_id; /* of the PUB that waits */
    uint64_t spoke_ms;
    enum raw_verb awaited;
};

/* Encodes and hands over to `then`; false without memory. */
static int with_datagram(struct talk *talk, const struct raw_line *line, const char *what,
                         enum heard (*hear)(struct talk *, struct slice))
{
    size_t size = raw_size(line);
    uint8_t *room = malloc(size + PADDING);
    if (!room)
        return say_failed("out of memory");
    struct writer w = writer_of(room, size);
    raw_encode(&w, line);
    /* Some blanks more: room for the id with which this address proves itself at once. */
    if (line->verb == RAW_SUB) {
        room[size++] = '\n';
        memset(room + size, ' ', PADDING - 1);
        size += PADDING - 1;
    }
    int status = ENDED_WELL;
    if (hear)
        status = talk_ask(talk, slice_of(room, size), slice_of(room, size), hear, what);
    else if (road_send(talk->road, slice_of(room, size)) != 0)
        status = say_failed("%s: could not be sent", what);
    free(room);
    return status;
}

static void show(struct talk *talk, const struct raw_line *line)
{
    uint8_t *room = malloc(line->topic.len);
    if (!room)
        return;
    talk_show(talk, raw_read_topic(line->topic, room), line->payload);
    free(room);
}

static enum heard hear(struct talk *talk, struct slice datagram)
{
    struct speech *speech = talk->state;
    struct raw_line line;
    if (raw_decode(datagram, &line) != RAW_GOOD)
        return HEARD_OTHER;
    switch (line.verb) {
    case RAW_MSG:
        if (line.has_id)
            with_datagram(talk, &(struct raw_line){.verb = RAW_ACK, .id = line.id}, "ACK", NULL);
        show(talk, &line);
        return HEARD_OTHER;
    case RAW_ERR:
        say_failed("the broker refuses: %.*s", SLICE_FMT(line.reason));
        return HEARD_REFUSAL;
    case RAW_BYE:
        say_failed("the broker has ended the subscription");
        return HEARD_REFUSAL;
    case RAW_ACK:
        return speech->awaited == RAW_ACK && line.id == speech->asked_id ? HEARD_ANSWER
                                                                         : HEARD_OTHER;
    case RAW_OK:
        if (line.has_id)
            with_datagram(talk, &(struct raw_line){.verb = RAW_ACK, .id = line.id}, "ACK", NULL);
        return speech->awaited == RAW_OK ? HEARD_ANSWER : HEARD_OTHER;
    default:
        return line.verb == speech->awaited ? HEARD_ANSWER : HEARD_OTHER;
    }
}

static int enter(struct talk *talk)
{
    (void)talk;
    return ENDED_WELL;
}

static int publish(struct talk *talk, struct slice payload)
{
    struct speech *speech = talk->state;
    const struct order *order = talk->order;
    struct raw_line line = {
        .verb = RAW_PUB,
        .topic = slice_of_str(order->topics[0]),
        .payload = payload,
        .retain = order->retain,
        .has_id = order->qos > 0,
        .id = random_u64() >> 1,
    };
    speech->asked_id = line.id;
    speech->awaited = RAW_ACK;
    return with_datagram(talk, &line, "PUB", order->qos ? hear : NULL);
}

static int subscribe(struct talk *talk)
{
    struct speech *speech = talk->state;
    int status = ENDED_WELL;
    for (size_t i = 0; i < talk->order->topic_count && status == ENDED_WELL; i++) {
        speech->awaited = RAW_OK;
        status = with_datagram(talk,
                               &(struct raw_line){.verb = RAW_SUB,
                                                  .topic = slice_of_str(talk->order->topics[i]),
                                                  .qos = (uint8_t)talk->order->qos},
                               "SUB", hear);
    }
    speech->spoke_ms = road_now_ms();
    return status;
}

static int listen_for(struct talk *talk, uint64_t wait_ms)
{
    struct speech *speech = talk->state;
    if (road_now_ms() - speech->spoke_ms >= PING_MS) {
        speech->awaited = RAW_PONG;
        speech->spoke_ms = road_now_ms();
        int status = with_datagram(talk, &(struct raw_line){.verb = RAW_PING}, "PING", hear);
        if (status != ENDED_WELL || talk_is_over(talk))
            return status;
    }
    return talk_hear(talk, wait_ms, hear);
}

static void leave(struct talk *talk)
{
    if (talk->order->count || road_interrupted)
        with_datagram(talk, &(struct raw_line){.verb = RAW_BYE}, "BYE", NULL);
}

const struct dialect raw_dialect = {
    .name = "raw",
    .port = 5600,
    .secure_port = 5601,
    .most_qos = 1,
    .state_size = sizeof(struct speech),
    .enter = enter,
    .publish = publish,
    .subscribe = subscribe,
    .listen = listen_for,
    .leave = leave,
};
