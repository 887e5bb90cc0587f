/* Sessions: who gets which, how long they live, what they remember between connections, and that
 * nothing is left when they are gone. */
#include "fake_client.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

struct scene {
    struct world *w;
    struct fake_client *publisher, *old, *new; /* old and new: connections of one client */
};

static int start(void **state)
{
    struct scene *s = calloc(1, sizeof *s);
    s->w = world_new();
    s->publisher = client_new();
    s->old = client_new();
    s->new = client_new();
    client_connect(s->w, s->publisher, "publisher");
    *state = s;
    return 0;
}

/* Whatever has happened: once everybody is gone, the counters are back at nothing. */
static int stop(void **state)
{
    struct scene *s = *state;
    const char *ids[] = {"publisher", "c", "d"};
    for (size_t i = 0; i < 3; i++)
        broker_kick(s->w->broker, slice_of_str(ids[i]), EXPEL_DENIED);
    const struct stats *stats = broker_stats(s->w->broker);
    assert_int_equal(stats->sessions, 0);
    assert_int_equal(stats->clients_connected, 0);
    assert_int_equal(stats->subscriptions, 0);
    assert_int_equal(stats->shared_subscriptions, 0);
    assert_int_equal(stats->queued_messages, 0);
    assert_int_equal(stats->queued_bytes, 0);
    world_free(s->w);
    free(s->publisher);
    free(s->old);
    free(s->new);
    free(s);
    return 0;
}

static struct connect_request lasting_request(uint32_t expiry_s)
{
    struct connect_request request = usual_request("c");
    request.clean_start = false;
    request.expiry_s = expiry_s;
    return request;
}

static void publish(struct scene *s, const char *payload, int qos)
{
    assert_int_equal(client_publish(s->w, s->publisher, "t", payload, qos, false), VERDICT_OK);
}

static uint64_t sessions(const struct scene *s)
{
    return broker_stats(s->w->broker)->sessions;
}

/* ---- life ---- */

static void a_session_without_expiry_ends_with_its_connection(void **state)
{
    struct scene *s = *state;
    client_connect(s->w, s->old, "c");
    client_subscribe(s->w, s->old, "t", 1);
    client_vanish(s->w, s->old);
    assert_int_equal(sessions(s), 1);
    assert_int_equal(client_publish(s->w, s->publisher, "t", "1", 1, false),
                     VERDICT_NO_SUBSCRIBERS);
    client_connect_as(s->w, s->new, lasting_request(0));
    assert_false(s->new->present);
}

static void a_session_with_expiry_is_resumed_with_all_it_had(void **state)
{
    struct scene *s = *state;
    client_connect_as(s->w, s->old, lasting_request(10));
    assert_false(s->old->present);
    client_subscribe(s->w, s->old, "t", 1);
    client_leave(s->w, s->old);
    publish(s, "while away", 1);
    client_connect_as(s->w, s->new, lasting_request(10));
    assert_true(s->new->present);
    assert_int_equal(s->new->count, 1);
    assert_string_equal(s->new->got[0].payload, "while away");
    assert_false(s->new->got[0].dup);
    publish(s, "back again", 1);
    assert_int_equal(s->new->count, 2);
}

static void a_clean_start_forgets_everything(void **state)
{
    struct scene *s = *state;
    client_connect_as(s->w, s->old, lasting_request(10));
    client_subscribe(s->w, s->old, "t", 1);
    session_received(s->old->session, 7);
    client_leave(s->w, s->old);
    publish(s, "lost", 1);
    struct connect_request clean = lasting_request(10);
    clean.clean_start = true;
    client_connect_as(s->w, s->new, clean);
    assert_false(s->new->present);
    assert_int_equal(s->new->count, 0);
    assert_int_equal(session_received(s->new->session, 7), INBOUND_NEW);
    assert_int_equal(broker_stats(s->w->broker)->dropped[DROP_SESSION_ENDED], 1);
    assert_int_equal(client_publish(s->w, s->publisher, "t", "1", 1, false),
                     VERDICT_NO_SUBSCRIBERS);
}

static void an_absent_session_expires_to_the_second(void **state)
{
    struct scene *s = *state;
    client_connect_as(s->w, s->old, lasting_request(10));
    client_leave(s->w, s->old);
    world_pass(s->w, 9999);
    assert_int_equal(sessions(s), 2);
    world_pass(s->w, 1);
    assert_int_equal(sessions(s), 1);
    assert_int_equal(broker_stats(s->w->broker)->clients_expired, 1);
}

static void a_session_does_not_expire_while_its_client_is_there(void **state)
{
    struct scene *s = *state;
    client_connect_as(s->w, s->old, lasting_request(10));
    client_leave(s->w, s->old);
    world_pass(s->w, 5000);
    client_connect_as(s->w, s->new, lasting_request(10));
    world_pass(s->w, 100000);
    assert_int_equal(sessions(s), 2);
    client_leave(s->w, s->new); /* the ten seconds begin again */
    world_pass(s->w, 9999);
    assert_int_equal(sessions(s), 2);
    world_pass(s->w, 1);
    assert_int_equal(sessions(s), 1);
}

static void a_session_that_never_expires_is_there_after_a_century(void **state)
{
    struct scene *s = *state;
    client_connect_as(s->w, s->old, lasting_request(SESSION_NEVER_EXPIRES));
    client_leave(s->w, s->old);
    world_pass(s->w, UINT64_C(100) * 365 * 86400 * 1000);
    assert_int_equal(sessions(s), 2);
    client_connect_as(s->w, s->new, lasting_request(0));
    assert_true(s->new->present);
}

static void the_longest_expiry_below_never_ends_too(void **state)
{
    struct scene *s = *state;
    client_connect_as(s->w, s->old, lasting_request(SESSION_NEVER_EXPIRES - 1));
    client_leave(s->w, s->old);
    world_pass(s->w, UINT64_C(1000) * (SESSION_NEVER_EXPIRES - 1) - 1);
    assert_int_equal(sessions(s), 2);
    world_pass(s->w, 1);
    assert_int_equal(sessions(s), 1);
}

static void the_expiry_may_change_at_the_end_of_the_connection(void **state)
{
    struct scene *s = *state;
    client_connect_as(s->w, s->old, lasting_request(10));
    session_set_expiry(s->old->session, 100);
    client_leave(s->w, s->old);
    world_pass(s->w, 99000);
    assert_int_equal(sessions(s), 2);
    client_connect_as(s->w, s->new, lasting_request(10));
    session_set_expiry(s->new->session, 0);
    client_leave(s->w, s->new);
    assert_int_equal(sessions(s), 1);
}

static void sessions_are_limited_and_known_ones_still_come_in(void **state)
{
    struct scene *s = *state;
    client_connect_as(s->w, s->old, lasting_request(10));
    client_leave(s->w, s->old);
    s->w->limits.sessions = 2;
    assert_int_equal(client_connect_as(s->w, s->new, usual_request("d")), VERDICT_QUOTA);
    assert_null(s->new->session);
    assert_int_equal(broker_stats(s->w->broker)->connects, 2);
    assert_int_equal(client_connect_as(s->w, s->new, lasting_request(10)), VERDICT_OK);
    assert_int_equal(broker_stats(s->w->broker)->clients_maximum, 2);
}

/* ---- takeover ---- */

static void a_second_connection_takes_the_session_over(void **state)
{
    struct scene *s = *state;
    client_connect_as(s->w, s->old, lasting_request(10));
    client_subscribe(s->w, s->old, "t", 1);
    publish(s, "1", 1);
    uint16_t id = s->old->got[0].packet_id;
    client_connect_as(s->w, s->new, lasting_request(10));
    assert_int_equal(s->old->expelled, 1);
    assert_int_equal(s->old->expel_reason, EXPEL_TAKEN_OVER);
    assert_true(s->new->present);
    assert_int_equal(s->new->count, 1); /* it was not answered */
    assert_int_equal(s->new->got[0].packet_id, id);
    assert_true(s->new->got[0].dup);
    assert_int_equal(broker_stats(s->w->broker)->clients_connected, 2);
    publish(s, "2", 1);
    assert_int_equal(s->old->count, 1);
    assert_int_equal(s->new->count, 2);
}

static void a_session_without_expiry_does_not_survive_a_takeover(void **state)
{
    struct scene *s = *state;
    client_connect(s->w, s->old, "c");
    client_subscribe(s->w, s->old, "t", 1);
    client_connect_as(s->w, s->new, lasting_request(10));
    assert_int_equal(s->old->expelled, 1);
    assert_false(s->new->present);
    assert_int_equal(broker_stats(s->w->broker)->subscriptions, 0);
}

static void a_stranger_does_not_get_the_session_and_does_not_touch_it(void **state)
{
    struct scene *s = *state;
    struct identity *owner = identity_new(SLICE("owner"), false);
    struct identity *thief = identity_new(SLICE("thief"), false);
    struct connect_request request = lasting_request(10);
    request.identity = owner;
    client_connect_as(s->w, s->old, request);
    client_subscribe(s->w, s->old, "t", 1);
    request.identity = thief;
    request.clean_start = true;
    assert_int_equal(client_connect_as(s->w, s->new, request), VERDICT_DENIED);
    request.identity = NULL; /* anonymous */
    assert_int_equal(client_connect_as(s->w, s->new, request), VERDICT_DENIED);
    assert_int_equal(s->old->expelled, 0);
    publish(s, "mine", 1);
    assert_int_equal(s->old->count, 1);
    client_leave(s->w, s->old); /* nor while the owner is away */
    request.identity = thief;
    assert_int_equal(client_connect_as(s->w, s->new, request), VERDICT_DENIED);
    request.identity = owner;
    request.clean_start = false;
    assert_int_equal(client_connect_as(s->w, s->new, request), VERDICT_OK);
    assert_true(s->new->present);
    identity_unref(owner);
    identity_unref(thief);
}

static void another_mountpoint_is_another_world_and_starts_anew(void **state)
{
    struct scene *s = *state;
    client_connect_as(s->w, s->old, lasting_request(10));
    client_subscribe(s->w, s->old, "t", 1);
    struct connect_request request = lasting_request(10);
    request.mountpoint = "site/";
    client_connect_as(s->w, s->new, request);
    assert_int_equal(s->old->expelled, 1);
    assert_false(s->new->present);
    client_subscribe(s->w, s->new, "t", 1);
    assert_int_equal(client_publish(s->w, s->publisher, "t", "1", 1, false),
                     VERDICT_NO_SUBSCRIBERS);
    client_publish(s->w, s->publisher, "site/t", "2", 1, false);
    assert_int_equal(s->new->count, 1);
    assert_string_equal(s->new->got[0].topic, "t");
}

static void a_storm_of_takeovers_leaves_one_session(void **state)
{
    struct scene *s = *state;
    struct fake_client *turns[] = {s->old, s->new};
    client_connect_as(s->w, s->old, lasting_request(10));
    client_subscribe(s->w, s->old, "t", 2);
    for (int i = 0; i < 1000; i++) {
        struct fake_client *next = turns[(i + 1) % 2], *former = turns[i % 2];
        client_forget(next);
        publish(s, "x", i % 3);
        client_connect_as(s->w, next, lasting_request(10));
        assert_null(former->session);
        while (next->count > 0 && i % 7 == 0) {
            struct fake_delivery *last = &next->got[--next->count];
            if (last->qos == 1)
                session_acknowledged(next->session, last->packet_id, ACK_PUBACK);
            if (last->qos == 2)
                session_acknowledged(next->session, last->packet_id, ACK_PUBREC_REFUSED);
        }
    }
    assert_int_equal(sessions(s), 2);
    assert_int_equal(s->old->expelled + s->new->expelled, 1000);
}

static void a_kick_ends_session_and_connection(void **state)
{
    struct scene *s = *state;
    client_connect_as(s->w, s->old, lasting_request(10));
    client_subscribe(s->w, s->old, "t", 1);
    assert_true(broker_kick(s->w->broker, SLICE("c"), EXPEL_DENIED));
    assert_int_equal(s->old->expelled, 1);
    assert_int_equal(s->old->expel_reason, EXPEL_DENIED);
    assert_false(broker_kick(s->w->broker, SLICE("c"), EXPEL_DENIED));
    client_connect_as(s->w, s->new, lasting_request(10));
    assert_false(s->new->present);
    client_leave(s->w, s->new);
    assert_true(broker_kick(s->w->broker, SLICE("c"), EXPEL_DENIED)); /* also while away */
    assert_int_equal(s->new->expelled, 0);
}

/* ---- what is under way comes again ---- */

static void qos_1_comes_again_with_its_ids_marked_and_in_order(void **state)
{
    struct scene *s = *state;
    client_connect_as(s->w, s->old, lasting_request(10));
    client_subscribe(s->w, s->old, "t", 1);
    const char *payloads[] = {"1", "2", "3", "4", "5"};
    for (int i = 0; i < 4; i++)
        publish(s, payloads[i], 1);
    session_acknowledged(s->old->session, s->old->got[1].packet_id, ACK_PUBACK);
    client_vanish(s->w, s->old);
    publish(s, payloads[4], 1);
    client_connect_as(s->w, s->new, lasting_request(10));
    const int again[] = {0, 2, 3};
    assert_int_equal(s->new->count, 4);
    for (int i = 0; i < 3; i++) {
        assert_string_equal(s->new->got[i].payload, payloads[again[i]]);
        assert_int_equal(s->new->got[i].packet_id, s->old->got[again[i]].packet_id);
        assert_true(s->new->got[i].dup);
    }
    assert_string_equal(s->new->got[3].payload, "5");
    assert_false(s->new->got[3].dup);
    for (int i = 0; i < 4; i++)
        assert_true(session_acknowledged(s->new->session, s->new->got[i].packet_id, ACK_PUBACK));
}

static void qos_2_goes_on_where_it_was(void **state)
{
    struct scene *s = *state;
    client_connect_as(s->w, s->old, lasting_request(10));
    client_subscribe(s->w, s->old, "t", 2);
    publish(s, "sent", 2);
    publish(s, "received", 2);
    publish(s, "done", 2);
    uint16_t sent = s->old->got[0].packet_id, received = s->old->got[1].packet_id,
             done = s->old->got[2].packet_id;
    session_acknowledged(s->old->session, received, ACK_PUBREC);
    session_acknowledged(s->old->session, done, ACK_PUBREC);
    session_acknowledged(s->old->session, done, ACK_PUBCOMP);
    assert_int_equal(s->old->released_count, 2);
    client_vanish(s->w, s->old);
    client_connect_as(s->w, s->new, lasting_request(10));
    assert_int_equal(s->new->released_count, 1);
    assert_int_equal(s->new->released[0], received);
    assert_int_equal(s->new->count, 1);
    assert_int_equal(s->new->got[0].packet_id, sent);
    assert_true(s->new->got[0].dup);
    assert_true(session_acknowledged(s->new->session, received, ACK_PUBCOMP));
    assert_true(session_acknowledged(s->new->session, sent, ACK_PUBREC));
    assert_true(session_acknowledged(s->new->session, sent, ACK_PUBCOMP));
    assert_false(session_acknowledged(s->new->session, done, ACK_PUBCOMP));
}

static void a_smaller_window_lets_less_come_again_at_a_time(void **state)
{
    struct scene *s = *state;
    client_connect_as(s->w, s->old, lasting_request(10));
    client_subscribe(s->w, s->old, "t", 1);
    for (int i = 0; i < 5; i++)
        publish(s, "x", 1);
    client_vanish(s->w, s->old);
    struct connect_request narrow = lasting_request(10);
    narrow.receive_maximum = 2;
    client_connect_as(s->w, s->new, narrow);
    assert_int_equal(s->new->count, 2);
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(s->new->got[i].packet_id, s->old->got[i].packet_id);
        assert_true(session_acknowledged(s->new->session, s->new->got[i].packet_id, ACK_PUBACK));
    }
    assert_int_equal(s->new->count, 5);
}

/* The client remembers what it has received on the connection before, and says so before it is
 * sent again. */
static void an_answer_to_what_has_not_come_again_yet_counts(void **state)
{
    struct scene *s = *state;
    client_connect_as(s->w, s->old, lasting_request(10));
    client_subscribe(s->w, s->old, "t", 2);
    publish(s, "a", 2);
    publish(s, "b", 2);
    publish(s, "c", 1);
    client_vanish(s->w, s->old);
    struct connect_request narrow = lasting_request(10);
    narrow.receive_maximum = 1;
    client_connect_as(s->w, s->new, narrow);
    assert_int_equal(s->new->count, 1);
    uint16_t a = s->old->got[0].packet_id, b = s->old->got[1].packet_id,
             c = s->old->got[2].packet_id;
    assert_true(session_acknowledged(s->new->session, b, ACK_PUBREC));
    assert_int_equal(s->new->released_count, 1);
    assert_true(session_acknowledged(s->new->session, c, ACK_PUBACK));
    assert_true(session_acknowledged(s->new->session, a, ACK_PUBREC));
    assert_true(session_acknowledged(s->new->session, a, ACK_PUBCOMP));
    assert_true(session_acknowledged(s->new->session, b, ACK_PUBCOMP));
    assert_int_equal(s->new->count, 1); /* neither b nor c was sent again */
    publish(s, "d", 1);
    assert_int_equal(s->new->count, 2);
}

/* A client that says PUBREC and never PUBCOMP gets no more than its window, however often it comes
 * back: else each connection would leave another window of ids behind. */
static void released_ids_count_against_the_window(void **state)
{
    struct scene *s = *state;
    client_connect_as(s->w, s->old, lasting_request(10));
    client_subscribe(s->w, s->old, "t", 2);
    for (int i = 0; i < 100; i++)
        publish(s, "x", 2);
    struct connect_request request = lasting_request(10);
    request.receive_maximum = 3;
    for (int round = 0; round < 10; round++) {
        client_forget(s->new);
        client_connect_as(s->w, s->new, request);
        assert_int_equal(s->new->count, round == 0 ? 3 : 0);
        for (size_t i = 0; i < 3; i++) /* in the order in which they came on the first one */
            assert_true(session_acknowledged(s->new->session, (uint16_t)(i + 1), ACK_PUBREC));
        assert_int_equal(s->new->released_count, round == 0 ? 3 : 6); /* at resumption, and now */
        struct fake_client *swap = s->old;
        s->old = s->new;
        s->new = swap;
    }
}

static void a_sink_that_is_full_at_resumption_gets_it_later(void **state)
{
    struct scene *s = *state;
    client_connect_as(s->w, s->old, lasting_request(10));
    client_subscribe(s->w, s->old, "t", 2);
    publish(s, "a", 1);
    publish(s, "b", 2);
    client_vanish(s->w, s->old);
    publish(s, "c", 1);
    s->new->full = true;
    client_connect_as(s->w, s->new, lasting_request(10));
    assert_int_equal(s->new->count, 0);
    assert_true(session_acknowledged(s->new->session, s->old->got[1].packet_id, ACK_PUBREC));
    s->new->full = false;
    session_pump(s->new->session);
    assert_int_equal(s->new->count, 2);
    assert_string_equal(s->new->got[0].payload, "a");
    assert_string_equal(s->new->got[1].payload, "c");
    assert_int_equal(s->new->got[0].packet_id, s->old->got[0].packet_id);
}

static void what_became_too_large_or_old_meanwhile(void **state)
{
    struct scene *s = *state;
    client_connect_as(s->w, s->old, lasting_request(1000));
    client_subscribe(s->w, s->old, "t", 2);
    struct message m = {.topic = (const uint8_t *)"t",
                        .topic_len = 1,
                        .payload = (const uint8_t *)"long payload",
                        .payload_len = 12,
                        .qos = 2,
                        .expires_ms = s->w->wall_ms + 1000};
    broker_publish(s->w->broker, s->publisher->session, &m);
    message_end(&m);
    publish(s, "another long one", 2);
    client_vanish(s->w, s->old);
    world_pass(s->w, 5000);
    s->new->too_large = 13;
    client_connect_as(s->w, s->new, lasting_request(1000));
    /* What was sent before it expired is finished all the same: the receiver may have it. */
    assert_int_equal(s->new->count, 1);
    assert_string_equal(s->new->got[0].payload, "long payload");
    assert_int_equal(broker_stats(s->w->broker)->dropped[DROP_TOO_LARGE], 1);
    assert_false(session_acknowledged(s->new->session, s->old->got[1].packet_id, ACK_PUBREC));
}

/* ---- QoS 0 that waits ---- */

static void qos_0_gives_way_before_anything_is_refused(void **state)
{
    struct scene *s = *state;
    s->w->limits.queue_qos0_offline = true;
    s->w->limits.queued_messages = 4;
    client_connect_as(s->w, s->old, lasting_request(10));
    client_subscribe(s->w, s->old, "t", 1);
    client_leave(s->w, s->old);
    publish(s, "zero 1", 0);
    publish(s, "one 1", 1);
    publish(s, "zero 2", 0);
    publish(s, "zero 3", 0);
    publish(s, "zero 4", 0); /* the oldest QoS 0 makes room */
    publish(s, "one 2", 1);
    publish(s, "one 3", 1);
    publish(s, "one 4", 1);
    assert_int_equal(client_publish(s->w, s->publisher, "t", "one 5", 1, false), VERDICT_QUOTA);
    publish(s, "zero 5", 0); /* nothing but QoS 1 there: it is dropped itself */
    const struct stats *stats = broker_stats(s->w->broker);
    assert_int_equal(stats->queued_messages, 4);
    assert_int_equal(stats->dropped[DROP_QUEUE_FULL], 5);
    client_connect_as(s->w, s->new, lasting_request(10));
    assert_int_equal(s->new->count, 4);
    assert_string_equal(s->new->got[3].payload, "one 4");
}

static void qos_0_does_not_give_way_where_that_would_not_help(void **state)
{
    struct scene *s = *state;
    s->w->limits.queue_qos0_offline = true;
    s->w->limits.queued_bytes = 30;
    client_connect_as(s->w, s->old, lasting_request(10));
    client_subscribe(s->w, s->old, "t", 1);
    client_leave(s->w, s->old);
    publish(s, "0123456789012345678", 1); /* 20 bytes with its topic */
    publish(s, "zero", 0);
    assert_int_equal(client_publish(s->w, s->publisher, "t", "01234567890", 1, false),
                     VERDICT_QUOTA);
    assert_int_equal(broker_stats(s->w->broker)->dropped[DROP_QUEUE_FULL], 0);
    publish(s, "012345678", 1); /* just fits, instead of the QoS 0 */
    assert_int_equal(broker_stats(s->w->broker)->dropped[DROP_QUEUE_FULL], 1);
    assert_int_equal(broker_stats(s->w->broker)->queued_bytes, 30);
}

static void a_closed_window_does_not_hold_up_qos_0(void **state)
{
    struct scene *s = *state;
    s->w->limits.queue_qos0_offline = true;
    client_connect_as(s->w, s->old, lasting_request(10));
    client_subscribe(s->w, s->old, "t", 1);
    client_leave(s->w, s->old);
    publish(s, "one", 1);
    publish(s, "two", 1);
    publish(s, "zero", 0);
    struct connect_request narrow = lasting_request(10);
    narrow.receive_maximum = 1;
    client_connect_as(s->w, s->new, narrow);
    assert_int_equal(s->new->count, 2);
    assert_string_equal(s->new->got[0].payload, "one");
    assert_string_equal(s->new->got[1].payload, "zero");
}

static void a_single_message_may_be_larger_than_the_queue(void **state)
{
    struct scene *s = *state;
    s->w->limits.queued_bytes = 3;
    client_connect_as(s->w, s->old, lasting_request(10));
    client_subscribe(s->w, s->old, "t", 1);
    client_leave(s->w, s->old);
    publish(s, "larger than three bytes", 1);
    assert_int_equal(client_publish(s->w, s->publisher, "t", "x", 1, false), VERDICT_QUOTA);
}

/* ---- QoS 2 that comes in ---- */

static void an_id_that_was_received_is_known_until_it_is_forgotten(void **state)
{
    struct scene *s = *state;
    client_connect_as(s->w, s->old, lasting_request(10));
    assert_int_equal(session_received(s->old->session, 5), INBOUND_NEW);
    assert_int_equal(session_received(s->old->session, 5), INBOUND_DUPLICATE);
    client_vanish(s->w, s->old);
    client_connect_as(s->w, s->new, lasting_request(10)); /* ids outlive connections */
    assert_int_equal(session_received(s->new->session, 5), INBOUND_DUPLICATE);
    assert_true(session_forget(s->new->session, 5));
    assert_false(session_forget(s->new->session, 5));
    assert_int_equal(session_received(s->new->session, 5), INBOUND_NEW);
}

static void open_ids_are_limited(void **state)
{
    struct scene *s = *state;
    client_connect(s->w, s->old, "c");
    assert_false(session_forget(s->old->session, 1));
    for (uint16_t id = 1; id <= 32; id++)
        assert_int_equal(session_received(s->old->session, (uint16_t)(id * 2047)), INBOUND_NEW);
    assert_int_equal(session_received(s->old->session, 40000), INBOUND_OVER_LIMIT);
    assert_int_equal(session_received(s->old->session, 2047), INBOUND_DUPLICATE);
    assert_true(session_forget(s->old->session, 17 * 2047));
    assert_int_equal(session_received(s->old->session, 40000), INBOUND_NEW);
    assert_int_equal(session_received(s->old->session, 40001), INBOUND_OVER_LIMIT);
    for (uint16_t id = 1; id <= 32; id++)
        assert_int_equal(session_forget(s->old->session, (uint16_t)(id * 2047)), id != 17);
    assert_true(session_forget(s->old->session, 40000));
}

static void a_million_ids_one_by_one_need_room_for_one(void **state)
{
    struct scene *s = *state;
    client_connect(s->w, s->old, "c");
    for (uint32_t i = 0; i < 1000000; i++) {
        uint16_t id = (uint16_t)(1 + i % 65535);
        if (session_received(s->old->session, id) != INBOUND_NEW ||
            session_received(s->old->session, id) != INBOUND_DUPLICATE ||
            !session_forget(s->old->session, id))
            fail_msg("id %u in round %u", id, i);
    }
}

#define T(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_session_without_expiry_ends_with_its_connection),
        T(a_session_with_expiry_is_resumed_with_all_it_had),
        T(a_clean_start_forgets_everything),
        T(an_absent_session_expires_to_the_second),
        T(a_session_does_not_expire_while_its_client_is_there),
        T(a_session_that_never_expires_is_there_after_a_century),
        T(the_longest_expiry_below_never_ends_too),
        T(the_expiry_may_change_at_the_end_of_the_connection),
        T(sessions_are_limited_and_known_ones_still_come_in),
        T(a_second_connection_takes_the_session_over),
        T(a_session_without_expiry_does_not_survive_a_takeover),
        T(a_stranger_does_not_get_the_session_and_does_not_touch_it),
        T(another_mountpoint_is_another_world_and_starts_anew),
        T(a_storm_of_takeovers_leaves_one_session),
        T(a_kick_ends_session_and_connection),
        T(qos_1_comes_again_with_its_ids_marked_and_in_order),
        T(qos_2_goes_on_where_it_was),
        T(a_smaller_window_lets_less_come_again_at_a_time),
        T(an_answer_to_what_has_not_come_again_yet_counts),
        T(released_ids_count_against_the_window),
        T(a_sink_that_is_full_at_resumption_gets_it_later),
        T(what_became_too_large_or_old_meanwhile),
        T(qos_0_gives_way_before_anything_is_refused),
        T(qos_0_does_not_give_way_where_that_would_not_help),
        T(a_closed_window_does_not_hold_up_qos_0),
        T(a_single_message_may_be_larger_than_the_queue),
        T(an_id_that_was_received_is_known_until_it_is_forgotten),
        T(open_ids_are_limited),
        T(a_million_ids_one_by_one_need_room_for_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
