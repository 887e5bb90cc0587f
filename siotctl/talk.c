/* talk: what all dialects of siotctl pub and sub have in common; see dialect.h. */
#include "siotctl/dialect.h"

#include "siotctl/say.h"

#include <errno.h>
#include <stdio.h>

enum { FIRST_WAIT_MS = 2000, TRIES = 5 };

const struct dialect *dialect_named(const char *name)
{
    static const struct dialect *const all[] = {&mqtt_dialect, &raw_dialect, &sn_dialect,
                                                &coap_dialect};
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        if (strcmp(all[i]->name, name) == 0)
            return all[i];
    return NULL;
}

bool talk_is_over(const struct talk *talk)
{
    return road_interrupted || (talk->order->count && talk->shown >= talk->order->count);
}

void talk_show(struct talk *talk, struct slice topic, struct slice payload)
{
    if (talk_is_over(talk))
        return;
    talk->shown++;
    if (talk->order->verbose) {
        fwrite(topic.at, 1, topic.len, stdout);
        fputc(' ', stdout);
    }
    if (payload.len)
        fwrite(payload.at, 1, payload.len, stdout);
    fputc('\n', stdout);
    fflush(stdout);
}

/* Hears datagrams until the answer has come or time is up: 1, 0, or ENDED_FAILED negated. */
static int hear_until(struct talk *talk, uint64_t until, bool asked,
                      enum heard (*hear)(struct talk *talk, struct slice datagram))
{
    for (uint64_t now; (now = road_now_ms()) < until && !road_interrupted;) {
        struct slice datagram;
        int result = road_receive(talk->road, until - now, &datagram);
        if (result == -ECONNREFUSED && asked)
            continue; /* nobody is there yet */
        if (result < 0) {
            say_failed("%s: %s", road_name(talk->road), road_why(talk->road, result));
            return -ENDED_FAILED;
        }
        if (result == 0)
            continue;
        enum heard heard = hear(talk, datagram);
        if (heard == HEARD_REFUSAL)
            return -ENDED_FAILED;
        if (heard == HEARD_ANSWER && asked)
            return 1;
        if (!asked && talk_is_over(talk))
            return 0;
    }
    return 0;
}

int talk_ask(struct talk *talk, struct slice datagram, struct slice again,
             enum heard (*hear)(struct talk *talk, struct slice datagram), const char *what)
{
    uint64_t wait = FIRST_WAIT_MS;
    for (int i = 0; i < TRIES && !road_interrupted; i++, wait *= 2) {
        int error = road_send(talk->road, i ? again : datagram);
        if (error && error != -ECONNREFUSED)
            return say_failed("%s: %s", road_name(talk->road), road_why(talk->road, error));
        int result = hear_until(talk, road_now_ms() + wait, true, hear);
        if (result)
            return result < 0 ? ENDED_FAILED : ENDED_WELL;
    }
    return say_failed("%s: no answer to %s", road_name(talk->road), what);
}

int talk_hear(struct talk *talk, uint64_t wait_ms,
              enum heard (*hear)(struct talk *talk, struct slice datagram))
{
    return hear_until(talk, road_now_ms() + wait_ms, false, hear) < 0 ? ENDED_FAILED : ENDED_WELL;
}
