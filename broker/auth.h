/* auth: who somebody is, and the one place that decides what they may do.
 *
 * Every route asks in here: CONNECT, takeover, publish, subscribe, each delivery, a will when it
 * fires, each retained message replayed (for its reader and for its author), each shared dispatch.
 * A protocol never decides for itself. What decides is a struct access (access.h); without one, or
 * with one that governs nothing, whom a listener lets in may do everything. */
#ifndef SIOTD_BROKER_AUTH_H
#define SIOTD_BROKER_AUTH_H

#include "broker/access.h"

enum proof {
    PROOF_NONE,     /* let in by the listener without proof */
    PROOF_KEY,      /* by certificate or pre-shared key: the transport's credentials */
    PROOF_PASSWORD, /* against the users of the access */
};

/* A proven (or deliberately unproven) identity, counted. */
struct identity {
    uint32_t refs;
    bool anonymous;  /* let in by the listener without proof */
    uint8_t proof;   /* enum proof */
    uint16_t cn_len; /* of the certificate's common name, behind the user name */
    uint16_t name_len;
    uint64_t record; /* PROOF_PASSWORD: what the password was checked against (identity_record) */
    char name[];     /* the user name; empty when anonymous */
};

/* One reference to a new identity, or NULL when out of memory. Who is not anonymous has proven
 * itself by key; identity_of_user is for passwords. */
struct identity *identity_new(struct slice name, bool anonymous);
struct identity *identity_of_certificate(struct slice name, struct slice common_name);
/* The one of all who are nobody in particular, borrowed: the same at each call, until the process
 * ends. NULL when out of memory. */
struct identity *identity_of_nobody(void);
struct identity *identity_of_user(struct slice name, const char *record);
/* As it was before a restart: `proof` is an enum proof. */
struct identity *identity_restore(struct slice name, struct slice common_name, uint8_t proof);
struct identity *identity_ref(struct identity *identity);
void identity_unref(struct identity *identity);

static inline struct slice identity_name(const struct identity *identity)
{
    return slice_of(identity->name, identity->name_len);
}

static inline struct slice identity_common_name(const struct identity *identity)
{
    return slice_of(identity->name + identity->name_len, identity->cn_len);
}

/* Whether they name the same, proven in the same way. */
bool identity_equal(const struct identity *a, const struct identity *b);

enum action {
    ACTION_PUBLISH,   /* topic: a name */
    ACTION_SUBSCRIBE, /* topic: a filter, without its $share part */
    ACTION_DELIVER,   /* topic: a name; also shared dispatch */
    ACTION_WILL,      /* topic: a name; when the will fires */
    ACTION_RETAINED,  /* topic: a name; when a retained message is replayed */
    ACTION_AUTHOR,    /* topic: a name; of the one who published what is replayed */
};

/* One identity with one client id, counted: whom rules are for. It outlives its session in what the
 * session leaves behind: wills that wait and values that are retained. Keeps the rules that concern
 * it, selected anew after each change of access. */
struct principal {
    uint32_t refs;
    uint32_t serial; /* of the access that `grant` is of */
    struct identity *identity;
    struct grant *grant;     /* owned; NULL until first asked */
    uint16_t mountpoint_len; /* of what stands in front of its topics in the core */
    uint16_t client_id_len;
    char client_id[];
};

/* One reference to a new principal, which takes one of the identity; NULL when out of memory. */
struct principal *principal_new(struct identity *identity, struct slice client_id,
                                size_t mountpoint_len);
/* One more reference; and one back, which frees with the last. */
struct principal *principal_ref(struct principal *principal);
/* NULL allowed. */
void principal_unref(struct principal *principal);

/* The access of now: each time another one comes, the serial changes, and what was selected from
 * the former is not asked again. */
struct authority {
    struct access *access; /* owned reference; NULL: nothing is governed */
    uint32_t serial;
};

/* Whether rules decide, and not only listeners. */
static inline bool authority_governs(const struct authority *authority)
{
    return authority->access && authority->access->governs;
}

/* Whether a principal may do that with a topic. NULL for `who` is someone for whom there was no
 * memory, and may nothing. */
bool authorise(const struct authority *authority, struct principal *who, enum action action,
               struct slice topic);

/* Whether it may come in with that client id. Checked at CONNECT and, for who is in, after each
 * change of access. `why` (may be NULL) is set to a sentence when not. */
bool authorise_connect(const struct authority *authority, const struct identity *identity,
                       struct slice client_id, const char **why);

/* Whether a session without connection may go on: its user still exists. */
bool authorise_stay(const struct authority *authority, const struct identity *identity);

/* Whether it may take over the session that `owner` has made. */
bool authorise_takeover(const struct identity *identity, const struct identity *owner);

#endif
