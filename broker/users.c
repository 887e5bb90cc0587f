/* users: see users.h. Read at start and at reload; asked once for each CONNECT with a password. */
#include "broker/users.h"

#include "base/map.h"
#include "base/utf8.h"
#include <stdlib.h>

struct user {
    size_t name_len, size; /* of the name; of name, record and NUL */
    char name[];           /* the name, then the record */
};

struct users {
    uint32_t refs;
    struct map table; /* struct user, owned */
};

static struct slice user_key(const void *item)
{
    const struct user *user = item;
    return slice_of(user->name, user->name_len);
}

struct users *users_ref(struct users *users)
{
    users->refs++;
    return users;
}

void users_unref(struct users *users)
{
    if (!users || --users->refs > 0)
        return;
    struct user *user;
    for (size_t position = 0; (user = map_next(&users->table, &position)) != NULL;) {
        explicit_bzero(user->name, user->size);
        free(user);
    }
    map_clear(&users->table);
    free(users);
}

size_t users_count(const struct users *users)
{
    return users->table.count;
}

const char *users_record(const struct users *users, struct slice name)
{
    const struct user *user = map_find(&users->table, name);
    return user ? user->name + user->name_len : NULL;
}

const char *users_any_record(const struct users *users)
{
    size_t position = 0;
    const struct user *user = map_next(&users->table, &position);
    return user ? user->name + user->name_len : NULL;
}

bool users_next(const struct users *users, size_t *position, struct slice *name)
{
    const struct user *user = map_next(&users->table, position);
    if (user)
        *name = user_key(user);
    return user != NULL;
}

/* ---- reading ---- */

/* What is wrong with a record, or NULL. Whether it can be verified is password.h's to say; here it
 * is made sure that a line cut short or a password in clear never becomes a user. */
static const char *record_mistake(struct slice record)
{
    static const struct {
        const char *scheme;
        size_t dollars; /* in a whole record */
    } schemes[] = {{"$argon2id$", 5}, {"$7$", 4}, {"$6$", 3}};
    if (record.len == 0)
        return "the password record is missing";
    for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++) {
        if (!slice_starts_with(record, slice_of_str(schemes[i].scheme)))
            continue;
        size_t dollars = 0;
        for (size_t at = 0; at < record.len; at++) {
            dollars += record.at[at] == '$';
            if (record.at[at] <= ' ' || record.at[at] > '~')
                return "the password record holds a character that none has";
            if (record.at[at] == '$' && at && record.at[at - 1] == '$')
                return "the password record has an empty part";
        }
        return dollars == schemes[i].dollars && record.at[record.len - 1] != '$'
                   ? NULL
                   : "the password record is not complete";
    }
    return "not a password record: must begin with $argon2id$, $7$ or $6$";
}

static int add(struct users *users, struct slice name, struct slice record)
{
    size_t size = name.len + record.len + 1;
    struct user *user = malloc(sizeof *user + size);
    if (!user)
        return -1;
    user->name_len = name.len;
    user->size = size;
    memcpy(user->name, name.at, name.len);
    memcpy(user->name + name.len, record.at, record.len);
    user->name[size - 1] = '\0';
    if (map_put(&users->table, user) == 0)
        return 0;
    explicit_bzero(user->name, size);
    free(user);
    return -1;
}

/* Adds the user of one line. Returns what is wrong with it, or NULL; *column is where, or where the
 * record begins. */
static const char *read_line(struct users *users, struct slice line, unsigned *column)
{
    const uint8_t *colon = memchr(line.at, ':', line.len);
    *column = 1;
    if (!colon)
        return "there is no colon between user name and password record";
    struct slice name = slice_of(line.at, (size_t)(colon - line.at));
    struct slice record = slice_from(line, name.len + 1);
    if (name.len == 0)
        return "the user name is missing";
    if (name.len > UINT16_MAX || !utf8_clean(name))
        return "the user name is no text";
    if (users_record(users, name))
        return "the user has a line already";
    *column = (unsigned)name.len + 2;
    const char *why = record_mistake(record);
    return why ? why : add(users, name, record) != 0 ? "out of memory" : NULL;
}

struct users *users_read(struct slice text, const char *(*judge)(const char *record),
                         void (*mistake)(void *to, unsigned line, unsigned column, const char *why),
                         void *to)
{
    struct users *users = calloc(1, sizeof *users);
    if (!users) {
        mistake(to, 0, 0, "out of memory");
        return NULL;
    }
    users->refs = 1;
    map_init(&users->table, user_key);
    struct lines lines = {.rest = text};
    struct slice line;
    size_t mistakes = 0;
    while (lines_next(&lines, &line)) {
        unsigned column;
        if (line.len == 0 || line.at[0] == '#')
            continue;
        const char *why = read_line(users, line, &column);
        if (!why && judge)
            why = judge(users_record(users, slice_of(line.at, column - 2)));
        if (why) {
            mistakes++;
            mistake(to, lines.number, column, why);
        }
    }
    if (mistakes == 0)
        return users;
    users_unref(users);
    return NULL;
}
