/* A change of access reaches sessions, subscriptions, queues, wills and retained values; without
 * one nothing is governed. */
#include "base/hash.h"
#include "broker/core.h"
#include "fake_client.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#define RECORD "$6$c2FsdA==$aGFzaA=="
#define OTHER  "$6$c2FsdA==$b3RoZXI="

static void no_mistake(void *to, unsigned line, unsigned column, const char *why)
{
    (void)to;
    fail_msg("%u:%u: %s", line, column, why);
}

/* Gives the world the users and rules of these files. */
static void rule(struct world *world, const char *users, const char *acl)
{
    struct access *access = access_new();
    access->governs = true;
    access->users = users_read(slice_of_str(users), NULL, no_mistake, NULL);
    assert_int_equal(acl_read_mosquitto(access->acl, "acl", slice_of_str(acl), no_mistake, NULL),
                     0);
    assert_true(acl_seal(access->acl));
    broker_set_access(world->broker, access);
    access_unref(access);
}

static void enter(struct world *world, struct fake_client *client, const char *id, const char *user,
                  struct will *will)
{
    struct connect_request request = usual_request(id);
    struct identity *identity = identity_of_user(slice_of_str(user), RECORD);
    request.identity = identity;
    request.clean_start = false;
    request.expiry_s = 3600;
    request.will = will;
    assert_int_equal(client_connect_as(world, client, request), VERDICT_OK);
    identity_unref(identity);
}

struct stage {
    struct world *world;
    struct fake_client *ann, *bob, *late;
};

#define BOTH "ann:" RECORD "\nbob:" RECORD "\n"
#define ALL  "user ann\ntopic #\nuser bob\ntopic #\n"

static int setup(void **state)
{
    struct stage *s = calloc(1, sizeof *s);
    s->world = world_new();
    s->ann = client_new();
    s->bob = client_new();
    s->late = client_new();
    rule(s->world, BOTH, ALL);
    *state = s;
    return 0;
}

static int teardown(void **state)
{
    struct stage *s = *state;
    world_free(s->world);
    free(s->ann);
    free(s->bob);
    free(s->late);
    free(s);
    return 0;
}

static void who_is_no_user_any_more_is_expelled(void **state)
{
    struct stage *s = *state;
    struct stats *stats = broker_stats(s->world->broker);
    enter(s->world, s->ann, "a", "ann", make_will("w", "gone", 0));
    enter(s->world, s->bob, "b", "bob", NULL);
    client_subscribe(s->world, s->bob, "#", 1);
    rule(s->world, "bob:" RECORD "\n", ALL);
    world_work(s->world);
    assert_int_equal(s->ann->expelled, 1);
    assert_int_equal(s->ann->expel_reason, EXPEL_DENIED);
    assert_int_equal(s->bob->expelled, 0);
    assert_int_equal(s->bob->count, 0); /* the will is not said */
    assert_int_equal(stats->dropped[DROP_DENIED], 1);
    assert_int_equal(stats->sessions, 1);
    assert_int_equal(stats->clients_connected, 1);
}

static void a_changed_password_ends_connections_and_keeps_sessions(void **state)
{
    struct stage *s = *state;
    enter(s->world, s->ann, "a", "ann", NULL);
    enter(s->world, s->late, "l", "ann", NULL);
    client_vanish(s->world, s->late);
    rule(s->world, "ann:" OTHER "\n", ALL);
    world_work(s->world);
    assert_int_equal(s->ann->expelled, 1);
    assert_int_equal(broker_stats(s->world->broker)->sessions, 1);
}

static void a_subscription_that_is_denied_now_goes_with_its_connection(void **state)
{
    struct stage *s = *state;
    struct stats *stats = broker_stats(s->world->broker);
    enter(s->world, s->ann, "a", "ann", make_will("w", "closed", 0));
    enter(s->world, s->bob, "b", "bob", NULL);
    client_subscribe(s->world, s->bob, "w", 0);
    client_subscribe(s->world, s->ann, "x/y/+", 1);
    client_subscribe(s->world, s->ann, "ok/#", 1);
    client_subscribe(s->world, s->ann, "$share/g/x/z", 1);
    rule(s->world, BOTH, "user ann\ntopic read ok/#\ntopic write w\nuser bob\ntopic #\n");
    assert_int_equal(client_publish(s->world, s->bob, "x/y/z", "1", 1, false),
                     VERDICT_NO_SUBSCRIBERS); /* at once, before anybody was looked at */
    world_work(s->world);
    assert_int_equal(s->ann->expelled, 1);
    assert_int_equal(s->ann->expel_reason, EXPEL_CURTAILED);
    assert_int_equal(s->ann->count, 0);
    assert_int_equal(stats->subscriptions, 2);
    assert_int_equal(stats->clients_connected, 1);
    assert_int_equal(s->bob->count, 1); /* what it may still say is said */
    enter(s->world, s->late, "a", "ann", NULL);
    assert_true(s->late->present);
}

static void queued_messages_that_are_denied_now_are_dropped(void **state) /* vuln-11 */
{
    struct stage *s = *state;
    struct stats *stats = broker_stats(s->world->broker);
    enter(s->world, s->ann, "a", "ann", NULL);
    enter(s->world, s->bob, "b", "bob", NULL);
    client_subscribe(s->world, s->ann, "#", 2);
    client_publish(s->world, s->bob, "secret", "1", 2, false); /* sent, and never answered */
    client_vanish(s->world, s->ann);
    client_publish(s->world, s->bob, "secret", "2", 1, false);
    client_publish(s->world, s->bob, "open", "3", 1, false);
    rule(s->world, BOTH, "user ann\ntopic read open\nuser bob\ntopic #\n");
    enter(s->world, s->late, "a", "ann", NULL); /* before its turn */
    session_resume(s->late->session);
    assert_int_equal(s->late->count, 1);
    assert_string_equal(s->late->got[0].topic, "open");
    assert_int_equal(stats->dropped[DROP_DENIED], 2);
    world_work(s->world);
    assert_int_equal(stats->queued_messages, 0);
    assert_int_equal(stats->queued_bytes, 0);
}

static void a_retained_value_needs_its_authors_leave(void **state) /* vuln-10 */
{
    struct stage *s = *state;
    enter(s->world, s->ann, "a", "ann", NULL);
    enter(s->world, s->bob, "b", "bob", NULL);
    client_publish(s->world, s->ann, "v", "1", 0, true);
    client_leave(s->world, s->ann);
    rule(s->world, BOTH, "user ann\ntopic read v\nuser bob\ntopic #\n");
    client_subscribe(s->world, s->bob, "v", 0);
    world_work(s->world);
    assert_int_equal(s->bob->count, 0);
    rule(s->world, BOTH, ALL);
    client_subscribe(s->world, s->bob, "v", 0);
    world_work(s->world);
    assert_int_equal(s->bob->count, 1);
}

static void nobody_writes_the_daemons_topics(void **state)
{
    struct stage *s = *state;
    rule(s->world, BOTH, "user ann\ntopic $SYS/#\n");
    enter(s->world, s->ann, "a", "ann", NULL);
    assert_int_equal(client_publish(s->world, s->ann, "$SYS/x", "1", 0, false), VERDICT_DENIED);
    assert_int_equal(client_subscribe(s->world, s->ann, "$SYS/#", 0), VERDICT_OK);
    broker_set_access(s->world->broker, NULL);
    assert_int_equal(client_publish(s->world, s->ann, "$SYS/x", "1", 0, false), VERDICT_DENIED);
    assert_int_equal(client_publish(s->world, s->ann, "x", "1", 0, false), VERDICT_NO_SUBSCRIBERS);
}

static void a_hundred_thousand_sessions_are_looked_through_in_short_turns(void **state)
{
    struct stage *s = *state;
    /* Under valgrind fewer, which take as long. */
    const int sessions = getenv("SIOTD_TEST_SLOW_MACHINE") ? 4000 : 100000;
    struct fake_client *client = s->ann;
    char id[32];
    for (int i = 0; i < sessions; i++) {
        snprintf(id, sizeof id, "c%d", i);
        enter(s->world, client, id, i % 2 ? "ann" : "bob", NULL);
        client_subscribe(s->world, client, "x/y", 0);
        client_vanish(s->world, client);
    }
    rule(s->world, "bob:" RECORD "\n", ALL);
    struct timespec begin, now;
    double whole = 0, longest = 0;
    bool more = true;
    while (more) {
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &begin);
        more = broker_work(s->world->broker);
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
        double ms =
            (double)(now.tv_sec - begin.tv_sec) * 1e3 + (double)(now.tv_nsec - begin.tv_nsec) / 1e6;
        whole += ms;
        longest = ms > longest ? ms : longest;
    }
    print_message("%.0f ms, no turn longer than %.1f ms\n", whole, longest);
    assert_int_equal(broker_stats(s->world->broker)->sessions, sessions / 2);
    assert_true(whole < 1000 && longest < 200); /* with room for sanitizers */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(who_is_no_user_any_more_is_expelled, setup, teardown),
        cmocka_unit_test_setup_teardown(a_changed_password_ends_connections_and_keeps_sessions,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(a_subscription_that_is_denied_now_goes_with_its_connection,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(queued_messages_that_are_denied_now_are_dropped, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_retained_value_needs_its_authors_leave, setup, teardown),
        cmocka_unit_test_setup_teardown(nobody_writes_the_daemons_topics, setup, teardown),
        cmocka_unit_test_setup_teardown(
            a_hundred_thousand_sessions_are_looked_through_in_short_turns, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
