/* A restart among other things that happen: clocks that were set, rights that were taken away,
 * queues that are full, clients that come twice. */
#include "kept_stage.h"

static const int64_t year_ms = INT64_C(365) * 86400 * 1000;

/* ---- clocks ---- */

static void a_clock_that_was_set_back_does_not_hold_a_will_back(void **state)
{
    struct scene *s = *state;
    connect_for(s, s->a, "a", 3600, make_will("will/a", "gone", 5));
    client_vanish(s->w, s->a);
    settle(s);
    crash_by_clock(s, 0, -year_ms);
    client_subscribe(s->w, s->pub, "will/+", 1);
    world_pass(s->w, 4000);
    assert_int_equal(s->pub->count, 0);
    world_pass(s->w, 2000);
    assert_int_equal(s->pub->count, 1);
    settle(s);
    crash(s, 0); /* once only, whatever the clock says */
    client_subscribe(s->w, s->pub, "will/+", 1);
    world_pass(s->w, 10000);
    assert_int_equal(s->pub->count, 0);
}

static void a_clock_that_was_set_forward_ends_what_is_over_by_it(void **state)
{
    struct scene *s = *state;
    connect_for(s, s->a, "a", 3600, make_will("will/a", "gone", 1800));
    client_subscribe(s->w, s->a, "x", 1);
    connect_for(s, s->b, "b", SESSION_NEVER_EXPIRES, make_will("will/b", "gone", 1800));
    client_vanish(s->w, s->a);
    client_vanish(s->w, s->b);
    publish(s, "x", "1", 1, false);
    settle(s);
    crash_by_clock(s, 1000, year_ms);
    client_subscribe(s->w, s->pub, "will/+", 1);
    world_pass(s->w, 1);
    assert_null(find(s, "a"));
    assert_non_null(find(s, "b"));
    assert_int_equal(s->pub->count, 2); /* both wills */
    nothing_is_queued(s);
}

static void a_message_expires_by_the_clock_there_is(void **state)
{
    struct scene *s = *state;
    be_away(s, s->a, "a", "x");
    for (int i = 0; i < 2; i++) {
        struct message m = {.topic = (const uint8_t *)"x",
                            .topic_len = 1,
                            .payload = (const uint8_t *)(i ? "long" : "soon"),
                            .payload_len = 4,
                            .qos = 1,
                            .expires_ms = s->w->wall_ms + (i ? 2 * year_ms : 60000)};
        assert_int_equal(broker_publish(s->w->broker, s->pub->session, &m), VERDICT_OK);
        message_end(&m);
    }
    session_set_expiry(find(s, "a"), SESSION_NEVER_EXPIRES);
    settle(s);
    crash_by_clock(s, 1000, -year_ms); /* a clock that was wrong before makes nothing expire */
    assert_int_equal(broker_stats(s->w->broker)->queued_messages, 2);
    settle(s);
    crash_by_clock(s, 1000, 2 * year_ms);
    connect_for(s, s->a, "a", 3600, NULL);
    assert_int_equal(s->a->count, 1);
    assert_string_equal(s->a->got[0].payload, "long");
    assert_int_equal(broker_stats(s->w->broker)->dropped[DROP_EXPIRED], 1);
}

static void a_clock_that_is_set_while_it_runs_ends_no_session_and_says_no_will(void **state)
{
    struct scene *s = *state;
    connect_for(s, s->a, "a", 3600, make_will("will/a", "gone", 1800));
    client_vanish(s->w, s->a);
    client_subscribe(s->w, s->pub, "will/+", 1);
    s->w->wall_ms += year_ms;
    world_pass(s->w, 1000);
    s->w->wall_ms -= 2 * year_ms;
    world_pass(s->w, 1000);
    assert_non_null(find(s, "a"));
    assert_int_equal(s->pub->count, 0);
    world_pass(s->w, 1800 * 1000);
    assert_int_equal(s->pub->count, 1);
    world_pass(s->w, 1800 * 1000);
    assert_null(find(s, "a"));
}

/* ---- limits ---- */

static void a_queue_that_is_full_is_so_after_a_restart_until_it_is_fetched(void **state)
{
    struct scene *s = *state;
    s->w->limits.queued_messages = 3;
    s->w->limits.queued_memory = 0; /* none of it is in memory */
    be_away(s, s->a, "a", "x");
    for (int i = 0; i < 3; i++)
        publish(s, "x", "1", 1, false);
    settle(s);
    assert_int_equal(client_publish(s->w, s->pub, "x", "2", 1, false), VERDICT_QUOTA);
    crash(s, 10);
    assert_int_equal(client_publish(s->w, s->pub, "x", "2", 1, false), VERDICT_QUOTA);
    client_connect_persistent(s->w, s->a, "a");
    settle(s);
    acknowledge_all(s, s->a);
    client_leave(s->w, s->a);
    for (int i = 0; i < 3; i++)
        publish(s, "x", "2", 1, false);
    assert_int_equal(client_publish(s->w, s->pub, "x", "3", 1, false), VERDICT_QUOTA);
}

static void at_its_size_limit_a_store_takes_only_what_ends(void **state)
{
    struct scene *s = *state;
    be_away(s, s->a, "a", "x");
    publish(s, "x", "1", 1, false);
    settle(s);
    s->store->store.full = true;
    assert_int_equal(client_publish(s->w, s->pub, "x", "2", 1, false), VERDICT_QUOTA);
    assert_int_equal(client_publish(s->w, s->pub, "r", "2", 1, true), VERDICT_QUOTA);
    crash(s, 10); /* it is still full then */
    assert_int_equal(client_publish(s->w, s->pub, "x", "2", 1, false), VERDICT_QUOTA);
    client_connect_persistent(s->w, s->a, "a");
    assert_int_equal(client_subscribe(s->w, s->a, "y", 1), VERDICT_QUOTA);
    assert_int_equal(s->a->count, 1);
    acknowledge_all(s, s->a);
    settle(s);
    assert_int_equal(fake_store_rows(s->store, ROW_MESSAGE), 0);
    s->store->store.full = false;
    publish(s, "x", "2", 1, false);
    assert_int_equal(s->a->count, 1);
    assert_int_equal(client_subscribe(s->w, s->a, "y", 1), VERDICT_OK);
}

/* ---- rights ---- */

static void govern(const struct scene *s, const char *filter)
{
    struct access *access = access_new();
    const struct acl_rule rule = {.file = "test",
                                  .line = 1,
                                  .allow = true,
                                  .rights = ACL_PUBLISH | ACL_SUBSCRIBE | ACL_RECEIVE,
                                  .topic = slice_of_str(filter)};
    char why[ACL_WHY_SIZE];
    assert_true(acl_add(access->acl, &rule, why));
    assert_true(acl_seal(access->acl));
    access->governs = true;
    broker_set_access(s->w->broker, access);
    access_unref(access);
}

static void what_may_not_be_read_any_more_is_not_read_from_the_store_either(void **state)
{
    struct scene *s = *state;
    s->w->limits.queued_memory = 0;
    be_away(s, s->a, "a", "x/#");
    for (int i = 0; i < 300; i++)
        publish(s, i % 3 ? "x/yes" : "x/no", "1", 1, false);
    settle(s);
    assert_true(find(s, "a")->outbox->paged.messages > 200);
    govern(s, "x/yes");
    world_work(s->w);
    crash(s, 10);
    govern(s, "x/yes");
    client_connect_persistent(s->w, s->a, "a");
    size_t got = 0;
    for (int rounds = 0; rounds < 50; rounds++) {
        settle(s);
        for (size_t i = 0; i < s->a->count; i++, got++)
            assert_string_equal(s->a->got[i].topic, "x/yes");
        acknowledge_all(s, s->a);
    }
    assert_int_equal(got, 200);
    assert_int_equal(broker_stats(s->w->broker)->dropped[DROP_DENIED], 100);
    nothing_is_queued(s);
}

static void a_subscription_that_was_taken_away_does_not_come_back(void **state)
{
    struct scene *s = *state;
    be_away(s, s->a, "a", "x");
    publish(s, "x", "1", 1, false);
    settle(s);
    govern(s, "y");
    world_work(s->w);
    settle(s);
    assert_int_equal(fake_store_rows(s->store, ROW_SUBSCRIPTION), 0);
    crash(s, 10);
    assert_int_equal(broker_stats(s->w->broker)->subscriptions, 0);
    nothing_is_queued(s);
}

/* ---- who comes back ---- */

static enum verdict connect_at(const struct scene *s, struct fake_client *client,
                               const char *mountpoint)
{
    struct connect_request request = usual_request("a");
    request.clean_start = false;
    request.expiry_s = 3600;
    request.mountpoint = mountpoint;
    return client_connect_as(s->w, client, request);
}

static void a_session_behind_a_mountpoint_is_taken_over_as_before(void **state)
{
    struct scene *s = *state;
    assert_int_equal(connect_at(s, s->a, "plant/"), VERDICT_OK);
    client_subscribe(s->w, s->a, "x", 2);
    publish(s, "plant/x", "1", 2, false);
    settle(s);
    assert_int_equal(s->a->count, 1);
    uint16_t id = s->a->got[0].packet_id;
    crash(s, 10);
    assert_int_equal(connect_at(s, s->a, "plant/"), VERDICT_OK);
    assert_true(s->a->present);
    assert_int_equal(connect_at(s, s->b, "plant/"), VERDICT_OK);
    assert_true(s->b->present);
    assert_int_equal(s->a->expelled, 1);
    assert_int_equal(s->b->count, 1);
    assert_int_equal(s->b->got[0].packet_id, id);
    assert_string_equal(s->b->got[0].topic, "x");
    assert_true(s->b->got[0].dup);
    settle(s);
    crash(s, 10);
    assert_int_equal(connect_at(s, s->a, "plant/"), VERDICT_OK);
    assert_int_equal(s->a->got[0].packet_id, id);
}

static void at_another_mountpoint_a_session_begins_anew(void **state)
{
    struct scene *s = *state;
    assert_int_equal(connect_at(s, s->a, "plant/"), VERDICT_OK);
    client_subscribe(s->w, s->a, "x", 2);
    client_leave(s->w, s->a);
    publish(s, "plant/x", "1", 2, false);
    settle(s);
    crash(s, 10);
    assert_int_equal(connect_at(s, s->a, "house/"), VERDICT_OK);
    assert_false(s->a->present);
    settle(s);
    crash(s, 10);
    assert_int_equal(connect_at(s, s->a, "house/"), VERDICT_OK);
    assert_true(s->a->present);
    assert_int_equal(s->a->count, 0);
    nothing_is_queued(s);
}

static void an_expiry_that_a_goodbye_sets_to_0_ends_it_for_good(void **state)
{
    struct scene *s = *state;
    be_away(s, s->a, "a", "x");
    publish(s, "x", "1", 1, false);
    client_connect_persistent(s->w, s->a, "a");
    settle(s);
    session_set_expiry(s->a->session, 0); /* [MQTT-3.14.2-2] */
    client_leave(s->w, s->a);
    assert_null(find(s, "a"));
    settle(s);
    crash(s, 10);
    assert_null(find(s, "a"));
    assert_int_equal(fake_store_rows(s->store, ROW_SESSION), 0);
    assert_int_equal(fake_store_rows(s->store, ROW_SUBSCRIPTION), 0);
    nothing_is_queued(s);
}

static void an_expiry_that_a_goodbye_has_changed_counts_after_a_restart(void **state)
{
    struct scene *s = *state;
    connect_for(s, s->a, "a", 10, NULL);
    settle(s);
    session_set_expiry(s->a->session, 100);
    client_leave(s->w, s->a);
    settle(s);
    crash(s, 50000);
    world_pass(s->w, 1);
    assert_non_null(find(s, "a"));
    world_pass(s->w, 50000);
    assert_null(find(s, "a"));
}

/* ---- shares ---- */

static void qos_2_that_a_member_was_sent_stays_with_it_over_a_restart(void **state)
{
    struct scene *s = *state;
    s->w->limits.inflight = 2;
    client_connect_persistent(s->w, s->a, "a");
    client_connect_persistent(s->w, s->b, "b");
    client_subscribe(s->w, s->a, "$share/g/x", 2);
    publish(s, "x", "sent", 2, false);
    publish(s, "x", "released", 2, false);
    settle(s);
    assert_int_equal(s->a->count, 2);
    uint16_t sent = s->a->got[0].packet_id, released = s->a->got[1].packet_id;
    assert_true(session_acknowledged(s->a->session, released, ACK_PUBREC));
    publish(s, "x", "waiting", 2, false);
    client_subscribe(s->w, s->b, "$share/g/x", 2);
    settle(s);
    crash(s, 10);
    client_connect_persistent(s->w, s->b, "b");
    settle(s);
    assert_int_equal(s->b->count, 0); /* a is away, and may come back */
    client_connect_persistent(s->w, s->a, "a");
    settle(s);
    assert_int_equal(s->a->count, 1);
    assert_string_equal(s->a->got[0].payload, "sent");
    assert_int_equal(s->a->got[0].packet_id, sent);
    assert_true(s->a->got[0].dup);
    assert_int_equal(s->a->released_count, 1);
    assert_int_equal(s->a->released[0], released);
    settle(s);
    crash(s, 10);
    client_connect_persistent(s->w, s->b, "b");
    broker_kick(s->w->broker, SLICE("a"), EXPEL_DENIED);
    settle(s);
    assert_int_equal(s->b->count, 1); /* only what a was never sent [MQTT-4.8.2-5] */
    assert_string_equal(s->b->got[0].payload, "waiting");
    acknowledge_all(s, s->b);
    nothing_is_queued(s);
}

/* ---- retained values ---- */

static void value_is(const struct scene *s, const char *wanted)
{
    const struct message *found = retained_find(s->w->broker, SLICE("r"));
    assert_int_equal(found != NULL, wanted != NULL);
    if (found)
        assert_true(slice_equal(message_payload(found), slice_of_str(wanted)));
    assert_int_equal(fake_store_rows(s->store, ROW_RETAINED), wanted != NULL);
    assert_int_equal(fake_store_rows(s->store, ROW_MESSAGE), wanted != NULL);
}

static void a_value_is_the_last_one_that_was_committed(void **state)
{
    struct scene *s = *state;
    publish(s, "r", "one", 1, true);
    settle(s);
    publish(s, "r", "two", 1, true);
    crash(s, 10);
    value_is(s, "one");
    publish(s, "r", "two", 1, true);
    world_turn(s->w);
    assert_non_null(s->store->under_way);
    publish(s, "r", "three", 1, true); /* behind the batch that is under way */
    crash(s, 10);
    value_is(s, "one");
    publish(s, "r", "two", 1, true);
    world_turn(s->w);
    publish(s, "r", "three", 1, true);
    finish(s);
    crash(s, 10);
    value_is(s, "two");
    publish(s, "r", "", 1, true);
    crash(s, 10);
    value_is(s, "two");
    publish(s, "r", "", 1, true);
    publish(s, "r", "four", 1, true);
    settle(s);
    crash(s, 10);
    value_is(s, "four");
    publish(s, "r", "", 1, true);
    settle(s);
    crash(s, 10);
    value_is(s, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_STAGE(a_clock_that_was_set_back_does_not_hold_a_will_back),
        ON_STAGE(a_clock_that_was_set_forward_ends_what_is_over_by_it),
        ON_STAGE(a_message_expires_by_the_clock_there_is),
        ON_STAGE(a_clock_that_is_set_while_it_runs_ends_no_session_and_says_no_will),
        ON_STAGE(a_queue_that_is_full_is_so_after_a_restart_until_it_is_fetched),
        ON_STAGE(at_its_size_limit_a_store_takes_only_what_ends),
        ON_STAGE(what_may_not_be_read_any_more_is_not_read_from_the_store_either),
        ON_STAGE(a_subscription_that_was_taken_away_does_not_come_back),
        ON_STAGE(a_session_behind_a_mountpoint_is_taken_over_as_before),
        ON_STAGE(at_another_mountpoint_a_session_begins_anew),
        ON_STAGE(an_expiry_that_a_goodbye_sets_to_0_ends_it_for_good),
        ON_STAGE(an_expiry_that_a_goodbye_has_changed_counts_after_a_restart),
        ON_STAGE(qos_2_that_a_member_was_sent_stays_with_it_over_a_restart),
        ON_STAGE(a_value_is_the_last_one_that_was_committed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
