/* resend: MSG again, or later: with an id until its ACK comes, and what an unproven device could
 * not be sent at once; see connection.h.
 *
 * The wait doubles with each try. After the last one the message is not given up: it is sent again
 * when the device is heard of, which may have been asleep or out of reach. Only when it has been
 * silent for `idle_timeout` does it end as a subscriber.
 *
 * Invariant: what stands in `sent` is in flight in the session too, under the same packet id. */
#include "protocols/raw/connection.h"

#include "broker/topic.h"

#include <stdlib.h>

/* A delivery with a reference to its message; NULL when out of memory. */
static struct raw_sent *sent_of(const struct raw_connection *c, const struct delivery *d)
{
    struct raw_sent *sent = malloc(sizeof *sent);
    struct message *message = sent ? message_hold(d->message) : NULL;
    if (!message) {
        free(sent);
        return NULL;
    }
    *sent = (struct raw_sent){
        .message = message,
        .due_ms = peer_now_ms(c->peer) + raw_options_of(c)->retry,
        .topic_at = (uint16_t)(d->topic.at - d->message->topic),
        .packet_id = d->packet_id,
        .tries = 1,
    };
    return sent;
}

static void drop(struct raw_sent **place)
{
    struct raw_sent *sent = *place;
    *place = sent->next;
    message_unref(sent->message);
    free(sent);
}

bool raw_keep(struct raw_connection *c, const struct delivery *d)
{
    struct raw_sent **end = &c->sent, *sent = sent_of(c, d);
    if (!sent)
        return false;
    while (*end)
        end = &(*end)->next;
    *end = sent;
    return true;
}

bool raw_keep_newest(struct raw_connection *c, const struct delivery *d)
{
    struct raw_sent *newest = sent_of(c, d);
    if (!newest)
        return false;
    raw_outdate_newest(c);
    c->newest = newest;
    return true;
}

void raw_outdate_newest(struct raw_connection *c)
{
    if (!c->newest)
        return;
    drop(&c->newest);
    broker_stats(c->broker)->dropped[DROP_SLOW]++;
}

static struct slice topic_of(const struct raw_sent *sent)
{
    return slice_from(message_topic(sent->message), sent->topic_at);
}

void raw_forget_newest(struct raw_connection *c, struct slice filter)
{
    if (c->newest && topic_matches(filter, topic_of(c->newest)))
        drop(&c->newest);
}

bool raw_forget(struct raw_connection *c, uint16_t packet_id)
{
    for (struct raw_sent **at = &c->sent; *at; at = &(*at)->next)
        if ((*at)->packet_id == packet_id) {
            drop(at);
            return true;
        }
    return false;
}

void raw_forget_all(struct raw_connection *c)
{
    while (c->sent)
        drop(&c->sent);
    if (c->newest)
        drop(&c->newest);
}

static bool send_one(struct raw_connection *c, const struct raw_sent *sent)
{
    return raw_send_msg(c, topic_of(sent), message_payload(sent->message), sent->packet_id);
}

/* When an unproven device may be sent more though it says nothing; 0: only when it is heard. */
static uint64_t allowed_later_ms(const struct raw_connection *c)
{
    uint64_t allowed = peer_allowed_ms(c->peer);
    return allowed > peer_now_ms(c->peer) && allowed != UINT64_MAX ? allowed : 0;
}

static void send_again(struct raw_connection *c, struct raw_sent *sent)
{
    const struct raw_options *options = raw_options_of(c);
    if (sent->tries >= options->tries) {
        sent->due_ms = 0;
        return;
    }
    if (!send_one(c, sent)) { /* it has proven nothing, and was sent enough */
        sent->due_ms = allowed_later_ms(c);
        return;
    }
    sent->due_ms = peer_now_ms(c->peer) + (options->retry << sent->tries);
    sent->tries++;
}

static void resend(struct raw_connection *c, bool heard)
{
    uint64_t now = peer_now_ms(c->peer);
    for (struct raw_sent *sent = c->sent; sent; sent = sent->next) {
        if (sent->due_ms == 0 && heard) {
            sent->tries = 0;
            sent->due_ms = now;
        }
        if (sent->due_ms && sent->due_ms <= now)
            send_again(c, sent);
    }
}

void raw_catch_up(struct raw_connection *c, bool heard)
{
    resend(c, heard);
    if (c->held_back && peer_allowance(c->peer)) {
        c->held_back = false;
        session_pump(c->session);
    }
    if (c->newest && send_one(c, c->newest))
        drop(&c->newest);
}

void raw_set_deadline(struct raw_connection *c)
{
    if (!c->session || c->leaving)
        return;
    uint64_t due = c->heard_ms + raw_options_of(c)->idle_timeout;
    uint64_t allowed = c->held_back || c->newest ? allowed_later_ms(c) : 0;
    if (allowed && allowed < due)
        due = allowed;
    for (const struct raw_sent *sent = c->sent; sent; sent = sent->next)
        if (sent->due_ms && sent->due_ms < due)
            due = sent->due_ms;
    /* A later one is set when the earlier has come: most never change. */
    if (c->deadline_ms && c->deadline_ms <= due)
        return;
    c->deadline_ms = due;
    peer_deadline(c->peer, due);
}
