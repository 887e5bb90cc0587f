/* acl: see acl.h. auth.c selects a grant for each principal and asks it on every way a message can
 * take.
 *
 * Invariant of a sealed set: rules are in order of decision, and each stands in exactly one of the
 * lists (of its user, of its client, of the anonymous, of everybody), which are in that order too;
 * so selecting looks at the rules of one user and not at everybody's. */
#include "broker/acl.h"

#include "base/log.h"
#include "base/map.h"
#include "broker/acl_state.h"
#include "broker/topic.h"
#include <stdio.h>
#include <stdlib.h>

/* ---- the set ---- */

struct indexes {
    uint32_t *at;
    size_t count, capacity;
};

/* The rules of one user or client. */
struct owner {
    struct slice name; /* of its first rule, borrowed */
    struct indexes rules;
};

struct stored {
    struct acl_rule rule; /* slices and file point into owned memory */
    uint8_t *text;        /* owned: user, client id and topic in a row */
    size_t order;
};

struct acl {
    uint32_t refs;
    struct stored *rules;
    size_t count, capacity;
    char **files;
    size_t file_count;
    struct map users, clients; /* struct owner, owned */
    struct indexes everybody, anonymous;
};

static struct slice owner_key(const void *item)
{
    return ((const struct owner *)item)->name;
}

struct acl *acl_new(void)
{
    struct acl *acl = calloc(1, sizeof *acl);
    if (!acl)
        return NULL;
    acl->refs = 1;
    map_init(&acl->users, owner_key);
    map_init(&acl->clients, owner_key);
    return acl;
}

struct acl *acl_ref(struct acl *acl)
{
    acl->refs++;
    return acl;
}

static void clear_owners(struct map *owners)
{
    struct owner *owner;
    for (size_t position = 0; (owner = map_next(owners, &position)) != NULL;) {
        free(owner->rules.at);
        free(owner);
    }
    map_clear(owners);
}

void acl_unref(struct acl *acl)
{
    if (!acl || --acl->refs > 0)
        return;
    clear_owners(&acl->users);
    clear_owners(&acl->clients);
    free(acl->everybody.at);
    free(acl->anonymous.at);
    for (size_t i = 0; i < acl->count; i++)
        free(acl->rules[i].text);
    for (size_t i = 0; i < acl->file_count; i++)
        free(acl->files[i]);
    free(acl->files);
    free(acl->rules);
    free(acl);
}

size_t acl_count(const struct acl *acl)
{
    return acl->count;
}

const struct acl_rule *acl_rule_at(const struct acl *acl, size_t index)
{
    return &acl->rules[index].rule;
}

/* ---- building ---- */

/* The set's own copy of a file's name; one for all rules that follow each other. */
static const char *file_name(struct acl *acl, const char *file)
{
    if (acl->file_count && strcmp(acl->files[acl->file_count - 1], file) == 0)
        return acl->files[acl->file_count - 1];
    char **files = realloc(acl->files, (acl->file_count + 1) * sizeof *files);
    if (!files)
        return NULL;
    acl->files = files;
    files[acl->file_count] = strdup(file);
    return files[acl->file_count] ? files[acl->file_count++] : NULL;
}

static const struct {
    struct slice text;
    enum acl_name what;
} placeholders[] = {
    {{(const uint8_t *)"%u", 2}, ACL_NAME_USER},
    {{(const uint8_t *)"%c", 2}, ACL_NAME_CLIENT},
    {{(const uint8_t *)"${username}", 11}, ACL_NAME_USER},
    {{(const uint8_t *)"${clientid}", 11}, ACL_NAME_CLIENT},
    {{(const uint8_t *)"${cert.cn}", 10}, ACL_NAME_CN},
};

enum acl_name acl_name_at(struct slice s, size_t *len)
{
    for (size_t i = 0; i < sizeof placeholders / sizeof placeholders[0]; i++)
        if (slice_starts_with(s, placeholders[i].text)) {
            *len = placeholders[i].text.len;
            return placeholders[i].what;
        }
    return ACL_NAME_NONE;
}

/* "${...}" that is none of ours is a mistake, not a literal. */
static bool names_known(struct slice topic)
{
    for (size_t i = 0, len; i + 1 < topic.len; i++)
        if (topic.at[i] == '$' && topic.at[i + 1] == '{' &&
            acl_name_at(slice_from(topic, i), &len) == ACL_NAME_NONE)
            return false;
    return true;
}

static bool refuse(char why[ACL_WHY_SIZE], const char *reason)
{
    snprintf(why, ACL_WHY_SIZE, "%s", reason);
    return false;
}

static struct slice put(uint8_t **to, struct slice s)
{
    struct slice copy = slice_of(*to, s.len);
    if (s.len)
        memcpy(*to, s.at, s.len);
    *to += s.len;
    return copy;
}

static bool store(struct acl *acl, const struct acl_rule *rule)
{
    if (acl->count == acl->capacity) {
        size_t capacity = acl->capacity ? 2 * acl->capacity : 16;
        struct stored *rules = realloc(acl->rules, capacity * sizeof *rules);
        if (!rules)
            return false;
        acl->rules = rules;
        acl->capacity = capacity;
    }
    struct stored *stored = &acl->rules[acl->count];
    const char *file = file_name(acl, rule->file);
    uint8_t *text = malloc(rule->user.len + rule->client_id.len + rule->topic.len + 1);
    if (!file || !text) {
        free(text);
        return false;
    }
    *stored = (struct stored){.rule = *rule, .text = text, .order = acl->count};
    stored->rule.file = file;
    stored->rule.user = put(&text, rule->user);
    stored->rule.client_id = put(&text, rule->client_id);
    stored->rule.topic = put(&text, rule->topic);
    acl->count++;
    return true;
}

bool acl_add(struct acl *acl, const struct acl_rule *rule, char why[ACL_WHY_SIZE])
{
    if (!topic_filter_valid(rule->topic, UINT16_MAX, UINT16_MAX + 1))
        return refuse(why, "not a topic filter");
    if (rule->substitute && !names_known(rule->topic))
        return refuse(why, "unknown name in ${}; known: ${username} ${clientid} ${cert.cn}");
    if (acl->count >= UINT32_MAX || !store(acl, rule))
        return refuse(why, "out of memory");
    return true;
}

static bool note(struct indexes *list, size_t index)
{
    if (list->count == list->capacity) {
        size_t capacity = list->capacity ? 2 * list->capacity : 2;
        uint32_t *at = realloc(list->at, capacity * sizeof *at);
        if (!at)
            return false;
        list->at = at;
        list->capacity = capacity;
    }
    list->at[list->count++] = (uint32_t)index;
    return true;
}

static bool note_owned(struct map *owners, struct slice name, size_t index)
{
    struct owner *owner = map_find(owners, name);
    if (owner)
        return note(&owner->rules, index);
    owner = calloc(1, sizeof *owner);
    if (!owner)
        return false;
    owner->name = name;
    if (map_put(owners, owner) != 0) {
        free(owner);
        return false;
    }
    return note(&owner->rules, index);
}

static int by_order(const void *a, const void *b)
{
    const struct stored *x = a, *y = b;
    if (x->rule.rank != y->rule.rank)
        return x->rule.rank < y->rule.rank ? -1 : 1;
    return x->order < y->order ? -1 : x->order > y->order;
}

bool acl_seal(struct acl *acl)
{
    if (acl->count)
        qsort(acl->rules, acl->count, sizeof acl->rules[0], by_order);
    for (size_t i = 0; i < acl->count; i++) {
        const struct acl_rule *rule = &acl->rules[i].rule;
        bool noted = rule->anonymous       ? note(&acl->anonymous, i)
                     : rule->user.len      ? note_owned(&acl->users, rule->user, i)
                     : rule->client_id.len ? note_owned(&acl->clients, rule->client_id, i)
                                           : note(&acl->everybody, i);
        if (!noted)
            return false;
    }
    return true;
}

static void add_list(struct acl_list *lists, size_t *n, const struct indexes *list)
{
    if (list->count)
        lists[(*n)++] = (struct acl_list){list->at, list->count};
}

size_t acl_lists(const struct acl *acl, const struct acl_subject *subject, struct acl_list lists[4])
{
    size_t n = 0;
    add_list(lists, &n, &acl->everybody);
    if (subject->anonymous)
        add_list(lists, &n, &acl->anonymous);
    const struct owner *user = subject->anonymous ? NULL : map_find(&acl->users, subject->user);
    const struct owner *client = map_find(&acl->clients, subject->client_id);
    if (user)
        add_list(lists, &n, &user->rules);
    if (client)
        add_list(lists, &n, &client->rules);
    return n;
}

/* ---- words ---- */

const char *acl_rule_text(const struct acl *acl, size_t index, char *to, size_t size)
{
    const struct acl_rule *rule = &acl->rules[index].rule;
    char user[LOG_ESCAPED_SIZE], client[LOG_ESCAPED_SIZE], topic[LOG_ESCAPED_SIZE];
    log_escape(user, sizeof user, rule->user);
    log_escape(client, sizeof client, rule->client_id);
    log_escape(topic, sizeof topic, rule->topic);
    bool everybody = !rule->user.len && !rule->client_id.len && !rule->anonymous;
    snprintf(to, size, "%s:%u: %s%s%s%s for %s%s%s%s%s%s%s%s to %s\"%s\"", rule->file, rule->line,
             rule->allow ? "allow" : "deny", rule->rights & ACL_PUBLISH ? " publish" : "",
             rule->rights & ACL_SUBSCRIBE ? " subscribe" : "",
             rule->rights & ACL_RECEIVE ? " receive" : "", everybody ? "everybody" : "",
             rule->anonymous ? "the anonymous" : "", rule->user.len ? "user \"" : "", user,
             rule->user.len ? "\"" : "", rule->client_id.len ? " client \"" : "", client,
             rule->client_id.len ? "\"" : "", rule->exact ? "exactly " : "", topic);
    return to;
}
