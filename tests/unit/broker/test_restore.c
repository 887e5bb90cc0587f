/* What is there again after a crash. */
#include "kept_stage.h"

static void a_session_and_its_subscriptions_are_there_again(void **state)
{
    struct scene *s = *state;
    client_connect_persistent(s->w, s->a, "a");
    struct subscribe_options options = {
        .qos = 1, .retain_as_published = true, .identifier = 268435455};
    broker_subscribe(s->w->broker, s->a->session, SLICE("x/+"), &options);
    client_subscribe(s->w, s->a, "gone", 1);
    client_subscribe(s->w, s->a, "$share/g/y", 2);
    broker_unsubscribe(s->w->broker, s->a->session, SLICE("gone"));
    session_note(s->a->session, SLICE("topic ids"));
    settle(s);
    crash(s, 1000);
    assert_int_equal(broker_stats(s->w->broker)->subscriptions, 1);
    assert_int_equal(broker_stats(s->w->broker)->shared_subscriptions, 1);
    assert_int_equal(s->store->rejected, 0);
    client_connect_persistent(s->w, s->a, "a");
    assert_true(s->a->present);
    assert_true(slice_equal(session_noted(s->a->session), SLICE("topic ids")));
    assert_int_equal(client_publish(s->w, s->pub, "gone", "1", 1, false), VERDICT_NO_SUBSCRIBERS);
    client_publish(s->w, s->pub, "x/1", "1", 2, true);
    client_publish(s->w, s->pub, "y", "2", 1, false);
    settle(s);
    assert_int_equal(s->a->count, 2);
    assert_int_equal(s->a->got[0].qos, 1);
    assert_true(s->a->got[0].retain);
    assert_int_equal(s->a->got[0].identifiers[0], 268435455);
    assert_string_equal(s->a->got[1].payload, "2");
}

static void what_was_queued_comes_in_order(void **state)
{
    struct scene *s = *state;
    client_connect_persistent(s->w, s->a, "a");
    client_subscribe(s->w, s->a, "x", 2);
    client_leave(s->w, s->a);
    for (int i = 0; i < 100; i++) {
        char text[8];
        snprintf(text, sizeof text, "%d", i);
        client_publish(s->w, s->pub, "x", text, 1 + i % 2, false);
    }
    settle(s);
    crash(s, 1000);
    assert_int_equal(broker_stats(s->w->broker)->queued_messages, 100);
    s->w->limits.inflight = 1000;
    client_connect_persistent(s->w, s->a, "a");
    settle(s);
    assert_int_equal(s->a->count, 100);
    int last[3] = {-1, -1, -1};
    for (int i = 0; i < 100; i++) {
        const struct fake_delivery *got = &s->a->got[i];
        int n = atoi(got->payload);
        assert_int_equal(got->qos, 1 + n % 2);
        assert_true(n > last[got->qos]); /* in order among those of one QoS */
        assert_false(got->dup);
        last[got->qos] = n;
    }
}

static void what_was_under_way_comes_again_with_its_packet_id(void **state)
{
    struct scene *s = *state;
    client_connect_persistent(s->w, s->a, "a");
    client_subscribe(s->w, s->a, "x", 2);
    client_publish(s->w, s->pub, "x", "one", 1, false);
    client_publish(s->w, s->pub, "x", "two", 2, false);
    client_publish(s->w, s->pub, "x", "released", 2, false);
    settle(s);
    assert_int_equal(s->a->count, 3);
    session_acknowledged(s->a->session, s->a->got[2].packet_id, ACK_PUBREC);
    uint16_t one = s->a->got[0].packet_id, two = s->a->got[1].packet_id,
             released = s->a->got[2].packet_id;
    settle(s);
    assert_int_equal(fake_store_rows(s->store, ROW_MESSAGE), 2);
    crash(s, 0);
    s->a->released_count = 0;
    client_connect_persistent(s->w, s->a, "a");
    assert_int_equal(s->a->count, 2);
    assert_int_equal(s->a->got[0].packet_id, one);
    assert_true(s->a->got[0].dup);
    assert_int_equal(s->a->got[1].packet_id, two);
    assert_true(s->a->got[1].dup);
    assert_int_equal(s->a->released_count, 1);
    assert_int_equal(s->a->released[0], released);
    assert_true(session_acknowledged(s->a->session, released, ACK_PUBCOMP));
    assert_true(session_acknowledged(s->a->session, one, ACK_PUBACK));
    assert_true(session_acknowledged(s->a->session, two, ACK_PUBREC));
    assert_true(session_acknowledged(s->a->session, two, ACK_PUBCOMP));
    settle(s);
    assert_int_equal(fake_store_rows(s->store, ROW_QUEUED), 0);
    assert_int_equal(fake_store_rows(s->store, ROW_MESSAGE), 0);
}

static void received_ids_are_remembered(void **state)
{
    struct scene *s = *state;
    client_connect_persistent(s->w, s->a, "a");
    session_received(s->a->session, 1);
    session_received(s->a->session, 2);
    session_received(s->a->session, 3);
    session_forget(s->a->session, 2);
    settle(s);
    crash(s, 0);
    client_connect_persistent(s->w, s->a, "a");
    assert_int_equal(session_received(s->a->session, 1), INBOUND_DUPLICATE);
    assert_int_equal(session_received(s->a->session, 2), INBOUND_NEW);
    assert_int_equal(session_received(s->a->session, 3), INBOUND_DUPLICATE);
    assert_true(session_forget(s->a->session, 3));
}

static void retained_values_keep_all_they_have(void **state)
{
    struct scene *s = *state;
    struct message m = {.topic = (const uint8_t *)"r",
                        .topic_len = 1,
                        .payload = (const uint8_t *)"v\0w",
                        .payload_len = 3,
                        .properties = (const uint8_t *)"\x01\x01",
                        .properties_len = 2,
                        .qos = 1,
                        .retain = true,
                        .expires_ms = s->w->wall_ms + 5000};
    broker_publish(s->w->broker, s->pub->session, &m);
    message_end(&m);
    client_publish(s->w, s->pub, "removed", "1", 1, true);
    settle(s);
    client_publish(s->w, s->pub, "removed", "", 1, true);
    settle(s);
    crash(s, 1000);
    assert_int_equal(broker_stats(s->w->broker)->retained_messages, 1);
    struct message *found = retained_find(s->w->broker, SLICE("r"));
    assert_non_null(found);
    assert_true(slice_equal(message_payload(found), slice_of("v\0w", 3)));
    assert_true(slice_equal(message_properties(found), slice_of("\x01\x01", 2)));
    assert_int_equal(found->expires_ms, m.expires_ms);
    assert_int_equal(found->qos, 1);
    assert_non_null(found->author);
    assert_true(slice_equal(slice_of(found->author->client_id, found->author->client_id_len),
                            SLICE("pub")));
    /* It expires by the wall clock, and its rows go. */
    for (int i = 0; i < 6; i++)
        world_pass(s->w, 1000);
    settle(s);
    assert_null(retained_find(s->w->broker, SLICE("r")));
    assert_int_equal(fake_store_rows(s->store, ROW_RETAINED), 0);
    assert_int_equal(fake_store_rows(s->store, ROW_MESSAGE), 0);
}

static void notes_are_there_again(void **state)
{
    struct scene *s = *state;
    broker_note(s->w->broker, "coap", SLICE("k\0k"), SLICE("v"));
    broker_note(s->w->broker, "coap", SLICE("gone"), SLICE("v"));
    settle(s);
    broker_note(s->w->broker, "coap", SLICE("gone"), SLICE_EMPTY);
    settle(s);
    crash(s, 0);
    struct slice value;
    assert_true(broker_find_note(s->w->broker, "coap", SLICE("k\0k"), &value));
    assert_true(slice_equal(value, SLICE("v")));
    assert_false(broker_find_note(s->w->broker, "coap", SLICE("gone"), &value));
}

/* ---- time ---- */

static void expiry_goes_on_while_the_daemon_is_down(void **state)
{
    struct scene *s = *state;
    connect_for(s, s->a, "a", 10, NULL);
    connect_for(s, s->b, "b", SESSION_NEVER_EXPIRES, NULL);
    settle(s);
    client_leave(s->w, s->a);
    client_leave(s->w, s->b);
    settle(s);
    crash(s, 6000);
    world_pass(s->w, 3000);
    assert_non_null(find(s, "a"));
    world_pass(s->w, 1100);
    assert_null(find(s, "a"));
    settle(s);
    crash(s, (uint64_t)1000 * 86400 * 400);
    assert_null(find(s, "a"));
    assert_non_null(find(s, "b"));
    assert_int_equal(fake_store_rows(s->store, ROW_SESSION), 1);
}

static void what_has_expired_meanwhile_goes_at_once(void **state)
{
    struct scene *s = *state;
    connect_for(s, s->a, "a", 10, NULL);
    client_subscribe(s->w, s->a, "x", 1);
    client_leave(s->w, s->a);
    client_publish(s->w, s->pub, "x", "1", 1, false);
    settle(s);
    crash(s, 100000);
    world_pass(s->w, 1);
    assert_null(find(s, "a"));
    settle(s);
    assert_int_equal(fake_store_rows(s->store, ROW_SESSION), 0);
    assert_int_equal(fake_store_rows(s->store, ROW_SUBSCRIPTION), 0);
    assert_int_equal(fake_store_rows(s->store, ROW_QUEUED), 0);
    assert_int_equal(fake_store_rows(s->store, ROW_MESSAGE), 0);
}

static void who_was_there_at_the_crash_left_when_the_daemon_came_back(void **state)
{
    struct scene *s = *state;
    connect_for(s, s->a, "a", 10, NULL);
    settle(s);
    world_pass(s->w, 60000);
    crash(s, 60000);
    world_pass(s->w, 9000);
    assert_non_null(find(s, "a"));
    settle(s);
    crash(s, 0); /* from the first restart on, not from each */
    world_pass(s->w, 1100);
    assert_null(find(s, "a"));
}

static void a_clock_that_went_back_prolongs_nothing_for_ever(void **state)
{
    struct scene *s = *state;
    connect_for(s, s->a, "a", 10, NULL);
    client_leave(s->w, s->a);
    settle(s);
    s->w->wall_ms -= (int64_t)86400 * 1000 * 365;
    crash(s, 0);
    world_pass(s->w, 9000);
    assert_non_null(find(s, "a"));
    world_pass(s->w, 1100);
    assert_null(find(s, "a"));
}

static void a_will_fires_after_the_restart_as_its_delay_says(void **state)
{
    struct scene *s = *state;
    connect_for(s, s->a, "a", 3600, make_will("will/a", "gone", 5));
    connect_for(s, s->b, "b", 3600, make_will("will/b", "gone", 0));
    settle(s);
    crash(s, 100000);
    client_subscribe(s->w, s->pub, "will/+", 1);
    client_forget(s->pub);
    world_pass(s->w, 1);
    assert_int_equal(s->pub->count, 1);
    assert_string_equal(s->pub->got[0].topic, "will/b");
    world_pass(s->w, 5000);
    assert_int_equal(s->pub->count, 2);
    assert_string_equal(s->pub->got[1].topic, "will/a");
    settle(s);
    crash(s, 0); /* once only */
    client_subscribe(s->w, s->pub, "will/+", 1);
    client_forget(s->pub);
    world_pass(s->w, 10000);
    assert_int_equal(s->pub->count, 0);
}

static void wills_that_wait_for_their_turn_survive_too(void **state)
{
    struct scene *s = *state;
    s->w->limits.wills_per_second = 1;
    for (int i = 0; i < 5; i++) {
        char id[4] = {'s', (char)('0' + i), 0};
        connect_for(s, s->a, id, 3600, make_will("will/x", id, 0));
        client_vanish(s->w, s->a);
    }
    settle(s);
    crash(s, 1000);
    client_subscribe(s->w, s->pub, "will/+", 1);
    client_forget(s->pub);
    for (int i = 0; i < 10; i++)
        world_pass(s->w, 1000);
    assert_in_range(s->pub->count, 3, 4); /* one or two were said before */
    assert_string_equal(s->pub->got[s->pub->count - 1].payload, "s4");
    settle(s);
    assert_int_equal(fake_store_rows(s->store, ROW_NOTE), 1); /* that of the numbers */
}

static void a_clean_goodbye_leaves_no_will(void **state)
{
    struct scene *s = *state;
    connect_for(s, s->a, "a", 3600, make_will("will/a", "gone", 0));
    settle(s);
    client_leave(s->w, s->a);
    settle(s);
    crash(s, 0);
    client_subscribe(s->w, s->pub, "will/+", 1);
    client_forget(s->pub);
    world_pass(s->w, 10000);
    assert_int_equal(s->pub->count, 0);
}

/* ---- who is who ---- */

static void a_session_stays_whose_it_was(void **state)
{
    struct scene *s = *state;
    struct connect_request request = usual_request("a");
    struct identity *ann = identity_of_certificate(SLICE("ann"), SLICE("device 1"));
    struct identity *bob = identity_new(SLICE("bob"), false);
    request.identity = ann;
    request.clean_start = false;
    request.expiry_s = 3600;
    request.mountpoint = "plant/";
    assert_int_equal(client_connect_as(s->w, s->a, request), VERDICT_OK);
    client_subscribe(s->w, s->a, "x", 1);
    settle(s);
    crash(s, 0);
    assert_true(slice_equal(identity_common_name(find(s, "a")->identity), SLICE("device 1")));
    request.identity = bob;
    assert_int_equal(client_connect_as(s->w, s->b, request), VERDICT_DENIED);
    request.identity = ann;
    assert_int_equal(client_connect_as(s->w, s->a, request), VERDICT_OK);
    assert_true(s->a->present);
    client_publish(s->w, s->pub, "plant/x", "1", 1, false);
    assert_int_equal(s->a->count, 1);
    assert_string_equal(s->a->got[0].topic, "x");
    identity_unref(ann);
    identity_unref(bob);
}

static void a_clean_start_leaves_nothing_of_before(void **state)
{
    struct scene *s = *state;
    client_connect_persistent(s->w, s->a, "a");
    client_subscribe(s->w, s->a, "x", 1);
    session_received(s->a->session, 5);
    client_leave(s->w, s->a);
    client_publish(s->w, s->pub, "x", "1", 1, false);
    settle(s);
    struct connect_request request = usual_request("a");
    request.expiry_s = 100;
    client_connect_as(s->w, s->a, request);
    assert_false(s->a->present);
    settle(s);
    crash(s, 0);
    connect_for(s, s->a, "a", 100, NULL);
    assert_true(s->a->present);
    assert_int_equal(s->a->count, 0);
    assert_int_equal(session_received(s->a->session, 5), INBOUND_NEW);
    assert_int_equal(client_publish(s->w, s->pub, "x", "1", 1, false), VERDICT_NO_SUBSCRIBERS);
    assert_int_equal(fake_store_rows(s->store, ROW_MESSAGE), 0);
}

static void a_session_that_becomes_lasting_takes_all_it_has_along(void **state)
{
    struct scene *s = *state;
    client_connect(s->w, s->a, "a");
    client_subscribe(s->w, s->a, "$share/g/x/#", 2);
    client_subscribe(s->w, s->a, "y", 2);
    client_publish(s->w, s->pub, "y", "1", 1, false);
    session_received(s->a->session, 9);
    settle(s);
    assert_int_equal(fake_store_rows(s->store, ROW_SESSION), 0);
    session_set_expiry(s->a->session, 100);
    settle(s);
    crash(s, 0);
    connect_for(s, s->a, "a", 100, NULL);
    assert_true(s->a->present);
    assert_int_equal(s->a->count, 1);
    assert_true(s->a->got[0].dup);
    assert_int_equal(session_received(s->a->session, 9), INBOUND_DUPLICATE);
    client_publish(s->w, s->pub, "x/1", "2", 1, false);
    assert_int_equal(s->a->count, 2);
}

static void a_session_made_to_end_with_its_connection_does_not_come_back(void **state)
{
    struct scene *s = *state;
    client_connect_persistent(s->w, s->a, "a");
    settle(s);
    session_set_expiry(s->a->session, 0);
    settle(s);
    crash(s, 0);
    world_pass(s->w, 1);
    assert_null(find(s, "a"));
    settle(s);
    assert_int_equal(fake_store_rows(s->store, ROW_SESSION), 0);
}

static void numbers_are_not_given_twice(void **state)
{
    struct scene *s = *state;
    uint64_t highest = 0;
    for (int run = 0; run < 5; run++) {
        client_connect_persistent(s->w, s->a, "a");
        assert_true(session_number(s->a->session) > highest);
        settle(s);
        highest = s->w->broker->durable.number;
        broker_kick(s->w->broker, SLICE("a"), EXPEL_DENIED);
        settle(s);
        assert_int_equal(fake_store_rows(s->store, ROW_SESSION), 0);
        crash(s, 0);
    }
}

static void what_a_share_leaves_waiting_finds_another_member_after_a_restart(void **state)
{
    struct scene *s = *state;
    client_connect_persistent(s->w, s->a, "a");
    client_connect_persistent(s->w, s->b, "b");
    client_subscribe(s->w, s->a, "$share/g/x", 1);
    client_leave(s->w, s->a);
    client_publish(s->w, s->pub, "x", "1", 1, false);
    client_subscribe(s->w, s->b, "$share/g/x", 1);
    settle(s);
    crash(s, 0);
    client_connect_persistent(s->w, s->b, "b");
    assert_int_equal(s->b->count, 0);
    connect_for(s, s->a, "a", 0, NULL);
    client_leave(s->w, s->a); /* its session ends */
    settle(s);
    assert_int_equal(s->b->count, 1);
}

static void moving_to_another_member_is_one_batch(void **state)
{
    struct scene *s = *state;
    client_connect_persistent(s->w, s->a, "a");
    client_connect_persistent(s->w, s->b, "b");
    client_subscribe(s->w, s->a, "$share/g/x", 1);
    client_leave(s->w, s->a);
    client_publish(s->w, s->pub, "x", "1", 1, false);
    client_subscribe(s->w, s->b, "$share/g/x", 1);
    settle(s);
    broker_kick(s->w->broker, SLICE("a"), EXPEL_DENIED);
    assert_int_equal(s->b->count, 1);
    for (int turns = 0; turns < 100; turns++) {
        size_t rows = fake_store_rows(s->store, ROW_QUEUED);
        assert_int_equal(rows, 1);
        world_pass(s->w, 1);
        if (s->store->under_way)
            fake_store_finish(s->store, s->w, COMMIT_DONE);
    }
    crash(s, 0);
    client_connect_persistent(s->w, s->b, "b");
    assert_int_equal(s->b->count, 1);
}

/* ---- nonsense ---- */

static void rows_that_make_no_sense_are_refused(void **state)
{
    struct scene *s = *state;
    const struct kept rows[] = {
        {.kind = ROW_SESSION, .session = 5, .body = SLICE("\x01")},
        {.kind = ROW_SUBSCRIPTION,
         .session = 6,
         .key = SLICE("x"),
         .body = SLICE("\x01\0\0\0\0\0")},
        {.kind = ROW_MESSAGE, .message = 7, .body = SLICE("\x02")},
        {.kind = ROW_MESSAGE, .message = 0, .body = SLICE("")},
        {.kind = ROW_QUEUED, .session = 5, .number = 1, .message = 7},
        {.kind = ROW_INBOUND, .session = 5, .number = 1},
        {.kind = ROW_RETAINED, .key = SLICE("x"), .message = 7},
        {.kind = ROW_NOTE, .key = SLICE("no owner"), .body = SLICE("x")},
        {.kind = ROW_NOTE, .key = SLICE("\0numbers"), .body = SLICE("x")},
        {.kind = ROW_NOTE, .key = SLICE("\0other"), .body = SLICE("x")},
        {.kind = ROW_SESSION_END, .session = 5},
        {.kind = ROW_KINDS},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_false(broker_restore(s->w->broker, &rows[i]));
    broker_restored(s->w->broker);
}

#define TEST ON_STAGE

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_session_and_its_subscriptions_are_there_again),
        TEST(what_was_queued_comes_in_order),
        TEST(what_was_under_way_comes_again_with_its_packet_id),
        TEST(received_ids_are_remembered),
        TEST(retained_values_keep_all_they_have),
        TEST(notes_are_there_again),
        TEST(expiry_goes_on_while_the_daemon_is_down),
        TEST(what_has_expired_meanwhile_goes_at_once),
        TEST(who_was_there_at_the_crash_left_when_the_daemon_came_back),
        TEST(a_clock_that_went_back_prolongs_nothing_for_ever),
        TEST(a_will_fires_after_the_restart_as_its_delay_says),
        TEST(wills_that_wait_for_their_turn_survive_too),
        TEST(a_clean_goodbye_leaves_no_will),
        TEST(a_session_stays_whose_it_was),
        TEST(a_clean_start_leaves_nothing_of_before),
        TEST(a_session_that_becomes_lasting_takes_all_it_has_along),
        TEST(a_session_made_to_end_with_its_connection_does_not_come_back),
        TEST(numbers_are_not_given_twice),
        TEST(what_a_share_leaves_waiting_finds_another_member_after_a_restart),
        TEST(moving_to_another_member_is_one_batch),
        TEST(rows_that_make_no_sense_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
