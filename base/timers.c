/* timers: a hierarchical timing wheel.
 *
 * Stands beside the way of a message: keep-alives, will delays and expiries wait here, and loop.c
 * turns the wheel once per turn.
 *
 * Level l has 64 slots of 64^l ms. A timer stands on the level of the highest bit in which its
 * time differs from now_ms (six bits a level), in the slot that those six bits of its time name.
 * So all slots that are in use on a level lie ahead of the level's hand (the same six bits of
 * now_ms), and everything on a level is due before anything on the level above. The first used
 * slot of the lowest used level therefore is the next place where something happens: on level 0
 * its timers are due; above, the time has come at which they differ from now_ms only in lower
 * bits, and they move down. Time in which nothing happens is skipped by the six bitmaps.
 *
 * Two slots break the rule. The slot under the hand of level 0 holds timers that were set for
 * now_ms or earlier; they go at the next advance. Slot 0 of the top level, which the hand cannot
 * reach before all 36 bits (2.2 years) have run over, holds the timers beyond that; there they
 * are placed again.
 *
 * Invariants: a bit of `occupied` is set exactly when its slot holds a timer; count is the timers
 * in slots and those that an advance has collected and not fired yet. */
#include "base/timers.h"

enum { SLOT_BITS = 6, SLOT_MASK = TIMERS_SLOTS - 1, TOP = TIMERS_LEVELS - 1 };
_Static_assert(1 << SLOT_BITS == TIMERS_SLOTS && TIMERS_SLOTS == 64, "a bitmap is one word");

static const uint64_t REACH = UINT64_C(1) << (SLOT_BITS * TIMERS_LEVELS); /* ms in one revolution */

void timers_init(struct timers *wheel, uint64_t now_ms)
{
    wheel->now_ms = now_ms;
    wheel->count = 0;
    for (int level = 0; level < TIMERS_LEVELS; level++) {
        wheel->occupied[level] = 0;
        for (int slot = 0; slot < TIMERS_SLOTS; slot++)
            list_init(&wheel->slots[level][slot]);
    }
}

void timer_init(struct timer *timer, void (*fired)(struct timer *timer))
{
    list_init(&timer->link);
    timer->due_ms = TIMERS_NEVER;
    timer->fired = fired;
}

static void place(struct timers *wheel, struct timer *timer)
{
    uint64_t due_ms = timer->due_ms > wheel->now_ms ? timer->due_ms : wheel->now_ms;
    uint64_t differs = due_ms ^ wheel->now_ms;
    int level = TOP, slot = 0;
    if (differs < REACH) {
        level = differs ? (63 - __builtin_clzll(differs)) / SLOT_BITS : 0;
        slot = (int)(due_ms >> (SLOT_BITS * level)) & SLOT_MASK;
    }
    list_append(&wheel->slots[level][slot], &timer->link);
    wheel->occupied[level] |= UINT64_C(1) << slot;
}

/* Unlinks; when that leaves a slot empty, its bit goes too. The last member of a list has the head
 * on both sides, and a head within the wheel tells by its address which slot it is. */
static void displace(struct timers *wheel, struct timer *timer)
{
    struct list *head = timer->link.prev;
    list_remove(&timer->link);
    uintptr_t first = (uintptr_t)&wheel->slots[0][0];
    if (!list_empty(head) || (uintptr_t)head - first >= sizeof(wheel->slots))
        return;
    size_t at = ((uintptr_t)head - first) / sizeof(struct list);
    wheel->occupied[at / TIMERS_SLOTS] &= ~(UINT64_C(1) << at % TIMERS_SLOTS);
}

void timer_set(struct timers *wheel, struct timer *timer, uint64_t due_ms)
{
    if (timer_is_set(timer))
        displace(wheel, timer);
    else
        wheel->count++;
    timer->due_ms = due_ms;
    place(wheel, timer);
}

void timer_cancel(struct timers *wheel, struct timer *timer)
{
    if (!timer_is_set(timer))
        return;
    displace(wheel, timer);
    wheel->count--;
}

/* Where something happens next, and when; false when the wheel is empty. */
static bool next_slot(const struct timers *wheel, int *level, int *slot, uint64_t *when_ms)
{
    for (int l = 0; l < TIMERS_LEVELS; l++) {
        uint64_t used = wheel->occupied[l];
        if (!used)
            continue;
        *level = l;
        if (l == TOP && used == 1) {
            *slot = 0;
            *when_ms = (wheel->now_ms | (REACH - 1)) + 1;
            return true;
        }
        if (l == TOP)
            used &= ~UINT64_C(1);
        *slot = __builtin_ctzll(used);
        uint64_t above = ~UINT64_C(0) << (SLOT_BITS * (l + 1));
        *when_ms = (wheel->now_ms & above) | (uint64_t)*slot << (SLOT_BITS * l);
        return true;
    }
    return false;
}

/* Moves a whole slot to the end of `to`. */
static void empty_slot(struct timers *wheel, int level, int slot, struct list *to)
{
    struct list *from = &wheel->slots[level][slot];
    wheel->occupied[level] &= ~(UINT64_C(1) << slot);
    if (list_empty(from))
        return;
    from->next->prev = to->prev;
    to->prev->next = from->next;
    from->prev->next = to;
    to->prev = from->prev;
    list_init(from);
}

static void move_down(struct timers *wheel, int level, int slot)
{
    struct list moving;
    list_init(&moving);
    empty_slot(wheel, level, slot, &moving);
    list_each(link, &moving)
    {
        list_remove(link);
        place(wheel, list_item(link, struct timer, link));
    }
}

/* First everything due is collected and the wheel is turned, then it fires. Collected timers
 * still stand in a list, so whoever fires may cancel, move or free any of them; and what is set
 * meanwhile, even for a time that has passed, waits in the wheel for the next advance. */
size_t timers_advance(struct timers *wheel, uint64_t now_ms)
{
    struct list due;
    list_init(&due);
    int level, slot;
    uint64_t when_ms;
    while (next_slot(wheel, &level, &slot, &when_ms) && when_ms <= now_ms) {
        wheel->now_ms = when_ms;
        if (level == 0)
            empty_slot(wheel, level, slot, &due);
        else
            move_down(wheel, level, slot);
    }
    if (now_ms > wheel->now_ms)
        wheel->now_ms = now_ms;

    size_t fired = 0;
    struct list *first;
    while ((first = list_first(&due)) != NULL) {
        struct timer *timer = list_item(first, struct timer, link);
        list_remove(first);
        wheel->count--;
        fired++;
        timer->fired(timer);
    }
    return fired;
}

uint64_t timers_next(const struct timers *wheel)
{
    int level, slot;
    uint64_t when_ms;
    return next_slot(wheel, &level, &slot, &when_ms) ? when_ms : TIMERS_NEVER;
}
