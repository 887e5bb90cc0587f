/* will: see will.h. session.c decides when; publish.c routes it like any other message.
 *
 * Wills come in storms (a rack loses power, a network splits), so no more than
 * limits.wills_per_second are said in a second; the rest wait here, in order, with all they need
 * after their session is gone. Who reconnects and vanishes faster than that adds to them without
 * end, so what waits is bounded by limits.wills_bytes. */
#include "broker/will.h"
#include "broker/core.h"
#include <stdlib.h>

struct fired_will {
    struct list link;
    struct principal *principal;
    struct will *will;
    char mountpoint[];
};

void will_free(struct will *will)
{
    if (!will)
        return;
    message_unref(will->message);
    free(will);
}

static void fired_free(struct fired_will *fired)
{
    list_remove(&fired->link);
    principal_unref(fired->principal);
    will_free(fired->will);
    free(fired);
}

/* Nobody waits for the verdict on a will. */
static void count_refused(struct broker *broker, enum verdict verdict)
{
    if (verdict == VERDICT_OK || verdict == VERDICT_NO_SUBSCRIBERS)
        return;
    broker->stats.dropped[verdict == VERDICT_NO_MEMORY   ? DROP_NO_MEMORY
                          : verdict == VERDICT_TOO_LARGE ? DROP_TOO_LARGE
                                                         : DROP_DENIED]++;
}

static void say(struct broker *broker, const struct fired_will *fired)
{
    const struct will *will = fired->will;
    struct origin origin = {
        .principal = fired->principal, .mountpoint = fired->mountpoint, .action = ACTION_WILL};
    /* Borrowed again: its time to live begins now. */
    struct message message = *will->message;
    message.refs = 0;
    message.held = NULL;
    message.expires_ms = will->expires ? broker->wall_ms + (int64_t)will->expiry_s * 1000 : 0;
    count_refused(broker, publish_route(broker, &origin, &message));
    message_end(&message);
}

static size_t fired_size(const struct fired_will *fired)
{
    return sizeof *fired + strlen(fired->mountpoint) + fired->principal->client_id_len +
           message_size(fired->will->message);
}

static bool rate_allows(struct broker *broker)
{
    uint64_t second = broker->mono_ms / 1000;
    if (second != broker->wills_second) {
        broker->wills_second = second;
        broker->wills_fired = 0;
    }
    if (broker->wills_fired >= broker->limits->wills_per_second)
        return false;
    broker->wills_fired++;
    return true;
}

static void hold_back(struct broker *broker, struct fired_will *fired)
{
    if (broker->wills_bytes + fired_size(fired) > broker->limits->wills_bytes) {
        broker->stats.dropped[DROP_QUEUE_FULL]++;
        fired_free(fired);
        return;
    }
    broker->wills_bytes += fired_size(fired);
    list_append(&broker->wills, &fired->link);
}

void will_fire(struct session *session)
{
    struct broker *broker = session->broker;
    struct will *will = session->will;
    if (!will)
        return;
    session->will = NULL; /* once only, whatever routing it may cause */
    durable_will_fired(session);
    size_t size = strlen(session->mountpoint) + 1;
    struct principal *principal = session_principal(session);
    struct fired_will *fired = principal ? malloc(sizeof *fired + size) : NULL;
    if (!fired) {
        broker->stats.dropped[DROP_NO_MEMORY]++;
        will_free(will);
        return;
    }
    fired->principal = principal_ref(principal);
    fired->will = will;
    memcpy(fired->mountpoint, session->mountpoint, size);
    list_init(&fired->link);
    if (list_empty(&broker->wills) && rate_allows(broker)) {
        say(broker, fired);
        fired_free(fired);
    } else {
        hold_back(broker, fired);
    }
}

/* What the rate leaves over waits for the housekeeping timer, which begins a turn each second. */
void will_work(struct broker *broker)
{
    struct list *link;
    while ((link = list_first(&broker->wills)) != NULL && rate_allows(broker)) {
        struct fired_will *fired = list_item(link, struct fired_will, link);
        broker->wills_bytes -= fired_size(fired);
        say(broker, fired);
        fired_free(fired);
    }
}

void wills_clear(struct broker *broker)
{
    struct list *link;
    while ((link = list_first(&broker->wills)) != NULL)
        fired_free(list_item(link, struct fired_will, link));
}
