/* watches: see watches.h. Stands between libuv and the C library; of all that libuv does here, only
 * the table is ever made larger, so what is reallocated is the table. */
#include "transports/watches.h"

#include <stdlib.h>
#include <string.h>
#include <uv.h>

enum { FIRST = 4096 }; /* bytes: 512 descriptors */

static struct {
    void *table; /* libuv's */
    size_t size;
    void *reserve; /* ours until it becomes the table; at least twice its size */
    size_t reserved;
    bool begun;
} watches;

/* No memory: what was put by takes the table's place. */
static void *fall_back(size_t size)
{
    void *moved = watches.reserve;
    if (size > watches.reserved)
        return NULL;
    if (watches.table)
        memcpy(moved, watches.table, watches.size < size ? watches.size : size);
    free(watches.table);
    watches.reserve = NULL;
    watches.reserved = 0;
    return moved;
}

static void *grow(void *former, size_t size)
{
    bool other = watches.table && former != watches.table;
    void *moved = realloc(former, size);
    if (other)
        return moved;
    if (!moved)
        moved = fall_back(size);
    if (!moved)
        return NULL;
    watches.table = moved;
    watches.size = size;
    (void)watches_have_room();
    return moved;
}

static void release(void *memory)
{
    if (memory && memory == watches.table) {
        watches.table = NULL;
        watches.size = 0;
    }
    free(memory);
}

bool watches_have_room(void)
{
    size_t wanted = watches.size > FIRST / 2 ? 2 * watches.size : FIRST;
    if (watches.reserved >= wanted)
        return true;
    void *more = malloc(wanted);
    if (!more)
        return false;
    free(watches.reserve);
    watches.reserve = more;
    watches.reserved = wanted;
    return true;
}

bool watches_begin(void)
{
    if (!watches.begun && uv_replace_allocator(malloc, grow, calloc, release) != 0)
        return false;
    watches.begun = true;
    return watches_have_room();
}
