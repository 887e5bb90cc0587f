/* database: siotd.db opened, set up and found to be ours, or replaced; declared in keeper.h. */
#include "base/log.h"
#include "store/keeper.h"
#include "store/schema.h"
#include <errno.h>
#include <stdio.h>

/* Found by measuring (docs/durability.md): pages of 4 KiB write least for a queue that grows. */
#define PAGE_SIZE "4096"
enum { PAGE_BYTES = 4096 };

int keeper_errno(enum sql_result result)
{
    switch (result) {
    case SQL_DONE:
    case SQL_ROW:
        return 0;
    case SQL_FULL:
        return -ENOSPC;
    case SQL_BUSY:
        return -EBUSY;
    case SQL_MEMORY:
        return -ENOMEM;
    default:
        return -EIO;
    }
}

enum sql_result keeper_connect(const struct keeper *keeper, const char *name, struct sql **sql)
{
    char path[PATH_MAX], text[96];
    enum sql_result result = sql_open(folder_file(&keeper->folder, name, path), SQL_WRITE, sql);
    if (result != SQL_DONE)
        return result;
    sql_leave_log(*sql, true);
    /* Neither touches the file. A page's cells are checked before they are believed. */
    snprintf(text, sizeof(text), "PRAGMA cell_size_check = ON; PRAGMA cache_size = -%llu",
             (unsigned long long)keeper->settings.cache_size / 1024);
    return sql_run(*sql, text);
}

/* Not every file system can do what a log needs. */
static enum sql_result start_log(struct sql *sql)
{
    struct sql_statement *statement;
    enum sql_result result = sql_prepare(sql, "PRAGMA journal_mode = WAL", &statement);
    if (result != SQL_DONE)
        return result;
    result = sql_step(statement);
    if (result == SQL_ROW)
        result = slice_equal(sql_text(statement, 0), SLICE("wal")) ? SQL_DONE : SQL_FAILED;
    sql_finish(statement);
    return result;
}

enum sql_result keeper_set_up(const struct keeper *keeper, struct sql *sql)
{
    enum sql_result result = sql_run(sql, "PRAGMA page_size = " PAGE_SIZE ";"
                                          "PRAGMA auto_vacuum = INCREMENTAL");
    if (result == SQL_DONE)
        result = start_log(sql);
    if (result == SQL_DONE)
        result = sql_run(sql, keeper->durability == STORE_FLUSH ? "PRAGMA synchronous = FULL"
                                                                : "PRAGMA synchronous = NORMAL");
    if (result == SQL_DONE)
        result = sql_run(sql, "PRAGMA journal_size_limit = 67108864;"
                              "PRAGMA temp_store = MEMORY;"
                              "PRAGMA secure_delete = OFF");
    if (result == SQL_DONE)
        sql_leave_log(sql, false);
    return result;
}

/* ---- opening ---- */

static int explain(const struct keeper *keeper, enum sql_result result, char *why, size_t why_size)
{
    snprintf(why, why_size, "%s/" FOLDER_DATABASE ": %s", keeper->folder.path,
             sql_error(keeper->sql));
    return keeper_errno(result);
}

/* Not ours to touch. */
static int refuse(const struct keeper *keeper, enum schema_state state, int64_t version, char *why,
                  size_t why_size)
{
    if (state == SCHEMA_NEWER)
        snprintf(why, why_size,
                 "%s/" FOLDER_DATABASE ": is of a newer siotd (version %lld, this one knows %d)",
                 keeper->folder.path, (long long)version, SCHEMA_VERSION);
    else
        snprintf(why, why_size, "%s/" FOLDER_DATABASE ": is a database, but not siotd's",
                 keeper->folder.path);
    return -EINVAL;
}

static uint64_t page_limit(const struct store_settings *settings)
{
    return settings->size_limit == OPTION_UNLIMITED ? 0 : settings->size_limit / PAGE_BYTES;
}

enum sql_result keeper_prepare(struct keeper *keeper, int64_t version)
{
    enum sql_result result = keeper_set_up(keeper, keeper->sql);
    if (result == SQL_DONE && version < SCHEMA_VERSION)
        result = schema_bring_up(keeper->sql, version);
    if (result == SQL_DONE)
        result = rows_prepare(&keeper->rows, keeper->sql);
    if (result == SQL_DONE)
        result = rows_limit(&keeper->rows, page_limit(&keeper->settings));
    if (result == SQL_DONE)
        result = rows_end(&keeper->rows, rows_begin(&keeper->rows)); /* may it be written? */
    return result;
}

int keeper_open_database(struct keeper *keeper, char *why, size_t why_size)
{
    enum schema_state state = SCHEMA_CURRENT;
    int64_t version = 0;
    enum sql_result result = keeper_connect(keeper, FOLDER_DATABASE, &keeper->sql);
    if (result == SQL_DONE)
        result = schema_look(keeper->sql, &state, &version);
    if (result == SQL_DONE && (state == SCHEMA_NEWER || state == SCHEMA_FOREIGN))
        return refuse(keeper, state, version, why, why_size);
    if (result == SQL_DONE)
        result = state == SCHEMA_DAMAGED ? SQL_DAMAGED : keeper_prepare(keeper, version);
    /* SQLite has flushed its log's name, too, but not looked whether it could. */
    if (result == SQL_DONE)
        return folder_flush(&keeper->folder, why, why_size);
    if (result != SQL_DAMAGED)
        return explain(keeper, result, why, why_size);
    return keeper_salvage(keeper, why, why_size);
}
