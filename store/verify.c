/* verify: a store looked through without changing it; store_verify of store.h.
 *
 * Behind `siotd --verify-store`. What is found is said line by line: pages that SQLite does not
 * understand, rows whose sum is wrong, rows that name rows which are not there. */
#include "store/schema.h"
#include "store/store.h"
#include "store/tables.h"
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

enum { LINE_SIZE = 512, MOST_LINES = 100 };

struct verification {
    struct sql *sql;
    void (*say)(void *to, const char *line);
    void *to;
    uint64_t rows, findings;
};

static void say(struct verification *verification, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void say(struct verification *verification, const char *format, ...)
{
    char line[LINE_SIZE];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line, sizeof(line), format, arguments);
    va_end(arguments);
    verification->say(verification->to, line);
}

/* One finding of a sort, of which `count` were there before. */
static bool is_said(struct verification *verification, uint64_t count)
{
    verification->findings++;
    return count < MOST_LINES;
}

/* A check could not be done to its end. */
static void cannot_read(struct verification *verification, const char *what)
{
    verification->findings++;
    say(verification, "%s: cannot be read: %s", what, sql_error(verification->sql));
}

static void check_structure(struct verification *verification)
{
    struct sql_statement *statement;
    enum sql_result result =
        sql_prepare(verification->sql, "PRAGMA integrity_check(100)", &statement);
    while (result == SQL_DONE && (result = sql_step(statement)) == SQL_ROW) {
        struct slice line = sql_text(statement, 0);
        result = SQL_DONE;
        if (slice_equal(line, SLICE("ok")))
            break;
        verification->findings++;
        say(verification, "structure: %.*s", SLICE_FMT(line));
    }
    if (result != SQL_DONE)
        cannot_read(verification, "structure");
    sql_finish(statement);
}

static void check_sums(struct verification *verification, const struct table *table)
{
    struct sql_statement *statement;
    char text[64];
    uint64_t wrong = 0;
    snprintf(text, sizeof(text), "SELECT * FROM %s", table->name);
    enum sql_result result = sql_prepare(verification->sql, text, &statement);
    while (result == SQL_DONE && (result = sql_step(statement)) == SQL_ROW) {
        struct kept row;
        result = SQL_DONE;
        verification->rows++;
        if (!table_read(table, statement, &row) && is_said(verification, wrong++))
            say(verification, "%s: wrong sum: session %llu, number %llu, message %llu", table->name,
                (unsigned long long)row.session, (unsigned long long)row.number,
                (unsigned long long)row.message);
    }
    if (result != SQL_DONE)
        cannot_read(verification, table->name);
    sql_finish(statement);
}

/* Rows that name what is not there. What is no damage is only told: siotd removes it at its next
 * start. */
static const struct {
    const char *query, *what;
    bool is_damage;
} references[] = {
    {"SELECT session, number FROM queued WHERE message <> 0"
     " AND message NOT IN (SELECT message FROM messages)",
     "queued without its message", true},
    {"SELECT 0, message FROM retained WHERE message NOT IN (SELECT message FROM messages)",
     "retained without its message", true},
    {"SELECT DISTINCT session, 0 FROM queued WHERE session NOT IN (SELECT session FROM sessions)",
     "queued for a session that is not there", true},
    {"SELECT DISTINCT session, 0 FROM subscriptions"
     " WHERE session NOT IN (SELECT session FROM sessions)",
     "a subscription of a session that is not there", true},
    {"SELECT DISTINCT session, 0 FROM inbound WHERE session NOT IN (SELECT session FROM sessions)",
     "a received packet id of a session that is not there", true},
    {"SELECT 0, message FROM messages WHERE message NOT IN (SELECT message FROM queued)"
     " AND message NOT IN (SELECT message FROM retained)",
     "a message that nobody waits for (no damage)", false},
    {"SELECT 0, message FROM named WHERE message NOT IN (SELECT message FROM messages)",
     "a count of rows that name a message that is not there (no damage)", false},
};

static void check_references(struct verification *verification)
{
    for (size_t i = 0; i < sizeof(references) / sizeof(references[0]); i++) {
        struct sql_statement *statement;
        uint64_t count = 0;
        enum sql_result result = sql_prepare(verification->sql, references[i].query, &statement);
        while (result == SQL_DONE && (result = sql_step(statement)) == SQL_ROW) {
            result = SQL_DONE;
            if (references[i].is_damage)
                verification->findings++;
            if (count++ < MOST_LINES)
                say(verification, "%s: session %lld, number %lld", references[i].what,
                    (long long)sql_number(statement, 0), (long long)sql_number(statement, 1));
        }
        if (result != SQL_DONE)
            cannot_read(verification, references[i].what);
        sql_finish(statement);
    }
}

/* Whether it is a store at all; says so when not. */
static enum sql_result check_schema(struct verification *verification, bool *ours)
{
    enum schema_state state;
    int64_t version;
    enum sql_result result = schema_look(verification->sql, &state, &version);
    *ours = result == SQL_DONE && (state == SCHEMA_CURRENT || state == SCHEMA_DAMAGED);
    if (result != SQL_DONE)
        return result;
    if (state == SCHEMA_DAMAGED) {
        verification->findings++;
        say(verification, "schema or pages: not as siotd has made them");
    } else if (state == SCHEMA_EMPTY) {
        say(verification, "the store is empty: nothing has been kept in it yet");
    } else if (state == SCHEMA_OLDER) {
        say(verification, "the store is of version %lld; siotd will bring it to version %d",
            (long long)version, SCHEMA_VERSION);
    } else if (state == SCHEMA_NEWER) {
        say(verification, "the store is of a newer siotd (version %lld)", (long long)version);
        return SQL_FAILED;
    } else if (state == SCHEMA_FOREIGN) {
        say(verification, "this is a database, but not siotd's");
        return SQL_FAILED;
    }
    return SQL_DONE;
}

static int look_through(struct verification *verification)
{
    bool ours;
    enum sql_result result = check_schema(verification, &ours);
    if (result != SQL_DONE)
        return -EINVAL;
    if (ours) {
        check_structure(verification);
        for (size_t i = 0; i < TABLES; i++)
            check_sums(verification, &tables[i]);
        check_references(verification);
    }
    say(verification, "%llu rows, %llu findings: %s", (unsigned long long)verification->rows,
        (unsigned long long)verification->findings, verification->findings ? "damaged" : "clean");
    return verification->findings > 0;
}

/* Without write access there may be no log's index, and nobody can be writing either. */
static enum sql_result open_somehow(struct verification *verification, const char *path)
{
    int64_t version;
    enum sql_result result = sql_open(path, SQL_READ, &verification->sql);
    if (result == SQL_DONE)
        result = sql_ask(verification->sql, "PRAGMA user_version", &version);
    if (result != SQL_FAILED)
        return result;
    sql_close(verification->sql);
    return sql_open(path, SQL_IMMUTABLE, &verification->sql);
}

int store_verify(const char *folder, void (*say_line)(void *to, const char *line), void *to)
{
    struct verification verification = {.say = say_line, .to = to};
    char path[PATH_MAX];
    snprintf(path, sizeof(path), "%s/siotd.db", folder);
    if (access(path, R_OK) < 0) {
        int error = -errno;
        say(&verification, "%s: %s", path, strerror(-error));
        return error;
    }
    enum sql_result result = open_somehow(&verification, path);
    int outcome = -EIO;
    if (result == SQL_DAMAGED) {
        say(&verification, "%s: %s", path, sql_error(verification.sql));
        outcome = 1;
    } else if (result != SQL_DONE) {
        say(&verification, "%s: %s", path, sql_error(verification.sql));
    } else {
        outcome = look_through(&verification);
    }
    sql_close(verification.sql);
    return outcome;
}
