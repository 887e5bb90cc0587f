/* store: what the core asks of whoever keeps its state over a restart.
 *
 *   change -> batch -> [end of a turn] store.commit -> worker thread -> broker_committed
 *
 * The core says what has changed, in rows that are opaque to the store: keys, and bodies that the
 * core alone understands (record.h). The store keeps each row with a checksum, all changes of a
 * batch or none, and never blocks the loop. One batch is under way at a time; while it is, the
 * core gathers the next one. What a batch covers may be acknowledged once it is committed. */
#ifndef SIOTD_BROKER_STORE_H
#define SIOTD_BROKER_STORE_H

#include "base/buffer.h"
#include "base/slice.h"
#include <stdbool.h>

struct message;

/* Which of a row's fields mean something: `session` always the number the core has given a
 * session (never 0, never given twice, not even over restarts), `message` a message's likewise. */
enum row_kind {
    ROW_SESSION,        /* put: session; body */
    ROW_SESSION_END,    /* delete it, and its subscriptions, queued rows and inbound ids */
    ROW_SUBSCRIPTION,   /* put: session, key (the filter as given); body */
    ROW_UNSUBSCRIPTION, /* delete */
    ROW_MESSAGE,        /* put: message; body (its head), payload */
    ROW_MESSAGE_END,    /* delete */
    ROW_QUEUED,         /* put: session, number (order in its queue), message; body */
    ROW_QUEUED_END,     /* delete: session, number */
    ROW_INBOUND,        /* put: session, number (the packet id of a QoS 2 message received) */
    ROW_INBOUND_END,    /* delete */
    ROW_RETAINED,       /* put: key (the topic), message */
    ROW_RETAINED_END,   /* delete */
    ROW_NOTE,           /* put: key (whose it is, NUL, its name); body */
    ROW_NOTE_END,       /* delete */
    ROW_NAMED,     /* put: message, number (how many rows name it, of which memory knows none) */
    ROW_NAMED_END, /* delete */
    ROW_KINDS
};

/* A put replaces what has the same key; a delete of what is not there is no error. Order within a
 * batch counts. */
struct row_change {
    uint8_t kind;                                /* enum row_kind */
    uint32_t key_at, key_len, body_at, body_len; /* in the batch's bytes */
    uint64_t session, number, message;
    struct message *payload; /* ROW_MESSAGE: whose payload it is; a reference of the batch's */
};

/* What is committed together. Filled by the core, read by the store's thread from commit until
 * broker_committed, and the core's again from then on. The store touches no reference count. */
struct batch {
    struct row_change *changes; /* owned */
    size_t count, capacity;
    struct buffer bytes; /* keys and bodies */
};

static inline struct slice row_key(const struct batch *batch, const struct row_change *change)
{
    return change->key_len ? slice_of(batch->bytes.at + change->key_at, change->key_len)
                           : SLICE_EMPTY; /* without any there may be no bytes at all */
}

static inline struct slice row_body(const struct batch *batch, const struct row_change *change)
{
    return change->body_len ? slice_of(batch->bytes.at + change->body_at, change->body_len)
                            : SLICE_EMPTY;
}

/* What has become of a batch. */
enum commit_outcome {
    COMMIT_DONE,
    COMMIT_FULL,   /* no space on the disk, or far beyond the store's size limit, or another process
                      or a lack of memory stands in the way: nothing of it is written, and the core
                      offers the same batch again later */
    COMMIT_FAILED, /* the store cannot be trusted any more: the process must end with status 70,
                      without another acknowledgement */
};

/* One row that is read back: of a kind that puts, with the fields of struct row_change. Slices are
 * borrowed for the call. */
struct kept {
    enum row_kind kind;
    uint64_t session, number, message;
    struct slice key, body, payload;
};

struct store;

struct store_verbs {
    /* Hands a batch over. Returns at once; broker_committed follows on the loop's thread, exactly
     * once. Only when no other batch is under way. */
    void (*commit)(struct store *store, const struct batch *batch);
    /* Reads queued rows of one session with number >= from, at most `most`, in order, each with
     * its message; fewer when they have a MiB together, none only when there is none. One that is
     * damaged is left out, and one without a message. Returns at once; broker_fetched follows on
     * the loop's thread, exactly once, with the rows as the last commit before left them. Several
     * may be under way. */
    void (*fetch)(struct store *store, uint64_t session, uint64_t from, uint32_t most);
};

/* Whoever keeps rows embeds this. */
struct store {
    const struct store_verbs *verbs;
    bool full; /* set before broker_committed: the size limit is reached. What is handed over is
                  still taken for a while, so that rows can end; nothing new is to be begun that
                  needs one */
};

/* A queued row with its message, read back for broker_fetched; borrowed for the call. */
struct fetched {
    uint64_t number, message;
    uint64_t named; /* what the message's ROW_NAMED says; 0: it has none */
    struct slice body, head, payload;
};

/* How many rows name its message, when memory knows of none. */
static inline uint32_t fetched_rows(const struct fetched *row)
{
    return row->named > 1 ? (uint32_t)row->named : 1;
}

#endif
