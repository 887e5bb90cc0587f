/* topic: see topic.h. Asked at the edge of the core, before router and retained store see a topic.
 */
#include "broker/topic.h"
#include "base/utf8.h"

static bool within_limits(struct slice s, size_t max_length, size_t max_levels)
{
    if (s.len == 0 || s.len > max_length || s.len > UINT16_MAX)
        return false;
    size_t levels = 1;
    const uint8_t *at = s.at, *end = s.at + s.len;
    while ((at = memchr(at, '/', (size_t)(end - at))) != NULL) {
        levels++;
        at++;
    }
    return levels <= max_levels && utf8_well_formed(s);
}

bool topic_has_wildcard(struct slice filter)
{
    return filter.len && (memchr(filter.at, '+', filter.len) || memchr(filter.at, '#', filter.len));
}

bool topic_name_valid(struct slice s, size_t max_length, size_t max_levels)
{
    return within_limits(s, max_length, max_levels) && !topic_has_wildcard(s);
}

bool topic_filter_valid(struct slice s, size_t max_length, size_t max_levels)
{
    if (!within_limits(s, max_length, max_levels))
        return false;
    struct slice level;
    bool more = true;
    while (topic_next_level(&s, &level, &more)) {
        if (!topic_has_wildcard(level))
            continue;
        if (level.len != 1)
            return false; /* a wildcard occupies a whole level [MQTT-4.7.1-1, MQTT-4.7.1-2] */
        if (level.at[0] == '#' && more)
            return false; /* "#" is the last level [MQTT-4.7.1-1] */
    }
    return true;
}

bool topic_next_level(struct slice *rest, struct slice *level, bool *more)
{
    if (!*more)
        return false;
    const uint8_t *slash = rest->len ? memchr(rest->at, '/', rest->len) : NULL;
    if (!slash) {
        *level = *rest;
        *more = false;
        return true;
    }
    *level = (struct slice){rest->at, (size_t)(slash - rest->at)};
    *rest = slice_from(*rest, level->len + 1);
    return true;
}

bool topic_matches(struct slice filter, struct slice topic)
{
    struct slice want, have;
    bool want_more = true, have_more = true;
    bool first = true;
    while (topic_next_level(&filter, &want, &want_more)) {
        bool wild = want.len == 1 && (want.at[0] == '#' || want.at[0] == '+');
        if (wild && first && topic.len && topic.at[0] == '$')
            return false; /* [MQTT-4.7.2-1] */
        first = false;
        if (wild && want.at[0] == '#')
            return true; /* also for the parent level [MQTT-4.7.1.2] */
        if (!topic_next_level(&topic, &have, &have_more))
            return false;
        if (!wild && !slice_equal(want, have))
            return false;
    }
    return !have_more;
}

static bool is_level(struct slice level, char c)
{
    return level.len == 1 && level.at[0] == c;
}

/* Wildcards in first place and topics that begin with '$' have nothing in common [MQTT-4.7.2-1]. */
static bool apart(struct slice wild, struct slice other)
{
    return topic_has_wildcard(wild) && other.len && other.at[0] == '$';
}

bool topic_filter_covers(struct slice wide, struct slice narrow)
{
    struct slice w, n = SLICE_EMPTY;
    bool w_more = true, n_more = true;
    for (bool first = true; topic_next_level(&wide, &w, &w_more); first = false) {
        bool level = topic_next_level(&narrow, &n, &n_more);
        if (first && level && apart(w, n))
            return false;
        if (is_level(w, '#'))
            return true; /* also the parent level, where `narrow` may have ended */
        if (first && is_level(w, '+') && is_level(n, '#'))
            return slice_equal(wide, SLICE("#")); /* no topic is without a first level */
        if (!level || is_level(n, '#') || (!is_level(w, '+') && !slice_equal(w, n)))
            return false;
    }
    return !n_more;
}

bool topic_filters_overlap(struct slice a, struct slice b)
{
    struct slice x, y;
    bool a_more = true, b_more = true, first = true;
    for (;; first = false) {
        bool in_a = topic_next_level(&a, &x, &a_more), in_b = topic_next_level(&b, &y, &b_more);
        if (!in_a || !in_b)
            return in_a == in_b || is_level(in_a ? x : y, '#');
        if (first && (apart(x, y) || apart(y, x)))
            return false;
        if (is_level(x, '#') || is_level(y, '#'))
            return true;
        if (!is_level(x, '+') && !is_level(y, '+') && !slice_equal(x, y))
            return false;
    }
}

enum topic_share topic_split_share(struct slice s, struct slice *group, struct slice *filter)
{
    static const char prefix[] = "$share/";
    if (!slice_starts_with(s, SLICE(prefix))) {
        *filter = s;
        return slice_equal(s, SLICE("$share")) ? TOPIC_SHARE_MALFORMED : TOPIC_NOT_SHARED;
    }
    struct slice rest = slice_from(s, sizeof prefix - 1);
    bool more = true;
    if (!topic_next_level(&rest, group, &more) || !more || group->len == 0 ||
        topic_has_wildcard(*group) || rest.len == 0)
        return TOPIC_SHARE_MALFORMED; /* [MQTT-4.8.2-1, MQTT-4.8.2-2] */
    *filter = rest;
    return TOPIC_SHARED;
}
