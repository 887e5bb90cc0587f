/* deadline: the one timer of an MQTT connection; see deadline.h.
 *
 * Lazy: a packet that arrives only leaves its time in heard_ms, and the peer's deadline is left
 * where it is; when it fires, it is set again to what is due by then. So a client that publishes a
 * million messages touches the timing wheel once per keep-alive.
 *
 * Invariant: unless it is 0, deadline_ms is not later than what is due first. */
#include "protocols/mqtt/deadline.h"

#include "protocols/mqtt/refuse.h"

/* A packet of more than this may take longer than a keep-alive, and its client cannot send PINGREQ
 * meanwhile: then the packet's own deadline is the one that counts. */
enum { LARGE_PACKET = 1024 };

#define NEVER UINT64_MAX

static uint64_t silence_due_ms(const struct mqtt_connection *c)
{
    if (!mqtt_is_client(c))
        return c->heard_ms + mqtt_options_of(c)->connect_timeout;
    if (c->keep_alive_ms == 0 || (c->partial_ms && c->partial_size > LARGE_PACKET))
        return NEVER;
    return c->heard_ms + c->keep_alive_ms;
}

static uint64_t partial_due_ms(const struct mqtt_connection *c)
{
    return c->partial_ms ? c->partial_ms + c->partial_allowance_ms : NEVER;
}

/* Makes sure that the peer's deadline is not later than what is due. */
static void arm(struct mqtt_connection *c)
{
    uint64_t silence = silence_due_ms(c), partial = partial_due_ms(c);
    uint64_t due = silence < partial ? silence : partial;
    if (due == NEVER || (c->deadline_ms && c->deadline_ms <= due))
        return;
    c->deadline_ms = due;
    peer_deadline(c->peer, due);
}

void mqtt_await_connect(struct mqtt_connection *c)
{
    c->heard_ms = peer_now_ms(c->peer);
    arm(c);
}

void mqtt_await_client(struct mqtt_connection *c)
{
    c->heard_ms = peer_now_ms(c->peer);
    c->partial_ms = 0;
    c->deadline_ms = 0;
    peer_deadline(c->peer, 0);
    arm(c);
}

void mqtt_await_rest(struct mqtt_connection *c, bool fresh, size_t size)
{
    if (fresh || c->partial_ms == 0)
        c->partial_ms = peer_now_ms(c->peer) | 1; /* 0 says that there is none */
    else if (size == c->partial_size)
        return;
    c->partial_size = (uint32_t)size;
    c->partial_allowance_ms =
        (uint32_t)(mqtt_options_of(c)->packet_timeout + size / 1024 * UINT64_C(1000));
    arm(c);
}

void mqtt_deadline_passed(struct mqtt_connection *c)
{
    uint64_t now = peer_now_ms(c->peer);
    c->deadline_ms = 0;
    if (peer_is_closing(c->peer))
        return;
    if (partial_due_ms(c) <= now) {
        uint32_t allowed_s = c->partial_allowance_ms / 1000;
        mqtt_say_goodbye(c, MQTT_MALFORMED_PACKET, "packet not complete in time");
        mqtt_close(c, "closed: packet not complete after %u s", (unsigned)allowed_s);
    } else if (silence_due_ms(c) > now) {
        arm(c);
    } else if (!mqtt_is_client(c)) {
        mqtt_close(c, "closed: %s within %u s", c->waits ? "password not verified" : "no CONNECT",
                   (unsigned)(mqtt_options_of(c)->connect_timeout / 1000));
    } else { /* [MQTT-3.1.2-22] */
        mqtt_say_goodbye(c, MQTT_KEEP_ALIVE_TIMEOUT, NULL);
        mqtt_close(c, "closed: keep-alive expired (%u%s s)", (unsigned)(c->keep_alive_ms / 1000),
                   c->keep_alive_ms % 1000 ? ".5" : "");
    }
}
