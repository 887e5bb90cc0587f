/* acl_mosquitto: Mosquitto's acl_file as rules of ours. Read at start and at reload.
 *
 *   user NAME                                    the lines that follow are for this user
 *   topic [read|write|readwrite|deny] FILTER     before the first `user`: for the anonymous
 *   pattern [read|write|readwrite|deny] FILTER   for everybody, with %c and %u
 *
 * There, denials are looked at before grants and a user's own lines before patterns: the four
 * ranks. Subscribing is always allowed there and what arrives is filtered; here a subscription that
 * could never be sent anything is refused (acl_rule.lenient), which loses nobody a message. A line
 * that is none is a mistake: guessing what was meant is how others opened their brokers. */
#include "base/utf8.h"
#include "broker/acl.h"
#include "broker/lines.h"

enum rank { RANK_DENY = 1, RANK_GRANT, RANK_PATTERN_DENY, RANK_PATTERN_GRANT };

struct reading {
    struct acl *acl;
    const char *file;
    struct slice user; /* of the block; empty: anonymous */
    struct slice line;
    unsigned number;
    void (*mistake)(void *to, unsigned line, unsigned column, const char *why);
    void *to;
    size_t mistakes;
};

static void complain(struct reading *r, struct slice at, const char *why)
{
    unsigned column = at.at ? (unsigned)(at.at - r->line.at) + 1 : (unsigned)r->line.len + 1;
    r->mistakes++;
    r->mistake(r->to, r->number, column, why);
}

static bool is_blank(uint8_t c)
{
    return c == ' ' || c == '\t';
}

static struct slice skip_blanks(struct slice s)
{
    while (s.len && is_blank(s.at[0]))
        s = (struct slice){s.at + 1, s.len - 1};
    return s;
}

/* The first word; *rest is what follows it. */
static struct slice word(struct slice s, struct slice *rest)
{
    struct slice first = {s.at, 0};
    while (first.len < s.len && !is_blank(s.at[first.len]))
        first.len++;
    *rest = skip_blanks((struct slice){s.at + first.len, s.len - first.len});
    return first;
}

static bool read_access(struct slice text, struct acl_rule *rule)
{
    static const struct {
        const char *name;
        unsigned rights;
        bool allow;
    } rows[] = {
        {"read", ACL_SUBSCRIBE | ACL_RECEIVE, true},
        {"write", ACL_PUBLISH, true},
        {"readwrite", ACL_PUBLISH | ACL_SUBSCRIBE | ACL_RECEIVE, true},
        {"deny", ACL_PUBLISH | ACL_SUBSCRIBE | ACL_RECEIVE, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (slice_equal(text, slice_of_str(rows[i].name))) {
            rule->rights = rows[i].rights;
            rule->allow = rows[i].allow;
            return true;
        }
    return false;
}

static void read_rule(struct reading *r, struct slice rest, bool pattern)
{
    struct acl_rule rule = {.file = r->file,
                            .line = r->number,
                            .allow = true,
                            .rights = ACL_PUBLISH | ACL_SUBSCRIBE | ACL_RECEIVE,
                            .substitute = pattern,
                            .lenient = true,
                            .topic = rest};
    char why[ACL_WHY_SIZE];
    struct slice topic, access = word(rest, &topic);
    if (topic.len > 0) { /* an access word, and a topic that may hold spaces */
        if (!read_access(access, &rule)) {
            complain(r, access, "must be read, write, readwrite or deny");
            return;
        }
        rule.topic = topic;
    }
    if (!pattern) {
        rule.user = r->user;
        rule.anonymous = r->user.len == 0;
    }
    rule.rank = pattern ? (rule.allow ? RANK_PATTERN_GRANT : RANK_PATTERN_DENY)
                        : (rule.allow ? RANK_GRANT : RANK_DENY);
    if (!acl_add(r->acl, &rule, why))
        complain(r, rule.topic, why);
}

static void read_user(struct reading *r, struct slice name)
{
    if (name.len == 0)
        complain(r, SLICE_EMPTY, "user: the name is missing");
    else if (!utf8_well_formed(name))
        complain(r, name, "user: the name is not UTF-8");
    else
        r->user = name;
}

static void read_line(struct reading *r)
{
    struct slice line = r->line, rest;
    while (line.len && is_blank(line.at[line.len - 1]))
        line.len--;
    line = skip_blanks(line);
    if (line.len == 0 || line.at[0] == '#')
        return;
    struct slice keyword = word(line, &rest);
    if (slice_equal(keyword, SLICE("user")))
        read_user(r, rest);
    else if (slice_equal(keyword, SLICE("topic")))
        read_rule(r, rest, false);
    else if (slice_equal(keyword, SLICE("pattern")))
        read_rule(r, rest, true);
    else
        complain(r, keyword, "must begin with user, topic or pattern");
}

size_t acl_read_mosquitto(struct acl *acl, const char *file, struct slice text,
                          void (*mistake)(void *to, unsigned line, unsigned column,
                                          const char *why),
                          void *to)
{
    struct reading r = {.acl = acl, .file = file, .mistake = mistake, .to = to};
    struct lines lines = {.rest = text};
    while (lines_next(&lines, &r.line)) {
        r.number = lines.number;
        read_line(&r);
    }
    return r.mistakes;
}
