/* auth: see auth.h. The only place in siotd that says yes or no. */
#include "broker/auth.h"
#include <stdlib.h>

struct identity *identity_new(struct slice name, bool anonymous)
{
    if (name.len > UINT16_MAX)
        return NULL;
    struct identity *identity = malloc(sizeof *identity + name.len);
    if (!identity)
        return NULL;
    identity->refs = 1;
    identity->anonymous = anonymous;
    identity->name_len = (uint16_t)name.len;
    if (name.len)
        memcpy(identity->name, name.at, name.len);
    return identity;
}

struct identity *identity_ref(struct identity *identity)
{
    identity->refs++;
    return identity;
}

void identity_unref(struct identity *identity)
{
    if (identity && --identity->refs == 0)
        free(identity);
}

static bool same_principal(const struct identity *a, const struct identity *b)
{
    return a->anonymous == b->anonymous && slice_equal(identity_name(a), identity_name(b));
}

bool authorise(const struct identity *identity, enum action action, struct slice topic,
               const struct identity *owner)
{
    switch (action) {
    case ACTION_PUBLISH:
    case ACTION_WILL:
        /* Topics that begin with "$" are the daemon's own to write [MQTT-4.7.2]. */
        return topic.len == 0 || topic.at[0] != '$';
    case ACTION_TAKEOVER:
        /* A session belongs to whoever made it; among the anonymous there is no telling apart. */
        return same_principal(identity, owner);
    case ACTION_CONNECT:
    case ACTION_SUBSCRIBE:
    case ACTION_DELIVER:
    case ACTION_RETAINED:
        /* Whom a listener has let in may listen; per-user rules refine this. */
        return true;
    }
    return false;
}
