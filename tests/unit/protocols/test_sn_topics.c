/* Tests protocols/mqtt_sn/topics.c and predefined.c. */
#include "base/hash.h"
#include "protocols/mqtt_sn/predefined.h"
#include "protocols/mqtt_sn/topics.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static int set_up(void **state)
{
    hash_start(1);
    *state = sn_topics_new();
    return *state ? 0 : -1;
}

static int tear_down(void **state)
{
    sn_topics_free(*state);
    return 0;
}

static void ids_rise_from_one_and_stay(void **state)
{
    struct sn_topics *topics = *state;
    assert_int_equal(sn_topics_add(topics, SLICE("a"), NULL, NULL)->id, 1);
    assert_int_equal(sn_topics_add(topics, SLICE("b"), NULL, NULL)->id, 2);
    assert_int_equal(sn_topics_named(topics, SLICE("a"))->id, 1);
    assert_true(slice_equal(slice_of(sn_topics_find(topics, 2)->name, 1), SLICE("b")));
    assert_null(sn_topics_find(topics, 3));
    assert_null(sn_topics_find(topics, 0));
    assert_null(sn_topics_named(topics, SLICE("c")));
    assert_null(sn_topics_find(NULL, 1));
    assert_null(sn_topics_named(NULL, SLICE("a")));
}

static bool is_even(const void *of, uint16_t id)
{
    (void)of;
    return id % 2 == 0;
}

static void an_id_that_is_taken_is_not_given(void **state)
{
    struct sn_topics *topics = *state;
    assert_int_equal(sn_topics_add(topics, SLICE("a"), is_even, NULL)->id, 1);
    assert_int_equal(sn_topics_add(topics, SLICE("b"), is_even, NULL)->id, 3);
    assert_int_equal(sn_topics_add(topics, SLICE("c"), is_even, NULL)->id, 5);
    assert_non_null(sn_topics_find(topics, 5));
    assert_null(sn_topics_find(topics, 4));
}

static void reserved_ids_are_never_given(void **state)
{
    struct sn_topics *topics = *state;
    char name[16];
    for (unsigned i = 1; i <= 0xFFFE; i++) {
        snprintf(name, sizeof name, "%u", i);
        assert_int_equal(sn_topics_add(topics, slice_of_str(name), NULL, NULL)->id, i);
    }
    assert_null(sn_topics_add(topics, SLICE("one more"), NULL, NULL));
}

static void a_table_comes_back_as_it_was_written_and_is_in_doubt(void **state)
{
    struct sn_topics *topics = *state, *again = sn_topics_new();
    sn_topics_add(topics, SLICE("a/b"), NULL, NULL)->known = true;
    sn_topics_add(topics, SLICE("c"), NULL, NULL);
    size_t size = sn_topics_size(topics);
    uint8_t *bytes = malloc(size);
    struct writer w = writer_of(bytes, size);
    sn_topics_write(topics, &w);
    assert_false(w.overflow);
    assert_int_equal(writer_len(&w), size);
    assert_true(sn_topics_read(again, slice_of(bytes, size)));
    assert_int_equal(sn_topics_named(again, SLICE("a/b"))->id, 1);
    assert_false(sn_topics_named(again, SLICE("a/b"))->known);
    assert_int_equal(sn_topics_named(again, SLICE("c"))->id, 2);
    for (size_t len = 1; len < size; len++) { /* cut anywhere: what came before, or refused */
        struct sn_topics *part = sn_topics_new();
        uint8_t *exact = malloc(len);
        memcpy(exact, bytes, len);
        bool whole = sn_topics_read(part, slice_of(exact, len));
        assert_int_equal(whole, len == 7); /* the end of the first row */
        free(exact);
        sn_topics_free(part);
    }
    sn_topics_doubt(topics);
    assert_false(sn_topics_named(topics, SLICE("a/b"))->known);
    sn_topics_free(again);
    free(bytes);
}

static void rows_that_contradict_each_other_are_refused(void **state)
{
    struct sn_topics *topics = *state;
    assert_false(sn_topics_read(topics, SLICE("\0\2\0\1a\0\1\0\1b"))); /* ids fall */
    assert_int_equal(topics->count, 1);
    struct sn_topics *same = sn_topics_new();
    assert_false(sn_topics_read(same, SLICE("\0\1\0\1a\0\2\0\1a"))); /* a name twice */
    sn_topics_free(same);
    struct sn_topics *reserved = sn_topics_new();
    assert_false(sn_topics_read(reserved, SLICE("\xff\xff\0\1a")));
    assert_false(sn_topics_read(reserved, SLICE("\0\0\0\1a")));
    sn_topics_free(reserved);
}

/* ---- predefined ---- */

static const char table[] = "* 1 sensors/hall,dev-7 1 own/topic,* 2 a b c,dev-7 3 other";

static void a_clients_own_entry_goes_before_that_for_everybody(void **state)
{
    (void)state;
    assert_true(slice_equal(sn_predefined_topic(table, SLICE("x"), 1), SLICE("sensors/hall")));
    assert_true(slice_equal(sn_predefined_topic(table, SLICE("dev-7"), 1), SLICE("own/topic")));
    assert_true(slice_equal(sn_predefined_topic(table, SLICE("dev-7"), 2), SLICE("a b c")));
    assert_int_equal(sn_predefined_topic(table, SLICE("x"), 3).len, 0);
    assert_int_equal(sn_predefined_topic(NULL, SLICE("x"), 1).len, 0);
    assert_int_equal(sn_predefined_topic(table, SLICE("*"), 3).len, 0);
}

static void an_id_is_told_only_where_it_means_the_topic(void **state)
{
    (void)state;
    assert_int_equal(sn_predefined_id(table, SLICE("x"), SLICE("sensors/hall")), 1);
    assert_int_equal(sn_predefined_id(table, SLICE("dev-7"), SLICE("sensors/hall")), 0);
    assert_int_equal(sn_predefined_id(table, SLICE("dev-7"), SLICE("own/topic")), 1);
    assert_int_equal(sn_predefined_id(table, SLICE("x"), SLICE("own/topic")), 0);
    assert_int_equal(sn_predefined_id(table, SLICE("x"), SLICE("nothing")), 0);
    assert_int_equal(sn_predefined_id(NULL, SLICE("x"), SLICE("sensors/hall")), 0);
}

static void a_table_with_a_mistake_is_refused_and_says_where(void **state)
{
    (void)state;
    char why[256];
    assert_true(sn_predefined_valid(table, why, sizeof why));
    assert_true(sn_predefined_valid("", why, sizeof why));
    const char *wrong[] = {"* 1",  "* 0 a",   "* 65535 a",   "* x a",
                           "* 1 ", "* 1 a/+", "* 1 a,* 1 b", "* 1 a,* 2 a",
                           " 1 a", "* 1 a,,", "* 123456 a",  "* 1 a,d 1 a,d 1 b"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        if (sn_predefined_valid(wrong[i], why, sizeof why))
            fail_msg("\"%s\" was taken", wrong[i]);
        assert_memory_equal(why, "entry ", 6);
    }
    assert_false(sn_predefined_valid("* 1 a,* 2 b,* 2 c", why, sizeof why));
    assert_memory_equal(why, "entry 3 has an id", 17);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(ids_rise_from_one_and_stay, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_id_that_is_taken_is_not_given, set_up, tear_down),
        cmocka_unit_test_setup_teardown(reserved_ids_are_never_given, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_table_comes_back_as_it_was_written_and_is_in_doubt,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(rows_that_contradict_each_other_are_refused, set_up,
                                        tear_down),
        cmocka_unit_test(a_clients_own_entry_goes_before_that_for_everybody),
        cmocka_unit_test(an_id_is_told_only_where_it_means_the_topic),
        cmocka_unit_test(a_table_with_a_mistake_is_refused_and_says_where),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
