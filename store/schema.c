/* schema: see schema.h. */
#include "store/schema.h"

#include "store/checksum.h"
#include "store/tables.h"
#include <stdio.h>

enum { APPLICATION_ID = 0x73696f74 }; /* "siot" */

#define CREATE_STORE "CREATE TABLE store (version INTEGER NOT NULL, sum INTEGER NOT NULL)"

static int64_t sum_of_version(int64_t version)
{
    return (int64_t)checksum_row(&(struct kept){.kind = SCHEMA_KIND, .number = (uint64_t)version});
}

/* ---- looking ---- */

/* What SQLite has of the n-th thing that was made, all versions one after the other. */
static const char *wanted_at(size_t n)
{
    if (n == TABLES_OF_VERSION_1)
        return CREATE_STORE;
    return n <= TABLES ? tables[n < TABLES_OF_VERSION_1 ? n : n - 1].create : "";
}

/* Whether the tables are those of now, in their order; *any: whether there is one at all. */
static enum sql_result compare_tables(struct sql *sql, bool *same, bool *any)
{
    struct sql_statement *statement;
    enum sql_result result =
        sql_prepare(sql, "SELECT sql FROM sqlite_schema ORDER BY rowid", &statement);
    size_t seen = 0;
    *same = true;
    while (result == SQL_DONE || result == SQL_ROW) {
        result = sql_step(statement);
        if (result != SQL_ROW)
            break;
        if (!slice_equal(sql_text(statement, 0), slice_of_str(wanted_at(seen++))))
            *same = false;
    }
    sql_finish(statement);
    *any = seen > 0;
    if (seen != TABLES + 1)
        *same = false;
    return result;
}

/* The version that the table `store` has; 0 when it has none that can be believed. */
static int64_t version_inside(struct sql *sql)
{
    struct sql_statement *statement;
    int64_t version = 0;
    if (sql_prepare(sql, "SELECT version, sum FROM store", &statement) != SQL_DONE)
        return 0;
    if (sql_step(statement) == SQL_ROW &&
        sql_number(statement, 1) == sum_of_version(sql_number(statement, 0)))
        version = sql_number(statement, 0);
    sql_finish(statement);
    return version;
}

/* SQLite's own look at every page: order, links, lists of free pages. */
static enum sql_result check_pages(struct sql *sql, bool *sound)
{
    struct sql_statement *statement;
    *sound = false;
    enum sql_result result = sql_prepare(sql, "PRAGMA quick_check(1)", &statement);
    if (result != SQL_DONE)
        return result;
    result = sql_step(statement);
    if (result == SQL_ROW)
        *sound = slice_equal(sql_text(statement, 0), SLICE("ok"));
    sql_finish(statement);
    return result == SQL_ROW ? SQL_DONE : result;
}

static enum sql_result judge(struct sql *sql, enum schema_state *state, int64_t *version)
{
    int64_t application = 0, in_header = 0;
    bool same, any, sound;
    enum sql_result result = sql_ask(sql, "PRAGMA application_id", &application);
    if (result == SQL_DONE)
        result = sql_ask(sql, "PRAGMA user_version", &in_header);
    if (result == SQL_DONE)
        result = compare_tables(sql, &same, &any);
    if (result != SQL_DONE)
        return result;
    *version = version_inside(sql);
    bool ours = same || application == APPLICATION_ID || *version > 0;
    if (!any && application == 0 && in_header == 0) {
        *state = SCHEMA_EMPTY;
        return SQL_DONE;
    }
    if (!ours) {
        *state = SCHEMA_FOREIGN;
        return SQL_DONE;
    }
    if (*version > SCHEMA_VERSION && in_header == *version) {
        *state = SCHEMA_NEWER;
        return SQL_DONE;
    }
    *state = SCHEMA_DAMAGED;
    if (*version != in_header || application != APPLICATION_ID)
        return SQL_DONE;
    result = check_pages(sql, &sound);
    if (result == SQL_DONE && sound && *version < SCHEMA_VERSION)
        *state = SCHEMA_OLDER;
    else if (result == SQL_DONE && sound && same)
        *state = SCHEMA_CURRENT;
    return result;
}

enum sql_result schema_look(struct sql *sql, enum schema_state *state, int64_t *version)
{
    *version = 0;
    enum sql_result result = judge(sql, state, version);
    if (result != SQL_DAMAGED)
        return result;
    *state = SCHEMA_DAMAGED;
    return SQL_DONE;
}

/* ---- making ---- */

static enum sql_result make_version_1(struct sql *sql)
{
    enum sql_result result = SQL_DONE;
    for (size_t i = 0; i < TABLES_OF_VERSION_1 && result == SQL_DONE; i++)
        result = sql_run(sql, tables[i].create);
    return result == SQL_DONE ? sql_run(sql, CREATE_STORE) : result;
}

/* How many rows name a message, where the core does not know any more. */
static enum sql_result make_version_2(struct sql *sql)
{
    return sql_run(sql, tables[TABLES_OF_VERSION_1].create);
}

static enum sql_result mark(struct sql *sql, int64_t version)
{
    char text[256];
    snprintf(text, sizeof(text),
             "DELETE FROM store; INSERT INTO store VALUES (%lld, %lld);"
             "PRAGMA application_id = %d; PRAGMA user_version = %lld",
             (long long)version, (long long)sum_of_version(version), APPLICATION_ID,
             (long long)version);
    return sql_run(sql, text);
}

enum sql_result schema_migrate(struct sql *sql, const struct schema_step *steps, int64_t count,
                               int64_t version)
{
    enum sql_result result = sql_run(sql, "BEGIN IMMEDIATE");
    for (; result == SQL_DONE && version < count; version++)
        result = steps[version].make(sql);
    if (result == SQL_DONE)
        result = mark(sql, count);
    if (result == SQL_DONE)
        result = sql_run(sql, "COMMIT");
    if (result != SQL_DONE && sql_in_transaction(sql))
        sql_run(sql, "ROLLBACK");
    return result;
}

enum sql_result schema_bring_up(struct sql *sql, int64_t version)
{
    static const struct schema_step steps[SCHEMA_VERSION] = {{make_version_1}, {make_version_2}};
    return schema_migrate(sql, steps, SCHEMA_VERSION, version);
}
