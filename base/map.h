/* map: an open-addressing table of pointers to things that carry their own key.
 *
 * The map owns neither keys nor items. Linear probing with backward-shift deletion, so there are
 * no tombstones and a long-lived table does not rot. Grows at 3/4 full, shrinks at 1/8. */
#ifndef SIOTD_BASE_MAP_H
#define SIOTD_BASE_MAP_H

#include "base/slice.h"

struct map_slot;

struct map {
    struct map_slot *slots;
    size_t count, capacity;                /* items, slots (a power of two, or 0) */
    struct slice (*key)(const void *item); /* the key an item carries */
};

/* An empty map that allocates nothing until the first put. */
void map_init(struct map *m, struct slice (*key)(const void *item));

/* Frees the table; the items are the caller's. */
void map_clear(struct map *m);

/* The item with that key, or NULL. */
void *map_find(const struct map *m, struct slice key);

/* Adds an item whose key is not in the map yet. Returns 0 or -ENOMEM (map unchanged). */
int map_put(struct map *m, void *item);

/* Removes and returns the item with that key, or NULL. */
void *map_take(struct map *m, struct slice key);

/* Walks all items in no particular order: start with *position = 0; NULL at the end.
 * The map must not change meanwhile. */
void *map_next(const struct map *m, size_t *position);

#endif
