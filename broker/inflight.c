/* inflight: see inflight.h. outbox.c drives it.
 *
 * Invariant: an entry with packet_id i stands at slots[i & (capacity - 1)], and nowhere else. */
#include "broker/inflight.h"
#include <errno.h>
#include <stdlib.h>

enum { MOST_IDS = 65535 };

void inflight_init(struct inflight *inflight)
{
    memset(inflight, 0, sizeof *inflight);
    inflight->slots = inflight->first;
    inflight->capacity = INFLIGHT_FIRST;
}

static void free_slots(struct inflight *inflight)
{
    if (inflight->slots != inflight->first)
        free(inflight->slots);
}

void inflight_clear(struct inflight *inflight)
{
    free_slots(inflight);
    inflight_init(inflight);
}

/* Two ids that share no slot in a ring share none in its double, so growing cannot collide. */
static int grow(struct inflight *inflight)
{
    uint32_t capacity = inflight->capacity * 2;
    struct inflight_entry **slots = calloc(capacity, sizeof(struct inflight_entry *));
    if (!slots)
        return -ENOMEM;
    for (uint32_t i = 0; i < inflight->capacity; i++) {
        struct inflight_entry *entry = inflight->slots[i];
        if (entry)
            slots[entry->packet_id & (capacity - 1)] = entry;
    }
    free_slots(inflight);
    inflight->slots = slots;
    inflight->capacity = capacity;
    return 0;
}

int inflight_claim(struct inflight *inflight, struct inflight_entry *entry)
{
    if (inflight->count == MOST_IDS)
        return -EAGAIN;
    /* Half empty keeps the search for a free slot short. */
    if ((inflight->count + 1) * 2 > inflight->capacity && inflight->capacity < 65536) {
        int failed = grow(inflight);
        if (failed)
            return failed;
    }
    uint16_t id = inflight->last_id;
    do {
        id++;
    } while (id == 0 || inflight->slots[id & (inflight->capacity - 1)]); /* [MQTT-2.2.1-3] */
    inflight->slots[id & (inflight->capacity - 1)] = entry;
    inflight->last_id = id;
    inflight->count++;
    entry->packet_id = id;
    entry->state = INFLIGHT_SENT;
    return 0;
}

int inflight_reclaim(struct inflight *inflight, struct inflight_entry *entry, uint16_t packet_id)
{
    if (inflight_find(inflight, packet_id))
        return -EEXIST;
    while (inflight->slots[packet_id & (inflight->capacity - 1)]) {
        int failed = grow(inflight);
        if (failed)
            return failed;
    }
    inflight->slots[packet_id & (inflight->capacity - 1)] = entry;
    inflight->last_id = packet_id;
    inflight->count++;
    entry->packet_id = packet_id;
    entry->state = INFLIGHT_SENT;
    return 0;
}

void inflight_drop(struct inflight *inflight, struct inflight_entry *entry)
{
    inflight->slots[entry->packet_id & (inflight->capacity - 1)] = NULL;
    inflight->count--;
    entry->packet_id = 0;
}

struct inflight_entry *inflight_find(const struct inflight *inflight, uint16_t packet_id)
{
    if (packet_id == 0)
        return NULL;
    struct inflight_entry *entry = inflight->slots[packet_id & (inflight->capacity - 1)];
    return entry && entry->packet_id == packet_id ? entry : NULL;
}

enum inflight_step inflight_answer(struct inflight *inflight, uint16_t packet_id,
                                   enum acknowledgement what, struct inflight_entry **entry)
{
    struct inflight_entry *found = inflight_find(inflight, packet_id);
    if (!found)
        return INFLIGHT_UNKNOWN;
    *entry = found;
    bool sent = found->state == INFLIGHT_SENT;
    switch (what) {
    case ACK_PUBACK:
        if (found->qos != 1)
            return INFLIGHT_UNKNOWN;
        break;
    case ACK_PUBREC:
        if (found->qos != 2)
            return INFLIGHT_UNKNOWN;
        found->state = INFLIGHT_RELEASED; /* a repeated PUBREC is answered again [MQTT-4.3.3-4] */
        return INFLIGHT_RELEASE;
    case ACK_PUBREC_REFUSED:
        if (found->qos != 2 || !sent)
            return INFLIGHT_UNKNOWN;
        break;
    case ACK_PUBCOMP:
        if (found->qos != 2 || sent)
            return INFLIGHT_UNKNOWN;
        break;
    }
    inflight_drop(inflight, found);
    return INFLIGHT_DONE;
}
