/* sqlite: see sqlite.h. Stands under everything else in this folder. */
#include "store/sqlite.h"

#include "base/list.h"
#include <errno.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>

enum { ERROR_SIZE = 256, BUSY_WAIT_MS = 2000 };

struct sql {
    sqlite3 *connection;
    struct list statements; /* of struct sql_statement; owned */
    uint32_t log_pages;
    char error[ERROR_SIZE];
};

struct sql_statement {
    sqlite3_stmt *inner;
    struct sql *sql;
    struct list link; /* among the connection's */
};

static enum sql_result failure_of_disk(int number)
{
    return number == ENOSPC || number == EDQUOT || number == EFBIG ? SQL_FULL : SQL_FAILED;
}

/* `code` is an extended one. After a failed flush nobody knows what is on the disk, whatever the
 * reason was, so that is never "full". */
static enum sql_result meaning(int code, int system_error)
{
    switch (code & 0xff) {
    case SQLITE_OK:
    case SQLITE_DONE:
        return SQL_DONE;
    case SQLITE_ROW:
        return SQL_ROW;
    case SQLITE_FULL:
        return SQL_FULL;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_PROTOCOL:
        return SQL_BUSY;
    case SQLITE_NOMEM:
        return SQL_MEMORY;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_FORMAT:
    case SQLITE_CONSTRAINT:
    case SQLITE_MISMATCH:
    case SQLITE_ERROR: /* our statements are right: the schema is not ours any more */
        return SQL_DAMAGED;
    case SQLITE_READONLY: /* plain: the header says that the file must not be written */
        return code == SQLITE_READONLY ? SQL_DAMAGED : SQL_FAILED;
    case SQLITE_IOERR:
        if (code == SQLITE_IOERR_NOMEM)
            return SQL_MEMORY;
        if (code == SQLITE_IOERR_FSYNC || code == SQLITE_IOERR_DIR_FSYNC)
            return SQL_FAILED;
        return failure_of_disk(system_error);
    case SQLITE_CANTOPEN:
        return failure_of_disk(system_error);
    default:
        return SQL_FAILED;
    }
}

/* What the connection's last call that failed means; keeps its sentence. */
static enum sql_result verdict(struct sql *sql, int code)
{
    int last_error = errno; /* a failed COMMIT does not tell SQLite's own record of it */
    if (code == SQLITE_OK || code == SQLITE_DONE || code == SQLITE_ROW)
        return meaning(code, 0);
    int extended = sqlite3_extended_errcode(sql->connection);
    if ((extended & 0xff) != (code & 0xff))
        extended = code;
    int system_error = sqlite3_system_errno(sql->connection);
    if (system_error == 0)
        system_error = last_error;
    enum sql_result result = meaning(extended, system_error);
    const char *system_text = system_error && (extended & 0xff) == SQLITE_IOERR
                                  ? strerror(system_error)
                                  : NULL; /* of little use for other codes */
    snprintf(sql->error, sizeof(sql->error), "%s (%d%s%s)", sqlite3_errmsg(sql->connection),
             extended, system_text ? ", " : "", system_text ? system_text : "");
    return result;
}

/* Called for each commit with the number of pages that the log has then. Takes the place of
 * SQLite's own hook, which would bring the log into the file whenever it likes; when is job.c's
 * choice. */
static int on_commit(void *to, sqlite3 *connection, const char *name, int pages)
{
    struct sql *sql = to;
    (void)connection;
    (void)name;
    sql->log_pages = pages > 0 ? (uint32_t)pages : 0;
    return SQLITE_OK;
}

/* Before SQLite's first use in the process: it need not count its memory under a lock. */
static void prepare_library(void)
{
    sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
}

/* A damaged file may hold anything that SQLite understands; none of it is to be run. */
static void distrust(sqlite3 *connection)
{
    sqlite3_db_config(connection, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_db_config(connection, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    sqlite3_db_config(connection, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, NULL);
    sqlite3_db_config(connection, SQLITE_DBCONFIG_ENABLE_VIEW, 0, NULL);
}

/* A path as SQLite's URI wants it: what would be syntax is written %XX. From malloc. */
static char *uri_of(const char *path, const char *query)
{
    size_t length = strlen(path);
    char *uri = malloc(5 + 3 * length + strlen(query) + 1);
    if (!uri)
        return NULL;
    char *at = uri + sprintf(uri, "file:");
    for (; *path; path++)
        at += sprintf(at, strchr("?#%", *path) ? "%%%02X" : "%c", (unsigned char)*path);
    strcpy(at, query);
    return uri;
}

enum sql_result sql_open(const char *path, enum sql_access access, struct sql **sql)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, prepare_library);
    *sql = calloc(1, sizeof(**sql));
    if (*sql)
        list_init(&(*sql)->statements);
    char *uri = uri_of(path, access == SQL_IMMUTABLE ? "?immutable=1" : "");
    if (!*sql || !uri) {
        free(uri);
        free(*sql);
        *sql = NULL;
        return SQL_MEMORY;
    }
    int flags = (access == SQL_WRITE ? SQLITE_OPEN_READWRITE : SQLITE_OPEN_READONLY) |
                SQLITE_OPEN_URI | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
    int code = sqlite3_open_v2(uri, &(*sql)->connection, flags, NULL);
    free(uri);
    if (!(*sql)->connection) {
        free(*sql);
        *sql = NULL;
        return SQL_MEMORY;
    }
    if (code != SQLITE_OK)
        return verdict(*sql, code);
    distrust((*sql)->connection);
    sqlite3_busy_timeout((*sql)->connection, BUSY_WAIT_MS);
    sqlite3_wal_hook((*sql)->connection, on_commit, *sql);
    return SQL_DONE;
}

void sql_leave_log(struct sql *sql, bool leave)
{
    sqlite3_db_config(sql->connection, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, leave, NULL);
}

void sql_close(struct sql *sql)
{
    if (!sql)
        return;
    list_each(link, &sql->statements) sql_finish(list_item(link, struct sql_statement, link));
    sqlite3_close(sql->connection);
    free(sql);
}

const char *sql_error(const struct sql *sql)
{
    return sql ? sql->error : "no memory";
}

enum sql_result sql_run(struct sql *sql, const char *text)
{
    errno = 0; /* an old one must not speak for this call */
    return verdict(sql, sqlite3_exec(sql->connection, text, NULL, NULL, NULL));
}

enum sql_result sql_ask(struct sql *sql, const char *text, int64_t *answer)
{
    struct sql_statement *statement;
    enum sql_result result = sql_prepare(sql, text, &statement);
    if (result != SQL_DONE)
        return result;
    result = sql_step(statement);
    *answer = result == SQL_ROW ? sql_number(statement, 0) : 0;
    sql_finish(statement);
    return result == SQL_ROW ? SQL_DONE : result == SQL_DONE ? SQL_DAMAGED : result;
}

enum sql_result sql_prepare(struct sql *sql, const char *text, struct sql_statement **statement)
{
    struct sql_statement *made = calloc(1, sizeof(*made));
    *statement = NULL;
    if (!made)
        return SQL_MEMORY;
    int code = sqlite3_prepare_v3(sql->connection, text, -1, SQLITE_PREPARE_PERSISTENT,
                                  &made->inner, NULL);
    if (code != SQLITE_OK) {
        free(made);
        return verdict(sql, code);
    }
    made->sql = sql;
    list_append(&sql->statements, &made->link);
    *statement = made;
    return SQL_DONE;
}

void sql_finish(struct sql_statement *statement)
{
    if (!statement)
        return;
    sqlite3_finalize(statement->inner);
    list_remove(&statement->link);
    free(statement);
}

void sql_bind_number(struct sql_statement *statement, int at, int64_t number)
{
    sqlite3_bind_int64(statement->inner, at, number);
}

void sql_bind_bytes(struct sql_statement *statement, int at, struct slice bytes)
{
    /* NULL would be SQL's NULL, and no bytes are bytes too. */
    sqlite3_bind_blob64(statement->inner, at, bytes.len > 0 ? (const void *)bytes.at : "",
                        bytes.len, SQLITE_STATIC);
}

void sql_bind_copy(struct sql_statement *statement, int at, struct slice bytes)
{
    sqlite3_bind_blob64(statement->inner, at, bytes.len > 0 ? (const void *)bytes.at : "",
                        bytes.len, SQLITE_TRANSIENT);
}

enum sql_result sql_step(struct sql_statement *statement)
{
    errno = 0;
    int code = sqlite3_step(statement->inner);
    if (code == SQLITE_ROW)
        return SQL_ROW;
    if (code == SQLITE_DONE) {
        sqlite3_reset(statement->inner);
        return SQL_DONE;
    }
    enum sql_result result = verdict(statement->sql, code);
    sqlite3_reset(statement->inner);
    return result;
}

void sql_reset(struct sql_statement *statement)
{
    sqlite3_reset(statement->inner);
}

int64_t sql_number(struct sql_statement *statement, int at)
{
    if (sqlite3_column_type(statement->inner, at) != SQLITE_INTEGER)
        return 0;
    return sqlite3_column_int64(statement->inner, at);
}

struct slice sql_bytes(struct sql_statement *statement, int at)
{
    if (sqlite3_column_type(statement->inner, at) != SQLITE_BLOB)
        return SLICE_EMPTY; /* nothing is converted, so nothing is allocated and nothing fails */
    const void *bytes = sqlite3_column_blob(statement->inner, at);
    return slice_of(bytes, (size_t)sqlite3_column_bytes(statement->inner, at));
}

struct slice sql_text(struct sql_statement *statement, int at)
{
    if (sqlite3_column_type(statement->inner, at) != SQLITE_TEXT)
        return SLICE_EMPTY;
    const void *bytes = sqlite3_column_text(statement->inner, at);
    return slice_of(bytes, bytes ? (size_t)sqlite3_column_bytes(statement->inner, at) : 0);
}

bool sql_in_transaction(const struct sql *sql)
{
    return sqlite3_get_autocommit(sql->connection) == 0;
}

uint32_t sql_log_pages(const struct sql *sql)
{
    return sql->log_pages;
}

enum sql_result sql_checkpoint(struct sql *sql, bool empty, bool *all)
{
    int in_log = 0, done = 0;
    int mode = empty ? SQLITE_CHECKPOINT_TRUNCATE : SQLITE_CHECKPOINT_PASSIVE;
    errno = 0;
    int code = sqlite3_wal_checkpoint_v2(sql->connection, NULL, mode, &in_log, &done);
    *all = code == SQLITE_OK && in_log == done;
    return verdict(sql, code);
}
