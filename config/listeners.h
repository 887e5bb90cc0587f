/* listeners: the `listeners:` list of the configuration, and what its entries must not be to each
 * other. */
#ifndef SIOTD_CONFIG_LISTENERS_H
#define SIOTD_CONFIG_LISTENERS_H

#include "config/config.h"

/* Reads the list into config->listeners and checks each entry by itself and against the others.
 * `list` is NULL when the file has none; `root` is where that is reported. */
void listeners_read(struct config *config, const struct node *list, const struct node *root,
                    struct report *report);

#endif
