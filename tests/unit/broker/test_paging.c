/* Queues that are longer than the memory that is meant for them. */
#include "dice.h"
#include "kept_stage.h"

enum { MANY = 3000, BUDGET = 20000 };

static int start(void **state)
{
    stage_start(state);
    struct scene *s = *state;
    s->w->limits.queued_memory = BUDGET;
    s->w->limits.queued_messages = 1000000;
    s->w->limits.queued_bytes = 1 << 30;
    return 0;
}

static uint64_t queued(const struct scene *s)
{
    return broker_stats(s->w->broker)->queued_messages;
}

static void publish_many(const struct scene *s, const char *topic, int from, int count, int qos)
{
    for (int i = from; i < from + count; i++) {
        char text[16];
        snprintf(text, sizeof text, "%d", i);
        assert_int_equal(client_publish(s->w, s->pub, topic, text, qos, false), VERDICT_OK);
        if (i % 100 == 99)
            settle(s);
    }
    settle(s);
}

static uint64_t in_memory(const struct scene *s)
{
    return s->w->broker->queued_memory;
}

/* Reads and acknowledges everything, and looks whether it comes in order and whole. */
static void drain(const struct scene *s, struct fake_client *client, int count)
{
    int got = 0;
    for (int rounds = 0; got < count && rounds < 100000; rounds++) {
        size_t now = client->count;
        for (size_t i = 0; i < now; i++) {
            const struct fake_delivery *d = &client->got[i];
            assert_int_equal(atoi(d->payload), got);
            got++;
        }
        /* Acknowledging lets more come, behind what is looked at here. */
        struct fake_delivery copy[256];
        assert_true(now <= 256);
        memcpy(copy, client->got, now * sizeof copy[0]);
        client_forget(client);
        for (size_t i = 0; i < now; i++) {
            if (copy[i].qos == 1) {
                assert_true(session_acknowledged(client->session, copy[i].packet_id, ACK_PUBACK));
            } else {
                assert_true(session_acknowledged(client->session, copy[i].packet_id, ACK_PUBREC));
                assert_true(session_acknowledged(client->session, copy[i].packet_id, ACK_PUBCOMP));
            }
        }
        assert_true(in_memory(s) < BUDGET + 1000000);
        world_settle(s->w, s->store);
    }
    assert_int_equal(got, count);
}

static void a_long_queue_is_not_in_memory(void **state)
{
    struct scene *s = *state;
    be_away(s, s->a, "a", "x");
    publish_many(s, "x", 0, MANY, 1);
    assert_int_equal(queued(s), MANY);
    assert_true(in_memory(s) <= BUDGET + 500);
    assert_true(s->w->broker->durable.messages.count < 500);
    assert_int_equal(fake_store_rows(s->store, ROW_QUEUED), MANY);
    client_connect_persistent(s->w, s->a, "a");
    settle(s);
    drain(s, s->a, MANY);
    nothing_is_queued(s);
}

static void qos_2_pages_too(void **state)
{
    struct scene *s = *state;
    be_away(s, s->a, "a", "x");
    publish_many(s, "x", 0, 1000, 2);
    client_connect_persistent(s->w, s->a, "a");
    settle(s);
    drain(s, s->a, 1000);
    nothing_is_queued(s);
}

static void what_comes_while_it_is_being_read_keeps_its_place(void **state)
{
    struct scene *s = *state;
    be_away(s, s->a, "a", "x");
    publish_many(s, "x", 0, 1000, 1);
    client_connect_persistent(s->w, s->a, "a");
    publish_many(s, "x", 1000, 200, 1);
    drain(s, s->a, 1200);
    nothing_is_queued(s);
}

static void a_message_that_two_have_goes_with_the_second(void **state)
{
    struct scene *s = *state;
    be_away(s, s->a, "a", "x");
    be_away(s, s->b, "b", "x");
    publish_many(s, "x", 0, 500, 1);
    assert_int_equal(fake_store_rows(s->store, ROW_MESSAGE), 500);
    client_connect_persistent(s->w, s->a, "a");
    settle(s);
    drain(s, s->a, 500);
    settle(s);
    assert_int_equal(fake_store_rows(s->store, ROW_MESSAGE), 500);
    client_connect_persistent(s->w, s->b, "b");
    settle(s);
    drain(s, s->b, 500);
    nothing_is_queued(s);
}

static size_t known(const struct scene *s)
{
    return s->w->broker->durable.messages.count;
}

static void what_several_have_costs_no_memory_either(void **state)
{
    struct scene *s = *state;
    be_away(s, s->a, "a", "x");
    be_away(s, s->b, "b", "x");
    be_away(s, s->a, "c", "x");
    publish_many(s, "x", 0, MANY, 1);
    assert_true(in_memory(s) <= BUDGET + 500);
    assert_true(known(s) < 500);
    assert_true(fake_store_rows(s->store, ROW_NAMED) > MANY - 500);
    crash(s, 10);
    settle(s);
    assert_int_equal(s->store->rejected, 0);
    assert_true(known(s) < 500);
    static const char *const names[] = {"a", "b", "c"};
    for (int i = 0; i < 3; i++) {
        client_connect_persistent(s->w, s->a, names[i]);
        settle(s);
        drain(s, s->a, MANY);
        client_leave(s->w, s->a);
        settle(s);
        assert_true(known(s) < 500);
        assert_int_equal(fake_store_rows(s->store, ROW_MESSAGE), i < 2 ? MANY : 0);
    }
    nothing_is_queued(s);
}

/* Two of three end, one after the other and both at once. */
static void who_ends_leaves_the_others_what_they_have(void **state)
{
    struct scene *s = *state;
    be_away(s, s->a, "a", "x");
    be_away(s, s->b, "b", "x");
    be_away(s, s->a, "c", "x");
    publish_many(s, "x", 0, 600, 1);
    broker_kick(s->w->broker, SLICE("a"), EXPEL_DENIED);
    broker_kick(s->w->broker, SLICE("c"), EXPEL_DENIED);
    settle(s);
    assert_int_equal(fake_store_rows(s->store, ROW_MESSAGE), 600);
    assert_true(known(s) < 500);
    client_connect_persistent(s->w, s->b, "b");
    settle(s);
    drain(s, s->b, 600);
    nothing_is_queued(s);
}

/* What the store was told before is of no use to a start that counts more, or fewer. */
static void counts_of_long_ago_do_no_harm(void **state)
{
    struct scene *s = *state;
    be_away(s, s->a, "a", "x");
    be_away(s, s->b, "b", "x");
    publish_many(s, "x", 0, 600, 1);
    s->w->limits.queued_memory = 1 << 30;
    client_connect_persistent(s->w, s->a, "a"); /* all of it is in memory again, and told of */
    settle(s);
    drain(s, s->a, 300 - 300 % 32);
    for (int crashes = 0; crashes < 2; crashes++) {
        s->w->limits.queued_memory = crashes ? BUDGET : 0;
        crash(s, 10);
        settle(s);
        assert_true(known(s) < 500);
    }
    broker_kick(s->w->broker, SLICE("a"), EXPEL_DENIED);
    settle(s);
    client_connect_persistent(s->w, s->b, "b");
    settle(s);
    drain(s, s->b, 600);
    nothing_is_queued(s);
}

static void a_session_that_ends_leaves_nothing_in_the_store(void **state)
{
    struct scene *s = *state;
    be_away(s, s->a, "a", "x");
    publish_many(s, "x", 0, 700, 1);
    broker_kick(s->w->broker, SLICE("a"), EXPEL_DENIED);
    assert_int_equal(queued(s), 0);
    settle(s);
    nothing_is_queued(s);
    assert_int_equal(fake_store_rows(s->store, ROW_SESSION), 0);
    assert_int_equal(fake_store_rows(s->store, ROW_SUBSCRIPTION), 0);
}

static void a_crash_while_it_is_cleared_away_does_not_bring_it_back(void **state)
{
    struct scene *s = *state;
    be_away(s, s->a, "a", "x");
    publish_many(s, "x", 0, 700, 1);
    broker_kick(s->w->broker, SLICE("a"), EXPEL_DENIED);
    for (int i = 0; i < 2; i++) { /* some of it, not all */
        world_pass(s->w, 60);
        if (s->store->under_way)
            fake_store_finish(s->store, s->w, COMMIT_DONE);
        fake_store_answer(s->store, s->w);
    }
    assert_true(fake_store_rows(s->store, ROW_MESSAGE) > 0);
    world_crash(s->w, s->store, 0);
    world_pass(s->w, 1);
    assert_null(map_find(&s->w->broker->sessions, SLICE("a")));
    settle(s);
    nothing_is_queued(s);
    assert_int_equal(fake_store_rows(s->store, ROW_SESSION), 0);
}

static void after_a_restart_it_is_read_as_it_is_needed(void **state)
{
    struct scene *s = *state;
    be_away(s, s->a, "a", "x");
    be_away(s, s->b, "b", "x");
    publish_many(s, "x", 0, 1000, 1);
    world_crash(s->w, s->store, 10);
    client_connect(s->w, s->pub, "pub");
    assert_int_equal(s->store->rejected, 0);
    assert_int_equal(queued(s), 2000);
    assert_true(in_memory(s) <= 3 * BUDGET);
    publish_many(s, "x", 1000, 50, 1);
    client_connect_persistent(s->w, s->a, "a");
    settle(s);
    drain(s, s->a, 1050);
    client_connect_persistent(s->w, s->b, "b");
    settle(s);
    drain(s, s->b, 1050);
    nothing_is_queued(s);
}

static void what_was_under_way_before_a_restart_is_read_first(void **state)
{
    struct scene *s = *state;
    be_away(s, s->a, "a", "x");
    publish_many(s, "x", 0, 100, 2);
    client_connect_persistent(s->w, s->a, "a");
    settle(s);
    assert_int_equal(s->a->count, 32);
    struct fake_delivery first[32];
    memcpy(first, s->a->got, sizeof first);
    s->w->limits.queued_memory = 0;
    world_crash(s->w, s->store, 10);
    client_forget(s->a);
    client_connect_persistent(s->w, s->a, "a");
    settle(s);
    assert_int_equal(s->a->count, 32);
    for (int i = 0; i < 32; i++) {
        assert_string_equal(s->a->got[i].payload, first[i].payload);
        assert_int_equal(s->a->got[i].packet_id, first[i].packet_id);
        assert_true(s->a->got[i].dup);
    }
    drain(s, s->a, 100);
    nothing_is_queued(s);
}

static void a_store_that_cannot_read_is_asked_again(void **state)
{
    struct scene *s = *state;
    be_away(s, s->a, "a", "x");
    publish_many(s, "x", 0, 300, 1);
    client_connect_persistent(s->w, s->a, "a");
    assert_int_equal(s->store->fetch_count, 1);
    uint64_t session = s->store->fetches[0].session;
    s->store->fetch_count = 0;
    broker_fetched(s->w->broker, session, NULL, 0);
    assert_int_equal(s->store->fetch_count, 0);
    world_pass(s->w, 1000);
    assert_int_equal(s->store->fetch_count, 1);
    settle(s);
    drain(s, s->a, 300);
    nothing_is_queued(s);
}

static void rows_that_were_damaged_are_not_waited_for(void **state)
{
    struct scene *s = *state;
    s->w->limits.queued_memory = 0;
    be_away(s, s->a, "a", "x");
    publish_many(s, "x", 0, 300, 1);
    client_connect_persistent(s->w, s->a, "a");
    uint64_t session = s->store->fetches[0].session;
    s->store->fetch_count = 0;
    static const struct fetched none[1];
    broker_fetched(s->w->broker, session, none, 0);
    assert_int_equal(queued(s), 0);
    assert_int_equal(client_publish(s->w, s->pub, "x", "after", 1, false), VERDICT_OK);
    assert_int_equal(s->a->count, 1);
}

static void an_answer_that_comes_too_late_is_nobodys(void **state)
{
    struct scene *s = *state;
    be_away(s, s->a, "a", "x");
    publish_many(s, "x", 0, 300, 1);
    client_connect_persistent(s->w, s->a, "a");
    client_connect(s->w, s->a, "a"); /* a clean start */
    while (fake_store_answer(s->store, s->w))
        ;
    assert_int_equal(s->a->count, 0);
    settle(s);
    nothing_is_queued(s);
}

/* Whoever ends while rows are on their way to it is answered for two: the ghost asks anew. */
static void an_answer_that_comes_twice_costs_nobody_else_a_message(void **state)
{
    struct scene *s = *state;
    be_away(s, s->a, "a", "x");
    be_away(s, s->b, "b", "x");
    publish_many(s, "x", 0, 600, 1);
    client_connect_persistent(s->w, s->a, "a");
    assert_int_equal(s->store->fetch_count, 1);
    client_connect(s->w, s->a, "a"); /* a clean start */
    world_turn(s->w);
    if (s->store->under_way)
        fake_store_finish(s->store, s->w, COMMIT_DONE);
    assert_int_equal(s->store->fetch_count, 2); /* both read before anything is removed */
    fake_store_answer(s->store, s->w);
    world_turn(s->w); /* asks for what comes behind */
    fake_store_answer(s->store, s->w);
    settle(s);
    assert_int_equal(fake_store_rows(s->store, ROW_QUEUED), 600);
    assert_int_equal(fake_store_rows(s->store, ROW_MESSAGE), 600);
    client_connect_persistent(s->w, s->b, "b");
    settle(s);
    drain(s, s->b, 600);
    nothing_is_queued(s);
}

static void what_a_ghost_leaves_goes_to_its_share(void **state)
{
    struct scene *s = *state;
    be_away(s, s->a, "a", "$share/g/x");
    publish_many(s, "x", 0, 300, 1);
    client_connect_persistent(s->w, s->b, "b");
    client_subscribe(s->w, s->b, "$share/g/x", 1);
    settle(s);
    broker_kick(s->w->broker, SLICE("a"), EXPEL_DENIED);
    settle(s);
    assert_int_equal(queued(s) + s->b->count, 300);
    bool seen[300] = {false};
    int got = 0;
    for (int rounds = 0; rounds < 1000 && s->b->count; rounds++) {
        size_t now = s->b->count;
        struct fake_delivery copy[256];
        assert_true(now <= 256);
        memcpy(copy, s->b->got, now * sizeof copy[0]);
        client_forget(s->b);
        for (size_t i = 0; i < now; i++) {
            int n = atoi(copy[i].payload);
            assert_false(seen[n]);
            seen[n] = true;
            got++;
            session_acknowledged(s->b->session, copy[i].packet_id, ACK_PUBACK);
        }
        settle(s);
    }
    assert_int_equal(got, 300);
    nothing_is_queued(s);
}

static void expired_messages_go_when_their_turn_comes(void **state)
{
    struct scene *s = *state;
    be_away(s, s->a, "a", "x");
    for (int i = 0; i < 300; i++) {
        struct message m = {.topic = (const uint8_t *)"x",
                            .topic_len = 1,
                            .payload = (const uint8_t *)"12345678",
                            .payload_len = 8,
                            .qos = 1,
                            .expires_ms = i % 2 ? 0 : s->w->wall_ms + 100000};
        broker_publish(s->w->broker, s->pub->session, &m);
        message_end(&m);
    }
    settle(s);
    world_pass(s->w, 100000);
    client_connect_persistent(s->w, s->a, "a");
    settle(s);
    int got = 0;
    while (s->a->count) {
        size_t now = s->a->count;
        struct fake_delivery copy[256];
        memcpy(copy, s->a->got, now * sizeof copy[0]);
        client_forget(s->a);
        for (size_t i = 0; i < now; i++, got++)
            session_acknowledged(s->a->session, copy[i].packet_id, ACK_PUBACK);
        settle(s);
    }
    assert_int_equal(got, 150);
    nothing_is_queued(s);
}

/* Everything at once, at random, with crashes; each message must come once and in order. */
static void play(struct scene *s, uint64_t seed)
{
    struct dice dice = {seed};
    int sent = 0, got = 0;
    bool here = false;
    s->w->limits.queued_memory = dice_throw(&dice, 3) * 6000;
    be_away(s, s->a, "a", "x");
    for (int step = 0; step < 400; step++) {
        switch (dice_throw(&dice, 9)) {
        case 0:
        case 1:
        case 2:
            for (uint32_t i = dice_throw(&dice, 40); i > 0; i--) {
                char text[16];
                snprintf(text, sizeof text, "%d", sent++);
                client_publish(s->w, s->pub, "x", text, 1, false);
            }
            break;
        case 3:
            if (here)
                client_vanish(s->w, s->a);
            else
                client_connect_persistent(s->w, s->a, "a");
            here = !here;
            break;
        case 4:
            if (s->store->under_way)
                fake_store_finish(s->store, s->w, COMMIT_DONE);
            break;
        case 5:
            fake_store_answer(s->store, s->w);
            break;
        case 6:
            world_pass(s->w, dice_throw(&dice, 60));
            break;
        case 7:
            world_turn(s->w);
            break;
        case 8:
            if (dice_throw(&dice, 8))
                break;
            settle(s);
            world_crash(s->w, s->store, 10);
            client_connect(s->w, s->pub, "pub");
            here = false;
            break;
        }
        for (size_t i = 0; here && i < s->a->count; i++) {
            int n = atoi(s->a->got[i].payload);
            assert_true(n <= got); /* again is allowed, to leave one out is not */
            got = n == got ? got + 1 : got;
        }
        struct fake_delivery *copy = malloc(sizeof s->a->got);
        size_t now = here ? s->a->count : 0;
        memcpy(copy, s->a->got, sizeof s->a->got);
        client_forget(s->a);
        for (size_t i = 0; i < now; i++)
            (void)session_acknowledged(s->a->session, copy[i].packet_id, ACK_PUBACK);
        free(copy);
    }
    settle(s);
    if (!here)
        client_connect_persistent(s->w, s->a, "a");
    for (int rounds = 0; got < sent && rounds < 10000; rounds++) {
        settle(s);
        size_t now = s->a->count;
        struct fake_delivery *copy = malloc(sizeof s->a->got);
        memcpy(copy, s->a->got, sizeof s->a->got);
        client_forget(s->a);
        for (size_t i = 0; i < now; i++) {
            int n = atoi(copy[i].payload);
            assert_true(n <= got);
            got = n == got ? got + 1 : got;
            (void)session_acknowledged(s->a->session, copy[i].packet_id, ACK_PUBACK);
        }
        free(copy);
    }
    assert_int_equal(got, sent);
    nothing_is_queued(s);
}

/* What one of two readers has got: each message at least once, and in order. */
struct reader {
    struct fake_client *client;
    const char *id;
    bool here;
    int got;
};

static void read_on(const struct scene *s, struct reader *reader)
{
    for (size_t i = 0; i < reader->client->count; i++) {
        int n = atoi(reader->client->got[i].payload);
        assert_true(n <= reader->got);
        reader->got = n == reader->got ? n + 1 : reader->got;
    }
    acknowledge_all(s, reader->client);
}

static void come_or_go(const struct scene *s, struct reader *reader)
{
    if (reader->here)
        client_vanish(s->w, reader->client);
    else
        client_connect_persistent(s->w, reader->client, reader->id);
    reader->here = !reader->here;
}

/* The same with two who read what is stored once, and a third who ends now and then. */
static void play_together(struct scene *s, uint64_t seed)
{
    struct dice dice = {seed};
    struct reader readers[2] = {{s->a, "a", false, 0}, {s->b, "b", false, 0}};
    struct fake_client *third = client_new();
    int sent = 0;
    be_away(s, s->a, "a", "x");
    be_away(s, s->b, "b", "x");
    s->w->limits.queued_memory = dice_throw(&dice, 3) * 6000;
    for (int step = 0; step < 400; step++) {
        switch (dice_throw(&dice, 10)) {
        case 0:
        case 1:
            for (uint32_t i = dice_throw(&dice, 40); i > 0; i--) {
                char text[16];
                snprintf(text, sizeof text, "%d", sent++);
                publish(s, "x", text, 1, dice_throw(&dice, 8) == 0);
            }
            break;
        case 2:
            come_or_go(s, &readers[dice_throw(&dice, 2)]);
            break;
        case 3:
            if (s->store->under_way)
                finish(s);
            break;
        case 4:
        case 5:
            fake_store_answer(s->store, s->w);
            break;
        case 6:
            world_pass(s->w, dice_throw(&dice, 60));
            break;
        case 7:
            settle(s);
            break;
        case 8:
            if (dice_throw(&dice, 4))
                break;
            settle(s);
            crash(s, 10);
            readers[0].here = readers[1].here = false;
            break;
        case 9:
            if (find(s, "third"))
                broker_kick(s->w->broker, SLICE("third"), EXPEL_DENIED);
            else
                be_away(s, third, "third", "x");
            break;
        }
        for (int i = 0; i < 2; i++)
            if (readers[i].here)
                read_on(s, &readers[i]);
    }
    settle(s);
    broker_kick(s->w->broker, SLICE("third"), EXPEL_DENIED);
    for (int i = 0; i < 2; i++) {
        if (!readers[i].here)
            come_or_go(s, &readers[i]);
        for (int rounds = 0; readers[i].got < sent && rounds < 10000; rounds++) {
            settle(s);
            read_on(s, &readers[i]);
        }
        assert_int_equal(readers[i].got, sent);
    }
    publish(s, "x", "", 0, true); /* no value is retained any more */
    nothing_is_queued(s);
    free(third);
}

static void at_random_what_is_shared_is_kept_as_long_as_anybody_has_it(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 40; seed++) {
        void *one;
        start(&one);
        play_together(one, seed);
        stage_stop(&one);
    }
}

static void at_random_nothing_is_lost_or_out_of_order(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 40; seed++) {
        void *one;
        start(&one);
        play(one, seed);
        stage_stop(&one);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stage_stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_long_queue_is_not_in_memory),
        TEST(qos_2_pages_too),
        TEST(what_comes_while_it_is_being_read_keeps_its_place),
        TEST(a_message_that_two_have_goes_with_the_second),
        TEST(what_several_have_costs_no_memory_either),
        TEST(who_ends_leaves_the_others_what_they_have),
        TEST(counts_of_long_ago_do_no_harm),
        TEST(a_session_that_ends_leaves_nothing_in_the_store),
        TEST(a_crash_while_it_is_cleared_away_does_not_bring_it_back),
        TEST(after_a_restart_it_is_read_as_it_is_needed),
        TEST(what_was_under_way_before_a_restart_is_read_first),
        TEST(a_store_that_cannot_read_is_asked_again),
        TEST(rows_that_were_damaged_are_not_waited_for),
        TEST(an_answer_that_comes_too_late_is_nobodys),
        TEST(an_answer_that_comes_twice_costs_nobody_else_a_message),
        TEST(what_a_ghost_leaves_goes_to_its_share),
        TEST(expired_messages_go_when_their_turn_comes),
        cmocka_unit_test(at_random_what_is_shared_is_kept_as_long_as_anybody_has_it),
        cmocka_unit_test(at_random_nothing_is_lost_or_out_of_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
