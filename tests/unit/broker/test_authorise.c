/* authorise: the one door for every protocol, against the reference of acl_reference.h: everybody
 * whom a transport or a protocol can make (nobody proven on udp and tcp, a key, a certificate),
 * with the client ids of every protocol, on every route, while rules are exchanged under way. */
#include "broker/auth.h"
#include "tests/unit/broker/acl_reference.h"
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

enum { SETS = 2000, DECISIONS = 500, RULES = 12, PRINCIPALS = 6 };

static const enum action actions[] = {ACTION_PUBLISH, ACTION_SUBSCRIBE, ACTION_DELIVER,
                                      ACTION_WILL,    ACTION_RETAINED,  ACTION_AUTHOR};

static enum acl_right right_of(enum action action)
{
    switch (action) {
    case ACTION_SUBSCRIBE:
        return ACL_SUBSCRIBE;
    case ACTION_DELIVER:
    case ACTION_RETAINED:
        return ACL_RECEIVE;
    case ACTION_PUBLISH:
    case ACTION_WILL:
    case ACTION_AUTHOR:
        break;
    }
    return ACL_PUBLISH;
}

static bool writes(enum action action)
{
    return right_of(action) == ACL_PUBLISH;
}

/* As transports and protocols make them: the client ids that come with a CONNECT of MQTT and
 * MQTT-SN are anybody's choice, those of raw, of CoAP and of QoS -1 are made of the address or of
 * the identity. */
static struct principal *random_principal(struct acl_subject *subject)
{
    static const char *const made[] = {"raw:127.0.0.1:5", "coap:[::1]:7", "raw:ann", "sn", "ann"};
    const char *user = users[dice(8)];
    const char *client = dice(2) ? clients[dice(7)] : made[dice(5)];
    unsigned how = dice(3);
    struct identity *identity = how == 0 ? identity_new(SLICE_EMPTY, true)
                                : how == 1
                                    ? identity_new(slice_of_str(user), false)
                                    : identity_of_certificate(slice_of_str(user), SLICE("cn"));
    assert_non_null(identity);
    *subject = (struct acl_subject){.anonymous = how == 0,
                                    .user = how == 0 ? SLICE_EMPTY : slice_of_str(user),
                                    .client_id = slice_of_str(client)};
    struct principal *who = principal_new(identity, slice_of_str(client), 0);
    assert_non_null(who);
    identity_unref(identity);
    return who;
}

static void random_access(struct authority *authority, struct plain_rule *rules, size_t *count)
{
    char why[ACL_WHY_SIZE];
    access_unref(authority->access);
    authority->access = access_new();
    assert_non_null(authority->access);
    acl_unref(authority->access->acl);
    authority->access->acl = acl_new();
    authority->access->governs = dice(10) > 0;
    authority->serial++;
    *count = dice(RULES + 1);
    for (size_t i = 0; i < *count; i++) {
        rules[i] = random_rule();
        struct acl_rule rule = real_rule(&rules[i], (unsigned)i);
        assert_true(acl_add(authority->access->acl, &rule, why));
    }
    assert_true(acl_seal(authority->access->acl));
}

static bool wanted(const struct authority *authority, const struct plain_rule *rules, size_t count,
                   const struct acl_subject *subject, enum action action, const char *topic)
{
    if (writes(action) && topic[0] == '$')
        return false;
    return !authority->access->governs || reference(rules, count, subject, right_of(action), topic);
}

static void decides_a_million_times_as_the_reference(void **unused)
{
    (void)unused;
    struct authority authority = {0};
    struct principal *who[PRINCIPALS] = {0};
    struct acl_subject subjects[PRINCIPALS];
    size_t yes = 0, decided = 0;
    for (int set = 0; set < SETS; set++) {
        struct plain_rule rules[RULES];
        size_t count;
        random_access(&authority, rules, &count);
        size_t fresh = (size_t)set % PRINCIPALS; /* the others outlive the exchange */
        for (size_t i = 0; i < PRINCIPALS; i++) {
            if (who[i] && i != fresh)
                continue;
            principal_unref(who[i]);
            who[i] = random_principal(&subjects[i]);
        }
        for (int i = 0; i < DECISIONS; i++, decided++) {
            enum action action = actions[dice(6)];
            unsigned one = dice(PRINCIPALS);
            char topic[64];
            random_topic(topic, action == ACTION_SUBSCRIBE, false);
            bool answer = authorise(&authority, who[one], action, slice_of_str(topic));
            if (answer != wanted(&authority, rules, count, &subjects[one], action, topic))
                fail_msg("set %d: action %d on %s: %d", set, action, topic, answer);
            yes += answer;
        }
    }
    assert_true(decided == 1000000 && yes > 100000 && yes < 900000); /* both were tried */
    for (size_t i = 0; i < PRINCIPALS; i++)
        principal_unref(who[i]);
    access_unref(authority.access);
}

static void for_whom_there_is_no_memory_nothing_is_allowed(void **unused)
{
    (void)unused;
    struct authority authority = {0};
    struct plain_rule rules[RULES];
    size_t count;
    do
        random_access(&authority, rules, &count);
    while (!authority.access->governs);
    for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++)
        assert_false(authorise(&authority, NULL, actions[i], SLICE("a")));
    access_unref(authority.access);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decides_a_million_times_as_the_reference),
        cmocka_unit_test(for_whom_there_is_no_memory_nothing_is_allowed),
    };
    hash_start(1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
