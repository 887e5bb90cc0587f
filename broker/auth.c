/* auth: see auth.h. The only place in siotd that says yes or no.
 *
 * Whatever cannot be found out (no memory for the rules that concern somebody) is a no. */
#include "broker/auth.h"

#include "base/hash.h"
#include <stdlib.h>

/* ---- identities ---- */

static struct identity *make(struct slice name, struct slice common_name, enum proof proof)
{
    if (name.len > UINT16_MAX || common_name.len > UINT16_MAX)
        return NULL;
    struct identity *identity = malloc(sizeof *identity + name.len + common_name.len);
    if (!identity)
        return NULL;
    *identity = (struct identity){.refs = 1,
                                  .anonymous = proof == PROOF_NONE,
                                  .proof = (uint8_t)proof,
                                  .name_len = (uint16_t)name.len,
                                  .cn_len = (uint16_t)common_name.len};
    if (name.len)
        memcpy(identity->name, name.at, name.len);
    if (common_name.len)
        memcpy(identity->name + name.len, common_name.at, common_name.len);
    return identity;
}

struct identity *identity_new(struct slice name, bool anonymous)
{
    return make(name, SLICE_EMPTY, anonymous ? PROOF_NONE : PROOF_KEY);
}

struct identity *identity_of_nobody(void)
{
    static struct identity *nobody;
    if (!nobody)
        nobody = identity_new(SLICE_EMPTY, true);
    return nobody;
}

struct identity *identity_of_certificate(struct slice name, struct slice common_name)
{
    return make(name, common_name, PROOF_KEY);
}

struct identity *identity_of_user(struct slice name, const char *record)
{
    struct identity *identity = make(name, SLICE_EMPTY, PROOF_PASSWORD);
    if (identity)
        identity->record = hash_slice(slice_of_str(record));
    return identity;
}

struct identity *identity_restore(struct slice name, struct slice common_name, uint8_t proof)
{
    return make(name, common_name, (enum proof)proof);
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

bool identity_equal(const struct identity *a, const struct identity *b)
{
    return a->proof == b->proof && a->anonymous == b->anonymous &&
           slice_equal(identity_name(a), identity_name(b)) &&
           slice_equal(identity_common_name(a), identity_common_name(b));
}

/* ---- principals ---- */

struct principal *principal_new(struct identity *identity, struct slice client_id,
                                size_t mountpoint_len)
{
    if (client_id.len > UINT16_MAX || mountpoint_len > UINT16_MAX)
        return NULL;
    struct principal *principal = malloc(sizeof *principal + client_id.len);
    if (!principal)
        return NULL;
    *principal = (struct principal){.refs = 1,
                                    .identity = identity_ref(identity),
                                    .mountpoint_len = (uint16_t)mountpoint_len,
                                    .client_id_len = (uint16_t)client_id.len};
    if (client_id.len)
        memcpy(principal->client_id, client_id.at, client_id.len);
    return principal;
}

struct principal *principal_ref(struct principal *principal)
{
    principal->refs++;
    return principal;
}

void principal_unref(struct principal *principal)
{
    if (!principal || --principal->refs > 0)
        return;
    grant_free(principal->grant);
    identity_unref(principal->identity);
    free(principal);
}

/* The rules that concern it now, or NULL when out of memory. */
static const struct grant *grant_of(const struct authority *authority, struct principal *who)
{
    if (who->grant && who->serial == authority->serial)
        return who->grant;
    const struct identity *identity = who->identity;
    const struct acl_subject subject = {.anonymous = identity->anonymous,
                                        .user = identity_name(identity),
                                        .client_id = slice_of(who->client_id, who->client_id_len),
                                        .cert_cn = identity_common_name(identity)};
    grant_free(who->grant);
    who->grant = acl_select(authority->access->acl, &subject);
    who->serial = authority->serial;
    return who->grant;
}

/* ---- decisions ---- */

/* Whether there still is such a user. */
static bool exists(const struct access *access, const struct identity *identity)
{
    return identity->proof != PROOF_PASSWORD ||
           (access->users && users_record(access->users, identity_name(identity)));
}

static bool ruled(const struct authority *authority, struct principal *who, enum acl_right right,
                  struct slice topic)
{
    const struct grant *grant = grant_of(authority, who);
    return grant && grant_allows(grant, right, topic);
}

bool authorise(const struct authority *authority, struct principal *who, enum action action,
               struct slice topic)
{
    bool governed = authority_governs(authority);
    switch (action) {
    case ACTION_PUBLISH:
    case ACTION_WILL:
    case ACTION_AUTHOR:
        /* Topics that begin with "$" are the daemon's own to write, whatever rules say
         * [MQTT-4.7.2]. */
        if (topic.len && topic.at[0] == '$')
            return false;
        if (!governed)
            return true;
        /* What somebody leaves behind must not outlive his leave. */
        return who && (action == ACTION_PUBLISH || exists(authority->access, who->identity)) &&
               ruled(authority, who, ACL_PUBLISH, topic);
    case ACTION_SUBSCRIBE:
        return !governed || (who && ruled(authority, who, ACL_SUBSCRIBE, topic));
    case ACTION_DELIVER:
    case ACTION_RETAINED:
        return !governed || (who && ruled(authority, who, ACL_RECEIVE, topic));
    }
    return false;
}

static bool refuse(const char **why, const char *reason)
{
    if (why)
        *why = reason;
    return false;
}

bool authorise_connect(const struct authority *authority, const struct identity *identity,
                       struct slice client_id, const char **why)
{
    const struct access *access = authority->access;
    if (identity->proof == PROOF_PASSWORD) {
        const char *record =
            access && access->users ? users_record(access->users, identity_name(identity)) : NULL;
        if (!record)
            return refuse(why, "there is no such user any more");
        if (hash_slice(slice_of_str(record)) != identity->record)
            return refuse(why, "the password has changed");
    }
    if (access && access->bind_client_id && !identity->anonymous &&
        !slice_equal(client_id, identity_name(identity)))
        return refuse(why, "the client id is not the user's name");
    return true;
}

bool authorise_stay(const struct authority *authority, const struct identity *identity)
{
    return identity->proof != PROOF_PASSWORD ||
           (authority->access && exists(authority->access, identity));
}

bool authorise_takeover(const struct identity *identity, const struct identity *owner)
{
    /* A session belongs to whoever made it; among the anonymous there is no telling apart. */
    return identity->anonymous == owner->anonymous &&
           slice_equal(identity_name(identity), identity_name(owner));
}
