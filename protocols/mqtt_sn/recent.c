/* recent: see recent.h. The last few are enough: a client has one message under way at a time. */
#include "protocols/mqtt_sn/recent.h"

#include "base/hash.h"

#include <stdlib.h>

enum { KEPT = 8 };

struct sn_recent {
    unsigned next;
    struct {
        uint64_t released_ms; /* 0: not yet */
        uint64_t hash;        /* of topic id and payload */
        uint16_t msg_id;
        bool used;
    } kept[KEPT];
};

static uint64_t content(const struct sn_packet *publish)
{
    return hash_slice(publish->text) + publish->topic_id +
           ((uint64_t)(publish->flags & ~SN_DUP) << 32);
}

void sn_recent_taken(struct sn_recent **recent, const struct sn_packet *publish)
{
    if (!*recent)
        *recent = calloc(1, sizeof **recent);
    struct sn_recent *r = *recent;
    if (!r)
        return;
    unsigned at = r->next++ % KEPT;
    r->kept[at].used = true;
    r->kept[at].released_ms = 0;
    r->kept[at].msg_id = publish->msg_id;
    r->kept[at].hash = content(publish);
}

void sn_recent_released(struct sn_recent *recent, uint16_t msg_id, uint64_t now_ms)
{
    for (unsigned i = 0; recent && i < KEPT; i++)
        if (recent->kept[i].used && recent->kept[i].msg_id == msg_id &&
            recent->kept[i].released_ms == 0)
            recent->kept[i].released_ms = now_ms | 1;
}

bool sn_recent_is_over(const struct sn_recent *recent, const struct sn_packet *publish,
                       uint64_t now_ms, uint64_t window_ms)
{
    for (unsigned i = 0; recent && i < KEPT; i++)
        if (recent->kept[i].used && recent->kept[i].msg_id == publish->msg_id &&
            recent->kept[i].released_ms && now_ms <= recent->kept[i].released_ms + window_ms &&
            recent->kept[i].hash == content(publish))
            return true;
    return false;
}
