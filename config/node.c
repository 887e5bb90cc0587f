/* node: see node.h. The only file that knows libyaml.
 *
 * Stands beside the way of a message: it is used at start and at reload. libyaml gives events, one
 * at a time; a stack of the maps and lists that are still open turns them into a tree without
 * recursion, so a deep file is refused at its sixteenth level and not by the machine's stack.
 * Invariant: a node is owned by its parent from the moment it is made, except `detached` ones
 * (the value of a key that came twice), which their place on the stack owns. */
#include "config/node.h"

#include "base/log.h"
#include <stdio.h>
#include <stdlib.h>
#include <yaml.h>

struct open_node {
    struct node *node;
    char *key; /* the key that waits for its value; owned */
    struct place key_place;
    bool detached, repeated; /* node has no parent; the key that waits stood here before */
};

struct builder {
    struct report *report;
    struct node *root;
    struct open_node open[NODE_DEPTH_MAX];
    size_t depth, count;
    bool failed; /* reading on is pointless; the report says why */
};

static struct place place_of(yaml_mark_t mark)
{
    return (struct place){(unsigned)mark.line + 1, (unsigned)mark.column + 1};
}

void node_free(struct node *node)
{
    if (!node)
        return;
    for (struct node *child = node->first, *next; child; child = next) {
        next = child->next;
        node_free(child); /* at most NODE_DEPTH_MAX deep */
    }
    free(node->key);
    free(node->text);
    free(node);
}

const struct node *node_get(const struct node *map, const char *key)
{
    if (!map || map->kind != NODE_MAP)
        return NULL;
    for (const struct node *child = map->first; child; child = child->next)
        if (strcmp(child->key, key) == 0)
            return child;
    return NULL;
}

bool node_is_null(const struct node *node)
{
    if (node->kind != NODE_SCALAR || !node->plain)
        return false;
    return node->text[0] == '\0' || strcmp(node->text, "~") == 0 || strcmp(node->text, "null") == 0;
}

const char *node_kind_name(const struct node *node)
{
    static const char *const names[] = {
        [NODE_SCALAR] = "a value", [NODE_LIST] = "a list", [NODE_MAP] = "a map"};
    return names[node->kind];
}

static void fail(struct builder *builder, struct place place, const char *why)
{
    report_add(builder->report, place, "%s", why);
    builder->failed = true;
}

static struct open_node *innermost(struct builder *builder)
{
    return builder->depth ? &builder->open[builder->depth - 1] : NULL;
}

/* Puts a node where the builder stands; frees a scalar that has no place (its key came twice). */
static void attach(struct builder *builder, struct node *node, bool *detached)
{
    struct open_node *parent = innermost(builder);
    *detached = false;
    if (!parent) {
        builder->root = node;
        return;
    }
    if (parent->node->kind == NODE_MAP) {
        node->key = parent->key;
        node->key_place = parent->key_place;
        parent->key = NULL;
        if (parent->repeated) {
            *detached = true;
            return;
        }
    }
    if (parent->node->last)
        parent->node->last->next = node;
    else
        parent->node->first = node;
    parent->node->last = node;
    parent->node->count++;
}

static struct node *new_node(struct builder *builder, enum node_kind kind, struct place place)
{
    if (builder->count++ == NODE_COUNT_MAX) {
        fail(builder, place, "too many values for a configuration");
        return NULL;
    }
    struct node *node = calloc(1, sizeof(*node));
    if (!node) {
        fail(builder, place, "out of memory");
        return NULL;
    }
    node->kind = kind;
    node->place = node->key_place = place;
    return node;
}

/* A scalar's text as a string, or NULL after a failure. */
static char *copy_text(struct builder *builder, const yaml_event_t *event)
{
    const char *value = (const char *)event->data.scalar.value;
    size_t length = event->data.scalar.length;
    if (memchr(value, '\0', length)) {
        fail(builder, place_of(event->start_mark), "a NUL character in a text");
        return NULL;
    }
    char *text = strndup(value, length);
    if (!text)
        fail(builder, place_of(event->start_mark), "out of memory");
    return text;
}

/* A scalar in a map's key position. */
static void take_key(struct builder *builder, struct open_node *map, const yaml_event_t *event)
{
    struct place place = place_of(event->start_mark);
    char *key = copy_text(builder, event);
    if (!key)
        return;
    const struct node *before = node_get(map->node, key);
    if (before) {
        char shown[LOG_ESCAPED_SIZE];
        log_escape(shown, sizeof(shown), slice_of_str(key));
        report_add(builder->report, place, "%s: stands here a second time (first in line %u)",
                   shown, before->key_place.line);
    }
    map->key = key;
    map->key_place = place;
    map->repeated = before != NULL;
    if (map->node->count == NODE_KEYS_MAX)
        fail(builder, place, "too many keys in one map");
}

static bool expects_key(const struct open_node *parent)
{
    return parent && parent->node->kind == NODE_MAP && !parent->key;
}

static void on_scalar(struct builder *builder, const yaml_event_t *event)
{
    struct open_node *parent = innermost(builder);
    if (expects_key(parent)) {
        take_key(builder, parent, event);
        return;
    }
    struct node *node = new_node(builder, NODE_SCALAR, place_of(event->start_mark));
    if (!node)
        return;
    bool detached;
    node->plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    node->text = copy_text(builder, event);
    if (!node->text) {
        node_free(node);
        return;
    }
    attach(builder, node, &detached);
    if (detached)
        node_free(node);
}

static void on_open(struct builder *builder, enum node_kind kind, const yaml_event_t *event)
{
    struct place place = place_of(event->start_mark);
    if (expects_key(innermost(builder))) {
        fail(builder, place, "a key must be a word, not a map or a list");
        return;
    }
    if (builder->depth == NODE_DEPTH_MAX) {
        fail(builder, place, "too many maps and lists inside each other");
        return;
    }
    struct node *node = new_node(builder, kind, place);
    if (!node)
        return;
    bool detached;
    attach(builder, node, &detached);
    builder->open[builder->depth++] = (struct open_node){.node = node, .detached = detached};
}

static void on_close(struct builder *builder)
{
    struct open_node *closed = &builder->open[--builder->depth];
    free(closed->key);
    if (closed->detached)
        node_free(closed->node);
}

/* An alias stands for nothing here: its key goes without a value. */
static void on_alias(struct builder *builder, const yaml_event_t *event)
{
    struct open_node *parent = innermost(builder);
    report_add(builder->report, place_of(event->start_mark),
               "aliases (*name) are not supported: write the value out");
    if (expects_key(parent)) {
        builder->failed = true;
    } else if (parent && parent->node->kind == NODE_MAP) {
        free(parent->key);
        parent->key = NULL;
    }
}

/* Whether the event carries an anchor or a tag, which are reported and otherwise ignored. */
static void refuse_extras(struct builder *builder, const yaml_event_t *event)
{
    const yaml_char_t *anchor = NULL, *tag = NULL;
    if (event->type == YAML_SCALAR_EVENT) {
        anchor = event->data.scalar.anchor;
        tag = event->data.scalar.tag;
    } else if (event->type == YAML_SEQUENCE_START_EVENT) {
        anchor = event->data.sequence_start.anchor;
        tag = event->data.sequence_start.tag;
    } else if (event->type == YAML_MAPPING_START_EVENT) {
        anchor = event->data.mapping_start.anchor;
        tag = event->data.mapping_start.tag;
    }
    if (anchor)
        report_add(builder->report, place_of(event->start_mark),
                   "anchors (&name) are not supported: write the value out where it is needed");
    if (tag)
        report_add(builder->report, place_of(event->start_mark),
                   "tags (!name) are not supported: leave the tag out");
}

static void on_event(struct builder *builder, const yaml_event_t *event)
{
    refuse_extras(builder, event);
    switch (event->type) {
    case YAML_SCALAR_EVENT:
        on_scalar(builder, event);
        break;
    case YAML_SEQUENCE_START_EVENT:
        on_open(builder, NODE_LIST, event);
        break;
    case YAML_MAPPING_START_EVENT:
        on_open(builder, NODE_MAP, event);
        break;
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        on_close(builder);
        break;
    case YAML_ALIAS_EVENT:
        on_alias(builder, event);
        break;
    case YAML_DOCUMENT_START_EVENT:
        if (builder->root)
            fail(builder, place_of(event->start_mark), "a second document: one is enough");
        break;
    default:
        break;
    }
}

/* Where the byte at `offset` stands. */
static struct place place_in(struct slice text, size_t offset)
{
    struct place place = {1, 1};
    for (size_t i = 0; i < text.len && i < offset; i++) {
        if (text.at[i] == '\n')
            place = (struct place){place.line + 1, 1};
        else if ((text.at[i] & 0xc0) != 0x80)
            place.column++;
    }
    return place;
}

/* What libyaml has against the text. */
static void report_syntax(struct builder *builder, const yaml_parser_t *parser, struct slice text)
{
    builder->failed = true;
    if (parser->error == YAML_MEMORY_ERROR) {
        report_add(builder->report, (struct place){0, 0}, "out of memory");
        return;
    }
    if (parser->error == YAML_READER_ERROR) {
        report_add(builder->report, place_in(text, parser->problem_offset), "not YAML: %s",
                   parser->problem);
        return;
    }
    size_t at = parser->problem_mark.index;
    bool tab = at < text.len && text.at[at] == '\t';
    char where[128] = "", line[32] = "";
    if (parser->context_mark.line != parser->problem_mark.line)
        snprintf(line, sizeof(line), " that begins in line %zu", parser->context_mark.line + 1);
    if (parser->context)
        snprintf(where, sizeof(where), "%s%s, ", parser->context, line);
    report_add(builder->report, place_of(parser->problem_mark), "not YAML: %s%s%s", where,
               parser->problem ? parser->problem : "syntax error",
               tab ? " (a tab: YAML indents with spaces)" : "");
}

static void read_events(struct builder *builder, yaml_parser_t *parser, struct slice text)
{
    for (bool end = false; !end && !builder->failed;) {
        yaml_event_t event;
        if (!yaml_parser_parse(parser, &event)) {
            report_syntax(builder, parser, text);
            return;
        }
        on_event(builder, &event);
        end = event.type == YAML_STREAM_END_EVENT;
        yaml_event_delete(&event);
    }
}

struct node *node_parse(struct slice text, struct report *report)
{
    struct builder builder = {.report = report};
    struct place nowhere = {0, 0};
    yaml_parser_t parser;
    if (text.len > NODE_FILE_MAX) {
        report_add(report, nowhere, "longer than %d bytes", NODE_FILE_MAX);
        return NULL;
    }
    if (!yaml_parser_initialize(&parser)) {
        report_add(report, nowhere, "out of memory");
        return NULL;
    }
    yaml_parser_set_input_string(&parser, text.len ? text.at : (const uint8_t *)"", text.len);
    read_events(&builder, &parser, text);
    yaml_parser_delete(&parser);
    while (builder.depth)
        on_close(&builder);
    if (builder.failed) {
        node_free(builder.root);
        return NULL;
    }
    if (!builder.root)
        report_add(report, nowhere, "the file is empty");
    return builder.root;
}
