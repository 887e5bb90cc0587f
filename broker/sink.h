/* sink: all that the core asks of whoever holds a session while its client is there.
 *
 * A protocol embeds a struct sink in its peer's state and points `verbs` at its table. None of
 * the verbs may block, close a peer before returning, or call back into the core; only expel may
 * say in a client event that the client is gone. */
#ifndef SIOTD_BROKER_SINK_H
#define SIOTD_BROKER_SINK_H

#include "broker/message.h"

struct sink;

/* The encoded form of the message under way, shared by the sinks of one walk: a sink that finds
 * none for its variant encodes and leaves a note where; the next copies. Lives for the walk only.
 */
enum { FRAME_VARIANTS = 4 };
struct frames {
    struct slice variant[FRAME_VARIANTS];
};

/* One message on its way to one subscriber. */
struct delivery {
    struct message *message; /* maybe borrowed: hold it to keep it */
    struct slice topic; /* as this subscriber knows it: without its mountpoint; lies in message */
    struct frames *frames;       /* NULL outside a walk */
    const uint32_t *identifiers; /* subscription identifiers [MQTT-3.3.4-3]; may be NULL */
    uint16_t identifier_count;
    uint16_t packet_id; /* 0 for QoS 0 */
    uint8_t qos;        /* granted: never above message->qos */
    bool retain, dup;
    bool shared; /* another member of the group can have it when this one cannot take it now */
};

enum sink_answer {
    SINK_TAKEN,     /* it is on its way */
    SINK_FULL,      /* not now: the core offers it again after session_pump */
    SINK_ASLEEP,    /* the same, and the client is not listening: QoS 0 may wait as for one that is
                       away (limits.queue_qos0_offline) */
    SINK_TOO_LARGE, /* never to this client: dropped as if it had been delivered [MQTT-3.1.2-25] */
};

enum expel_reason {
    EXPEL_TAKEN_OVER, /* another connection has the session now (0x8E) */
    EXPEL_DENIED,     /* its right to be here has ended (0x87) */
    EXPEL_CURTAILED,  /* a subscription of it is not permitted any more (0x87) */
};

struct sink_verbs {
    enum sink_answer (*deliver)(struct sink *sink, const struct delivery *delivery);
    /* The receiver has said PUBREC for this id: send PUBREL (also again, on resume). */
    void (*release)(struct sink *sink, uint16_t packet_id);
    /* The session has been taken from this sink, which must not use it again: tell the peer why and
     * close it. */
    void (*expel)(struct sink *sink, enum expel_reason reason);
    /* Whether the transport and its listener would still let it in. May be NULL: they would. */
    bool (*entitled)(struct sink *sink);
};

struct sink {
    const struct sink_verbs *verbs;
};

#endif
