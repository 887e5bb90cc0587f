/* Tests base/timers.c, most of it against an array that knows what is due. */
#include "base/timers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { WAITERS = 200 };

/* What the array knows of one timer. */
struct waiter {
    struct timer timer;
    uint64_t due_ms; /* no earlier than the wheel's time when it was set */
    uint64_t order;  /* of setting */
    bool set, collected;
};

static struct timers wheel;
static struct waiter waiters[WAITERS];
static uint64_t settings; /* so far */
static uint32_t seed;
static size_t fired_now;
static bool meddle; /* whether a firing timer changes others */

static uint32_t draw(void)
{
    seed = seed * 1664525 + 1013904223;
    return seed >> 8;
}

/* Distances of all sizes: each level of the wheel, and beyond it. */
static uint64_t draw_delay_ms(void)
{
    uint64_t wide = (uint64_t)draw() << 24 | draw();
    return wide >> (24 + draw() % 24 - 14);
}

static void set(struct waiter *w, uint64_t due_ms)
{
    timer_set(&wheel, &w->timer, due_ms);
    w->set = true;
    w->collected = false;
    w->due_ms = due_ms > wheel.now_ms ? due_ms : wheel.now_ms;
    w->order = settings++;
}

static void cancel(struct waiter *w)
{
    timer_cancel(&wheel, &w->timer);
    w->set = w->collected = false;
}

static void change_one(void)
{
    struct waiter *w = &waiters[draw() % WAITERS];
    unsigned what = draw() % 8;
    if (what == 0)
        cancel(w);
    else if (what == 1)
        set(w, wheel.now_ms - draw() % 50); /* passed, or now */
    else
        set(w, wheel.now_ms + draw_delay_ms());
}

/* The array agrees that this one is the first of those still to fire. */
static void check_fired(struct timer *timer)
{
    struct waiter *w = timer_owner(timer, struct waiter, timer);
    assert_true(w->set && w->collected && !timer_is_set(timer));
    for (int i = 0; i < WAITERS; i++) {
        struct waiter *other = &waiters[i];
        if (other->collected && other != w)
            assert_true(w->due_ms < other->due_ms ||
                        (w->due_ms == other->due_ms && w->order < other->order));
    }
    w->set = w->collected = false;
    fired_now++;
    for (uint32_t n = meddle ? draw() % 4 : 0; n; n--)
        change_one();
}

static void check_wheel(void)
{
    size_t count = 0;
    uint64_t first_ms = TIMERS_NEVER, next_ms = timers_next(&wheel);
    for (int i = 0; i < WAITERS; i++) {
        assert_int_equal(timer_is_set(&waiters[i].timer), waiters[i].set);
        assert_false(waiters[i].collected);
        if (waiters[i].set && waiters[i].due_ms < first_ms)
            first_ms = waiters[i].due_ms;
        count += waiters[i].set;
    }
    assert_int_equal(wheel.count, count);
    assert_true(next_ms <= first_ms);
    assert_int_equal(next_ms == TIMERS_NEVER, count == 0);
    assert_true(count == 0 || next_ms >= wheel.now_ms);
    for (int level = 0; level < TIMERS_LEVELS; level++) {
        for (int slot = 0; slot < TIMERS_SLOTS; slot++)
            assert_int_equal(wheel.occupied[level] >> slot & 1,
                             !list_empty(&wheel.slots[level][slot]));
    }
}

static void advance(uint64_t now_ms)
{
    for (int i = 0; i < WAITERS; i++)
        waiters[i].collected = waiters[i].set && waiters[i].due_ms <= now_ms;
    fired_now = 0;
    size_t fired = timers_advance(&wheel, now_ms);
    assert_int_equal(fired, fired_now);
    assert_int_equal(wheel.now_ms, now_ms);
}

static void start(uint64_t now_ms, uint32_t first_seed)
{
    seed = first_seed;
    timers_init(&wheel, now_ms);
    for (int i = 0; i < WAITERS; i++) {
        waiters[i] = (struct waiter){0};
        timer_init(&waiters[i].timer, check_fired);
    }
}

static void run_model(uint64_t now_ms, uint32_t first_seed, int ops)
{
    start(now_ms, first_seed);
    size_t fired = 0;
    for (int op = 0; op < ops; op++) {
        if (draw() % 4) {
            change_one();
        } else {
            uint64_t next_ms = timers_next(&wheel);
            bool sleep = draw() % 2 && next_ms != TIMERS_NEVER;
            advance(sleep ? next_ms : wheel.now_ms + draw_delay_ms() / 16);
            fired += fired_now;
        }
        check_wheel();
    }
    assert_true(fired > (size_t)ops / 20);
}

static void a_hundred_thousand_changes_agree_with_an_array(void **state)
{
    (void)state;
    meddle = false;
    run_model(0, 1, 50000);
    run_model(1764000000000, 2, 50000); /* so high that every level's hand starts somewhere */
}

static void timers_that_change_others_agree_with_an_array(void **state)
{
    (void)state;
    meddle = true;
    run_model(UINT64_C(0xffffffff0), 3, 50000); /* just before a revolution ends */
}

static int fired_total;
static uint64_t fired_at_ms;

static void count_fired(struct timer *timer)
{
    (void)timer;
    fired_total++;
    fired_at_ms = wheel.now_ms;
}

/* Sleeping from timers_next to timers_next: on the millisecond, and woken once a level at most
 * (once more where a revolution ends). */
static void one_timer_fires_on_time_after_few_wakings(void **state)
{
    (void)state;
    static const uint64_t delays_ms[] = {0,
                                         1,
                                         63,
                                         64,
                                         65,
                                         4095,
                                         4096,
                                         90000,
                                         135001,
                                         86400000,
                                         (uint64_t)1 << 35,
                                         ((uint64_t)1 << 36) - 1,
                                         (uint64_t)1 << 36,
                                         UINT64_C(4294967295) * 1000};
    static const uint64_t starts_ms[] = {0, 63, 4095, 123456789, ((uint64_t)1 << 36) - 1};
    for (size_t s = 0; s < 5; s++) {
        for (size_t d = 0; d < 14; d++) {
            struct timer timer;
            timers_init(&wheel, starts_ms[s]);
            timer_init(&timer, count_fired);
            timer_set(&wheel, &timer, starts_ms[s] + delays_ms[d]);
            fired_total = 0;
            int wakings = 0;
            while (timers_next(&wheel) != TIMERS_NEVER) {
                timers_advance(&wheel, timers_next(&wheel));
                wakings++;
            }
            assert_int_equal(fired_total, 1);
            assert_true(fired_at_ms == starts_ms[s] + delays_ms[d]);
            assert_true(wakings <= TIMERS_LEVELS + 1 + (int)(delays_ms[d] >> 36));
        }
    }
}

static void a_time_that_has_passed_fires_at_the_next_advance(void **state)
{
    (void)state;
    struct timer timer;
    timers_init(&wheel, 1000);
    timer_init(&timer, count_fired);
    fired_total = 0;
    timer_set(&wheel, &timer, 3);
    assert_int_equal(fired_total, 0);
    assert_true(timers_next(&wheel) == 1000);
    assert_int_equal(timers_advance(&wheel, 1000), 1);
    assert_int_equal(fired_total, 1);
    assert_int_equal(timers_advance(&wheel, 1000), 0);
}

static void the_clock_never_goes_back(void **state)
{
    (void)state;
    struct timer timer;
    timers_init(&wheel, 1000);
    timer_init(&timer, count_fired);
    timer_set(&wheel, &timer, 1001);
    assert_int_equal(timers_advance(&wheel, 500), 0);
    assert_int_equal(wheel.now_ms, 1000);
    assert_int_equal(timers_advance(&wheel, 1001), 1);
}

static void set_again_for_now(struct timer *timer)
{
    fired_total++;
    timer_set(&wheel, timer, wheel.now_ms);
}

static void a_timer_that_sets_itself_fires_once_per_advance(void **state)
{
    (void)state;
    struct timer timer;
    timers_init(&wheel, 0);
    timer_init(&timer, set_again_for_now);
    timer_set(&wheel, &timer, 10);
    fired_total = 0;
    for (int turn = 1; turn <= 5; turn++) {
        assert_int_equal(timers_advance(&wheel, 100), 1);
        assert_int_equal(fired_total, turn);
    }
    timer_cancel(&wheel, &timer);
    timer_cancel(&wheel, &timer);
    assert_true(timers_next(&wheel) == TIMERS_NEVER);
    assert_int_equal(wheel.count, 0);
}

/* Four due in the same slot; the one that fires first frees the rest and itself. */
static struct timer *heap[4];

static void free_all(struct timer *timer)
{
    (void)timer;
    fired_total++;
    for (int i = 0; i < 4; i++) {
        timer_cancel(&wheel, heap[i]);
        free(heap[i]);
    }
}

static void a_firing_timer_may_free_those_due_beside_it(void **state)
{
    (void)state;
    timers_init(&wheel, 0);
    for (int i = 0; i < 4; i++) {
        heap[i] = malloc(sizeof(*heap[i]));
        timer_init(heap[i], free_all);
        timer_set(&wheel, heap[i], 77);
    }
    fired_total = 0;
    assert_int_equal(timers_advance(&wheel, 80), 1);
    assert_int_equal(fired_total, 1);
    assert_int_equal(wheel.count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_hundred_thousand_changes_agree_with_an_array),
        cmocka_unit_test(timers_that_change_others_agree_with_an_array),
        cmocka_unit_test(one_timer_fires_on_time_after_few_wakings),
        cmocka_unit_test(a_time_that_has_passed_fires_at_the_next_advance),
        cmocka_unit_test(the_clock_never_goes_back),
        cmocka_unit_test(a_timer_that_sets_itself_fires_once_per_advance),
        cmocka_unit_test(a_firing_timer_may_free_those_due_beside_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
