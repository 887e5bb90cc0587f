/* tree: topics by level. The router keeps filters in one, the retained store names in another.
 *
 * A node is a level under a parent; all nodes of a tree stand in one hash table keyed by (parent,
 * level), so that a step down costs one look-up however wide a level is, and a node costs about 90
 * bytes. Siblings are linked for walks; "#" and "+" come first among them and are announced by two
 * bits of the parent, so that a publish that meets no wildcard pays nothing for them. A node
 * without value, children and pins is removed at once. Siblings keep their order and new ones come
 * before older ones, so a walk that pins the node it stands on may rest while the tree changes: it
 * meets every node that was there when it began and is still there. Pure; walks are iterative, so
 * depth costs no stack. */
#ifndef SIOTD_BROKER_TREE_H
#define SIOTD_BROKER_TREE_H

#include "base/slice.h"

struct tree_node {
    struct tree_node *parent, *first_child, *next, *prev; /* siblings */
    void *value; /* the tree's user's; a node with a value stays */
    uint32_t pins;
    uint16_t level_len;
    bool has_hash, has_plus; /* a child "#", a child "+" */
};

/* The level's name; its bytes stand right behind the node. */
static inline struct slice tree_level(const struct tree_node *node)
{
    return slice_of(node + 1, node->level_len);
}

struct tree {
    struct tree_node root; /* the parent of first levels; holds no value itself */
    struct tree_node **slots;
    uint32_t *hashes;
    size_t count, capacity; /* nodes below the root; slots, a power of two or 0 */
};

/* A tree of nothing but its root. */
void tree_init(struct tree *tree);
/* Frees all nodes; values are handed to `drop` (may be NULL). */
void tree_clear(struct tree *tree, void (*drop)(void *value));

/* The hash of a level, to be used for every parent it is looked up under. */
uint64_t tree_hash(struct slice level);

/* The child of `parent` with that level, or NULL. */
struct tree_node *tree_child(const struct tree *tree, const struct tree_node *parent,
                             struct slice level, uint64_t hash);

/* The child "#" or "+", or NULL. */
struct tree_node *tree_child_hash(const struct tree_node *parent);
struct tree_node *tree_child_plus(const struct tree_node *parent);

/* The node of a whole topic or filter, or NULL. */
struct tree_node *tree_find(const struct tree *tree, struct slice topic);

/* The same, made where it is missing. NULL when out of memory (tree unchanged). The caller gives it
 * a value, or calls tree_prune. */
struct tree_node *tree_make(struct tree *tree, struct slice topic);

/* Removes the node and its ancestors as far as they hold neither value nor children nor pins. */
void tree_prune(struct tree *tree, struct tree_node *node);

/* Keeps the node where it is, value or not, until it has been unpinned as often. */
void tree_pin(struct tree_node *node);
void tree_unpin(struct tree *tree, struct tree_node *node); /* prunes */

/* The next node in depth-first order after `node` inside the subtree of `top`; NULL at the end.
 * Start with node = top. With `skip_children` the subtree of node is left out. */
struct tree_node *tree_walk(const struct tree_node *top, const struct tree_node *node,
                            bool skip_children);

#endif
