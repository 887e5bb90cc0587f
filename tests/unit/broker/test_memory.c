/* The core when there is no memory: one long scene in which everything happens, played again and
 * again, each time with another allocation failing. Nothing may crash, leak, half happen or be
 * counted twice. */
#include "failing_memory.h"
#include "fake_client.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* ---- the scene ---- */

enum { A, B, C, D, E, CLIENTS };

struct scene {
    struct world *w;
    struct identity *identity;
    struct fake_client *clients[CLIENTS];
    bool wide[CLIENTS], shared[CLIENTS]; /* who has which subscription */
    bool governed;                       /* by rules: whom there is no memory for is denied */
};

static struct stats *stats(const struct scene *s)
{
    return broker_stats(s->w->broker);
}

/* Everything that has become of messages so far: each copy is in one of these. */
static uint64_t copies(const struct scene *s)
{
    return stats(s)->publish_sent + stats(s)->queued_messages + stats_dropped(stats(s));
}

static void come(struct scene *s, int who, bool lasting, const char *mountpoint)
{
    static const char *const names[] = {"a", "b", "c", "d", "e"};
    struct connect_request request = usual_request(names[who]);
    bool on = allocator.on;
    allocator.on = false;
    request.will = make_will("t/will", "gone", who == C ? 2 : 0);
    allocator.on = on;
    request.identity = s->identity;
    request.clean_start = !lasting;
    request.expiry_s = lasting ? 10 : 0;
    request.mountpoint = mountpoint;
    request.receive_maximum = who == B ? 2 : 10;
    uint64_t before = stats(s)->sessions;
    enum verdict verdict = client_connect_as(s->w, s->clients[who], request);
    if (verdict == VERDICT_OK)
        return;
    assert_int_equal(verdict, VERDICT_NO_MEMORY);
    assert_int_equal(stats(s)->sessions, before);
    s->clients[who]->session = NULL;
    message_unref(request.will->message);
    free(request.will);
}

static bool here(const struct scene *s, int who)
{
    return s->clients[who]->session != NULL;
}

static bool subscribe(struct scene *s, int who, const char *filter, uint32_t identifier)
{
    if (!here(s, who))
        return false;
    struct subscribe_options options = {.qos = 2, .identifier = identifier};
    uint64_t before = stats(s)->subscriptions + stats(s)->shared_subscriptions;
    enum verdict verdict =
        broker_subscribe(s->w->broker, s->clients[who]->session, slice_of_str(filter), &options);
    uint64_t after = stats(s)->subscriptions + stats(s)->shared_subscriptions;
    assert_int_equal(after - before, verdict == VERDICT_OK);
    assert_true(verdict == VERDICT_OK || verdict == VERDICT_NO_MEMORY ||
                (s->governed && verdict == VERDICT_DENIED));
    return verdict == VERDICT_OK;
}

/* To t/x, where B, C and the share listen; each copy has to be accounted for. */
static void publish(struct scene *s, int qos, bool retain)
{
    if (!here(s, A))
        return;
    uint64_t before = copies(s), retained = stats(s)->retained_messages, expected = 0;
    uint64_t lost = stats(s)->dropped[DROP_NO_MEMORY];
    for (int who = 0; who < CLIENTS; who++)
        expected += s->wide[who];
    expected += s->shared[B] || s->shared[C];
    enum verdict verdict = client_publish(s->w, s->clients[A], "t/x", "payload", qos, retain);
    if (verdict == VERDICT_OK || verdict == VERDICT_NO_SUBSCRIBERS) {
        assert_int_equal(verdict == VERDICT_OK, expected > 0 || (s->governed && verdict == 0));
        if (!s->governed)
            assert_int_equal(copies(s) - before, expected);
        if (qos && !s->governed) /* whom it was acknowledged to must not find it lost */
            assert_int_equal(stats(s)->dropped[DROP_NO_MEMORY], lost);
        if (retain)
            assert_int_equal(stats(s)->retained_messages, 1);
        return;
    }
    assert_true(verdict == VERDICT_NO_MEMORY || (s->governed && verdict == VERDICT_DENIED));
    assert_int_equal(copies(s), before);
    assert_int_equal(stats(s)->retained_messages, retained);
}

static void answer_all(struct scene *s, int who)
{
    struct fake_client *client = s->clients[who];
    for (size_t i = 0; here(s, who) && i < client->count; i++) {
        const struct fake_delivery *got = &client->got[i];
        if (got->qos == 1)
            session_acknowledged(client->session, got->packet_id, ACK_PUBACK);
        if (got->qos == 2 && session_acknowledged(client->session, got->packet_id, ACK_PUBREC))
            session_acknowledged(client->session, got->packet_id, ACK_PUBCOMP);
    }
    client_forget(client);
}

static void leave(struct scene *s, int who)
{
    if (here(s, who))
        client_vanish(s->w, s->clients[who]);
}

static void arrive(struct scene *s)
{
    come(s, A, false, "");
    come(s, B, true, "");
    come(s, C, true, "");
    come(s, D, false, "t/");
    s->wide[B] = subscribe(s, B, "t/#", 0);
    s->wide[C] = subscribe(s, C, "t/+", 5);
    s->wide[C] |= subscribe(s, C, "+/x", 6); /* two identifiers in one delivery */
    s->wide[C] |= subscribe(s, C, "#", 7);
    s->shared[B] = subscribe(s, B, "$share/group/t/x", 0);
    s->shared[C] = subscribe(s, C, "$share/group/t/x", 8);
    s->wide[D] = subscribe(s, D, "x", 0);
}

static void talk(struct scene *s)
{
    for (int qos = 0; qos <= 2; qos++) {
        publish(s, qos, false);
        publish(s, qos, true);
    }
    if (here(s, C))
        for (uint16_t id = 1; id < 20; id++)
            if (session_received(s->clients[C]->session, id) == INBOUND_NEW)
                assert_int_equal(session_received(s->clients[C]->session, id), INBOUND_DUPLICATE);
    answer_all(s, B);
    answer_all(s, C);
}

static void come_and_go(struct scene *s)
{
    leave(s, B); /* what waits for it in the share goes to C */
    publish(s, 1, false);
    publish(s, 2, true);
    come(s, B, true, "");
    come(s, C, true, ""); /* takes itself over */
    answer_all(s, B);
    come(s, E, false, "");
    subscribe(s, E, "t/#", 0); /* with what is retained */
    world_work(s->w);
    if (here(s, B))
        broker_unsubscribe(s->w->broker, s->clients[B]->session, SLICE("$share/group/t/x"));
    answer_all(s, C);
    leave(s, D);
    leave(s, C); /* its will is delayed */
    broker_publish_sys(s->w->broker, 1000);
    if (here(s, A))
        broker_client_event(s->w->broker, s->clients[A]->session, true, SLICE("unix"), "");
    for (int second = 0; second < 12; second++) /* wills, and sessions that end */
        world_pass(s->w, 1000);
}

static void go(struct scene *s)
{
    static const char *const names[] = {"a", "b", "c", "d", "e"};
    for (int who = 0; who < CLIENTS; who++)
        broker_kick(s->w->broker, slice_of_str(names[who]), EXPEL_DENIED);
    assert_int_equal(stats(s)->sessions, 0);
    assert_int_equal(stats(s)->clients_connected, 0);
    assert_int_equal(stats(s)->subscriptions + stats(s)->shared_subscriptions, 0);
    assert_int_equal(stats(s)->queued_messages, 0);
    assert_int_equal(stats(s)->queued_bytes, 0);
    world_free(s->w);
}

/* Everything for everybody: what is tried is the memory for it. */
static struct access *permissive(void)
{
    struct access *access = access_new();
    struct acl_rule rule = {.file = "test",
                            .line = 1,
                            .allow = true,
                            .rights = ACL_PUBLISH | ACL_SUBSCRIBE | ACL_RECEIVE,
                            .topic = SLICE("#")};
    char why[ACL_WHY_SIZE];
    assert_true(acl_add(access->acl, &rule, why));
    assert_true(acl_seal(access->acl));
    access->governs = true;
    return access;
}

/* Plays the scene with the n-th allocation failing; returns whether one did. */
static bool play(struct scene *s, long n, long failures)
{
    long live = allocator.live;
    s->w = world_new();
    s->w->limits.inflight = 10;
    s->w->limits.queue_qos0_offline = true;
    s->identity = identity_new(SLICE("device"), false);
    struct access *access = s->governed ? permissive() : NULL;
    broker_set_access(s->w->broker, access);
    access_unref(access);
    memset(s->wide, 0, sizeof s->wide);
    memset(s->shared, 0, sizeof s->shared);
    for (int who = 0; who < CLIENTS; who++) {
        client_forget(s->clients[who]);
        s->clients[who]->session = NULL;
    }
    allocator.until = n;
    allocator.failures = failures;
    allocator.on = true;
    arrive(s);
    talk(s);
    come_and_go(s);
    allocator.on = false;
    go(s);
    assert_int_equal(s->identity->refs, 1);
    identity_unref(s->identity);
    assert_int_equal(allocator.live, live);
    return allocator.until < 0;
}

static void sweep(bool governed, long failures)
{
    struct scene s = {.governed = governed};
    for (int who = 0; who < CLIENTS; who++)
        s.clients[who] = client_new();
    long n = 0;
    while (play(&s, n, failures))
        n++;
    assert_true(n > 100); /* so many different places were tried */
    for (int who = 0; who < CLIENTS; who++)
        free(s.clients[who]);
}

static void one_failing_allocation_does_no_harm(void **state)
{
    (void)state;
    sweep(false, 1);
}

static void a_few_failing_in_a_row_do_no_harm(void **state)
{
    (void)state;
    sweep(false, 5);
}

static void no_memory_from_some_point_on_does_no_harm(void **state)
{
    (void)state;
    sweep(false, 1000000);
}

static void rules_that_cannot_be_read_let_nobody_do_more(void **state)
{
    (void)state;
    sweep(true, 1);
    sweep(true, 5);
}

/* Five wait for b. Its session ends, and c is to inherit them. */
static bool bequeath(long n, long failures)
{
    struct world *w = world_new();
    struct fake_client *a = client_new(), *b = client_new(), *c = client_new();
    w->limits.inflight = 20;
    client_connect(w, a, "a");
    client_connect_persistent(w, b, "b");
    client_connect_persistent(w, c, "c");
    client_subscribe(w, b, "$share/group/t", 1);
    client_leave(w, b);
    for (int i = 0; i < 5; i++)
        assert_int_equal(client_publish(w, a, "t", "payload", 1, false), VERDICT_OK);
    client_subscribe(w, c, "$share/group/t", 1);
    allocator.until = n;
    allocator.failures = failures;
    allocator.on = true;
    broker_kick(w->broker, SLICE("b"), EXPEL_DENIED);
    allocator.on = false;
    world_pass(w, 1000);
    assert_true(session_acknowledged(c->session, 1, ACK_PUBACK)); /* one may want a packet id */
    assert_int_equal(c->count, 5);
    assert_int_equal(stats_dropped(broker_stats(w->broker)), 0);
    assert_int_equal(broker_stats(w->broker)->sessions, 2);
    world_free(w);
    free(a);
    free(b);
    free(c);
    return allocator.until < 0;
}

static void what_is_left_to_others_waits_for_memory(void **state)
{
    (void)state;
    for (long failures = 1; failures <= 1000; failures *= 10) {
        long n = 0;
        while (bequeath(n, failures))
            n++;
        assert_true(n >= 1);
    }
}

/* b's session ends with its next connection, which has to come again. */
static void a_clean_start_without_memory_loses_nothing_either(void **state)
{
    (void)state;
    struct world *w = world_new();
    struct fake_client *a = client_new(), *b = client_new(), *c = client_new();
    client_connect(w, a, "a");
    client_connect_persistent(w, b, "b");
    client_connect_persistent(w, c, "c");
    client_subscribe(w, b, "$share/group/t", 1);
    client_leave(w, b);
    assert_int_equal(client_publish(w, a, "t", "payload", 1, false), VERDICT_OK);
    client_subscribe(w, c, "$share/group/t", 1);
    allocator.until = 1; /* the first is the identity's */
    allocator.failures = 1000;
    allocator.on = true;
    assert_int_equal(client_connect_as(w, b, usual_request("b")), VERDICT_NO_MEMORY);
    allocator.on = false;
    assert_int_equal(c->count, 0);
    client_connect(w, b, "b");
    assert_false(b->present);
    assert_int_equal(c->count, 1);
    assert_int_equal(stats_dropped(broker_stats(w->broker)), 0);
    world_pass(w, 2000);
    assert_int_equal(b->expelled, 0);
    world_free(w);
    free(a);
    free(b);
    free(c);
}

static void a_core_that_cannot_be_made_is_none(void **state)
{
    (void)state;
    struct broker_limits limits = {0};
    struct timers wheel;
    timers_init(&wheel, 0);
    allocator.until = 0;
    allocator.failures = 1;
    allocator.on = true;
    struct broker *broker = broker_new(&limits, &wheel);
    allocator.on = false;
    assert_null(broker);
    assert_int_equal(wheel.count, 0);
    broker_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_failing_allocation_does_no_harm),
        cmocka_unit_test(a_few_failing_in_a_row_do_no_harm),
        cmocka_unit_test(no_memory_from_some_point_on_does_no_harm),
        cmocka_unit_test(rules_that_cannot_be_read_let_nobody_do_more),
        cmocka_unit_test(what_is_left_to_others_waits_for_memory),
        cmocka_unit_test(a_clean_start_without_memory_loses_nothing_either),
        cmocka_unit_test(a_core_that_cannot_be_made_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
