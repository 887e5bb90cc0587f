/* tree: see tree.h. Stands under router.c and retained.c on the way of a message.
 *
 * Invariants: every node but the root stands in the table once; hashes[i] is its node's hash while
 * slots[i] is not NULL; among siblings "#" comes before "+" before all others; a node has a value,
 * a child or a pin, except between tree_make and the caller's assignment. */
#include "broker/tree.h"
#include "base/hash.h"
#include "broker/topic.h"
#include <stdlib.h>

enum { FIRST_CAPACITY = 64 };

void tree_init(struct tree *tree)
{
    memset(tree, 0, sizeof *tree);
}

uint64_t tree_hash(struct slice level)
{
    return hash_slice(level);
}

/* One level stands under many parents: the parent's address is mixed in. The level's hash is keyed,
 * so nobody can aim; the multiplications only spread it. */
static uint32_t slot_hash(const struct tree_node *parent, uint64_t level_hash)
{
    uint64_t mixed = (level_hash ^ ((uint64_t)(uintptr_t)parent * UINT64_C(0x9E3779B97F4A7C15))) *
                     UINT64_C(0xD6E8FEB86659FD93);
    return (uint32_t)(mixed >> 32);
}

static bool level_is(const struct tree_node *node, uint8_t c)
{
    return node->level_len == 1 && tree_level(node).at[0] == c;
}

static void place(struct tree *tree, struct tree_node *node, uint32_t hash)
{
    size_t mask = tree->capacity - 1, i = hash & mask;
    while (tree->slots[i])
        i = (i + 1) & mask;
    tree->slots[i] = node;
    tree->hashes[i] = hash;
}

static bool resize(struct tree *tree, size_t capacity)
{
    struct tree_node **slots = calloc(capacity, sizeof *slots);
    uint32_t *hashes = malloc(capacity * sizeof *hashes);
    if (!slots || !hashes) {
        free(slots);
        free(hashes);
        return false;
    }
    size_t mask = capacity - 1;
    for (size_t old = 0; old < tree->capacity; old++) {
        if (!tree->slots[old])
            continue;
        size_t i = tree->hashes[old] & mask;
        while (slots[i])
            i = (i + 1) & mask;
        slots[i] = tree->slots[old];
        hashes[i] = tree->hashes[old];
    }
    free(tree->slots);
    free(tree->hashes);
    tree->slots = slots;
    tree->hashes = hashes;
    tree->capacity = capacity;
    return true;
}

/* Backward-shift deletion: no tombstones, so a table that lives for years does not rot. */
static void unplace(struct tree *tree, const struct tree_node *node)
{
    uint32_t hash = slot_hash(node->parent, tree_hash(tree_level(node)));
    size_t mask = tree->capacity - 1, hole = hash & mask;
    while (tree->slots[hole] != node)
        hole = (hole + 1) & mask;
    for (size_t i = (hole + 1) & mask; tree->slots[i]; i = (i + 1) & mask) {
        size_t home = tree->hashes[i] & mask;
        if (((i - home) & mask) >= ((i - hole) & mask)) {
            tree->slots[hole] = tree->slots[i];
            tree->hashes[hole] = tree->hashes[i];
            hole = i;
        }
    }
    tree->slots[hole] = NULL;
    tree->count--;
    if (tree->capacity > FIRST_CAPACITY && tree->count < tree->capacity / 8)
        (void)resize(tree, tree->capacity / 2); /* staying large is no failure */
}

struct tree_node *tree_child(const struct tree *tree, const struct tree_node *parent,
                             struct slice level, uint64_t level_hash)
{
    if (tree->count == 0)
        return NULL;
    uint32_t hash = slot_hash(parent, level_hash);
    size_t mask = tree->capacity - 1;
    for (size_t i = hash & mask; tree->slots[i]; i = (i + 1) & mask) {
        struct tree_node *node = tree->slots[i];
        if (tree->hashes[i] == hash && node->parent == parent &&
            slice_equal(tree_level(node), level))
            return node;
    }
    return NULL;
}

struct tree_node *tree_child_hash(const struct tree_node *parent)
{
    return parent->has_hash ? parent->first_child : NULL;
}

struct tree_node *tree_child_plus(const struct tree_node *parent)
{
    if (!parent->has_plus)
        return NULL;
    return parent->has_hash ? parent->first_child->next : parent->first_child;
}

/* "#" first, "+" behind it, the others behind those; newest first. */
static void link_child(struct tree_node *parent, struct tree_node *node)
{
    struct tree_node *before = NULL;
    if (!level_is(node, '#') && parent->has_hash)
        before = parent->first_child;
    if (!level_is(node, '#') && !level_is(node, '+') && parent->has_plus)
        before = tree_child_plus(parent);
    node->prev = before;
    node->next = before ? before->next : parent->first_child;
    if (node->next)
        node->next->prev = node;
    if (before)
        before->next = node;
    else
        parent->first_child = node;
    parent->has_hash |= level_is(node, '#');
    parent->has_plus |= level_is(node, '+');
}

static void unlink_child(struct tree_node *node)
{
    struct tree_node *parent = node->parent;
    if (level_is(node, '#'))
        parent->has_hash = false;
    if (level_is(node, '+'))
        parent->has_plus = false;
    if (node->next)
        node->next->prev = node->prev;
    if (node->prev)
        node->prev->next = node->next;
    else
        parent->first_child = node->next;
}

static struct tree_node *add_child(struct tree *tree, struct tree_node *parent, struct slice level,
                                   uint64_t level_hash)
{
    if ((tree->count + 1) * 4 > tree->capacity * 3 &&
        !resize(tree, tree->capacity ? tree->capacity * 2 : FIRST_CAPACITY))
        return NULL;
    struct tree_node *node = malloc(sizeof *node + level.len);
    if (!node)
        return NULL;
    memset(node, 0, sizeof *node);
    node->parent = parent;
    node->level_len = (uint16_t)level.len;
    if (level.len)
        memcpy(node + 1, level.at, level.len);
    link_child(parent, node);
    place(tree, node, slot_hash(parent, level_hash));
    tree->count++;
    return node;
}

struct tree_node *tree_find(const struct tree *tree, struct slice topic)
{
    const struct tree_node *node = &tree->root;
    struct slice level;
    bool more = true;
    while (node && topic_next_level(&topic, &level, &more))
        node = tree_child(tree, node, level, tree_hash(level));
    return (struct tree_node *)node;
}

struct tree_node *tree_make(struct tree *tree, struct slice topic)
{
    struct tree_node *node = &tree->root;
    struct slice level;
    bool more = true;
    while (topic_next_level(&topic, &level, &more)) {
        uint64_t hash = tree_hash(level);
        struct tree_node *child = tree_child(tree, node, level, hash);
        if (!child)
            child = add_child(tree, node, level, hash);
        if (!child) {
            tree_prune(tree, node);
            return NULL;
        }
        node = child;
    }
    return node;
}

void tree_prune(struct tree *tree, struct tree_node *node)
{
    while (node != &tree->root && !node->value && !node->first_child && !node->pins) {
        struct tree_node *parent = node->parent;
        unlink_child(node);
        unplace(tree, node);
        free(node);
        node = parent;
    }
}

void tree_pin(struct tree_node *node)
{
    node->pins++;
}

void tree_unpin(struct tree *tree, struct tree_node *node)
{
    node->pins--;
    tree_prune(tree, node);
}

struct tree_node *tree_walk(const struct tree_node *top, const struct tree_node *node,
                            bool skip_children)
{
    if (!skip_children && node->first_child)
        return node->first_child;
    while (node != top && !node->next)
        node = node->parent;
    return node == top ? NULL : node->next;
}

void tree_clear(struct tree *tree, void (*drop)(void *value))
{
    for (size_t i = 0; i < tree->capacity; i++) {
        if (!tree->slots[i])
            continue;
        if (drop && tree->slots[i]->value)
            drop(tree->slots[i]->value);
        free(tree->slots[i]);
    }
    free(tree->slots);
    free(tree->hashes);
    tree_init(tree);
}
