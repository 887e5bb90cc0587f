/* auth: who somebody is, and the one place that decides what they may do.
 *
 * Every route asks authorise(): publish, subscribe, each delivery, a will when it fires, each
 * retained message replayed, each shared dispatch, each takeover. A protocol never decides for
 * itself. */
#ifndef SIOTD_BROKER_AUTH_H
#define SIOTD_BROKER_AUTH_H

#include "base/slice.h"

/* A proven (or deliberately unproven) identity, counted. */
struct identity {
    uint32_t refs;
    bool anonymous; /* let in by the listener without proof */
    uint16_t name_len;
    char name[]; /* the user name; empty when anonymous */
};

/* One reference to a new identity, or NULL when out of memory. */
struct identity *identity_new(struct slice name, bool anonymous);
struct identity *identity_ref(struct identity *identity);
void identity_unref(struct identity *identity);

static inline struct slice identity_name(const struct identity *identity)
{
    return slice_of(identity->name, identity->name_len);
}

enum action {
    ACTION_CONNECT,   /* topic: empty */
    ACTION_PUBLISH,   /* topic: a name */
    ACTION_SUBSCRIBE, /* topic: a filter, without its $share part */
    ACTION_DELIVER,   /* topic: a name; also shared dispatch */
    ACTION_WILL,      /* topic: a name; when the will fires */
    ACTION_RETAINED,  /* topic: a name; when a retained message is replayed */
    ACTION_TAKEOVER,  /* topic: the client id of the session to be taken over */
};

/* Whether it may. `owner` is the identity of the session to be taken over, else NULL. */
bool authorise(const struct identity *identity, enum action action, struct slice topic,
               const struct identity *owner);

#endif
