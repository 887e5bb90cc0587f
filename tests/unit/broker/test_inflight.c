/* The sender's machine against a plain array of 65,536 states. */
#include "broker/inflight.h"
#include "dice.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

enum { IDS = 65536 };

static int start(void **state)
{
    struct inflight *inflight = malloc(sizeof *inflight);
    inflight_init(inflight);
    *state = inflight;
    return 0;
}

static int stop(void **state)
{
    inflight_clear(*state);
    free(*state);
    return 0;
}

static struct inflight_entry *claim(struct inflight *inflight, uint8_t qos)
{
    struct inflight_entry *entry = calloc(1, sizeof *entry);
    entry->qos = qos;
    assert_int_equal(inflight_claim(inflight, entry), 0);
    assert_int_not_equal(entry->packet_id, 0);
    assert_int_equal(entry->state, INFLIGHT_SENT);
    return entry;
}

static enum inflight_step answer(struct inflight *inflight, uint16_t id, enum acknowledgement what)
{
    struct inflight_entry *entry = NULL;
    enum inflight_step step = inflight_answer(inflight, id, what, &entry);
    if (step == INFLIGHT_DONE)
        free(entry);
    return step;
}

static void qos_1_is_done_with_puback_and_with_nothing_else(void **state)
{
    struct inflight *inflight = *state;
    uint16_t id = claim(inflight, 1)->packet_id;
    assert_int_equal(answer(inflight, id, ACK_PUBREC), INFLIGHT_UNKNOWN);
    assert_int_equal(answer(inflight, id, ACK_PUBREC_REFUSED), INFLIGHT_UNKNOWN);
    assert_int_equal(answer(inflight, id, ACK_PUBCOMP), INFLIGHT_UNKNOWN);
    assert_int_equal(answer(inflight, id, ACK_PUBACK), INFLIGHT_DONE);
    assert_int_equal(answer(inflight, id, ACK_PUBACK), INFLIGHT_UNKNOWN);
    assert_int_equal(inflight->count, 0);
}

static void qos_2_goes_through_release_and_pubrec_may_come_twice(void **state)
{
    struct inflight *inflight = *state;
    uint16_t id = claim(inflight, 2)->packet_id;
    assert_int_equal(answer(inflight, id, ACK_PUBACK), INFLIGHT_UNKNOWN);
    assert_int_equal(answer(inflight, id, ACK_PUBCOMP), INFLIGHT_UNKNOWN);
    assert_int_equal(answer(inflight, id, ACK_PUBREC), INFLIGHT_RELEASE);
    assert_int_equal(answer(inflight, id, ACK_PUBREC), INFLIGHT_RELEASE);
    assert_int_equal(answer(inflight, id, ACK_PUBREC_REFUSED), INFLIGHT_UNKNOWN);
    assert_int_equal(answer(inflight, id, ACK_PUBACK), INFLIGHT_UNKNOWN);
    assert_int_equal(inflight->count, 1);
    assert_int_equal(answer(inflight, id, ACK_PUBCOMP), INFLIGHT_DONE);
    assert_int_equal(answer(inflight, id, ACK_PUBCOMP), INFLIGHT_UNKNOWN);
    assert_int_equal(inflight->count, 0);
}

static void qos_2_that_is_refused_is_done(void **state)
{
    struct inflight *inflight = *state;
    uint16_t id = claim(inflight, 2)->packet_id;
    assert_int_equal(answer(inflight, id, ACK_PUBREC_REFUSED), INFLIGHT_DONE);
    assert_null(inflight_find(inflight, id));
}

static void an_empty_table_knows_nothing(void **state)
{
    struct inflight *inflight = *state;
    for (int what = ACK_PUBACK; what <= ACK_PUBCOMP; what++) {
        assert_int_equal(answer(inflight, 0, (enum acknowledgement)what), INFLIGHT_UNKNOWN);
        assert_int_equal(answer(inflight, 1, (enum acknowledgement)what), INFLIGHT_UNKNOWN);
        assert_int_equal(answer(inflight, 65535, (enum acknowledgement)what), INFLIGHT_UNKNOWN);
    }
}

static void ids_rise_and_begin_again_after_65535(void **state)
{
    struct inflight *inflight = *state;
    for (uint32_t round = 0; round < 2; round++)
        for (uint32_t expected = 1; expected < IDS; expected++) { /* never 0 [MQTT-2.2.1-2] */
            uint16_t id = claim(inflight, 1)->packet_id;
            assert_int_equal(id, expected);
            assert_int_equal(answer(inflight, id, ACK_PUBACK), INFLIGHT_DONE);
        }
}

static void an_id_in_use_is_passed_over(void **state)
{
    struct inflight *inflight = *state;
    uint16_t kept = claim(inflight, 1)->packet_id;
    for (uint32_t i = 0; i < 2 * IDS; i++) {
        uint16_t id = claim(inflight, 1)->packet_id;
        assert_int_not_equal(id, kept);
        assert_int_equal(answer(inflight, id, ACK_PUBACK), INFLIGHT_DONE);
    }
    assert_int_equal(answer(inflight, kept, ACK_PUBACK), INFLIGHT_DONE);
}

static void all_65535_ids_can_be_in_use_and_then_there_is_none(void **state)
{
    struct inflight *inflight = *state;
    static struct inflight_entry entries[IDS];
    static bool seen[IDS];
    for (uint32_t i = 0; i < IDS - 1; i++) {
        entries[i].qos = 1 + i % 2;
        assert_int_equal(inflight_claim(inflight, &entries[i]), 0);
        assert_false(seen[entries[i].packet_id]);
        seen[entries[i].packet_id] = true;
    }
    assert_false(seen[0]);
    assert_int_equal(inflight_claim(inflight, &entries[IDS - 1]), -EAGAIN);
    /* The one that comes back is the one that is given out. */
    uint16_t id = entries[4711].packet_id;
    inflight_drop(inflight, &entries[4711]);
    assert_int_equal(entries[4711].packet_id, 0);
    assert_int_equal(inflight_claim(inflight, &entries[IDS - 1]), 0);
    assert_int_equal(entries[IDS - 1].packet_id, id);
    assert_ptr_equal(inflight_find(inflight, id), &entries[IDS - 1]);
}

/* ---- against the array ---- */

enum known { FREE, SENT_1, SENT_2, RELEASED };

static enum inflight_step expected(enum known *known, enum acknowledgement what)
{
    bool done = (*known == SENT_1 && what == ACK_PUBACK) ||
                (*known == SENT_2 && what == ACK_PUBREC_REFUSED) ||
                (*known == RELEASED && what == ACK_PUBCOMP);
    bool release = (*known == SENT_2 || *known == RELEASED) && what == ACK_PUBREC;
    *known = done ? FREE : release ? RELEASED : *known;
    return done ? INFLIGHT_DONE : release ? INFLIGHT_RELEASE : INFLIGHT_UNKNOWN;
}

static void play(struct inflight *inflight, struct dice *dice, uint32_t window, int rounds)
{
    static enum known known[IDS];
    static uint16_t used[IDS];
    uint32_t count = 0;
    for (int round = 0; round < rounds; round++) {
        if (count < window && dice_throw(dice, 2)) {
            uint8_t qos = (uint8_t)(1 + dice_throw(dice, 2));
            uint16_t id = claim(inflight, qos)->packet_id;
            assert_int_equal(known[id], FREE); /* [MQTT-2.2.1-3] */
            known[id] = qos == 1 ? SENT_1 : SENT_2;
            used[count++] = id;
            continue;
        }
        /* Mostly an id in use, sometimes any. */
        uint32_t at = count ? dice_throw(dice, count) : 0;
        bool any = count == 0 || dice_throw(dice, 8) == 0;
        uint16_t id = any ? (uint16_t)dice_throw(dice, IDS) : used[at];
        enum acknowledgement what = (enum acknowledgement)dice_throw(dice, 4);
        enum known before = known[id];
        assert_int_equal(inflight_find(inflight, id) != NULL, before != FREE);
        enum inflight_step step = expected(&known[id], what);
        assert_int_equal(answer(inflight, id, what), step);
        if (step != INFLIGHT_DONE)
            continue;
        for (at = 0; used[at] != id; at++)
            ;
        used[at] = used[--count];
        assert_int_equal(inflight->count, count);
    }
    while (count > 0) {
        uint16_t id = used[--count];
        struct inflight_entry *entry = inflight_find(inflight, id);
        inflight_drop(inflight, entry);
        free(entry);
        known[id] = FREE;
    }
}

static void random_answers_agree_with_the_array(void **state)
{
    struct dice dice = {99};
    static const uint32_t windows[] = {1, 2, 7, 8, 9, 32, 100, 1000};
    for (size_t i = 0; i < sizeof windows / sizeof windows[0]; i++) {
        play(*state, &dice, windows[i], 150000);
        assert_int_equal(((struct inflight *)*state)->count, 0);
    }
}

#define T(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(qos_1_is_done_with_puback_and_with_nothing_else),
        T(qos_2_goes_through_release_and_pubrec_may_come_twice),
        T(qos_2_that_is_refused_is_done),
        T(an_empty_table_knows_nothing),
        T(ids_rise_and_begin_again_after_65535),
        T(an_id_in_use_is_passed_over),
        T(all_65535_ids_can_be_in_use_and_then_there_is_none),
        T(random_answers_agree_with_the_array),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
