/* acl_reference: what rules mean, written down rule by rule and level by level: strings, recursion,
 * nothing prepared. And rules, names and topics by chance. For tests that compare it with
 * broker/acl and broker/auth. */
#ifndef SIOTD_TESTS_ACL_REFERENCE_H
#define SIOTD_TESTS_ACL_REFERENCE_H

#include "base/hash.h"
#include "broker/acl.h"
#include <stdio.h>
#include <string.h>

static uint64_t seed = 88172645463325252ULL;

static unsigned dice(unsigned sides)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (unsigned)(seed % sides);
}

struct plain_rule {
    bool allow, anonymous, exact;
    unsigned rights;
    const char *user, *client; /* "" for any */
    char topic[64];
};

static bool selects(const char *filter, const char *topic)
{
    if (strcmp(filter, "#") == 0)
        return true;
    size_t f = strcspn(filter, "/"), t = strcspn(topic, "/");
    if (!(f == 1 && filter[0] == '+') && (f != t || strncmp(filter, topic, f) != 0))
        return false;
    if (!filter[f] && !topic[t])
        return true;
    if (filter[f] && !topic[t])
        return strcmp(filter + f, "/#") == 0;
    return filter[f] && topic[t] && selects(filter + f + 1, topic + t + 1);
}

static bool selects_topic(const char *filter, const char *topic)
{
    if (topic[0] == '$' && (filter[0] == '#' || filter[0] == '+'))
        return false;
    return selects(filter, topic);
}

/* Whether all of `narrow` is in `wide`: as a name, a "+" is a level like any other, and a "#"
 * stands for any depth: so both are put to the test as topics, "#" as none, one and two levels. */
static bool contains(const char *wide, const char *narrow)
{
    static const char *const ends[] = {"", "/*", "/*/*"};
    size_t len = strlen(narrow);
    if (len == 0 || narrow[len - 1] != '#')
        return selects_topic(wide, narrow);
    for (size_t i = 0; i < 3; i++) {
        char topic[96] = "";
        if (len == 1 && i == 0)
            continue; /* "#" selects no topic without a level */
        snprintf(topic, sizeof topic, "%.*s%s", (int)(len >= 2 ? len - 2 : 0), narrow,
                 len == 1 ? ends[i] + 1 : ends[i]);
        if (!selects_topic(wide, topic))
            return false;
    }
    return true;
}

enum { NOT_MEANT, SPOILT, READY };

static int put_in(const char *topic, const struct acl_subject *subject, char to[256])
{
    size_t n = 0;
    int result = READY;
    for (const char *at = topic; *at; at++) {
        struct slice name = at[0] == '%' && at[1] == 'u'   ? subject->user
                            : at[0] == '%' && at[1] == 'c' ? subject->client_id
                                                           : SLICE_EMPTY;
        if (at[0] != '%' || (at[1] != 'u' && at[1] != 'c')) {
            to[n++] = *at;
            continue;
        }
        if (name.len == 0)
            return NOT_MEANT;
        for (size_t i = 0; i < name.len; i++)
            if (strchr("+#/", name.at[i]) || (at == topic && i == 0 && name.at[i] == '$'))
                result = SPOILT;
        memcpy(to + n, name.at, name.len);
        n += name.len;
        at++;
    }
    to[n] = 0;
    return result;
}

static bool reference(const struct plain_rule *rules, size_t count,
                      const struct acl_subject *subject, enum acl_right right, const char *topic)
{
    for (size_t i = 0; i < count; i++) {
        const struct plain_rule *r = &rules[i];
        char own[256];
        if (!(r->rights & right) || (r->anonymous && !subject->anonymous))
            continue;
        if (r->user[0] &&
            (subject->anonymous || !slice_equal(slice_of_str(r->user), subject->user)))
            continue;
        if (r->client[0] && !slice_equal(slice_of_str(r->client), subject->client_id))
            continue;
        int outcome = put_in(r->topic, subject, own);
        if (outcome == NOT_MEANT)
            continue;
        if (outcome == SPOILT)
            return false;
        bool fits = r->exact                 ? strcmp(own, topic) == 0
                    : right == ACL_SUBSCRIBE ? contains(own, topic)
                                             : selects_topic(own, topic);
        if (fits)
            return r->allow;
    }
    return false;
}

static const char *const users[] = {"ann", "bob", "+", "#", "a/b", "$SYS", "ann+", ".*"};
static const char *const clients[] = {"c1", "c2", "#", "+", "x/y", "$SYS", "%u"};

static void random_topic(char *to, bool wild, bool names)
{
    static const char *const levels[] = {"a", "b", "", "ann", "c1", "$SYS"};
    size_t count = 1 + dice(3);
    to[0] = 0;
    for (size_t i = 0; i < count; i++) {
        unsigned kind = dice(10);
        if (i)
            strcat(to, "/");
        if (wild && kind == 0) {
            strcat(to, "#");
            return;
        }
        if (wild && kind == 1)
            strcat(to, "+");
        else if (names && kind < 5)
            strcat(to, kind == 2 ? "%u" : kind == 3 ? "%c" : "x%u-%c");
        else
            strcat(to, levels[dice(6)]);
    }
    if (!to[0])
        strcpy(to, "a");
}

static struct plain_rule random_rule(void)
{
    unsigned whom = dice(6);
    struct plain_rule r = {.allow = dice(3) > 0,
                           .rights = 1 + dice(7),
                           .exact = dice(10) == 0,
                           .anonymous = whom == 0,
                           .user = whom == 1 || whom == 3 ? users[dice(8)] : "",
                           .client = whom == 2 || whom == 3 ? clients[dice(7)] : ""};
    random_topic(r.topic, true, true);
    return r;
}

/* The same rule for siotd, which borrows its texts. */
static struct acl_rule real_rule(const struct plain_rule *r, unsigned line)
{
    return (struct acl_rule){.file = "t",
                             .line = line,
                             .allow = r->allow,
                             .rights = r->rights,
                             .user = slice_of_str(r->user),
                             .client_id = slice_of_str(r->client),
                             .anonymous = r->anonymous,
                             .topic = slice_of_str(r->topic),
                             .exact = r->exact,
                             .substitute = true};
}

#endif
