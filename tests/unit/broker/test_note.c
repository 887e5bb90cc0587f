/* What protocols have remembered for them. */
#include "fake_client.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static int start(void **state)
{
    *state = world_new();
    return 0;
}

static int stop(void **state)
{
    world_free(*state);
    return 0;
}

static void a_note_is_found_replaced_and_removed(void **state)
{
    struct broker *broker = ((struct world *)*state)->broker;
    struct slice value;
    assert_false(broker_find_note(broker, "coap", SLICE("a"), &value));
    assert_int_equal(broker_note(broker, "coap", SLICE("a"), SLICE("one")), 0);
    assert_int_equal(broker_note(broker, "coap", SLICE("b"), SLICE("two")), 0);
    assert_true(broker_find_note(broker, "coap", SLICE("a"), &value));
    assert_true(slice_equal(value, SLICE("one")));
    assert_int_equal(broker_note(broker, "coap", SLICE("a"), SLICE("three")), 0);
    assert_true(broker_find_note(broker, "coap", SLICE("a"), &value));
    assert_true(slice_equal(value, SLICE("three")));
    assert_int_equal(broker_note(broker, "coap", SLICE("a"), SLICE_EMPTY), 0);
    assert_false(broker_find_note(broker, "coap", SLICE("a"), &value));
    assert_int_equal(broker_note(broker, "coap", SLICE("never"), SLICE_EMPTY), 0);
    assert_true(broker_find_note(broker, "coap", SLICE("b"), &value));
}

static void the_same_name_of_two_owners_is_two_notes(void **state)
{
    struct broker *broker = ((struct world *)*state)->broker;
    struct slice value;
    broker_note(broker, "coap", SLICE("x"), SLICE("1"));
    broker_note(broker, "coap_x", SLICE(""), SLICE("2"));
    broker_note(broker, "mqtt_sn", SLICE("x"), SLICE("3"));
    assert_true(broker_find_note(broker, "coap", SLICE("x"), &value));
    assert_true(slice_equal(value, SLICE("1")));
    assert_true(broker_find_note(broker, "mqtt_sn", SLICE("x"), &value));
    assert_true(slice_equal(value, SLICE("3")));
}

static void a_name_may_be_long_and_hold_any_byte(void **state)
{
    struct broker *broker = ((struct world *)*state)->broker;
    char name[1000];
    for (size_t i = 0; i < sizeof name; i++)
        name[i] = (char)i;
    struct slice value;
    assert_int_equal(broker_note(broker, "p", slice_of(name, sizeof name), SLICE("v")), 0);
    assert_true(broker_find_note(broker, "p", slice_of(name, sizeof name), &value));
    assert_false(broker_find_note(broker, "p", slice_of(name, sizeof name - 1), &value));
}

struct sum {
    int count, total;
};

static void add(void *to, struct slice name, struct slice value)
{
    struct sum *sum = to;
    sum->count++;
    assert_int_equal(name.len, 2);
    sum->total += value.at[0] - '0';
}

static void each_note_of_an_owner_is_seen_once(void **state)
{
    struct broker *broker = ((struct world *)*state)->broker;
    for (int i = 0; i < 10; i++) {
        char name[8], value[2] = {(char)('0' + i), 0};
        snprintf(name, sizeof name, "n%d", i);
        broker_note(broker, "mine", slice_of_str(name), slice_of_str(value));
        broker_note(broker, "other", slice_of_str(name), slice_of_str(value));
    }
    struct sum sum = {0};
    broker_each_note(broker, "mine", add, &sum);
    assert_int_equal(sum.count, 10);
    assert_int_equal(sum.total, 45);
}

static void a_session_keeps_one_note_until_it_ends(void **state)
{
    struct world *w = *state;
    struct fake_client *client = client_new();
    client_connect_persistent(w, client, "s");
    assert_int_equal(session_noted(client->session).len, 0);
    assert_int_equal(session_note(client->session, SLICE("first")), 0);
    assert_int_equal(session_note(client->session, SLICE("second")), 0);
    client_leave(w, client);
    client_connect_persistent(w, client, "s");
    assert_true(slice_equal(session_noted(client->session), SLICE("second")));
    assert_int_equal(session_note(client->session, SLICE_EMPTY), 0);
    assert_int_equal(session_noted(client->session).len, 0);
    session_note(client->session, SLICE("third"));
    client_connect(w, client, "s"); /* a clean start */
    assert_int_equal(session_noted(client->session).len, 0);
    free(client);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_note_is_found_replaced_and_removed, start, stop),
        cmocka_unit_test_setup_teardown(the_same_name_of_two_owners_is_two_notes, start, stop),
        cmocka_unit_test_setup_teardown(a_name_may_be_long_and_hold_any_byte, start, stop),
        cmocka_unit_test_setup_teardown(each_note_of_an_owner_is_seen_once, start, stop),
        cmocka_unit_test_setup_teardown(a_session_keeps_one_note_until_it_ends, start, stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
