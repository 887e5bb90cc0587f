/* test_mqtt_aliases: the two tables of topic aliases, alone. */
#include "base/hash.h"
#include "protocols/mqtt/aliases.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
/* cmocka wants these before it */
#include <cmocka.h>

static void an_alias_is_set_replaced_and_found(void **state)
{
    (void)state;
    struct mqtt_aliases_in *table = NULL;
    struct mqtt_fault fault;
    struct slice topic = SLICE("one");
    assert_true(mqtt_aliases_resolve(&table, 4, 4, true, &topic, &fault));
    assert_true(slice_equal(topic, SLICE("one")));
    topic = SLICE_EMPTY;
    assert_true(mqtt_aliases_resolve(&table, 4, 4, true, &topic, &fault));
    assert_true(slice_equal(topic, SLICE("one")));
    topic = SLICE("another");
    assert_true(mqtt_aliases_resolve(&table, 4, 4, true, &topic, &fault));
    topic = SLICE_EMPTY;
    assert_true(mqtt_aliases_resolve(&table, 4, 4, true, &topic, &fault));
    assert_true(slice_equal(topic, SLICE("another")));
    mqtt_aliases_in_free(table);
}

static void a_topic_that_is_refused_is_not_kept(void **state)
{
    (void)state;
    struct mqtt_aliases_in *table = NULL;
    struct mqtt_fault fault;
    struct slice topic = SLICE("one");
    assert_true(mqtt_aliases_resolve(&table, 4, 1, true, &topic, &fault));
    topic = SLICE("much/too/deep");
    assert_true(mqtt_aliases_resolve(&table, 4, 1, false, &topic, &fault));
    assert_true(slice_equal(topic, SLICE("much/too/deep")));
    topic = SLICE_EMPTY;
    assert_true(mqtt_aliases_resolve(&table, 4, 1, false, &topic, &fault));
    assert_int_equal(topic.len, 0); /* neither this one nor what the alias meant before */
    mqtt_aliases_in_free(table);
}

static void an_alias_out_of_range_or_never_set_is_a_fault(void **state)
{
    (void)state;
    struct mqtt_aliases_in *table = NULL;
    struct mqtt_fault fault;
    struct slice topic = SLICE("one"), empty = SLICE_EMPTY;
    assert_false(mqtt_aliases_resolve(&table, 4, 0, true, &topic, &fault));
    assert_int_equal(fault.reason, MQTT_TOPIC_ALIAS_INVALID);
    assert_false(mqtt_aliases_resolve(&table, 4, 5, true, &topic, &fault));
    assert_int_equal(fault.reason, MQTT_TOPIC_ALIAS_INVALID);
    assert_false(mqtt_aliases_resolve(&table, 0, 1, true, &topic, &fault));
    assert_int_equal(fault.reason, MQTT_TOPIC_ALIAS_INVALID);
    assert_false(mqtt_aliases_resolve(&table, 4, 1, true, &empty, &fault));
    assert_int_equal(fault.reason, MQTT_PROTOCOL_ERROR);
    assert_null(table); /* nothing is made for those who only ask */
    assert_true(mqtt_aliases_resolve(&table, 4, 2, true, &topic, &fault));
    assert_false(mqtt_aliases_resolve(&table, 4, 1, true, &empty, &fault));
    mqtt_aliases_in_free(table);
    mqtt_aliases_in_free(NULL);
}

static void aliases_out_go_to_the_first_topics(void **state)
{
    (void)state;
    struct mqtt_aliases_out *table = NULL;
    hash_start(1);
    assert_int_equal(mqtt_aliases_known(NULL, SLICE("one")), 0);
    assert_int_equal(mqtt_aliases_next(NULL, 0), 0);
    for (unsigned i = 1; i <= 16; i++) {
        char topic[32];
        snprintf(topic, sizeof topic, "topic/%u", i);
        assert_int_equal(mqtt_aliases_known(table, slice_of_str(topic)), 0);
        assert_int_equal(mqtt_aliases_next(table, 16), i);
        assert_int_equal(mqtt_aliases_next(table, 16), i); /* asking gives nothing away */
        mqtt_aliases_told(&table, 16, slice_of_str(topic));
        assert_int_equal(mqtt_aliases_known(table, slice_of_str(topic)), i);
    }
    assert_int_equal(mqtt_aliases_next(table, 16), 0);
    mqtt_aliases_told(&table, 16, SLICE("one more"));
    assert_int_equal(mqtt_aliases_known(table, SLICE("one more")), 0);
    assert_int_equal(mqtt_aliases_known(table, SLICE("topic/7")), 7);
    mqtt_aliases_out_free(table);
    mqtt_aliases_out_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_alias_is_set_replaced_and_found),
        cmocka_unit_test(a_topic_that_is_refused_is_not_kept),
        cmocka_unit_test(an_alias_out_of_range_or_never_set_is_a_fault),
        cmocka_unit_test(aliases_out_go_to_the_first_topics),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
