/* note: a table of what protocols want remembered; its verbs are in broker.h. */
#ifndef SIOTD_BROKER_NOTE_H
#define SIOTD_BROKER_NOTE_H

#include "base/map.h"

/* An empty table; clearing frees all notes. */
void notes_init(struct map *notes);
void notes_clear(struct map *notes);

/* One from before a restart, by its whole key. False when it can be none. */
bool note_restore(struct map *notes, struct slice key, struct slice value);

#endif
