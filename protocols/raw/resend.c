/* resend: MSG with an id, again and again until its ACK comes; see connection.h.
 *
 * The wait doubles with each try. After the last one the message is not given up: it is sent again
 * when the device is heard of, which may have been asleep or out of reach. Only when it has been
 * silent for `idle_timeout` does it end as a subscriber.
 *
 * Invariant: what stands in `sent` is in flight in the session too, under the same packet id. */
#include "protocols/raw/connection.h"

#include <stdlib.h>

enum { HELD_BACK_MS = 1100 }; /* transports allow one more datagram after a second of silence */

void raw_try_held_back(struct raw_connection *c)
{
    if (!c->held_back || peer_allowance(c->peer) == 0)
        return;
    c->held_back = false;
    session_pump(c->session);
}

bool raw_keep(struct raw_connection *c, const struct delivery *d)
{
    struct raw_sent **end = &c->sent;
    struct raw_sent *sent = malloc(sizeof *sent);
    struct message *message = sent ? message_hold(d->message) : NULL;
    if (!message) {
        free(sent);
        return false;
    }
    *sent = (struct raw_sent){
        .message = message,
        .due_ms = peer_now_ms(c->peer) + raw_options_of(c)->retry,
        .topic_at = (uint16_t)(d->topic.at - d->message->topic),
        .packet_id = d->packet_id,
        .tries = 1,
    };
    while (*end)
        end = &(*end)->next;
    *end = sent;
    return true;
}

static void drop(struct raw_sent **place)
{
    struct raw_sent *sent = *place;
    *place = sent->next;
    message_unref(sent->message);
    free(sent);
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
}

static void send_again(struct raw_connection *c, struct raw_sent *sent)
{
    const struct raw_options *options = raw_options_of(c);
    if (sent->tries >= options->tries) {
        sent->due_ms = 0;
        return;
    }
    raw_send_msg(c, &(struct raw_line){
                        .verb = RAW_MSG,
                        .topic = slice_from(message_topic(sent->message), sent->topic_at),
                        .payload = message_payload(sent->message),
                        .has_id = true,
                        .id = raw_wire_id(c, sent->packet_id),
                    });
    sent->due_ms = peer_now_ms(c->peer) + (options->retry << sent->tries);
    sent->tries++;
}

void raw_resend(struct raw_connection *c, bool heard)
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

void raw_set_deadline(struct raw_connection *c)
{
    if (!c->session || c->leaving)
        return;
    uint64_t due = c->heard_ms + raw_options_of(c)->idle_timeout;
    if (c->held_back && due > peer_now_ms(c->peer) + HELD_BACK_MS)
        due = peer_now_ms(c->peer) + HELD_BACK_MS;
    for (const struct raw_sent *sent = c->sent; sent; sent = sent->next)
        if (sent->due_ms && sent->due_ms < due)
            due = sent->due_ms;
    /* A later one is set when the earlier has come: most never change. */
    if (c->deadline_ms && c->deadline_ms <= due)
        return;
    c->deadline_ms = due;
    peer_deadline(c->peer, due);
}
