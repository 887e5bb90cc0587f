/* changes: what a reload would change, and taking it over.
 *
 * Two configurations of one schema are compared key by key. A key whose row is reloadable is taken
 * over by exchanging that one member, so whoever borrowed the settings struct sees the new value at
 * its next look. The set of listeners itself, and keys that say where and what to listen on, need a
 * restart. */
#ifndef SIOTD_CONFIG_CHANGES_H
#define SIOTD_CONFIG_CHANGES_H

#include "config/config.h"
#include "config/value.h"

struct change {
    const struct option_row *row; /* NULL: a whole listener was added or removed */
    void *running, *wanted;       /* the settings structs that differ; NULL with row */
    const char *section;          /* "limits"; "listeners" for those of a listener; "" */
    const char *listener;         /* name, borrowed from a configuration; else NULL */
    bool added;                   /* of a whole listener */
};

struct changes {
    struct change *all; /* owned */
    size_t count;
};

enum { CHANGE_KEY_SIZE = 256 };

/* Compares. Returns 0 or -ENOMEM. Both configurations must outlive the result, which
 * changes_clear frees. */
int changes_find(const struct config *running, const struct config *wanted,
                 struct changes *changes);
void changes_clear(struct changes *changes);

/* The key as in the file: "limits.inflight", "listeners.mqtt.anonymous", "listeners.mqtt";
 * returns `to`. */
const char *change_key(const struct change *change, char to[CHANGE_KEY_SIZE]);

/* Old and new value as a user would write them ("***" when secret); "absent" and "present" for
 * a whole listener. Return `to`. */
const char *change_old(const struct change *change, char to[VALUE_TEXT_SIZE]);
const char *change_new(const struct change *change, char to[VALUE_TEXT_SIZE]);

/* Whether the running daemon can take it over. */
bool change_reloadable(const struct change *change);

/* Exchanges the member: the running configuration has the new value, the other one the old. Only
 * for a reloadable change; doing it twice undoes it. */
void change_adopt(const struct change *change);

#endif
