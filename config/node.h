/* node: a YAML file as a tree in which everything remembers where it stood.
 *
 * What a configuration needs of YAML and no more: maps with plain names as keys, lists, and
 * scalars, block or flow style, comments, quotes. Anchors, aliases and tags are refused (a few
 * lines of them can stand for gigabytes), and so are a second document, a key that comes twice, and
 * sizes that no configuration has: see the limits below. */
#ifndef SIOTD_CONFIG_NODE_H
#define SIOTD_CONFIG_NODE_H

#include "base/slice.h"
#include "config/report.h"

enum {
    NODE_FILE_MAX = 1024 * 1024, /* bytes of a file */
    NODE_DEPTH_MAX = 16,         /* maps and lists inside each other */
    NODE_COUNT_MAX = 50000,      /* nodes of a file */
    NODE_KEYS_MAX = 256,         /* keys of one map */
};

enum node_kind { NODE_SCALAR, NODE_LIST, NODE_MAP };

struct node {
    enum node_kind kind;
    struct place place;        /* of the value */
    struct place key_place;    /* of its key; of the value in a list */
    char *key;                 /* owned; NULL in a list and at the root */
    char *text;                /* of a scalar, owned, NUL-terminated, without NUL inside */
    bool plain;                /* the scalar stood without quotes */
    struct node *first, *last; /* of a map or list, owned */
    struct node *next;         /* in the same map or list */
    size_t count;              /* members of a map or list */
};

/* Reads YAML text. Returns the tree, to be freed with node_free; NULL when the text is empty, is no
 * YAML or is out of bounds, which the report says. Mistakes that leave a tree (a key twice: the
 * first counts) are reported too, so look at the report even when there is a tree. */
struct node *node_parse(struct slice text, struct report *report);

/* Frees a tree; NULL is allowed. */
void node_free(struct node *node);

/* The member of a map with that key, or NULL. */
const struct node *node_get(const struct node *map, const char *key);

/* Whether the value was left out: "key:", "key: ~" or "key: null". */
bool node_is_null(const struct node *node);

/* "a map", "a list", "a value": for messages. */
const char *node_kind_name(const struct node *node);

#endif
