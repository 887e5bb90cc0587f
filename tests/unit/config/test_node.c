/* Tests config/node.c. */
#include "config/node.h"
#include "tests/unit/config/expect.h"

#include <stdlib.h>

static struct report report;

static int set_up(void **state)
{
    (void)state;
    report_init(&report, "f");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    report_clear(&report);
    return 0;
}

static struct node *parse(const char *text)
{
    return node_parse(slice_of_str(text), &report);
}

/* No tree, and exactly this said about it. */
static void refused(const char *text, const char *lines)
{
    assert_null(parse(text));
    expect_report(&report, lines);
    report_clear(&report);
}

static void everything_knows_where_it_stood(void **state)
{
    (void)state;
    struct node *root = parse("# head\n"
                              "a: 1\n"
                              "list:\n"
                              "  - name: x\n"
                              "    wide: \"q\"\n"
                              "  - {name: y, wide: [1, 2]}\n");
    assert_non_null(root);
    assert_false(report_any(&report));
    assert_int_equal(root->kind, NODE_MAP);
    assert_int_equal(root->count, 2);
    const struct node *a = node_get(root, "a");
    assert_string_equal(a->text, "1");
    assert_true(a->plain);
    assert_int_equal(a->key_place.line, 2);
    assert_int_equal(a->key_place.column, 1);
    assert_int_equal(a->place.column, 4);
    const struct node *list = node_get(root, "list");
    assert_int_equal(list->kind, NODE_LIST);
    assert_int_equal(list->count, 2);
    assert_int_equal(list->first->place.line, 4);
    assert_int_equal(list->first->place.column, 5);
    const struct node *wide = node_get(list->first, "wide");
    assert_false(wide->plain);
    assert_int_equal(wide->place.line, 5);
    assert_int_equal(wide->place.column, 11);
    const struct node *inner = node_get(list->last, "wide");
    assert_int_equal(inner->count, 2);
    assert_string_equal(inner->last->text, "2");
    assert_int_equal(inner->last->place.line, 6);
    assert_int_equal(inner->last->place.column, 25);
    assert_null(node_get(root, "none"));
    assert_null(node_get(a, "none"));
    assert_null(node_get(NULL, "none"));
    node_free(root);
}

static void values_left_out_are_null(void **state)
{
    (void)state;
    struct node *root = parse("a:\nb: ~\nc: null\nd: \"\"\ne: 'null'\nf: {}\n");
    assert_true(node_is_null(node_get(root, "a")));
    assert_true(node_is_null(node_get(root, "b")));
    assert_true(node_is_null(node_get(root, "c")));
    assert_false(node_is_null(node_get(root, "d")));
    assert_false(node_is_null(node_get(root, "e")));
    assert_false(node_is_null(node_get(root, "f")));
    node_free(root);
}

static void a_byte_order_mark_and_carriage_returns_are_harmless(void **state)
{
    (void)state;
    struct node *root = parse("\xef\xbb\xbf"
                              "key: value\r\nother: x\r\n");
    assert_false(report_any(&report));
    assert_string_equal(node_get(root, "key")->text, "value");
    assert_int_equal(node_get(root, "key")->place.line, 1);
    assert_int_equal(node_get(root, "key")->place.column, 6);
    assert_int_equal(node_get(root, "other")->place.line, 2);
    node_free(root);
}

static void columns_count_characters_and_not_bytes(void **state)
{
    (void)state;
    struct node *root = parse("{\xc3\xa4\xc3\xb6: 1, b: 2}\n");
    assert_int_equal(node_get(root, "b")->place.column, 12);
    node_free(root);
}

static void a_key_that_comes_twice_is_reported_and_the_first_counts(void **state)
{
    (void)state;
    struct node *root = parse("a: 1\nb: 2\na: 3\nb: {c: [1, 2]}\n");
    assert_string_equal(node_get(root, "a")->text, "1");
    assert_string_equal(node_get(root, "b")->text, "2");
    assert_int_equal(root->count, 2);
    expect_report(&report, "f:3:1: a: stands here a second time (first in line 1)\n"
                           "f:4:1: b: stands here a second time (first in line 2)\n");
    node_free(root);
}

static void anchors_aliases_and_tags_are_refused(void **state)
{
    (void)state;
    struct node *root = parse("a: &x 1\nb: *x\nc: !!str 2\nd: !local {}\ne: &y [*x]\n");
    assert_non_null(root);
    assert_null(node_get(root, "b"));
    assert_string_equal(node_get(root, "c")->text, "2");
    expect_report(
        &report,
        "f:1:4: anchors (&name) are not supported: write the value out where it is needed\n"
        "f:2:4: aliases (*name) are not supported: write the value out\n"
        "f:3:4: tags (!name) are not supported: leave the tag out\n"
        "f:4:4: tags (!name) are not supported: leave the tag out\n"
        "f:5:4: anchors (&name) are not supported: write the value out where it is needed\n"
        "f:5:8: aliases (*name) are not supported: write the value out\n");
    node_free(root);
}

static void a_billion_laughs_are_a_few_lines(void **state)
{
    (void)state;
    char text[4096] = "a: &a [x, x, x, x, x, x, x, x, x]\n";
    for (char c = 'b'; c <= 'i'; c++) {
        size_t used = strlen(text);
        snprintf(text + used, sizeof(text) - used, "%c: &%c [*%c,*%c,*%c,*%c,*%c,*%c,*%c,*%c]\n", c,
                 c, c - 1, c - 1, c - 1, c - 1, c - 1, c - 1, c - 1, c - 1);
    }
    struct node *root = parse(text);
    assert_int_equal(report.count, 9 + 8 * 8);
    assert_int_equal(node_get(root, "i")->count, 0);
    node_free(root);
}

static void what_is_no_yaml_is_located(void **state)
{
    (void)state;
    refused("", "f: the file is empty\n");
    refused("# only a comment\n", "f: the file is empty\n");
    refused("a: 1\nb: [1, 2\n",
            "f:3:1: not YAML: while parsing a flow sequence that begins in line 2, did not find "
            "expected ',' or ']'\n");
    refused("a: b: c\n", "f:1:5: not YAML: mapping values are not allowed in this context\n");
    refused("a:\n\t- 1\n",
            "f:2:1: not YAML: while scanning for the next token, found character that "
            "cannot start any token (a tab: YAML indents with spaces)\n");
    refused("a: 1\nb: \"x\x01\"\n", "f:2:6: not YAML: control characters are not allowed\n");
    refused("ab\nc: \xff\n", "f:2:4: not YAML: invalid leading UTF-8 octet\n");
    refused("a: \"x\\0y\"\n", "f:1:4: a NUL character in a text\n");
    refused("a: 1\n---\nb: 2\n", "f:2:1: a second document: one is enough\n");
    refused("? [a]\n: b\n", "f:1:3: a key must be a word, not a map or a list\n");
    refused("a: *none\n*none : b\n", "f:1:4: aliases (*name) are not supported: write the value "
                                     "out\n"
                                     "f:2:1: aliases (*name) are not supported: write the value "
                                     "out\n");
}

static void bounds_are_kept(void **state)
{
    (void)state;
    char *text = malloc(2 * NODE_FILE_MAX);
    refused("[[[[[[[[[[[[[[[[[", "f:1:17: too many maps and lists inside each other\n");
    struct node *root = parse("[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]");
    assert_non_null(root);
    node_free(root);

    memset(text, '[', NODE_FILE_MAX);
    assert_null(node_parse(slice_of(text, NODE_FILE_MAX), &report));
    report_clear(&report);
    assert_null(node_parse(slice_of(text, NODE_FILE_MAX + 1), &report));
    expect_report(&report, "f: longer than 1048576 bytes\n");
    report_clear(&report);

    size_t used = 0;
    for (unsigned i = 0; i < NODE_COUNT_MAX; i++)
        used += (size_t)sprintf(text + used, "- 1\n");
    assert_null(parse(text));
    expect_report(&report, "f:50000:3: too many values for a configuration\n");
    report_clear(&report);

    used = 0;
    for (unsigned i = 0; i <= NODE_KEYS_MAX; i++)
        used += (size_t)sprintf(text + used, "k%u: 1\n", i);
    assert_null(parse(text));
    expect_report(&report, "f:257:1: too many keys in one map\n");
    free(text);
}

static void every_cut_of_a_file_is_survived(void **state)
{
    (void)state;
    static const char text[] = "a: {b: [1, \"x\", 'y'], c: |\n  block\n }\nd:\n  - e: &f g\n    "
                               "h: *f\n  - ? i\n    : j\na: 2\n";
    for (size_t i = 0; i < sizeof(text); i++) {
        char *cut = malloc(i + 1);
        memcpy(cut, text, i);
        node_free(node_parse(slice_of(cut, i), &report));
        report_clear(&report);
        free(cut);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(everything_knows_where_it_stood, set_up, tear_down),
        cmocka_unit_test_setup_teardown(values_left_out_are_null, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_byte_order_mark_and_carriage_returns_are_harmless, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(columns_count_characters_and_not_bytes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_key_that_comes_twice_is_reported_and_the_first_counts,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(anchors_aliases_and_tags_are_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_billion_laughs_are_a_few_lines, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_no_yaml_is_located, set_up, tear_down),
        cmocka_unit_test_setup_teardown(bounds_are_kept, set_up, tear_down),
        cmocka_unit_test_setup_teardown(every_cut_of_a_file_is_survived, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
