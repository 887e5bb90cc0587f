/* Tests config/siotd.yaml, the sample that is installed: it loads, lets in nobody but this machine,
 * and shows every option with its true default. */
#include "config/changes.h"
#include "config/settings.h"
#include "daemon/modules.h"
#include "tests/unit/config/expect.h"

#include <ctype.h>
#include <stdlib.h>

static char sample[65536], uncommented[65536];

static int read_sample(void **state)
{
    (void)state;
    FILE *file = fopen(SIOTD_SAMPLE, "r");
    if (!file)
        return -1;
    size_t length = fread(sample, 1, sizeof(sample) - 1, file);
    fclose(file);
    return length > 0 ? 0 : -1;
}

/* Whether the line is "#name: value", indented or not: an option to be switched on. */
static bool is_option(const char *line)
{
    line += strspn(line, " ");
    if (*line++ != '#' || !islower((unsigned char)*line))
        return false;
    return line[strspn(line, "abcdefghijklmnopqrstuvwxyz0123456789_")] == ':';
}

static void switch_all_on(void)
{
    char *to = uncommented;
    for (const char *line = sample; *line;) {
        size_t length = strcspn(line, "\n") + 1;
        size_t indent = strspn(line, " ");
        memcpy(to, line, indent);
        to += indent;
        size_t skipped = indent + (is_option(line) ? 1 : 0);
        memcpy(to, line + skipped, length - skipped);
        to += length - skipped;
        line += length;
    }
    *to = '\0';
}

static struct config *parse(const char *text)
{
    struct report report;
    report_init(&report, "siotd.yaml");
    struct config *config =
        config_parse("siotd.yaml", slice_of_str(text), modules_schema(), &report);
    expect_report(&report, "");
    report_clear(&report);
    return config;
}

static void the_sample_opens_this_machine_only(void **state)
{
    (void)state;
    struct config *config = parse(sample);
    assert_int_equal(config->listener_count, 1);
    assert_string_equal(config->listeners[0].name, "mqtt");
    assert_string_equal(config->listeners[0].bind, "127.0.0.1:1883");
    config_free(config);
}

static void what_it_shows_are_the_defaults(void **state)
{
    (void)state;
    struct changes changes;
    switch_all_on();
    assert_true(strlen(uncommented) < strlen(sample));
    struct config *config = parse(sample), *shown = parse(uncommented);
    assert_int_equal(changes_find(config, shown, &changes), 0);
    for (size_t i = 0; i < changes.count; i++) {
        char key[CHANGE_KEY_SIZE], before[VALUE_TEXT_SIZE];
        fail_msg("%s: the default is %s", change_key(&changes.all[i], key),
                 change_old(&changes.all[i], before));
    }
    changes_clear(&changes);
    config_free(config);
    config_free(shown);
}

/* Options of a nested map, and those of datagrams, stand in listeners that are commented out; an
 * option without default is shown by an example, which is not switched on. */
static bool is_shown_as_comment(const struct option_row *row)
{
    char key[128], apart[128];
    const char *last = strrchr(row->name, '.');
    snprintf(apart, sizeof(apart), "\n  #   %s:", row->name);
    snprintf(key, sizeof(key), " %s:", last ? last + 1 : row->name);
    return ((last || !row->fallback) && strstr(sample, key)) || strstr(sample, apart);
}

static void expect_all(const struct option_table *table, const struct node *map)
{
    for (size_t i = 0; i < table->count; i++)
        if (!node_get(map, table->rows[i].name) && !is_shown_as_comment(&table->rows[i]))
            fail_msg("%s.%s is not shown", table->section, table->rows[i].name);
}

static void it_shows_every_option(void **state)
{
    (void)state;
    struct report report;
    report_init(&report, "siotd.yaml");
    switch_all_on();
    struct node *root = node_parse(slice_of_str(uncommented), &report);
    const struct config_schema *schema = modules_schema();
    assert_non_null(root);
    for (size_t i = 0; i < schema->section_count; i++) {
        const struct option_table *table = schema->sections[i];
        expect_all(table, table->section[0] ? node_get(root, table->section) : root);
    }
    expect_all(schema->listener, node_get(root, "listeners")->first);
    node_free(root);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_sample_opens_this_machine_only),
        cmocka_unit_test(what_it_shows_are_the_defaults),
        cmocka_unit_test(it_shows_every_option),
    };
    return cmocka_run_group_tests(tests, read_sample, NULL);
}
