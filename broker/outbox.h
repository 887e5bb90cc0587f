/* outbox: what waits for one session, and what is under way to it.
 *
 *   offer -> (deliver at once) or -> queue -> pump -> inflight -> answered
 *                                     resend ---^   after a new connection, DUP set, same ids and
 * order
 *
 * Made with the first QoS 1 or 2 message a session gets, so a session that only sees QoS 0 has
 * none. */
#ifndef SIOTD_BROKER_OUTBOX_H
#define SIOTD_BROKER_OUTBOX_H

#include "broker/inflight.h"
#include "broker/subscription.h"

/* One message for one session, kept. Allocated from the broker's pool. */
struct outgoing {
    struct inflight_entry entry;
    struct list link;        /* of queue, resend or inflight */
    struct message *message; /* a reference; NULL once released (PUBREC has come) */
    struct share *share;     /* a reference, or NULL: where it may go instead */
    union {
        uint32_t one;
        uint32_t *many; /* owned, when identifier_count > 1 */
    } identifiers;
    uint16_t identifier_count;
    uint8_t qos;
    bool retain;
    bool dup;         /* was sent on an earlier connection */
    bool outstanding; /* counts against the window of this connection */
};

struct outbox {
    struct list queue, resend, inflight; /* oldest first */
    struct inflight ids;
    uint32_t queued;      /* messages in queue */
    uint32_t queued_qos0; /* those of them with QoS 0 */
    uint32_t outstanding; /* sent on this connection and not done [MQTT-4.9.0-2] */
    uint64_t queued_bytes;
};

struct session;

/* Whether one more message of that size and QoS 1 or 2 would be sent or queued, not refused. */
bool outbox_has_room(const struct session *session, size_t message_size);

/* Whether it could be sent at once: connected, nothing before it, window open. */
bool outbox_is_open(const struct session *session);

/* Delivers or queues one message for the session; drops and counts it when it can do neither.
 * `share` is where it came from, or NULL. The delivery's packet_id is ignored. */
void outbox_offer(struct session *session, const struct delivery *delivery, struct share *share);

/* The connection is gone: what was sent and not answered will be sent again on the next. */
void outbox_detach(struct session *session);

/* Takes out what may go to other members of its share: all that was not sent, and QoS 1 that
 * was sent and not answered; QoS 2 that was sent stays [MQTT-4.8.2-5]. Moves them to `to`, oldest
 * first. */
void outbox_take_shared(struct session *session, const struct share *only, struct list *to);

/* Queues again what outbox_take_shared took and nobody else wanted, in front, in order; limits are
 * not asked, for they were when it came. */
void outbox_put_back(struct session *session, struct list *from);

/* Drops everything; with `reason` counted for each message that was never delivered. */
void outbox_free(struct session *session, enum drop_reason reason);

/* Gives back one outgoing that is in no list. */
void outgoing_free(struct broker *broker, struct outgoing *outgoing);

#endif
