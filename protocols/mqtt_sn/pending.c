/* pending: what waits until the client has answered a REGISTER; see traffic.h.
 *
 * A PUBLISH may only use an id that the client knows (MQTT-SN 1.2 section 6.10). An address that
 * has proven nothing is sent REGISTER, too, before its first delivery: with a random msg id, so
 * that REGACK shows that its sender is where its datagrams come from. 16 bits are soon guessed by
 * who may try often; so a wrong guess, whoever's, makes three REGISTERs in a row of one, for
 * everybody, until nobody has guessed for a while.
 *
 * Each datagram of such an address is answered with one at once, and after a second of its silence
 * it may be sent one more (peer_allowance). The answer is SUBACK, PINGRESP, PUBACK, as clients
 * expect it; REGISTER is that other one, and is only sent when something waits for it. */
#include "base/random.h"
#include "protocols/mqtt_sn/encode.h"
#include "protocols/mqtt_sn/packets.h"
#include "protocols/mqtt_sn/traffic.h"

#include <stdlib.h>

/* register_due_ms: not before the client is heard again, which pays for it. */
static const uint64_t WHEN_HEARD = UINT64_MAX;

/* A REGISTER for a proof only disturbs nobody who is busy: it waits for so much silence. */
enum { PAUSE_MS = 1000 };

enum { PROOFS_IN_DOUBT = 3, DOUBT_MS = 10 * 60 * 1000 };

/* Somebody has guessed lately. */
static uint64_t doubt_ends_ms;

void sn_pending_clear(struct sn_traffic *t)
{
    list_each(link, &t->pending)
    {
        struct sn_waiting *waiting = list_item(link, struct sn_waiting, link);
        message_unref(waiting->parcel.message);
        free(waiting);
    }
    list_init(&t->pending);
    t->pending_count = 0;
}

static void discard(struct sn_traffic *t, struct sn_waiting *waiting)
{
    list_remove(&waiting->link);
    t->pending_count--;
    message_unref(waiting->parcel.message);
    free(waiting);
}

static uint16_t unguessable(void)
{
    uint16_t msg_id;
    do {
        random_bytes(&msg_id, sizeof msg_id);
    } while (msg_id == 0);
    return msg_id;
}

/* Short, and everybody may know it; else the oldest of the client's own. */
static const struct sn_topic *any_topic(struct sn_connection *c)
{
    const struct sn_topic *topic = sn_row_of(c, SLICE("$SYS"));
    if (!topic && c->topics && c->topics->count)
        topic = c->topics->ids[0];
    return topic;
}

static struct sn_packet register_of(struct sn_connection *c)
{
    struct sn_traffic *t = c->traffic;
    const struct sn_topic *topic = sn_topics_find(c->topics, t->register_id);
    if (t->register_msg == 0)
        t->register_msg = unguessable();
    return (struct sn_packet){
        .type = SN_REGISTER,
        .topic_id = t->register_id,
        .msg_id = t->register_msg,
        .text = slice_of(topic->name, topic->len),
    };
}

static bool is_affordable(const struct sn_connection *c, const struct sn_packet *packet)
{
    size_t size = sn_size(packet) + (c->wrapped ? SN_WRAP + c->node_len : 0);
    return size <= peer_allowance(c->gate->peer);
}

/* An address that has not sent enough to be told that topic is asked for its proof with any. */
static void abridge(struct sn_connection *c)
{
    const struct sn_topic *topic = peer_allowance(c->gate->peer) ? any_topic(c) : NULL;
    if (!topic || topic->id == c->traffic->register_id)
        return;
    c->traffic->register_id = topic->id;
    c->traffic->register_msg = 0;
}

void sn_register_again(struct sn_connection *c)
{
    struct sn_traffic *t = c->traffic;
    struct peer *peer = c->gate->peer;
    uint64_t now = peer_now_ms(peer);
    struct sn_packet packet = register_of(c);
    if (!is_affordable(c, &packet)) {
        abridge(c);
        packet = register_of(c);
    }
    if (is_affordable(c, &packet)) {
        t->register_tries++;
        sn_tell(c, &packet);
        t->register_due_ms = now + sn_options_of(c->gate)->retry;
    } else {
        t->register_due_ms = peer_allowed_ms(peer) > now ? peer_allowed_ms(peer) : WHEN_HEARD;
    }
    sn_gate_due(c->gate, t->register_due_ms);
}

void sn_traffic_heard(struct sn_connection *c)
{
    struct sn_traffic *t = c->traffic;
    uint64_t now = peer_now_ms(c->gate->peer);
    if (!t || !t->register_id || t->register_due_ms != WHEN_HEARD || !sn_is_listening(c))
        return;
    bool is_urgent = !list_empty(&t->pending) || peer_is_verified(c->gate->peer);
    if (is_urgent && t->register_tries <= sn_options_of(c->gate)->retries) {
        sn_register_again(c);
        return;
    }
    t->register_due_ms = is_urgent ? now : now + PAUSE_MS; /* sn_traffic_again goes on */
    sn_gate_due(c->gate, t->register_due_ms);
}

void sn_probe(struct sn_connection *c)
{
    if (c->probed || peer_is_verified(c->gate->peer) || (c->traffic && c->traffic->register_id))
        return;
    c->probed = true;
    const struct sn_topic *topic = any_topic(c);
    struct sn_traffic *t = topic ? sn_traffic_of(c) : NULL;
    if (!t)
        return;
    t->register_id = topic->id;
    t->register_msg = 0;
    t->register_tries = 0;
    t->register_due_ms = peer_now_ms(c->gate->peer) + PAUSE_MS;
    sn_gate_due(c->gate, t->register_due_ms);
}

/* ---- proofs ---- */

/* What an address that has proven nothing says is its proof. False: it is none, or not enough. */
static bool accept_proof(struct sn_connection *c, uint16_t msg_id, bool right)
{
    struct sn_traffic *t = c->traffic;
    uint64_t now = peer_now_ms(c->gate->peer);
    if (right && (++t->proofs >= PROOFS_IN_DOUBT || now >= doubt_ends_ms))
        return true;
    if (!right && msg_id && msg_id == t->proof_msg) /* the one before, twice */
        return false;
    t->register_msg = 0; /* one guess for each REGISTER */
    t->proof_msg = right ? msg_id : 0;
    if (right) {
        t->register_tries = 0;
        sn_register_again(c);
    } else {
        t->proofs = 0;
        doubt_ends_ms = now + DOUBT_MS;
    }
    return false;
}

void sn_doubt_nobody(void)
{
    doubt_ends_ms = 0;
}

void sn_register_next(struct sn_connection *c)
{
    struct sn_traffic *t = c->traffic;
    struct list *first = t ? list_first(&t->pending) : NULL;
    if (!first || t->register_id || !sn_is_listening(c))
        return;
    t->register_id = list_item(first, struct sn_waiting, link)->parcel.register_id;
    t->register_msg = 0;
    t->register_tries = 0;
    sn_register_again(c);
}

bool sn_wait_for_regack(struct sn_connection *c, const struct sn_parcel *parcel)
{
    struct sn_traffic *t = sn_traffic_of(c);
    struct sn_waiting *waiting = NULL;
    if (t && t->pending_count < sn_options_of(c->gate)->pending)
        waiting = malloc(sizeof *waiting);
    if (!waiting) {
        sn_traffic_trim(c);
        return false;
    }
    waiting->parcel = *parcel;
    list_init(&waiting->link);
    list_append(&t->pending, &waiting->link);
    t->pending_count++;
    sn_register_next(c);
    return true;
}

static bool may_go(const struct sn_connection *c, const struct sn_parcel *parcel)
{
    if (!peer_is_verified(c->gate->peer))
        return false;
    if ((parcel->flags & SN_ID_TYPE) != SN_ID_NORMAL)
        return true;
    const struct sn_topic *topic = sn_topics_find(c->topics, parcel->topic_id);
    return topic && topic->known;
}

/* In order; what cannot go yet stays. */
static void send_ready(struct sn_connection *c)
{
    struct sn_traffic *t = c->traffic;
    list_each(link, &t->pending)
    {
        struct sn_waiting *waiting = list_item(link, struct sn_waiting, link);
        if (may_go(c, &waiting->parcel) && sn_dispatch(c, &waiting->parcel))
            discard(t, waiting);
    }
}

/* The client will not have that topic: what waits for it is done with, as if it had been
 * delivered. */
static void refuse(struct sn_connection *c, uint16_t topic_id)
{
    struct sn_traffic *t = c->traffic;
    uint16_t msg_id = 0;
    uint8_t qos = 0;
    list_each(link, &t->pending)
    {
        struct sn_waiting *waiting = list_item(link, struct sn_waiting, link);
        if (waiting->parcel.register_id != topic_id)
            continue;
        if (waiting->parcel.msg_id) { /* there is one of these at most */
            msg_id = waiting->parcel.msg_id;
            qos = (waiting->parcel.flags & SN_QOS) >> SN_QOS_SHIFT;
        }
        broker_stats(c->gate->broker)->dropped[DROP_DENIED]++;
        discard(t, waiting);
    }
    sn_register_next(c);
    sn_traffic_trim(c);
    if (msg_id) /* which may deliver the next one */
        session_acknowledged(c->session, msg_id, qos == 2 ? ACK_PUBREC_REFUSED : ACK_PUBACK);
}

void sn_registered(struct sn_connection *c, uint16_t topic_id, uint16_t msg_id, enum sn_code code)
{
    struct sn_traffic *t = c->traffic;
    if (!t || t->register_id == 0)
        return;
    bool right = t->register_id == topic_id && t->register_msg == msg_id && msg_id != 0;
    if (!peer_is_verified(c->gate->peer) && !accept_proof(c, msg_id, right))
        return;
    if (!right)
        return;
    if (!peer_is_verified(c->gate->peer))
        peer_verify(c->gate->peer);
    if (code == SN_CONGESTION) { /* it is asked again after T_retry */
        t->register_tries = 0;
        return;
    }
    struct sn_topic *topic = sn_topics_find(c->topics, topic_id);
    t->register_id = 0;
    if (code != SN_ACCEPTED) {
        sn_log(c, LOG_INFO, "topic id %u not taken by the client: %s", (unsigned)topic_id,
               sn_code_name(code));
        refuse(c, topic_id);
        return;
    }
    topic->known = true;
    send_ready(c);
    sn_register_next(c);
    sn_traffic_trim(c);
    session_pump(c->session); /* what found no room among those that waited */
}
