/* The core with a store when there is no memory: a scene is played again and again, each time with
 * another allocation failing, and ends with a crash. Nothing may crash or leak, and what was
 * acknowledged must be there. */
#include "failing_memory.h"
#include "kept_stage.h"

enum { MOST = 64 };

/* What was promised, and when the promise is kept; PROMISED_NOT when it was refused. */
static const uint64_t promised_not = UINT64_MAX;

struct play {
    struct scene *s;
    struct fake_client *c; /* away; back after the crash, if its end was not kept */
    uint64_t messages[MOST], shared[MOST], ids[MOST]; /* by number: promises */
    int sent, sent_shared;
    bool seen[2][MOST];     /* plain ones, by a and b */
    bool seen_shared[MOST]; /* by anybody */
};

static void own(bool begins)
{
    static bool was;
    if (begins)
        was = allocator.on;
    allocator.on = begins ? false : was;
}

static void look(struct play *p)
{
    struct fake_client *clients[] = {p->s->a, p->s->b, p->c};
    for (int i = 0; i < 3; i++) {
        for (size_t at = 0; at < clients[i]->count; at++) {
            const struct fake_delivery *got = &clients[i]->got[at];
            int n = atoi(got->payload);
            if (got->topic[0] == 's')
                p->seen_shared[n] = true;
            else
                p->seen[i][n] = true;
        }
        bool on = allocator.on;
        allocator.on = false;
        struct fake_delivery *got = malloc(sizeof clients[i]->got);
        size_t count = clients[i]->count;
        memcpy(got, clients[i]->got, count * sizeof *got);
        client_forget(clients[i]);
        allocator.on = on;
        for (size_t at = 0; clients[i]->session && at < count; at++) {
            struct session *session = clients[i]->session;
            if (got[at].qos == 1)
                session_acknowledged(session, got[at].packet_id, ACK_PUBACK);
            if (got[at].qos == 2 && session_acknowledged(session, got[at].packet_id, ACK_PUBREC))
                session_acknowledged(session, got[at].packet_id, ACK_PUBCOMP);
        }
        free(got);
    }
}

static uint64_t say(struct play *p, const char *topic, int n, int qos)
{
    struct session *from = p->s->pub->session;
    char text[8];
    snprintf(text, sizeof text, "%d", n);
    if (qos == 2 && session_received(from, (uint16_t)(n + 1)) != INBOUND_NEW)
        return promised_not;
    enum verdict verdict = client_publish(p->s->w, p->s->pub, topic, text, qos, n % 5 == 0);
    if (verdict == VERDICT_OK)
        return broker_promise(p->s->w->broker);
    assert_int_equal(verdict, VERDICT_NO_MEMORY);
    if (qos == 2)
        session_forget(from, (uint16_t)(n + 1));
    return promised_not;
}

/* Six messages, of which the publisher's ids of some are still open. */
static void talk(struct play *p)
{
    for (int i = 0; i < 4; i++) {
        int n = p->sent++, qos = 1 + n % 2;
        p->messages[n] = say(p, "t/x", n, qos);
        if (qos == 2)
            p->ids[n] = p->messages[n];
        if (n % 4 == 3 && p->ids[n] != promised_not) {
            session_forget(p->s->pub->session, (uint16_t)(n + 1));
            p->ids[n] = promised_not;
        }
    }
    for (int i = 0; i < 2; i++) {
        int n = p->sent_shared++;
        p->shared[n] = say(p, "s", n, 1);
    }
}

static void turn(struct play *p, uint64_t ms)
{
    world_pass(p->s->w, ms);
    world_turn(p->s->w);
    if (p->s->store->under_way)
        fake_store_finish(p->s->store, p->s->w, COMMIT_DONE);
    fake_store_answer(p->s->store, p->s->w);
}

static void come(struct play *p, struct fake_client *client, const char *id)
{
    struct connect_request request = usual_request(id);
    struct identity *nobody = NULL;
    bool on = allocator.on;
    allocator.on = false;
    request.identity = nobody = identity_new(SLICE_EMPTY, true);
    allocator.on = on;
    request.clean_start = false;
    request.expiry_s = 3600;
    enum verdict verdict = client_connect_as(p->s->w, client, request);
    if (verdict != VERDICT_OK) {
        assert_int_equal(verdict, VERDICT_NO_MEMORY);
        client->session = NULL;
    }
    identity_unref(nobody);
}

static void leave(const struct play *p, struct fake_client *client)
{
    if (client->session)
        client_vanish(p->s->w, client);
}

/* All of it with failing memory. */
static void act(struct play *p)
{
    struct scene *s = p->s;
    talk(p);
    turn(p, 1);
    look(p);
    leave(p, s->b);
    talk(p);
    turn(p, 60);
    talk(p);
    leave(p, s->a);
    talk(p);
    turn(p, 60);
    turn(p, 60);
    come(p, s->b, "b");
    if (s->b->session)
        broker_unsubscribe(s->w->broker, s->b->session, SLICE("y"));
    turn(p, 1);
    look(p);
    come(p, s->a, "a");
    turn(p, 1000);
    look(p);
    turn(p, 60);
    broker_kick(s->w->broker, SLICE("c"), EXPEL_DENIED); /* who has some of the share */
    turn(p, 60);
    turn(p, 1100);
    turn(p, 60);
}

static bool is_kept(const struct play *p, uint64_t promise)
{
    return promise != promised_not && promise <= broker_promise_kept(p->s->w->broker);
}

static void drain(struct play *p)
{
    for (int rounds = 0; rounds < 20; rounds++) {
        settle(p->s);
        look(p);
    }
}

/* What was acknowledged before the crash is there behind it, or has been delivered. */
static void check(struct play *p)
{
    bool messages[MOST], shared[MOST], ids[MOST];
    for (int n = 0; n < MOST; n++) {
        messages[n] = n < p->sent && is_kept(p, p->messages[n]);
        ids[n] = n < p->sent && is_kept(p, p->ids[n]);
        shared[n] = n < p->sent_shared && is_kept(p, p->shared[n]);
    }
    look(p);
    world_crash(p->s->w, p->s->store, 10);
    assert_int_equal(p->s->store->rejected, 0);
    p->s->w->limits.inflight = 1000;
    client_connect_persistent(p->s->w, p->s->pub, "pub");
    client_connect_persistent(p->s->w, p->s->a, "a");
    client_connect_persistent(p->s->w, p->s->b, "b");
    client_connect_persistent(p->s->w, p->c, "c");
    assert_true(p->s->a->present && p->s->b->present && p->s->pub->present);
    drain(p);
    for (int n = 0; n < MOST; n++) {
        if (messages[n]) {
            assert_true(p->seen[0][n]);
            assert_true(p->seen[1][n]);
        }
        if (shared[n])
            assert_true(p->seen_shared[n]);
        if (ids[n])
            assert_int_equal(session_received(p->s->pub->session, (uint16_t)(n + 1)),
                             INBOUND_DUPLICATE);
    }
}

static bool play(long n, long failures, uint64_t queued_memory, bool in_the_midst)
{
    struct play p = {0};
    long live = allocator.live;
    void *stage;
    stage_start(&stage);
    p.s = stage;
    struct scene *s = p.s;
    memset(p.ids, 0xff, sizeof p.ids);
    s->store->own = own;
    s->w->limits.queued_memory = queued_memory;
    p.c = client_new();
    client_connect_persistent(s->w, s->pub, "pub");
    be_away(s, p.c, "c", "$share/g/s");
    be_away(s, s->a, "a", "t/#");
    be_away(s, s->b, "b", "t/#");
    client_connect_persistent(s->w, s->a, "a");
    client_connect_persistent(s->w, s->b, "b");
    client_subscribe(s->w, s->b, "$share/g/s", 1);
    settle(s);
    allocator.until = n;
    allocator.failures = failures;
    allocator.on = true;
    act(&p);
    allocator.on = false;
    bool failed = allocator.until < 0;
    if (!in_the_midst)
        settle(s);
    check(&p);
    free(p.c);
    stage_stop(&stage);
    assert_int_equal(allocator.live, live);
    return failed;
}

static void sweep(long failures, uint64_t queued_memory, bool in_the_midst)
{
    long n = 0;
    while (play(n, failures, queued_memory, in_the_midst))
        n++;
    assert_true(n > 50); /* so many different places were tried */
}

static void what_was_acknowledged_survives_one_failing_allocation(void **state)
{
    (void)state;
    sweep(1, UINT64_MAX, false);
    sweep(1, UINT64_MAX, true);
}

static void it_survives_when_queues_are_read_from_the_store(void **state)
{
    (void)state;
    sweep(1, 0, false);
    sweep(1, 0, true);
    sweep(1, 3000, true);
}

static void it_survives_a_few_failing_in_a_row(void **state)
{
    (void)state;
    sweep(5, 0, true);
    sweep(7, UINT64_MAX, false);
    sweep(40, 0, false);
}

static void it_survives_when_there_is_no_memory_from_some_point_on(void **state)
{
    (void)state;
    sweep(1000000, UINT64_MAX, true);
    sweep(1000000, 0, true);
    sweep(1000000, 0, false);
}

/* A new client that is to last, one that starts anew over what it had left, and one that is there
 * and is to last from now on. */
static bool begin_to_last(long n, long failures)
{
    long live = allocator.live;
    void *stage;
    stage_start(&stage);
    const struct scene *s = stage;
    const struct stats *stats = broker_stats(s->w->broker);
    struct fake_client *clients[] = {s->a, s->b};
    bool here[2], noted[2];
    s->store->own = own;
    be_away(s, s->b, "b", "t/#");
    struct identity *nobody = identity_new(SLICE_EMPTY, true);
    allocator.until = n;
    allocator.failures = failures;
    allocator.on = true;
    for (int i = 0; i < 2; i++) {
        struct connect_request request = usual_request(i ? "b" : "a");
        request.identity = nobody;
        request.expiry_s = 3600;
        enum verdict verdict = client_connect_as(s->w, clients[i], request);
        here[i] = verdict == VERDICT_OK;
        assert_true(here[i] || verdict == VERDICT_NO_MEMORY);
        noted[i] = here[i] && session_note(clients[i]->session, SLICE("note")) == 0;
    }
    session_set_expiry(s->pub->session, 3600);
    allocator.on = false;
    assert_int_equal(stats->sessions, s->w->broker->sessions.count);
    assert_int_equal(find(s, "a") != NULL, here[0]);
    for (int i = 0; i < 2; i++) /* it is durable, or was refused */
        assert_true(!here[i] || session_is_kept(clients[i]->session));
    client_vanish(s->w, s->pub);
    client_connect_persistent(s->w, s->pub, "pub");
    assert_true(s->pub->present && session_is_kept(s->pub->session));
    settle(s);
    crash(s, 10);
    for (int i = 0; i < 2; i++) {
        const struct session *session = find(s, i ? "b" : "a");
        assert_true(session || !here[i]);
        if (here[i])
            assert_int_equal(session_noted(session).len, noted[i] ? 4 : 0);
    }
    identity_unref(nobody);
    stage_stop(&stage);
    assert_int_equal(allocator.live, live);
    return allocator.until < 0;
}

static void a_session_is_durable_or_refused(void **state)
{
    (void)state;
    static const long failures[] = {1, 2, 1000000};
    for (size_t i = 0; i < sizeof failures / sizeof failures[0]; i++) {
        long n = 0;
        while (begin_to_last(n, failures[i]))
            n++;
        assert_true(n > 5); /* so many different places were tried */
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_acknowledged_survives_one_failing_allocation),
        cmocka_unit_test(it_survives_when_queues_are_read_from_the_store),
        cmocka_unit_test(it_survives_a_few_failing_in_a_row),
        cmocka_unit_test(it_survives_when_there_is_no_memory_from_some_point_on),
        cmocka_unit_test(a_session_is_durable_or_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
