/* config: see config.h. Stands beside the way of a message: it is used at start and at reload.
 *
 * Invariant: sections[i] is described by schema->sections[i]; both exist for each i or the
 * configuration does not. */
#include "config/config.h"

#include "base/buffer.h"
#include "base/text.h"
#include "broker/access.h"
#include "config/listeners.h"
#include "config/settings.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SECTIONS_MAX = 32 };

void config_free(struct config *config)
{
    if (!config)
        return;
    for (size_t i = 0; config->sections && i < config->schema->section_count; i++) {
        if (config->sections[i])
            settings_clear(config->schema->sections[i], config->sections[i]);
        free(config->sections[i]);
    }
    for (size_t i = 0; i < config->listener_count; i++)
        settings_clear(config->schema->listener, &config->listeners[i]);
    access_unref(config->access);
    free(config->sections);
    free(config->listeners);
    free(config->path);
    free(config);
}

void *config_section(const struct config *config, const char *name)
{
    for (size_t i = 0; i < config->schema->section_count; i++)
        if (strcmp(config->schema->sections[i]->section, name) == 0)
            return config->sections[i];
    return NULL;
}

struct listener_settings *config_listener(const struct config *config, const char *name)
{
    for (size_t i = 0; i < config->listener_count; i++)
        if (strcmp(config->listeners[i].name, name) == 0)
            return &config->listeners[i];
    return NULL;
}

/* A configuration that is all defaults, without listeners; NULL when out of memory. */
static struct config *config_new(const char *path, const struct config_schema *schema)
{
    struct config *config = calloc(1, sizeof(*config));
    if (!config)
        return NULL;
    config->schema = schema;
    config->path = strdup(path);
    config->sections = calloc(schema->section_count, sizeof(*config->sections));
    bool complete = config->path && config->sections;
    for (size_t i = 0; complete && i < schema->section_count; i++) {
        config->sections[i] = calloc(1, schema->sections[i]->size);
        complete =
            config->sections[i] && settings_defaults(schema->sections[i], config->sections[i]);
    }
    if (complete)
        return config;
    config_free(config);
    return NULL;
}

/* Every section of the file, the top level included. */
static void read_sections(struct config *config, const struct node *root, struct report *report)
{
    const struct config_schema *schema = config->schema;
    const char *names[SECTIONS_MAX + 2];
    size_t count = 0;
    names[count++] = "listeners";
    for (size_t i = 0; i < schema->section_count && i < SECTIONS_MAX; i++)
        if (schema->sections[i]->section[0] != '\0')
            names[count++] = schema->sections[i]->section;
    names[count] = NULL;
    for (size_t i = 0; i < schema->section_count; i++) {
        const struct option_table *table = schema->sections[i];
        bool top = table->section[0] == '\0';
        const struct node *map = top ? root : node_get(root, table->section);
        settings_read(table, map, map ? map->key_place : root->place, top ? names : table->others,
                      config->sections[i], report);
        if (!settings_resolve(table, config->sections[i], config->path))
            report_add(report, root->place, "out of memory");
    }
}

/* Whether the list of listeners is there under another name: then it is misspelt and not missing.
 */
static bool listeners_misspelt(const struct config_schema *schema, const struct node *root)
{
    const char *names[SECTIONS_MAX + 1] = {"listeners"};
    size_t count = 1;
    for (size_t i = 0; i < schema->section_count && count <= SECTIONS_MAX; i++)
        names[count++] = schema->sections[i]->section;
    for (const struct node *node = root->first; node; node = node->next) {
        const char *nearest = text_nearest(node->key, names, count);
        if (nearest == names[0] && strcmp(node->key, nearest) != 0)
            return true;
    }
    return false;
}

static void read_root(struct config *config, const struct node *root, struct report *report)
{
    if (root->kind != NODE_MAP) {
        report_add(report, root->place, "the file must be a map of keys and values, not %s",
                   node_kind_name(root));
        return;
    }
    const struct node *list = node_get(root, "listeners");
    read_sections(config, root, report);
    if (list || !listeners_misspelt(config->schema, root))
        listeners_read(config, list, root, report);
    if (config->schema->check)
        config->schema->check(config, root, report);
    if (!report_any(report) && config->schema->access)
        config->access = config->schema->access(config, root, report);
}

struct config *config_parse(const char *path, struct slice text, const struct config_schema *schema,
                            struct report *report)
{
    struct node *root = node_parse(text, report);
    struct config *config = root ? config_new(path, schema) : NULL;
    if (root && !config)
        report_add(report, (struct place){0, 0}, "out of memory");
    if (config)
        read_root(config, root, report);
    node_free(root);
    report_sort(report);
    if (!report_any(report))
        return config;
    config_free(config);
    return NULL;
}

/* Appends what the file has, at most one byte more than a configuration may have. */
static int read_all(int fd, struct buffer *text)
{
    for (;;) {
        uint8_t *room = buffer_room(text, 4096);
        if (!room)
            return -ENOMEM;
        ssize_t got = read(fd, room, 4096);
        if (got < 0 && errno != EINTR)
            return -errno;
        if (got > 0)
            text->len += (uint32_t)got;
        if (got == 0 || text->len > NODE_FILE_MAX)
            return 0;
    }
}

/* Reads a whole file; anything but a regular file or a pipe is refused (a device may never end). */
static int read_file(const char *path, struct buffer *text)
{
    struct stat status;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return -errno;
    int error = fstat(fd, &status) < 0 ? -errno : 0;
    if (!error && S_ISDIR(status.st_mode))
        error = -EISDIR;
    else if (!error && !S_ISREG(status.st_mode))
        error = -EINVAL;
    if (!error)
        error = read_all(fd, text);
    close(fd);
    return error;
}

struct config *config_load(const char *path, const struct config_schema *schema,
                           struct report *report)
{
    struct buffer text = {.at = NULL};
    struct config *config = NULL;
    int error = read_file(path, &text);
    if (error)
        report_add(report, (struct place){0, 0}, "cannot be read: %s",
                   error == -EINVAL ? "it is no regular file" : strerror(-error));
    else
        config = config_parse(path, buffer_slice(&text), schema, report);
    buffer_clear(&text);
    return config;
}
