/* broker: birth, time and housekeeping of the core; see broker.h. */
#include "broker/core.h"
#include "broker/note.h"
#include "broker/paging.h"
#include <stdlib.h>

enum {
    HOUSEKEEPING_MS = 1000,
    SWEEP_BUDGET = 20000,
    VISITS_PER_TURN = 100000, /* of the filters' tree, before peers with more to say have to wait */
    REPLAY_BUDGET = 16384,    /* nodes that all replays together look at in one turn */
};

static void housekeeping(struct timer *timer)
{
    struct broker *broker = timer_owner(timer, struct broker, housekeeping);
    retained_sweep(broker, SWEEP_BUDGET);
    paging_retry(broker);
    /* The pool remembers a burst for a while, not for ever. */
    uint32_t surplus = broker->free_outgoing_count / 2;
    while (surplus--) {
        struct list *link = list_first(&broker->free_outgoing);
        list_remove(link);
        free(list_item(link, struct outgoing, link));
        broker->free_outgoing_count--;
    }
    timer_set(broker->wheel, timer, broker->wheel->now_ms + HOUSEKEEPING_MS);
}

struct broker *broker_new(const struct broker_limits *limits, struct timers *wheel)
{
    struct broker *broker = calloc(1, sizeof *broker);
    if (!broker)
        return NULL;
    broker->limits = limits;
    broker->wheel = wheel;
    broker->mono_ms = broker->sys.started_ms = wheel->now_ms;
    map_init(&broker->sessions, session_key);
    list_init(&broker->checked);
    list_init(&broker->unchecked);
    router_init(&broker->router);
    retained_init(&broker->retained);
    list_init(&broker->replaying);
    list_init(&broker->wills);
    notes_init(&broker->notes);
    durable_init(&broker->durable);
    list_init(&broker->interned);
    list_init(&broker->free_outgoing);
    timer_init(&broker->housekeeping, housekeeping);
    timer_set(wheel, &broker->housekeeping, wheel->now_ms + HOUSEKEEPING_MS);
    return broker;
}

/* By the rolls: taking each from a table that is searched from the front anew would be quadratic.
 */
static void free_all(const struct list *roll)
{
    while (!list_empty(roll))
        session_free(list_item(roll->next, struct session, roll));
}

void broker_free(struct broker *broker)
{
    if (!broker)
        return;
    broker->durable.store = NULL; /* what goes now is to stay */
    wills_clear(broker);
    free_all(&broker->checked);
    free_all(&broker->unchecked);
    router_clear(&broker->router);
    retained_clear(&broker->retained);
    notes_clear(&broker->notes);
    restoring_free(broker);
    interned_clear(broker);
    durable_clear(broker);
    map_clear(&broker->sessions);
    timer_cancel(broker->wheel, &broker->housekeeping);
    struct list *link;
    while ((link = list_first(&broker->free_outgoing)) != NULL) {
        list_remove(link);
        free(list_item(link, struct outgoing, link));
    }
    walk_clear(&broker->walk);
    access_unref(broker->authority.access);
    free(broker);
}

void broker_turn(struct broker *broker, uint64_t mono_ms, int64_t wall_ms)
{
    if (mono_ms > broker->mono_ms)
        broker->mono_ms = mono_ms;
    broker->wall_ms = wall_ms;
    broker->router.visited = 0;
    broker->durable.turn++;
}

bool broker_is_tired(const struct broker *broker)
{
    return broker->router.visited > VISITS_PER_TURN;
}

uint64_t broker_mono_ms(const struct broker *broker)
{
    return broker->mono_ms;
}

int64_t broker_wall_ms(const struct broker *broker)
{
    return broker->wall_ms;
}

const struct broker_limits *broker_limits(const struct broker *broker)
{
    return broker->limits;
}

struct stats *broker_stats(struct broker *broker)
{
    return &broker->stats;
}

bool broker_has_client(const struct broker *broker, struct slice client_id)
{
    const struct session *session = broker_find_session(broker, client_id);
    return session && session->sink;
}

/* Each in turn and then to the end of the line, so that whoever the budget leaves out comes first
 * in the next turn. */
static void work_replays(struct broker *broker)
{
    uint64_t budget = REPLAY_BUDGET;
    struct list end; /* behind those that were here when the turn began */
    list_append(&broker->replaying, &end);
    struct list *link;
    while (budget && (link = list_first(&broker->replaying)) != &end) {
        list_remove(link);
        list_append(&broker->replaying, link);
        replay_work(list_item(link, struct replay, link)->session, &budget);
    }
    list_remove(&end);
}

bool broker_work(struct broker *broker)
{
    work_replays(broker);
    will_work(broker);
    bool more = reauthorise_work(broker);
    durable_work(broker);
    return more || !list_empty(&broker->replaying);
}
