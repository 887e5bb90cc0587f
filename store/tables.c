/* tables: see tables.h. */
#include "store/tables.h"

#include "store/checksum.h"

_Static_assert(ROW_SESSION == 0 && ROW_SESSION_END == 1 && ROW_SUBSCRIPTION == 2 &&
                   ROW_UNSUBSCRIPTION == 3 && ROW_MESSAGE == 4 && ROW_MESSAGE_END == 5 &&
                   ROW_QUEUED == 6 && ROW_QUEUED_END == 7 && ROW_INBOUND == 8 &&
                   ROW_INBOUND_END == 9 && ROW_RETAINED == 10 && ROW_RETAINED_END == 11 &&
                   ROW_NOTE == 12 && ROW_NOTE_END == 13 && ROW_NAMED == 14 && ROW_NAMED_END == 15 &&
                   ROW_KINDS == 16,
               "a kind that puts is even, and the next one deletes it");

#define NUMBER " INTEGER NOT NULL"
#define BYTES  " BLOB NOT NULL"
#define SUM    "sum INTEGER NOT NULL"

/* Everything but CREATE follows from the key, its falling order, and as many marks as it and the
 * whole row have. */
#define SQL_OF(name_, key_, falling_, key_marks_, marks_)                                          \
    .name = name_, .put = "INSERT OR REPLACE INTO " name_ " VALUES (" marks_ ")",                  \
    .remove = "DELETE FROM " name_ " WHERE (" key_ ") = (" key_marks_ ")",                         \
    .scan = "SELECT * FROM " name_ " WHERE (" key_ ") > (" key_marks_ ") ORDER BY " key_,          \
    .scan_back = "SELECT * FROM " name_ " WHERE (" key_ ") < (" key_marks_ ") ORDER BY " falling_

const struct table tables[TABLES] = {
    {.kind = ROW_SESSION,
     .fields = FIELD_SESSION | FIELD_BODY,
     .keys = FIELD_SESSION,
     .create = "CREATE TABLE sessions (session INTEGER PRIMARY KEY, body" BYTES ", " SUM ")",
     SQL_OF("sessions", "session", "session DESC", "?", "?, ?, ?")},
    {.kind = ROW_SUBSCRIPTION,
     .fields = FIELD_SESSION | FIELD_KEY | FIELD_BODY,
     .keys = FIELD_SESSION | FIELD_KEY,
     .create = "CREATE TABLE subscriptions (session" NUMBER ", key" BYTES ", body" BYTES ", " SUM
               ", PRIMARY KEY (session, key)) WITHOUT ROWID",
     SQL_OF("subscriptions", "session, key", "session DESC, key DESC", "?, ?", "?, ?, ?, ?")},
    {.kind = ROW_MESSAGE,
     .fields = FIELD_MESSAGE | FIELD_BODY | FIELD_PAYLOAD,
     .keys = FIELD_MESSAGE,
     .create = "CREATE TABLE messages (message INTEGER PRIMARY KEY, body" BYTES ", payload" BYTES
               ", " SUM ")",
     SQL_OF("messages", "message", "message DESC", "?", "?, ?, ?, ?")},
    {.kind = ROW_QUEUED,
     .fields = FIELD_SESSION | FIELD_NUMBER | FIELD_MESSAGE | FIELD_BODY,
     .keys = FIELD_SESSION | FIELD_NUMBER,
     .create = "CREATE TABLE queued (session" NUMBER ", number" NUMBER ", message" NUMBER
               ", body" BYTES ", " SUM ", PRIMARY KEY (session, number)) WITHOUT ROWID",
     SQL_OF("queued", "session, number", "session DESC, number DESC", "?, ?", "?, ?, ?, ?, ?")},
    {.kind = ROW_INBOUND,
     .fields = FIELD_SESSION | FIELD_NUMBER,
     .keys = FIELD_SESSION | FIELD_NUMBER,
     .create = "CREATE TABLE inbound (session" NUMBER ", number" NUMBER ", " SUM
               ", PRIMARY KEY (session, number)) WITHOUT ROWID",
     SQL_OF("inbound", "session, number", "session DESC, number DESC", "?, ?", "?, ?, ?")},
    {.kind = ROW_RETAINED,
     .fields = FIELD_KEY | FIELD_MESSAGE,
     .keys = FIELD_KEY,
     .create = "CREATE TABLE retained (key" BYTES ", message" NUMBER ", " SUM
               ", PRIMARY KEY (key)) WITHOUT ROWID",
     SQL_OF("retained", "key", "key DESC", "?", "?, ?, ?")},
    {.kind = ROW_NOTE,
     .fields = FIELD_KEY | FIELD_BODY,
     .keys = FIELD_KEY,
     .create = "CREATE TABLE notes (key" BYTES ", body" BYTES ", " SUM
               ", PRIMARY KEY (key)) WITHOUT ROWID",
     SQL_OF("notes", "key", "key DESC", "?", "?, ?, ?")},
    {.kind = ROW_NAMED,
     .fields = FIELD_NUMBER | FIELD_MESSAGE,
     .keys = FIELD_MESSAGE,
     .create = "CREATE TABLE named (number" NUMBER ", message INTEGER PRIMARY KEY, " SUM ")",
     SQL_OF("named", "message", "message DESC", "?", "?, ?, ?")},
};

int table_bind(struct sql_statement *statement, uint8_t fields, const struct kept *row)
{
    int at = 1;
    if (fields & FIELD_SESSION)
        sql_bind_number(statement, at++, (int64_t)row->session);
    if (fields & FIELD_NUMBER)
        sql_bind_number(statement, at++, (int64_t)row->number);
    if (fields & FIELD_KEY)
        sql_bind_bytes(statement, at++, row->key);
    if (fields & FIELD_MESSAGE)
        sql_bind_number(statement, at++, (int64_t)row->message);
    if (fields & FIELD_BODY)
        sql_bind_bytes(statement, at++, row->body);
    if (fields & FIELD_PAYLOAD)
        sql_bind_bytes(statement, at++, row->payload);
    return at;
}

/* What a kind does not have is nothing, whatever the caller left in it. */
static struct kept only_fields(const struct table *table, const struct kept *row)
{
    struct kept only = {.kind = table->kind};
    if (table->fields & FIELD_SESSION)
        only.session = row->session;
    if (table->fields & FIELD_NUMBER)
        only.number = row->number;
    if (table->fields & FIELD_KEY)
        only.key = row->key;
    if (table->fields & FIELD_MESSAGE)
        only.message = row->message;
    if (table->fields & FIELD_BODY)
        only.body = row->body;
    if (table->fields & FIELD_PAYLOAD)
        only.payload = row->payload;
    return only;
}

void table_bind_put(const struct table *table, struct sql_statement *statement,
                    const struct kept *row)
{
    struct kept only = only_fields(table, row);
    int at = table_bind(statement, table->fields, &only);
    sql_bind_number(statement, at, (int64_t)checksum_row(&only));
}

bool table_read(const struct table *table, struct sql_statement *statement, struct kept *row)
{
    int at = 0;
    *row = (struct kept){.kind = table->kind};
    if (table->fields & FIELD_SESSION)
        row->session = (uint64_t)sql_number(statement, at++);
    if (table->fields & FIELD_NUMBER)
        row->number = (uint64_t)sql_number(statement, at++);
    if (table->fields & FIELD_KEY)
        row->key = sql_bytes(statement, at++);
    if (table->fields & FIELD_MESSAGE)
        row->message = (uint64_t)sql_number(statement, at++);
    if (table->fields & FIELD_BODY)
        row->body = sql_bytes(statement, at++);
    if (table->fields & FIELD_PAYLOAD)
        row->payload = sql_bytes(statement, at++);
    return table_believes(row, sql_number(statement, at));
}

bool table_believes(const struct kept *row, int64_t sum)
{
    return checksum_row(row) == (uint64_t)sum;
}
