/* settings: see settings.h. Stands beside the way of a message: it is used at start and at reload.
 */
#include "config/settings.h"

#include "base/log.h"
#include "base/text.h"
#include "config/value.h"
#include <stdio.h>
#include <string.h>

enum { NAMES_MAX = 128 }; /* keys of one table, the others included */

bool settings_defaults(const struct option_table *table, void *settings)
{
    char why[VALUE_WHY_SIZE];
    bool complete = true;
    for (size_t i = 0; i < table->count; i++)
        if (table->rows[i].fallback)
            complete &= value_read(&table->rows[i], table->rows[i].fallback, settings, why);
    return complete;
}

void settings_clear(const struct option_table *table, void *settings)
{
    for (size_t i = 0; i < table->count; i++)
        value_clear(&table->rows[i], settings);
}

const struct option_row *settings_row(const struct option_table *table, const char *name)
{
    for (size_t i = 0; i < table->count; i++)
        if (strcmp(table->rows[i].name, name) == 0)
            return &table->rows[i];
    return NULL;
}

static bool is_other(const char *const *others, const char *name)
{
    for (; others && *others; others++)
        if (strcmp(*others, name) == 0)
            return true;
    return false;
}

/* Reports an unknown key; returns the known one it may have been meant to be, or NULL. */
static const char *report_unknown(const struct option_table *table, const char *const *others,
                                  const struct node *node, struct report *report)
{
    const char *names[NAMES_MAX];
    size_t count = 0;
    char shown[LOG_ESCAPED_SIZE];
    for (size_t i = 0; i < table->count && count < NAMES_MAX; i++)
        names[count++] = table->rows[i].name;
    for (; others && *others && count < NAMES_MAX; others++)
        names[count++] = *others;
    log_escape(shown, sizeof(shown), slice_of_str(node->key));
    const char *nearest = text_nearest(node->key, names, count);
    if (nearest)
        report_add(report, node->key_place, "%s: unknown key; did you mean %s?", shown, nearest);
    else
        report_add(report, node->key_place, "%s: unknown key; siotd --options lists all", shown);
    return nearest;
}

static void read_member(const struct option_row *row, const struct node *node, void *settings,
                        struct report *report)
{
    char why[VALUE_WHY_SIZE];
    if (node->kind != NODE_SCALAR)
        report_add(report, node->place, "%s: is %s, must be a %s", row->name, node_kind_name(node),
                   value_type_name(row->type));
    else if (node_is_null(node))
        report_add(report, node->key_place, "%s: has no value", row->name);
    else if (!value_read(row, node->text, settings, why))
        report_add(report, node->place, "%s: %s", row->name, why);
}

/* Marks the row of that name as seen, if there is one. */
static void mark(const struct option_table *table, const char *name, bool seen[NAMES_MAX])
{
    const struct option_row *row = name ? settings_row(table, name) : NULL;
    if (row)
        seen[row - table->rows] = true;
}

void settings_read(const struct option_table *table, const struct node *map, struct place place,
                   const char *const *others, void *settings, struct report *report)
{
    bool seen[NAMES_MAX] = {false};
    if (map && map->kind != NODE_MAP && !node_is_null(map)) {
        report_add(report, map->place, "%s%smust be a map of keys and values", table->section,
                   table->section[0] ? ": " : "");
        return;
    }
    for (const struct node *node = map ? map->first : NULL; node; node = node->next) {
        const struct option_row *row = settings_row(table, node->key);
        if (row)
            read_member(row, node, settings, report);
        else if (!is_other(others, node->key))
            mark(table, report_unknown(table, others, node, report), seen);
        mark(table, node->key, seen);
    }
    for (size_t i = 0; i < table->count; i++)
        if (table->rows[i].required && !seen[i])
            report_add(report, place, "%s: is missing", table->rows[i].name);
}
