/* rules: see rules.h. Stands beside the way of a message: it is used at start and at reload. */
#include "config/rules.h"

#include "base/log.h"
#include "base/text.h"
#include "base/utf8.h"

/* One entry under examination. */
struct reading {
    struct acl *acl;
    struct acl_rule rule;
    const struct node *topics; /* NULL: not seen */
    bool decided;              /* allow or deny was there */
    bool good;
    struct report *report;
};

static void complain(struct reading *r, struct place place, const char *why)
{
    report_add(r->report, place, "acl: %s", why);
    r->good = false;
}

static void read_right(struct reading *r, const struct node *word)
{
    static const struct {
        const char *name;
        unsigned rights;
    } rows[] = {{"publish", ACL_PUBLISH},
                {"subscribe", ACL_SUBSCRIBE | ACL_RECEIVE},
                {"receive", ACL_RECEIVE},
                {"all", ACL_PUBLISH | ACL_SUBSCRIBE | ACL_RECEIVE}};
    for (size_t i = 0; word->kind == NODE_SCALAR && i < sizeof rows / sizeof rows[0]; i++)
        if (strcmp(word->text, rows[i].name) == 0) {
            r->rule.rights |= rows[i].rights;
            return;
        }
    complain(r, word->place, "an action must be publish, subscribe, receive or all");
}

static void read_rights(struct reading *r, const struct node *node, bool allow)
{
    if (r->decided)
        complain(r, node->key_place, "a rule has either allow or deny, once");
    r->decided = true;
    r->rule.allow = allow;
    if (node->kind == NODE_SCALAR)
        read_right(r, node);
    else if (node->kind == NODE_LIST && node->count)
        for (const struct node *word = node->first; word; word = word->next)
            read_right(r, word);
    else
        complain(r, node->place, "allow and deny need a list of actions");
}

static void read_name(struct reading *r, const struct node *node, struct slice *name)
{
    if (node->kind != NODE_SCALAR || node_is_null(node) || node->text[0] == '\0' ||
        !utf8_clean(slice_of_str(node->text)))
        complain(r, node->place, "user and client need a name; without a name leave the key out");
    else
        *name = slice_of_str(node->text);
}

static void read_anonymous(struct reading *r, const struct node *node)
{
    if (node->kind == NODE_SCALAR && strcmp(node->text, "true") == 0)
        r->rule.anonymous = true;
    else
        complain(r, node->place, "anonymous can only be true; leave it out for everybody");
}

static void read_unknown(struct reading *r, const struct node *node)
{
    static const char *const names[] = {"allow", "deny", "user", "client", "anonymous", "topics"};
    char shown[LOG_ESCAPED_SIZE];
    const char *nearest = text_nearest(node->key, names, sizeof names / sizeof names[0]);
    report_add(r->report, node->key_place, "acl: %s: unknown key%s%s%s",
               log_escape(shown, sizeof shown, slice_of_str(node->key)),
               nearest ? "; did you mean " : "", nearest ? nearest : "", nearest ? "?" : "");
    r->good = false;
}

static void read_key(struct reading *r, const struct node *node)
{
    if (strcmp(node->key, "allow") == 0 || strcmp(node->key, "deny") == 0)
        read_rights(r, node, node->key[0] == 'a');
    else if (strcmp(node->key, "user") == 0)
        read_name(r, node, &r->rule.user);
    else if (strcmp(node->key, "client") == 0)
        read_name(r, node, &r->rule.client_id);
    else if (strcmp(node->key, "anonymous") == 0)
        read_anonymous(r, node);
    else if (strcmp(node->key, "topics") == 0)
        r->topics = node;
    else
        read_unknown(r, node);
}

/* One rule for each topic. */
static void add_topic(struct reading *r, const struct node *topic)
{
    char why[ACL_WHY_SIZE];
    const struct node *exact = topic->kind == NODE_MAP ? node_get(topic, "eq") : NULL;
    const struct node *text = exact ? exact : topic;
    if (text->kind != NODE_SCALAR || node_is_null(text) || (exact && topic->count != 1)) {
        complain(r, topic->place, "a topic must be a filter or {eq: filter}");
        return;
    }
    r->rule.exact = exact != NULL;
    r->rule.topic = slice_of_str(text->text);
    if (r->good && !acl_add(r->acl, &r->rule, why))
        report_add(r->report, text->place, "acl: %s", why);
}

static void read_rule(const struct node *entry, const char *file, struct acl *acl,
                      struct report *report)
{
    struct reading r = {.acl = acl, .good = true, .report = report};
    r.rule = (struct acl_rule){.file = file, .line = entry->place.line, .substitute = true};
    if (entry->kind != NODE_MAP) {
        complain(&r, entry->place,
                 "a rule must be a map, such as {allow: [publish], topics: [..]}");
        return;
    }
    for (const struct node *node = entry->first; node; node = node->next)
        read_key(&r, node);
    if (!r.decided)
        complain(&r, entry->place, "a rule needs allow or deny");
    if (r.rule.anonymous && r.rule.user.len)
        complain(&r, entry->place, "who is anonymous has no user name");
    if (!r.topics || (r.topics->kind == NODE_LIST && !r.topics->count)) {
        complain(&r, entry->place, "a rule needs topics");
    } else if (r.topics->kind == NODE_LIST) {
        for (const struct node *topic = r.topics->first; topic; topic = topic->next)
            add_topic(&r, topic);
    } else {
        add_topic(&r, r.topics);
    }
}

void rules_read(const struct node *list, const char *file, struct acl *acl, struct report *report)
{
    if (list->kind != NODE_LIST) {
        report_add(report, list->place, "acl: must be a list of rules");
        return;
    }
    for (const struct node *entry = list->first; entry; entry = entry->next)
        read_rule(entry, file, acl, report);
}
