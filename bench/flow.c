/* The window of one publisher. Pure but for the crowd it counts in.
 *
 * Sequence numbers run from 0 and wrap; differences are taken as signed. Invariants:
 * completed <= written <= sent as far as that, sent - completed <= window <= mask + 1. */
#include "bench/crowd.h"

#include <errno.h>
#include <stdlib.h>

static uint32_t ring_size(uint32_t window)
{
    uint32_t size = 1;

    while (size < window)
        size *= 2;
    return size;
}

static void cast_frames(struct flow *flow, const struct flow_shape *shape, size_t frame_len)
{
    for (uint32_t slot = 0; slot <= flow->mask; slot++) {
        uint8_t *frame = flow->frames + slot * frame_len;
        struct writer w = writer_of(frame, frame_len);
        flow->mould = packet_write_publish(&w, shape->version, shape->qos, shape->retain,
                                           shape->topic, shape->payload_len);
        if (shape->qos) {
            frame[flow->mould.id_at] = (uint8_t)((slot + 1) >> 8);
            frame[flow->mould.id_at + 1] = (uint8_t)(slot + 1);
        }
        if (flow->stamped)
            memcpy(frame + flow->mould.payload_at, &flow->index, sizeof flow->index);
    }
}

int flow_init(struct flow *flow, uint32_t index, struct client *publisher,
              const struct flow_shape *shape)
{
    uint32_t size = ring_size(shape->window);
    size_t frame_len =
        packet_publish_len(shape->version, shape->qos, shape->topic.len, shape->payload_len);

    *flow = (struct flow){.publisher = publisher,
                          .index = index,
                          .receivers = shape->receivers,
                          .window = shape->window,
                          .mask = size - 1,
                          .limit = UINT32_MAX,
                          .qos = shape->qos,
                          .stamped = shape->payload_len >= sizeof(struct flow_stamp)};
    if (shape->qos && publisher->receive_maximum < flow->window)
        flow->window = publisher->receive_maximum; /* [MQTT-3.3.4-7] */
    flow->frames = malloc(size * frame_len);
    flow->slots = calloc(size, sizeof *flow->slots);
    flow->arrivals = calloc(size, sizeof *flow->arrivals);
    if (!flow->frames || !flow->slots || !flow->arrivals) {
        flow_clear(flow);
        return -ENOMEM;
    }
    cast_frames(flow, shape, frame_len);
    publisher->flow = flow;
    return 0;
}

void flow_clear(struct flow *flow)
{
    if (flow->publisher)
        flow->publisher->flow = NULL;
    free(flow->frames);
    free(flow->slots);
    free(flow->arrivals);
    *flow = (struct flow){0};
}

uint32_t flow_under_way(const struct flow *flow)
{
    uint32_t undelivered = flow->receivers ? flow->sent - flow->completed : 0;
    uint32_t unacked = flow->qos ? flow->sent - flow->acked : 0;

    return undelivered > unacked ? undelivered : unacked;
}

static uint64_t due_ns(const struct flow *flow, uint32_t seq)
{
    return flow->first_due_ns + (uint64_t)((double)seq * flow->interval_ns);
}

static void stamp(struct flow *flow, uint8_t *payload, uint64_t now_ns)
{
    memcpy(payload + offsetof(struct flow_stamp, seq), &flow->sent, sizeof flow->sent);
    if (flow->interval_ns == 0)
        return;
    uint64_t due = due_ns(flow, flow->sent);
    memcpy(payload + offsetof(struct flow_stamp, due_ns), &due, sizeof due);
    if (flow->late)
        flow->late(flow, now_ns - due);
}

void flow_fill(struct flow *flow, uint64_t now_ns)
{
    uint32_t room = flow->window - flow_under_way(flow);

    for (; room > 0 && flow->sent != flow->limit; room--) {
        uint32_t slot = flow->sent & flow->mask;
        if (flow->slots[slot] != FLOW_FREE ||
            (flow->interval_ns > 0 && due_ns(flow, flow->sent) > now_ns))
            return;
        uint8_t *frame = flow->frames + slot * flow->mould.frame_len;
        if (flow->stamped)
            stamp(flow, frame + flow->mould.payload_at, now_ns);
        if (flow->label)
            flow->label(flow, flow->sent, frame + flow->mould.topic_at);
        if (flow->qos)
            flow->slots[slot] = FLOW_SENT;
        flow->sent++;
    }
}

int flow_gather(const struct flow *flow, struct iovec parts[2])
{
    uint32_t waiting = flow->sent - flow->written, first = flow->written & flow->mask;
    uint32_t to_end = flow->mask + 1 - first;
    size_t len = flow->mould.frame_len;

    if (!waiting)
        return 0;
    uint32_t here = waiting < to_end ? waiting : to_end;
    parts[0] = (struct iovec){flow->frames + first * len + flow->written_part,
                              here * len - flow->written_part};
    if (here == waiting)
        return 1;
    parts[1] = (struct iovec){flow->frames, (waiting - here) * len};
    return 2;
}

size_t flow_written(struct flow *flow, size_t len)
{
    size_t frame_len = flow->mould.frame_len;
    size_t waiting = (flow->sent - flow->written) * frame_len - flow->written_part;
    size_t mine = len < waiting ? len : waiting;
    size_t from_boundary = flow->written_part + mine;

    flow->written += (uint32_t)(from_boundary / frame_len);
    flow->written_part = from_boundary % frame_len;
    return mine;
}

int flow_acked(struct flow *flow, enum packet_type type, uint16_t id, uint8_t reason, bool *release)
{
    uint32_t slot = (uint32_t)id - 1;

    if (slot > flow->mask)
        return -EPROTO;
    uint8_t *state = &flow->slots[slot];
    if (type == PACKET_PUBREC && flow->qos == 2 && *state == FLOW_SENT && reason < 0x80) {
        *state = FLOW_RELEASED;
        *release = true;
        return 0;
    }
    bool ends = (type == PACKET_PUBACK && flow->qos == 1 && *state == FLOW_SENT) ||
                (type == PACKET_PUBREC && flow->qos == 2 && *state == FLOW_SENT) ||
                (type == PACKET_PUBCOMP && *state == FLOW_RELEASED);
    if (!ends)
        return -EPROTO;
    if (reason >= 0x80)
        flow->publisher->crowd->refused++;
    *state = FLOW_FREE;
    flow->acked++;
    return 0;
}

/* One receiver: messages of one topic arrive in order [MQTT-4.6.0-6], so a gap is a loss. */
static void arrive_alone(struct flow *flow, struct crowd *crowd, uint32_t seq)
{
    int32_t ahead = (int32_t)(seq - flow->completed);

    if (ahead < 0) {
        crowd->duplicated++;
        return;
    }
    crowd->lost += (uint32_t)ahead;
    flow->completed = seq + 1;
}

static void arrive_shared(struct flow *flow, struct crowd *crowd, uint32_t seq)
{
    if ((int32_t)(seq - flow->completed) < 0) {
        crowd->duplicated++;
        return;
    }
    flow->arrivals[seq & flow->mask]++;
    while (flow->completed != flow->sent &&
           flow->arrivals[flow->completed & flow->mask] >= flow->receivers) {
        crowd->duplicated += flow->arrivals[flow->completed & flow->mask] - flow->receivers;
        flow->arrivals[flow->completed & flow->mask] = 0;
        flow->completed++;
    }
}

void flow_delivered(struct crowd *crowd, struct client *client,
                    const struct packet_publish *publish)
{
    struct flow_stamp stamp_of;
    struct flow *flow;

    (void)client;
    if (publish->payload.len < sizeof stamp_of) {
        crowd->foreign++;
        return;
    }
    memcpy(&stamp_of, publish->payload.at, sizeof stamp_of);
    flow = stamp_of.flow < crowd->flow_count ? &crowd->flows[stamp_of.flow] : NULL;
    if (!flow || (int32_t)(flow->sent - stamp_of.seq) <= 0) {
        crowd->foreign++;
        return;
    }
    if (flow->receivers == 1)
        arrive_alone(flow, crowd, stamp_of.seq);
    else
        arrive_shared(flow, crowd, stamp_of.seq);
    if (!crowd->quiet)
        crowd_mark(crowd, flow->publisher);
}

uint64_t flow_missing(const struct flow *flow)
{
    uint64_t missing = (uint64_t)(flow->sent - flow->completed) * flow->receivers;

    for (uint32_t seq = flow->completed; flow->receivers > 1 && seq != flow->sent; seq++)
        missing -= flow->arrivals[seq & flow->mask];
    return missing;
}

uint64_t flow_check(struct flow *flow)
{
    bool moved = flow->sent != flow->seen_sent || flow->completed != flow->seen_completed ||
                 flow->acked != flow->seen_acked;
    uint64_t lost = 0;

    flow->seen_sent = flow->sent;
    flow->seen_completed = flow->completed;
    flow->seen_acked = flow->acked;
    if (moved || !flow->receivers || flow->sent == flow->completed || flow->written != flow->sent)
        return 0;
    lost = flow_missing(flow);
    flow->completed = flow->sent;
    memset(flow->arrivals, 0, (flow->mask + 1) * sizeof *flow->arrivals);
    return lost;
}
