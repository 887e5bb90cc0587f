/* A store in memory that commits when the test says so, and can lose what it has not committed:
 * whoever makes a new core from it sees what a restart after a crash would see. */
#ifndef SIOTD_TESTS_FAKE_STORE_H
#define SIOTD_TESTS_FAKE_STORE_H

#include "base/map.h"
#include "fake_client.h"

struct fake_row {
    uint8_t kind;
    uint64_t session, number, message;
    uint32_t id_len, key_len, body_len, payload_len;
    uint8_t *bytes; /* id (what makes it this row), key, body, payload */
};

struct fake_fetch {
    uint64_t session, from;
    uint32_t most;
};

struct fake_store {
    struct store store;
    struct map rows; /* struct fake_row */
    const struct batch *under_way;
    struct fake_fetch fetches[64];
    size_t fetch_count;
    size_t commits;           /* batches handed over */
    size_t counts[ROW_KINDS]; /* rows written, by kind, since the last fake_store_forget */
    void (*own)(bool begins); /* or NULL: it is about to do something for itself, or has done it */
    size_t rejected;          /* rows that the core did not take back */
    size_t held_bytes;        /* of payloads of the fetches last answered */
};

struct fake_store *fake_store_new(void);
void fake_store_free(struct fake_store *store);

/* Rows of that kind (one that puts) it has now. */
size_t fake_store_rows(const struct fake_store *store, enum row_kind kind);
void fake_store_forget(struct fake_store *store); /* its counts */

/* Gives the core of the world this store. */
void world_keep(struct world *world, struct fake_store *store);

/* The same, and a start from what it has, of any core. */
void fake_store_write(struct fake_store *store, struct broker *broker, enum commit_outcome outcome);
void fake_store_load(struct fake_store *store, struct broker *broker);

/* What is under way is done, as that says. */
void fake_store_finish(struct fake_store *store, struct world *world, enum commit_outcome outcome);
/* Answers the oldest fetch; false when there is none. */
bool fake_store_answer(struct fake_store *store, struct world *world);
/* Turns and commits until all is settled; time passes. */
void world_settle(struct world *world, struct fake_store *store);

/* The process dies: the core is gone with what was not committed, and a new one stands there with
 * what was. Clients must forget their sessions. `ms` pass meanwhile. */
void world_crash(struct world *world, struct fake_store *store, uint64_t ms);

/* A turn without time passing: work, then it begins anew. */
void world_turn(struct world *world);

#endif
