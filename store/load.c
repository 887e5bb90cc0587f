/* load: all rows back to the core, while the daemon starts; store_load of store.h.
 *
 * Table after table in the order of its key. When a page turns out to be damaged under way the
 * database is salvaged, and reading goes on in the new one behind the last row that was given. */
#include "base/log.h"
#include "store/keeper.h"
#include "store/place.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* The numbers of the messages given, rising, and whether a row names them. */
struct census {
    uint64_t *numbers; /* owned */
    bool *named;       /* owned, as long as numbers */
    size_t count, capacity;
    bool incomplete; /* for want of memory: nothing can be concluded from it */
};

struct loading {
    struct keeper *keeper;
    bool (*take)(void *owner, const struct kept *kept);
    void *owner;
    struct place given; /* the last row that was believed */
    struct place seen;  /* the last row, be it believed or not */
    struct census census;
    uint64_t wrong_sums, rejected;
};

/* ---- who names which message ---- */

static bool grow(struct census *census)
{
    size_t capacity = census->capacity ? 2 * census->capacity : 1024;
    uint64_t *numbers = realloc(census->numbers, capacity * sizeof(*numbers));
    if (numbers)
        census->numbers = numbers;
    bool *named = realloc(census->named, capacity * sizeof(*named));
    if (named)
        census->named = named;
    if (!numbers || !named)
        return false;
    census->capacity = capacity;
    return true;
}

static void count_message(struct census *census, uint64_t number)
{
    if (census->incomplete)
        return;
    if (census->count == census->capacity && !grow(census)) {
        census->incomplete = true;
        return;
    }
    census->numbers[census->count] = number;
    census->named[census->count++] = false;
}

static void count_name(struct census *census, uint64_t number)
{
    size_t from = 0, to = census->count;
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        if ((int64_t)census->numbers[middle] < (int64_t)number)
            from = middle + 1;
        else
            to = middle;
    }
    if (from < census->count && census->numbers[from] == number)
        census->named[from] = true;
}

static enum sql_result remove_orphans(struct keeper *keeper, const struct census *census)
{
    enum sql_result result = SQL_DONE;
    for (size_t i = 0; i < census->count && !census->incomplete && result == SQL_DONE; i++) {
        if (census->named[i])
            continue;
        struct kept row = {.kind = ROW_MESSAGE, .message = census->numbers[i]};
        result = rows_remove(&keeper->rows, &row);
        keeper->counts.orphans++;
    }
    return result;
}

/* ---- reading ---- */

/* What nobody takes is removed, which the scan that has just read it allows. Never more than the
 * one row, whatever it says that it is; the core refuses what belonged to it for want of it. */
static enum sql_result drop(struct loading *loading, const struct kept *row, uint64_t *count)
{
    ++*count;
    return rows_remove_row(&loading->keeper->rows, row);
}

/* Whether the tree itself is in doubt. A wrong sum may be a wrong key, and then neither that row
 * nor those around it are found by their keys any more. Where the key is one number SQLite has
 * looked at the order of all rows (schema_look), elsewhere it does not. */
static bool tree_is_damaged(const struct loading *loading, const struct table *table,
                            const struct kept *row, bool believed)
{
    bool order_is_checked = table->keys == FIELD_SESSION || table->keys == FIELD_MESSAGE;
    return (!believed && !order_is_checked) || !place_before(&loading->seen, table, row);
}

static enum sql_result give(struct loading *loading, const struct table *table,
                            struct sql_statement *statement)
{
    struct kept row;
    bool believed = table_read(table, statement, &row);
    if (tree_is_damaged(loading, table, &row, believed))
        return SQL_DAMAGED;
    if (place_set(&loading->seen, &row) != 0)
        return SQL_MEMORY;
    if (!believed)
        return drop(loading, &row, &loading->wrong_sums);
    if (place_set(&loading->given, &row) != 0)
        return SQL_MEMORY;
    if (!loading->take(loading->owner, &row))
        return drop(loading, &row, &loading->rejected);
    loading->keeper->counts.loaded++;
    if (table->kind == ROW_MESSAGE)
        count_message(&loading->census, row.message);
    else if (table->kind == ROW_QUEUED || table->kind == ROW_RETAINED)
        count_name(&loading->census, row.message);
    return SQL_DONE;
}

/* Reads on behind the last row that was believed. */
static enum sql_result read_on(struct loading *loading, const struct table *table)
{
    struct sql_statement *statement;
    enum sql_result result = sql_prepare(loading->keeper->sql, table->scan, &statement);
    if (result != SQL_DONE)
        return result;
    place_bind(&loading->given, table, statement);
    place_clear(&loading->seen);
    place_first(&loading->seen);
    while ((result = sql_step(statement)) == SQL_ROW) {
        result = give(loading, table, statement);
        if (result != SQL_DONE)
            break;
    }
    sql_finish(statement);
    return result;
}

static int explain(const struct loading *loading, enum sql_result result, char *why,
                   size_t why_size)
{
    snprintf(why, why_size, "%s/" FOLDER_DATABASE ": %s", loading->keeper->folder.path,
             result == SQL_MEMORY ? "no memory" : sql_error(loading->keeper->sql));
    return keeper_errno(result);
}

/* Reads a table to its end, over a salvage if need be; one of those must do. */
static int read_table(struct loading *loading, const struct table *table, char *why,
                      size_t why_size)
{
    struct keeper *keeper = loading->keeper;
    place_clear(&loading->given);
    place_first(&loading->given);
    enum sql_result result = read_on(loading, table);
    if (result == SQL_DAMAGED) {
        rows_end(&keeper->rows, SQL_DAMAGED);
        int error = keeper_salvage(keeper, why, why_size);
        if (error)
            return error;
        result = rows_begin(&keeper->rows);
        if (result == SQL_DONE)
            result = read_on(loading, table);
    }
    return result == SQL_DONE ? 0 : explain(loading, result, why, why_size);
}

static int read_tables(struct loading *loading, char *why, size_t why_size)
{
    struct keeper *keeper = loading->keeper;
    enum sql_result result = rows_begin(&keeper->rows);
    if (result != SQL_DONE)
        return explain(loading, result, why, why_size);
    int error = 0;
    for (size_t i = 0; i < TABLES && !error; i++)
        error = read_table(loading, &tables[i], why, why_size);
    if (!error)
        result = remove_orphans(keeper, &loading->census);
    result = rows_end(&keeper->rows, error ? SQL_FAILED : result);
    return error || result == SQL_DONE ? error : explain(loading, result, why, why_size);
}

static void report(const struct loading *loading)
{
    const struct store_counts *counts = &loading->keeper->counts;
    if (loading->wrong_sums)
        log_line(LOG_ERROR, "store", "%llu rows were damaged and have been dropped",
                 (unsigned long long)loading->wrong_sums);
    if (loading->rejected)
        log_line(LOG_WARNING, "store", "%llu rows made no sense and have been dropped",
                 (unsigned long long)loading->rejected);
    if (counts->orphans)
        log_line(LOG_INFO, "store", "%llu messages that nobody waited for have been removed",
                 (unsigned long long)counts->orphans);
}

int store_load(struct store *store, bool (*take)(void *owner, const struct kept *kept), void *owner,
               char *why, size_t why_size)
{
    struct loading loading = {.keeper = keeper_of(store), .take = take, .owner = owner};
    place_first(&loading.given);
    place_first(&loading.seen);
    int error = read_tables(&loading, why, why_size);
    loading.keeper->counts.damaged_rows += loading.wrong_sums;
    report(&loading);
    place_clear(&loading.given);
    place_clear(&loading.seen);
    free(loading.census.numbers);
    free(loading.census.named);
    return error;
}
