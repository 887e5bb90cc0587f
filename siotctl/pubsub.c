/* pubsub: siotctl pub and siotctl sub: a client of every protocol that siotd speaks, so that a
 * person needs no other tool to try it. */
#include "base/buffer.h"
#include "siotctl/dialect.h"
#include "siotctl/say.h"
#include "siotctl/verbs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { ENDED_LATE = 3, LISTEN_MS = 500, READ_SIZE = 65536 };

/* Opens the road and makes itself known. */
static int begin(struct talk *talk, const struct order *order)
{
    *talk = (struct talk){.order = order};
    talk->state = calloc(1, order->dialect->state_size);
    if (!talk->state)
        return say_failed("out of memory");
    talk->road = road_open(order);
    return talk->road ? order->dialect->enter(talk) : ENDED_FAILED;
}

static void end(struct talk *talk)
{
    if (talk->road)
        talk->order->dialect->leave(talk);
    road_close(talk->road);
    free(talk->state);
}

/* ---- pub ---- */

static int publish_lines(struct talk *talk)
{
    char *line = NULL;
    size_t size = 0;
    int status = ENDED_WELL;
    for (ssize_t len;
         status == ENDED_WELL && !road_interrupted && (len = getline(&line, &size, stdin)) >= 0;) {
        if (len && line[len - 1] == '\n')
            len--;
        status = talk->order->dialect->publish(talk, slice_of(line, (size_t)len));
    }
    free(line);
    return status;
}

static int publish_stdin(struct talk *talk)
{
    struct buffer all = {0};
    int status = ENDED_WELL;
    for (ssize_t got = 1; got > 0 && status == ENDED_WELL;) {
        uint8_t *to = buffer_room(&all, READ_SIZE);
        got = to ? read(STDIN_FILENO, to, READ_SIZE) : -1;
        if (got < 0)
            status = say_failed("standard input: %s", strerror(errno));
        else
            all.len += (uint32_t)got;
    }
    if (status == ENDED_WELL)
        status = talk->order->dialect->publish(talk, buffer_slice(&all));
    buffer_clear(&all);
    return status;
}

static int publish(struct talk *talk)
{
    switch (talk->order->source) {
    case FROM_LINES:
        return publish_lines(talk);
    case FROM_STDIN:
        return publish_stdin(talk);
    case FROM_ARGUMENT:
        return talk->order->dialect->publish(talk, slice_of_str(talk->order->message));
    case FROM_NOTHING:
    case FROM_NOWHERE:
        break;
    }
    return talk->order->dialect->publish(talk, SLICE_EMPTY);
}

int pub_run(int argc, char **argv)
{
    struct order order;
    struct talk talk;
    int status = order_read(&order, true, argc, argv);
    if (status != ENDED_WELL)
        return status < 0 ? say_printed() : status;
    status = begin(&talk, &order);
    if (status == ENDED_WELL)
        status = publish(&talk);
    end(&talk);
    return status;
}

/* ---- sub ---- */

static int listen_long_enough(struct talk *talk)
{
    uint64_t began = road_now_ms(), limit = talk->order->timeout_ms;
    int status = ENDED_WELL;
    while (status == ENDED_WELL && !talk_is_over(talk)) {
        uint64_t gone = road_now_ms() - began;
        if (limit && gone >= limit)
            return talk->shown ? ENDED_WELL : ENDED_LATE;
        uint64_t wait = limit && limit - gone < LISTEN_MS ? limit - gone : LISTEN_MS;
        status = talk->order->dialect->listen(talk, wait);
    }
    return status;
}

int sub_run(int argc, char **argv)
{
    struct order order;
    struct talk talk;
    int status = order_read(&order, false, argc, argv);
    if (status != ENDED_WELL)
        return status < 0 ? say_printed() : status;
    road_heed_signals();
    status = begin(&talk, &order);
    if (status == ENDED_WELL)
        status = order.dialect->subscribe(&talk);
    if (status == ENDED_WELL)
        status = listen_long_enough(&talk);
    end(&talk);
    return status == ENDED_WELL ? say_printed() : status;
}
