/* Tests daemon/modules.c, and with it every option table of the house. */
#include "config/settings.h"
#include "config/value.h"
#include "daemon/modules.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void for_each_table(void (*look)(const struct option_table *table))
{
    const struct config_schema *schema = modules_schema();
    for (size_t i = 0; i < schema->section_count; i++)
        look(schema->sections[i]);
    look(schema->listener);
}

static bool is_number(const struct option_row *row)
{
    return row->type == OPTION_COUNT || row->type == OPTION_SIZE || row->type == OPTION_DURATION;
}

static void look_at_row(const struct option_table *table, const struct option_row *row)
{
    char why[VALUE_WHY_SIZE];
    assert_true(row->name && row->help && row->help[0]);
    assert_true(row->name[strspn(row->name, "abcdefghijklmnopqrstuvwxyz0123456789_.")] == '\0');
    assert_ptr_equal(settings_row(table, row->name), row); /* no name twice */
    assert_true(row->offset < table->size);
    assert_true(is_number(row) ? row->min <= row->max && row->max < OPTION_UNLIMITED - 1 : true);
    assert_int_equal(row->choices != NULL, row->type == OPTION_CHOICE);
    assert_true(!row->required || !row->fallback);
    assert_true(row->required || row->fallback || row->type == OPTION_TEXT);
    void *settings = calloc(1, table->size);
    if (row->fallback && !value_read(row, row->fallback, settings, why))
        fail_msg("%s.%s: default %s", table->section, row->name, why);
    value_clear(row, settings);
    free(settings);
}

static void look_at_table(const struct option_table *table)
{
    for (size_t i = 0; i < table->count; i++)
        look_at_row(table, &table->rows[i]);
}

static void every_row_is_sound_and_its_default_valid(void **state)
{
    (void)state;
    for_each_table(look_at_table);
}

static bool accepts(const struct option_table *table, const struct option_row *row, uint64_t number)
{
    char text[VALUE_TEXT_SIZE], why[VALUE_WHY_SIZE];
    const char *units[] = {
        [OPTION_COUNT] = "", [OPTION_SIZE] = "", [OPTION_DURATION] = "ms", [OPTION_ADDRESS] = ""};
    void *settings = calloc(1, table->size);
    snprintf(text, sizeof(text), "%llu%s", (unsigned long long)number, units[row->type]);
    bool accepted = value_read(row, text, settings, why);
    if (accepted)
        assert_int_equal(*(uint64_t *)((char *)settings + row->offset), number);
    free(settings);
    return accepted;
}

/* vuln-39: nothing outside of its range gets in. What the daemon does at the ends of each range is
 * tested with the real process (tests/daemon). */
static void look_at_ends(const struct option_table *table)
{
    for (size_t i = 0; i < table->count; i++) {
        const struct option_row *row = &table->rows[i];
        if (!is_number(row))
            continue;
        assert_true(accepts(table, row, row->min));
        assert_true(accepts(table, row, row->max));
        assert_false(accepts(table, row, row->max + 1));
        if (row->min > 0)
            assert_false(accepts(table, row, row->min - 1));
    }
}

static void every_range_ends_where_it_says(void **state)
{
    (void)state;
    for_each_table(look_at_ends);
}

static void protocols_and_transports_have_names(void **state)
{
    (void)state;
    const struct config_schema *schema = modules_schema();
    assert_ptr_equal(schema, modules_schema());
    assert_true(schema->protocol_count >= 1);
    for (size_t i = 0; i < schema->protocol_count; i++) {
        const struct protocol *protocol = modules_protocol(schema->protocols[i].name);
        assert_non_null(protocol);
        assert_int_equal(protocol->carriers, schema->protocols[i].carriers);
    }
    assert_non_null(modules_protocol("mqtt"));
    assert_null(modules_protocol("mqt"));
    assert_string_equal(schema->transports[0].name, "tcp");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_is_sound_and_its_default_valid),
        cmocka_unit_test(every_range_ends_where_it_says),
        cmocka_unit_test(protocols_and_transports_have_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
