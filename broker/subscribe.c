/* subscribe: SUBSCRIBE and UNSUBSCRIBE as every protocol means them, MQTT 5.0 sections 3.8
 * and 3.10. */
#include "base/utf8.h"
#include "broker/core.h"
#include "broker/topic.h"
#include <stdlib.h>

/* A filter as the router knows it: group apart, mountpoint in front. */
struct target {
    struct slice group, filter;
    uint8_t *owned; /* behind filter when there is a mountpoint */
};

static enum verdict aim(const struct session *session, struct slice filter, struct target *target)
{
    const struct broker_limits *limits = session->broker->limits;
    *target = (struct target){0};
    if (topic_split_share(filter, &target->group, &target->filter) == TOPIC_SHARE_MALFORMED ||
        !topic_filter_valid(target->filter, limits->topic_length, limits->topic_levels))
        return VERDICT_BAD_FILTER;
    if (target->group.len &&
        (filter.len > limits->topic_length || !utf8_well_formed(target->group)))
        return VERDICT_BAD_FILTER;
    size_t prefix = strlen(session->mountpoint), size = prefix + target->filter.len;
    if (prefix == 0)
        return VERDICT_OK;
    if (size > UINT16_MAX)
        return VERDICT_BAD_FILTER;
    target->owned = malloc(size);
    if (!target->owned)
        return VERDICT_NO_MEMORY;
    memcpy(target->owned, session->mountpoint, prefix);
    memcpy(target->owned + prefix, target->filter.at, target->filter.len);
    target->filter = slice_of(target->owned, size);
    return VERDICT_OK;
}

static void count_subscription(struct session *session, bool shared, bool more)
{
    struct stats *stats = &session->broker->stats;
    uint64_t *counter = shared ? &stats->shared_subscriptions : &stats->subscriptions;
    if (more) {
        ++*counter;
        session->subscription_count++;
    } else {
        --*counter;
        session->subscription_count--;
    }
}

bool subscription_filter(const struct subscription *s, struct buffer *filter)
{
    struct buffer inner = {0};
    filter->len = 0;
    bool good = router_filter(s->node, &inner);
    if (good && s->share)
        good = buffer_append(filter, SLICE("$share/")) == 0 &&
               buffer_append(filter, share_name(s->share)) == 0 &&
               buffer_append(filter, SLICE("/")) == 0;
    good = good && buffer_append(filter, slice_from(buffer_slice(&inner),
                                                    strlen(s->session->mountpoint))) == 0;
    buffer_clear(&inner);
    return good;
}

/* Takes a subscription away and all that is on its way because of it and need not be. */
void subscription_end(struct session *session, struct subscription *s)
{
    struct share *share = s->share ? share_ref(s->share) : NULL;
    replay_stop(session, s);
    count_subscription(session, share != NULL, false);
    router_remove(&session->broker->router, s);
    if (share)
        outbox_hand_on(session, share,
                       false); /* what waited for its turn here goes to the others */
    share_unref(share);
}

static enum verdict subscribe(struct session *session, struct slice given,
                              const struct target *target, const struct subscribe_options *options)
{
    struct broker *broker = session->broker;
    const struct subscription *former = router_find(
        &broker->router, session, &session->subscriptions, target->group, target->filter);
    if (!former && (session->subscription_count >= broker->limits->subscriptions ||
                    broker->router.tree.count >= broker->limits->filter_nodes))
        return VERDICT_QUOTA;
    if (session_number(session) && durable_is_full(broker))
        return VERDICT_QUOTA;
    bool existed;
    struct subscription *s = router_add(&broker->router, session, &session->subscriptions,
                                        target->group, target->filter, options, &existed);
    if (!s)
        return VERDICT_NO_MEMORY;
    if (!existed)
        count_subscription(session, target->group.len > 0, true);
    /* Nothing is replayed to a shared subscription [MQTT-4.8.2]. */
    bool replay = (options->retain_handling == 0 || (options->retain_handling == 1 && !existed)) &&
                  !target->group.len;
    if ((!replay || replay_start(session, s, target->filter)) &&
        durable_subscription(session, given, options))
        return VERDICT_OK;
    if (!existed)
        subscription_end(session, s); /* refused means that there is none */
    return VERDICT_NO_MEMORY;
}

enum verdict subscription_restore(struct session *session, struct slice filter,
                                  const struct subscribe_options *options)
{
    struct target target;
    bool existed;
    enum verdict verdict = aim(session, filter, &target);
    if (verdict != VERDICT_OK)
        return verdict;
    if (!router_add(&session->broker->router, session, &session->subscriptions, target.group,
                    target.filter, options, &existed))
        verdict = VERDICT_NO_MEMORY;
    else if (!existed)
        count_subscription(session, target.group.len > 0, true);
    free(target.owned);
    return verdict;
}

enum verdict broker_subscribe(struct broker *broker, struct session *session, struct slice filter,
                              const struct subscribe_options *options)
{
    (void)broker;
    struct target target;
    enum verdict verdict = aim(session, filter, &target);
    if (verdict != VERDICT_OK)
        return verdict;
    struct slice inner = slice_from(target.filter, strlen(session->mountpoint));
    verdict = session_may(session, ACTION_SUBSCRIBE, inner)
                  ? subscribe(session, filter, &target, options)
                  : VERDICT_DENIED;
    free(target.owned);
    return verdict;
}

enum verdict broker_unsubscribe(struct broker *broker, struct session *session, struct slice filter)
{
    struct target target;
    enum verdict verdict = aim(session, filter, &target);
    if (verdict != VERDICT_OK)
        return verdict;
    struct subscription *s =
        router_find(&broker->router, session, &session->subscriptions, target.group, target.filter);
    free(target.owned);
    if (!s)
        return VERDICT_NO_SUBSCRIPTION;
    if (!durable_unsubscription(session, filter))
        return VERDICT_NO_MEMORY;
    subscription_end(session, s);
    return VERDICT_OK;
}
