/* rows: see rows.h. Used by the loop's thread while the store is loaded and by the worker after. */
#include "store/rows.h"

#include "base/buffer.h"
#include "broker/message.h"
#include <stdio.h>
#include <stdlib.h>

enum { FETCH_BYTES = 1 << 20, RESERVE_PAGES = 1024 };

/* What a session had besides itself. Its messages are the core's to end: others may wait for them.
 */
static const char *const sweeps[ROWS_SWEEPS] = {
    "DELETE FROM subscriptions WHERE session = ?",
    "DELETE FROM queued WHERE session = ?",
    "DELETE FROM inbound WHERE session = ?",
};

#define QUEUE                                                                                      \
    "SELECT queued.number, queued.message, queued.body, queued.sum, messages.body,"                \
    " messages.payload, messages.sum, named.number, named.sum FROM queued LEFT JOIN messages"      \
    " ON messages.message = queued.message LEFT JOIN named ON named.message = queued.message"      \
    " WHERE queued.session = ? AND queued.number >= ?"                                             \
    " AND queued.message <> 0 ORDER BY queued.number"

enum sql_result rows_prepare(struct rows *rows, struct sql *sql)
{
    *rows = (struct rows){.sql = sql};
    struct {
        const char *text;
        struct sql_statement **statement;
    } plain[] = {
        {"BEGIN IMMEDIATE", &rows->begin},   {"COMMIT", &rows->commit},
        {"ROLLBACK", &rows->rollback},       {QUEUE, &rows->queue},
        {"PRAGMA page_count", &rows->pages}, {"PRAGMA freelist_count", &rows->free_pages},
        {sweeps[0], &rows->sweep[0]},        {sweeps[1], &rows->sweep[1]},
        {sweeps[2], &rows->sweep[2]},
    };
    enum sql_result result = SQL_DONE;
    for (size_t i = 0; i < sizeof(plain) / sizeof(plain[0]) && result == SQL_DONE; i++)
        result = sql_prepare(sql, plain[i].text, plain[i].statement);
    for (size_t i = 0; i < TABLES && result == SQL_DONE; i++) {
        result = sql_prepare(sql, tables[i].put, &rows->put[i]);
        if (result == SQL_DONE)
            result = sql_prepare(sql, tables[i].remove, &rows->remove[i]);
    }
    return result;
}

/* ---- how much is in use ---- */

static enum sql_result ask(struct sql_statement *statement, uint64_t *answer)
{
    enum sql_result result = sql_step(statement);
    if (result != SQL_ROW)
        return result == SQL_DONE ? SQL_DAMAGED : result;
    *answer = (uint64_t)sql_number(statement, 0);
    sql_reset(statement);
    return SQL_DONE;
}

static enum sql_result pages_in_use(struct rows *rows, uint64_t *pages)
{
    uint64_t all = 0, unused = 0;
    enum sql_result result = ask(rows->pages, &all);
    if (result == SQL_DONE)
        result = ask(rows->free_pages, &unused);
    *pages = all > unused ? all - unused : 0;
    return result;
}

/* How far beyond the limit batches are taken. */
static uint64_t reserve(uint64_t limit)
{
    return limit / 8 + RESERVE_PAGES;
}

enum sql_result rows_limit(struct rows *rows, uint64_t pages)
{
    /* SQLite's own bound lies above ours: inside a batch there may be more pages for a while. */
    const uint64_t largest = 1073741823;
    uint64_t bound = pages ? pages + 2 * reserve(pages) : largest, used = 0;
    char text[64];
    snprintf(text, sizeof(text), "PRAGMA max_page_count = %llu",
             (unsigned long long)(bound < largest ? bound : largest));
    rows->page_limit = pages;
    enum sql_result result = sql_run(rows->sql, text);
    if (result == SQL_DONE)
        result = pages_in_use(rows, &used);
    rows->over_limit = pages && used > pages;
    return result;
}

/* SQL_FULL when a batch has made more of what is by far too much already. */
static enum sql_result within_limit(struct rows *rows, uint64_t before, bool *over)
{
    uint64_t after = 0, limit = rows->page_limit;
    enum sql_result result = pages_in_use(rows, &after);
    if (result != SQL_DONE)
        return result;
    *over = after > limit;
    return after > limit + reserve(limit) && after > before ? SQL_FULL : SQL_DONE;
}

/* ---- changes ---- */

enum sql_result rows_begin(struct rows *rows)
{
    return sql_step(rows->begin);
}

enum sql_result rows_end(struct rows *rows, enum sql_result so_far)
{
    enum sql_result result = so_far == SQL_DONE ? sql_step(rows->commit) : so_far;
    if (result == SQL_DONE || !sql_in_transaction(rows->sql))
        return result;
    return sql_step(rows->rollback) == SQL_DONE ? result : SQL_FAILED;
}

enum sql_result rows_put(struct rows *rows, const struct kept *row)
{
    const struct table *table = table_of(row->kind);
    struct sql_statement *statement = rows->put[table - tables];
    table_bind_put(table, statement, row);
    return sql_step(statement);
}

enum sql_result rows_remove_row(struct rows *rows, const struct kept *row)
{
    const struct table *table = table_of(row->kind);
    struct sql_statement *statement = rows->remove[table - tables];
    table_bind(statement, table->keys, row);
    return sql_step(statement);
}

enum sql_result rows_remove(struct rows *rows, const struct kept *row)
{
    enum sql_result result = rows_remove_row(rows, row);
    for (size_t i = 0; i < ROWS_SWEEPS && row->kind == ROW_SESSION && result == SQL_DONE; i++) {
        sql_bind_number(rows->sweep[i], 1, (int64_t)row->session);
        result = sql_step(rows->sweep[i]);
    }
    return result;
}

static enum sql_result change(struct rows *rows, const struct batch *batch,
                              const struct row_change *change)
{
    struct kept row = {.kind = table_of(change->kind)->kind,
                       .session = change->session,
                       .number = change->number,
                       .message = change->message,
                       .key = row_key(batch, change),
                       .body = row_body(batch, change)};
    if (kind_deletes(change->kind))
        return rows_remove(rows, &row);
    if (change->payload)
        row.payload = message_payload(change->payload);
    return rows_put(rows, &row);
}

enum sql_result rows_apply(struct rows *rows, const struct batch *batch)
{
    uint64_t before = 0;
    bool over = false;
    enum sql_result result = rows_begin(rows);
    if (result != SQL_DONE)
        return result;
    if (rows->page_limit)
        result = pages_in_use(rows, &before);
    for (size_t i = 0; i < batch->count && result == SQL_DONE; i++)
        result = change(rows, batch, &batch->changes[i]);
    if (rows->page_limit && result == SQL_DONE)
        result = within_limit(rows, before, &over);
    result = rows_end(rows, result);
    if (result == SQL_DONE)
        rows->over_limit = over;
    return result;
}

/* ---- fetching ---- */

/* Rows stand one behind the other in a buffer while it grows and moves: a head each, then bytes. */
struct found_head {
    uint64_t number, message, named;
    uint32_t body_len, head_len, payload_len;
};

/* Whether a row of QUEUE can be believed; its parts. */
static bool read_queued(struct sql_statement *statement, uint64_t session, struct kept *queued,
                        struct kept *message)
{
    *queued = (struct kept){.kind = ROW_QUEUED,
                            .session = session,
                            .number = (uint64_t)sql_number(statement, 0),
                            .message = (uint64_t)sql_number(statement, 1),
                            .body = sql_bytes(statement, 2)};
    *message = (struct kept){.kind = ROW_MESSAGE,
                             .message = queued->message,
                             .body = sql_bytes(statement, 4),
                             .payload = sql_bytes(statement, 5)};
    return table_believes(queued, sql_number(statement, 3)) &&
           table_believes(message, sql_number(statement, 6));
}

/* How many rows name it. A wrong sum makes it too many for the message to go before the next start,
 * which counts anew. */
static uint64_t read_named(struct sql_statement *statement, uint64_t message)
{
    struct kept named = {
        .kind = ROW_NAMED, .number = (uint64_t)sql_number(statement, 7), .message = message};
    if (named.number == 0)
        return 0;
    return table_believes(&named, sql_number(statement, 8)) ? named.number : UINT32_MAX;
}

static int keep_found(struct buffer *bytes, const struct kept *queued, const struct kept *message,
                      uint64_t named)
{
    struct found_head head = {queued->number,
                              queued->message,
                              named,
                              (uint32_t)queued->body.len,
                              (uint32_t)message->body.len,
                              (uint32_t)message->payload.len};
    size_t before = bytes->len;
    if (buffer_append(bytes, slice_of(&head, sizeof(head))) == 0 &&
        buffer_append(bytes, queued->body) == 0 && buffer_append(bytes, message->body) == 0 &&
        buffer_append(bytes, message->payload) == 0)
        return 0;
    bytes->len = before;
    return -1;
}

static struct slice cut(const uint8_t **at, size_t length)
{
    struct slice s = slice_of(*at, length);
    *at += length;
    return s;
}

/* One block: the array, then the bytes it points into. */
static enum sql_result pack(struct rows_found *found, size_t count, const struct buffer *bytes)
{
    if (count == 0)
        return SQL_DONE;
    size_t array = count * sizeof(struct fetched);
    found->block = malloc(array + bytes->len);
    if (!found->block)
        return SQL_MEMORY;
    found->rows = found->block;
    found->count = count;
    const uint8_t *at = memcpy((uint8_t *)found->block + array, bytes->at, bytes->len);
    for (size_t i = 0; i < count; i++) {
        struct found_head head;
        memcpy(&head, at, sizeof(head));
        at += sizeof(head);
        found->rows[i] =
            (struct fetched){.number = head.number, .message = head.message, .named = head.named};
        found->rows[i].body = cut(&at, head.body_len);
        found->rows[i].head = cut(&at, head.head_len);
        found->rows[i].payload = cut(&at, head.payload_len);
    }
    return SQL_DONE;
}

enum sql_result rows_fetch(struct rows *rows, uint64_t session, uint64_t from, uint32_t most,
                           struct rows_found *found)
{
    struct buffer bytes = {0};
    size_t count = 0;
    enum sql_result result = SQL_DONE;
    *found = (struct rows_found){0};
    sql_bind_number(rows->queue, 1, (int64_t)session);
    sql_bind_number(rows->queue, 2, (int64_t)from);
    while (count < most && bytes.len < FETCH_BYTES && (result = sql_step(rows->queue)) == SQL_ROW) {
        struct kept queued, message;
        if (!read_queued(rows->queue, session, &queued, &message)) {
            found->damaged++;
        } else if (keep_found(&bytes, &queued, &message, read_named(rows->queue, queued.message)) ==
                   0) {
            count++;
        } else {
            result = SQL_MEMORY;
            break;
        }
    }
    sql_reset(rows->queue);
    if (result == SQL_ROW || result == SQL_DONE)
        result = pack(found, count, &bytes);
    buffer_clear(&bytes);
    return result;
}
