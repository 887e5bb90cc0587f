/* refuse: what a device is answered. The last room on the way of an acknowledgement.
 *
 * An answer is never longer than what came in, so that nobody can make siotd send more to a forged
 * address than he sends himself; refusals leave at most once in a second for each source. */
#include "protocols/raw/answered.h"
#include "protocols/raw/connection.h"

enum { REFUSALS_REMEMBERED = 4096, REFUSALS_APART_MS = 1000 };

void raw_answer(struct raw_connection *c, const struct raw_line *answer, uint64_t promise)
{
    size_t size = raw_size(answer);
    if (size > c->heard_len || size > peer_allowance(c->peer))
        return;
    uint8_t *to = peer_reserve_after(c->peer, size, promise);
    if (!to)
        return;
    struct writer w = writer_of(to, size);
    raw_encode(&w, answer);
    broker_stats(c->broker)->messages_sent++;
}

void raw_pong(struct raw_connection *c)
{
    c->pinged = false;
    raw_answer(c, &(struct raw_line){.verb = RAW_PONG}, raw_promise(c));
}

uint64_t raw_promise(const struct raw_connection *c)
{
    return broker_promise_for(c->broker, c->session);
}

void raw_refuse(struct raw_connection *c, const char *reason)
{
    struct raw_line answer = {.verb = RAW_ERR, .reason = slice_of_str(reason)};
    uint64_t key = raw_recent_key(c, SLICE_EMPTY), now = peer_now_ms(c->peer);
    if (raw_recent_find(RAW_REFUSED, key, now, NULL))
        return;
    raw_recent_put(RAW_REFUSED, REFUSALS_REMEMBERED, key, now, now + REFUSALS_APART_MS, 0);
    if (raw_size(&answer) > c->heard_len)
        answer.reason = SLICE_EMPTY;
    raw_answer(c, &answer, 0);
}

void raw_say_goodbye(struct raw_connection *c)
{
    if (c->session && !c->leaving && peer_is_verified(c->peer))
        peer_send(c->peer, SLICE("BYE"));
}

const char *raw_verdict_reason(enum verdict verdict)
{
    static const char *const reasons[VERDICT_COUNT] = {
        [VERDICT_DENIED] = "denied",
        [VERDICT_BAD_TOPIC] = "topic",
        [VERDICT_BAD_FILTER] = "filter",
        [VERDICT_TOO_LARGE] = "too large",
        [VERDICT_QUOTA] = "busy",
        [VERDICT_NO_MEMORY] = "busy",
        [VERDICT_NO_SUBSCRIPTION] = "no subscription",
    };
    return reasons[verdict] ? reasons[verdict] : "";
}

const char *raw_fault_reason(enum raw_fault fault)
{
    switch (fault) {
    case RAW_NO_TOPIC:
        return "no topic";
    case RAW_BAD_TOPIC:
        return "topic";
    case RAW_BAD_ID:
        return "id";
    case RAW_BAD_WORD:
        return "word";
    case RAW_NO_VERB:
    case RAW_GOOD:
        break;
    }
    return "";
}
