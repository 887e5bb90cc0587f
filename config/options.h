/* options: the list of everything that a user can set, as text (`siotd --options`). */
#ifndef SIOTD_CONFIG_OPTIONS_H
#define SIOTD_CONFIG_OPTIONS_H

#include "config/config.h"
#include <stdio.h>

/* Writes one line for each row of each table: name, type, default, range, what a reload does, help;
 * in columns. */
void options_print(FILE *to, const struct config_schema *schema);

#endif
