/* grant: the rules of an acl that concern one principal, and the walk over them; see acl.h.
 *
 * On the way of a message: publish.c, share.c, replay.c -> authorise -> grant_allows, once for each
 * receiver. Most rules are a plain topic or a prefix and "#", and those are compared without
 * looking at levels. */
#include "broker/acl.h"
#include "broker/acl_state.h"
#include "broker/topic.h"
#include <stdlib.h>

enum shape {
    SHAPE_SPOILT,  /* a name that may not be put in: says no to everything */
    SHAPE_LITERAL, /* no wildcard, or meant exactly */
    SHAPE_ALL,     /* "#" */
    SHAPE_BELOW,   /* "prefix/#", no other wildcard; `topic` is the prefix */
    SHAPE_FILTER,
};

struct granted {
    const uint8_t *topic; /* of the set, or of the grant's own bytes */
    uint32_t rule;        /* its index in the set */
    uint16_t len;         /* of the topic; without "/#" when SHAPE_BELOW */
    uint8_t shape;
    uint8_t rights : 3;
    bool allow : 1, exact : 1, lenient : 1;
};

struct grant {
    size_t count;
    uint8_t *bytes; /* owned: topics with names put in; NULL without */
    struct granted rules[];
};

/* ---- selecting ---- */

static struct slice name_for(const struct acl_subject *subject, enum acl_name what)
{
    switch (what) {
    case ACL_NAME_USER:
        return subject->anonymous ? SLICE_EMPTY : subject->user;
    case ACL_NAME_CLIENT:
        return subject->client_id;
    case ACL_NAME_CN:
        return subject->cert_cn;
    case ACL_NAME_NONE:
        break;
    }
    return SLICE_EMPTY;
}

/* Whether a name may stand inside a level; at the very beginning of a topic it must not make it one
 * of the daemon's own. */
static bool is_harmless(struct slice name, bool first)
{
    for (size_t i = 0; i < name.len; i++)
        if (name.at[i] == '+' || name.at[i] == '#' || name.at[i] == '/' || name.at[i] == 0)
            return false;
    return !first || name.at[0] != '$';
}

enum outcome { FITS, SPOILT, NOT_CONCERNED };

/* Puts the names in. `to` NULL: only measures into *len. */
static enum outcome substitute(struct slice topic, const struct acl_subject *subject, uint8_t *to,
                               size_t *len)
{
    enum outcome outcome = FITS;
    size_t at = 0;
    for (size_t i = 0, step; i < topic.len; i += step) {
        enum acl_name what = acl_name_at(slice_from(topic, i), &step);
        struct slice piece = slice_of(topic.at + i, 1);
        if (what == ACL_NAME_NONE) {
            step = 1;
        } else {
            piece = name_for(subject, what);
            if (piece.len == 0)
                return NOT_CONCERNED; /* who has no such name is not meant */
            if (!is_harmless(piece, i == 0))
                outcome = SPOILT;
        }
        if (to)
            memcpy(to + at, piece.at, piece.len);
        at += piece.len;
    }
    *len = at;
    return at > UINT16_MAX ? SPOILT : outcome;
}

static void give_shape(struct granted *granted, struct slice topic)
{
    granted->topic = topic.at;
    granted->len = (uint16_t)topic.len;
    granted->shape = SHAPE_FILTER;
    if (granted->exact || !topic_has_wildcard(topic)) {
        granted->shape = SHAPE_LITERAL;
    } else if (topic.len == 1 && topic.at[0] == '#') {
        granted->shape = SHAPE_ALL;
    } else if (topic.len > 2 && topic.at[topic.len - 1] == '#' &&
               !topic_has_wildcard(slice_of(topic.at, topic.len - 2))) {
        granted->shape = SHAPE_BELOW;
        granted->len -= 2;
    }
}

static bool is_meant(const struct acl_rule *rule, const struct acl_subject *subject)
{
    if (rule->anonymous && !subject->anonymous)
        return false;
    if (rule->user.len && (subject->anonymous || !slice_equal(rule->user, subject->user)))
        return false;
    return !rule->client_id.len || slice_equal(rule->client_id, subject->client_id);
}

/* What is gathered while a grant is made. */
struct selection {
    const struct acl *acl;
    const struct acl_subject *subject;
    struct grant *grant;
    size_t used; /* of grant->bytes */
};

/* Appends one rule if it concerns the subject. With grant NULL it only measures. */
static void take(struct selection *s, uint32_t index, size_t *count, size_t *bytes)
{
    const struct acl_rule *rule = acl_rule_at(s->acl, index);
    size_t len = 0;
    enum outcome outcome = FITS;
    if (!is_meant(rule, s->subject))
        return;
    if (rule->substitute)
        outcome = substitute(rule->topic, s->subject, NULL, &len);
    if (outcome == NOT_CONCERNED)
        return;
    bool named = rule->substitute && outcome == FITS;
    if (s->grant) {
        struct granted *granted = &s->grant->rules[*count];
        *granted = (struct granted){.rule = index,
                                    .rights = (uint8_t)(rule->rights & 7),
                                    .allow = rule->allow,
                                    .exact = rule->exact,
                                    .lenient = rule->lenient};
        struct slice topic = rule->topic;
        if (named) {
            uint8_t *to = s->grant->bytes + *bytes;
            substitute(rule->topic, s->subject, to, &len);
            topic = slice_of(to, len);
        }
        if (outcome == SPOILT)
            granted->shape = SHAPE_SPOILT;
        else
            give_shape(granted, topic);
    }
    ++*count;
    *bytes += named ? len : 0;
}

/* Takes from the lists in the order of the set. */
static void take_all(struct selection *s, size_t *count, size_t *bytes)
{
    struct acl_list lists[4];
    size_t n = acl_lists(s->acl, s->subject, lists);
    *count = *bytes = 0;
    for (;;) {
        struct acl_list *first = NULL;
        for (size_t i = 0; i < n; i++)
            if (lists[i].count && (!first || *lists[i].at < *first->at))
                first = &lists[i];
        if (!first)
            return;
        take(s, *first->at++, count, bytes);
        first->count--;
    }
}

struct grant *acl_select(const struct acl *acl, const struct acl_subject *subject)
{
    struct selection s = {.acl = acl, .subject = subject};
    size_t count, bytes;
    take_all(&s, &count, &bytes);
    struct grant *grant = malloc(sizeof *grant + count * sizeof grant->rules[0]);
    if (!grant)
        return NULL;
    grant->count = count;
    grant->bytes = bytes ? malloc(bytes) : NULL;
    if (bytes && !grant->bytes) {
        free(grant);
        return NULL;
    }
    s.grant = grant;
    take_all(&s, &count, &bytes);
    return grant;
}

void grant_free(struct grant *grant)
{
    if (!grant)
        return;
    free(grant->bytes);
    free(grant);
}

/* ---- deciding ---- */

/* Of a topic name. */
static inline bool fits_topic(const struct granted *granted, struct slice topic)
{
    switch ((enum shape)granted->shape) {
    case SHAPE_SPOILT:
        return true;
    case SHAPE_LITERAL:
        return granted->len == topic.len && memcmp(granted->topic, topic.at, topic.len) == 0;
    case SHAPE_ALL:
        return topic.len == 0 || topic.at[0] != '$';
    case SHAPE_BELOW:
        return topic.len >= granted->len && memcmp(granted->topic, topic.at, granted->len) == 0 &&
               (topic.len == granted->len || topic.at[granted->len] == '/');
    case SHAPE_FILTER:
        break;
    }
    return topic_matches(slice_of(granted->topic, granted->len), topic);
}

/* Of a filter that somebody wants to subscribe to. */
static bool fits_filter(const struct granted *granted, struct slice filter)
{
    if (granted->shape == SHAPE_SPOILT)
        return true;
    struct slice own =
        slice_of(granted->topic, granted->len + (granted->shape == SHAPE_BELOW ? 2u : 0u));
    if (granted->exact)
        return slice_equal(own, filter);
    return granted->lenient && granted->allow ? topic_filters_overlap(own, filter)
                                              : topic_filter_covers(own, filter);
}

static const struct granted *decisive(const struct grant *grant, enum acl_right right,
                                      struct slice topic)
{
    for (size_t i = 0; i < grant->count; i++) {
        const struct granted *granted = &grant->rules[i];
        if ((granted->rights & right) &&
            (right == ACL_SUBSCRIBE ? fits_filter(granted, topic) : fits_topic(granted, topic)))
            return granted;
    }
    return NULL;
}

bool grant_allows(const struct grant *grant, enum acl_right right, struct slice topic)
{
    const struct granted *granted = decisive(grant, right, topic);
    return granted && granted->allow && granted->shape != SHAPE_SPOILT;
}

bool grant_explain(const struct grant *grant, enum acl_right right, struct slice topic, long *rule,
                   bool *spoilt)
{
    const struct granted *granted = decisive(grant, right, topic);
    *rule = granted ? (long)granted->rule : -1;
    *spoilt = granted && granted->shape == SHAPE_SPOILT;
    return granted && granted->allow && !*spoilt;
}
