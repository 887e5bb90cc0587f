/* The rule set against a reference that is written down rule by rule and level by level
 * (acl_reference.h), and what Mosquitto's files mean. */
#include "base/hash.h"
#include "broker/acl.h"
#include "tests/unit/broker/acl_reference.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

static struct acl_subject subject_of(const char *user, const char *client)
{
    return (struct acl_subject){
        .anonymous = user == NULL, .user = slice_of_str(user), .client_id = slice_of_str(client)};
}

static bool may(const struct acl *acl, const struct acl_subject *subject, enum acl_right right,
                const char *topic)
{
    struct grant *grant = acl_select(acl, subject);
    assert_non_null(grant);
    bool yes = grant_allows(grant, right, slice_of_str(topic));
    grant_free(grant);
    return yes;
}

static void decides_a_million_times_as_the_reference(void **unused)
{
    (void)unused;
    enum { SETS = 4000, DECISIONS = 250, RULES = 12 };
    size_t yes = 0;
    for (int set = 0; set < SETS; set++) {
        struct plain_rule rules[RULES];
        size_t count = dice(RULES + 1);
        struct acl *acl = acl_new();
        for (size_t i = 0; i < count; i++) {
            struct plain_rule *r = &rules[i];
            char why[ACL_WHY_SIZE];
            *r = random_rule();
            struct acl_rule rule = real_rule(r, (unsigned)i);
            assert_true(acl_add(acl, &rule, why));
        }
        assert_true(acl_seal(acl));
        struct acl_subject subject = subject_of(dice(4) ? users[dice(8)] : NULL, clients[dice(7)]);
        struct grant *grant = acl_select(acl, &subject);
        for (int i = 0; i < DECISIONS; i++) {
            enum acl_right right = 1u << dice(3);
            char topic[64];
            random_topic(topic, right == ACL_SUBSCRIBE, false);
            bool answer = grant_allows(grant, right, slice_of_str(topic));
            bool wanted = reference(rules, count, &subject, right, topic);
            if (answer != wanted)
                fail_msg("set %d: right %d of %s: %d, should be %d", set, right, topic, answer,
                         wanted);
            yes += answer;
        }
        grant_free(grant);
        acl_unref(acl);
    }
    assert_true(yes > 50000 && yes < 900000); /* both answers were tried */
}

/* ---- Mosquitto's files ---- */

struct complaint {
    unsigned line, column;
    int count;
};

static void complain(void *to, unsigned line, unsigned column, const char *why)
{
    struct complaint *c = to;
    assert_non_null(why);
    if (c->count++ == 0) {
        c->line = line;
        c->column = column;
    }
}

static struct acl *mosquitto(const char *text)
{
    struct complaint c = {0};
    struct acl *acl = acl_new();
    assert_int_equal(acl_read_mosquitto(acl, "acl", slice_of_str(text), complain, &c), 0);
    assert_true(acl_seal(acl));
    return acl;
}

static void reads_blocks_of_users_patterns_and_the_anonymous(void **unused)
{
    (void)unused;
    struct acl *acl = mosquitto("# comment\n"
                                "topic read public/#\n"
                                "topic $SYS/broker/uptime\n"
                                "user ann\r\n"
                                "topic readwrite home/ann room/#\n"
                                "topic deny home/ann room/secret\n"
                                "topic write log/%u\n"
                                "\n"
                                "user bob lee\n"
                                "  topic read home/+/temp  \n"
                                "pattern write dev/%c/up\n"
                                "pattern read dev/%u/down/#\n"
                                "user ann\n"
                                "topic read later\n");
    struct acl_subject none = subject_of(NULL, "c1"), ann = subject_of("ann", "c2"),
                       bob = subject_of("bob lee", "c3");
    assert_true(may(acl, &none, ACL_RECEIVE, "public/a"));
    assert_false(may(acl, &none, ACL_PUBLISH, "public/a"));
    assert_true(may(acl, &none, ACL_PUBLISH, "dev/c1/up"));
    assert_false(may(acl, &none, ACL_RECEIVE, "dev//down"));
    assert_true(may(acl, &none, ACL_RECEIVE, "$SYS/broker/uptime"));
    assert_false(may(acl, &ann, ACL_RECEIVE, "public/a"));
    assert_true(may(acl, &ann, ACL_RECEIVE, "home/ann room/x"));
    assert_false(
        may(acl, &ann, ACL_RECEIVE, "home/ann room/secret")); /* denied though it is later */
    assert_true(may(acl, &ann, ACL_PUBLISH, "log/%u"));       /* literal in `topic` */
    assert_false(may(acl, &ann, ACL_PUBLISH, "log/ann"));
    assert_true(may(acl, &ann, ACL_RECEIVE, "later"));
    assert_true(may(acl, &ann, ACL_RECEIVE, "dev/ann/down/x"));
    assert_true(may(acl, &bob, ACL_RECEIVE, "home/x/temp"));
    assert_false(may(acl, &bob, ACL_PUBLISH, "home/x/temp"));
    /* A subscription is refused only if nothing could ever come of it. */
    assert_true(may(acl, &bob, ACL_SUBSCRIBE, "#"));
    assert_true(may(acl, &bob, ACL_SUBSCRIBE, "home/#"));
    assert_false(may(acl, &bob, ACL_SUBSCRIBE, "public/#"));
    acl_unref(acl);
}

static void a_file_without_rules_denies_everything(void **unused) /* vuln-05 */
{
    (void)unused;
    static const char *const texts[] = {"", "\n\n", "# topic readwrite #\n", "user ann\n"};
    for (size_t i = 0; i < 4; i++) {
        struct acl *acl = mosquitto(texts[i]);
        struct acl_subject ann = subject_of("ann", "c");
        for (unsigned right = 1; right <= 4; right *= 2)
            assert_false(may(acl, &ann, right, "a"));
        acl_unref(acl);
    }
}

static void tells_where_a_line_is_wrong(void **unused)
{
    (void)unused;
    static const struct {
        const char *text;
        unsigned line, column;
    } rows[] = {
        {"topic reed a/#\n", 1, 7},     {"\nuser\n", 2, 5},
        {"topics a\n", 1, 1},           {"topic a/#/b\n", 1, 7},
        {"topic read a+\n", 1, 12},     {"pattern\n", 1, 8},
        {"pattern read ${x}/a", 1, 14}, {"Topic a", 1, 1},
        {"topic read \xff", 1, 12},     {"user \xc3\x28\n", 1, 6},
        {"topic write # b\n", 1, 13},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct complaint c = {0};
        struct acl *acl = acl_new();
        size_t mistakes = acl_read_mosquitto(acl, "acl", slice_of_str(rows[i].text), complain, &c);
        assert_int_equal(mistakes, 1);
        if (c.line != rows[i].line || c.column != rows[i].column)
            fail_msg("%s: at %u:%u", rows[i].text, c.line, c.column);
        acl_unref(acl);
    }
}

/* ---- past failures of others ---- */

static void a_name_never_widens_a_rule(void **unused) /* vuln-01, vuln-02 */
{
    (void)unused;
    struct acl *acl = mosquitto("pattern readwrite home/%c/#\npattern readwrite user/%u\n");
    static const char *const bad[] = {"#", "+", "a/b", "x#", "+/+", "home/#"};
    for (size_t i = 0; i < 6; i++) {
        struct acl_subject c = subject_of("ann", bad[i]), u = subject_of(bad[i], "c1");
        for (unsigned right = 1; right <= 4; right *= 2) {
            assert_false(may(acl, &c, right, "home/other/x"));
            assert_false(may(acl, &c, right, "home/#"));
            assert_false(may(acl, &c, right, "home/a/b/x"));
            assert_false(may(acl, &u, right, "user/x"));
            assert_false(may(acl, &u, right, "user/#"));
        }
    }
    struct acl_subject nul = {.user = SLICE("ann"), .client_id = slice_of("c\0d", 3)};
    assert_false(may(acl, &nul, ACL_PUBLISH, "home/c"));
    struct acl_subject regex = subject_of(".*", ".*");
    assert_false(may(acl, &regex, ACL_PUBLISH, "home/other/x"));
    assert_true(may(acl, &regex, ACL_PUBLISH, "home/.*/x"));
    acl_unref(acl);
}

static void a_name_does_not_reach_the_daemons_own_topics(void **unused)
{
    (void)unused;
    struct acl *acl = mosquitto("pattern read %u/#\n");
    struct acl_subject s = subject_of("$SYS", "c");
    assert_false(may(acl, &s, ACL_RECEIVE, "$SYS/broker/uptime"));
    acl_unref(acl);
}

static void the_exact_form_means_the_filter_itself(void **unused)
{
    (void)unused;
    char why[ACL_WHY_SIZE], text[256];
    struct acl *acl = acl_new();
    struct acl_rule no = {.file = "y", .line = 3, .rights = 6, .topic = SLICE("#"), .exact = true};
    struct acl_rule all = {.file = "y", .line = 4, .allow = true, .rights = 7, .topic = SLICE("#")};
    assert_true(acl_add(acl, &no, why) && acl_add(acl, &all, why) && acl_seal(acl));
    struct acl_subject s = subject_of("ann", "c");
    assert_false(may(acl, &s, ACL_SUBSCRIBE, "#"));
    assert_true(may(acl, &s, ACL_SUBSCRIBE, "a/#"));
    assert_true(may(acl, &s, ACL_RECEIVE, "a"));
    struct grant *grant = acl_select(acl, &s);
    long rule;
    bool spoilt;
    assert_false(grant_explain(grant, ACL_SUBSCRIBE, SLICE("#"), &rule, &spoilt));
    assert_int_equal(rule, 0);
    assert_string_equal(acl_rule_text(acl, 0, text, sizeof text),
                        "y:3: deny subscribe receive for everybody to exactly \"#\"");
    assert_false(grant_explain(grant, ACL_PUBLISH, SLICE("$x"), &rule, &spoilt));
    assert_int_equal(rule, -1);
    grant_free(grant);
    acl_unref(acl);
}

static void unknown_names_are_refused(void **unused)
{
    (void)unused;
    char why[ACL_WHY_SIZE];
    struct acl *acl = acl_new();
    struct acl_rule rule = {
        .file = "y", .allow = true, .rights = 1, .substitute = true, .topic = SLICE("${user}/a")};
    assert_false(acl_add(acl, &rule, why));
    assert_non_null(strstr(why, "${username}"));
    rule.topic = SLICE("${cert.cn}/${username}/${clientid}");
    assert_true(acl_add(acl, &rule, why) && acl_seal(acl));
    struct acl_subject s = subject_of("ann", "c1");
    assert_false(may(acl, &s, ACL_PUBLISH, "/ann/c1")); /* who has no certificate is not meant */
    s.cert_cn = SLICE("cn");
    assert_true(may(acl, &s, ACL_PUBLISH, "cn/ann/c1"));
    acl_unref(acl);
}

static void a_decision_by_few_rules_is_quick(void **unused)
{
    (void)unused;
    struct acl *acl = mosquitto("user ann\ntopic read sensors/#\ntopic read status\n"
                                "pattern write dev/%c/up\n");
    struct acl_subject ann = subject_of("ann", "c");
    struct grant *grant = acl_select(acl, &ann);
    struct timespec a, b;
    enum { TIMES = 1000000 };
    size_t yes = 0;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &a);
    for (int i = 0; i < TIMES; i++)
        yes += grant_allows(grant, ACL_RECEIVE, SLICE("sensors/hall/temperature"));
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &b);
    double ns = ((double)(b.tv_sec - a.tv_sec) * 1e9 + (double)(b.tv_nsec - a.tv_nsec)) / TIMES;
    print_message("%.1f ns for a decision\n", ns);
    assert_int_equal(yes, TIMES);
    assert_true(ns < 1000); /* an order of magnitude of slack for sanitizers and busy machines */
    grant_free(grant);
    acl_unref(acl);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decides_a_million_times_as_the_reference),
        cmocka_unit_test(reads_blocks_of_users_patterns_and_the_anonymous),
        cmocka_unit_test(a_file_without_rules_denies_everything),
        cmocka_unit_test(tells_where_a_line_is_wrong),
        cmocka_unit_test(a_name_never_widens_a_rule),
        cmocka_unit_test(a_name_does_not_reach_the_daemons_own_topics),
        cmocka_unit_test(the_exact_form_means_the_filter_itself),
        cmocka_unit_test(unknown_names_are_refused),
        cmocka_unit_test(a_decision_by_few_rules_is_quick),
    };
    hash_start(1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
