/* place: a position in a table's order, from which rows are read on. */
#ifndef SIOTD_STORE_PLACE_H
#define SIOTD_STORE_PLACE_H

#include "base/buffer.h"
#include "store/tables.h"

struct place {
    uint64_t session, number, message; /* in the order of signed numbers, as SQLite sees them */
    struct buffer key;
};

/* Before all rows; behind all rows (0 or -ENOMEM). Frees nothing: for a place that holds nothing.
 */
void place_first(struct place *place);
int place_last(struct place *place);

/* Frees what it holds. */
void place_clear(struct place *place);

/* At a row, whose key is copied. 0 or -ENOMEM. */
int place_set(struct place *place, const struct kept *row);

/* Whether the place stands before a row of that table. */
bool place_before(const struct place *place, const struct table *table, const struct kept *row);

/* Binds the place to a `scan` or `scan_back`; it may move on while that runs. */
void place_bind(const struct place *place, const struct table *table,
                struct sql_statement *statement);

#endif
