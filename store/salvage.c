/* salvage: what can be read of a damaged database, brought into a new one.
 *
 * Row by row in the order of the key, only rows whose sum is right. Where a page cannot be read,
 * the next key behind it is found by trying: ever wider steps until one lands on a page that can be
 * read, then halving the way back. Tables whose keys are text are read from both ends. When the
 * first page is what is damaged, without which SQLite reads nothing, the work is done on a copy
 * whose first page is that of a new database: all databases of one version have the same tables on
 * the same pages (graft.c). The damaged file itself is not changed, only renamed when all is done.
 */
#include "base/log.h"
#include "store/graft.h"
#include "store/keeper.h"
#include "store/place.h"
#include "store/schema.h"
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { ROWS_PER_COMMIT = 20000, MOST_JUMPS = 20000, WIDEST_STEP = 62 };

struct salvage {
    struct keeper *keeper;
    struct sql *from, *to;
    struct rows rows; /* of `to` */
    uint64_t brought; /* rows */
    unsigned jumps;
    enum sql_result trouble; /* with `to`, which ends everything; SQL_DONE while there is none */
};

/* ---- writing ---- */

static void bring(struct salvage *salvage, const struct kept *row)
{
    salvage->trouble = rows_put(&salvage->rows, row);
    if (salvage->trouble != SQL_DONE || ++salvage->brought % ROWS_PER_COMMIT != 0)
        return;
    salvage->trouble = rows_end(&salvage->rows, SQL_DONE);
    bool all;
    if (salvage->trouble == SQL_DONE)
        salvage->trouble = sql_checkpoint(salvage->to, false, &all);
    if (salvage->trouble == SQL_DONE)
        salvage->trouble = rows_begin(&salvage->rows);
}

/* ---- reading ---- */

/* Brings all rows that `statement` still gives, moving `place` along. SQL_DONE at the end of the
 * table, or why it stops before. `until`, if not NULL: where another sweep has been already. */
static enum sql_result sweep(struct salvage *salvage, const struct table *table,
                             struct sql_statement *statement, struct place *place,
                             const struct place *until)
{
    enum sql_result result;
    while ((result = sql_step(statement)) == SQL_ROW) {
        struct kept row;
        if (!table_read(table, statement, &row))
            continue;
        if (until && !place_before(until, table, &row))
            break;
        bring(salvage, &row);
        if (salvage->trouble == SQL_DONE && place_set(place, &row) != 0)
            salvage->trouble = SQL_MEMORY;
        if (salvage->trouble != SQL_DONE)
            break;
    }
    sql_reset(statement);
    return result == SQL_ROW ? SQL_DONE : result;
}

/* Whether the table can be read just behind a place. */
static bool readable(const struct table *table, struct sql_statement *statement,
                     const struct place *place)
{
    place_bind(place, table, statement);
    enum sql_result result = sql_step(statement);
    sql_reset(statement);
    return result == SQL_ROW || result == SQL_DONE;
}

/* Where a step of that width in one field leads; what stands behind that field starts anew. False
 * when there is no such place. */
static bool step_from(const struct place *place, uint8_t field, uint64_t width, struct place *to)
{
    const uint64_t *from = field == FIELD_SESSION  ? &place->session
                           : field == FIELD_NUMBER ? &place->number
                                                   : &place->message;
    int64_t base = (int64_t)*from >= 0 ? (int64_t)*from : -1; /* no number is below 0 */
    if (base > INT64_MAX - (int64_t)width)
        return false;
    place_first(to);
    if (field == FIELD_SESSION) {
        to->session = (uint64_t)base + width;
    } else if (field == FIELD_NUMBER) {
        to->session = place->session;
        to->number = (uint64_t)base + width;
    } else {
        to->message = (uint64_t)base + width;
    }
    return true;
}

/* Moves `place` behind a page that cannot be read, by that field. */
static bool jump(const struct table *table, struct sql_statement *statement, uint8_t field,
                 struct place *place)
{
    struct place to;
    uint64_t width = 1;
    unsigned step = 0;
    while (step_from(place, field, width, &to) && !readable(table, statement, &to)) {
        if (++step > WIDEST_STEP)
            return false;
        width <<= 1;
    }
    if (!step_from(place, field, width, &to))
        return false;
    uint64_t fails = width >> 1, works = width; /* 0 fails: that is where we stand */
    while (works - fails > 1) {
        uint64_t middle = fails + (works - fails) / 2;
        step_from(place, field, middle, &to);
        if (readable(table, statement, &to))
            works = middle;
        else
            fails = middle;
    }
    step_from(place, field, works, &to);
    place_clear(place);
    *place = to;
    return true;
}

static bool jump_on(struct salvage *salvage, const struct table *table,
                    struct sql_statement *statement, struct place *place)
{
    static const uint8_t fields[] = {FIELD_MESSAGE, FIELD_NUMBER, FIELD_SESSION};
    if (++salvage->jumps > MOST_JUMPS)
        return false;
    for (size_t i = 0; i < sizeof(fields); i++)
        if (table->keys & fields[i] && jump(table, statement, fields[i], place))
            return true;
    return false;
}

/* From the end backwards to where the way forward has ended. */
static void read_back(struct salvage *salvage, const struct table *table,
                      const struct place *reached)
{
    struct sql_statement *statement;
    struct place place;
    if (place_last(&place) != 0) {
        salvage->trouble = SQL_MEMORY;
    } else if (sql_prepare(salvage->from, table->scan_back, &statement) == SQL_DONE) {
        place_bind(&place, table, statement);
        sweep(salvage, table, statement, &place, reached);
        sql_finish(statement);
    }
    place_clear(&place);
}

static void read_table(struct salvage *salvage, const struct table *table)
{
    struct sql_statement *statement;
    struct place place;
    if (sql_prepare(salvage->from, table->scan, &statement) != SQL_DONE)
        return;
    place_first(&place);
    enum sql_result result = SQL_DAMAGED;
    bool on = true;
    while (on && salvage->trouble == SQL_DONE) {
        place_bind(&place, table, statement);
        result = sweep(salvage, table, statement, &place, NULL);
        on = result != SQL_DONE && salvage->trouble == SQL_DONE &&
             jump_on(salvage, table, statement, &place);
    }
    sql_finish(statement);
    if (result != SQL_DONE && salvage->trouble == SQL_DONE)
        read_back(salvage, table, &place);
    place_clear(&place);
}

/* ---- the whole ---- */

/* Opens what is to be read, if it has its tables, be they readable or not; `wanted` of them. */
static bool open_source(struct salvage *salvage, const char *name, size_t wanted)
{
    size_t found = 0;
    if (keeper_connect(salvage->keeper, name, &salvage->from) == SQL_DONE)
        for (size_t i = 0; i < TABLES; i++) {
            struct sql_statement *statement = NULL;
            found += sql_prepare(salvage->from, tables[i].scan, &statement) == SQL_DONE;
            sql_finish(statement);
        }
    if (found >= wanted)
        return true;
    sql_close(salvage->from);
    salvage->from = NULL;
    return false;
}

static void read_all(struct salvage *salvage)
{
    const struct folder *folder = &salvage->keeper->folder;
    bool opened =
        !graft_needed(folder) && open_source(salvage, FOLDER_DATABASE, TABLES_OF_VERSION_1);
    if (!opened && graft_make(folder) == 0)
        opened = open_source(salvage, GRAFT_NAME, TABLES_OF_VERSION_1);
    if (!opened) /* better some of them than none */
        opened = open_source(salvage, FOLDER_DATABASE, 1);
    for (size_t i = 0; i < TABLES && opened && salvage->trouble == SQL_DONE; i++)
        read_table(salvage, &tables[i]);
    sql_close(salvage->from);
    graft_remove(folder);
}

/* A new database with what was read; closed when it is whole. */
static enum sql_result fill_new(struct salvage *salvage)
{
    struct keeper *keeper = salvage->keeper;
    bool all;
    enum sql_result result = keeper_connect(keeper, FOLDER_NEW, &salvage->to);
    if (result == SQL_DONE)
        result = keeper_set_up(keeper, salvage->to);
    if (result == SQL_DONE)
        result = schema_bring_up(salvage->to, 0);
    if (result == SQL_DONE) /* the graft takes its first page from the file itself */
        result = sql_checkpoint(salvage->to, true, &all);
    if (result == SQL_DONE)
        result = rows_prepare(&salvage->rows, salvage->to);
    if (result == SQL_DONE)
        result = rows_begin(&salvage->rows);
    if (result != SQL_DONE)
        return result;
    read_all(salvage);
    result = rows_end(&salvage->rows, salvage->trouble);
    return result == SQL_DONE ? sql_checkpoint(salvage->to, true, &all) : result;
}

static int give_up(const struct salvage *salvage, int error, const char *reason, char *why,
                   size_t why_size)
{
    snprintf(why, why_size, "%s/" FOLDER_DATABASE ": is damaged and cannot be salvaged: %s",
             salvage->keeper->folder.path, reason);
    return error;
}

/* What is damaged has been put aside; its place is taken. */
static int open_new(struct keeper *keeper, char *why, size_t why_size)
{
    enum sql_result result = keeper_connect(keeper, FOLDER_DATABASE, &keeper->sql);
    if (result == SQL_DONE)
        result = keeper_prepare(keeper, SCHEMA_VERSION);
    if (result == SQL_DONE)
        return 0;
    snprintf(why, why_size, "%s/" FOLDER_DATABASE ": salvaged, and cannot be opened: %s",
             keeper->folder.path, sql_error(keeper->sql));
    return keeper_errno(result);
}

int keeper_salvage(struct keeper *keeper, char *why, size_t why_size)
{
    struct salvage salvage = {.keeper = keeper};
    char aside[PATH_MAX];
    if (keeper->sql) {
        const char *reason = sql_error(keeper->sql);
        log_line(LOG_ERROR, "store", "%s/" FOLDER_DATABASE " is damaged: %s", keeper->folder.path,
                 reason[0] ? reason : "its pages or its schema are not as they were written");
        sql_leave_log(keeper->sql, true);
        sql_close(keeper->sql);
        keeper->sql = NULL;
    }
    int error = folder_make_new(&keeper->folder);
    if (error)
        return give_up(&salvage, error, strerror(-error), why, why_size);
    enum sql_result result = fill_new(&salvage);
    if (result != SQL_DONE)
        give_up(&salvage, 0, sql_error(salvage.to), why, why_size);
    sql_close(salvage.to);
    if (result != SQL_DONE)
        return keeper_errno(result);
    error = folder_replace(&keeper->folder, (int64_t)time(NULL), aside);
    if (error)
        return give_up(&salvage, error, strerror(-error), why, why_size);
    keeper->counts.set_aside++;
    keeper->counts.salvaged += salvage.brought;
    log_line(LOG_ERROR, "store",
             "the damaged database has been set aside as %s; %llu rows could be read and stay",
             aside, (unsigned long long)salvage.brought);
    return open_new(keeper, why, why_size);
}
