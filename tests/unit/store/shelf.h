/* shelf: a store in a folder of its own under /tmp, and a core that hands batches to it. */
#ifndef SIOTD_TESTS_STORE_SHELF_H
#define SIOTD_TESTS_STORE_SHELF_H

#include "broker/message.h"
#include "store/store.h"
#include <pthread.h>

struct shelf {
    char folder[64];
    struct store_settings settings;
    enum store_durability durability;
    struct store *store; /* NULL: closed */
    char why[512];       /* of the last call that refused */

    struct batch batch;           /* being filled */
    struct message messages[256]; /* of its payloads */
    size_t message_count;

    int committed, fetched, failed; /* callbacks since shelf_make */
    enum commit_outcome outcome;    /* of the last commit */
    char failed_why[512];
    uint64_t fetched_session;
    char *rows;      /* what the last load or fetch gave, a line per row; "" for none */
    bool unreadable; /* the last fetch gave NULL */
    char refuse[64]; /* the load refuses rows whose line begins so; "" for none */

    pthread_mutex_t mutex;
    pthread_cond_t woken;
    int wakes; /* guarded by mutex */
};

/* An empty folder; shelf_free closes the store and removes it with all that is in it. */
struct shelf *shelf_make(void);
void shelf_free(struct shelf *shelf);

/* Opens, loads (rows are in shelf->rows) and starts; the steps alone return what the store returns.
 */
void shelf_open(struct shelf *shelf);
int shelf_try_open(struct shelf *shelf);
int shelf_try_load(struct shelf *shelf);
void shelf_close(struct shelf *shelf);

/* A change at the end of the batch. Texts, for they are easily read. */
void shelf_put(struct shelf *shelf, enum row_kind kind, uint64_t session, uint64_t number,
               uint64_t message, const char *key, const char *body, const char *payload);

/* The same for what is used most: a message and its row in a queue, "head <n>" and "payload <n>".
 */
void shelf_queue(struct shelf *shelf, uint64_t session, uint64_t number, uint64_t message);

/* Hands the batch over, waits for what becomes of it, and begins an empty one. */
enum commit_outcome shelf_commit(struct shelf *shelf);

/* Fetches and waits; returns shelf->rows. */
const char *shelf_fetch(struct shelf *shelf, uint64_t session, uint64_t from, uint32_t most);

/* Waits for callbacks until `count` has reached `wanted`; fails the test after ten seconds. */
void shelf_wait(struct shelf *shelf, const int *count, int wanted);

/* Closes and opens again; what the load has given. */
const char *shelf_reopen(struct shelf *shelf);

/* The path of a file of the folder, good until the next call; runs a command of the shell in the
 * folder and returns what it prints, good until the next call. */
const char *shelf_path(const struct shelf *shelf, const char *name);
const char *shelf_shell(const struct shelf *shelf, const char *command);

/* As the process that used it had been killed: the store is left without a goodbye (its files are
 * copied while it is open, and take its place). */
void shelf_crash(struct shelf *shelf);

#endif
