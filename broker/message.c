/* message: see message.h. One allocation holds the header, topic, properties and payload. */
#include "broker/message.h"
#include "broker/auth.h"
#include <stdlib.h>

static struct message *copy(const struct message *m)
{
    struct message *owned = malloc(sizeof *owned + message_size(m));
    if (!owned)
        return NULL;
    *owned = *m;
    owned->held = NULL;
    owned->kept = NULL;
    owned->stored = 0;
    if (m->author)
        principal_ref(m->author);
    owned->refs = 1;
    uint8_t *to = (uint8_t *)(owned + 1);
    owned->topic = memcpy(to, m->topic, m->topic_len);
    to += m->topic_len;
    owned->properties = to;
    if (m->properties_len)
        memcpy(to, m->properties, m->properties_len);
    to += m->properties_len;
    owned->payload = to;
    if (m->payload_len)
        memcpy(to, m->payload, m->payload_len);
    return owned;
}

struct message *message_hold(struct message *m)
{
    if (m->refs) {
        m->refs++;
        return m;
    }
    if (!m->held)
        m->held = copy(m);
    if (m->held)
        m->held->refs++;
    return m->held;
}

bool message_provide(struct message *m)
{
    if (!m->refs && !m->held)
        m->held = copy(m);
    return m->refs || m->held;
}

void message_unref(struct message *m)
{
    if (!m || --m->refs > 0)
        return;
    if (m->kept)
        m->kept->live = NULL;
    principal_unref(m->author);
    free(m);
}

void message_end(struct message *borrowed)
{
    message_unref(borrowed->held);
    borrowed->held = NULL;
}

bool message_expired(const struct message *m, int64_t wall_ms)
{
    return m->expires_ms != 0 && wall_ms >= m->expires_ms;
}

uint32_t message_seconds_left(const struct message *m, int64_t wall_ms)
{
    int64_t left_ms = m->expires_ms - wall_ms;
    if (left_ms <= 1000)
        return 1;
    /* Rounded up, so that a message is never announced as shorter-lived than it is. */
    int64_t left_s = (left_ms + 999) / 1000;
    return left_s > UINT32_MAX ? UINT32_MAX : (uint32_t)left_s;
}
