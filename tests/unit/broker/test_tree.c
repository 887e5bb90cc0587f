/* The tree against a plain list of topics, under pins, and at depths that no recursion survives. */
#include "base/hash.h"
#include "broker/tree.h"
#include "dice.h"
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { TOPICS = 400, SIZE = 24 };

static char kept[] = "kept", passing[] = "passing"; /* values */

/* What the tree ought to hold: topics, each with a value that is its own text. */
struct model {
    struct tree tree;
    char topics[TOPICS][SIZE];
    bool present[TOPICS];
};

static int start(void **state)
{
    struct model *model = calloc(1, sizeof *model);
    hash_start(3);
    tree_init(&model->tree);
    *state = model;
    return 0;
}

static int stop(void **state)
{
    struct model *model = *state;
    tree_clear(&model->tree, NULL);
    assert_int_equal(model->tree.count, 0);
    free(model);
    return 0;
}

static void random_topic(struct dice *dice, char *to)
{
    static const char *const levels[] = {"a", "b", "", "+", "#", "cc", "$d"};
    size_t count = 1 + dice_throw(dice, 4);
    *to = 0;
    for (size_t i = 0; i < count; i++) {
        if (i)
            strcat(to, "/");
        strcat(to, levels[dice_throw(dice, 7)]);
    }
}

static size_t model_find(const struct model *model, const char *topic)
{
    for (size_t i = 0; i < TOPICS; i++)
        if (model->present[i] && strcmp(model->topics[i], topic) == 0)
            return i;
    return TOPICS;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(a, b);
}

/* All different beginnings of the topics: as many nodes there must be. */
static size_t model_nodes(const struct model *model)
{
    static char prefixes[TOPICS * 4][SIZE];
    size_t count = 0, distinct = 0;
    for (size_t i = 0; i < TOPICS; i++) {
        if (!model->present[i])
            continue;
        const char *topic = model->topics[i];
        for (size_t k = 0;; k++) {
            if (topic[k] && topic[k] != '/')
                continue;
            /* The end is marked, so that "a/" (two levels) is not "a". */
            snprintf(prefixes[count++], SIZE, "%.*s|", (int)k, topic);
            if (!topic[k])
                break;
        }
    }
    qsort(prefixes, count, SIZE, by_text);
    for (size_t i = 0; i < count; i++)
        distinct += i == 0 || strcmp(prefixes[i], prefixes[i - 1]) != 0;
    return distinct;
}

/* "#" before "+" before the rest, and the two bits tell the truth. */
static void check_children(const struct tree_node *node)
{
    const struct tree_node *hash = NULL, *plus = NULL, *before = NULL;
    for (const struct tree_node *child = node->first_child; child; child = child->next) {
        assert_ptr_equal(child->parent, node);
        assert_ptr_equal(child->prev, before);
        bool is_hash = slice_equal(tree_level(child), SLICE("#"));
        bool is_plus = slice_equal(tree_level(child), SLICE("+"));
        if (is_hash)
            assert_null(before);
        if (is_plus)
            assert_ptr_equal(before, hash);
        hash = is_hash ? child : hash;
        plus = is_plus ? child : plus;
        before = child;
    }
    assert_ptr_equal(tree_child_hash(node), hash);
    assert_ptr_equal(tree_child_plus(node), plus);
}

static void check(const struct model *model)
{
    const struct tree_node *root = &model->tree.root, *node = root;
    size_t values = 0, nodes = 0, expected = 0;
    check_children(root);
    while ((node = tree_walk(root, node, false)) != NULL) {
        nodes++;
        check_children(node);
        assert_true(node->value || node->first_child);
        values += node->value != NULL;
    }
    for (size_t i = 0; i < TOPICS; i++) {
        if (!model->present[i])
            continue;
        expected++;
        struct tree_node *found = tree_find(&model->tree, slice_of_str(model->topics[i]));
        assert_non_null(found);
        assert_ptr_equal(found->value, model->topics[i]);
    }
    assert_int_equal(values, expected);
    assert_int_equal(nodes, model->tree.count);
    assert_int_equal(nodes, model_nodes(model));
}

static void random_making_and_pruning_agrees_with_a_list(void **state)
{
    struct model *model = *state;
    struct dice dice = {11};
    for (int round = 0; round < 20000; round++) {
        size_t i = dice_throw(&dice, TOPICS);
        if (model->present[i]) {
            struct tree_node *node = tree_find(&model->tree, slice_of_str(model->topics[i]));
            node->value = NULL;
            tree_prune(&model->tree, node);
            model->present[i] = false;
        } else {
            char topic[SIZE];
            random_topic(&dice, topic);
            bool known = model_find(model, topic) < TOPICS;
            struct tree_node *node = tree_make(&model->tree, slice_of_str(topic));
            assert_non_null(node);
            assert_int_equal(node->value != NULL, known);
            if (!known) {
                strcpy(model->topics[i], topic);
                model->present[i] = true;
                node->value = model->topics[i];
            }
        }
        if (round % 50 == 0)
            check(model);
    }
    check(model);
}

static void what_was_made_and_not_used_goes_without_a_trace(void **state)
{
    struct model *model = *state;
    tree_make(&model->tree, SLICE("a/b"))->value = model;
    tree_prune(&model->tree, tree_make(&model->tree, SLICE("a/b/c/d")));
    tree_prune(&model->tree, tree_make(&model->tree, SLICE("x/y")));
    assert_int_equal(model->tree.count, 2);
    assert_null(tree_find(&model->tree, SLICE("a/b/c")));
    assert_null(tree_find(&model->tree, SLICE("x")));
}

static void the_table_grows_and_shrinks_with_what_it_holds(void **state)
{
    struct model *model = *state;
    enum { MANY = 60000 };
    char topic[32];
    for (int i = 0; i < MANY; i++) {
        snprintf(topic, sizeof topic, "device/%d", i);
        tree_make(&model->tree, slice_of_str(topic))->value = model;
    }
    assert_int_equal(model->tree.count, MANY + 1);
    assert_true(model->tree.capacity >= MANY && model->tree.capacity <= 4 * MANY);
    for (int i = 0; i < MANY; i++) {
        snprintf(topic, sizeof topic, "device/%d", (int)((unsigned)i * 7919u % MANY));
        struct tree_node *node = tree_find(&model->tree, slice_of_str(topic));
        assert_non_null(node);
        node->value = NULL;
        tree_prune(&model->tree, node);
    }
    assert_int_equal(model->tree.count, 0);
    assert_true(model->tree.capacity <= 128);
}

static void a_walk_of_a_part_stays_in_it(void **state)
{
    struct model *model = *state;
    const char *topics[] = {"a", "a/b", "a/b/c", "a/d", "e"};
    for (size_t i = 0; i < 5; i++)
        tree_make(&model->tree, slice_of_str(topics[i]))->value = (void *)topics[i];
    struct tree_node *top = tree_find(&model->tree, SLICE("a")), *node = top;
    size_t met = 0, short_way = 0;
    while ((node = tree_walk(top, node, false)) != NULL)
        met++;
    assert_int_equal(met, 3);
    for (node = tree_walk(top, top, false); node; node = tree_walk(top, node, true))
        short_way++;
    assert_int_equal(short_way, 2); /* "a/b/c" was left out */
}

static size_t dropped;

static void drop(void *value)
{
    assert_non_null(value);
    dropped++;
}

static void clearing_hands_out_each_value_once(void **state)
{
    struct model *model = *state;
    tree_make(&model->tree, SLICE("a/b"))->value = model;
    tree_make(&model->tree, SLICE("a"))->value = model;
    tree_make(&model->tree, SLICE("c/+/#"))->value = model;
    dropped = 0;
    tree_clear(&model->tree, drop);
    assert_int_equal(dropped, 3);
    assert_null(tree_find(&model->tree, SLICE("a")));
}

static void a_pinned_node_stays_and_goes_with_the_last_pin(void **state)
{
    struct model *model = *state;
    struct tree_node *node = tree_make(&model->tree, SLICE("a/b"));
    node->value = model;
    tree_pin(node);
    tree_pin(node);
    node->value = NULL;
    tree_prune(&model->tree, node);
    assert_ptr_equal(tree_find(&model->tree, SLICE("a/b")), node);
    tree_unpin(&model->tree, node);
    assert_ptr_equal(tree_find(&model->tree, SLICE("a/b")), node);
    tree_unpin(&model->tree, node);
    assert_int_equal(model->tree.count, 0);
}

/* Rests on a pinned node after every step while topics come and go: nothing that was there at the
 * beginning and stays until the end may be missed, and nothing be met twice. */
static void a_walk_that_pins_its_place_survives_changes(void **state)
{
    struct model *model = *state;
    struct dice dice = {5};
    enum { KEPT = 100, PASSING = 300 };
    char topic[SIZE];
    for (int i = 0; i < KEPT; i++) {
        snprintf(topic, sizeof topic, "%c/kept/%d", 'a' + i % 5, i);
        tree_make(&model->tree, slice_of_str(topic))->value = kept;
    }
    bool here[PASSING] = {0};
    for (int round = 0; round < 50; round++) {
        struct tree_node *root = &model->tree.root, *at = root;
        size_t met = 0;
        tree_pin(at);
        for (;;) {
            for (int change = 0; change < 5; change++) {
                uint32_t i = dice_throw(&dice, PASSING);
                snprintf(topic, sizeof topic, "%c/%d", 'a' + i % 7, i);
                struct tree_node *node = tree_make(&model->tree, slice_of_str(topic));
                node->value = here[i] ? NULL : passing;
                here[i] = !here[i];
                tree_prune(&model->tree, node);
            }
            struct tree_node *next = tree_walk(root, at, false);
            if (next)
                tree_pin(next);
            tree_unpin(&model->tree, at);
            if (!next)
                break;
            at = next;
            met += at->value == kept;
        }
        assert_int_equal(met, KEPT);
    }
}

/* ---- depth ---- */

enum { DEEP = 65535, STACK = 64 << 10 };

static const char *work_on(struct tree *tree)
{
    static uint8_t slashes[DEEP - 1];
    memset(slashes, '/', sizeof slashes);
    struct slice deep = slice_of(slashes, sizeof slashes);
    struct tree_node *bottom = tree_make(tree, deep);
    size_t met = 0;
    if (!bottom || tree->count != DEEP || tree_find(tree, deep) != bottom)
        return "made wrong";
    for (struct tree_node *node = &tree->root; node; node = tree_walk(&tree->root, node, false))
        met++;
    if (met != DEEP + 1)
        return "walked wrong";
    tree_prune(tree, bottom);
    return tree->count ? "pruned wrong" : NULL;
}

static void *work_deep(void *argument)
{
    return (void *)(uintptr_t)work_on(argument);
}

static void depth_costs_no_stack(void **state)
{
    struct model *model = *state;
    pthread_attr_t small;
    pthread_t thread;
    void *wrong;
    pthread_attr_init(&small);
    assert_int_equal(pthread_attr_setstacksize(&small, STACK), 0);
    assert_int_equal(pthread_create(&thread, &small, work_deep, &model->tree), 0);
    pthread_join(thread, &wrong);
    pthread_attr_destroy(&small);
    assert_null(wrong);
}

#define T(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(random_making_and_pruning_agrees_with_a_list),
        T(what_was_made_and_not_used_goes_without_a_trace),
        T(the_table_grows_and_shrinks_with_what_it_holds),
        T(a_walk_of_a_part_stays_in_it),
        T(clearing_hands_out_each_value_once),
        T(a_pinned_node_stays_and_goes_with_the_last_pin),
        T(a_walk_that_pins_its_place_survives_changes),
        T(depth_costs_no_stack),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
