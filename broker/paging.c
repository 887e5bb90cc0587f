/* paging: see paging.h.
 *
 * Invariants: the rows of an outbox stand in the order of their numbers: those in queue, those from
 * paged.from to paged.to, those in tail. Tail is empty while nothing is paged. Of what is paged no
 * row is unwritten, changed or gone. A message that is paged everywhere is not known in memory at
 * all.
 *
 * A session that ends while rows of it are paged leaves a ghost: the store forgets the rows by
 * itself, but their messages have to be found and removed one by one. */
#include "broker/paging.h"
#include "broker/durable_rows.h"
#include "broker/outbox_parts.h"
#include "broker/record.h"
#include "broker/stored.h"
#include <stdlib.h>

enum {
    FRONT = 32,             /* messages that stay in memory for who is here */
    MOST_ROWS = 256,        /* asked for at once */
    MOST_BYTES = 256 << 10, /* the same, by what rows of that queue weigh */
};

/* What is left of a session: rows that name messages. */
struct ghost {
    struct list link; /* durable.ghosts */
    uint64_t number, from, to, messages;
    bool asked, unread;
};

static struct durable *durable_of(const struct session *session)
{
    return &session->broker->durable;
}

/* ---- letting go ---- */

static bool is_short(const struct broker *broker)
{
    return broker->queued_memory > broker->limits->queued_memory;
}

void paging_consider(struct session *session)
{
    struct outbox *box = session->outbox;
    if (is_short(session->broker) && !list_linked(&box->pageable))
        list_append(&durable_of(session)->pageable, &box->pageable);
}

/* Whoever has rows that are paged has the memory for a ghost. */
static bool may_page(struct outbox *box)
{
    if (!box->ghost)
        box->ghost = malloc(sizeof *box->ghost);
    return box->ghost != NULL;
}

/* Forgets one whose row is committed, but not that it waits. False: out of memory. */
static bool let_go(struct session *session, struct outgoing *o)
{
    struct broker *broker = session->broker;
    struct paged *paged = &session->outbox->paged;
    struct message *m = o->message;
    size_t size = message_size(m);
    if (!may_page(session->outbox) || !stored_let_go(broker, o->row))
        return false;
    if (paged->messages++ == 0)
        paged->from = o->number;
    paged->to = o->number;
    paged->bytes += size;
    broker->queued_memory -= outgoing_cost(size);
    list_remove(&o->link);
    o->keep = KEEP_NOT;
    o->has_row = false;
    o->row = NULL;
    outgoing_free(broker, o);
    return true;
}

/* Moves all of the queue behind its first `front` messages to the tail. */
static void cut(struct outbox *box, uint32_t front)
{
    struct list *last = &box->queue;
    while (front-- && last->next != &box->queue)
        last = last->next;
    while (last->next != &box->queue) {
        struct list *link = last->next;
        list_remove(link);
        list_append(&box->tail, link);
    }
}

static void join(struct outbox *box)
{
    list_each(link, &box->tail)
    {
        list_remove(link);
        list_append(&box->queue, link);
    }
}

/* Lets go of what is committed. Whether something is left that may be, later. */
static bool page_out(struct session *session)
{
    struct outbox *box = session->outbox;
    const struct durable *d = durable_of(session);
    struct list *link;
    if (box->paged.messages == 0)
        cut(box, session->sink ? FRONT : 0);
    while (is_short(session->broker) && (link = list_first(&box->tail)) != NULL) {
        struct outgoing *o = list_item(link, struct outgoing, link);
        if (o->keep != KEEP_WRITTEN || !durable_is_committed(d, o->batch) || !let_go(session, o))
            break;
    }
    bool more = !list_empty(&box->tail);
    if (box->paged.messages == 0)
        join(box);
    return more;
}

void paging_work(struct broker *broker)
{
    struct durable *d = &broker->durable;
    list_each(link, &d->pageable)
    {
        if (!is_short(broker))
            return;
        struct session *session = list_item(link, struct outbox, pageable)->session;
        if (!page_out(session))
            list_remove(link);
    }
}

/* ---- fetching ---- */

static bool front_is_long(const struct outbox *box)
{
    int count = 0;
    for (const struct list *link = box->queue.next; link != &box->queue && count < FRONT / 2;
         link = link->next)
        count++;
    return count == FRONT / 2;
}

static uint32_t rows_to_ask_for(const struct paged *paged)
{
    uint64_t average = paged->bytes / paged->messages + 1;
    uint64_t rows = MOST_BYTES / average;
    rows = rows > MOST_ROWS ? MOST_ROWS : rows;
    return rows ? (uint32_t)rows : 1;
}

void paging_fetch(struct session *session)
{
    struct outbox *box = session->outbox;
    struct store *store = durable_of(session)->store;
    if (!store || !session->sink || box->paged.messages == 0 || list_linked(&box->fetching) ||
        front_is_long(box))
        return;
    list_append(&durable_of(session)->fetching, &box->fetching);
    store->verbs->fetch(store, session_number(session), box->paged.from,
                        rows_to_ask_for(&box->paged));
}

/* The message of a row, in memory again; a reference. NULL: out of memory, or no message at all. */
static struct message *bring_back(struct durable *d, const struct fetched *row,
                                  struct stored_message **stored)
{
    struct record_head head;
    *stored = stored_find(d, row->message);
    if (*stored && (*stored)->live)
        return message_hold((*stored)->live);
    struct message *m =
        record_head_decode(row->head, &head) ? restore_message(&head, row->payload) : NULL;
    if (!m)
        return NULL;
    if (*stored) {
        (*stored)->live = m;
        m->kept = *stored;
    } else {
        *stored = stored_new(d, row->message, fetched_rows(row), (uint32_t)row->named, m);
    }
    if (*stored)
        return m;
    message_unref(m);
    return NULL;
}

/* One less of it is paged. */
static void count_back(struct session *session, size_t size)
{
    struct paged *paged = &session->outbox->paged;
    paged->messages--;
    paged->bytes -= size < paged->bytes ? size : paged->bytes;
}

/* What is counted as queued and will never come. */
static void count_lost(struct session *session)
{
    struct outbox *box = session->outbox;
    struct stats *stats = &session->broker->stats;
    box->queued.messages -= box->paged.messages;
    box->queued.bytes -= box->paged.bytes;
    stats->queued_messages -= box->paged.messages;
    stats->queued_bytes -= box->paged.bytes;
    box->paged = (struct paged){0};
}

/* Queues one row again. False: out of memory; it is to be asked for once more. */
static bool page_in(struct session *session, const struct fetched *row)
{
    struct broker *broker = session->broker;
    struct record_queued record;
    struct stored_message *stored;
    if (!record_queued_decode(row->body, &record) || record.released)
        return true; /* damaged: what is counted of it is set right at the end */
    struct message *m = bring_back(&broker->durable, row, &stored);
    struct outgoing *o = m ? outbox_restore(session, &record, m) : NULL;
    message_unref(m);
    if (!o)
        return false;
    size_t size = message_size(o->message);
    count_back(session, size);
    /* It was counted as queued all the while: now it is so twice, or is under way. */
    bool queued = !o->entry.packet_id;
    outbox_count(session, o, false);
    broker->queued_memory += outgoing_cost(size);
    o->keep = KEEP_WRITTEN;
    o->has_row = true;
    o->row = stored;
    stored->held++;
    o->session = session_number(session);
    o->number = row->number;
    if (session_may(session, ACTION_DELIVER, session_topic(session, o->message)))
        return true;
    outbox_leave(session, o, queued);
    if (o->entry.packet_id)
        inflight_drop(&session->outbox->ids, &o->entry);
    broker->stats.dropped[DROP_DENIED]++;
    outgoing_free(broker, o);
    return true;
}

static void page_in_all(struct session *session, const struct fetched *rows, size_t count)
{
    struct paged *paged = &session->outbox->paged;
    for (size_t i = 0; i < count && rows[i].number <= paged->to; i++) {
        if (rows[i].number < paged->from)
            continue;
        if (!page_in(session, &rows[i]))
            return;
        paged->from = rows[i].number + 1;
    }
    bool ended = count == 0 || rows[count - 1].number >= paged->to;
    if (ended || paged->messages == 0)
        count_lost(session); /* nothing, unless rows were damaged */
}

void paging_retry(struct broker *broker)
{
    struct durable *d = &broker->durable;
    list_each(link, &d->fetching)
    {
        struct outbox *box = list_item(link, struct outbox, fetching);
        if (!box->unread)
            continue;
        box->unread = false;
        list_remove(link);
        paging_fetch(box->session);
    }
    const struct list *first = list_first(&d->ghosts);
    struct ghost *ghost = first ? list_item(first, struct ghost, link) : NULL;
    if (ghost && ghost->unread)
        ghost->unread = ghost->asked = false;
}

/* ---- ghosts ---- */

bool paging_haunt(struct session *session)
{
    struct outbox *box = session->outbox;
    if (!box || box->paged.messages == 0)
        return false;
    struct ghost *ghost = box->ghost;
    box->ghost = NULL;
    *ghost = (struct ghost){.number = session_number(session),
                            .from = box->paged.from,
                            .to = box->paged.to,
                            .messages = box->paged.messages};
    list_append(&durable_of(session)->ghosts, &ghost->link);
    return true;
}

void paging_forget(struct session *session, enum drop_reason reason)
{
    struct outbox *box = session->outbox;
    session->broker->stats.dropped[reason] += box->paged.messages;
    count_lost(session);
    free(box->ghost);
    box->ghost = NULL;
}

void paging_ask(struct broker *broker)
{
    struct durable *d = &broker->durable;
    const struct list *link = list_first(&d->ghosts);
    struct ghost *ghost = link ? list_item(link, struct ghost, link) : NULL;
    if (!ghost || ghost->asked || !d->store)
        return;
    ghost->asked = true;
    d->store->verbs->fetch(d->store, ghost->number, ghost->from, MOST_ROWS);
}

/* Gives to another member of its share what a ghost has left, if it may go there. False when there
 * is no memory for that. */
static bool inherit(struct broker *broker, const struct fetched *row,
                    const struct record_queued *record)
{
    struct share *share =
        record->group.len ? router_share(&broker->router, record->group, record->filter) : NULL;
    bool sent_qos2 = record->packet_id && record->qos == 2;
    struct stored_message *stored;
    if (!share || sent_qos2)
        return true;
    struct message *m = bring_back(&broker->durable, row, &stored);
    if (!m)
        return false;
    const struct delivery d = {.message = m, .qos = m->qos};
    enum dispatch outcome = share_dispatch(share, &d, NULL, false);
    message_unref(m);
    if (outcome == DISPATCH_GIVEN)
        broker->durable.pull = true;
    return outcome != DISPATCH_NO_MEMORY;
}

static bool clear_away(struct broker *broker, const struct ghost *ghost, const struct fetched *row)
{
    struct record_queued record;
    if (!durable_rows_unqueue_room(&broker->durable)) /* first: what was given stays so */
        return false;
    if (record_queued_decode(row->body, &record) && !inherit(broker, row, &record))
        return false;
    return durable_rows_unqueue(broker, ghost->number, row);
}

static void clear_all_away(struct broker *broker, struct ghost *ghost, const struct fetched *rows,
                           size_t count)
{
    ghost->asked = false;
    for (size_t i = 0; i < count && rows[i].number <= ghost->to; i++) {
        if (rows[i].number < ghost->from)
            continue; /* asked for while the session was there, and cleared away meanwhile */
        if (!clear_away(broker, ghost, &rows[i])) {
            ghost->asked = ghost->unread = true; /* paging_retry asks again */
            return;
        }
        ghost->from = rows[i].number + 1;
    }
    if (count && rows[count - 1].number < ghost->to)
        return;
    durable_rows_end_session(&broker->durable, ghost->number);
    list_remove(&ghost->link);
    free(ghost);
}

/* ---- what comes back ---- */

static struct ghost *find_ghost(const struct durable *d, uint64_t number)
{
    for (struct list *link = d->ghosts.next; link != &d->ghosts; link = link->next)
        if (list_item(link, struct ghost, link)->number == number)
            return list_item(link, struct ghost, link);
    return NULL;
}

static struct outbox *find_fetching(const struct durable *d, uint64_t number)
{
    for (struct list *link = d->fetching.next; link != &d->fetching; link = link->next) {
        struct outbox *box = list_item(link, struct outbox, fetching);
        if (session_number(box->session) == number)
            return box;
    }
    return NULL;
}

void broker_fetched(struct broker *broker, uint64_t session, const struct fetched *rows,
                    size_t count)
{
    struct durable *d = &broker->durable;
    struct outbox *box = find_fetching(d, session);
    struct ghost *ghost = box ? NULL : find_ghost(d, session);
    if (ghost && ghost->asked && rows) {
        clear_all_away(broker, ghost, rows, count);
        return;
    }
    if (ghost)
        ghost->unread = true;
    if (!box)
        return;
    box->unread = rows == NULL;
    if (box->unread)
        return; /* paging_retry asks again */
    list_remove(&box->fetching);
    page_in_all(box->session, rows, count);
    if (box->paged.messages == 0)
        join(box);
    session_pump(box->session);
}

bool paging_skip(struct session *session, const struct record_queued *record, uint64_t number)
{
    struct outbox *box = outbox_of(session);
    struct stats *stats = &session->broker->stats;
    if (!box || !may_page(box))
        return false;
    if (box->paged.messages++ == 0)
        box->paged.from = number;
    box->paged.to = number;
    box->paged.bytes += record->size;
    box->queued.messages++;
    box->queued.bytes += record->size;
    stats->queued_messages++;
    stats->queued_bytes += record->size;
    return true;
}

void paging_clear(struct broker *broker)
{
    struct list *link;
    while ((link = list_first(&broker->durable.ghosts)) != NULL) {
        list_remove(link);
        free(list_item(link, struct ghost, link));
    }
}
