/* Messages: copied once however many keep them, freed with the last, and never announced as
 * living shorter than they do. */
#include "broker/message.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static struct message borrowed(void)
{
    return (struct message){.topic = (const uint8_t *)"topic",
                            .topic_len = 5,
                            .payload = (const uint8_t *)"pay\0load",
                            .payload_len = 8,
                            .properties = (const uint8_t *)"properties",
                            .properties_len = 10,
                            .qos = 2,
                            .retain = true,
                            .expires_ms = 42};
}

static void a_borrowed_message_that_nobody_keeps_costs_nothing(void **state)
{
    (void)state;
    struct message m = borrowed();
    message_end(&m);
    assert_null(m.held);
}

static void many_holders_share_one_copy(void **state)
{
    (void)state;
    struct message m = borrowed();
    struct message *first = message_hold(&m), *second = message_hold(&m);
    assert_ptr_equal(first, second);
    assert_ptr_not_equal(first, &m);
    assert_ptr_equal(message_hold(first), first);
    message_end(&m);
    message_end(&m); /* harmless */
    message_unref(first);
    message_unref(second);
    assert_int_equal(first->refs, 1);
    message_unref(first);
}

static void a_copy_is_equal_and_stands_on_its_own(void **state)
{
    (void)state;
    char topic[] = "topic", payload[] = "payload";
    struct message m = {.topic = (const uint8_t *)topic,
                        .topic_len = 5,
                        .payload = (const uint8_t *)payload,
                        .payload_len = 7,
                        .qos = 1,
                        .retain = true,
                        .expires_ms = 42};
    struct message *kept = message_hold(&m);
    message_end(&m);
    memset(topic, 'x', sizeof topic);
    memset(payload, 'x', sizeof payload);
    assert_true(slice_equal(message_topic(kept), SLICE("topic")));
    assert_true(slice_equal(message_payload(kept), SLICE("payload")));
    assert_int_equal(message_properties(kept).len, 0);
    assert_int_equal(kept->qos, 1);
    assert_true(kept->retain);
    assert_int_equal(kept->expires_ms, 42);
    assert_int_equal(message_size(kept), 12);
    message_unref(kept);
}

static void all_three_parts_are_copied(void **state)
{
    (void)state;
    struct message m = borrowed();
    struct message *kept = message_hold(&m);
    assert_true(slice_equal(message_payload(kept), SLICE("pay\0load")));
    assert_true(slice_equal(message_properties(kept), SLICE("properties")));
    assert_int_equal(message_size(kept), 23);
    message_end(&m);
    message_unref(kept);
}

static void a_message_may_be_nothing_but_a_topic(void **state)
{
    (void)state;
    struct message m = {.topic = (const uint8_t *)"t", .topic_len = 1};
    struct message *kept = message_hold(&m);
    assert_int_equal(message_size(kept), 1);
    assert_int_equal(message_payload(kept).len, 0);
    message_end(&m);
    message_unref(kept);
    message_unref(NULL);
}

static void expiry_is_a_point_in_time_and_0_is_none(void **state)
{
    (void)state;
    struct message m = {.expires_ms = 10000};
    assert_false(message_expired(&m, 9999));
    assert_true(message_expired(&m, 10000));
    assert_true(message_expired(&m, INT64_MAX));
    m.expires_ms = 0;
    assert_false(message_expired(&m, INT64_MAX));
}

static void seconds_left_are_rounded_up_and_at_least_one(void **state)
{
    (void)state;
    const int64_t now = 1700000000000;
    struct message m = {.expires_ms = now + 5000};
    assert_int_equal(message_seconds_left(&m, now), 5);
    assert_int_equal(message_seconds_left(&m, now + 1), 5);
    assert_int_equal(message_seconds_left(&m, now + 999), 5);
    assert_int_equal(message_seconds_left(&m, now + 1000), 4);
    assert_int_equal(message_seconds_left(&m, now + 3999), 2);
    assert_int_equal(message_seconds_left(&m, now + 4000), 1);
    assert_int_equal(message_seconds_left(&m, now + 4999), 1);
    assert_int_equal(message_seconds_left(&m, now + 9000), 1);
    m.expires_ms = now + (int64_t)UINT32_MAX * 1000;
    assert_int_equal(message_seconds_left(&m, now), UINT32_MAX);
    assert_int_equal(message_seconds_left(&m, now - 5000), UINT32_MAX); /* the clock went back */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_borrowed_message_that_nobody_keeps_costs_nothing),
        cmocka_unit_test(many_holders_share_one_copy),
        cmocka_unit_test(a_copy_is_equal_and_stands_on_its_own),
        cmocka_unit_test(all_three_parts_are_copied),
        cmocka_unit_test(a_message_may_be_nothing_but_a_topic),
        cmocka_unit_test(expiry_is_a_point_in_time_and_0_is_none),
        cmocka_unit_test(seconds_left_are_rounded_up_and_at_least_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
