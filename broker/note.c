/* note: what protocols want remembered beside the core's own state, and what the core never looks
 * into: a gateway's topic ids, a created topic. See "what survives a restart" in broker.h.
 *
 * Invariant: a note's key is its owner's name, NUL, and its own name; no two have the same. */
#include "broker/note.h"
#include "broker/core.h"
#include <errno.h>
#include <stdlib.h>

struct note {
    uint32_t owner_len, key_len, value_len;
    uint8_t bytes[]; /* key, then value */
};

static struct slice note_key(const void *item)
{
    const struct note *note = item;
    return slice_of(note->bytes, note->key_len);
}

static struct slice note_value(const struct note *note)
{
    return slice_of(note->bytes + note->key_len, note->value_len);
}

void notes_init(struct map *notes)
{
    map_init(notes, note_key);
}

void notes_clear(struct map *notes)
{
    size_t position = 0;
    struct note *note;
    while ((note = map_next(notes, &position)) != NULL)
        free(note);
    map_clear(notes);
}

/* Without a value when that is empty. NULL when out of memory. */
static struct note *note_new(const char *owner, struct slice name, struct slice value)
{
    size_t owner_len = strlen(owner), key_len = owner_len + 1 + name.len;
    if (key_len > UINT16_MAX || value.len > UINT32_MAX)
        return NULL;
    struct note *note = malloc(sizeof *note + key_len + value.len);
    if (!note)
        return NULL;
    *note = (struct note){.owner_len = (uint32_t)owner_len,
                          .key_len = (uint32_t)key_len,
                          .value_len = (uint32_t)value.len};
    memcpy(note->bytes, owner, owner_len + 1);
    if (name.len)
        memcpy(note->bytes + owner_len + 1, name.at, name.len);
    if (value.len)
        memcpy(note->bytes + key_len, value.at, value.len);
    return note;
}

bool note_restore(struct map *notes, struct slice key, struct slice value)
{
    const uint8_t *end = key.len ? memchr(key.at, 0, key.len) : NULL;
    if (!end || end == key.at || value.len == 0 || map_find(notes, key))
        return false;
    /* The owner's name ends where C thinks so. */
    struct note *note =
        note_new((const char *)key.at, slice_from(key, (size_t)(end - key.at) + 1), value);
    if (note && map_put(notes, note) != 0)
        free(note); /* it stays in the store for a start with more memory */
    return true;
}

int broker_note(struct broker *broker, const char *owner, struct slice name, struct slice value)
{
    struct note *note = note_new(owner, name, value);
    if (!note || !durable_note(broker, note_key(note), value)) {
        free(note);
        return -ENOMEM;
    }
    struct note *former = map_take(&broker->notes, note_key(note));
    if (value.len == 0) {
        free(note);
    } else if (map_put(&broker->notes, note) != 0) {
        if (former)
            (void)map_put(&broker->notes, former); /* where it stood there is room */
        free(note);
        return -ENOMEM;
    }
    free(former);
    return 0;
}

bool broker_find_note(const struct broker *broker, const char *owner, struct slice name,
                      struct slice *value)
{
    uint8_t small[256];
    size_t owner_len = strlen(owner), size = owner_len + 1 + name.len;
    uint8_t *key = size <= sizeof small ? small : malloc(size);
    if (!key)
        return false;
    memcpy(key, owner, owner_len + 1);
    if (name.len)
        memcpy(key + owner_len + 1, name.at, name.len);
    const struct note *note = map_find(&broker->notes, slice_of(key, size));
    if (key != small)
        free(key);
    if (note)
        *value = note_value(note);
    return note != NULL;
}

void broker_each_note(const struct broker *broker, const char *owner,
                      void (*each)(void *to, struct slice name, struct slice value), void *to)
{
    struct slice wanted = slice_of_str(owner);
    size_t position = 0;
    const struct note *note;
    while ((note = map_next(&broker->notes, &position)) != NULL)
        if (slice_equal(slice_of(note->bytes, note->owner_len), wanted))
            each(to, slice_from(note_key(note), wanted.len + 1), note_value(note));
}

/* ---- of one session ---- */

struct session_note {
    uint32_t len;
    uint8_t bytes[];
};

int session_note(struct session *session, struct slice value)
{
    struct session_note *note = NULL;
    if (value.len > UINT32_MAX)
        return -ENOMEM;
    if (value.len) {
        note = malloc(sizeof *note + value.len);
        if (!note)
            return -ENOMEM;
        note->len = (uint32_t)value.len;
        memcpy(note->bytes, value.at, value.len);
    }
    struct session_row *row = note ? session_row(session) : session->row;
    if (note && !row) {
        free(note);
        return -ENOMEM;
    }
    if (row) {
        free(row->note);
        row->note = note;
    }
    durable_session(session, true);
    return 0;
}

struct slice session_noted(const struct session *session)
{
    const struct session_note *note = session->row ? session->row->note : NULL;
    return note ? slice_of(note->bytes, note->len) : SLICE_EMPTY;
}
