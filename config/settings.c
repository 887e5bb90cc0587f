/* settings: see settings.h. Stands beside the way of a message: it is used at start and at reload.
 */
#include "config/settings.h"

#include "base/log.h"
#include "base/text.h"
#include "config/value.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    NAMES_MAX = 128,       /* keys of one table, the others included */
    NAME_SIZE = 128,       /* of a key with the maps it stands in */
    LIST_SIZE = 32 * 1024, /* of a list as one text */
};

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

bool settings_resolve(const struct option_table *table, void *settings, const char *file)
{
    const char *slash = strrchr(file, '/');
    for (size_t i = 0; slash && i < table->count; i++) {
        const struct option_row *row = &table->rows[i];
        char **path = (char **)(void *)((char *)settings + row->offset), *whole;
        if (!row->path || !*path || (*path)[0] == '/')
            continue;
        if (asprintf(&whole, "%.*s/%s", (int)(slash - file), file, *path) < 0)
            return false;
        free(*path);
        *path = whole;
    }
    return true;
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
                                  const struct node *node, const char *name, struct report *report)
{
    const char *names[NAMES_MAX];
    size_t count = 0;
    char shown[LOG_ESCAPED_SIZE];
    for (size_t i = 0; i < table->count && count < NAMES_MAX; i++)
        names[count++] = table->rows[i].name;
    for (; others && *others && count < NAMES_MAX; others++)
        names[count++] = *others;
    log_escape(shown, sizeof(shown), slice_of_str(name));
    const char *nearest = text_nearest(name, names, count);
    if (nearest)
        report_add(report, node->key_place, "%s: unknown key; did you mean %s?", shown, nearest);
    else
        report_add(report, node->key_place, "%s: unknown key; siotd --options lists all", shown);
    return nearest;
}

/* The words of a list as one text; false when one of them is no word. */
static bool join_list(const struct node *list, char *to, size_t size)
{
    size_t used = 0;
    to[0] = '\0';
    for (const struct node *item = list->first; item; item = item->next) {
        if (item->kind != NODE_SCALAR || strchr(item->text, ',') || used + 1 >= size)
            return false;
        used += (size_t)snprintf(to + used, size - used, "%s%s", used ? "," : "", item->text);
    }
    return used < size;
}

static void read_list(const struct option_row *row, const struct node *node, void *settings,
                      struct report *report)
{
    char text[LIST_SIZE], why[VALUE_WHY_SIZE];
    if (!join_list(node, text, sizeof(text)))
        report_add(report, node->place, "%s: must be a list of words", row->name);
    else if (!value_read(row, text, settings, why))
        report_add(report, node->place, "%s: %s", row->name, why);
}

static void read_member(const struct option_row *row, const struct node *node, void *settings,
                        struct report *report)
{
    char why[VALUE_WHY_SIZE];
    if (row->list && node->kind == NODE_LIST)
        read_list(row, node, settings, report);
    else if (node->kind != NODE_SCALAR)
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

/* Whether there are rows for what stands in the map of that name. */
static bool is_group(const struct option_table *table, const char *name)
{
    size_t length = strlen(name);
    for (size_t i = 0; i < table->count; i++)
        if (strncmp(table->rows[i].name, name, length) == 0 && table->rows[i].name[length] == '.')
            return true;
    return false;
}

/* What is being read: the same for a map and those inside it. */
struct reading {
    const struct option_table *table;
    const char *const *others;
    void *settings;
    struct report *report;
    bool seen[NAMES_MAX];
};

/* One map; `group` is its name with a dot behind it, or "". Maps nest no deeper than rows do. */
static void read_map(struct reading *reading, const struct node *map, const char *group)
{
    const struct option_table *table = reading->table;
    for (const struct node *node = map->first; node; node = node->next) {
        char name[NAME_SIZE], inner[NAME_SIZE + 1];
        snprintf(name, sizeof(name), "%s%s", group, node->key);
        snprintf(inner, sizeof(inner), "%s.", name);
        const struct option_row *row = settings_row(table, name);
        if (row)
            read_member(row, node, reading->settings, reading->report);
        else if (is_group(table, name) && node->kind == NODE_MAP)
            read_map(reading, node, inner);
        else if (is_group(table, name))
            report_add(reading->report, node->place, "%s: must be a map of keys and values", name);
        else if (group[0] || !is_other(reading->others, name))
            mark(table, report_unknown(table, reading->others, node, name, reading->report),
                 reading->seen);
        mark(table, name, reading->seen);
    }
}

void settings_read(const struct option_table *table, const struct node *map, struct place place,
                   const char *const *others, void *settings, struct report *report)
{
    struct reading reading = {table, others, settings, report, {false}};
    if (map && map->kind != NODE_MAP && !node_is_null(map)) {
        report_add(report, map->place, "%s%smust be a map of keys and values", table->section,
                   table->section[0] ? ": " : "");
        return;
    }
    if (map)
        read_map(&reading, map, "");
    for (size_t i = 0; i < table->count; i++)
        if (table->rows[i].required && !reading.seen[i])
            report_add(report, place, "%s: is missing", table->rows[i].name);
}
