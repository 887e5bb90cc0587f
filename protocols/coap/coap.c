/* coap: the protocol as transports see it: a datagram in, a message of some type, to whom it
 * concerns.
 *
 * First room of the protocol on the way of a message. Requests go to request.c; acknowledgements
 * and resets are about notifications: observe.c. siotd asks nothing, so a response is nobody's. */
#include "protocols/coap/coap.h"

#include "protocols/coap/answer.h"
#include "protocols/coap/home.h"
#include "protocols/coap/kept.h"
#include "protocols/coap/observe.h"
#include "protocols/coap/request.h"

#include <errno.h>

/* Rejects a message (RFC 7252 sections 4.2 and 4.3): a confirmable one hears of it. */
static void reject(struct coap_endpoint *e, const struct coap_message *message)
{
    if (message->type == COAP_CON)
        coap_empty_send(e, COAP_RST, message->id);
}

static void take_empty(struct coap_endpoint *e, const struct coap_message *message)
{
    if (message->type == COAP_ACK)
        coap_observe_acknowledged(e, message->id);
    else if (message->type == COAP_RST)
        coap_observe_reset(e, message->id);
    else /* a ping (section 4.3) */
        reject(e, message);
}

static void take(struct coap_endpoint *e, const struct coap_message *message)
{
    bool asks = message->type == COAP_CON || message->type == COAP_NON;
    struct coap_home *home = coap_home_of(peer_broker(e->peer));
    if (message->code == COAP_EMPTY)
        take_empty(e, message);
    else if (!asks || coap_class(message->code) != 0)
        reject(e, message);
    else if (home)
        coap_on_request(e, home, message);
}

static ssize_t receive(struct peer *peer, void *state, struct slice bytes)
{
    struct coap_endpoint *e = state;
    struct stats *stats = broker_stats(peer_broker(peer));
    struct coap_message message;
    stats->messages_received++;
    switch (coap_decode(bytes, &message)) {
    case COAP_WHOLE:
        take(e, &message);
        coap_observe_tidy(e);
        break;
    case COAP_ILL_FORMED:
        stats->protocol_errors++;
        reject(e, &message);
        break;
    case COAP_NOISE:
        stats->protocol_errors++;
        break;
    }
    return (ssize_t)bytes.len;
}

static int open_endpoint(struct peer *peer, void *state)
{
    struct coap_endpoint *e = state;
    e->sink.verbs = &coap_sink_verbs;
    e->peer = peer;
    list_init(&e->observations);
    if (!peer_is_private(peer))
        return 0;
    struct coap_home *home = coap_home_of(peer_broker(peer));
    if (!home)
        return -ENOMEM;
    e->serial = ++home->serials; /* an address may be somebody else's later */
    return 0;
}

static void drained(struct peer *peer, void *state)
{
    (void)peer;
    coap_observe_drained(state);
}

static void expired(struct peer *peer, void *state)
{
    (void)peer;
    coap_observe_expired(state);
}

/* There is no word for it: those who observe go on when siotd is back. */
static void stopping(struct peer *peer, void *state)
{
    struct coap_endpoint *e = state;
    (void)peer;
    e->stopping = true;
}

static void close_endpoint(struct peer *peer, void *state, const char *why)
{
    struct coap_endpoint *e = state;
    (void)peer;
    coap_observe_close(e, why);
    principal_unref(e->who);
    e->who = NULL;
}

const struct protocol coap_protocol = {
    .name = "coap",
    .carriers = CARRIER_DATAGRAM,
    .state_size = sizeof(struct coap_endpoint),
    .options = &coap_option_table,
    .open = open_endpoint,
    .receive = receive,
    .drained = drained,
    .expired = expired,
    .recall = coap_kept_recall,
    .stopping = stopping,
    .close = close_endpoint,
};
