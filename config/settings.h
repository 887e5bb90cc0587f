/* settings: a settings struct and the table of rows that describes it.
 *
 * A module reads plain members; whoever fills them does it by the table, from defaults and from the
 * YAML map of its section. */
#ifndef SIOTD_CONFIG_SETTINGS_H
#define SIOTD_CONFIG_SETTINGS_H

#include "config/node.h"
#include "config/option.h"

/* Sets every member of a zeroed struct to its default. Returns false when out of memory (what is
 * set is to be freed with settings_clear all the same). */
bool settings_defaults(const struct option_table *table, void *settings);

/* Frees what the members own. */
void settings_clear(const struct option_table *table, void *settings);

/* Reads a map over the defaults. NULL and a null value are an empty map; `place` is where a missing
 * required key is reported. Keys named in `others` (NULL-terminated, or NULL) belong to somebody
 * else and are passed over. Every mistake goes to the report: unknown key (with the nearest known
 * one), wrong kind, bad value, required key missing. One mistake is reported once: a key that was
 * misspelt is not missing. */
void settings_read(const struct option_table *table, const struct node *map, struct place place,
                   const char *const *others, void *settings, struct report *report);

/* Makes paths (rows with `path`) relative to the folder that the configuration `file` lies in.
 * Returns false when out of memory. */
bool settings_resolve(const struct option_table *table, void *settings, const char *file);

/* The first row whose name is `name`, or NULL. */
const struct option_row *settings_row(const struct option_table *table, const char *name);

#endif
