/* options: see options.h. From the same rows as parsing, so the list cannot be out of date. */
#include "config/options.h"

#include "config/value.h"
#include <string.h>

enum { COLUMNS = 5, CELL_SIZE = 256 };

/* One line of the list; the help stands behind the columns. */
struct line {
    char cells[COLUMNS][CELL_SIZE];
    const char *help;
};

static void show_range(const struct option_row *row, char to[CELL_SIZE])
{
    char min[VALUE_TEXT_SIZE], max[VALUE_TEXT_SIZE];
    size_t used = 0;
    to[0] = '\0';
    switch (row->type) {
    case OPTION_CHOICE:
        for (size_t i = 0; row->choices[i] && used < CELL_SIZE; i++)
            used += (size_t)snprintf(to + used, CELL_SIZE - used, "%s%s", i ? "|" : "",
                                     row->choices[i]);
        break;
    case OPTION_BOOL:
        snprintf(to, CELL_SIZE, "true|false");
        break;
    case OPTION_TEXT:
        snprintf(to, CELL_SIZE, "any text");
        break;
    case OPTION_ADDRESS:
        snprintf(to, CELL_SIZE, "address:port|*:port|unix:/path");
        break;
    default:
        snprintf(to, CELL_SIZE, "%.100s..%.100s%s", value_show_number(row->type, row->min, min),
                 value_show_number(row->type, row->max, max), row->unlimited ? "|unlimited" : "");
    }
}

/* The words that a listener may have for its protocol or transport. */
static void show_names(const struct config_name *names, size_t count, char to[CELL_SIZE])
{
    size_t used = 0;
    for (size_t i = 0; i < count && used < CELL_SIZE; i++)
        used += (size_t)snprintf(to + used, CELL_SIZE - used, "%s%s", i ? "|" : "", names[i].name);
}

static void fill(struct line *line, const struct option_row *row, const char *prefix)
{
    const char *fallback = row->fallback ? row->fallback : "none";
    if (row->required)
        fallback = "required";
    else if (fallback[0] == '\0')
        fallback = "\"\"";
    snprintf(line->cells[0], CELL_SIZE, "%s%s%s", prefix, prefix[0] ? "." : "", row->name);
    snprintf(line->cells[1], CELL_SIZE, "%s", value_type_name(row->type));
    snprintf(line->cells[2], CELL_SIZE, "%s", fallback);
    show_range(row, line->cells[3]);
    snprintf(line->cells[4], CELL_SIZE, "%s", row->reloadable ? "reload" : "restart");
    line->help = row->help;
}

static void measure(const struct line *line, size_t widths[COLUMNS])
{
    for (size_t i = 0; i < COLUMNS; i++)
        if (strlen(line->cells[i]) > widths[i])
            widths[i] = strlen(line->cells[i]);
}

static void print(FILE *to, const struct line *line, const size_t widths[COLUMNS])
{
    for (size_t i = 0; i < COLUMNS; i++)
        fprintf(to, "%-*s  ", (int)widths[i], line->cells[i]);
    fprintf(to, "%s\n", line->help ? line->help : "");
}

/* Prints the table's lines when `to` is not NULL, else only measures them. */
static void walk(FILE *to, const struct config_schema *schema, const struct option_table *table,
                 size_t widths[COLUMNS])
{
    bool of_listener = table == schema->listener;
    for (size_t i = 0; i < table->count; i++) {
        struct line line;
        fill(&line, &table->rows[i], of_listener ? "listeners[]" : table->section);
        if (of_listener && strcmp(table->rows[i].name, "protocol") == 0)
            show_names(schema->protocols, schema->protocol_count, line.cells[3]);
        if (of_listener && strcmp(table->rows[i].name, "transport") == 0)
            show_names(schema->transports, schema->transport_count, line.cells[3]);
        measure(&line, widths);
        if (to)
            print(to, &line, widths);
    }
}

static void walk_all(FILE *to, const struct config_schema *schema, size_t widths[COLUMNS])
{
    for (size_t i = 0; i < schema->section_count; i++)
        walk(to, schema, schema->sections[i], widths);
    walk(to, schema, schema->listener, widths);
}

void options_print(FILE *to, const struct config_schema *schema)
{
    static const struct line head = {{"OPTION", "TYPE", "DEFAULT", "RANGE", "CHANGE"}, "MEANING"};
    size_t widths[COLUMNS] = {0};
    measure(&head, widths);
    walk_all(NULL, schema, widths);
    print(to, &head, widths);
    walk_all(to, schema, widths);
}
