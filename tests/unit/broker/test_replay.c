/* Retained messages on their way to a new subscriber: which, how, how fast, and what happens when
 * something changes in the middle. */
#include "broker/topic.h"
#include "dice.h"
#include "fake_client.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

struct scene {
    struct world *w;
    struct fake_client *publisher, *c, *d;
};

static int start(void **state)
{
    struct scene *s = calloc(1, sizeof *s);
    s->w = world_new();
    s->publisher = client_new();
    s->c = client_new();
    s->d = client_new();
    client_connect(s->w, s->publisher, "publisher");
    client_connect_persistent(s->w, s->c, "c");
    *state = s;
    return 0;
}

static int stop(void **state)
{
    struct scene *s = *state;
    world_free(s->w);
    free(s->publisher);
    free(s->c);
    free(s->d);
    free(s);
    return 0;
}

static void retain(struct scene *s, const char *topic, const char *payload, int qos)
{
    client_publish(s->w, s->publisher, topic, payload, qos, true);
}

/* r/0, r/1, ... */
static void retain_many(struct scene *s, int count, int qos)
{
    for (int i = 0; i < count; i++) {
        char topic[32];
        snprintf(topic, sizeof topic, "r/%d", i);
        retain(s, topic, topic, qos);
    }
}

static void subscribe(struct scene *s, struct fake_client *client, const char *filter,
                      uint8_t retain_handling, uint8_t qos)
{
    struct subscribe_options options = {.qos = qos, .retain_handling = retain_handling};
    assert_int_equal(
        broker_subscribe(s->w->broker, client->session, slice_of_str(filter), &options),
        VERDICT_OK);
}

static bool turn(struct scene *s)
{
    return broker_work(s->w->broker);
}

/* ---- which and how ---- */

static void a_new_subscriber_gets_what_is_retained_after_the_suback(void **state)
{
    struct scene *s = *state;
    retain(s, "a/b", "1", 1);
    retain(s, "a/c", "2", 1);
    client_subscribe(s->w, s->c, "a/b", 1);
    assert_int_equal(s->c->count, 0); /* not before the next turn */
    assert_false(turn(s));
    assert_int_equal(s->c->count, 1);
    assert_string_equal(s->c->got[0].topic, "a/b");
    assert_true(s->c->got[0].retain);
    assert_false(s->c->got[0].dup);
    assert_false(turn(s));
    assert_int_equal(s->c->count, 1);
}

static void retain_handling_says_when(void **state)
{
    struct scene *s = *state;
    retain(s, "a", "1", 0);
    subscribe(s, s->c, "a", 2, 0); /* never */
    world_work(s->w);
    assert_int_equal(s->c->count, 0);
    subscribe(s, s->c, "a", 1, 0); /* only if new, and it is not */
    world_work(s->w);
    assert_int_equal(s->c->count, 0);
    subscribe(s, s->c, "a", 0, 0); /* always */
    world_work(s->w);
    assert_int_equal(s->c->count, 1);
    subscribe(s, s->c, "+", 1, 0); /* new */
    world_work(s->w);
    assert_int_equal(s->c->count, 2);
}

static void a_shared_subscription_gets_nothing_retained(void **state)
{
    struct scene *s = *state;
    retain(s, "a", "1", 0);
    subscribe(s, s->c, "$share/g/a", 0, 0);
    world_work(s->w);
    assert_int_equal(s->c->count, 0);
}

static void the_qos_is_the_lower_of_both_and_identifiers_are_told(void **state)
{
    struct scene *s = *state;
    for (int qos = 0; qos <= 2; qos++) {
        char topic[] = {(char)('0' + qos), 0};
        retain(s, topic, topic, qos);
    }
    struct subscribe_options options = {.qos = 1, .identifier = 77};
    broker_subscribe(s->w->broker, s->c->session, SLICE("+"), &options);
    world_work(s->w);
    assert_int_equal(s->c->count, 3);
    for (int i = 0; i < 3; i++) {
        int published = s->c->got[i].topic[0] - '0';
        assert_int_equal(s->c->got[i].qos, published < 1 ? published : 1);
        assert_int_equal(s->c->got[i].packet_id != 0, published > 0);
        assert_int_equal(s->c->got[i].identifier_count, 1);
        assert_int_equal(s->c->got[i].identifiers[0], 77);
    }
}

static void a_mountpoint_hides_the_rest_of_the_tree(void **state)
{
    struct scene *s = *state;
    retain(s, "x", "outside", 0);
    retain(s, "site/x", "inside", 0);
    retain(s, "site/y/z", "deep inside", 0);
    struct connect_request request = usual_request("d");
    request.mountpoint = "site/";
    client_connect_as(s->w, s->d, request);
    client_subscribe(s->w, s->d, "#", 0);
    world_work(s->w);
    assert_int_equal(s->d->count, 2);
    for (int i = 0; i < 2; i++)
        assert_true(strcmp(s->d->got[i].topic, "x") == 0 || strcmp(s->d->got[i].topic, "y/z") == 0);
}

static void expired_values_are_not_sent(void **state)
{
    struct scene *s = *state;
    struct message m = {.topic = (const uint8_t *)"a",
                        .topic_len = 1,
                        .payload = (const uint8_t *)"x",
                        .payload_len = 1,
                        .retain = true,
                        .expires_ms = s->w->wall_ms + 100};
    broker_publish(s->w->broker, s->publisher->session, &m);
    message_end(&m);
    client_subscribe(s->w, s->c, "a", 0);
    broker_turn(s->w->broker, s->w->mono_ms, s->w->wall_ms + 100); /* before anything is swept */
    world_work(s->w);
    assert_int_equal(s->c->count, 0);
}

/* Every filter against every name, with the definition as judge. */
static void wildcards_select_what_the_definition_says(void **state)
{
    struct scene *s = *state;
    static const char *const levels[] = {"a", "b", "", "$x"};
    enum { TOPICS = 120, FILTERS = 1500 };
    static char topics[TOPICS][32];
    struct dice dice = {23};
    for (int i = 0; i < TOPICS; i++) {
        *topics[i] = 0;
        for (uint32_t level = 0, count = 1 + dice_throw(&dice, 4); level < count; level++)
            strcat(strcat(topics[i], level ? "/" : ""), levels[dice_throw(&dice, 4)]);
        if (!*topics[i])
            strcpy(topics[i], "a");
        struct message m = {.topic = (const uint8_t *)topics[i],
                            .topic_len = (uint16_t)strlen(topics[i]),
                            .payload = (const uint8_t *)"x",
                            .payload_len = 1,
                            .retain = true};
        broker_publish_own(s->w->broker, &m); /* the daemon: only it may write to "$..." */
        message_end(&m);
    }
    for (int i = 0; i < FILTERS; i++) {
        char filter[32] = "";
        uint32_t count = 1 + dice_throw(&dice, 5);
        for (uint32_t level = 0; level < count; level++) {
            uint32_t pick = dice_throw(&dice, 7);
            bool last = level == count - 1;
            strcat(strcat(filter, level ? "/" : ""), pick < 4            ? levels[pick]
                                                     : pick == 6 && last ? "#"
                                                                         : "+");
        }
        if (!*filter)
            continue;
        size_t expected = 0;
        for (int t = 0; t < TOPICS; t++) {
            bool again = false;
            for (int u = 0; u < t && !again; u++)
                again = strcmp(topics[t], topics[u]) == 0;
            expected += !again && topic_matches(slice_of_str(filter), slice_of_str(topics[t]));
        }
        client_forget(s->c);
        subscribe(s, s->c, filter, 0, 0);
        world_work(s->w);
        if (s->c->count != expected)
            fail_msg("\"%s\": %zu instead of %zu", filter, s->c->count, expected);
        for (size_t got = 0; got < s->c->count; got++)
            assert_true(topic_matches(slice_of_str(filter), slice_of_str(s->c->got[got].topic)));
        broker_unsubscribe(s->w->broker, s->c->session, slice_of_str(filter));
    }
}

/* ---- how fast ---- */

static void a_turn_brings_no_more_than_the_limit(void **state)
{
    struct scene *s = *state;
    retain_many(s, 200, 0);
    client_subscribe(s->w, s->c, "r/+", 0);
    const size_t after[] = {64, 128, 192, 200};
    for (int i = 0; i < 4; i++) {
        assert_int_equal(turn(s), i < 3);
        assert_int_equal(s->c->count, after[i]);
    }
    for (size_t i = 0; i < 200; i++)
        for (size_t k = 0; k < i; k++)
            assert_string_not_equal(s->c->got[i].topic, s->c->got[k].topic);
}

static void many_who_subscribe_at_once_share_a_turn(void **state)
{
    struct scene *s = *state;
    enum { CLIENTS = 40 };
    struct fake_client *clients[CLIENTS];
    s->w->limits.retained_per_turn = 500; /* for some thirty of them a turn has time */
    retain_many(s, 1000, 0);
    for (int i = 0; i < CLIENTS; i++) {
        char id[16];
        snprintf(id, sizeof id, "many-%d", i);
        clients[i] = client_new();
        client_connect(s->w, clients[i], id);
        client_subscribe(s->w, clients[i], "r/#", 0);
    }
    size_t before = 0, turns = 0;
    bool more = true;
    while (more) {
        more = turn(s);
        size_t now = 0;
        for (int i = 0; i < CLIENTS; i++)
            now += clients[i]->count;
        assert_true(now - before <= 16384);
        before = now;
        turns++;
        for (int i = 0; turns == 2 && i < CLIENTS; i++)
            assert_true(clients[i]->count > 0); /* who was left out came first */
    }
    assert_true(turns >= 3 && turns <= 5);
    for (int i = 0; i < CLIENTS; i++) {
        assert_int_equal(clients[i]->count, 1000);
        free(clients[i]);
    }
}

static void a_search_that_finds_nothing_is_paced_too(void **state)
{
    struct scene *s = *state;
    retain_many(s, 5000, 0);
    client_subscribe(s->w, s->c, "+/+/x", 0);
    int turns = 1;
    while (turn(s))
        turns++;
    assert_int_equal(s->c->count, 0);
    assert_true(turns >= 4 && turns <= 6); /* 1,024 nodes each */
}

static void a_full_sink_gets_the_rest_later(void **state)
{
    struct scene *s = *state;
    retain_many(s, 10, 0);
    client_subscribe(s->w, s->c, "r/+", 0);
    s->w->limits.retained_per_turn = 4;
    assert_true(turn(s));
    s->c->full = true;
    assert_false(turn(s)); /* nobody to serve: the loop may sleep */
    assert_false(turn(s));
    assert_int_equal(s->c->count, 4);
    s->c->full = false;
    session_pump(s->c->session);
    world_work(s->w);
    assert_int_equal(s->c->count, 10);
    assert_int_equal(broker_stats(s->w->broker)->dropped[DROP_SLOW], 0);
}

static void the_window_paces_what_is_to_be_answered(void **state)
{
    struct scene *s = *state;
    retain_many(s, 100, 1);
    client_subscribe(s->w, s->c, "r/+", 1);
    world_work(s->w);
    assert_int_equal(s->c->count, 32);
    assert_int_equal(broker_stats(s->w->broker)->queued_messages, 0);
    for (size_t i = 0; i < 100; i++) {
        assert_true(session_acknowledged(s->c->session, s->c->got[i].packet_id, ACK_PUBACK));
        world_work(s->w);
    }
    assert_int_equal(s->c->count, 100);
}

static void what_is_too_large_for_the_client_is_passed_over(void **state)
{
    struct scene *s = *state;
    retain(s, "r/1", "small", 0);
    retain(s, "r/2", "much too large", 0);
    retain(s, "r/3", "much too large, and to be answered", 1);
    s->c->too_large = 5;
    client_subscribe(s->w, s->c, "r/#", 1);
    world_work(s->w);
    assert_int_equal(s->c->count, 1);
    assert_int_equal(broker_stats(s->w->broker)->dropped[DROP_TOO_LARGE], 2);
}

/* ---- in the middle ---- */

static size_t times_got(const struct fake_client *client, const char *topic)
{
    size_t times = 0;
    for (size_t i = 0; i < client->count; i++)
        times += strcmp(client->got[i].topic, topic) == 0;
    return times;
}

static void what_is_published_meanwhile_comes_once(void **state)
{
    struct scene *s = *state;
    retain_many(s, 100, 0);
    client_subscribe(s->w, s->c, "r/#", 0);
    s->w->limits.retained_per_turn = 10;
    turn(s);
    for (int i = 0; i < 100; i++) {
        char topic[32];
        snprintf(topic, sizeof topic, "r/%d", i);
        if (times_got(s->c, topic) == 0 && i % 2) {
            retain(s, topic, "replaced", 0);
            retain(s, topic, "replaced again", 0);
        }
    }
    retain(s, "r/100", "new", 0);
    retain(s, "r/7/8", "new below", 0);
    world_work(s->w);
    assert_int_equal(times_got(s->c, "r/100"), 1);
    assert_int_equal(times_got(s->c, "r/7/8"), 1);
    size_t replaced = 0;
    for (size_t i = 0; i < s->c->count; i++) {
        bool live = strncmp(s->c->got[i].payload, "replaced", 8) == 0 ||
                    strncmp(s->c->got[i].payload, "new", 3) == 0;
        assert_int_equal(s->c->got[i].retain, !live);
        replaced += live;
    }
    assert_int_equal(s->c->count, 100 + replaced / 2 + 1);
}

static void what_is_removed_meanwhile_is_not_sent(void **state)
{
    struct scene *s = *state;
    retain_many(s, 100, 0);
    client_subscribe(s->w, s->c, "r/#", 0);
    s->w->limits.retained_per_turn = 1;
    for (int i = 0; i < 50; i++)
        turn(s);
    assert_int_equal(s->c->count, 50);
    for (int i = 0; i < 100; i++) {
        char topic[32];
        snprintf(topic, sizeof topic, "r/%d", i);
        retain(s, topic, "", 0);
    }
    size_t now = s->c->count; /* the removals themselves are messages too */
    assert_int_equal(now, 150);
    world_work(s->w);
    assert_int_equal(s->c->count, now);
    assert_int_equal(broker_stats(s->w->broker)->retained_messages, 0);
}

static void an_unsubscribe_ends_it(void **state)
{
    struct scene *s = *state;
    retain_many(s, 100, 0);
    s->w->limits.retained_per_turn = 10;
    client_subscribe(s->w, s->c, "r/#", 0);
    client_subscribe(s->w, s->c, "r/+", 0);
    turn(s);
    assert_int_equal(s->c->count, 10);
    broker_unsubscribe(s->w->broker, s->c->session, SLICE("r/#"));
    world_work(s->w);
    assert_int_equal(s->c->count, 110); /* the other one goes on */
    client_subscribe(s->w, s->c, "r/#", 0);
    turn(s);
    broker_unsubscribe(s->w->broker, s->c->session, SLICE("r/#"));
    assert_false(turn(s));
    assert_int_equal(s->c->count, 120);
}

static void subscribing_again_begins_again(void **state)
{
    struct scene *s = *state;
    retain_many(s, 30, 0);
    s->w->limits.retained_per_turn = 10;
    client_subscribe(s->w, s->c, "r/#", 0);
    turn(s);
    client_subscribe(s->w, s->c, "r/#", 0);
    world_work(s->w);
    assert_int_equal(s->c->count, 40); /* ten of the first, thirty of the second */
    subscribe(s, s->c, "r/#", 0, 0);
    turn(s);
    subscribe(s, s->c, "r/#", 1, 0); /* does not begin again, nor end it */
    world_work(s->w);
    assert_int_equal(s->c->count, 70);
}

static void a_session_that_comes_back_gets_the_rest(void **state)
{
    struct scene *s = *state;
    retain_many(s, 100, 0);
    s->w->limits.retained_per_turn = 30;
    client_subscribe(s->w, s->c, "r/#", 0);
    turn(s);
    client_vanish(s->w, s->c);
    assert_false(turn(s));
    client_connect_persistent(s->w, s->d, "c");
    assert_true(s->d->present);
    world_work(s->w);
    assert_int_equal(s->c->count + s->d->count, 100);
    client_subscribe(s->w, s->d, "r/#", 0);
    turn(s);
    client_forget(s->c);
    client_connect_persistent(s->w, s->c, "c"); /* a takeover in the middle */
    world_work(s->w);
    assert_int_equal(s->c->count, 70);
}

static void a_session_that_ends_takes_its_replay_along(void **state)
{
    struct scene *s = *state;
    retain_many(s, 100, 0);
    client_connect(s->w, s->d, "d");
    client_subscribe(s->w, s->d, "r/#", 0);
    turn(s);
    client_vanish(s->w, s->d);
    assert_false(turn(s));
    client_connect(s->w, s->d, "d");
    client_subscribe(s->w, s->d, "r/#", 0);
    turn(s);
    broker_kick(s->w->broker, SLICE("d"), EXPEL_DENIED);
    assert_false(turn(s));
    /* No pin is left: all nodes go with their values. */
    for (int i = 0; i < 100; i++) {
        char topic[32];
        snprintf(topic, sizeof topic, "r/%d", i);
        retain(s, topic, "", 0);
    }
    client_subscribe(s->w, s->c, "#", 0);
    world_work(s->w);
    assert_int_equal(s->c->count, 0);
}

/* Values come and go at random between single steps: whoever was there all the time is sent once,
 * nobody twice, and what came later only live. */
static void random_changes_in_the_middle_lose_and_double_nothing(void **state)
{
    struct scene *s = *state;
    enum { TOPICS = 150 };
    static const char *const filters[] = {"#", "+/#", "a/#", "+/+", "a/+/#", "b/+", "+/+/x"};
    struct dice dice = {31};
    s->w->limits.retained_per_turn = 1;
    for (int round = 0; round < 140; round++) {
        const char *filter = filters[round % 7];
        bool there[TOPICS], untouched[TOPICS];
        char topics[TOPICS][32];
        for (uint32_t i = 0; i < TOPICS; i++) {
            snprintf(topics[i], 32, i % 3 ? "%c/%u" : "%c/%u/x", 'a' + i % 4, i);
            there[i] = untouched[i] = dice_throw(&dice, 2);
            retain(s, topics[i], there[i] ? "old" : "", 0);
        }
        client_forget(s->c);
        client_subscribe(s->w, s->c, filter, 0);
        bool more = true;
        while (more) {
            more = turn(s);
            uint32_t i = dice_throw(&dice, TOPICS);
            there[i] = !there[i];
            untouched[i] = false;
            retain(s, topics[i], there[i] ? "new" : "", 0);
        }
        broker_unsubscribe(s->w->broker, s->c->session, slice_of_str(filter));
        for (uint32_t i = 0; i < TOPICS; i++) {
            size_t old = 0;
            for (size_t k = 0; k < s->c->count; k++) {
                bool mine = strcmp(s->c->got[k].topic, topics[i]) == 0;
                if (mine && s->c->got[k].retain)
                    assert_string_equal(s->c->got[k].payload, "old");
                old += mine && s->c->got[k].retain;
            }
            bool wanted = topic_matches(slice_of_str(filter), slice_of_str(topics[i]));
            if (untouched[i])
                assert_int_equal(old, wanted);
            else
                assert_true(old <= wanted);
        }
    }
}

#define T(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_new_subscriber_gets_what_is_retained_after_the_suback),
        T(retain_handling_says_when),
        T(a_shared_subscription_gets_nothing_retained),
        T(the_qos_is_the_lower_of_both_and_identifiers_are_told),
        T(a_mountpoint_hides_the_rest_of_the_tree),
        T(expired_values_are_not_sent),
        T(wildcards_select_what_the_definition_says),
        T(a_turn_brings_no_more_than_the_limit),
        T(many_who_subscribe_at_once_share_a_turn),
        T(a_search_that_finds_nothing_is_paced_too),
        T(a_full_sink_gets_the_rest_later),
        T(the_window_paces_what_is_to_be_answered),
        T(what_is_too_large_for_the_client_is_passed_over),
        T(what_is_published_meanwhile_comes_once),
        T(what_is_removed_meanwhile_is_not_sent),
        T(an_unsubscribe_ends_it),
        T(subscribing_again_begins_again),
        T(a_session_that_comes_back_gets_the_rest),
        T(a_session_that_ends_takes_its_replay_along),
        T(random_changes_in_the_middle_lose_and_double_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
