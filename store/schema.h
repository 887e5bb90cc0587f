/* schema: whether a database is a store of siotd's, and of which version; making one, and bringing
 * an older one to the version of now.
 *
 * The version stands in the header (user_version), and once more in the table `store` with a sum:
 * only a file that says so twice is believed to be of a newer siotd, since a damaged header must
 * not keep siotd from starting. */
#ifndef SIOTD_STORE_SCHEMA_H
#define SIOTD_STORE_SCHEMA_H

#include "store/sqlite.h"

enum { SCHEMA_VERSION = 2 };

/* The kind in the sum of the version's own row, as version 1 has it; a row of that kind has a
 * message, and this one has none. */
#define SCHEMA_KIND ROW_NAMED

enum schema_state {
    SCHEMA_CURRENT,
    SCHEMA_EMPTY,   /* a new file, or one that was never finished */
    SCHEMA_OLDER,   /* of an earlier version */
    SCHEMA_NEWER,   /* of a later siotd: not to be touched */
    SCHEMA_FOREIGN, /* somebody else's database: not to be touched */
    SCHEMA_DAMAGED, /* ours, and not as it was made */
};

/* Looks at the schema and every page of the database (slow in proportion to its size, some 10^6
 * rows in a quarter of a second) and changes nothing. SQL_DONE with *state, or why that cannot be
 * said; damage is a state, not a failure. *version is the version found, where one is. */
enum sql_result schema_look(struct sql *sql, enum schema_state *state, int64_t *version);

/* Makes version n + 1 of version n. */
struct schema_step {
    enum sql_result (*make)(struct sql *sql);
};

/* Brings the database from `version` to version `count` by steps[version], steps[version + 1] and
 * so on, all in one transaction. */
enum sql_result schema_migrate(struct sql *sql, const struct schema_step *steps, int64_t count,
                               int64_t version);

/* The same with siotd's own steps; version 0 is an empty database. */
enum sql_result schema_bring_up(struct sql *sql, int64_t version);

#endif
