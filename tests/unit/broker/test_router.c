/* The router against the definition: whatever topic_matches says of each filter, the tree must say
 * too. */
#include "base/hash.h"
#include "broker/router.h"
#include "broker/topic.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* The router never looks into a session: an address is enough. */
static struct session *session_number(size_t n)
{
    return (struct session *)(uintptr_t)(0x1000 + n * 16);
}

struct fixture {
    struct router router;
    struct list subscriptions[64]; /* of session n */
};

static int start(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    hash_start(42);
    router_init(&f->router);
    for (size_t i = 0; i < 64; i++)
        list_init(&f->subscriptions[i]);
    *state = f;
    return 0;
}

static int stop(void **state)
{
    struct fixture *f = *state;
    for (size_t i = 0; i < 64; i++)
        list_each(link, &f->subscriptions[i])
            router_remove(&f->router, list_item(link, struct subscription, on_session));
    assert_int_equal(f->router.tree.count, 0);
    router_clear(&f->router);
    free(f);
    return 0;
}

static struct subscription *add(struct fixture *f, size_t session, const char *group,
                                const char *filter)
{
    struct subscribe_options options = {.qos = 1};
    bool existed;
    return router_add(&f->router, session_number(session), &f->subscriptions[session],
                      slice_of_str(group), slice_of_str(filter), &options, &existed);
}

static size_t matching_nodes(struct fixture *f, const char *topic)
{
    assert_true(router_match(&f->router, slice_of_str(topic)));
    return f->router.matches.count;
}

static void a_filter_without_wildcards_matches_itself_only(void **state)
{
    struct fixture *f = *state;
    add(f, 1, "", "sensors/hall/temperature");
    assert_int_equal(matching_nodes(f, "sensors/hall/temperature"), 1);
    assert_int_equal(matching_nodes(f, "sensors/hall"), 0);
    assert_int_equal(matching_nodes(f, "sensors/hall/temperature/"), 0);
}

static void wildcards_do_not_match_topics_that_begin_with_a_dollar(void **state)
{
    struct fixture *f = *state;
    add(f, 1, "", "#");
    add(f, 1, "", "+/broker");
    add(f, 1, "", "$SYS/#");
    assert_int_equal(matching_nodes(f, "$SYS/broker"), 1);
    assert_int_equal(matching_nodes(f, "a/broker"), 2);
}

static void a_hash_matches_the_level_above_it_too(void **state)
{
    struct fixture *f = *state;
    add(f, 1, "", "sport/#");
    assert_int_equal(matching_nodes(f, "sport"), 1);
    assert_int_equal(matching_nodes(f, "sport/"), 1);
    assert_int_equal(matching_nodes(f, "sports"), 0);
}

static void subscribing_again_replaces_and_removing_leaves_nothing(void **state)
{
    struct fixture *f = *state;
    struct subscription *first = add(f, 1, "", "a/b");
    struct subscription *again = add(f, 1, "", "a/b");
    assert_ptr_equal(first, again);
    struct subscription *other = add(f, 2, "", "a/b");
    struct subscription *shared = add(f, 2, "group", "a/b");
    assert_ptr_not_equal(other, shared);
    assert_ptr_equal(add(f, 2, "group", "a/b"), shared);
    router_remove(&f->router, first);
    router_remove(&f->router, shared);
    router_remove(&f->router, other);
    assert_int_equal(f->router.tree.count, 0);
}

/* A small alphabet makes collisions likely, which is the point. */
static void random_topic(char *to, bool filter)
{
    static const char *const names[] = {"a", "b", "", "$x", "c"};
    size_t levels = 1 + (size_t)rand() % 4;
    *to = 0;
    for (size_t i = 0; i < levels; i++) {
        if (i)
            strcat(to, "/");
        int pick = rand() % 8;
        if (filter && pick == 5)
            strcat(to, "+");
        else if (filter && pick == 6 && i == levels - 1)
            strcat(to, "#");
        else
            strcat(to, names[pick % 5]);
    }
    if (!*to)
        strcpy(to, "a");
}

static void a_random_tree_agrees_with_the_definition(void **state)
{
    struct fixture *f = *state;
    enum { FILTERS = 300 };
    static char filters[FILTERS][32];
    struct subscription *subs[FILTERS] = {0};
    srand(7);
    for (int round = 0; round < 20000; round++) {
        int i = rand() % FILTERS;
        if (subs[i]) {
            router_remove(&f->router, subs[i]);
            subs[i] = NULL;
        } else {
            random_topic(filters[i], true);
            bool existed;
            struct subscribe_options options = {0};
            struct subscription *s =
                router_add(&f->router, session_number((size_t)i % 64), &f->subscriptions[i % 64],
                           rand() % 4 ? SLICE_EMPTY : SLICE("g"), slice_of_str(filters[i]),
                           &options, &existed);
            subs[i] = existed ? NULL : s;
        }
        char topic[32];
        random_topic(topic, false);
        size_t expected = 0, found = 0;
        for (int k = 0; k < FILTERS; k++)
            expected += subs[k] && topic_matches(slice_of_str(filters[k]), slice_of_str(topic));
        size_t nodes = matching_nodes(f, topic);
        for (size_t n = 0; n < nodes; n++) {
            struct subscription *first = ring_first(f->router.matches.at[n]), *s = first;
            do {
                if (s->session) {
                    found++;
                } else {
                    for (struct list *l = s->share->members.next; l != &s->share->members;
                         l = l->next)
                        found++;
                }
                s = ring_next(s);
            } while (s != first);
        }
        assert_int_equal(found, expected);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_filter_without_wildcards_matches_itself_only, start,
                                        stop),
        cmocka_unit_test_setup_teardown(wildcards_do_not_match_topics_that_begin_with_a_dollar,
                                        start, stop),
        cmocka_unit_test_setup_teardown(a_hash_matches_the_level_above_it_too, start, stop),
        cmocka_unit_test_setup_teardown(subscribing_again_replaces_and_removing_leaves_nothing,
                                        start, stop),
        cmocka_unit_test_setup_teardown(a_random_tree_agrees_with_the_definition, start, stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
