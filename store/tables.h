/* tables: where each kind of row stands, and what SQL it takes.
 *
 * One table per kind that puts, in the order in which a restart wants them. Columns are the fields
 * of struct kept that the kind has, in the order of that struct, and the row's sum behind them:
 *
 *   sessions       session | body                  messages  message | body payload
 *   subscriptions  session key | body              queued    session number | message body
 *   inbound        session number |                retained  key | message
 *   notes          key | body                      named     message | number (in that table's
 *                                                            order: number message)
 * (what stands before the bar is the key)
 *
 * Numbers that rise are keys, and rows stand in the order of their key, so that what arrives is
 * written to the end of a table and what is read again is read in one sweep. No table has a second
 * index: it would cost every message, and nothing asks for one. */
#ifndef SIOTD_STORE_TABLES_H
#define SIOTD_STORE_TABLES_H

#include "broker/store.h"
#include "store/sqlite.h"

enum field {
    FIELD_SESSION = 1,
    FIELD_NUMBER = 2,
    FIELD_KEY = 4,
    FIELD_MESSAGE = 8,
    FIELD_BODY = 16,
    FIELD_PAYLOAD = 32,
};

enum { TABLES = ROW_KINDS / 2, TABLES_OF_VERSION_1 = 7 };

struct table {
    enum row_kind kind; /* that puts; kind + 1 deletes */
    uint8_t fields, keys;
    const char *name;
    const char *create, *put, *remove;
    const char *scan, *scan_back; /* rows behind a key, rows before a key in falling order */
};

extern const struct table tables[TABLES]; /* in the order of enum row_kind */

/* The table of a kind, and whether that kind deletes. */
static inline const struct table *table_of(uint8_t kind)
{
    return &tables[kind / 2];
}

static inline bool kind_deletes(uint8_t kind)
{
    return kind & 1;
}

/* Binds the chosen fields of a row to the statement's parameters from the first on; returns the
 * next free one. */
int table_bind(struct sql_statement *statement, uint8_t fields, const struct kept *row);

/* Binds all of a row and its sum to a `put`. */
void table_bind_put(const struct table *table, struct sql_statement *statement,
                    const struct kept *row);

/* Reads a row of a scan; false when its sum is wrong. Slices are borrowed until the next step. */
bool table_read(const struct table *table, struct sql_statement *statement, struct kept *row);

/* The sum that a row was stored with is right for it. */
bool table_believes(const struct kept *row, int64_t sum);

#endif
