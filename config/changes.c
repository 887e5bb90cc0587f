/* changes: see changes.h. Stands beside the way of a message: a reload uses it. Pure.
 *
 * Listeners are the same when their names are; their order in the file means nothing. */
#include "config/changes.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int add(struct changes *changes, struct change change)
{
    struct change *all = realloc(changes->all, (changes->count + 1) * sizeof(*all));
    if (!all)
        return -ENOMEM;
    all[changes->count++] = change;
    changes->all = all;
    return 0;
}

/* The rows in which two settings structs differ. */
static int compare(struct changes *changes, const struct option_table *table, const char *section,
                   const char *listener, void *running, void *wanted)
{
    int error = 0;
    for (size_t i = 0; i < table->count && !error; i++) {
        const struct option_row *row = &table->rows[i];
        if (!value_equal(row, running, wanted))
            error = add(changes, (struct change){.row = row,
                                                 .running = running,
                                                 .wanted = wanted,
                                                 .section = section,
                                                 .listener = listener});
    }
    return error;
}

static int compare_listeners(struct changes *changes, const struct config *running,
                             const struct config *wanted)
{
    int error = 0;
    for (size_t i = 0; i < running->listener_count && !error; i++) {
        struct listener_settings *ours = &running->listeners[i];
        struct listener_settings *theirs = config_listener(wanted, ours->name);
        if (theirs)
            error =
                compare(changes, running->schema->listener, "listeners", ours->name, ours, theirs);
        else
            error = add(changes, (struct change){.section = "listeners", .listener = ours->name});
    }
    for (size_t i = 0; i < wanted->listener_count && !error; i++) {
        const char *name = wanted->listeners[i].name;
        if (!config_listener(running, name))
            error = add(changes,
                        (struct change){.section = "listeners", .listener = name, .added = true});
    }
    return error;
}

int changes_find(const struct config *running, const struct config *wanted, struct changes *changes)
{
    int error = 0;
    *changes = (struct changes){.all = NULL};
    for (size_t i = 0; i < running->schema->section_count && !error; i++) {
        const struct option_table *table = running->schema->sections[i];
        error = compare(changes, table, table->section, NULL, running->sections[i],
                        wanted->sections[i]);
    }
    if (!error)
        error = compare_listeners(changes, running, wanted);
    if (error)
        changes_clear(changes);
    return error;
}

void changes_clear(struct changes *changes)
{
    free(changes->all);
    *changes = (struct changes){.all = NULL};
}

const char *change_key(const struct change *change, char to[CHANGE_KEY_SIZE])
{
    snprintf(to, CHANGE_KEY_SIZE, "%s%s%s%s%s", change->section, change->section[0] ? "." : "",
             change->listener ? change->listener : "", change->listener && change->row ? "." : "",
             change->row ? change->row->name : "");
    return to;
}

const char *change_old(const struct change *change, char to[VALUE_TEXT_SIZE])
{
    if (change->row)
        return value_show(change->row, change->running, to);
    snprintf(to, VALUE_TEXT_SIZE, "%s", change->added ? "absent" : "present");
    return to;
}

const char *change_new(const struct change *change, char to[VALUE_TEXT_SIZE])
{
    if (change->row)
        return value_show(change->row, change->wanted, to);
    snprintf(to, VALUE_TEXT_SIZE, "%s", change->added ? "present" : "absent");
    return to;
}

bool change_reloadable(const struct change *change)
{
    return change->row && change->row->reloadable;
}

void change_adopt(const struct change *change)
{
    value_swap(change->row, change->running, change->wanted);
}
