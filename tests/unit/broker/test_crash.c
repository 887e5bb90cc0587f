/* A publisher and a subscriber that keep their promises, a network that keeps nothing over a crash,
 * and a core that crashes at every step there is: whatever was acknowledged arrives, and QoS 2
 * arrives once.
 *
 * First all orders in which small scenes can happen are gone through, with a crash after each step;
 * then large scenes with many crashes are played at random. */
#include "dice.h"
#include "fake_store.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { MOST_MESSAGES = 64, MOST_PACKETS = 512, MOST_STEPS = 64 };

enum type { PUBLISH, PUBACK, PUBREC, PUBREL, PUBCOMP };

struct packet {
    enum type type;
    uint16_t id;
    uint8_t qos;
    int message;
    uint64_t promise; /* of what the core says: not before that is kept */
};

struct pipe {
    struct packet at[MOST_PACKETS];
    size_t from, to;
};

struct outward {
    enum { UNSENT, SENT, RECEIVED, DONE } state;
    uint16_t id;
};

struct scene {
    struct world *w;
    struct fake_store *store;
    struct fake_sink {
        struct sink sink;
        struct scene *scene;
    } pub_sink, sub_sink;
    struct session *pub, *sub;
    struct pipe up, up_answers;     /* publisher to core, and back */
    struct pipe down, down_answers; /* core to subscriber, and back */
    struct outward messages[MOST_MESSAGES];
    int count;
    uint8_t qos, sub_qos;
    bool taken[MOST_MESSAGES]; /* the publisher was told that it need not care any more */
    int arrived[MOST_MESSAGES];
    bool open[65536]; /* QoS 2 ids that the subscriber has not been released from */
    int passes;       /* of time */
    bool idle_turn;   /* nothing has happened since the last turn */
};

static void push(struct pipe *pipe, struct packet packet)
{
    assert_true(pipe->to < MOST_PACKETS);
    pipe->at[pipe->to++] = packet;
}

static bool waits(const struct pipe *pipe)
{
    return pipe->from < pipe->to;
}

/* Whether its first packet may leave the core. */
static bool flows(const struct scene *s, const struct pipe *pipe)
{
    return waits(pipe) && pipe->at[pipe->from].promise <= broker_promise_kept(s->w->broker);
}

static struct packet pull(struct pipe *pipe)
{
    struct packet packet = pipe->at[pipe->from++];
    if (!waits(pipe))
        pipe->from = pipe->to = 0;
    return packet;
}

/* ---- the core's side ---- */

static enum sink_answer deliver(struct sink *sink, const struct delivery *d)
{
    struct scene *s = ((struct fake_sink *)sink)->scene;
    char text[16] = {0};
    memcpy(text, d->message->payload, d->message->payload_len);
    push(&s->down, (struct packet){PUBLISH, d->packet_id, d->qos, atoi(text), 0});
    return SINK_TAKEN;
}

static void release(struct sink *sink, uint16_t id)
{
    struct scene *s = ((struct fake_sink *)sink)->scene;
    push(&s->down, (struct packet){PUBREL, id, 2, 0, broker_promise(s->w->broker)});
}

static void expel(struct sink *sink, enum expel_reason reason)
{
    (void)sink;
    (void)reason;
}

static const struct sink_verbs verbs = {.deliver = deliver, .release = release, .expel = expel};

static void answer(struct scene *s, enum type type, uint16_t id)
{
    push(&s->up_answers, (struct packet){type, id, 0, 0, broker_promise(s->w->broker)});
}

static bool publish(struct scene *s, const struct packet *packet)
{
    char text[16];
    snprintf(text, sizeof text, "%d", packet->message);
    struct message m = {.topic = (const uint8_t *)"x",
                        .topic_len = 1,
                        .payload = (const uint8_t *)text,
                        .payload_len = (uint32_t)strlen(text),
                        .qos = packet->qos};
    enum verdict verdict = broker_publish(s->w->broker, s->pub, &m);
    message_end(&m);
    return verdict == VERDICT_OK;
}

static void from_publisher(struct scene *s)
{
    struct packet packet = pull(&s->up);
    if (packet.type == PUBREL) {
        (void)session_forget(s->pub, packet.id);
        answer(s, PUBCOMP, packet.id);
    } else if (packet.qos == 1) {
        assert_true(publish(s, &packet));
        answer(s, PUBACK, packet.id);
    } else {
        if (session_received(s->pub, packet.id) == INBOUND_NEW)
            assert_true(publish(s, &packet));
        answer(s, PUBREC, packet.id);
    }
}

static void from_subscriber(struct scene *s)
{
    static const enum acknowledgement means[] = {
        [PUBACK] = ACK_PUBACK, [PUBREC] = ACK_PUBREC, [PUBCOMP] = ACK_PUBCOMP};
    struct packet packet = pull(&s->down_answers);
    (void)session_acknowledged(s->sub, packet.id, means[packet.type]);
}

/* ---- the clients' side ---- */

static void send(struct scene *s, int n)
{
    struct outward *m = &s->messages[n];
    if (m->state == RECEIVED) {
        push(&s->up, (struct packet){PUBREL, m->id, 2, n, 0});
        return;
    }
    m->state = SENT;
    m->id = (uint16_t)(1 + n % 7); /* ids are used again as soon as they are free */
    push(&s->up, (struct packet){PUBLISH, m->id, s->qos, n, 0});
}

/* Sends what comes next, if its id is free. */
static void send_more(struct scene *s, int window)
{
    int open = 0;
    for (int n = 0; n < s->count; n++) {
        open += s->messages[n].state == SENT || s->messages[n].state == RECEIVED;
        if (s->messages[n].state != UNSENT)
            continue;
        for (int other = 0; other < n; other++)
            if (other % 7 == n % 7 && s->messages[other].state != DONE)
                return;
        if (open >= window)
            return;
        send(s, n);
        open++;
    }
}

static void to_publisher(struct scene *s, int window)
{
    struct packet packet = pull(&s->up_answers);
    for (int n = 0; n < s->count; n++) {
        struct outward *m = &s->messages[n];
        if (m->id != packet.id || m->state == DONE || m->state == UNSENT)
            continue;
        s->taken[n] = true;
        if (packet.type == PUBREC) {
            if (m->state == SENT) {
                m->state = RECEIVED;
                send(s, n);
            }
        } else {
            m->state = DONE;
        }
    }
    send_more(s, window);
}

static void to_subscriber(struct scene *s)
{
    struct packet packet = pull(&s->down);
    if (packet.type == PUBREL) {
        s->open[packet.id] = false;
        push(&s->down_answers, (struct packet){PUBCOMP, packet.id, 2, 0, 0});
        return;
    }
    if (packet.qos == 1 || !s->open[packet.id])
        s->arrived[packet.message]++;
    if (packet.qos == 2)
        s->open[packet.id] = true;
    push(&s->down_answers,
         (struct packet){packet.qos == 1 ? PUBACK : PUBREC, packet.id, packet.qos, 0, 0});
}

/* ---- steps ---- */

enum step { UP, UP_ANSWER, DOWN, DOWN_ANSWER, TURN, COMMIT, TIME, STEPS };

static bool possible(const struct scene *s, enum step step)
{
    switch (step) {
    case UP:
        return waits(&s->up);
    case UP_ANSWER:
        return flows(s, &s->up_answers);
    case DOWN:
        return flows(s, &s->down);
    case DOWN_ANSWER:
        return waits(&s->down_answers);
    case TURN:
        return !s->idle_turn;
    case COMMIT:
        return s->store->under_way != NULL;
    case TIME:
        return s->passes > 0;
    case STEPS:
        break;
    }
    return false;
}

static void do_step(struct scene *s, enum step step, int window)
{
    bool turn = step == TURN || step == TIME;
    switch (step) {
    case UP:
        from_publisher(s);
        break;
    case UP_ANSWER:
        to_publisher(s, window);
        break;
    case DOWN:
        to_subscriber(s);
        break;
    case DOWN_ANSWER:
        from_subscriber(s);
        break;
    case TURN:
        world_turn(s->w);
        break;
    case COMMIT:
        fake_store_finish(s->store, s->w, COMMIT_DONE);
        break;
    case TIME:
        s->passes--;
        world_pass(s->w, 60);
        break;
    case STEPS:
        break;
    }
    if (turn)
        s->idle_turn = true;
    else if (step != UP_ANSWER && step != DOWN)
        s->idle_turn = false;
}

static struct session *join(struct scene *s, struct fake_sink *sink, const char *id)
{
    struct connect_request request = usual_request(id);
    struct identity *anonymous = identity_new(SLICE_EMPTY, true);
    struct session *session;
    bool present;
    sink->sink.verbs = &verbs;
    sink->scene = s;
    request.clean_start = false;
    request.expiry_s = 1000000;
    request.identity = anonymous;
    assert_int_equal(broker_connect(s->w->broker, &request, &sink->sink, &session, &present),
                     VERDICT_OK);
    identity_unref(anonymous);
    return session;
}

static void clear(struct pipe *pipe)
{
    pipe->from = pipe->to = 0;
}

static void crash(struct scene *s)
{
    world_crash(s->w, s->store, 10);
    clear(&s->up);
    clear(&s->up_answers);
    clear(&s->down);
    clear(&s->down_answers);
    s->pub = join(s, &s->pub_sink, "pub");
    s->sub = join(s, &s->sub_sink, "sub");
    session_resume(s->pub);
    session_resume(s->sub);
    for (int n = 0; n < s->count; n++) /* [MQTT-4.4.0-1] */
        if (s->messages[n].state == SENT || s->messages[n].state == RECEIVED)
            send(s, n);
    s->idle_turn = false;
}

static bool all_done(const struct scene *s)
{
    for (int n = 0; n < s->count; n++)
        if (s->messages[n].state != DONE)
            return false;
    return true;
}

/* Goes on without another crash until nothing moves any more. */
static void play_to_the_end(struct scene *s, int window)
{
    send_more(s, window);
    for (int quiet = 0; quiet < 4;) {
        bool moved = false;
        for (enum step step = UP; step <= COMMIT; step++)
            while (possible(s, step)) {
                do_step(s, step, window);
                moved = true;
                if (step == TURN)
                    break;
            }
        if (!moved)
            world_pass(s->w, 60);
        quiet = moved ? 0 : quiet + 1;
    }
    assert_true(all_done(s));
}

static void judge(const struct scene *s, const char *played)
{
    for (int n = 0; n < s->count; n++) {
        if (s->taken[n] && s->arrived[n] == 0)
            fail_msg("message %d was acknowledged and is lost: %s", n, played);
        if (s->qos == 2 && s->sub_qos == 2 && s->arrived[n] != 1)
            fail_msg("message %d has arrived %d times: %s", n, s->arrived[n], played);
    }
    if (fake_store_rows(s->store, ROW_QUEUED) || fake_store_rows(s->store, ROW_MESSAGE) ||
        fake_store_rows(s->store, ROW_INBOUND))
        fail_msg("rows are left behind: %s", played);
}

static struct scene *scene_new(int count, uint8_t qos, uint8_t sub_qos)
{
    struct scene *s = calloc(1, sizeof *s);
    s->w = world_new();
    s->store = fake_store_new();
    world_keep(s->w, s->store);
    s->count = count;
    s->qos = qos;
    s->sub_qos = sub_qos;
    s->pub = join(s, &s->pub_sink, "pub");
    s->sub = join(s, &s->sub_sink, "sub");
    struct subscribe_options options = {.qos = sub_qos};
    assert_int_equal(broker_subscribe(s->w->broker, s->sub, SLICE("x"), &options), VERDICT_OK);
    world_settle(s->w, s->store);
    s->idle_turn = true;
    return s;
}

static void scene_free(struct scene *s)
{
    world_free(s->w);
    fake_store_free(s->store);
    free(s);
}

/* ---- all orders ---- */

struct search {
    int count, passes;
    uint8_t qos, sub_qos;
    long played, most;
    uint8_t steps[MOST_STEPS];
};

/* Plays the first `length` steps; the scene then. */
static struct scene *replay(const struct search *search, int length)
{
    struct scene *s = scene_new(search->count, search->qos, search->sub_qos);
    s->passes = search->passes;
    send_more(s, search->count);
    for (int i = 0; i < length; i++)
        do_step(s, (enum step)search->steps[i], search->count);
    return s;
}

static void describe(const struct search *search, int length, char *text)
{
    static const char letters[] = "uUdDtct";
    for (int i = 0; i < length; i++)
        text[i] = letters[search->steps[i]];
    text[length] = 0;
}

static void explore(struct search *search, int length)
{
    char played[MOST_STEPS + 1];
    struct scene *s = replay(search, length);
    bool open[STEPS];
    for (enum step step = UP; step < STEPS; step++)
        open[step] = possible(s, step);
    crash(s);
    play_to_the_end(s, search->count);
    describe(search, length, played);
    judge(s, played);
    scene_free(s);
    search->played++;
    for (enum step step = UP; step < STEPS && length < MOST_STEPS; step++) {
        if (!open[step] || search->played >= search->most)
            continue;
        search->steps[length] = (uint8_t)step;
        explore(search, length + 1);
    }
}

static void explore_all(int count, uint8_t qos, uint8_t sub_qos, int passes, long most)
{
    struct search search = {
        .count = count, .qos = qos, .sub_qos = sub_qos, .passes = passes, .most = most};
    explore(&search, 0);
    print_message("  %d message(s) of QoS %d to QoS %d: %ld crashes%s\n", count, qos, sub_qos,
                  search.played, search.played >= most ? " (not all there are)" : "");
}

static void no_order_of_a_qos_1_message_loses_it(void **state)
{
    (void)state;
    explore_all(1, 1, 1, 1, 1000000);
    explore_all(1, 2, 1, 0, 1000000);
}

static void no_order_of_a_qos_2_message_loses_or_doubles_it(void **state)
{
    (void)state;
    explore_all(1, 2, 2, 0, 1000000);
}

static void two_messages_neither(void **state)
{
    (void)state;
    explore_all(2, 1, 1, 0, 20000);
    explore_all(2, 2, 2, 0, 20000);
}

/* ---- at random ---- */

static void play_at_random(uint64_t seed, uint8_t qos, uint8_t sub_qos)
{
    struct dice dice = {seed};
    char played[64];
    snprintf(played, sizeof played, "seed %llu", (unsigned long long)seed);
    struct scene *s = scene_new(40, qos, sub_qos);
    send_more(s, 5);
    s->passes = 1000000;
    for (int step = 0; step < 600; step++) {
        enum step chosen = (enum step)dice_throw(&dice, STEPS);
        if (dice_throw(&dice, 60) == 0)
            crash(s);
        else if (possible(s, chosen) && (chosen != TIME || dice_throw(&dice, 10) == 0))
            do_step(s, chosen, 5);
    }
    crash(s);
    play_to_the_end(s, 5);
    judge(s, played);
    scene_free(s);
}

static void many_crashes_at_random_lose_and_double_nothing(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 300; seed++) {
        play_at_random(seed, 1, 1);
        play_at_random(seed, 2, 1);
        play_at_random(seed, 2, 2);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_order_of_a_qos_1_message_loses_it),
        cmocka_unit_test(no_order_of_a_qos_2_message_loses_or_doubles_it),
        cmocka_unit_test(two_messages_neither),
        cmocka_unit_test(many_crashes_at_random_lose_and_double_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
