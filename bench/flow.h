/* flow: the messages of one publisher, from being due to having arrived everywhere.
 *
 * A ring of ready-made frames, one per message that may be under way: sending a message is writing
 * its sequence number (and packet id) into its frame, and a batch of messages is one write of
 * consecutive frames, without copying. A slot is used again only when its message is complete:
 * delivered to all its receivers and, above QoS 0, acknowledged to the publisher. So the ring is at
 * once the output buffer, the window and the table of packet ids: slot s has id s + 1. */
#ifndef SIOTD_BENCH_FLOW_H
#define SIOTD_BENCH_FLOW_H

#include "bench/packet.h"
#include <sys/uio.h>

struct client;
struct crowd;

enum flow_slot { FLOW_FREE, FLOW_SENT, FLOW_RELEASED };

struct flow {
    struct client *publisher;
    uint32_t index;     /* stands in each payload */
    uint32_t receivers; /* deliveries per message; 0: the acknowledgement completes it */
    uint32_t window, mask;
    uint32_t sent;      /* sequence number of the next message */
    uint32_t completed; /* all before this one have arrived */
    uint32_t acked;     /* messages acknowledged; QoS 1 and 2 */
    uint32_t limit;     /* messages in all; UINT32_MAX without end */
    uint8_t qos;
    uint32_t written;    /* sequence number of the first frame that is not wholly written */
    size_t written_part; /* bytes of that frame that are */
    uint8_t *frames;     /* owned: mask + 1 frames */
    uint8_t *slots;      /* owned: enum flow_slot */
    uint32_t *arrivals;  /* owned: deliveries of the slot's message so far */
    struct packet_mould mould;
    bool stamped; /* the payload begins with a flow_stamp */
    /* Writes what varies in the topic of message number seq; NULL: nothing does. */
    void (*label)(const struct flow *flow, uint32_t seq, uint8_t *topic);
    /* Open loop: message k is due at first_due_ns + k * interval_ns; 0: as soon as the window lets
     * it. */
    uint64_t first_due_ns;
    double interval_ns;
    void (*late)(const struct flow *flow,
                 uint64_t by_ns);                   /* how late a due message left; or NULL */
    uint32_t seen_sent, seen_completed, seen_acked; /* for flow_check */
};

/* What stands at the start of a payload, in the machine's own byte order. */
struct flow_stamp {
    uint32_t flow, seq;
    uint64_t due_ns;
};

struct flow_shape {
    uint8_t version, qos;
    bool retain;
    struct slice topic;
    uint32_t payload_len, window, receivers;
};

/* Builds the ring and binds it to its publisher. Returns 0 or -ENOMEM. */
int flow_init(struct flow *flow, uint32_t index, struct client *publisher,
              const struct flow_shape *shape);
void flow_clear(struct flow *flow);

/* Makes frames of all messages that are due and fit the window. */
void flow_fill(struct flow *flow, uint64_t now_ns);

/* Whether the last frame was written to its end. */
static inline bool flow_at_boundary(const struct flow *flow)
{
    return flow->written_part == 0;
}

/* The frames to be written, in at most two parts; returns how many. */
int flow_gather(const struct flow *flow, struct iovec parts[2]);

/* Notes that up to len of those bytes are out; returns how many of them were the flow's. */
size_t flow_written(struct flow *flow, size_t len);

/* PUBACK, PUBREC or PUBCOMP came. *release: PUBREL is to be sent. Returns 0, or -EPROTO when the id
 * was not in a state for it. A refusal (reason from 0x80) ends the message. */
int flow_acked(struct flow *flow, enum packet_type type, uint16_t id, uint8_t reason,
               bool *release);

/* A PUBLISH of some flow arrived at the client: crowd's usual `delivered`. */
void flow_delivered(struct crowd *crowd, struct client *client,
                    const struct packet_publish *publish);

/* Messages under way. */
uint32_t flow_under_way(const struct flow *flow);

/* Deliveries that messages under way still lack. */
uint64_t flow_missing(const struct flow *flow);

/* Called now and then: gives up QoS 0 messages that have been under way without any progress since
 * the call before. Returns how many deliveries that loses. */
uint64_t flow_check(struct flow *flow);

#endif
