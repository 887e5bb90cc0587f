/* graft: a copy of a damaged database with a sound first page, so that the other pages can be read.
 *
 * The first page holds the header and the list of tables with the page that each begins on. Both
 * are the same in all databases of one version, but for counts that reading does not need. */
#ifndef SIOTD_STORE_GRAFT_H
#define SIOTD_STORE_GRAFT_H

#include "store/folder.h"
#include <stdbool.h>

#define GRAFT_NAME "siotd.db.graft"

/* Whether the first page of siotd.db differs from that of siotd.db.new where it must not. */
bool graft_needed(const struct folder *folder);

/* Makes siotd.db.graft and its log of siotd.db and its log, with the first page of siotd.db.new,
 * which must not have been filled yet. 0 or a negative errno. */
int graft_make(const struct folder *folder);

/* Removes it, if it is there. */
void graft_remove(const struct folder *folder);

#endif
