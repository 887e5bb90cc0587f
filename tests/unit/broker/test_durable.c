/* What is told to the store, when it is told, and which promises are kept because of it. */
#include "kept_stage.h"

static uint64_t promised(const struct scene *s)
{
    return broker_promise(s->w->broker);
}

static uint64_t kept(const struct scene *s)
{
    return broker_promise_kept(s->w->broker);
}

/* a is there, durable, subscribed to x with QoS 2, and all that is on disk. */
static void subscribed(const struct scene *s, struct fake_client *client, const char *id)
{
    client_connect_persistent(s->w, client, id);
    client_subscribe(s->w, client, "x", 2);
    settle(s);
    fake_store_forget(s->store);
}

/* ---- promises ---- */

static void without_a_store_nothing_is_waited_for(void **state)
{
    (void)state;
    struct world *w = world_new();
    struct fake_client *client = client_new();
    client_connect_persistent(w, client, "a");
    client_subscribe(w, client, "x", 1);
    assert_int_equal(client_publish(w, client, "x", "1", 1, true), VERDICT_OK);
    assert_int_equal(broker_promise(w->broker), 0);
    world_turn(w);
    assert_int_equal(broker_promise_kept(w->broker), 0);
    assert_true(broker_is_settled(w->broker));
    world_free(w);
    free(client);
}

static void a_session_without_expiry_is_not_recorded(void **state)
{
    struct scene *s = *state;
    client_subscribe(s->w, s->pub, "x", 2);
    assert_int_equal(client_publish(s->w, s->pub, "x", "1", 2, false), VERDICT_OK);
    assert_int_equal(s->pub->count, 1);
    assert_int_equal(promised(s), 0);
    world_pass(s->w, 1000);
    assert_int_equal(s->store->commits, 0);
}

static void a_new_session_is_promised_until_it_is_committed(void **state)
{
    struct scene *s = *state;
    client_connect_persistent(s->w, s->a, "a");
    uint64_t promise = promised(s);
    assert_int_not_equal(promise, 0);
    assert_true(kept(s) < promise);
    world_turn(s->w);
    assert_non_null(s->store->under_way);
    assert_true(kept(s) < promise);
    assert_int_equal(promised(s), promise);
    finish(s);
    assert_true(kept(s) >= promise);
    assert_int_equal(promised(s), 0);
    assert_int_equal(fake_store_rows(s->store, ROW_SESSION), 1);
}

static void what_is_recorded_meanwhile_waits_for_the_next_batch(void **state)
{
    struct scene *s = *state;
    client_connect_persistent(s->w, s->a, "a");
    uint64_t first = promised(s);
    world_turn(s->w);
    client_subscribe(s->w, s->a, "x", 1);
    uint64_t second = promised(s);
    assert_true(second > first);
    world_turn(s->w);
    assert_int_equal(s->store->commits, 1); /* one at a time */
    finish(s);
    assert_true(kept(s) >= first && kept(s) < second);
    world_turn(s->w);
    assert_int_equal(s->store->commits, 2);
    finish(s);
    assert_true(kept(s) >= second);
}

static void two_records_of_one_turn_are_not_kept_by_half(void **state)
{
    struct scene *s = *state;
    subscribed(s, s->a, "a");
    client_publish(s->w, s->pub, "x", "1", 1, false);
    uint64_t first = promised(s);
    session_acknowledged(s->a->session, s->a->got[0].packet_id, ACK_PUBACK);
    broker_work(s->w->broker); /* keeps the first; the turn goes on */
    assert_true(kept(s) >= first);
    client_publish(s->w, s->pub, "x", "2", 1, false);
    assert_true(promised(s) > kept(s));
}

static void a_message_for_who_is_away_is_written_at_once(void **state)
{
    struct scene *s = *state;
    subscribed(s, s->a, "a");
    client_leave(s->w, s->a);
    settle(s);
    assert_int_equal(client_publish(s->w, s->pub, "x", "1", 1, false), VERDICT_OK);
    uint64_t promise = promised(s);
    world_turn(s->w);
    finish(s);
    assert_true(kept(s) >= promise);
    assert_int_equal(fake_store_rows(s->store, ROW_MESSAGE), 1);
    assert_int_equal(fake_store_rows(s->store, ROW_QUEUED), 1);
}

static void qos_0_is_never_written(void **state)
{
    struct scene *s = *state;
    s->w->limits.queue_qos0_offline = true;
    subscribed(s, s->a, "a");
    client_publish(s->w, s->pub, "x", "1", 0, false);
    client_leave(s->w, s->a);
    settle(s);
    fake_store_forget(s->store);
    client_publish(s->w, s->pub, "x", "2", 0, false);
    assert_int_equal(promised(s), 0);
    world_pass(s->w, 1000);
    assert_int_equal(s->store->commits, 0);
}

/* ---- what is over before it is written ---- */

static void who_acknowledges_in_time_costs_no_row(void **state)
{
    struct scene *s = *state;
    subscribed(s, s->a, "a");
    for (int i = 0; i < 100; i++) {
        client_forget(s->a);
        client_publish(s->w, s->pub, "x", "1", 1, false);
        uint64_t promise = promised(s);
        assert_int_not_equal(promise, 0);
        session_acknowledged(s->a->session, s->a->got[0].packet_id, ACK_PUBACK);
        world_turn(s->w);
        assert_true(kept(s) >= promise);
    }
    assert_int_equal(s->store->commits, 0);
    assert_int_equal(broker_stats(s->w->broker)->store_cancelled, 100);
}

/* Makes the core believe that subscribers acknowledge soon. */
static void prove_quick(const struct scene *s)
{
    for (int i = 0; i < 50; i++) {
        client_forget(s->a);
        client_publish(s->w, s->pub, "x", "1", 1, false);
        session_acknowledged(s->a->session, s->a->got[0].packet_id, ACK_PUBACK);
        world_turn(s->w);
    }
    client_forget(s->a);
    fake_store_forget(s->store);
}

static void who_is_known_to_be_quick_is_waited_for_a_moment(void **state)
{
    struct scene *s = *state;
    subscribed(s, s->a, "a");
    prove_quick(s);
    client_publish(s->w, s->pub, "x", "1", 1, false);
    uint64_t promise = promised(s);
    world_pass(s->w, 5);
    assert_int_equal(s->store->commits, 0);
    assert_true(kept(s) < promise);
    session_acknowledged(s->a->session, s->a->got[0].packet_id, ACK_PUBACK);
    world_turn(s->w);
    assert_int_equal(s->store->commits, 0);
    assert_true(kept(s) >= promise);
    /* And no longer than that, with a timer of its own. */
    client_publish(s->w, s->pub, "x", "2", 1, false);
    world_turn(s->w);
    assert_true(timers_next(&s->w->wheel) <= s->w->mono_ms + 10);
    world_pass(s->w, 10);
    assert_int_equal(s->store->commits, 1);
}

static void who_is_slow_is_not_waited_for_again_and_again(void **state)
{
    struct scene *s = *state;
    subscribed(s, s->a, "a");
    prove_quick(s);
    for (int i = 0; i < 40; i++) {
        client_publish(s->w, s->pub, "x", "1", 1, false);
        for (int ms = 0; ms < 20; ms++)
            world_pass(s->w, 1);
        finish(s);
        session_acknowledged(s->a->session, s->a->got[i].packet_id, ACK_PUBACK);
    }
    settle(s);
    fake_store_forget(s->store);
    client_publish(s->w, s->pub, "x", "1", 1, false);
    world_turn(s->w);
    assert_int_equal(s->store->commits, 1);
}

static void a_flow_of_messages_keeps_promise_after_promise(void **state)
{
    struct scene *s = *state;
    subscribed(s, s->a, "a");
    prove_quick(s);
    /* Each is acknowledged two turns after the next has come: something is always soft. */
    uint64_t promises[200];
    for (int i = 0; i < 200; i++) {
        client_publish(s->w, s->pub, "x", "1", 1, false);
        promises[i] = promised(s);
        world_pass(s->w, 1);
        if (i >= 2)
            session_acknowledged(s->a->session, s->a->got[i - 2].packet_id, ACK_PUBACK);
        world_turn(s->w);
        if (i >= 2)
            assert_true(kept(s) >= promises[i - 2]);
        assert_true(kept(s) < promises[i]);
    }
    assert_int_equal(s->store->commits, 0);
}

static void an_acknowledgement_after_the_hand_over_removes_the_row(void **state)
{
    struct scene *s = *state;
    subscribed(s, s->a, "a");
    client_publish(s->w, s->pub, "x", "1", 1, false);
    world_turn(s->w);
    session_acknowledged(s->a->session, s->a->got[0].packet_id, ACK_PUBACK);
    assert_int_equal(promised(s), kept(s) + 1); /* nobody waits for the removal */
    finish(s);
    assert_int_equal(fake_store_rows(s->store, ROW_QUEUED), 1);
    assert_int_equal(promised(s), 0);
    world_turn(s->w);
    assert_int_equal(s->store->commits, 1); /* and it is in no hurry */
    world_pass(s->w, 50);
    finish(s);
    assert_int_equal(fake_store_rows(s->store, ROW_QUEUED), 0);
    assert_int_equal(fake_store_rows(s->store, ROW_MESSAGE), 0);
}

static void a_message_is_written_once_and_goes_with_its_last_row(void **state)
{
    struct scene *s = *state;
    subscribed(s, s->a, "a");
    subscribed(s, s->b, "b");
    client_leave(s->w, s->a);
    client_leave(s->w, s->b);
    settle(s);
    fake_store_forget(s->store);
    client_publish(s->w, s->pub, "x", "1", 1, true);
    settle(s);
    assert_int_equal(s->store->counts[ROW_MESSAGE], 1);
    assert_int_equal(s->store->counts[ROW_QUEUED], 2);
    assert_int_equal(s->store->counts[ROW_RETAINED], 1);
    client_connect_persistent(s->w, s->a, "a");
    session_acknowledged(s->a->session, s->a->got[0].packet_id, ACK_PUBACK);
    settle(s);
    client_publish(s->w, s->pub, "x", "", 1, true);
    settle(s);
    assert_int_equal(fake_store_rows(s->store, ROW_MESSAGE), 2); /* b has both */
    client_connect(s->w, s->b, "b");                             /* a clean start */
    settle(s);
    session_acknowledged(s->a->session, s->a->got[1].packet_id, ACK_PUBACK);
    settle(s);
    assert_int_equal(fake_store_rows(s->store, ROW_MESSAGE), 0);
    assert_int_equal(fake_store_rows(s->store, ROW_QUEUED), 0);
}

static void a_retained_value_replaced_in_time_is_not_written(void **state)
{
    struct scene *s = *state;
    client_publish(s->w, s->pub, "r", "0", 1, true);
    world_turn(s->w);
    for (int i = 0; i < 100; i++)
        client_publish(s->w, s->pub, "r", "1", 1, true);
    client_publish(s->w, s->pub, "gone", "1", 1, true);
    client_publish(s->w, s->pub, "gone", "", 1, true);
    uint64_t promise = promised(s);
    finish(s);
    world_turn(s->w);
    finish(s);
    assert_true(kept(s) >= promise);
    assert_int_equal(s->store->counts[ROW_RETAINED], 2);
    assert_int_equal(s->store->counts[ROW_RETAINED_END], 0);
    assert_int_equal(s->store->counts[ROW_MESSAGE], 2);
    assert_int_equal(fake_store_rows(s->store, ROW_MESSAGE), 1);
}

static void the_daemons_own_values_are_not_kept(void **state)
{
    struct scene *s = *state;
    broker_publish_sys(s->w->broker, 0);
    world_pass(s->w, 1000);
    assert_int_equal(s->store->commits, 0);
}

static void a_session_that_comes_and_goes_between_batches_is_not_written(void **state)
{
    struct scene *s = *state;
    client_connect_persistent(s->w, s->a, "a");
    world_turn(s->w);
    client_connect_persistent(s->w, s->b, "b");
    broker_kick(s->w->broker, SLICE("b"), EXPEL_DENIED);
    finish(s);
    settle(s);
    assert_int_equal(s->store->counts[ROW_SESSION], 1);
    assert_int_equal(s->store->counts[ROW_SESSION_END], 0);
}

static void what_such_a_session_had_does_not_stay(void **state)
{
    struct scene *s = *state;
    client_connect_persistent(s->w, s->a, "a");
    world_turn(s->w);
    client_connect_persistent(s->w, s->b, "b");
    client_subscribe(s->w, s->b, "x", 1);
    broker_kick(s->w->broker, SLICE("b"), EXPEL_DENIED);
    finish(s);
    settle(s);
    assert_int_equal(fake_store_rows(s->store, ROW_SUBSCRIPTION), 0);
    assert_int_equal(fake_store_rows(s->store, ROW_SESSION), 1);
}

static void nor_when_it_ends_while_the_store_is_full(void **state)
{
    struct scene *s = *state;
    client_connect_persistent(s->w, s->a, "a");
    settle(s);
    client_connect_persistent(s->w, s->b, "b");
    world_turn(s->w);
    client_subscribe(s->w, s->a, "x", 1); /* behind the batch that will not fit */
    fake_store_finish(s->store, s->w, COMMIT_FULL);
    broker_kick(s->w->broker, SLICE("a"), EXPEL_DENIED);
    for (int i = 0; i < 3; i++) { /* it is offered again, with what makes room */
        world_pass(s->w, 1000);
        fake_store_finish(s->store, s->w, i < 2 ? COMMIT_FULL : COMMIT_DONE);
    }
    assert_int_equal(fake_store_rows(s->store, ROW_SESSION), 1);
    settle(s);
    assert_int_equal(fake_store_rows(s->store, ROW_SUBSCRIPTION), 0);
    assert_int_equal(s->store->counts[ROW_SESSION_END], 2);
}

/* ---- QoS 2 ---- */

static void qos_2_leaves_when_its_packet_id_is_on_disk(void **state)
{
    struct scene *s = *state;
    subscribed(s, s->a, "a");
    client_publish(s->w, s->pub, "x", "1", 2, false);
    client_publish(s->w, s->pub, "x", "2", 2, false);
    client_publish(s->w, s->pub, "x", "one", 1, false);
    assert_int_equal(s->a->count, 1);
    assert_string_equal(s->a->got[0].payload, "one");
    world_turn(s->w);
    assert_int_equal(s->a->count, 1);
    finish(s);
    assert_int_equal(s->a->count, 3);
    assert_string_equal(s->a->got[1].payload, "1");
    assert_string_equal(s->a->got[2].payload, "2");
    assert_false(s->a->got[1].dup);
}

static void what_is_being_sealed_counts_against_the_window(void **state)
{
    struct scene *s = *state;
    s->w->limits.inflight = 2;
    subscribed(s, s->a, "a");
    for (int i = 0; i < 5; i++)
        client_publish(s->w, s->pub, "x", "1", 2, false);
    settle(s);
    assert_int_equal(s->a->count, 2);
    for (int i = 0; i < 5; i++) {
        session_acknowledged(s->a->session, s->a->got[i].packet_id, ACK_PUBREC);
        session_acknowledged(s->a->session, s->a->got[i].packet_id, ACK_PUBCOMP);
        settle(s);
    }
    assert_int_equal(s->a->count, 5);
    assert_int_equal(fake_store_rows(s->store, ROW_QUEUED), 0);
    assert_int_equal(fake_store_rows(s->store, ROW_MESSAGE), 0);
}

static void what_was_not_sent_when_the_client_left_is_no_duplicate(void **state)
{
    struct scene *s = *state;
    subscribed(s, s->a, "a");
    client_publish(s->w, s->pub, "x", "1", 2, false);
    client_vanish(s->w, s->a);
    client_connect_persistent(s->w, s->a, "a");
    assert_int_equal(s->a->count, 0);
    settle(s);
    assert_int_equal(s->a->count, 1);
    assert_false(s->a->got[0].dup);
    client_vanish(s->w, s->a);
    client_connect_persistent(s->w, s->a, "a");
    assert_int_equal(s->a->count, 2);
    assert_true(s->a->got[1].dup);
    assert_int_equal(s->a->got[1].packet_id, s->a->got[0].packet_id);
}

static void a_received_id_and_its_message_are_one_batch(void **state)
{
    struct scene *s = *state;
    subscribed(s, s->a, "a");
    prove_quick(s);
    client_connect_persistent(s->w, s->b, "b");
    settle(s);
    fake_store_forget(s->store);
    assert_int_equal(session_received(s->b->session, 7), INBOUND_NEW);
    client_publish(s->w, s->b, "x", "1", 1, false); /* for a, it would linger */
    world_turn(s->w);
    finish(s);
    assert_int_equal(s->store->counts[ROW_INBOUND], 1);
    assert_int_equal(s->store->counts[ROW_QUEUED], 1);
    assert_true(session_forget(s->b->session, 7));
    uint64_t promise = promised(s);
    assert_int_not_equal(promise, 0);
    world_turn(s->w);
    assert_true(kept(s) < promise);
    finish(s);
    assert_true(kept(s) >= promise);
    assert_int_equal(fake_store_rows(s->store, ROW_INBOUND), 0);
}

static void an_id_whose_message_was_refused_is_not_written(void **state)
{
    struct scene *s = *state;
    client_connect_persistent(s->w, s->b, "b");
    settle(s);
    fake_store_forget(s->store);
    session_received(s->b->session, 7);
    session_forget(s->b->session, 7);
    settle(s);
    assert_int_equal(s->store->counts[ROW_INBOUND] + s->store->counts[ROW_INBOUND_END], 0);
}

/* ---- full and failed ---- */

static void when_it_is_full_what_needs_a_row_is_refused(void **state)
{
    struct scene *s = *state;
    subscribed(s, s->a, "a");
    client_subscribe(s->w, s->pub, "live", 2);
    client_publish(s->w, s->pub, "x", "1", 1, false);
    uint64_t promise = promised(s);
    world_turn(s->w);
    fake_store_finish(s->store, s->w, COMMIT_FULL);
    assert_int_equal(broker_stats(s->w->broker)->store_full, 1);
    assert_true(kept(s) < promise);
    assert_int_equal(client_publish(s->w, s->pub, "x", "2", 1, false), VERDICT_QUOTA);
    assert_int_equal(client_publish(s->w, s->pub, "r", "2", 1, true), VERDICT_QUOTA);
    assert_int_equal(client_publish(s->w, s->pub, "x", "2", 0, false), VERDICT_OK);
    assert_int_equal(client_publish(s->w, s->pub, "live", "2", 2, false), VERDICT_OK);
    assert_int_equal(client_subscribe(s->w, s->a, "y", 1), VERDICT_QUOTA);
    struct connect_request request = usual_request("b");
    request.expiry_s = 10;
    assert_int_equal(client_connect_as(s->w, s->b, request), VERDICT_QUOTA);
    /* It is offered again, each second, and then all goes on. */
    world_pass(s->w, 999);
    assert_null(s->store->under_way);
    world_pass(s->w, 1);
    fake_store_finish(s->store, s->w, COMMIT_FULL);
    world_pass(s->w, 1000);
    finish(s);
    assert_true(kept(s) >= promise);
    assert_int_equal(client_publish(s->w, s->pub, "x", "2", 1, false), VERDICT_OK);
    assert_int_equal(broker_stats(s->w->broker)->store_full, 0);
    settle(s);
    assert_int_equal(fake_store_rows(s->store, ROW_QUEUED), 2);
}

static enum verdict reconnect(const struct scene *s, uint32_t expiry_s, struct will *will)
{
    struct connect_request request = usual_request("a");
    request.clean_start = false;
    request.expiry_s = expiry_s;
    request.will = will;
    enum verdict verdict = client_connect_as(s->w, s->a, request);
    if (verdict != VERDICT_OK && will) {
        message_unref(will->message);
        free(will);
    }
    return verdict;
}

/* a is away, its will is to be said in an hour, and the store is full. */
static void full_while_away(const struct scene *s)
{
    assert_int_equal(reconnect(s, 7200, make_will("w", "gone", 3600)), VERDICT_OK);
    client_subscribe(s->w, s->a, "x", 1);
    client_vanish(s->w, s->a);
    settle(s);
    client_publish(s->w, s->pub, "x", "1", 1, false);
    world_turn(s->w);
    fake_store_finish(s->store, s->w, COMMIT_FULL);
}

static void a_session_that_comes_back_goes_on_while_the_store_is_full(void **state)
{
    struct scene *s = *state;
    full_while_away(s);
    for (size_t times = 1; times <= 3; times++) {
        assert_int_equal(reconnect(s, 7200, make_will("w", "gone", 3600)), VERDICT_OK);
        assert_true(s->a->present);
        assert_int_equal(broker_promise_of_connect(s->w->broker, s->a->session), 0);
        assert_int_equal(s->a->count, times); /* what waited for it */
        client_vanish(s->w, s->a);
        world_pass(s->w, 1000); /* now the batch is under way once more */
        if (times % 2)
            fake_store_finish(s->store, s->w, COMMIT_FULL);
    }
    world_pass(s->w, 1000);
    settle(s);
    crash(s, 0);
    assert_non_null(find(s, "a")->will);
    assert_int_equal(broker_stats(s->w->broker)->queued_messages, 0);
    connect_for(s, s->a, "a", 7200, NULL);
    assert_int_equal(s->a->count, 1);
    assert_true(s->a->got[0].dup);
}

static void who_asks_for_what_the_store_has_not_is_told_so_at_once(void **state)
{
    struct scene *s = *state;
    full_while_away(s);
    assert_int_equal(reconnect(s, 7201, make_will("w", "gone", 3600)), VERDICT_QUOTA);
    assert_int_equal(reconnect(s, 0, make_will("w", "gone", 3600)), VERDICT_QUOTA);
    assert_int_equal(reconnect(s, 7200, NULL), VERDICT_QUOTA);
    assert_int_equal(reconnect(s, 7200, make_will("w", "gone", 3601)), VERDICT_QUOTA);
    assert_int_equal(reconnect(s, 7200, make_will("w", "else", 3600)), VERDICT_QUOTA);
    struct connect_request request = usual_request("a");
    request.expiry_s = 7200; /* a clean start that is to be kept */
    assert_int_equal(client_connect_as(s->w, s->a, request), VERDICT_QUOTA);
    struct identity *other = identity_new(SLICE("somebody"), false);
    request.identity = other;
    request.clean_start = false;
    assert_int_not_equal(client_connect_as(s->w, s->a, request), VERDICT_OK);
    identity_unref(other);
    assert_non_null(find(s, "a")->will); /* nothing has become of it */
    assert_int_equal(broker_stats(s->w->broker)->queued_messages, 1);
    client_connect(s->w, s->a, "a"); /* and who wants nothing kept comes in */
    assert_int_equal(broker_promise_of_connect(s->w->broker, s->a->session), 0);
}

static void a_will_that_was_said_meanwhile_is_not_promised_again(void **state)
{
    struct scene *s = *state;
    full_while_away(s);
    assert_int_equal(reconnect(s, 7200, make_will("w", "gone", 3600)), VERDICT_OK);
    session_set_will(s->a->session, NULL);
    client_vanish(s->w, s->a);
    assert_int_equal(reconnect(s, 7200, NULL), VERDICT_QUOTA);
    assert_int_equal(reconnect(s, 7200, make_will("w", "gone", 3600)), VERDICT_QUOTA);
    world_pass(s->w, 1000);
    finish(s);
    assert_int_equal(reconnect(s, 7200, NULL), VERDICT_OK);
}

static void who_takes_messages_away_makes_room(void **state)
{
    struct scene *s = *state;
    subscribed(s, s->a, "a");
    client_publish(s->w, s->pub, "x", "1", 1, false);
    settle(s);
    client_publish(s->w, s->pub, "x", "2", 1, false);
    world_turn(s->w);
    size_t rows = s->store->under_way->count;
    fake_store_finish(s->store, s->w, COMMIT_FULL);
    for (size_t i = 0; i < 2; i++)
        session_acknowledged(s->a->session, s->a->got[i].packet_id, ACK_PUBACK);
    world_pass(s->w, 1000);
    assert_true(s->store->under_way->count >= rows + 4); /* both rows and messages end */
    finish(s);
    assert_int_equal(fake_store_rows(s->store, ROW_QUEUED), 0);
    assert_int_equal(fake_store_rows(s->store, ROW_MESSAGE), 0);
    assert_int_equal(broker_promise(s->w->broker), 0);
}

static void after_a_failure_no_promise_is_kept(void **state)
{
    struct scene *s = *state;
    subscribed(s, s->a, "a");
    client_publish(s->w, s->pub, "x", "1", 1, false);
    uint64_t promise = promised(s);
    world_turn(s->w);
    fake_store_finish(s->store, s->w, COMMIT_FAILED);
    session_acknowledged(s->a->session, s->a->got[0].packet_id, ACK_PUBACK);
    for (int i = 0; i < 10; i++)
        world_pass(s->w, 1000);
    assert_true(kept(s) < promise);
    assert_int_not_equal(promised(s), 0);
    assert_int_equal(s->store->commits, 1);
}

#define TEST ON_STAGE

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(without_a_store_nothing_is_waited_for),
        TEST(a_session_without_expiry_is_not_recorded),
        TEST(a_new_session_is_promised_until_it_is_committed),
        TEST(what_is_recorded_meanwhile_waits_for_the_next_batch),
        TEST(two_records_of_one_turn_are_not_kept_by_half),
        TEST(a_message_for_who_is_away_is_written_at_once),
        TEST(qos_0_is_never_written),
        TEST(who_acknowledges_in_time_costs_no_row),
        TEST(who_is_known_to_be_quick_is_waited_for_a_moment),
        TEST(who_is_slow_is_not_waited_for_again_and_again),
        TEST(a_flow_of_messages_keeps_promise_after_promise),
        TEST(an_acknowledgement_after_the_hand_over_removes_the_row),
        TEST(a_message_is_written_once_and_goes_with_its_last_row),
        TEST(a_retained_value_replaced_in_time_is_not_written),
        TEST(the_daemons_own_values_are_not_kept),
        TEST(a_session_that_comes_and_goes_between_batches_is_not_written),
        TEST(what_such_a_session_had_does_not_stay),
        TEST(nor_when_it_ends_while_the_store_is_full),
        TEST(qos_2_leaves_when_its_packet_id_is_on_disk),
        TEST(what_is_being_sealed_counts_against_the_window),
        TEST(what_was_not_sent_when_the_client_left_is_no_duplicate),
        TEST(a_received_id_and_its_message_are_one_batch),
        TEST(an_id_whose_message_was_refused_is_not_written),
        TEST(when_it_is_full_what_needs_a_row_is_refused),
        TEST(a_session_that_comes_back_goes_on_while_the_store_is_full),
        TEST(who_asks_for_what_the_store_has_not_is_told_so_at_once),
        TEST(a_will_that_was_said_meanwhile_is_not_promised_again),
        TEST(who_takes_messages_away_makes_room),
        TEST(after_a_failure_no_promise_is_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
