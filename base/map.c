/* map: an open-addressing table of pointers to things that carry their own key.
 *
 * Stands wherever a name from the wire becomes a thing: client identifier to session, topic level
 * to node. A slot keeps 32 bits of the hash beside the pointer, so that a search looks at an item
 * only when the hashes agree, and so that growing never computes a hash again.
 *
 * Invariants: capacity is 0 or a power of two, and at least one slot is free; between the home
 * slot of an item (hash & mask) and the slot where it stands, none is free. */
#include "base/map.h"
#include "base/hash.h"

#include <errno.h>
#include <stdlib.h>

enum { MAP_MIN = 8 };

struct map_slot {
    void *item; /* NULL when free */
    uint32_t hash;
};
_Static_assert(sizeof(void *) != 8 || sizeof(struct map_slot) == 16, "four slots a cache line");

void map_init(struct map *m, struct slice (*key)(const void *item))
{
    *m = (struct map){.key = key};
}

void map_clear(struct map *m)
{
    free(m->slots);
    map_init(m, m->key);
}

/* Where the item with that key stands, or the free slot where the search ended. */
static size_t probe(const struct map *m, struct slice key, uint32_t hash)
{
    size_t mask = m->capacity - 1, at = hash & mask;
    while (m->slots[at].item) {
        if (m->slots[at].hash == hash && slice_equal(m->key(m->slots[at].item), key))
            break;
        at = (at + 1) & mask;
    }
    return at;
}

/* For an item known to be new, no key is compared. */
static void place(struct map_slot *slots, size_t capacity, struct map_slot new)
{
    size_t at = new.hash &(capacity - 1);
    while (slots[at].item)
        at = (at + 1) & (capacity - 1);
    slots[at] = new;
}

static int resize(struct map *m, size_t capacity)
{
    struct map_slot *slots = calloc(capacity, sizeof(*slots));
    if (!slots)
        return -ENOMEM;
    for (size_t i = 0; i < m->capacity; i++) {
        if (m->slots[i].item)
            place(slots, capacity, m->slots[i]);
    }
    free(m->slots);
    m->slots = slots;
    m->capacity = capacity;
    return 0;
}

void *map_find(const struct map *m, struct slice key)
{
    if (m->count == 0)
        return NULL;
    return m->slots[probe(m, key, (uint32_t)hash_slice(key))].item;
}

int map_put(struct map *m, void *item)
{
    if ((m->count + 1) * 4 > m->capacity * 3) {
        int err = resize(m, m->capacity ? m->capacity * 2 : MAP_MIN);
        if (err)
            return err;
    }
    place(m->slots, m->capacity, (struct map_slot){item, (uint32_t)hash_slice(m->key(item))});
    m->count++;
    return 0;
}

/* Frees the slot `hole` and moves those behind it forward that may not stand behind a free one:
 * an item may fill the hole unless its home lies (cyclically) between the hole and itself. */
static void close_gap(struct map *m, size_t hole)
{
    size_t mask = m->capacity - 1;
    for (size_t at = (hole + 1) & mask; m->slots[at].item; at = (at + 1) & mask) {
        size_t from_home = (at - m->slots[at].hash) & mask;
        size_t from_hole = (at - hole) & mask;
        if (from_home >= from_hole) {
            m->slots[hole] = m->slots[at];
            hole = at;
        }
    }
    m->slots[hole] = (struct map_slot){0};
}

void *map_take(struct map *m, struct slice key)
{
    if (m->count == 0)
        return NULL;
    size_t at = probe(m, key, (uint32_t)hash_slice(key));
    void *item = m->slots[at].item;
    if (!item)
        return NULL;
    close_gap(m, at);
    m->count--;
    /* Without memory for a smaller table the larger one serves as well. */
    if (m->capacity > MAP_MIN && m->count * 8 < m->capacity)
        (void)resize(m, m->capacity / 2);
    return item;
}

void *map_next(const struct map *m, size_t *position)
{
    while (*position < m->capacity) {
        void *item = m->slots[(*position)++].item;
        if (item)
            return item;
    }
    return NULL;
}
