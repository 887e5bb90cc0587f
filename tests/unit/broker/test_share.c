/* Shared subscriptions: taking turns, passing over who cannot, and moving on what a member has left
 * behind. */
#include "fake_client.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { MEMBERS = 4 };

struct scene {
    struct world *w;
    struct fake_client *publisher, *m[MEMBERS]; /* "m0", "m1", ...: persistent */
    const struct stats *stats;
};

static const char *name(int i)
{
    static const char *const names[] = {"m0", "m1", "m2", "m3"};
    return names[i];
}

static int start(void **state)
{
    struct scene *s = calloc(1, sizeof *s);
    s->w = world_new();
    s->stats = broker_stats(s->w->broker);
    s->publisher = client_new();
    client_connect(s->w, s->publisher, "publisher");
    for (int i = 0; i < MEMBERS; i++) {
        s->m[i] = client_new();
        client_connect_persistent(s->w, s->m[i], name(i));
    }
    *state = s;
    return 0;
}

static int stop(void **state)
{
    struct scene *s = *state;
    for (int i = 0; i < MEMBERS; i++)
        broker_kick(s->w->broker, slice_of_str(name(i)), EXPEL_DENIED);
    assert_int_equal(s->stats->shared_subscriptions, 0);
    assert_int_equal(s->stats->queued_messages, 0);
    assert_int_equal(s->stats->queued_bytes, 0);
    world_free(s->w);
    free(s->publisher);
    for (int i = 0; i < MEMBERS; i++)
        free(s->m[i]);
    free(s);
    return 0;
}

static void join(struct scene *s, int members, const char *filter, int qos)
{
    for (int i = 0; i < members; i++)
        assert_int_equal(client_subscribe(s->w, s->m[i], filter, qos), VERDICT_OK);
}

static enum verdict publish(struct scene *s, const char *payload, int qos)
{
    return client_publish(s->w, s->publisher, "t", payload, qos, false);
}

static void publish_many(struct scene *s, int times, int qos)
{
    for (int i = 0; i < times; i++) {
        char payload[16];
        snprintf(payload, sizeof payload, "%d", i);
        assert_int_equal(publish(s, payload, qos), VERDICT_OK);
    }
}

static size_t all(const struct scene *s)
{
    size_t sum = 0;
    for (int i = 0; i < MEMBERS; i++)
        sum += s->m[i]->count;
    return sum;
}

/* ---- turns ---- */

static void members_take_turns(void **state)
{
    struct scene *s = *state;
    join(s, 4, "$share/g/t", 1);
    for (int qos = 0; qos <= 2; qos++) {
        publish_many(s, 20, qos);
        for (int i = 0; i < MEMBERS; i++) {
            assert_int_equal(s->m[i]->count, 5);
            client_forget(s->m[i]);
        }
    }
}

static void whoever_joins_takes_part_at_once(void **state)
{
    struct scene *s = *state;
    join(s, 1, "$share/g/t", 0);
    publish_many(s, 10, 0);
    join(s, 2, "$share/g/t", 0); /* the first one anew, which changes nothing */
    publish_many(s, 10, 0);
    assert_int_equal(s->m[0]->count, 15);
    assert_int_equal(s->m[1]->count, 5);
}

static void each_member_gets_it_at_its_own_qos_with_its_own_identifier(void **state)
{
    struct scene *s = *state;
    for (uint32_t i = 0; i < 3; i++) {
        struct subscribe_options options = {.qos = (uint8_t)i, .identifier = 10 * i};
        broker_subscribe(s->w->broker, s->m[i]->session, SLICE("$share/g/t"), &options);
    }
    publish_many(s, 3, 2);
    for (uint32_t i = 0; i < 3; i++) {
        assert_int_equal(s->m[i]->count, 1);
        assert_int_equal(s->m[i]->got[0].qos, i);
        assert_int_equal(s->m[i]->got[0].identifier_count, i ? 1 : 0);
        if (i)
            assert_int_equal(s->m[i]->got[0].identifiers[0], 10 * i);
    }
}

static void the_retain_flag_is_for_who_asked(void **state)
{
    struct scene *s = *state;
    struct subscribe_options options = {.retain_as_published = true};
    broker_subscribe(s->w->broker, s->m[0]->session, SLICE("$share/g/t"), &options);
    client_subscribe(s->w, s->m[1], "$share/g/t", 0);
    for (int i = 0; i < 2; i++)
        client_publish(s->w, s->publisher, "t", "x", 0, true);
    assert_true(s->m[0]->got[0].retain);
    assert_false(s->m[1]->got[0].retain);
}

static void two_groups_get_one_each(void **state)
{
    struct scene *s = *state;
    client_subscribe(s->w, s->m[0], "$share/a/t", 0);
    client_subscribe(s->w, s->m[1], "$share/a/t", 0);
    client_subscribe(s->w, s->m[2], "$share/b/t", 0);
    client_subscribe(s->w, s->m[3], "$share/b/+", 0); /* another filter is another share */
    publish_many(s, 10, 0);
    assert_int_equal(s->m[0]->count, 5);
    assert_int_equal(s->m[1]->count, 5);
    assert_int_equal(s->m[2]->count, 10);
    assert_int_equal(s->m[3]->count, 10);
}

static void a_plain_and_a_shared_subscription_of_one_client_give_two(void **state)
{
    struct scene *s = *state;
    client_subscribe(s->w, s->m[0], "t", 0);
    client_subscribe(s->w, s->m[0], "$share/g/t", 0);
    publish(s, "x", 0);
    assert_int_equal(s->m[0]->count, 2);
}

static void a_share_among_many_plain_subscriptions_is_found(void **state)
{
    struct scene *s = *state;
    join(s, 3, "t", 0);
    client_subscribe(s->w, s->m[3], "$share/g/t", 0);
    client_subscribe(s->w, s->m[3], "$share/h/t", 0);
    publish(s, "x", 0);
    assert_int_equal(s->m[3]->count, 2);
    broker_unsubscribe(s->w->broker, s->m[3]->session, SLICE("$share/h/t"));
    broker_unsubscribe(s->w->broker, s->m[0]->session, SLICE("t"));
    publish(s, "x", 0);
    assert_int_equal(s->m[3]->count, 3);
    broker_unsubscribe(s->w->broker, s->m[3]->session, SLICE("$share/g/t"));
    publish(s, "x", 0);
    assert_int_equal(all(s), 3 + 1 + 3 + 3); /* of the share, of m0, m1 and m2 */
}

static void names_of_groups_may_look_odd(void **state)
{
    struct scene *s = *state;
    static const char *const filters[] = {"$share/$share/t", "$share/a b/t", "$share/t/t",
                                          "$share/A/t", "$share/a/t"};
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(client_subscribe(s->w, s->m[0], filters[i], 0), VERDICT_OK);
    publish(s, "x", 0);
    assert_int_equal(s->m[0]->count, 5);
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(
            broker_unsubscribe(s->w->broker, s->m[0]->session, slice_of_str(filters[i])),
            VERDICT_OK);
    assert_int_equal(publish(s, "x", 0), VERDICT_NO_SUBSCRIBERS);
}

static void a_mountpoint_is_put_in_front_of_the_filter_not_of_the_group(void **state)
{
    struct scene *s = *state;
    struct fake_client *inside = client_new();
    struct connect_request request = usual_request("inside");
    request.mountpoint = "site/";
    client_connect_as(s->w, inside, request);
    client_subscribe(s->w, inside, "$share/g/t", 0);
    client_subscribe(s->w, s->m[0], "$share/g/site/t", 0); /* the same share by its full name */
    for (int i = 0; i < 4; i++)
        client_publish(s->w, s->publisher, "site/t", "x", 0, false);
    assert_int_equal(inside->count, 2);
    assert_int_equal(s->m[0]->count, 2);
    assert_string_equal(inside->got[0].topic, "t");
    assert_string_equal(s->m[0]->got[0].topic, "site/t");
    client_leave(s->w, inside);
    free(inside);
}

/* ---- who cannot is passed over ---- */

static void who_is_full_or_away_is_passed_over(void **state)
{
    struct scene *s = *state;
    for (int qos = 0; qos <= 1; qos++) {
        join(s, 4, "$share/g/t", 1);
        s->m[0]->full = true;
        client_vanish(s->w, s->m[1]);
        publish_many(s, 20, qos);
        assert_int_equal(s->m[0]->count + s->m[1]->count, 0);
        assert_int_equal(s->m[2]->count, 10);
        assert_int_equal(s->m[3]->count, 10);
        s->m[0]->full = false;
        session_pump(s->m[0]->session);
        client_connect_persistent(s->w, s->m[1], name(1));
        assert_int_equal(all(s), 20); /* nothing had been left with them */
        for (int i = 0; i < MEMBERS; i++)
            client_forget(s->m[i]);
    }
    assert_int_equal(s->stats->dropped[DROP_SLOW] + s->stats->dropped[DROP_OFFLINE], 0);
}

static void who_is_full_takes_its_turns_again_after_it_was_drained(void **state)
{
    struct scene *s = *state;
    join(s, 2, "$share/g/t", 0);
    s->m[0]->full = true;
    publish_many(s, 4, 0);
    s->m[0]->full = false;
    session_pump(s->m[0]->session);
    publish_many(s, 4, 0);
    assert_int_equal(s->m[0]->count + s->m[1]->count, 8);
    assert_true(s->m[0]->count >= 2);
}

static void a_full_window_sends_the_next_elsewhere(void **state)
{
    struct scene *s = *state;
    s->w->limits.inflight = 2;
    join(s, 2, "$share/g/t", 1);
    publish_many(s, 6, 1);
    assert_int_equal(s->m[0]->count, 2);
    assert_int_equal(s->m[1]->count, 2);
    assert_int_equal(s->stats->queued_messages, 2); /* both wait, so they wait in a queue */
    session_acknowledged(s->m[0]->session, s->m[0]->got[0].packet_id, ACK_PUBACK);
    session_acknowledged(s->m[1]->session, s->m[1]->got[0].packet_id, ACK_PUBACK);
    assert_int_equal(all(s), 6);
}

static void qos_0_with_everybody_away_is_dropped_and_counted(void **state)
{
    struct scene *s = *state;
    join(s, 2, "$share/g/t", 1);
    client_vanish(s->w, s->m[0]);
    client_vanish(s->w, s->m[1]);
    s->w->limits.queue_qos0_offline = true; /* which is for plain subscriptions */
    assert_int_equal(publish(s, "x", 0), VERDICT_OK);
    assert_int_equal(s->stats->dropped[DROP_OFFLINE], 1);
    assert_int_equal(s->stats->queued_messages, 0);
}

static void qos_0_with_everybody_full_is_dropped_once(void **state)
{
    struct scene *s = *state;
    join(s, 4, "$share/g/t", 0);
    for (int i = 0; i < MEMBERS; i++)
        s->m[i]->full = true;
    publish(s, "x", 0);
    assert_int_equal(stats_dropped(s->stats), 1);
}

static void with_everybody_away_qos_1_waits_with_somebody(void **state)
{
    struct scene *s = *state;
    join(s, 2, "$share/g/t", 1);
    client_vanish(s->w, s->m[0]);
    client_vanish(s->w, s->m[1]);
    publish_many(s, 10, 1);
    assert_int_equal(s->stats->queued_messages, 10);
    client_connect_persistent(s->w, s->m[0], name(0));
    client_connect_persistent(s->w, s->m[1], name(1));
    assert_int_equal(s->m[0]->count, 5);
    assert_int_equal(s->m[1]->count, 5);
}

static void only_when_no_queue_can_take_it_is_it_refused(void **state)
{
    struct scene *s = *state;
    s->w->limits.queued_messages = 2;
    join(s, 2, "$share/g/t", 1);
    client_subscribe(s->w, s->m[2], "$share/g/t", 0); /* keeps nothing while it is away */
    for (int i = 0; i < 3; i++)
        client_vanish(s->w, s->m[i]);
    publish_many(s, 4, 1);
    assert_int_equal(publish(s, "x", 1), VERDICT_QUOTA);
    assert_int_equal(s->stats->dropped[DROP_QUEUE_FULL], 0);
    s->w->limits.queue_full = QUEUE_DROP;
    assert_int_equal(publish(s, "x", 1), VERDICT_OK);
    assert_int_equal(s->stats->dropped[DROP_QUEUE_FULL], 1);
}

static void a_member_that_gets_it_twice_has_room_for_both_or_it_is_refused(void **state)
{
    struct scene *s = *state;
    s->w->limits.queued_messages = 3;
    join(s, 1, "$share/g/t", 1);
    join(s, 1, "$share/h/t", 1);
    join(s, 1, "t", 1);
    client_vanish(s->w, s->m[0]);
    assert_int_equal(publish(s, "x", 1), VERDICT_OK);
    assert_int_equal(s->stats->queued_messages, 3);
    client_connect_persistent(s->w, s->m[0], name(0));
    for (uint16_t id = 1; id <= 3; id++)
        assert_true(session_acknowledged(s->m[0]->session, id, ACK_PUBACK));
    client_vanish(s->w, s->m[0]);
    s->w->limits.queued_messages = 2;
    assert_int_equal(publish(s, "x", 1), VERDICT_QUOTA);
    assert_int_equal(s->stats->queued_messages, 0);
    client_subscribe(s->w, s->m[1], "$share/h/t", 1);
    assert_int_equal(publish(s, "x", 1), VERDICT_OK); /* m1 takes the third */
    assert_int_equal(s->m[1]->count, 1);
    assert_int_equal(s->stats->queued_messages, 2);
    assert_int_equal(stats_dropped(s->stats), 0);
}

static void who_turns_out_to_be_full_keeps_what_nobody_else_can_take(void **state)
{
    struct scene *s = *state;
    s->w->limits.queued_messages = 0;
    join(s, 1, "$share/g/t", 1);
    join(s, 1, "t", 1);
    s->m[0]->full = true; /* nobody knows before it is asked */
    assert_int_equal(publish(s, "x", 1), VERDICT_OK);
    assert_int_equal(s->stats->queued_messages, 2);
    assert_int_equal(stats_dropped(s->stats), 0);
    assert_int_equal(publish(s, "x", 1), VERDICT_QUOTA);
    s->m[0]->full = false;
    session_pump(s->m[0]->session);
    assert_int_equal(s->m[0]->count, 2);
}

static void who_may_not_read_it_does_not_make_it_refused(void **state)
{
    struct scene *s = *state;
    join(s, 1, "$share/g/t", 1);
    struct access *access = access_new();
    const struct acl_rule rule = {.file = "test",
                                  .line = 1,
                                  .allow = true,
                                  .rights = ACL_PUBLISH | ACL_SUBSCRIBE,
                                  .topic = SLICE("#")};
    char why[ACL_WHY_SIZE];
    assert_true(acl_add(access->acl, &rule, why));
    assert_true(acl_seal(access->acl));
    access->governs = true;
    broker_set_access(s->w->broker, access);
    access_unref(access);
    assert_int_equal(publish(s, "x", 1), VERDICT_OK);
    assert_int_equal(s->m[0]->count, 0);
    broker_set_access(s->w->broker, NULL);
}

static void members_that_want_qos_0_only_refuse_nothing(void **state)
{
    struct scene *s = *state;
    join(s, 2, "$share/g/t", 0);
    client_vanish(s->w, s->m[0]);
    client_vanish(s->w, s->m[1]);
    assert_int_equal(publish(s, "x", 1), VERDICT_OK);
    assert_int_equal(stats_dropped(s->stats), 1);
}

/* ---- moving on ---- */

static void what_waits_with_who_vanishes_goes_to_who_is_there(void **state)
{
    struct scene *s = *state;
    s->w->limits.inflight = 2;
    join(s, 1, "$share/g/t", 1);
    publish_many(s, 5, 1); /* two under way, three queued */
    client_subscribe(s->w, s->m[1], "$share/g/t", 1);
    s->w->limits.inflight = 32;
    client_vanish(s->w, s->m[0]);
    assert_int_equal(s->m[1]->count, 5);
    for (int i = 0; i < 5; i++) {
        char payload[16];
        snprintf(payload, sizeof payload, "%d", i);
        assert_string_equal(s->m[1]->got[i].payload, payload); /* in order */
        assert_false(s->m[1]->got[i].dup);                     /* for this one it is new */
    }
    client_forget(s->m[0]);
    client_connect_persistent(s->w, s->m[0], name(0));
    assert_int_equal(s->m[0]->count, 0); /* nothing is left behind */
}

static void qos_2_that_was_sent_stays_where_it_is(void **state)
{
    struct scene *s = *state;
    s->w->limits.inflight = 2;
    join(s, 1, "$share/g/t", 2);
    publish_many(s, 4, 2);
    uint16_t released = s->m[0]->got[0].packet_id, sent = s->m[0]->got[1].packet_id;
    session_acknowledged(s->m[0]->session, released, ACK_PUBREC);
    client_subscribe(s->w, s->m[1], "$share/g/t", 2);
    client_vanish(s->w, s->m[0]);
    assert_int_equal(s->m[1]->count, 2); /* what was queued */
    assert_string_equal(s->m[1]->got[0].payload, "2");
    client_forget(s->m[0]);
    client_connect_persistent(s->w, s->m[0], name(0));
    assert_int_equal(s->m[0]->released_count, 1);
    assert_int_equal(s->m[0]->released[0], released);
    assert_int_equal(s->m[0]->count, 1);
    assert_int_equal(s->m[0]->got[0].packet_id, sent);
    assert_true(s->m[0]->got[0].dup);
}

/* [MQTT-4.4.0-1]: nobody else can take it, so it comes again as it was. */
static void what_nobody_else_takes_keeps_its_id_and_order(void **state)
{
    struct scene *s = *state;
    s->w->limits.inflight = 3;
    join(s, 1, "$share/g/t", 1);
    publish_many(s, 5, 1);
    client_vanish(s->w, s->m[0]);
    struct fake_client *again = client_new();
    client_connect_persistent(s->w, again, name(0));
    assert_int_equal(again->count, 3);
    for (int i = 0; i < 3; i++) {
        assert_string_equal(again->got[i].payload, s->m[0]->got[i].payload);
        assert_int_equal(again->got[i].packet_id, s->m[0]->got[i].packet_id);
        assert_true(again->got[i].dup);
    }
    for (int i = 0; i < 5; i++)
        assert_true(session_acknowledged(again->session, again->got[i].packet_id, ACK_PUBACK));
    assert_string_equal(again->got[3].payload, "3");
    assert_string_equal(again->got[4].payload, "4");
    client_leave(s->w, again);
    free(again);
}

static void what_the_others_cannot_hold_stays(void **state)
{
    struct scene *s = *state;
    s->w->limits.inflight = 2;
    s->w->limits.queued_messages = 3;
    join(s, 1, "$share/g/t", 1);
    publish_many(s, 5, 1);
    client_subscribe(s->w, s->m[1], "$share/g/t", 1);
    s->w->limits.queued_messages = 1;
    client_vanish(s->w, s->m[0]); /* m1: two under way, one queued */
    assert_int_equal(s->m[1]->count, 2);
    assert_int_equal(s->stats->queued_messages, 3); /* one with m1, two with m0 */
    assert_int_equal(stats_dropped(s->stats), 0);
    client_forget(s->m[0]);
    client_connect_persistent(s->w, s->m[0], name(0));
    assert_int_equal(s->m[0]->count, 2);
    assert_string_equal(s->m[0]->got[0].payload, "3");
    assert_string_equal(s->m[0]->got[1].payload, "4");
}

/* The small one would find room elsewhere, but not before the large one that it came after. */
static void what_stays_keeps_what_came_after_it(void **state)
{
    struct scene *s = *state;
    s->w->limits.inflight = 1;
    join(s, 1, "$share/g/t", 1);
    publish(s, "under way", 1);
    publish(s, "much larger than the others", 1);
    publish(s, "small", 1);
    client_subscribe(s->w, s->m[1], "$share/g/t", 1);
    client_subscribe(s->w, s->m[1], "p", 1);
    for (int i = 0; i < 2; i++)
        client_publish(s->w, s->publisher, "p", "x", 1, false);
    s->w->limits.queued_bytes = 20;
    client_vanish(s->w, s->m[0]);
    s->w->limits.inflight = 32;
    session_pump(s->m[1]->session);
    assert_int_equal(s->m[1]->count, 3);
    assert_string_equal(s->m[1]->got[2].payload, "under way");
    client_forget(s->m[0]);
    client_connect_persistent(s->w, s->m[0], name(0));
    assert_int_equal(s->m[0]->count, 2);
    assert_string_equal(s->m[0]->got[0].payload, "much larger than the others");
    assert_string_equal(s->m[0]->got[1].payload, "small");
}

static void an_unsubscribe_hands_on_what_waits_and_not_what_was_sent(void **state)
{
    struct scene *s = *state;
    s->w->limits.inflight = 2;
    join(s, 1, "$share/g/t", 1);
    client_subscribe(s->w, s->m[0], "$share/h/t", 1);
    publish_many(s, 3, 1); /* of each group: in turn, six in all, two of them under way */
    client_subscribe(s->w, s->m[1], "$share/g/t", 1);
    client_subscribe(s->w, s->m[2], "$share/h/t", 1);
    broker_unsubscribe(s->w->broker, s->m[0]->session, SLICE("$share/g/t"));
    assert_int_equal(s->m[1]->count, 2);
    assert_int_equal(s->m[2]->count, 0); /* the other group stays */
    for (size_t i = 0; i < 4; i++)
        assert_true(session_acknowledged(s->m[0]->session, s->m[0]->got[i].packet_id, ACK_PUBACK));
    assert_int_equal(s->m[0]->count, 4);
}

static void an_unsubscribe_of_the_last_member_still_delivers(void **state)
{
    struct scene *s = *state;
    s->w->limits.inflight = 1;
    join(s, 1, "$share/g/t", 1);
    publish_many(s, 3, 1);
    broker_unsubscribe(s->w->broker, s->m[0]->session, SLICE("$share/g/t"));
    for (size_t i = 0; i < 3; i++)
        assert_true(session_acknowledged(s->m[0]->session, s->m[0]->got[i].packet_id, ACK_PUBACK));
    assert_int_equal(s->m[0]->count, 3);
    assert_int_equal(stats_dropped(s->stats), 0);
}

static void a_session_that_ends_hands_on_even_to_who_is_away(void **state)
{
    struct scene *s = *state;
    join(s, 2, "$share/g/t", 1);
    client_vanish(s->w, s->m[1]);
    publish_many(s, 4, 1);
    assert_int_equal(s->m[0]->count, 4);
    client_vanish(s->w, s->m[0]); /* nobody is connected: it waits with m0 */
    assert_int_equal(s->stats->queued_messages, 0);
    broker_kick(s->w->broker, SLICE("m0"), EXPEL_DENIED);
    assert_int_equal(s->stats->queued_messages, 4);
    client_connect_persistent(s->w, s->m[1], name(1));
    assert_int_equal(s->m[1]->count, 4);
    assert_int_equal(stats_dropped(s->stats), 0);
}

static void what_the_last_member_leaves_is_dropped_and_counted(void **state)
{
    struct scene *s = *state;
    s->w->limits.inflight = 1;
    join(s, 1, "$share/g/t", 1);
    publish_many(s, 4, 1);
    broker_kick(s->w->broker, SLICE("m0"), EXPEL_DENIED);
    assert_int_equal(s->stats->dropped[DROP_SESSION_ENDED], 3);
    assert_int_equal(s->stats->queued_messages, 0);
}

static void an_expired_session_hands_on_too(void **state)
{
    struct scene *s = *state;
    struct fake_client *brief = client_new();
    struct connect_request request = usual_request("brief");
    request.expiry_s = 5;
    client_connect_as(s->w, brief, request);
    client_subscribe(s->w, brief, "$share/g/t", 1);
    client_vanish(s->w, brief);
    publish_many(s, 3, 1);
    join(s, 1, "$share/g/t", 1);
    world_pass(s->w, 5000);
    assert_int_equal(s->m[0]->count, 3);
    free(brief);
}

/* A chain of members that vanish one after the other: nothing is lost on the way. */
static void a_message_may_move_many_times(void **state)
{
    struct scene *s = *state;
    join(s, 4, "$share/g/t", 1);
    publish_many(s, 20, 1);
    for (int i = 0; i < 3; i++)
        client_vanish(s->w, s->m[i]);
    assert_int_equal(s->m[3]->count, 20);
    client_vanish(s->w, s->m[3]);
    client_connect_persistent(s->w, s->m[0], name(0));
    assert_int_equal(s->m[0]->count, 5); /* nothing new: m3 keeps its ids */
    broker_kick(s->w->broker, SLICE("m3"), EXPEL_DENIED);
    assert_int_equal(s->m[0]->count, 25);
    assert_int_equal(stats_dropped(s->stats), 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(members_take_turns),
        T(whoever_joins_takes_part_at_once),
        T(each_member_gets_it_at_its_own_qos_with_its_own_identifier),
        T(the_retain_flag_is_for_who_asked),
        T(two_groups_get_one_each),
        T(a_plain_and_a_shared_subscription_of_one_client_give_two),
        T(a_share_among_many_plain_subscriptions_is_found),
        T(names_of_groups_may_look_odd),
        T(a_mountpoint_is_put_in_front_of_the_filter_not_of_the_group),
        T(who_is_full_or_away_is_passed_over),
        T(who_is_full_takes_its_turns_again_after_it_was_drained),
        T(a_full_window_sends_the_next_elsewhere),
        T(qos_0_with_everybody_away_is_dropped_and_counted),
        T(qos_0_with_everybody_full_is_dropped_once),
        T(with_everybody_away_qos_1_waits_with_somebody),
        T(only_when_no_queue_can_take_it_is_it_refused),
        T(a_member_that_gets_it_twice_has_room_for_both_or_it_is_refused),
        T(who_turns_out_to_be_full_keeps_what_nobody_else_can_take),
        T(who_may_not_read_it_does_not_make_it_refused),
        T(members_that_want_qos_0_only_refuse_nothing),
        T(what_waits_with_who_vanishes_goes_to_who_is_there),
        T(qos_2_that_was_sent_stays_where_it_is),
        T(what_nobody_else_takes_keeps_its_id_and_order),
        T(what_the_others_cannot_hold_stays),
        T(what_stays_keeps_what_came_after_it),
        T(an_unsubscribe_hands_on_what_waits_and_not_what_was_sent),
        T(an_unsubscribe_of_the_last_member_still_delivers),
        T(a_session_that_ends_hands_on_even_to_who_is_away),
        T(what_the_last_member_leaves_is_dropped_and_counted),
        T(an_expired_session_hands_on_too),
        T(a_message_may_move_many_times),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
