/* notify: see notify.h. The last room on the way of a message: session -> observe.c -> here ->
 * coap_notification_send.
 *
 * Invariant: o->waiting is empty while nothing keeps it from being said. */
#include "protocols/coap/notify.h"

#include "base/random.h"
#include "protocols/coap/format.h"
#include "protocols/coap/kept.h"

void coap_news_clear(struct coap_news *news)
{
    message_unref(news->message);
    *news = (struct coap_news){0};
}

/* 24 bits of a number that rises with the time as well, 16 ms a step, and over a restart never
 * below what was said before (RFC 7641 section 4.4). */
uint64_t coap_next_number(struct coap_observation *o)
{
    struct coap_home *home = coap_home_of(peer_broker(o->e->peer));
    uint64_t least = (uint64_t)broker_wall_ms(peer_broker(o->e->peer)) / 16;
    if (home && coap_kept_floor(home) > least)
        least = coap_kept_floor(home);
    o->sequence = o->sequence + 1 > least ? o->sequence + 1 : least;
    if (home && o->kept)
        coap_kept_say(home, o->sequence);
    return o->sequence;
}

/* Makes 4.06 of a state that has another format than what was sent before (RFC 7641 section
 * 4.2). A message that says nothing of its format goes with any. */
static void check_format(struct coap_observation *o, struct coap_news *news)
{
    uint32_t format =
        news->message ? coap_format_of(message_properties(news->message)) : COAP_NO_FORMAT;
    if (format == COAP_NO_FORMAT || coap_class(news->code) != 2)
        return;
    if (o->format == COAP_NO_FORMAT) {
        o->format = format;
        if (o->kept)
            coap_keep(o);
    }
    if (o->format == format)
        return;
    news->code = COAP_NOT_ACCEPTABLE;
    news->con = true;
}

void coap_transmit(struct coap_observation *o, enum coap_type type, uint16_t id, uint64_t sequence,
                   const struct coap_news *news)
{
    struct coap_answer a = coap_answer_of(news->code, NULL);
    const struct message *m = news->message;
    if (coap_class(news->code) == 2) { /* RFC 7641 section 3.2: the last word has none */
        a.has_observe = true;
        a.observe = (uint32_t)sequence;
    }
    if (m && a.has_observe) {
        a.format = coap_format_of(message_properties(m));
        a.payload = message_payload(m);
        if (m->expires_ms) {
            a.has_max_age = true;
            a.max_age = message_seconds_left(m, broker_wall_ms(peer_broker(o->e->peer)));
        }
    }
    coap_notification_send(o->e, type, id, coap_token_of(o), &a, o->szx);
}

/* Keeps the message if it is more than what one notification holds, for its further blocks. */
void coap_hold_large(struct coap_observation *o, const struct coap_news *news)
{
    struct message *m = news->message;
    bool large = m && m->payload_len > coap_block_size((struct coap_block){.szx = o->szx});
    struct message *held = large ? message_hold(m) : NULL;
    message_unref(o->held);
    o->held = held;
}

/* A timeout between one and one and a half times ACK_TIMEOUT (RFC 7252 section 4.2). */
static uint32_t first_timeout_ms(void)
{
    uint16_t part;
    random_bytes(&part, sizeof part);
    return COAP_ACK_TIMEOUT_MS + part % (COAP_ACK_TIMEOUT_MS / 2 + 1);
}

/* Begins to send a state of the resource, of which it takes over the reference, until it is
 * acknowledged. Only when no other is under way. */
static void say_confirmed(struct coap_observation *o, struct coap_news *news)
{
    struct coap_endpoint *e = o->e;
    coap_hold_large(o, news);
    coap_news_clear(&o->flight);
    o->flight = *news;
    *news = (struct coap_news){0};
    o->flight_sequence = coap_next_number(o);
    e->unacked = o;
    e->unacked_id = coap_endpoint_next_id(e);
    e->tries = 0;
    e->timeout_ms = first_timeout_ms();
    e->due_ms = peer_now_ms(e->peer) + e->timeout_ms;
    coap_transmit(o, COAP_CON, e->unacked_id, o->flight_sequence, &o->flight);
    coap_observe_deadline(e);
}

/* Whether something has to be answered before this can be said. */
static bool must_wait(const struct coap_observation *o, bool con)
{
    const struct coap_endpoint *e = o->e;
    return e->unacked == o || (con && e->unacked) || peer_is_full(e->peer);
}

static bool wants_acknowledgement(const struct coap_observation *o, const struct message *m)
{
    const struct coap_endpoint *e = o->e;
    int notify = coap_options_of(e)->notify;
    return notify == COAP_NOTIFY_CON || (notify == COAP_NOTIFY_QOS && m && m->qos > 0) ||
           !peer_is_verified(e->peer) || o->probe_ms ||
           peer_now_ms(e->peer) - o->checked_ms >= coap_check_ms(o);
}

/* Notifies at once, without keeping anything; the message may be borrowed. */
static void say_unconfirmed(struct coap_observation *o, const struct coap_news *news)
{
    coap_hold_large(o, news);
    o->last_id = coap_endpoint_next_id(o->e);
    o->has_last_id = true;
    coap_transmit(o, COAP_NON, o->last_id, coap_next_number(o), news);
}

/* A new state. `m` may be borrowed; NULL for none. */
void coap_tell(struct coap_observation *o, uint8_t code, struct message *m)
{
    struct coap_news news = {.code = code, .message = m};
    news.con = coap_class(code) != 2 || wants_acknowledgement(o, m);
    if (o->over || coap_class(o->waiting.code) > 2) /* its last word is waiting already */
        return;
    check_format(o, &news);
    bool wait = must_wait(o, news.con);
    if (!wait && !news.con) {
        say_unconfirmed(o, &news);
        return;
    }
    news.message = m ? message_hold(m) : NULL;
    if (m && !news.message)
        return; /* out of memory costs a state; the next one comes */
    if (!wait) {
        say_confirmed(o, &news);
        return;
    }
    if (o->waiting.code)
        broker_stats(peer_broker(o->e->peer))->publish_coalesced++;
    coap_news_clear(&o->waiting);
    o->waiting = news;
}

/* Says what waits, as far as it may now. */
void coap_go_on(struct coap_endpoint *e)
{
    each_observation(o, e)
    {
        if (o->over || !o->waiting.code || must_wait(o, o->waiting.con))
            continue;
        struct coap_news news = o->waiting;
        o->waiting = (struct coap_news){0};
        if (news.con)
            say_confirmed(o, &news);
        else
            say_unconfirmed(o, &news);
        coap_news_clear(&news);
    }
}
