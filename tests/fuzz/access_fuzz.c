/* Password and ACL files as strangers might write them, read by broker/users.c and broker/acl.c.
 *
 * The first byte chooses the file. What must hold: a file with a mistake gives nobody anything; a
 * table's names all have records; a decision and its explanation agree. */
#include "base/hash.h"
#include "broker/acl.h"
#include "broker/users.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static void claim(bool holds)
{
    if (!holds)
        abort();
}

static void count_mistake(void *to, unsigned line, unsigned column, const char *why)
{
    (void)line;
    (void)column;
    claim(why && *why);
    ++*(size_t *)to;
}

static void read_users(struct slice text)
{
    size_t mistakes = 0, position = 0, seen = 0;
    struct users *users = users_read(text, NULL, count_mistake, &mistakes);
    struct slice name;
    claim((users == NULL) == (mistakes > 0));
    if (!users)
        return;
    while (users_next(users, &position, &name)) {
        claim(name.len > 0 && users_record(users, name) != NULL);
        seen++;
    }
    claim(seen == users_count(users));
    claim((users_any_record(users) != NULL) == (seen > 0));
    users_unref(users);
}

static void decide(const struct acl *acl, const struct acl_subject *subject)
{
    static const char *const topics[] = {"a", "a/b", "sensors/ann/t", "a/#", "#", "$SYS/x", "/"};
    struct grant *grant = acl_select(acl, subject);
    for (size_t i = 0; grant && i < sizeof topics / sizeof topics[0]; i++)
        for (unsigned right = ACL_PUBLISH; right <= ACL_RECEIVE; right *= 2) {
            struct slice topic = slice_of_str(topics[i]);
            long rule;
            bool spoilt;
            if (right != ACL_SUBSCRIBE && i >= 3 && i <= 4)
                continue; /* a filter is no name */
            bool said = grant_explain(grant, (enum acl_right)right, topic, &rule, &spoilt);
            claim(said == grant_allows(grant, (enum acl_right)right, topic));
            claim(!said || rule >= 0); /* only a rule can say yes */
        }
    grant_free(grant);
}

static void read_rules(struct slice text)
{
    static const struct acl_subject subjects[] = {
        {.anonymous = true, .client_id = SLICE("c")},
        {.user = SLICE("ann"), .client_id = SLICE("c")},
        {.user = SLICE("a/+"), .client_id = SLICE("#"), .cert_cn = SLICE("$x")},
    };
    size_t mistakes = 0;
    struct acl *acl = acl_new();
    claim(acl != NULL);
    claim(acl_read_mosquitto(acl, "acl", text, count_mistake, &mistakes) == mistakes);
    if (mistakes == 0 && acl_seal(acl))
        for (size_t i = 0; i < sizeof subjects / sizeof subjects[0]; i++)
            decide(acl, &subjects[i]);
    acl_unref(acl);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    hash_start(1);
    if (len == 0)
        return 0;
    struct slice text = slice_of(bytes + 1, len - 1);
    if (bytes[0] == 'u')
        read_users(text);
    else
        read_rules(text);
    return 0;
}
